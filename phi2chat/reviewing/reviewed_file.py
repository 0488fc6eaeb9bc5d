"""The file under review: written a line at a time, taken back, and looked at for what other programs do to it."""

from pathlib import Path

from curation.errors import UserError
from curation.journal import undo
from curation.line_file import FileLines
from curation.store import Note, change_lines, sha256_of
from phi2chat.reviewing.review_item import SIGNED

NOTE = Note("browse")


class ReviewedFile:
    """The lines of a JSONL file. Every change is on the disk, and in the journal, when its method returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sha256 = ""
        self._seen: tuple[int, int, int] | None = None
        self._changes: list[int] = []  # those made here and not taken back, by their numbers in the journal

    def read(self) -> FileLines:
        """The lines as they are now. Raises UserError where the file cannot be read."""
        self._seen = _state(self.path)  # before it is read: what is written meanwhile is then noticed
        lines = FileLines(self.path, SIGNED)
        self._sha256 = lines.sha256
        return lines

    def has_changed(self) -> bool:
        """Whether the file is another one than was read or written here last."""
        return _state(self.path) != self._seen

    def replace(self, number: int, raw: bytes) -> None:
        """Put other bytes in the place of a line, counted from 1. Raises UserError where the file has changed."""
        entry = change_lines(self.path, self._sha256, lambda line, old: raw if line == number else old, NOTE)
        self._seen = _state(self.path)
        if entry is not None:
            if sha256_of(self.path) != entry.after:  # by another program, between the two
                self._seen = None
            self._sha256 = entry.after
            self._changes.append(entry.number)

    def undo(self) -> str:
        """Take back the last change that was made here, and say which records it was about.

        Raises UserError where there is none, or where another command has changed the file since.
        """
        if not self._changes:
            raise UserError(f"{self.path}: nothing more was done here; `phi2chat curate undo` goes further back")
        change = undo(self.path, last=self._changes[-1])
        self._changes.pop()
        return f"saved: undone, {', '.join(change.ids)} is as it was before"


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
