"""What is done to many records at once: their labels are changed, or they are moved to another file."""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.atomic import locked, target_of
from curation.errors import UserError
from curation.records import Dataset, Line, Record, edit_line, parse_dataset, read_bytes
from curation.rules import check_record
from curation.store import Note, changed_meanwhile, commit, replace_lines

_GOOD = {"instruction": "?", "reasoning": "!", "answer": "."}


@dataclass(frozen=True)
class Moved:
    """How many records have left a file, and how many of them the other one had already, byte for byte."""

    records: int
    there: int


def retag(
    dataset: Dataset,
    records: Iterable[tuple[Line, Record]],
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> int:
    """Add and remove tags, set labels (an empty one is taken away), and say how many records have changed by it.

    One write and one entry in the journal. Raises UserError for a label that breaks the contract.
    """
    labels = labels or {}
    _require_good(dataset.path, add, {name: value for name, value in labels.items() if value})
    new: dict[int, bytes] = {}
    for line, record in records:
        data = _with_labels(dataset.path, line, record, add, remove, labels)
        if data != record.data:
            new[line.number] = edit_line(line.raw, data)
    if new:
        replace_lines(dataset, new, Note("retag"))
    return len(new)


def _with_labels(
    path: Path, line: Line, record: Record, add: Sequence[str], remove: Sequence[str], labels: Mapping[str, str]
) -> dict[str, Any]:
    data = {**record.data, **labels}
    if add or remove:
        tags = data.get("tags", [])
        if not isinstance(tags, list):
            raise UserError(f"{path}:{line.number}: tags is not a list; mend it first with `phi2chat curate edit`")
        tags = [*tags, *(tag for tag in dict.fromkeys(add) if tag not in tags)]
        data["tags"] = [tag for tag in tags if tag not in remove]
    may_go = {*labels, *(["tags"] if add or remove else [])}
    return {name: value for name, value in data.items() if value or name not in may_go}


def _require_good(path: Path, tags: Sequence[str], labels: Mapping[str, str]) -> None:
    data = {**_GOOD, **labels, **({"tags": list(dict.fromkeys(tags))} if tags else {})}
    for finding in check_record(path, data):
        if finding.severity == "error" and finding.field in ("tags", *labels):
            raise UserError(f"{path}: {finding.field}: {finding.message} [{finding.rule}]; nothing was changed")


def move_records(dataset: Dataset, lines: Sequence[Line], other: Path) -> Moved:
    """Move lines, to the byte, to the end of another file, which is made where there is none.

    They are there before they are gone from here, so a move that is stopped has lost nothing; the next one finds what
    is there already. Raises UserError where the other file has another record of the same id.
    """
    path = dataset.path
    if target_of(path) == target_of(other):
        raise UserError(f"{other}: is the file that they are in; give another with --to")
    with contextlib.ExitStack() as locks:
        for one in sorted((path, other), key=target_of):  # in one order, so that two moves never wait for each other
            locks.enter_context(locked(one))
        before = read_bytes(path)
        if hashlib.sha256(before).hexdigest() != dataset.sha256:
            raise changed_meanwhile(path)
        content = read_bytes(other) if other.exists() else b""
        new = _not_there(other, content, lines)
        commit(other, content, content + new, Note("mv", f"from {path}"))
        numbers = {line.number for line in lines}
        kept = b"".join(line.raw for line in dataset.lines if line.number not in numbers)
        try:
            commit(path, before, kept, Note("mv", f"to {other}"))
        except UserError as error:
            raise UserError(
                f"{other}: has the records, but they may be in {path} still; move them again ({error})"
            ) from None
    return Moved(len(numbers), len(numbers) - new.count(b"\n") + new.startswith(b"\n"))


def _not_there(other: Path, content: bytes, lines: Sequence[Line]) -> bytes:
    """What must be added to the other file: the lines, each with its end, but for those that it has."""
    there = parse_dataset(other, content)
    has = {line.raw.rstrip(b"\r\n") for line in there.lines}
    taken = {record.id: line.number for line, record in there.records() if isinstance(record.id, str)}
    new: list[bytes] = []
    for line in lines:
        record_id = line.record.id if line.record else None
        if line.raw.rstrip(b"\r\n") in has:
            continue
        if isinstance(record_id, str) and record_id in taken:
            raise UserError(
                f'{other}:{taken[record_id]}: the id "{record_id}" is taken; give one of them another first'
            )
        new.append(line.raw if line.raw.endswith(b"\n") else line.raw + b"\n")
    if new and content and not content.endswith(b"\n"):
        if there.lines[-1].record is None:
            raise UserError(f"{other}:{len(there.lines)}: the last line is broken; mend it before a record is added")
        new.insert(0, b"\n")
    return b"".join(new)
