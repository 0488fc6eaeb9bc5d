"""The records that a run was trained and evaluated on, kept beside it: the files they came from change."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from curation.atomic import write_atomically
from curation.errors import UserError
from curation.records import Record, read_bytes
from phi2chat.inference.examples import Row, Sides

RECORDS_FILE = "records.jsonl.gz"
_COMPRESSION = 4  # a third of the size of the fastest, in little more time


@dataclass(frozen=True)
class Snapshot:
    """Both sides of a run, in the order of their files."""

    train: tuple[Record, ...]
    eval: tuple[Record, ...]


def save_records(folder: Path, sides: Sides) -> None:
    """Write the records of a run into its folder: a line for each, with its side."""
    lines = b"".join(_lines("train", sides.train)) + b"".join(_lines("eval", sides.eval))
    write_atomically(folder / RECORDS_FILE, gzip.compress(lines, _COMPRESSION, mtime=0))


def read_records(folder: Path) -> Snapshot | None:
    """The records that a run kept; None for one of an earlier version, which kept none.

    Raises UserError where they are damaged.
    """
    path = folder / RECORDS_FILE
    if not path.exists():
        return None
    sides: dict[str, list[Record]] = {"train": [], "eval": []}
    try:
        for line in gzip.decompress(read_bytes(path)).splitlines():
            side, data = msgspec.json.decode(line, type=tuple[str, dict[str, Any]])
            sides[side].append(Record(data))
    except (OSError, EOFError, ValueError, KeyError, RecursionError):
        raise UserError(f"{path}: is damaged; restore it, or train again") from None
    return Snapshot(tuple(sides["train"]), tuple(sides["eval"]))


def _lines(side: str, rows: Sequence[Row]) -> Iterator[bytes]:
    for row in rows:
        yield msgspec.json.encode((side, row.record.data)) + b"\n"
