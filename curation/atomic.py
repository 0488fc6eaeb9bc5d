"""Writing to the disk: a file is replaced whole or not at all, under a lock that stands beside it."""

import contextlib
import errno
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from curation.errors import UserError
from curation.leftovers import Temporary

LOCK_SECONDS = 10.0
SPOOLED_BYTES = 1 << 20  # that are held in memory


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file by `content`: temporary file in its folder, fsync, rename, fsync of the folder.

    A symbolic link stays one and its target is replaced; the permissions stay. Raises UserError where the disk or
    the permissions forbid it; the old file is then as it was.
    """
    write_all({path: content})


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Replace several files as `write_atomically` does one: none of them before all contents are on the disk."""
    with replacing_all(contents) as files:
        for path, content in contents.items():
            try:
                files[path].write(content)
                files[path].flush()
            except OSError as error:
                raise write_error(path, error, len(content)) from None


Staged = Mapping[Path, Path]  # a temporary file -> the file that it will replace


@contextlib.contextmanager
def replacing_all(
    paths: Iterable[Path], around: Callable[[Staged], AbstractContextManager[object]] | None = None
) -> Iterator[Mapping[Path, IO[bytes]]]:
    """Files to write, which take the names of `paths`, one after the other, when all of them are on the disk.

    Where the block raises, all stay as they are. `around` stands around the renames alone, and what it raises prevents
    them; with it, the temporary files stay where the renames end in the middle, for it to go on with. Raises UserError
    as `write_atomically` does.
    """
    staged: dict[Path, Path] = {}
    files: dict[Path, IO[bytes]] = {}
    raw: dict[Path, _WatchedFile] = {}
    path = Path()
    temporaries: list[Temporary] = []
    replaced: list[str] = []
    try:
        for path in paths:
            target = target_of(path)
            _require_replaceable(path, target)
            temporaries.append(temporary := Temporary(target))
            temporary.make()
            staged[temporary.path] = target
            temporary.path.chmod(mode_of(target))
            raw[path] = _WatchedFile(temporary.handle, "wb", closefd=False)
            files[path] = io.BufferedWriter(raw[path])  # all are closed in the end
        yield files
        for path, temporary in zip(files, temporaries, strict=True):
            files[path].close()
            os.fsync(temporary.handle)
        with around(staged) if around else contextlib.nullcontext():
            for path, (new, target) in zip(files, staged.items(), strict=True):
                os.replace(new, target)
                replaced.append(str(path))
            for folder in {target.parent for target in staged.values()}:
                fsync(folder)
    except OSError as error:
        if replaced and len(replaced) < len(staged):
            raise UserError(
                f"{path}: cannot be written ({error.strerror}), but {' and '.join(replaced)} was; try again"
            ) from None
        path = next((one for one, file in raw.items() if file.failed), path)
        raise _unconfirmed(path, error) if replaced else write_error(path, error) from None
    finally:
        for file in files.values():
            close(file)
        # By the disk and not by `replaced`: Ctrl-C may come between a rename and its name being noted.
        if around is None or all(map(os.path.lexists, staged)):
            for temporary in temporaries:
                temporary.remove()
        for temporary in temporaries:
            temporary.close()


class _WatchedFile(io.FileIO):
    """A file that remembers whether the disk refused what was written to it: whoever writes does so to several."""

    failed = False

    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except OSError:
            self.failed = True
            raise


def _require_replaceable(path: Path, target: Path) -> None:
    if target.exists() and not target.is_file():  # a rename would take a pipe or a device away
        raise UserError(f"{path}: is not a regular file; give another")
    if target.exists() and not os.access(target, os.W_OK):
        raise UserError(f"{path}: is read-only; nothing was written")


@contextlib.contextmanager
def replacing(
    path: Path,
    around: Callable[[Path], AbstractContextManager[object]] = contextlib.nullcontext,
    ending: str = "",
) -> Iterator[Path]:
    """A temporary file to write, which takes the name of `path` when the block ends and is removed where it raises.

    For what is too large to be handed to `write_atomically` as bytes; else it does the same. A block that removes the
    temporary file leaves `path` as it is. `around`, called with the temporary file when that is on the disk, stands
    around the rename alone, and what it raises prevents it. Its name has an `ending`, for writers that go by that.
    """
    target = target_of(path)
    temporary = Temporary(target, ending)
    is_replaced = False
    try:
        _require_replaceable(path, target)
        temporary.make()
        temporary.path.chmod(mode_of(target))
        yield temporary.path
        if temporary.path.exists():
            fsync(temporary.path)
            with around(temporary.path):
                os.replace(temporary.path, target)
                is_replaced = True
            fsync(target.parent)
    except OSError as error:
        raise _unconfirmed(path, error) if is_replaced else write_error(path, error, 0) from None
    finally:
        temporary.remove()
        temporary.close()


def spool(folder: Path) -> IO[bytes]:
    """A file without a name, in memory while it is small, then on the disk of a folder; it goes when it is closed."""
    place = str(folder) if os.access(folder, os.W_OK) else None
    return tempfile.SpooledTemporaryFile(SPOOLED_BYTES, dir=place)


def close(file: IO[bytes]) -> None:
    """Close a file that was read, or one without a name: nothing is lost where the disk complains."""
    with contextlib.suppress(OSError):
        file.close()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let no other of our programs write a file meanwhile. Raises UserError where one keeps doing so."""
    # The lock stands beside the file: a rename gives the file another inode, and a lock on it would be lost.
    target = target_of(path)
    try:
        if not os.access(target.parent, os.W_OK):  # the lock would wait for a file it can never make
            raise UserError(f"{path}: its folder cannot be written, or does not exist; choose another")
        mode = mode_of(target) & 0o666 | 0o600  # whoever may write the file may lock it
        lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=LOCK_SECONDS, mode=mode)
        lock.acquire()
    except Timeout:
        raise UserError(f"{path}: another program is writing it; try again when it has finished") from None
    except OSError as error:
        raise write_error(path, error) from None
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from None
    finally:
        with contextlib.suppress(OSError):  # what was written stays written, and the lock goes with the process
            lock.release()


def target_of(path: Path) -> Path:
    """The file that is written where `path` is a symbolic link; beside it stand its lock and its journal."""
    try:
        return Path(os.path.realpath(path))  # which, unlike resolve(), bears a loop of links
    except FileNotFoundError:
        raise UserError(f"{path}: the folder that you are in is gone; change to another") from None


def mode_of(target: Path) -> int:
    """The permissions of a file, or those that it will have when it is made."""
    return target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~umask()


def write_error(path: Path, error: OSError, size: int = 0) -> UserError:
    """The sentence for what the system says to an attempt to write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        needed = f", {size:,} bytes are needed" if size else ""
        return UserError(f"{path}: the disk is full{needed}; nothing was changed, make room first")
    return UserError(f"{path}: cannot be written ({error.strerror}); nothing was changed, check the folder")


def _unconfirmed(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: was changed, but the disk does not confirm it ({error.strerror}); check the disk")


def fsync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if os.name == "posix":  # Windows cannot open a folder, and its rename needs no such step
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def umask() -> int:
    """The permissions that new files do not get; what is made by way of a temporary file has to leave them out."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
