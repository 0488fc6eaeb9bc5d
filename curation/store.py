"""The only writer of records: each change is in the journal before it is made, and none is made over another's."""

import contextlib
import hashlib
import itertools
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.atomic import close, locked, replacing, spool, target_of
from curation.errors import UserError
from curation.hunks import Piece
from curation.journal_file import Entry, recorded
from curation.lines import parse_line
from curation.packing import PackedHunks
from curation.records import (
    Dataset,
    Line,
    Record,
    edit_line,
    format_record,
    parse_dataset,
    reading,
)


@dataclass(frozen=True)
class Note:
    """What the journal says of a change besides what changed."""

    command: str
    about: str = ""
    undoes: tuple[int, ...] = ()
    redoes: int = 0


class Appended:
    """Records on their way to the end of a file; `taken` has each id that is there, its line and `content_digest`."""

    def __init__(self, path: Path, taken: dict[str, tuple[int, bytes]], lines: int) -> None:
        self.taken = taken
        self.added = 0
        self.changed: dict[str, tuple[int, int]] = {}  # the ids of records that are to be changed
        self._path, self._lines = path, lines
        folder = target_of(path).parent
        self._new, self._changes = spool(folder), spool(folder)

    def add(self, data: Mapping[str, Any]) -> str:
        """Write a record after those before it, and return its id. Raises UserError where its id is taken."""
        record_id = str(data.get("id") or new_id(data, self.taken))
        if record_id in self.taken:
            line = self.taken[record_id][0]
            raise UserError(f'{self._path}:{line}: the id "{record_id}" is taken; give another with --id')
        record = {"id": record_id, **{name: value for name, value in data.items() if name != "id"}}
        self._new.write(format_record(record))
        self.added += 1
        self.taken[record_id] = (self._lines + self.added, content_digest(record))
        return record_id

    def change(self, record_id: str, data: Mapping[str, Any]) -> None:
        """Have these fields in place of those of a record that is there."""
        start = self._changes.tell()
        self.changed[record_id] = start, self._changes.write(format_record(data))

    def pieces(self) -> Iterator[Piece]:
        """The file before and after all that."""
        raw = b"\n"
        for _, raw, record in _read_lines(self._path):
            record_id = record.id if record is not None else None
            place = self.changed.get(record_id) if isinstance(record_id, str) else None
            yield raw, edit_line(raw, {**record.data, **self._change_at(place)}) if record and place else raw
        if self.added and not raw.endswith(b"\n"):
            yield b"", b"\n"
        self._new.seek(0)
        for new in self._new:
            yield b"", new

    def close(self) -> None:
        close(self._new)
        close(self._changes)

    def _change_at(self, place: tuple[int, int]) -> dict[str, Any]:
        self._changes.seek(place[0])
        return parse_line(self._changes.read(place[1]))


@contextlib.contextmanager
def appending(path: Path, command: str = "import") -> Iterator[Appended]:
    """Add records at the end of a JSONL file, made where there is none: all of them, or none where the block raises.

    One lock, one copy and one entry in the journal, however many they are; the lines before them keep their bytes.
    """
    with locked(path):
        taken: dict[str, tuple[int, bytes]] = {}
        number, last, before = 0, b"\n", hashlib.sha256()
        for number, last, record in _read_lines(path):
            if record is not None and isinstance(record.id, str):
                taken[record.id] = (number, content_digest(record.data))
            before.update(last)
        if not last.endswith(b"\n") and parse_dataset(path, last).broken:
            raise UserError(f"{path}:{number}: the last line is broken; mend it before a record is added")
        with contextlib.closing(Appended(path, taken, number)) as new:
            yield new
            if new.added or new.changed:
                write_pieces(path, new.pieces(), Note(command), before.hexdigest())


def append_record(path: Path, data: Mapping[str, Any], command: str = "add") -> str:
    """Add a record at the end of a JSONL file, made where there is none, and return its id."""
    with appending(path, command) as file:
        return file.add(data)


def content_digest(data: Mapping[str, Any]) -> bytes:
    """By which a record is known whatever the order and the spelling of its members."""
    content = json.dumps(dict(data), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()[:8]


def _read_lines(path: Path) -> Iterator[tuple[int, bytes, Record | None]]:
    if path.exists():
        with reading(path) as file:
            for number, raw in enumerate(file, start=1):
                yield number, raw, parse_dataset(path, raw).lines[0].record


def replace_record(dataset: Dataset, line: Line, data: Mapping[str, Any], command: str = "edit") -> None:
    """Write the file again with one record changed; every other byte stays."""
    replace_lines(dataset, {line.number: edit_line(line.raw, data)}, Note(command))


def remove_record(dataset: Dataset, line: Line, command: str = "rm") -> None:
    """Write the file again without one line."""
    replace_lines(dataset, {line.number: b""}, Note(command))


def replace_lines(dataset: Dataset, new: Mapping[int, bytes], note: Note) -> None:
    """Write the file again with some lines, by their numbers, changed or, where they are empty, gone: all in one."""
    change_lines(dataset.path, dataset.sha256, lambda number, raw: new.get(number, raw), note)


def change_lines(path: Path, sha256: str, change: Callable[[int, bytes], bytes], note: Note) -> Entry | None:
    """Write a file again with what `change` makes of each line, known by its number from 1; `sha256` is the file's.

    It holds a line at a time. None where nothing changes. Raises UserError where the file is another one meanwhile.
    """

    def pieces() -> Iterator[Piece]:
        with reading(path) as file:
            for number, raw in enumerate(file, start=1):
                yield raw, change(number, raw)

    with locked(path):
        return write_pieces(path, pieces(), note, sha256)


def write_pieces(path: Path, pieces: Iterable[Piece], note: Note, sha256: str) -> Entry | None:
    """Make what the pieces say of a file of that SHA-256, and say so in its journal; None where there is nothing to do.

    It is called under the lock and holds a piece at a time. Raises UserError where another program has changed the
    file meanwhile.
    """
    before, after = hashlib.sha256(), hashlib.sha256()
    entries: list[Entry] = []

    def around(_: Path) -> contextlib.AbstractContextManager[object]:
        return _journaled(path, entry, packed, entries)

    with PackedHunks(target_of(path).parent) as packed, replacing(path, around) as staged:
        with staged.open("wb") as file:
            for old, new in pieces:
                before.update(old)
                after.update(new)
                packed.add(old, new)
                file.write(new)
        if before.hexdigest() != sha256:
            raise changed_meanwhile(path)
        entry = Entry(
            number=0,
            time="",
            command=note.command,
            before=sha256,
            after=after.hexdigest(),
            ids=tuple(packed.ids),
            about=note.about.encode("utf-8", "backslashreplace").decode("utf-8"),  # a file name may be no UTF-8
            undoes=note.undoes,
            redoes=note.redoes,
            added=packed.added,
            changed=packed.changed,
            removed=packed.removed,
        )
        if packed.is_empty and not (note.undoes or note.redoes):
            staged.unlink()
    return entries[0] if entries else None


@contextlib.contextmanager
def _journaled(path: Path, entry: Entry, packed: Iterable[bytes], written: list[Entry]) -> Iterator[None]:
    """Around the rename: the journal is on the disk before it, and nobody else has changed the file until then."""
    with recorded(path, entry, packed) as numbered:
        if sha256_of(path) != entry.before:  # by a program that knows nothing of our lock
            raise changed_meanwhile(path)
        yield
    written.append(numbered)


def sha256_of(path: Path) -> str:
    """The digest of a file; one that does not exist has that of an empty one."""
    target = target_of(path)
    if not target.exists():
        return hashlib.sha256().hexdigest()
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def new_id(data: Mapping[str, Any], taken: Container[str]) -> str:
    """An id that is free, made from the question and the language of its answer."""
    question = "\n".join(str(data.get(field, "")) for field in ("instruction", "input", "language"))
    for attempt in itertools.count():
        digest = hashlib.sha256(f"{question}\n{attempt}".encode()).hexdigest()[:10]
        if digest not in taken:
            return digest
    raise AssertionError("there is always another id")


def changed_meanwhile(path: Path) -> UserError:
    """What is said instead of writing over the change of another program."""
    return UserError(f"{path}: was changed by another program meanwhile; nothing was written, try again")
