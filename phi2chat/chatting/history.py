"""The history of questions, across sessions: private, whole where two sessions write, read as far as it is whole."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_state_path
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.application.current import get_app_or_none
from prompt_toolkit.history import History, InMemoryHistory

if TYPE_CHECKING:
    from phi2chat.terminal.screen import Screen

HISTORY_FILE = "history"


def open_history(disabled: bool, screen: "Screen", folder: Path | None = None) -> History:
    """The history file, readable by its owner alone; where it cannot be had, one that lasts until the end."""
    if disabled:
        return InMemoryHistory()
    path = (folder or user_state_path("phi2chat")) / HISTORY_FILE
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _opened(path, os.O_CREAT | os.O_NONBLOCK):
            if not path.is_file():
                raise OSError(errno.EINVAL, "not a regular file")
            path.chmod(0o600)
        return PrivateHistory(path, screen)
    except OSError as error:
        screen.note(f"{path}: there is no history this time ({error.strerror})", "warning")
        return InMemoryHistory()


class PrivateHistory(History):
    """A file in the format of prompt_toolkit's `FileHistory`: a line for the time, then the question after `+` signs.

    Whatever else stands in it, such as what a full disk or a crash left, is passed over.
    """

    def __init__(self, path: Path, screen: "Screen") -> None:
        super().__init__()
        self._path, self._screen = path, screen
        self._has_complained = False

    def load_history_strings(self) -> Iterable[str]:
        """The questions, the newest first."""
        try:
            with _opened(self._path) as file:
                content = os.pread(file, os.fstat(file).st_size, 0)
        except FileNotFoundError:
            return []
        except OSError as error:
            self._complain(f"the history was not read ({error.strerror})")
            return []
        lines = content.decode("utf-8", errors="replace").replace("\0", "").split("\n")
        groups = [list(group) for asked, group in groupby(lines, lambda line: line.startswith("+")) if asked]
        return ["\n".join(line[1:] for line in group) for group in reversed(groups)]

    def store_string(self, string: str) -> None:
        """Add a question, or say that it could not be added; half of one is never left."""
        lines = "".join(f"+{line}\n" for line in string.split("\n"))
        entry = f"\n# {datetime.now()}\n{lines}".encode(errors="replace")
        try:
            with _opened(self._path) as file:
                size = os.fstat(file).st_size
                try:
                    if os.write(file, entry) < len(entry):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                except OSError:
                    os.ftruncate(file, size)
                    raise
        except OSError as error:
            self._complain(f"the question was not kept in the history ({error.strerror})")

    def _complain(self, what: str) -> None:
        if self._has_complained:
            return
        self._has_complained = True
        sentence = f"{self._path}: {what}"
        if get_app_or_none() is None:
            self._screen.note(sentence, "warning")
        else:  # the input line is still on the screen
            run_in_terminal(lambda: self._screen.note(sentence, "warning"))


@contextlib.contextmanager
def _opened(path: Path, flags: int = 0) -> Iterator[int]:
    """The file, for one session at a time; never what a link leads to."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | flags, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)  # and with it the lock
