"""Files that fit one another, replaced one after the other: a kill in between leaves what the next command finishes.

What is to be done stands in a file beside the first of them, `.NAME.phi2chat.intent`, which is on the disk before the
first is replaced. One that was cut off says that none was.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

import msgspec

from curation.atomic import Staged, fsync, locked, replacing_all, target_of, write_error
from curation.errors import UserError
from curation.leftovers import INTENT, is_held, pattern_of, read_intent
from curation.store import changed_meanwhile, sha256_of

Digests = Mapping[Path, str]  # the SHA-256 of each file; of one that is not there, that of an empty one


class _Step(msgspec.Struct, array_like=True):
    staged: str  # the name of the temporary file, which stands beside what it replaces
    before: str  # the SHA-256 of that


def is_unfinished(first: Path) -> bool:
    """Whether a command that was replacing this file and others was stopped, or is still at it."""
    return _intent(first).exists()


@contextlib.contextmanager
def locked_together(paths: Sequence[Path]) -> Iterator[Digests]:
    """Hold the locks of several files, and finish what a command that was stopped has left to do.

    Gives the digests that they have then, by which `replacing_together` knows what others change meanwhile. Raises
    UserError where that cannot be done, and where somebody has changed since what it was about to replace.
    """
    with contextlib.ExitStack() as locks:
        for path in paths:  # each of them, too, for a record may be added to one side of a split alone
            locks.enter_context(locked(path))
        _finish(paths)
        yield digests_of(paths)


def digests_of(paths: Iterable[Path]) -> Digests:
    """What the files hold now."""
    return {path: sha256_of(path) for path in paths}


def replacing_together(before: Digests) -> contextlib.AbstractContextManager[Mapping[Path, IO[bytes]]]:
    """As `replacing_all`, but where that is stopped in the middle, the next `locked_together` goes on with it.

    Raises UserError, and replaces none, where a file has another digest than `before`.
    """
    return replacing_all(before, partial(_intended, before))


@contextlib.contextmanager
def _intended(before: Digests, staged: Staged) -> Iterator[None]:
    """Around the renames: what they are to do is on the disk before them, and goes when they are."""
    intent = _intent(next(iter(before)))
    steps = [_Step(temporary.name, digest) for temporary, digest in zip(staged, before.values(), strict=True)]
    try:
        for folder in {target.parent for target in staged.values()}:
            fsync(folder)  # where an intent is on the disk, what it names is there too
        _write(intent, msgspec.json.encode(steps))
        fsync(intent.parent)
        # The last that is done before the renames: who knows nothing of our locks may change a file until then.
        for path, digest in before.items():
            if sha256_of(path) != digest:
                raise changed_meanwhile(path)
    except UserError:
        _remove(intent)
        raise
    except OSError as error:
        _remove(intent)
        raise write_error(intent, error) from None
    try:
        yield
    except OSError:
        if all(temporary.exists() for temporary in staged):  # none was replaced, and none will be
            _remove(intent)
        raise
    _remove(intent)


def _finish(paths: Sequence[Path]) -> None:
    intent = _intent(paths[0])
    if not intent.exists():
        return
    to_do = {}
    try:
        for path, step in zip(paths, _read(intent), strict=False):
            target = target_of(path)
            # An intent may have come with a folder of somebody else's: it can do no more than what a split does.
            if not pattern_of(target).fullmatch(step.staged):
                continue
            temporary = target.with_name(step.staged)
            if temporary.is_symlink() or not temporary.is_file():  # it has taken its name already
                continue
            if is_held(temporary):
                raise UserError(f"{path}: another program is writing it; try again when it has finished")
            if target.exists() and sha256_of(target) != step.before:
                raise UserError(
                    f"{path}: was changed after a command that was about to replace it was stopped;"
                    " move it away, and try again"
                )
            to_do[temporary] = target
        for temporary, target in to_do.items():
            os.replace(temporary, target)
        for folder in {target.parent for target in to_do.values()}:
            fsync(folder)
    except OSError as error:
        raise UserError(
            f"{paths[0]}: what a command that was stopped had begun cannot be finished ({error.strerror});"
            " check the folder, and try again"
        ) from None
    _remove(intent)


def _intent(first: Path) -> Path:
    target = target_of(first)
    return target.with_name(f".{target.name}{INTENT}")


def _write(intent: Path, content: bytes) -> None:
    handle = os.open(intent, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(content)
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(intent: Path) -> list[_Step]:
    try:
        return msgspec.json.decode(read_intent(intent), type=list[_Step])
    except ValueError:  # msgspec's own errors are ValueErrors
        return []


def _remove(intent: Path) -> None:
    with contextlib.suppress(OSError):  # one whose files have their names already has nothing left to do
        intent.unlink()
