"""A changed value as one text: what is gone between [- and -], what has come between {+ and +}, the rest shortened."""

import json
from typing import Any

from rich.text import Text

from phi2chat.terminal.differences import in_one
from phi2chat.terminal.screen import safe_text

MARKS = {"-": ("[-", "-]", "error"), "+": ("{+", "+}", "good"), " ": ("", "", "")}  # as wdiff has them
SHOWN_CHARS = 1000  # of a run that is gone or has come


def change_text(before: object, after: object, context: int, shown_chars: int = SHOWN_CHARS) -> Text:
    """The change from one value to another; of what stays, `context` characters before and after it."""
    shown = Text()
    runs = in_one(spell(before), spell(after))
    for place, (sign, text) in enumerate(runs):
        begin, end, style = MARKS[sign]
        if sign == " ":
            text = _shorten(text, context, place > 0, place < len(runs) - 1)
        elif len(text) > shown_chars:
            text = text[:shown_chars] + "…"
        before_it = shown.plain[-1:] if not begin else begin[-1]
        shown += Text(begin, style) + safe_text(text, style, before_it) + Text(end, style)
    return shown


def spell(value: Any) -> str:
    """A value of a record as text; one that is missing is empty."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shorten(text: str, context: int, is_after: bool, is_before: bool) -> str:
    """A text that stays the same, without what is far from the changes around it."""
    head, tail = context * is_after, context * is_before
    if len(text) <= head + tail + 1:
        return text
    return text[:head] + "…" + (text[-tail:] if tail else "")
