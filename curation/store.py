"""The only writer: a file is replaced whole or not at all, under a lock, and never over somebody else's change."""

import contextlib
import errno
import hashlib
import itertools
import os
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from curation.errors import UserError
from curation.records import Dataset, Line, edit_line, format_record, parse_dataset, read_bytes, read_dataset

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
            if target.exists() and not os.access(target, os.W_OK):
                raise UserError(f"{path}: is read-only; nothing was written")
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


def append_record(path: Path, data: Mapping[str, Any]) -> str:
    """Add a record at the end of a JSONL file, made where there is none, and return its id."""
    with _locked(path):
        dataset = read_dataset(path) if path.exists() else parse_dataset(path, b"")
        taken = {record.id: line.number for line, record in dataset.records() if isinstance(record.id, str)}
        record_id = str(data.get("id") or new_id(data, taken))
        if record_id in taken:
            raise UserError(f'{path}:{taken[record_id]}: the id "{record_id}" is taken; give another with --id')
        content = b"".join(line.raw for line in dataset.lines)
        if content and not content.endswith(b"\n"):
            if dataset.lines[-1].record is None:
                number = dataset.lines[-1].number
                raise UserError(f"{path}:{number}: the last line is broken; mend it before a record is added")
            content += b"\n"
        write_atomically(path, content + format_record({"id": record_id, **data}))
    return record_id


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
            raise UserError(f"{dataset.path}: was changed by another program meanwhile; nothing was written, try again")
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
