"""The lines of a file as it was at some time, each read when it is looked at; of each a few numbers are held."""

import hashlib
import os
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol

from curation.records import reading, told_as_reading
from curation.store import changed_meanwhile

# In the place of a line that another program has written over; one that replaces the file leaves it readable here.
LOST = b"(was written over by another program)\n"


class Lines(Protocol):
    """Lines in their order; `keys` has a number for each that is the same for the same bytes."""

    @property
    def keys(self) -> "array[int]": ...

    def __len__(self) -> int: ...

    def __getitem__(self, place: int) -> bytes: ...


class MarkedLines(Lines, Protocol):
    """Lines of which it is known, 0 or 1, whether they hold a mark."""

    @property
    def marked(self) -> bytearray: ...


class HeldLines:
    """Lines in memory."""

    def __init__(self, lines: Iterable[bytes], mark: bytes = b"") -> None:
        self.lines = list(lines)
        self.keys = keys_of(self.lines)
        self.marked = bytearray(mark in raw for raw in self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, place: int) -> bytes:
        return self.lines[place]


class FileLines:
    """The lines of a file, and its SHA-256. Raises UserError where it cannot be read; may be read by several threads.

    A file that takes the place of this one changes nothing here.
    """

    def __init__(self, path: Path, mark: bytes = b"") -> None:
        digest = hashlib.sha256()
        self.marked = bytearray()
        self._starts = array("Q", [0])

        def lines() -> Iterator[bytes]:
            for raw in file:
                digest.update(raw)
                self.marked.append(mark in raw)
                self._starts.append(self._starts[-1] + len(raw))
                yield raw

        with reading(path) as file:
            self.keys = keys_of(lines())
            self._handle = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._handle)
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, place: int) -> bytes:
        start, end = self._starts[place], self._starts[place + 1]
        try:
            raw = os.pread(self._handle, end - start, start)
        except OSError:
            return LOST
        return raw if hash(raw) == self.keys[place] else LOST


class OpenLines:
    """The lines of an open file, each read again where it is looked at. UserError where it is another by then."""

    def __init__(self, path: Path, file: IO[bytes], key: Callable[[bytes], int] = hash) -> None:
        self.starts = array("Q", [0])
        self._path, self._file, self._key = path, file, key

        def lines() -> Iterator[bytes]:
            file.seek(0)
            for raw in file:
                self.starts.append(self.starts[-1] + len(raw))
                yield raw

        with told_as_reading(path):
            self.keys = array("q", map(key, lines()))

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, place: int) -> bytes:
        place %= len(self.keys)
        start, end = self.starts[place], self.starts[place + 1]
        with told_as_reading(self._path):
            self._file.seek(start)
            raw = self._file.read(end - start)
        if self._key(raw) != self.keys[place]:
            raise changed_meanwhile(self._path)
        return raw


class MixedLines:
    """Lines of which some are held, and others are places in other lines: as they were when this was made."""

    def __init__(self, stored: Sequence[bytes | int], lines: Lines, keys: "array[int]") -> None:
        self.keys = keys
        self._stored, self._lines = stored, lines

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, place: int) -> bytes:
        stored = self._stored[place]
        return self._lines[stored] if isinstance(stored, int) else stored


def keys_of(lines: Iterable[bytes]) -> "array[int]":
    """A number for each line, the same for the same bytes in this process."""
    return array("q", map(hash, lines))
