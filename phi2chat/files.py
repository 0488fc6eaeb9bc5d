"""The file that a slash command names."""

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
