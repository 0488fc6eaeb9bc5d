"""What was written in /fix and not saved: when the talk ends, each goes into a file that `curate add` can read."""

import contextlib
import json
import os
import shlex
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_state_path

from curation.errors import UserError
from curation.lines import is_utf8
from phi2chat.chatting.corrections import draft

if TYPE_CHECKING:
    from phi2chat.chatting.chat import Turn
    from phi2chat.chatting.talk import Talk

FOLDER = "drafts"


def leave_drafts(talk: "Talk", folder: Path | None = None) -> None:
    """Write the texts that were kept and not saved to files of their own, readable by their owner alone; say where.

    One that can be read as a record is JSON, with where it came from; any other stays the text that it is. What cannot
    be written anywhere is shown.
    """
    left: list[Path] = []
    lost: list[tuple[str, str]] = []  # with why
    for turn, text in talk.corrections.kept:
        try:
            left.append(_leave(talk, turn, text, folder or user_state_path("phi2chat") / FOLDER))
        except OSError as error:
            lost.append((text, error.strerror or str(error)))
    talk.corrections.kept.clear()
    with contextlib.suppress(OSError):  # the terminal may be what ended
        for path in left:
            talk.screen.say(f"what you wrote in /fix and did not save is in {path}", "warning", wrap=False)
        if any(path.suffix == ".json" for path in left):
            file = shlex.quote(str(talk.corrections.file or "my.jsonl"))
            talk.say(f"`phi2chat curate add {file} < THAT_FILE` checks and adds it")
        for text, reason in lost:
            talk.screen.say(f"what you wrote in /fix and did not save cannot be kept ({reason}); copy it:", "error")
            talk.screen.say(text, "note", wrap=False)


def _leave(talk: "Talk", turn: "Turn", text: str, folder: Path) -> Path:
    from phi2chat.terminal.editor import from_text

    try:
        record = from_text(draft(talk.conversation, turn, datetime.now(UTC)), text)
        spelled = json.dumps(record, ensure_ascii=False, indent=2)
        if not is_utf8(spelled):  # half a character, which a server may send and no file can hold
            spelled = json.dumps(record, indent=2)
        return _write(folder, ".json", spelled + "\n")
    except UserError:
        return _write(folder, ".yaml", text)


def _write(folder: Path, suffix: str, text: str) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _write_new(folder, "fix-", suffix, text)
    except OSError:  # better in a folder that does not last than nowhere
        return _write_new(None, "phi2chat-fix-", suffix, text)


def _write_new(folder: Path | None, prefix: str, suffix: str, text: str) -> Path:
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except OSError:  # no file is better than a piece of one
        os.unlink(name)
        raise
    return Path(name)
