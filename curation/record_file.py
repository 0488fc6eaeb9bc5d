"""The records of a file too large to be held: read anew each time they are looked at, and always the same."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from curation.lines import BadLine, parse_line
from curation.records import Line, Record, reading
from curation.store import changed_meanwhile, sha256_of


class Source(Protocol):
    """What has records in an order, which can be gone through again and again."""

    @property
    def path(self) -> Path: ...

    @property
    def sha256(self) -> str:
        """The digest of the whole file."""
        ...

    def records(self) -> Iterator[tuple[Line, Record]]:
        """Each line that holds a record."""
        ...


class RecordFile:
    """A `Source` that holds one line at a time. Each reading raises UserError where the file is another one since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path):  # which says what is wrong with it
            self.sha256 = sha256_of(path)

    def records(self) -> Iterator[tuple[Line, Record]]:
        """Each line that holds a record, and what the line is."""
        for number, raw in self.lines():
            try:
                record = Record(parse_line(raw))
            except BadLine:
                continue
            yield Line(number, raw, record), record

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Each line with its number, from 1."""
        return lines_of(self.path, self.sha256)


def lines_of(path: Path, sha256: str) -> Iterator[tuple[int, bytes]]:
    """Each line of a file with its number, from 1. Raises UserError at the end where that is not its SHA-256."""
    digest = hashlib.sha256()
    with reading(path) as file:
        for number, raw in enumerate(file, start=1):
            digest.update(raw)
            yield number, raw
    if digest.hexdigest() != sha256:
        raise changed_meanwhile(path)
