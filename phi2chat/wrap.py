"""Breaks a line that is too long for the terminal between words, and Chinese and Japanese between characters."""

import re

from rich.cells import cell_len

# What is never torn apart: a command or name in backticks, and what stands between blanks.
_WORDS = re.compile(r"`[^`\n]*`[^\s`]*|[^\s`]+|`|\s+")
_NOT_FIRST = "、。，．・：；！？ーっゃゅょッャュョァィゥェォァ々）」』】〉》］｝〕…‥ヽヾゝゞ％"  # kinsoku, of JIS X 4051
_NOT_LAST = "（「『【〈《［｛〔"


def wrap(text: str, width: int) -> str:
    """The text with line breaks where a line would take more than `width` cells.

    A word that no line can hold, such as a long path, is left to the terminal, so that it can be copied.
    """
    return "\n".join(_wrap_line(line, width) for line in text.split("\n"))


def _wrap_line(line: str, width: int) -> str:
    if cell_len(line) <= width:
        return line
    lines, current, blank = [""], 0, ""
    for piece in _pieces(line):
        if piece.isspace():
            blank += piece
            continue
        cells, gap = cell_len(piece), cell_len(blank)
        if lines[-1] and current + gap + cells > width:
            lines.append(piece)
            current = cells
        else:
            lines[-1] += blank + piece
            current += gap + cells
        blank = ""
    return "\n".join(lines)


def _pieces(line: str) -> list[str]:
    """Blanks, words, and of wide text the characters, with the marks that may not be parted from them."""
    pieces: list[str] = []
    for word in _WORDS.findall(line):
        if word.startswith("`") or cell_len(word) == len(word):
            pieces.append(word)
            continue
        start = 0
        for place in range(1, len(word)):
            left, right = word[place - 1], word[place]
            wide = cell_len(left) == 2 or cell_len(right) == 2
            if wide and cell_len(right) > 0 and right not in _NOT_FIRST and left not in _NOT_LAST:
                pieces.append(word[start:place])
                start = place
        pieces.append(word[start:])
    return pieces
