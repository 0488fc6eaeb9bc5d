"""All looks. Whatever is shown passes through here, and every foreign character is made safe to print."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.control import Control
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.segment import ControlType
from rich.table import Column, Table
from rich.text import Text
from rich.theme import Theme

from curation.script import describe_spans
from phi2chat.safe_text import escapes, parts

if TYPE_CHECKING:
    from curation.records import Finding
    from phi2chat.chat import Piece, Turn
    from phi2chat.watcher import Progress as TrainingProgress

STYLES = {
    "reasoning": "italic cyan",
    "answer": "none",
    "wrong_language": "bold reverse red",  # reverse and bold remain where NO_COLOR takes the red away
    "trained": "bold green",
    "escaped": "reverse yellow",
    "note": "dim",
    "warning": "bold yellow",
    "error": "bold red",
    "good": "green",
    "heading": "bold",
}
PLAIN_PROGRESS_STEPS = 10  # where there is no terminal, a line every so many steps


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


class Screen:
    """What the user sees: results on `out` (stdout), everything about them on `err` (stderr)."""

    def __init__(self, out: Console | None = None, err: Console | None = None) -> None:
        self.out = out or SafeConsole()
        # The stream itself, not whatever sys.stderr is later: it is held back during the conversion of a model.
        self.err = err or SafeConsole(file=sys.stderr)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._last_part: str | None = None
        self._last_console: Console | None = None  # where the last piece went; `ask` has two
        self._last_char = ""
        self._training_since: float | None = None
        self._printed_step = -PLAIN_PROGRESS_STEPS
        self._printed_line = ""
        self._last_eval_loss: float | None = None

    # -- messages ------------------------------------------------------------------------------------------------

    def say(self, text: str, style: str = "") -> None:
        """A line of the result."""
        self.end_progress()
        self.out.print(safe_text(text, style), soft_wrap=True)

    def note(self, text: str, style: str = "note") -> None:
        """A line about the result."""
        self.end_progress()
        self.err.print(safe_text(text, style), soft_wrap=True)

    def heading(self, text: str) -> None:
        """The title of what follows."""
        self.end_progress()
        self.out.print()
        self.out.rule(safe_text(text, "heading"), align="left", characters="─")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A table that fits the width; Chinese and Japanese characters count as two cells."""
        self.end_progress()
        table = Table(header_style="heading", expand=False, show_header=any(columns))
        for column in columns:
            table.add_column(safe_text(column), overflow="fold")
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else safe_text(cell) for cell in row))
        self.out.print(table)

    def bars(self, counts: Sequence[tuple[str, int]]) -> None:
        """A line for each label: its count, and a bar as long as that. Labels get a third of the width at most."""
        self.end_progress()
        labels = [safe_text(" ".join(label.split())) for label, _ in counts]
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
        self.end_progress()
        console = console or self.out
        if piece.part != self._last_part:
            if self._last_console is not None:
                self._last_console.print("\n")
            self._last_part, self._last_console, self._last_char = piece.part, console, ""
            if label:
                console.print(Text(f"[{piece.part}]", "note"))
        style = "wrong_language" if piece.wrong_language else piece.part
        console.print(safe_text(piece.text, style, self._last_char), end="", soft_wrap=True)
        *_, (last, shown) = escapes(piece.text, self._last_char)
        self._last_char = "" if shown else last
        console.file.flush()

    def end_reply(self, turn: "Turn", console: Console | None = None) -> None:
        """Close a reply: why it stopped, how fast it was, and what is in a wrong script."""
        console = console or self.out
        self._end_last_part()
        console.print(safe_text(describe_end(turn), "note"), soft_wrap=True)
        if turn.guard.note:
            console.print(safe_text(f"! {turn.guard.note}", "warning"), soft_wrap=True)
        for part, spans in (("reasoning", turn.reasoning_spans), ("answer", turn.answer_spans)):
            if spans:
                console.print(safe_text(f"! {part}: {describe_spans(spans)}", "warning"), soft_wrap=True)
        console.print()

    def drop_reply(self) -> None:
        """Close a reply that was stopped and is not kept."""
        self._end_last_part()
        self.say("stopped at once; this reply is not kept", "warning")

    def _end_last_part(self) -> None:
        if self._last_console is not None:
            self._last_console.print()
        self._last_part = self._last_console = None

    def folded(self, console: Console | None = None) -> None:
        """What stands for a reasoning that is not shown."""
        (console or self.out).print(Text("▸ reasoning folded; /reasoning on shows it", "note"))

    def reasoning(self, turn: "Turn") -> None:
        """The reasoning of an earlier reply."""
        self.out.print(marked(turn.reasoning, turn.reasoning_spans, "reasoning"), soft_wrap=True)

    # -- progress ------------------------------------------------------------------------------------------------

    def status(self, text: str) -> None:
        """A step that takes a while: a moving bar on a terminal, a line elsewhere."""
        if not self.err.is_terminal or self.err.is_dumb_terminal:
            self.err.print(safe_text(f"{text} ..."), soft_wrap=True)
            return
        self._show_bar(safe_text(text).plain, total=None, completed=0)

    def training_progress(self, progress: "TrainingProgress") -> None:
        """A training run: a bar with losses, speed and time left on a terminal, a line now and then elsewhere."""
        parts_ = [f"step {progress.step}/{progress.total_steps}"]
        if progress.loss is not None:
            parts_.append(f"loss {progress.loss:.3f}")
        if progress.eval_loss is not None:
            parts_.append(f"eval loss {progress.eval_loss:.3f}")
        if progress.tokens_per_second is not None:
            parts_.append(f"{progress.tokens_per_second:,.0f} tokens/s")
        if self.err.is_terminal and not self.err.is_dumb_terminal:
            done, total = progress.eval_batches or (progress.step, progress.total_steps)
            what = "  ".join(parts_).removeprefix("step ")
            if progress.eval_batches:
                what = f"evaluating at step {progress.step}"
            self._show_bar(what, total=total, completed=done)
            if self._bar is not None:
                task = self._bar.tasks[0]
                if self._training_since is None:
                    self._training_since = task.start_time
                task.start_time = self._training_since  # a line in between took the bar away, and it began anew
            return
        if progress.eval_batches:
            return
        line = "  ".join(parts_)
        due = progress.step >= self._printed_step + PLAIN_PROGRESS_STEPS or progress.step == progress.total_steps
        if line != self._printed_line and (due or progress.eval_loss != self._last_eval_loss):
            self._printed_line, self._printed_step, self._last_eval_loss = line, progress.step, progress.eval_loss
            self.err.print(Text(line), soft_wrap=True)

    def end_progress(self) -> None:
        """Take the bar away, so that a line can be printed."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None

    def tidy_line(self) -> None:
        """Take away what another process may have left when it was killed: its bar, and a hidden cursor."""
        erase = (ControlType.ERASE_IN_LINE, 2)
        self.err.control(Control(ControlType.CARRIAGE_RETURN, erase, ControlType.SHOW_CURSOR))

    def _show_bar(self, text: str, total: int | None, completed: int) -> None:
        if self._bar is None:
            self._bar = Progress(
                BarColumn(bar_width=8),
                # What the other columns leave; a long text is cut rather than the bar.
                TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
                TimeElapsedColumn(),
                TimeRemainingColumn(compact=True),
                console=self.err,
                expand=True,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(text, total=total)
        assert self._task is not None
        self._bar.update(self._task, description=text, total=total, completed=completed)


def describe_end(turn: "Turn") -> str:
    """Why a reply stopped and what it took."""
    speed = f", {turn.tokens / turn.seconds:.1f} tokens/s" if turn.seconds > 0 else ""
    no_answer = "" if turn.answer else "; no answer came"
    backs = turn.guard.step_backs
    led = f"; {backs} step{'' if backs == 1 else 's'} back" if backs else ""
    led += ", and no more left" if turn.guard.spent else ""
    return f"[{turn.stop.value}{no_answer}; {turn.tokens} tokens{speed}; recipe {turn.recipe}{led}]"


def marked(text: str, spans: Sequence[Any], style: str) -> Text:
    """A whole text with its runs in a wrong script highlighted."""
    shown, position = Text(), 0
    for span in spans:
        shown += safe_text(text[position : span.start], style) + safe_text(
            text[span.start : span.end], "wrong_language"
        )
        position = span.end
    return shown + safe_text(text[position:], style)
