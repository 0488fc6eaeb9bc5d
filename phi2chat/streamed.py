"""Text that is appended to a terminal piece by piece, with a style code only where the style changes."""

from rich.console import Console
from rich.text import Text

from phi2chat.safe_text import parts


class StreamedText:
    """What was appended to a console; how it was cut into pieces changes no byte of it.

    A piece has no style codes of its own, for around a token they would be longer than the token. So a style stays
    set between pieces, and whoever ends the text, for whatever reason, has to call `end`.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._last_char = ""  # on which a joiner at the beginning of the next piece depends
        self._reset = ""  # what takes the style away that is set now
        self._style = ""
        self._codes: dict[str, tuple[str, str]] = {}

    def append(self, text: str, style: str) -> None:
        """Show text we did not write, in a style and with its escapes in theirs."""
        shown = ""
        for run, escaped in parts(text, self._last_char):
            shown += self._change("escaped" if escaped else style) + run
            self._last_char = "" if escaped else run[-1]
        self._write(shown)

    def end(self) -> None:
        """Take the style away."""
        if self._style:
            self._write(self._reset)
            self._style = self._reset = ""

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
        self.console.file.write(text)
        self.console.file.flush()
