"""What is done to many records at once, of which few are in memory: they are relabelled, removed or moved."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.atomic import locked, target_of
from curation.choosing import Chosen
from curation.errors import UserError
from curation.hunks import Piece
from curation.lines import BadLine, parse_line
from curation.records import edit_line, reading
from curation.rules import check_record
from curation.store import Note, change_lines, changed_meanwhile, sha256_of, write_pieces

_GOOD = {"instruction": "?", "reasoning": "!", "answer": "."}


@dataclass(frozen=True)
class Moved:
    """How many records have left a file, and how many of them the other one had already, byte for byte."""

    records: int
    there: int


def retag(
    chosen: Chosen, add: Sequence[str] = (), remove: Sequence[str] = (), labels: Mapping[str, str] | None = None
) -> int:
    """Add and remove tags, set labels (an empty one is taken away), and say how many records have changed by it.

    One write and one entry in the journal. Raises UserError for a label that breaks the contract.
    """
    labels = labels or {}
    _require_good(chosen.path, add, {name: value for name, value in labels.items() if value})
    is_chosen = chosen.contains()

    def change(number: int, raw: bytes) -> bytes:
        if not is_chosen(number):
            return raw
        old = parse_line(raw)
        data = _with_labels(chosen.path, number, old, add, remove, labels)
        return raw if data == old else edit_line(raw, data)

    entry = change_lines(chosen.path, chosen.sha256, change, Note("retag"))
    return entry.changed if entry else 0


def _with_labels(
    path: Path,
    number: int,
    old: Mapping[str, Any],
    add: Sequence[str],
    remove: Sequence[str],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    data = {**old, **labels}
    if add or remove:
        tags = data.get("tags", [])
        if not isinstance(tags, list):
            raise UserError(f"{path}:{number}: tags is not a list; mend it first with `phi2chat curate edit`")
        tags = [*tags, *(tag for tag in dict.fromkeys(add) if tag not in tags)]
        data["tags"] = [tag for tag in tags if tag not in remove]
    may_go = {*labels, *(["tags"] if add or remove else [])}
    return {name: value for name, value in data.items() if value or name not in may_go}


def _require_good(path: Path, tags: Sequence[str], labels: Mapping[str, str]) -> None:
    data = {**_GOOD, **labels, **({"tags": list(dict.fromkeys(tags))} if tags else {})}
    for finding in check_record(path, data):
        if finding.severity == "error" and finding.field in ("tags", *labels):
            raise UserError(f"{path}: {finding.field}: {finding.message} [{finding.rule}]; nothing was changed")


def remove(chosen: Chosen) -> None:
    """Take the lines out of their file."""
    is_chosen = chosen.contains()
    change_lines(chosen.path, chosen.sha256, lambda number, raw: b"" if is_chosen(number) else raw, Note("rm"))


def move_records(chosen: Chosen, other: Path) -> Moved:
    """Move lines, to the byte and in their order, to the end of another file, which is made where there is none.

    They are there before they are gone from here, so a move that is stopped has lost nothing; the next one finds what
    is there already. Raises UserError where the other file has another record of the same id.
    """
    path = chosen.path
    if target_of(path) == target_of(other):
        raise UserError(f"{other}: is the file that they are in; give another with --to")
    with contextlib.ExitStack() as locks:
        for one in sorted((path, other), key=target_of):  # in one order, so that two moves never wait for each other
            locks.enter_context(locked(one))
        if sha256_of(path) != chosen.sha256:
            raise changed_meanwhile(path)
        there = _There(other)
        if there.lacks_any(chosen):
            write_pieces(other, there.pieces(chosen), Note("mv", f"from {path}"), there.sha256)
        is_chosen = chosen.contains()
        kept = ((raw, b"" if is_chosen(number) else raw) for number, raw in _numbered(path))
        try:
            write_pieces(path, kept, Note("mv", f"to {other}"), chosen.sha256)
        except UserError as error:
            raise UserError(
                f"{other}: has the records, but they may be in {path} still; move them again ({error})"
            ) from None
    return Moved(len(chosen), there.known)


class _There:
    """What a file has that records are moved to; `known` counts those of them that it has, byte for byte."""

    def __init__(self, path: Path) -> None:
        self.known = 0
        self._path = path
        self._has: set[bytes] = set()  # digests of lines
        self._taken: dict[str, int] = {}
        self._lines = 0
        last, self._last_is_broken, digest = b"\n", False, hashlib.sha256()
        for self._lines, last in _numbered(path):
            digest.update(last)
            self._has.add(_digest(last))
            try:
                record_id = parse_line(last).get("id")
                self._last_is_broken = False
            except BadLine:
                record_id, self._last_is_broken = None, True
            if isinstance(record_id, str):
                self._taken[record_id] = self._lines
        self.sha256 = digest.hexdigest()
        self._is_ended = last.endswith(b"\n")

    def lacks_any(self, chosen: Chosen) -> bool:
        """Whether any of the lines is to be added. Raises UserError where one cannot be."""
        lacking = 0
        self.known = 0
        for line, record in chosen.lines():
            if _digest(line.raw) in self._has:
                self.known += 1
                continue
            lacking += 1
            if isinstance(record.id, str) and record.id in self._taken:
                raise UserError(
                    f'{self._path}:{self._taken[record.id]}: the id "{record.id}" is taken;'
                    " give one of them another first"
                )
        if lacking and not self._is_ended and self._last_is_broken:
            raise UserError(f"{self._path}:{self._lines}: the last line is broken; mend it before a record is added")
        return lacking > 0

    def pieces(self, chosen: Chosen) -> Iterator[Piece]:
        """The file before and after they are added, each with its end, but for those that it has."""
        for _, raw in _numbered(self._path):
            yield raw, raw
        if not self._is_ended:
            yield b"", b"\n"
        for line, _ in chosen.lines():
            if _digest(line.raw) not in self._has:
                yield b"", line.raw if line.raw.endswith(b"\n") else line.raw + b"\n"


def _digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw.rstrip(b"\r\n")).digest()[:16]


def _numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    if path.exists():
        with reading(path) as file:
            yield from enumerate(file, start=1)
