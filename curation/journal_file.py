"""The journal of a data file, `.NAME.journal` beside it: a line for each change, written before the change is made.

A line is the SHA-256 of what follows it, a blank, and the JSON of an entry. So a line that was cut off, or damaged, is
known by itself; the others keep what they say.
"""

import binascii
import contextlib
import hashlib
import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from curation.atomic import fsync, mode_of, target_of
from curation.errors import UserError
from curation.hunks import Hunk
from curation.packing import unpack

State = Literal["done", "undone", "not in the file"]

_DIGEST = 64  # characters
_BLOCK = 1 << 16
_HUNKS = b',"hunks":"'  # before the last member of an entry; within a text its quotation marks would be escaped
_END = b'"}'
_MOST_HEAD = 1 << 20  # bytes before the hunks; what has more is no entry of ours


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


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry in its file; `start` and `end` are where its packed hunks stand, equal where it has none."""

    entry: Entry
    start: int
    end: int


class Journal:
    """The entries of a data file's journal, oldest first; `damaged` counts the lines that are none."""

    def __init__(self, data: Path) -> None:
        self.entries: list[Entry] = []
        self.damaged = 0
        self._path = journal_path(data)
        self._places: dict[tuple[int, str, str], tuple[int, int]] = {}  # of the hunks
        if not self._path.exists():
            return
        _require_file(self._path)
        with _reading(self._path) as file:
            for start, end in _lines(file):
                found = _read_entry(file, start, end)
                if found is None:
                    self.damaged += 1
                else:
                    self.entries.append(found.entry)
                    self._places[_key(found.entry)] = found.start, found.end

    def hunks(self, entry: Entry) -> Iterator[Hunk]:
        """What an entry of this journal has put in place of what. Raises UserError where that cannot be read."""
        start, end = self._places[_key(entry)]
        try:
            with _reading(self._path) as file:
                yield from unpack(_decode(_blocks(file, start, end)))
        except (zlib.error, ValueError):  # msgspec's own errors and those of base64 are ValueErrors
            raise UserError(
                f"{self._path}: what entry {entry.number} changed cannot be read; nothing was done"
            ) from None


def journal_path(data: Path) -> Path:
    """Where the journal of a data file stands."""
    target = target_of(data)
    return target.with_name(f".{target.name}.journal")


@contextlib.contextmanager
def recorded(data: Path, entry: Entry, packed: Iterable[bytes]) -> Iterator[Entry]:
    """Have an entry on the disk, with its number, time and hunks, before the block; it is taken out if that fails.

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
        try:
            os.ftruncate(handle, end)  # a line that was cut off belongs to a change that was never made
            with open(handle, "r+b", closefd=False) as file:
                _write_entry(file, end, entry, packed)
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


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions and the disk") from None


def _write_entry(file: BinaryIO, place: int, entry: Entry, packed: Iterable[bytes]) -> None:
    """Write a line: its end last, for without it nothing before counts."""
    digest = hashlib.sha256()

    def write(content: bytes) -> None:
        digest.update(content)
        file.write(content)

    file.seek(place)
    file.write(b"0" * _DIGEST + b" ")
    write(msgspec.json.encode(entry).removesuffix(b"}") + _HUNKS)
    rest = b""
    for block in packed:
        block = rest + block
        whole = len(block) - len(block) % 3  # base64 writes three bytes as four, and others with a sign for the end
        rest = block[whole:]
        write(binascii.b2a_base64(block[:whole], newline=False))
    write(binascii.b2a_base64(rest, newline=False) + _END)
    end = file.tell()
    file.seek(place)
    file.write(digest.hexdigest().encode())
    file.seek(end)
    file.write(b"\n")


def _lines(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Where each line begins and where it ends, with its newline if it has one; a line may be larger than memory."""
    start = place = 0
    while True:
        file.seek(place)
        block = file.read(_BLOCK)
        if not block:
            break
        at = -1
        while (at := block.find(b"\n", at + 1)) >= 0:
            yield start, place + at + 1
            start = place + at + 1
        place += len(block)
    if start < place:
        yield start, place


def _read_end(handle: int) -> tuple[int, int]:
    """The number of the last whole entry, 0 where there is none, and where the last whole line ends."""
    with open(handle, "rb", closefd=False) as file:
        last = end = _last_newline(file, os.fstat(handle).st_size) + 1
        while end:
            start = _last_newline(file, end - 1) + 1
            found = _read_entry(file, start, end)
            if found is not None:
                return found.entry.number, last
            end = start
        return 0, last


def _last_newline(file: BinaryIO, end: int) -> int:
    """Where the last newline before a place stands, -1 where there is none."""
    while end:
        start = max(end - _BLOCK, 0)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found
        end = start
    return -1


def _key(entry: Entry) -> tuple[int, str, str]:
    return entry.number, entry.before, entry.after  # two journals that were put together have a number twice


def _read_entry(file: BinaryIO, start: int, end: int) -> _Found | None:
    """The entry of a line, None where that is none. Its hunks are looked at, and not held."""
    first, last = start + _DIGEST + 1, end - 1
    file.seek(start)
    said, digest = file.read(_DIGEST), hashlib.sha256()
    file.seek(last)
    if last < first or file.read(1) != b"\n":
        return None
    head, place = b"", -1
    for block in _blocks(file, first, last):
        digest.update(block)
        if place < 0:
            head += block
            place = head.find(_HUNKS)
            if place < 0 and len(head) > _MOST_HEAD:
                return None
    if digest.hexdigest().encode() != said:
        return None
    try:
        entry = msgspec.json.decode(head if place < 0 else head[:place] + b"}", type=Entry)
        time = datetime.fromisoformat(entry.time)
        time.astimezone()  # as it will be shown
    except (ValueError, OverflowError):  # msgspec's own errors are ValueErrors
        return None
    if not time.tzinfo or entry.number < 1:
        return None
    return _Found(entry, *((0, 0) if place < 0 else (first + place + len(_HUNKS), last - len(_END))))


def _decode(blocks: Iterable[bytes]) -> Iterator[bytes]:
    return (binascii.a2b_base64(block, strict_mode=True) for block in blocks)  # a block is a whole number of fours


def _blocks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        file.seek(start)
        block = file.read(min(_BLOCK, end - start))
        if not block:
            return
        start += len(block)
        yield block
