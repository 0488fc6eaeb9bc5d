"""A record as text for $EDITOR: YAML with block scalars, read back as strings, only the changed fields taken over."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from curation.errors import UserError
from phi2chat.terminal.interrupts import Ended, handling

HEADER = (
    "# Save and leave to keep the changes; leave without saving to drop them.\n"
    "# Below `|-` every line begins with two blanks. Lists and objects stay as is.\n"
)


class _Dumper(yaml.SafeDumper):
    """Strings as blocks, so that many lines of Japanese can be read and edited as such."""


class _Prose(str):
    """A text that is a block, however short: what is written into it may hold a colon, and needs no quotes."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text or len(text) > 60 or isinstance(text, _Prose) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(_Prose, _represent_text)


def to_text(data: Mapping[str, Any], prose: Collection[str] = ()) -> str:
    """The text fields of a record as YAML that `from_text` reads back unchanged; those in `prose` always as blocks."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    shown = {key: _Prose(value) if key in prose else value for key, value in texts.items()}
    dumped = yaml.dump(shown, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10_000)
    for key in prose:  # a block to write into, which PyYAML does not make of nothing
        dumped = re.sub(rf'^({re.escape(key)}: )""$', r"\1|-\n  ", dumped, flags=re.MULTILINE)
    if (
        yaml.load(dumped, Loader=yaml.BaseLoader) != texts
    ):  # a block cannot hold every character, quotes with escapes can
        dumped = yaml.safe_dump(texts, allow_unicode=False, sort_keys=False, default_style='"', width=10_000)
    return HEADER + dumped


def from_text(data: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The record with the edited fields; a field whose line was taken out is removed. Raises UserError for bad YAML."""
    try:
        # BaseLoader keeps every value a string: `no` stays "no", and 013 stays "013".
        edited = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"
        code = f"U+{ord(text[error.position]):04X}"
        raise UserError(f"{place}: {code} is no character of a text; take it out and save as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UserError(
            f"{place}{getattr(error, 'problem', error)}; a text with a colon stands after `|` or in quotes"
        ) from None
    except RecursionError:
        raise UserError("it is nested too deeply; a field is a text") from None
    if not isinstance(edited, dict):
        raise UserError("the fields are gone; each stands on a line as `answer: ...`")
    kept = {key: value for key, value in data.items() if key in edited or not isinstance(value, str)}
    # A block ends with a newline that the author never typed.
    unblocked = {key: _without_added_newline(value, data.get(key)) for key, value in edited.items()}
    return {**kept, **unblocked}


def _without_added_newline(value: Any, before: Any) -> Any:
    if isinstance(value, str) and value.endswith("\n") and not (isinstance(before, str) and before.endswith("\n")):
        return value.rstrip("\n")
    return value


def has_editor() -> bool:
    """Whether the user has named an editor."""
    return bool(_command())


def edit_text(text: str, suffix: str = ".yaml") -> str:
    """Open text in the user's editor and return it as it was left. Raises UserError where the editor fails.

    The text then still stands in the file that the message names.
    """
    name = leave_text(text, suffix)
    try:
        with _echoing(), _leaving_signals():
            code = subprocess.run([*shlex.split(_command()), name], check=False).returncode
    except Ended:
        raise
    except KeyboardInterrupt:
        raise UserError(f"interrupted; nothing was changed, your text is in {name}") from None
    except (OSError, ValueError) as error:
        os.unlink(name)
        raise UserError(f"$EDITOR ({_command()}) cannot be run ({error}); set it to an editor you have") from None
    if code != 0:
        raise UserError(f"$EDITOR ({_command()}) ended with {code}; nothing was changed, your text is in {name}")
    edited = Path(name).read_text(encoding="utf-8", errors="surrogateescape")
    os.unlink(name)
    return edited


def leave_text(text: str, suffix: str = ".yaml") -> str:
    """Write text to a temporary file that stays, and return its path."""
    handle, name = tempfile.mkstemp(prefix="phi2chat-", suffix=suffix)
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    return name


def _echoing() -> contextlib.AbstractContextManager[None]:
    """Within, a terminal shows what is typed and gives it line by line, as an editor may expect and a talk does not."""
    if sys.stdin is None or not sys.stdin.isatty():
        return contextlib.nullcontext()
    from prompt_toolkit.input.vt100 import cooked_mode

    return cooked_mode(sys.stdin.fileno())


@contextlib.contextmanager
def _leaving_signals() -> Iterator[None]:
    """Within, Ctrl-Z and Ctrl-\\ are the editor's: we stop and go on with it, and do not end where it does not."""
    stops = [] if signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN else [signal.SIGTSTP]  # a shell without jobs
    with handling(stops, signal.SIG_DFL), handling([signal.SIGQUIT], lambda *_: None):
        yield


def _command() -> str:
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
