"""Temporary files beside those that they will replace; what a killed program has left goes when the next is made."""

import contextlib
import fcntl
import os
import re
import secrets
from pathlib import Path

TEMPORARY = ".phi2chat.tmp"
INTENT = ".phi2chat.intent"  # the ending of a file that names temporary ones which are still to be renamed
MOST_INTENT_BYTES = 1 << 20  # what is longer is no intent of ours

_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_NAME_BYTES = 100  # of the file's own name in that of the temporary one


class Temporary:
    """A new file beside `target`; as long as its handle is open, nobody takes it for a leftover.

    It has its name before it is made, so that `remove` knows of it wherever a signal comes in between.
    """

    def __init__(self, target: Path, ending: str = "") -> None:
        self._target, self._ending = target, ending
        self.path = self._named()
        self.handle = -1

    def make(self) -> None:
        """Make the file, under another name where that is taken. Raises OSError where the folder forbids it."""
        _sweep(self._target.parent, pattern_of(self._target))
        while True:
            try:
                self.handle = os.open(self.path, _NEW_FILE, 0o600)
            except FileExistsError:
                self.path = self._named()
                continue
            if claim(self.handle, str(self.path)):
                return
            self.close()

    def _named(self) -> Path:
        return self._target.with_name(f"{_prefix(self._target)}{secrets.token_hex(4)}{TEMPORARY}{self._ending}")

    def close(self) -> None:
        """Give the handle up: what was written through it has been brought to the disk."""
        handle, self.handle = self.handle, -1  # a number that was given back may soon be another file's
        with contextlib.suppress(OSError):  # there is none where the file could not be made
            os.close(handle)

    def remove(self) -> None:
        """Remove the file, where it still has this name."""
        with contextlib.suppress(OSError):  # it has its new name already, or the disk does not even let it go
            self.path.unlink()


def pattern_of(target: Path) -> re.Pattern[str]:
    """What the names of temporary files beside `target` look like."""
    return re.compile(re.escape(_prefix(target)) + r"([a-z0-9_]{8})" + re.escape(TEMPORARY) + r"(\.\w+)?")


def _prefix(target: Path) -> str:
    name = os.fsencode(target.name)[:_NAME_BYTES].decode("utf-8", "ignore")
    return f".{name}."


def claim(handle: int, path: str) -> bool:
    """Lock a new file, and say whether it stays: not one that another program took for a leftover before that."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # it is being swept
        return False
    except OSError:  # where the file system has no locks, nothing is swept either
        return True
    return os.path.exists(path)  # noqa: PTH110  # it was made as a text


def read_intent(intent: Path) -> bytes:
    """What stands in it, of which no more is held than one of ours has."""
    with intent.open("rb") as file:
        return file.read(MOST_INTENT_BYTES)


def is_held(temporary: Path) -> bool:
    """Whether the program that made a temporary file is still writing it."""
    handle = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _sweep(folder: Path, name: re.Pattern[str]) -> None:
    """Remove files of that name that are ours, that no program holds and that no intent names."""
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        files = [one for one in found if one.is_file(follow_symlinks=False)]
        intents = [read_intent(Path(one.path)) for one in files if one.name.endswith(INTENT)]
        for one in files:
            its = name.fullmatch(one.name)
            if its and not any(its[1].encode() in intent for intent in intents):
                with contextlib.suppress(OSError):
                    _remove_if_left(one.path)


def _remove_if_left(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if os.fstat(handle).st_uid == os.geteuid():
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an OSError where its writer lives
            os.unlink(path)
    finally:
        os.close(handle)
