"""A folder that is written whole or not at all."""

import contextlib
import errno
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from curation.atomic import fsync, umask
from curation.errors import UserError
from phi2chat.terminal.interrupts import ending_as_interrupt


@contextlib.contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A folder beside `target` that takes its name in the end, when all of it is on the disk, and else is removed.

    Also where the system asks to end: what is half-written are gigabytes under a hidden name.
    """
    staging: Path | None = None
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.absolute().parent))
        with ending_as_interrupt():
            yield staging
        for file in staging.iterdir():
            file.chmod(0o666 & ~umask())  # safetensors are written for their owner alone
            fsync(file)
        staging.chmod(0o777 & ~umask())
        fsync(staging)
        staging.rename(target)
        fsync(target.absolute().parent)
    except Exception as error:
        if "No space left" in str(error) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"{target}: the disk is full; nothing was written, make room first") from error
        if isinstance(error, OSError) and error.errno in (
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOTDIR,
            errno.EEXIST,
        ):
            raise UserError(f"{target}: cannot be written ({error.strerror}); give another --output-dir") from error
        raise
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
