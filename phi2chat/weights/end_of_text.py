"""The end-of-text token as text, without a tokenizer: in the prompt of a conversation a server needs it spelled out."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from curation.errors import UserError
from curation.records import read_bytes
from phi2chat.weights.adapters import base_of
from phi2chat.weights.embedded import EMBEDDED_NAME, find_cache_dir, folder_of

TOKENIZER_FILE = "tokenizer_config.json"


def find_end_of_text(folder: Path) -> str | None:
    """The end-of-text token of a model in a folder, or of the base of a run; None where neither is on this machine."""
    for place in _places(folder):
        try:
            token = json.loads(read_bytes(place / TOKENIZER_FILE))["eos_token"]
        except (UserError, OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if isinstance(token, dict):  # as tokenizers of older versions were saved
            token = token.get("content")
        if isinstance(token, str) and token:
            return token
    return None


def _places(folder: Path) -> Iterator[Path]:
    yield folder
    try:
        base = base_of(folder)
    except UserError:
        return
    local = Path(os.path.expanduser(base))
    if base == EMBEDDED_NAME:
        yield folder_of(find_cache_dir(os.environ))
    elif local.is_dir():
        yield local
    else:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            cached = try_to_load_from_cache(base, TOKENIZER_FILE)
        except HFValidationError:
            return
        if isinstance(cached, str):
            yield Path(cached).parent
