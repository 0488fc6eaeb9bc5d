"""Where a base comes from (embedded, local folder, hub): the folder that holds its files."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from curation.errors import UserError
from phi2chat.weights.embedded import EMBEDDED_HUB_NAME, EMBEDDED_NAME, prepare

# Weights as safetensors only: loading a pickle can run code.
HUB_SMALL_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "README.md", "LICENSE*", "NOTICE*"]
HUB_FILES = [*HUB_SMALL_FILES, "*.safetensors"]
WAYS_OUT = f"give a local folder with --base DIR, or try the embedded model with --base {EMBEDDED_NAME}"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Base:
    """A base model's files: its name as the user knows it, its hub name or path, and the folder that holds it."""

    name: str
    source: str
    folder: Path


def find_base(name: str, progress: Progress, with_weights: bool = True) -> Base:
    """The folder of a base model, converted or downloaded where needed; the latter also without its weights.

    Raises UserError where it cannot be had: which, why, and the two ways out.
    """
    if name == EMBEDDED_NAME:
        return Base(name, EMBEDDED_HUB_NAME, prepare(progress))
    folder = Path(os.path.expanduser(name))
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"{name}: is no model folder, it has no config.json; {WAYS_OUT}")
        return Base(str(folder.resolve()), str(folder.resolve()), folder)
    if folder.exists() or name.startswith((".", "/", "~")) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name, re.ASCII):
        raise UserError(f"{name}: is no model folder; {WAYS_OUT}")
    return Base(name, name, _download(name, progress, HUB_FILES if with_weights else HUB_SMALL_FILES))


def _download(name: str, progress: Progress, files: list[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    progress(f"looking for {name}")
    try:
        return Path(snapshot_download(name, allow_patterns=files))
    except GatedRepoError:
        reason = "its owner asks you to accept a licence first, on its page of the hub"
    except (RepositoryNotFoundError, HFValidationError):
        reason = "the hub has no model of this name"
    except Exception as error:
        # An errno comes from the disk, whose own message says it best. The errors of the network are those of the
        # hub's HTTP library, which is httpx or httpx2 and no dependency of ours.
        from_network = type(error).__module__.partition(".")[0].startswith("httpx")
        if not from_network and (not isinstance(error, OSError) or error.errno is not None):
            raise
        reason = "it is not in the local cache, and the hub cannot be reached"
    raise UserError(f"{name}: cannot be had, {reason}; {WAYS_OUT}")
