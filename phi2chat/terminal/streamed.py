"""Text that is appended to a terminal piece by piece, with a style code only where the style changes."""

from collections import deque

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from phi2chat.terminal.kinsoku import may_part
from phi2chat.terminal.safe_text import parts
from phi2chat.terminal.wrap import parts_words

TAB = 8  # cells
HELD = 2  # characters at the end of a line that may wait for the next one
LONGEST_WORD = 12  # characters of a word at the end of a line that may wait for its end


class StreamedText:
    """What was appended to a console; how it was cut into pieces changes no byte of it.

    A piece has no style codes of its own, for around a token they would be longer than the token. So a style stays
    set between pieces, and whoever ends the text, for whatever reason, has to call `end`.

    The terminal breaks the lines, except where one would begin with a closing mark, or end with an opening one, or tear
    a word: there a line break is written. What may have to go to the next line waits for what comes next: of wide text
    the last two characters of a line, else the word at its end.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._last_char = ""  # on which a joiner at the beginning of the next piece depends
        self._reset = ""  # what takes the style away that is set now
        self._style = ""
        self._codes: dict[str, tuple[str, str]] = {}
        # A dumb terminal does not tell its width.
        self._breaks_lines = console.is_terminal and not console.is_dumb_terminal
        self._width, self._knows_column = 0, True
        self._column = 0  # behind the last character, the held ones included
        self._before = ""  # the last character that was written, where it stands on the same line
        self._held: deque[tuple[str, str]] = deque()  # characters with their styles

    def append(self, text: str, style: str) -> None:
        """Show text we did not write, in a style and with its escapes in theirs."""
        if self._breaks_lines and self._width != (width := self.console.width):
            # The terminal has laid the line out anew, or will, and where it broke it we do not know.
            self._width, self._knows_column = width, self._column == 0
        shown = ""
        for run, escaped in parts(text, self._last_char):
            run_style = "escaped" if escaped else style
            if self._breaks_lines:
                shown += "".join(self._place(char, run_style) for char in run)
            else:
                shown += self._change(run_style) + run
            self._last_char = "" if escaped else run[-1]
        self._write(shown)

    def end(self) -> None:
        """Show what was held, and take the style away."""
        shown = self._release(len(self._held))
        if self._style:
            shown += self._reset
            self._style = self._reset = ""
        self._write(shown)

    def _place(self, char: str, style: str) -> str:
        """What can be written when a character comes."""
        if char in "\n\t":
            tab = min(self._column // TAB * TAB + TAB, self._width - 1)
            self._column, self._knows_column = (0, True) if char == "\n" else (tab, self._knows_column)
            shown = self._release(len(self._held)) + self._change(style) + char
            self._before = ""
            return shown
        cells, shown = cell_len(char), ""
        if not cells and self._held:  # it is drawn on the character before it
            before, style = self._held.pop()
            self._held.append((before + char, style))
            return shown
        if self._knows_column and self._column + cells > self._width:
            if char == " ":
                return self._place("\n", style)
            shown = self._end_line(char)
        self._held.append((char, style))
        self._column += cells
        return shown + self._release(len(self._held) - self._to_hold())

    def _to_hold(self) -> int:
        """How many of the last characters may have to go to the next line."""
        left = self._width - self._column  # cells
        if not self._knows_column or left >= LONGEST_WORD:
            return 0
        word = [char for char, _ in self._held]
        letters = 1
        while letters < len(word) and not parts_words(word[-letters - 1], word[-letters]):
            letters += 1
        if letters == len(word) and self._before and not parts_words(self._before, word[0]):
            letters = 0  # it began too far from the end, or is too long
        return max(min(HELD, len(word)) if left < 2 * HELD else 0, letters if letters <= LONGEST_WORD else 0)

    def _end_line(self, char: str) -> str:
        """What is written before a character that no longer fits: the held ones, with a line break if one is needed."""
        held = [one for one, _ in self._held]
        line = [self._before, *held, char]
        places = [place for place in range(len(held), -1, -1) if line[place]]  # as many held ones stay on the line
        for may_break in (parts_words, may_part):
            place = next((place for place in places if may_break(line[place], line[place + 1])), -1)
            if place >= 0:
                break
        else:
            place = len(held)  # none is better
        shown = self._release(place)
        self._before = ""
        if self._held:
            shown += "\n"  # in the style that is set: it ends a line, and marks nothing
        self._column = sum(cell_len(one) for one, _ in self._held)
        return shown

    def _release(self, count: int) -> str:
        shown = ""
        for _ in range(count):
            char, style = self._held.popleft()
            shown += self._change(style) + char
            self._before = char
        return shown

    def _change(self, style: str) -> str:
        if style == self._style:
            return ""
        before, (begin, end) = self._reset, self._codes_of(style)
        self._style, self._reset = style, end  # before it is written: a write that is interrupted may have begun
        return before + begin

    def _codes_of(self, style: str) -> tuple[str, str]:
        if style not in self._codes:
            with self.console.capture() as capture:
                self.console.print(Text("x", style), end="")
            begin, _, end = capture.get().partition("x")
            self._codes[style] = begin, end
        return self._codes[style]

    def _write(self, text: str) -> None:
        if text:
            self.console.file.write(text)
            self.console.file.flush()
