"""The line that stands for a reasoning that is not shown, and counts its characters while it comes."""

import time

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

# The line is longer than a token: drawn for each, it would cost more than the reasoning that it stands for.
STEP, SECONDS = 20, 1.0  # characters, or time, after which it is drawn anew


class FoldedLine:
    """Counts one reasoning after the other; where lines cannot be rewritten, it draws none while they come."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._characters = self._drawn = 0
        self._drawn_at = 0.0

    def grow(self, characters: int) -> None:
        """The reasoning has so many characters by now."""
        is_new, self._characters, now = not self._characters, characters, time.monotonic()
        if rewrites_lines(self._console) and (
            is_new or characters // STEP > self._drawn // STEP or now >= self._drawn_at + SECONDS
        ):
            self._drawn, self._drawn_at = characters, now
            self._erase()
            text = Text(f"▸ thinking, {_spell(characters)}", "note")
            self._console.print(text, end="", no_wrap=True, overflow="ellipsis")
            self._console.file.flush()

    def end(self) -> str:
        """Take the line away; what is to stand in its place, or nothing where no reasoning was counted."""
        if not self._characters:
            return ""
        if rewrites_lines(self._console):
            self._erase()
        folded = f"▸ reasoning folded ({_spell(self._characters)}); /reasoning on shows it"
        self._characters = 0
        return folded

    def _erase(self) -> None:
        self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))


def rewrites_lines(console: Console) -> bool:
    """Whether what stands on a line can be written over: on a terminal that knows more than letters."""
    return console.is_terminal and not console.is_dumb_terminal


def _spell(count: int) -> str:
    return f"{count} character" + ("" if count == 1 else "s")
