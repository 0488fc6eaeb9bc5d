"""All looks. Whatever is shown passes through here, and every foreign character is made safe to print."""

import base64
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from phi2chat.terminal.folded_line import FoldedLine, rewrites_lines
from phi2chat.terminal.footer import describe_end, describe_wrong
from phi2chat.terminal.progress_bar import ProgressBar
from phi2chat.terminal.safe_text import parts, safe
from phi2chat.terminal.streamed import StreamedText
from phi2chat.terminal.wrap import Wrapped, wrap, wrap_styled

if TYPE_CHECKING:
    from rich.console import RenderableType

    from curation.records import Finding
    from phi2chat.chatting.chat import Piece, Turn
    from phi2chat.chatting.probe import Probe
    from phi2chat.terminal.changes import ChangedField
    from phi2chat.training.watcher import Progress as TrainingProgress

# The numbered colours are the same in every terminal that has them, and can be read on black and on white.
STYLES = {
    "reasoning": "italic color(32)",  # a blue
    "answer": "none",
    "wrong_language": "bold reverse red on white",  # reverse and bold remain where NO_COLOR takes the colours away
    "trained": "bold color(28)",  # a green
    "different": "bold",
    "escaped": "reverse yellow on black",
    "note": "dim",
    "warning": "bold color(166)",  # an orange
    "error": "bold red",
    "good": "color(28)",
    "heading": "bold",
    "rule.line": "dim",
}
_ON_ONE_LINE = str.maketrans("\n\t", "  ")
READABLE_COLUMN = 12  # cells; a narrower column of text is one word a line, or less


class SafeConsole(Console):
    """A rich console that reads no markup and no emoji names, and lets a broken pipe be the caller's business."""

    def __init__(self, **options: Any) -> None:
        super().__init__(theme=Theme(STYLES), markup=False, emoji=False, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        raise  # the BrokenPipeError that rich is handling; cli ends quietly


def safe_text(text: str, style: str = "", before: str = "") -> Text:
    """Text we did not write, with what could steer the terminal shown as styled escapes."""
    shown = Text()
    for run, escaped in parts(text, before):
        shown.append(run, "escaped" if escaped else style)
    return shown


def _print(console: Console, text: str, style: str, wrap: bool = True) -> None:
    _print_styled(console, safe_text(text, style), wrap)


def _print_styled(console: Console, text: Text, wrap: bool = True) -> None:
    console.print(wrap_styled(text, console.width) if wrap and console.is_terminal else text, soft_wrap=True)


class Screen:
    """What the user sees: results on `out` (stdout), everything about them on `err` (stderr)."""

    def __init__(self, out: Console | None = None, err: Console | None = None) -> None:
        self.out = out or SafeConsole()
        # The stream itself, not whatever sys.stderr is later: it is held back during the conversion of a model.
        self.err = err or SafeConsole(file=sys.stderr)
        self._bar = ProgressBar(self.err)
        self._part: str | None = None  # of a reply, that is shown now
        self._streamed: StreamedText | None = None  # and where; `ask` has two consoles
        self._folded = FoldedLine(self.out)

    # -- messages ------------------------------------------------------------------------------------------------

    def say(self, text: str, style: str = "", wrap: bool = True) -> None:
        """A line of the result, broken between words where a terminal is too narrow; `wrap=False` if it is to copy."""
        self.end_progress()
        _print(self.out, text, style, wrap)

    def note(self, text: str, style: str = "note", wrap: bool = True) -> None:
        """A line about the result, in the same way."""
        self.end_progress()
        _print(self.err, text, style, wrap)

    def bug(self) -> None:
        """The traceback of the exception that is being handled, and that the talk goes on."""
        self.note(traceback.format_exc().rstrip("\n"), "", wrap=False)
        self.note("this is a bug in phi2chat; the conversation stays as it was before, and goes on", "warning")

    def heading(self, text: str) -> None:
        """The title of what follows."""
        self.end_progress()
        self.out.print()
        self.out.rule(safe_text(text, "heading"), align="left", characters="─")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], may_turn: bool = False) -> None:
        """A table that fits the width; Chinese and Japanese characters count as two cells.

        On a terminal that would squeeze its columns into slivers, each row is a few lines: the column and what it says.
        A table that may turn becomes one with a column for each row first, so that few rows still stand side by side.
        """
        self.end_progress()
        # In one style: between two, rich loses a character after a joiner that joins nothing.
        cells = [[cell if isinstance(cell, Text) else Text(safe(cell)) for cell in row] for row in rows]
        whole = [[Text(safe(name)) for name in columns], *cells]
        if self.out.is_terminal and _is_squeezed(whole, self.out.width):
            turned = [list(column) for column in zip(*whole, strict=True)]
            if not may_turn or _is_squeezed(turned, self.out.width):
                self._stack(columns, cells)
                return
            columns, cells = [cell.plain for cell in turned[0]], turned[1:]
        table = Table(header_style="heading", expand=False, show_header=any(columns))
        for column in columns:
            table.add_column(Text(safe(column)), overflow="fold")
        for row in cells:
            table.add_row(*map(Wrapped, row))
        self.out.print(table)

    def _stack(self, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
        for place, row in enumerate(rows):
            if place:
                self.out.print()
            for name, cell in zip(columns, row, strict=True):
                if cell:
                    _print_styled(self.out, Text.assemble((f"{safe(name)}: " if name else "", "heading"), cell))

    def definitions(self, pairs: Sequence[tuple[str, str]]) -> None:
        """What something is called and what it is, side by side, or one below the other on a narrow screen."""
        self.end_progress()
        longest = max(len(name) for name, _ in pairs)
        is_narrow = self.out.width < longest + 2 + max(len(meaning) for _, meaning in pairs)
        for name, meaning in pairs:
            if is_narrow:
                meaning = "".join(f"\n    {line}" for line in wrap(meaning, self.out.width - 4).split("\n"))
            else:
                name = f"{name:{longest}}  "
            self.out.print(safe_text(name) + safe_text(meaning, "note"), soft_wrap=True)

    def bars(self, counts: Sequence[tuple[str, int]]) -> None:
        """A line for each label: its count, and a bar as long as that. Labels get a third of the width at most."""
        self.end_progress()
        # Not split(): to that, characters that steer a terminal are blanks too, and would go unseen.
        labels = [safe_text(label.translate(_ON_ONE_LINE)) for label, _ in counts]
        numbers = [f"{count:,}" for _, count in counts]
        label_cells = min(max(label.cell_len for label in labels), self.out.width // 3)
        number_cells = max(map(len, numbers))
        room = max(self.out.width - label_cells - number_cells - 2, 1)
        longest = max(max(count for _, count in counts), 1)
        for label, number, (_, count) in zip(labels, numbers, counts, strict=True):
            label.truncate(label_cells, overflow="ellipsis", pad=True)
            bar = "█" * max(round(room * count / longest), min(count, 1))
            self.out.print(label + f" {number:>{number_cells}} " + Text(bar, "reasoning"), soft_wrap=True)

    def findings(self, findings: Iterable["Finding"]) -> None:
        """The findings of a check, one a line, as editors and `grep` can read them."""
        for finding in findings:
            style = "error" if finding.severity == "error" else "warning"
            place = f"{finding.path}:{finding.line}:{finding.column}: "
            line = safe_text(place, "note") + safe_text(str(finding).removeprefix(place), style)
            self.out.print(line, soft_wrap=True)

    def example(self, read: str, trained: str) -> None:
        """A training example: what is only read, and between ⟦ and ⟧ what is trained on, with or without colours."""
        self.end_progress()
        self.out.print(safe_text(read, "note") + Text("⟦", "trained"), end="", soft_wrap=True)
        self.out.print(safe_text(trained, "trained") + Text("⟧", "trained"), soft_wrap=True)

    # -- replies -------------------------------------------------------------------------------------------------

    def piece(self, piece: "Piece", console: Console | None = None, label: bool = True) -> None:
        """A piece of a reply as it streams: appended, never drawn again, so that no width can break it.

        `label` names each part on a line of its own, for terminals that show no styles.
        """
        self._bar.end()
        self._end_thinking()
        console = console or self.out
        if piece.part != self._part or self._streamed is None:
            if self._streamed is not None:
                self._streamed.end()
                self._streamed.console.print("\n")
            self._part, self._streamed = piece.part, StreamedText(console)
            if label:
                console.print(Text(f"[{piece.part}]", "note"))
        self._streamed.append(piece.text, "wrong_language" if piece.wrong_language else piece.part)

    def end_reply(self, turn: "Turn", console: Console | None = None) -> None:
        """Close a reply: why it stopped, how fast it was, and what is in a wrong script."""
        console = console or self.out
        self.end_progress()
        _print_styled(console, footer(turn))
        console.print()

    def thinking(self, characters: int) -> None:
        """A reasoning that is not shown has grown: a line that counts on a terminal, and nothing elsewhere.

        What comes next puts the line that stands for the reasoning in its place.
        """
        self._bar.end()
        self._folded.grow(characters)

    def _end_thinking(self) -> None:
        if folded := self._folded.end():
            _print(self.out, folded, "note")

    def reasoning(self, turn: "Turn") -> None:
        """The reasoning of an earlier reply."""
        _print_styled(self.out, marked(turn.reasoning, turn.reasoning_spans, "reasoning"))

    def change(self, change: "ChangedField") -> None:
        """A field that was corrected: `-` what was said, `+` what was written, a wrong script between ⟦ and ⟧."""
        self.end_progress()
        self.out.print(safe_text(change.name, "heading"))
        for line in change.lines:
            text = marked(line.text, line.wrong, "note" if line.sign == "-" else "", ("⟦", "⟧"))
            if line.left_out:
                text += Text(f" … and {line.left_out:,} characters more", "note")
            _print_styled(self.out, Text(f"{line.sign} ", "good" if line.sign == "+" else "note") + text)
        if change.left_out:
            self.out.print(Text(f"… and {change.left_out:,} lines more", "note"), soft_wrap=True)

    def copy(self, text: str) -> bool:
        """Hand a text to the clipboard of the terminal (OSC 52); False where there is no terminal."""
        if not rewrites_lines(self.out):
            return False
        coded = base64.b64encode(text.encode("utf-8")).decode("ascii")  # of which none can end the sequence
        self.out.file.write(f"\x1b]52;c;{coded}\x07")
        self.out.file.flush()
        return True

    def side_by_side(self, left: "tuple[str, Turn]", right: "tuple[str, Turn]") -> None:
        """Two titled replies in two columns, or one below the other on a narrow screen, differences marked."""
        from phi2chat.terminal.columns import side_by_side

        self.end_progress()
        self._print_parts(side_by_side(left, right, self.out.width))
        self.out.print()

    def probes(self, probes: "Sequence[Probe]") -> None:
        """What came of probes, a row each, or a block on a narrow screen."""
        from phi2chat.terminal.columns import probe_table

        self.end_progress()
        self._print_parts(probe_table(probes, self.out.width))

    def _print_parts(self, parts: "Iterable[RenderableType]") -> None:
        for part in parts:
            if isinstance(part, Text):
                _print_styled(self.out, part)
            else:
                self.out.print(part)

    # -- progress ------------------------------------------------------------------------------------------------

    def status(self, text: str, done: int = 0, total: int | None = None) -> None:
        """A step that takes a while: a moving bar on a terminal, filled as far as it is done; a line elsewhere."""
        self._bar.step(safe_text(text).plain, done, total)

    def training_progress(self, progress: "TrainingProgress") -> None:
        """A training run: a bar with losses, speed and time left on a terminal, a line now and then elsewhere."""
        self._bar.training(progress)

    def end_progress(self) -> None:
        """Take the bar away and end the line of a reply, so that a line can be printed."""
        self._bar.end()
        self._end_thinking()
        if self._streamed is not None:
            self._streamed.end()
            self._streamed.console.print()
            self._streamed = self._part = None

    def tidy_line(self) -> None:
        """Take away what another process may have left when it was killed: its bar, and a hidden cursor."""
        erase = (ControlType.ERASE_IN_LINE, 2)
        self.err.control(Control(ControlType.CARRIAGE_RETURN, erase, ControlType.SHOW_CURSOR))


def _is_squeezed(rows: Sequence[Sequence[Text]], width: int) -> bool:
    """Whether a table of these rows has a column with less room than it wants and than can be read with ease."""
    wanted = [
        max(cell_len(line) for cell in column for line in cell.plain.split("\n")) for column in zip(*rows, strict=True)
    ]
    borders = 3 * len(wanted) + 1
    return sum(min(cells, READABLE_COLUMN) for cells in wanted) + borders > width


def footer(turn: "Turn") -> Text:
    """What stands below a reply: how it ended, and what is in a wrong script."""
    lines = [safe_text(describe_end(turn), "note")]
    lines += [safe_text(f"! {note}", "warning") for note in turn.notes]
    if turn.guard.note:
        lines.append(safe_text(f"! {turn.guard.note}", "warning"))
    lines += [safe_text(line, "warning") for line in describe_wrong(turn)]
    return Text("\n").join(lines)


def marked(text: str, spans: Sequence[Any], style: str, brackets: tuple[str, str] = ("", "")) -> Text:
    """A whole text with its runs in a wrong script highlighted, and in brackets where no colour may tell them."""
    shown, position = Text(), 0
    for span in spans:
        wrong = safe_text(text[span.start : span.end], "wrong_language")
        shown += safe_text(text[position : span.start], style) + Text(brackets[0]) + wrong + Text(brackets[1])
        position = span.end
    return shown + safe_text(text[position:], style)
