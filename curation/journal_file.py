"""The journal of a data file, `.NAME.journal` beside it: a line for each change, written before the change is made.

A line is the SHA-256 of what follows it, a blank, and the JSON of an entry. So a line that was cut off, or damaged, is
known by itself; the others keep what they say.
"""

import contextlib
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from curation.atomic import fsync, mode_of, target_of
from curation.errors import UserError
from curation.hunks import Hunk, pack, unpack

State = Literal["done", "undone", "not in the file"]

_DIGEST = 64  # characters
_BLOCK = 1 << 16


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change: when (UTC), by which command, and the SHA-256 of the file before and after it.

    `ids` are the first of the records that it is about (`line:N` for one without an id), `added`, `changed` and
    `removed` count lines. An undo says which entries it undoes, a redo which undo it takes back. `state` is no part of
    the journal, but how the file stands to it now. An entry with the number 0 stands for what another program did.
    """

    number: int
    time: str
    command: str
    before: str
    after: str
    ids: tuple[str, ...] = ()
    added: int = 0
    changed: int = 0
    removed: int = 0
    about: str = ""
    undoes: tuple[int, ...] = ()
    redoes: int = 0
    state: State = "done"


class _Packed(msgspec.Struct):
    hunks: bytes


class _Written(Entry, frozen=True, kw_only=True, omit_defaults=True):
    hunks: bytes


class Journal:
    """The entries of a data file's journal, oldest first; `damaged` counts the lines that are none."""

    def __init__(self, data: Path) -> None:
        self.entries: list[Entry] = []
        self.damaged = 0
        self._path = journal_path(data)
        self._lines: dict[tuple[int, str, str], tuple[int, int]] = {}  # where a line begins, and how long it is
        if not self._path.exists():
            return
        _require_file(self._path)
        offset = 0
        with self._path.open("rb") as file:
            for line in file:
                entry = _read_entry(line)
                if entry is None:
                    self.damaged += 1
                else:
                    self.entries.append(entry)
                    self._lines[_key(entry)] = offset, len(line)
                offset += len(line)

    def hunks(self, entry: Entry) -> list[Hunk]:
        """What an entry of this journal has put in place of what. Raises UserError where that cannot be read."""
        offset, size = self._lines[_key(entry)]
        with self._path.open("rb") as file:
            file.seek(offset)
            line = file.read(size)
        try:
            return list(unpack(msgspec.json.decode(_content(line), type=_Packed).hunks))
        except (zlib.error, ValueError):  # msgspec's own errors are ValueErrors
            raise UserError(
                f"{self._path}: what entry {entry.number} changed cannot be read; nothing was done"
            ) from None


def journal_path(data: Path) -> Path:
    """Where the journal of a data file stands."""
    target = target_of(data)
    return target.with_name(f".{target.name}.journal")


@contextlib.contextmanager
def recorded(data: Path, entry: Entry, hunks: Sequence[Hunk]) -> Iterator[Entry]:
    """Have an entry on the disk, with its number and time, before the block; it is taken out if the block fails.

    A block that is killed leaves the entry, and the file that is as it says `before` tells that nothing came of it.
    """
    path = journal_path(data)
    _require_file(path)
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        mode = mode_of(target_of(data)) & 0o666  # it says what the data says
        if stat.S_IMODE(os.fstat(handle).st_mode) != mode:  # only its owner may, and a team has many
            os.fchmod(handle, mode)
        number, end = _read_end(handle)
        entry = msgspec.structs.replace(entry, number=number + 1, time=datetime.now(UTC).isoformat(timespec="seconds"))
        written = _Written(**msgspec.structs.asdict(entry), hunks=pack(hunks))
        content = msgspec.json.encode(written)
        try:
            os.ftruncate(handle, end)  # a line that was cut off belongs to a change that was never made
            with open(handle, "r+b", closefd=False) as file:
                file.seek(end)
                file.write(hashlib.sha256(content).hexdigest().encode() + b" ")
                file.write(content)
                file.write(b"\n")
            os.fsync(handle)
            if is_new:
                fsync(path.parent)
            yield entry
        except (OSError, UserError):
            with contextlib.suppress(OSError):
                os.ftruncate(handle, end)
            raise
    finally:
        os.close(handle)


def _require_file(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_file()):  # a pipe would be waited for
        raise UserError(f"{path}: is not a regular file, so no change can be written down; move it away")


def _read_end(handle: int) -> tuple[int, int]:
    """The number of the last whole entry, 0 where there is none, and where the last whole line ends."""
    size = os.fstat(handle).st_size
    tail, start, end = b"", size, None
    while True:
        step = min(max(_BLOCK, len(tail)), start)
        start -= step
        tail = os.pread(handle, step, start) + tail
        if end is None and b"\n" in tail:
            end = start + tail.rindex(b"\n") + 1
        lines = tail[: None if end is None else end - start].split(b"\n")[:-1]
        for line in reversed(lines[1:] if start else lines):
            entry = _read_entry(line + b"\n")
            if entry is not None:
                return entry.number, end or 0
        if not start:
            return 0, end or 0


def _key(entry: Entry) -> tuple[int, str, str]:
    return entry.number, entry.before, entry.after  # two journals that were put together have a number twice


def _read_entry(line: bytes) -> Entry | None:
    content = _content(line)
    if not line.endswith(b"\n") or hashlib.sha256(content).hexdigest().encode() != line[:_DIGEST]:
        return None
    try:
        entry = msgspec.json.decode(content, type=Entry)
        time = datetime.fromisoformat(entry.time)
        time.astimezone()  # as it will be shown
    except (ValueError, OverflowError):  # msgspec's own errors are ValueErrors
        return None
    return entry if time.tzinfo and entry.number > 0 else None


def _content(line: bytes) -> bytes:
    return line[_DIGEST + 1 :].removesuffix(b"\n")
