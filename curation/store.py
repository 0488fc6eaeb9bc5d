"""The only writer of records: each change is in the journal before it is made, and none is made over another's."""

import contextlib
import hashlib
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from curation.atomic import locked, replacing, target_of
from curation.errors import UserError
from curation.hunks import KEPT_BYTES, Hunk, find_hunks
from curation.journal_file import Entry, recorded
from curation.lines import BadLine, parse_line, split_lines
from curation.records import (
    Dataset,
    Line,
    Record,
    edit_line,
    format_record,
    parse_dataset,
    read_bytes,
    require_file,
)

SHOWN_IDS = 20  # that the journal names, of the records that a change is about


@dataclass(frozen=True)
class Note:
    """What the journal says of a change besides what changed."""

    command: str
    about: str = ""
    undoes: tuple[int, ...] = ()
    redoes: int = 0


class Appended:
    """Records on their way to the end of a file; `taken` has each id that is there, its line and `content_digest`.

    `changes` are fields by id, for records before them that are to be changed.
    """

    def __init__(self, path: Path, taken: dict[str, tuple[int, bytes]], lines: int, file: BinaryIO) -> None:
        self.taken = taken
        self.ids: list[str] = []  # the first
        self.added = 0
        self.changes: dict[str, Mapping[str, Any]] = {}
        self._path, self._lines, self._file = path, lines, file

    def add(self, data: Mapping[str, Any]) -> str:
        """Write a record after those before it, and return its id. Raises UserError where its id is taken."""
        record_id = str(data.get("id") or new_id(data, self.taken))
        if record_id in self.taken:
            line = self.taken[record_id][0]
            raise UserError(f'{self._path}:{line}: the id "{record_id}" is taken; give another with --id')
        record = {"id": record_id, **{name: value for name, value in data.items() if name != "id"}}
        self._file.write(format_record(record))
        self.added += 1
        self.ids += [record_id] if self.added <= SHOWN_IDS else []
        self.taken[record_id] = (self._lines + self.added, content_digest(record))
        return record_id


@contextlib.contextmanager
def appending(path: Path, command: str = "import") -> Iterator[Appended]:
    """Add records at the end of a JSONL file, made where there is none: all of them, or none where the block raises.

    One lock, one copy and one entry in the journal, however many they are; the lines before them keep their bytes.
    """
    hunks: list[Hunk] = []
    entries: list[Entry] = []  # one, when all is written

    def around(_: Path) -> contextlib.AbstractContextManager[object]:
        return _journaled(path, entries[0], hunks, [])

    with locked(path), replacing(path, around) as staged:
        taken: dict[str, tuple[int, bytes]] = {}
        number, last, before = 0, b"\n", hashlib.sha256()
        with staged.open("wb") as file:
            for number, last, record in _read_lines(path):
                if record is not None and isinstance(record.id, str):
                    taken[record.id] = (number, content_digest(record.data))
                before.update(last)
                file.write(last)
            size = file.tell()
            if not last.endswith(b"\n"):
                if parse_dataset(path, last).broken:
                    raise UserError(f"{path}:{number}: the last line is broken; mend it before a record is added")
                file.write(b"\n")
            new = Appended(path, taken, number, file)
            yield new
        if not new.added and not new.changes:
            staged.unlink()
            return
        come = staged.stat().st_size - size
        if come:
            hunks.append(Hunk(size, number + 1, b"", _read_from(staged, size) if come <= KEPT_BYTES else None, come))
        if new.changes:
            hunks[:0] = _change_lines(staged, new.changes, size)
        after = sha256_of(staged)
        if after == before.hexdigest():
            staged.unlink()
            return
        entries.append(
            Entry(
                number=0,
                time="",
                command=command,
                before=before.hexdigest(),
                after=after,
                ids=tuple([*itertools.islice(new.changes, SHOWN_IDS), *new.ids][:SHOWN_IDS]),
                added=new.added,
                changed=len(new.changes),
            )
        )


def _read_from(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()


def _change_lines(path: Path, changes: Mapping[str, Mapping[str, Any]], size: int) -> list[Hunk]:
    """Change the records in the first `size` bytes of a file, which may end within a line that had no newline."""
    hunks: list[Hunk] = []
    offset = 0
    with tempfile.TemporaryFile(dir=path.parent) as changed:
        for number, raw, record in _read_lines(path):
            change = changes.get(str(record.id)) if record is not None and offset < size else None
            new = edit_line(raw, {**record.data, **change}) if record is not None and change else raw
            if new != raw:
                newline = max(offset + len(raw) - size, 0)  # 1 where it was added for the records that follow
                hunks.append(
                    Hunk(offset, number, raw[: len(raw) - newline], new[: len(new) - newline], len(new) - newline)
                )
            changed.write(new)
            offset += len(raw)
        changed.seek(0)
        with path.open("wb") as file:
            shutil.copyfileobj(changed, file)
    return hunks


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
        require_file(path)
        with path.open("rb") as file:
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
    with locked(dataset.path):
        before = read_bytes(dataset.path)
        if hashlib.sha256(before).hexdigest() != dataset.sha256:
            raise changed_meanwhile(dataset.path)
        commit(dataset.path, before, b"".join(new.get(line.number, line.raw) for line in dataset.lines), note)


def change_file(path: Path, change: Callable[[bytes], bytes], note: Note) -> None:
    """Replace a file by what `change` makes of its bytes, under the lock; one that it leaves alone is not written."""
    with locked(path):
        content = read_bytes(path)
        commit(path, content, change(content), note)


def commit(path: Path, before: bytes, after: bytes, note: Note) -> Entry | None:
    """Make `after` of a file that is `before`, and say so in its journal; None where there is nothing to do.

    It is called under the lock. Raises UserError where another program has changed the file meanwhile.
    """
    if before == after and not (note.undoes or note.redoes):
        return None
    hunks = find_hunks(before, after)
    added, changed, removed = _count_lines(hunks)
    entry = Entry(
        number=0,
        time="",
        command=note.command,
        before=hashlib.sha256(before).hexdigest(),
        after=hashlib.sha256(after).hexdigest(),
        ids=tuple(itertools.islice(_ids(hunks), SHOWN_IDS)),
        about=note.about.encode("utf-8", "backslashreplace").decode("utf-8"),  # a file name may be no UTF-8
        undoes=note.undoes,
        redoes=note.redoes,
        added=added,
        changed=changed,
        removed=removed,
    )
    written: list[Entry] = []
    with replacing(path, lambda _: _journaled(path, entry, hunks, written)) as staged:
        staged.write_bytes(after)
    return written[0]


@contextlib.contextmanager
def _journaled(path: Path, entry: Entry, hunks: Sequence[Hunk], written: list[Entry]) -> Iterator[None]:
    """Around the rename: the journal is on the disk before it, and nobody else has changed the file until then."""
    with recorded(path, entry, hunks) as numbered:
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


def _ids(hunks: Sequence[Hunk]) -> Iterator[str]:
    """The id of each record that is in a hunk."""
    seen: set[str] = set()
    for hunk in hunks:
        lines = split_lines(hunk.old) + split_lines(hunk.new or b"")
        for raw in lines:
            record_id = _id_of(raw) or f"line:{hunk.line}"
            if raw.strip() and record_id not in seen:
                seen.add(record_id)
                yield record_id


def _id_of(raw: bytes) -> str:
    try:
        found = parse_line(raw).get("id")
    except BadLine:
        return ""
    return found if isinstance(found, str) else ""


def _count_lines(hunks: Sequence[Hunk]) -> tuple[int, int, int]:
    """How many lines were added, changed and removed."""
    counts = [(_lines_in(hunk.old), _lines_in(hunk.new or b"")) for hunk in hunks]
    return (
        sum(max(0, new - old) for old, new in counts),
        sum(min(old, new) for old, new in counts),
        sum(max(0, old - new) for old, new in counts),
    )


def _lines_in(content: bytes) -> int:
    return content.count(b"\n") + (not content.endswith(b"\n") if content else 0)


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
