"""Rows that take long to read: what was read once to its end is read again from a temporary file."""

import contextlib
import pickle
import tempfile
import weakref
from collections.abc import Callable, Iterator
from typing import BinaryIO

from curation.exchange.rows import Row

_AT_A_TIME = 500  # rows that are written and read together


class Kept:
    """The rows of a source; where the disk has no room for them, they are read from it again."""

    def __init__(self, read: Callable[[], Iterator[Row]]) -> None:
        self._read = read
        self._file: BinaryIO | None = None

    def rows(self) -> Iterator[Row]:
        """All rows, in their order."""
        return self._rows_kept(self._file) if self._file is not None else self._keep()

    def _keep(self) -> Iterator[Row]:
        file: BinaryIO | None = None
        with contextlib.suppress(OSError):
            file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this
            weakref.finalize(self, file.close)
        some: list[Row] = []
        for row in self._read():
            yield row
            some.append(row)
            if len(some) == _AT_A_TIME:
                file, some = _written(file, some), []
        self._file = _written(file, some)

    def _rows_kept(self, file: BinaryIO) -> Iterator[Row]:
        file.seek(0)
        with contextlib.suppress(EOFError):
            while True:
                yield from pickle.load(file)  # of our own making, and nobody else can open it


def _written(file: BinaryIO | None, rows: list[Row]) -> BinaryIO | None:
    """The file with these rows, too, or None where they found no room."""
    if file is None:
        return None
    try:
        pickle.dump(rows, file, pickle.HIGHEST_PROTOCOL)
        file.flush()
    except OSError:
        return None
    return file
