"""What ends a training from outside, in one sentence with the next thing to try."""

import contextlib
import errno
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError

from curation.errors import UserError
from phi2chat.config import TrainConfig
from phi2chat.training.checkpoints import complete_checkpoints

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
_FULL_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "Cannot allocate memory",
)  # torch's and the system's words


def way_on(folder: Path) -> str:
    """How to go on with a run that has stopped."""
    command = f"`phi2chat train --resume {shlex.quote(str(folder))}`"
    if complete_checkpoints(folder):
        return f"go on from the last checkpoint with {command}"
    return f"begin again with {command}, for there is no checkpoint yet"


def way_anew(folder: Path) -> str:
    """How to train again with other settings: elsewhere, where the folder holds checkpoints."""
    return "train again into another --output-dir" if complete_checkpoints(folder) else "train again"


def smaller_settings(config: TrainConfig) -> str:
    """What of the settings takes less memory, and is not yet used."""
    smaller = f"--batch-size {config.batch_size // 2} --accumulation-steps {config.accumulation_steps * 2}"
    ways = [smaller] * (config.batch_size > 1) + ["--gradient-checkpointing"] * (not config.gradient_checkpointing)
    return " or ".join(ways) or "shorter records or a smaller --base"


@contextlib.contextmanager
def readable_failures(folder: Path, config: TrainConfig) -> Iterator[None]:
    """Within, a full disk and a full memory become a UserError; a bug stays what it is."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _full_memory(folder, config, on_gpu=isinstance(error, torch.OutOfMemoryError)) from None
    except (OSError, RuntimeError, SafetensorError, UserError) as error:
        if any(words in str(error) for words in _FULL_MEMORY):
            raise _full_memory(folder, config, on_gpu=False) from None
        # A full disk reaches us as four different errors, of which some do not say so.
        full = any(isinstance(cause, OSError) and cause.errno in _FULL_DISK for cause in _causes(error))
        unknown = not isinstance(error, UserError) and shutil.disk_usage(folder).free <= 2**24
        if not full and not unknown and "No space left" not in str(error):
            raise
        raise UserError(f"{folder}: the disk is full; make room and {way_on(folder)}") from error


def _full_memory(folder: Path, config: TrainConfig, on_gpu: bool) -> UserError:
    place = "the GPU's" if on_gpu else "the computer's"
    return UserError(f"{folder}: {place} memory is full; {way_anew(folder)} with {smaller_settings(config)}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
