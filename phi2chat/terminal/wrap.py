"""Breaks a line that is too long for the terminal between words, and Chinese and Japanese between characters."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.text import Text

from phi2chat.terminal.kinsoku import may_part

# What is never torn apart: a command or name in backticks, and what stands between blanks.
_PIECES = re.compile(r"`[^`\n]*`[^\s`]*|[^\s`]+|`|\s+")

_LONE_JOINER = re.compile("\u200d(?![\u2190-\u2bff\U0001f000-\U0001faff])")


def wrap(text: str, width: int) -> str:
    """The text with line breaks where a line would take more than `width` cells.

    A word that no line can hold, such as a long path, is left to the terminal, so that it can be copied.
    """
    return "\n".join(text[start:end] for start, end in break_lines(text, width))


def wrap_styled(text: Text, width: int) -> Text:
    """The same for styled text."""
    lines = list(break_lines(text.plain, width))
    if len(lines) == 1 + text.plain.count("\n"):
        return text
    # What is before a line, the line, what is before the next one, and so on.
    parts = text.divide(itertools.chain.from_iterable(lines))
    return Text("\n").join(parts[1::2])


@dataclass(frozen=True)
class Wrapped:
    """A text that is broken so in the room that it is given, such as a cell of a table."""

    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield wrap_styled(_show_lone_joiners(self.text), options.max_width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, _show_lone_joiners(self.text))


def _show_lone_joiners(text: Text) -> Text:
    """The text with joiners shown that no emoji follows.

    Rich takes such a one and what follows for one
    character, and where a style begins in between, it cuts off the end of the line.
    """
    places = [place for match in _LONE_JOINER.finditer(text.plain) for place in match.span()]
    pieces = list(text.divide(places)) if places else [text]
    pieces[1::2] = [Text("<U+200D ZWJ>", "escaped") for _ in pieces[1::2]]
    return Text().join(pieces)


def break_lines(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Where each line starts and ends; the blanks at a break belong to none."""
    offset = 0
    for line in text.split("\n"):
        start = end = cells = 0  # of what stands on the line so far; `cells` also of the blanks after it
        for piece_start, piece_end in _pieces(line) if cell_len(line) > width else ():
            piece = line[piece_start:piece_end]
            cells += cell_len(piece)
            if piece.isspace():
                continue
            if end > start and cells > width:
                yield offset + start, offset + end
                start, cells = piece_start, cell_len(piece)
            end = piece_end
        yield offset + start, offset + len(line)
        offset += len(line) + 1


def _pieces(line: str) -> Iterator[tuple[int, int]]:
    """Blanks, words, and of wide text the characters, with the marks that may not be parted from them."""
    for match in _PIECES.finditer(line):
        start, end = match.span()
        if not match[0].startswith("`"):
            for place in range(start + 1, end):
                if parts_words(line[place - 1], line[place]):
                    yield start, place
                    start = place
        yield start, end


def parts_words(left: str, right: str) -> bool:
    """Whether a line may be broken between two characters: behind a blank, or beside a wide one if kinsoku allows."""
    if left == " " and right != " ":
        return True
    return (cell_len(left) == 2 or cell_len(right) == 2) and may_part(left, right)
