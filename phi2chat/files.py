"""The file that a slash command names, and what tells the content of a file from any other."""

import hashlib
import os
from pathlib import Path

from curation.errors import UserError


def path_of(argument: str, command: str, example: str = "talk.jsonl") -> Path:
    """The path, from the home folder where it begins with ~. Raises UserError where there is none, with the example."""
    if not argument:
        raise UserError(f"/{command}: needs a file name, as in /{command} {example}")
    if "\0" in argument:
        raise UserError(f"/{command}: a file name holds no NUL")
    return Path(os.path.expanduser(argument))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
