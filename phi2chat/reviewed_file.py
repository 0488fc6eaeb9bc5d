"""The file under review: read, written a line at a time, and looked at for what other programs do to it."""

from pathlib import Path
from typing import Protocol

from curation.errors import UserError
from curation.lines import split_lines
from curation.records import read_bytes
from curation.store import change_file


class Undo(Protocol):
    """Takes back the last change of a file, and says which."""

    def __call__(self, path: Path) -> str: ...


class ReviewedFile:
    """The lines of a JSONL file. Every change is on the disk when its method returns."""

    def __init__(self, path: Path, undo: Undo) -> None:
        self.path = path
        self._undo = undo
        self._content = b""
        self._seen: tuple[int, int, int] | None = None

    def read(self) -> list[bytes]:
        """The lines as they are now. Raises UserError where the file cannot be read."""
        self._seen = _state(self.path)  # before it is read: what is written meanwhile is then noticed
        self._content = read_bytes(self.path)
        return split_lines(self._content)

    def has_changed(self) -> bool:
        """Whether the file is another one than was read or written here last."""
        return _state(self.path) != self._seen

    def replace(self, number: int, raw: bytes) -> None:
        """Put other bytes in the place of a line, counted from 1. Raises UserError where the file has changed."""
        lines = split_lines(self._content)
        lines[number - 1] = raw
        changed = b"".join(lines)

        def change(content: bytes) -> bytes:
            if content != self._content:
                raise UserError(f"{self.path}: was changed by another program meanwhile; nothing was written")
            return changed

        change_file(self.path, change)
        self._content = changed
        self._seen = _state(self.path)

    def undo(self) -> str:
        """Take the last change back. Raises UserError where that cannot be."""
        return self._undo(self.path)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
