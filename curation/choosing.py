"""Which lines of a file are meant, by ids or conditions; the file is read in passing, and again for their records."""

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.errors import UserError
from curation.lines import BadLine, parse_line
from curation.record_file import lines_of
from curation.records import Line, Record, reading
from curation.where import Condition, require_known


@dataclass(frozen=True)
class Chosen:
    """The numbers of lines, ascending, that hold records, in a file of that SHA-256, which has `of_lines` lines.

    `broken` of all its lines hold no record.
    """

    path: Path
    sha256: str
    numbers: "array[int]"
    of_lines: int = 0
    broken: int = 0

    def __len__(self) -> int:
        return len(self.numbers)

    def lines(self) -> Iterator[tuple[Line, Record]]:
        """Each line with its record. Raises UserError at the end where the file is another one by now."""
        is_chosen = self.contains()
        for number, raw in lines_of(self.path, self.sha256):
            if is_chosen(number) and (record := _record(raw)) is not None:
                yield Line(number, raw, record), record

    def contains(self) -> Callable[[int], bool]:
        """Whether a line is among them, for numbers that are asked for one after the other."""
        waiting = iter(self.numbers)
        wanted = next(waiting, 0)

        def is_chosen(number: int) -> bool:
            nonlocal wanted
            if number != wanted:
                return False
            wanted = next(waiting, 0)
            return True

        return is_chosen


@dataclass(frozen=True)
class Sought:
    """A record by its id: its line, the other ids with their lines, and the SHA-256 of the file."""

    line: Line
    record: Record
    others: dict[str, int]
    sha256: str


def seek(path: Path, record_id: str) -> Sought:
    """The one record with this id, or that `line:N` names; UserError as `choose_by_ids`."""
    ids: dict[str, int] = {}
    found: list[tuple[Line, Record]] = []

    def holds(line: Line, record: Record) -> bool:
        is_it = record_id in (record.id, f"line:{line.number}")
        if is_it:
            found[:] = [(line, record)]
        elif isinstance(record.id, str):
            ids[record.id] = line.number
        return is_it

    chosen = _choose(path, holds)
    _require_one(path, record_id, chosen.numbers)
    return Sought(*found[0], ids, chosen.sha256)


def choose_by_ids(path: Path, ids: Sequence[str]) -> Chosen:
    """The lines with these ids, or that `line:N` names, each once. Raises UserError where none or several fit one."""
    found: dict[str, list[int]] = {record_id: [] for record_id in ids}

    def holds(line: Line, record: Record) -> bool:
        names = {name for name in (record.id, f"line:{line.number}") if isinstance(name, str) and name in found}
        for name in names:
            found[name].append(line.number)
        return bool(names)

    chosen = _choose(path, holds)
    for record_id, numbers in found.items():
        _require_one(path, record_id, numbers)
    return chosen


def _require_one(path: Path, record_id: str, numbers: Sequence[int]) -> None:
    if not numbers:
        raise UserError(f'{path}: no record has the id "{record_id}"; `phi2chat curate list` shows the ids')
    if len(numbers) > 1:
        places = ", ".join(map(str, numbers))
        raise UserError(f'{path}: lines {places} share the id "{record_id}"; give them ids of their own first')


def choose_by_conditions(path: Path, conditions: Sequence[Condition]) -> Chosen:
    """The lines for whose records all conditions hold. Raises UserError for a field that no record has."""
    fields: dict[str, None] = {}

    def holds(line: Line, record: Record) -> bool:
        fields.update(dict.fromkeys(record.data))
        return all(condition.holds(line, record) for condition in conditions)

    chosen = _choose(path, holds)
    require_known(conditions, fields)
    return chosen


def _choose(path: Path, holds: Callable[[Line, Record], bool]) -> Chosen:
    digest, numbers = hashlib.sha256(), array("q")
    number = broken = 0
    with reading(path) as file:
        for number, raw in enumerate(file, start=1):
            digest.update(raw)
            record = _record(raw)
            if record is None:
                broken += 1
            elif holds(Line(number, raw, record), record):
                numbers.append(number)
    return Chosen(path, digest.hexdigest(), numbers, number, broken)


def _record(raw: bytes) -> Record | None:
    try:
        return Record(parse_line(raw))
    except BadLine:
        return None
