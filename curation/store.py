"""The only writer: a file is replaced whole or not at all, under a lock, and never over somebody else's change."""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from curation.errors import UserError
from curation.records import (
    Dataset,
    Line,
    Record,
    edit_line,
    format_record,
    parse_dataset,
    read_bytes,
    read_dataset,
    require_file,
)

LOCK_SECONDS = 10.0


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file by `content`: temporary file in its folder, fsync, rename, fsync of the folder.

    A symbolic link stays one and its target is replaced; the permissions stay. Raises UserError where the disk or
    the permissions forbid it; the old file is then as it was.
    """
    write_all({path: content})


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Replace several files as `write_atomically` does one: none of them before all contents are on the disk."""
    staged: dict[Path, tuple[Path, Path]] = {}  # path -> temporary file, target
    path = Path()
    try:
        for path, content in contents.items():
            target = Path(os.path.realpath(path))  # which, unlike resolve(), bears a loop of links
            _require_replaceable(path, target)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".tmp")
            staged[path] = (Path(name), target)
            with os.fdopen(handle, "wb") as file:
                Path(name).chmod(target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~umask())
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path in staged:
            os.replace(*staged[path])
        for folder in {target.parent for _, target in staged.values()}:
            fsync(folder)
    except OSError as error:
        raise _write_error(path, error, len(contents[path])) from None
    finally:
        for temporary, _ in staged.values():
            temporary.unlink(missing_ok=True)


def _require_replaceable(path: Path, target: Path) -> None:
    if target.exists() and not target.is_file():  # a rename would take a pipe or a device away
        raise UserError(f"{path}: is not a regular file; give another")
    if target.exists() and not os.access(target, os.W_OK):
        raise UserError(f"{path}: is read-only; nothing was written")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file to write, which takes the name of `path` when the block ends and is removed where it raises.

    For what is too large to be handed to `write_atomically` as bytes; else it does the same. A block that removes the
    temporary file leaves `path` as it is.
    """
    target = Path(os.path.realpath(path))  # which, unlike resolve(), bears a loop of links
    staged: Path | None = None
    try:
        _require_replaceable(path, target)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".tmp")
        os.close(handle)
        staged = Path(name)
        staged.chmod(target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~umask())
        yield staged
        if staged.exists():
            fsync(staged)
            os.replace(staged, target)
            fsync(target.parent)
    except OSError as error:
        raise _write_error(path, error, 0) from None
    finally:
        if staged is not None:
            staged.unlink(missing_ok=True)


class Appended:
    """Records on their way to the end of a file; `taken` has each id that is there, its line and `content_digest`.

    `changes` are fields by id, for records before them that are to be changed.
    """

    def __init__(self, path: Path, taken: dict[str, tuple[int, bytes]], lines: int, file: BinaryIO) -> None:
        self.taken = taken
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
        self.taken[record_id] = (self._lines + self.added, content_digest(record))
        return record_id


@contextlib.contextmanager
def appending(path: Path) -> Iterator[Appended]:
    """Add records at the end of a JSONL file, made where there is none: all of them, or none where the block raises.

    One lock, one copy and one fsync, however many they are; the lines before them keep their bytes.
    """
    with _locked(path), replacing(path) as staged, staged.open("wb") as file:
        taken: dict[str, tuple[int, bytes]] = {}
        number, last = 0, b"\n"
        for number, last, record in _read_lines(path):
            if record is not None and isinstance(record.id, str):
                taken[record.id] = (number, content_digest(record.data))
            file.write(last)
        if not last.endswith(b"\n"):
            if parse_dataset(path, last).broken:
                raise UserError(f"{path}:{number}: the last line is broken; mend it before a record is added")
            file.write(b"\n")
        new = Appended(path, taken, number, file)
        yield new
        file.flush()
        if new.changes:
            _change_lines(staged, new.changes)
        elif not new.added:
            staged.unlink()


def _change_lines(path: Path, changes: Mapping[str, Mapping[str, Any]]) -> None:
    with replacing(path) as staged, staged.open("wb") as file:
        for _, raw, record in _read_lines(path):
            change = changes.get(str(record.id)) if record is not None else None
            file.write(edit_line(raw, {**record.data, **change}) if record is not None and change else raw)


def append_record(path: Path, data: Mapping[str, Any]) -> str:
    """Add a record at the end of a JSONL file, made where there is none, and return its id."""
    with appending(path) as file:
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


def replace_record(dataset: Dataset, line: Line, data: Mapping[str, Any]) -> None:
    """Write the file again with one record changed; every other byte stays."""
    _rewrite(dataset, line, edit_line(line.raw, data))


def remove_record(dataset: Dataset, line: Line) -> None:
    """Write the file again without one line."""
    _rewrite(dataset, line, b"")


def change_file(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace a file by what `change` makes of its bytes, under the lock; one that it leaves alone is not written."""
    with _locked(path):
        content = read_bytes(path)
        changed = change(content)
        if changed != content:
            if read_bytes(path) != content:  # by a program that knows nothing of our lock
                raise _changed_meanwhile(path)
            write_atomically(path, changed)


def new_id(data: Mapping[str, Any], taken: Container[str]) -> str:
    """An id that is free, made from the question and the language of its answer."""
    question = "\n".join(str(data.get(field, "")) for field in ("instruction", "input", "language"))
    for attempt in itertools.count():
        digest = hashlib.sha256(f"{question}\n{attempt}".encode()).hexdigest()[:10]
        if digest not in taken:
            return digest
    raise AssertionError("there is always another id")


def _rewrite(dataset: Dataset, line: Line, new: bytes) -> None:
    with _locked(dataset.path):
        if read_dataset(dataset.path).sha256 != dataset.sha256:
            raise _changed_meanwhile(dataset.path)
        content = b"".join(new if old.number == line.number else old.raw for old in dataset.lines)
        write_atomically(dataset.path, content)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The lock stands beside the file: a rename gives the file another inode, and a lock on it would be lost.
    target = Path(os.path.realpath(path))  # which, unlike resolve(), bears a loop of links
    try:
        if not os.access(target.parent, os.W_OK):  # the lock would wait for a file it can never make
            raise UserError(f"{path}: its folder cannot be written, or does not exist; choose another")
        with FileLock(target.with_name(f".{target.name}.lock"), timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise UserError(f"{path}: another program is writing it; try again when it has finished") from None
    except OSError as error:
        raise _write_error(path, error, 0) from None


def _changed_meanwhile(path: Path) -> UserError:
    return UserError(f"{path}: was changed by another program meanwhile; nothing was written, try again")


def _write_error(path: Path, error: OSError, size: int) -> UserError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        needed = f", {size:,} bytes are needed" if size else ""
        return UserError(f"{path}: the disk is full{needed}; nothing was changed, make room first")
    return UserError(f"{path}: cannot be written ({error.strerror}); nothing was changed, check the folder")


def fsync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if os.name == "posix":  # Windows cannot open a folder, and its rename needs no such step
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def umask() -> int:
    """The permissions that new files do not get; what is made by way of a temporary file has to leave them out."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
