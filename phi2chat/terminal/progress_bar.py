"""What is shown while something takes a while: a bar on a terminal, a line now and then elsewhere."""

import atexit
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

if TYPE_CHECKING:
    from phi2chat.training.watcher import Progress as TrainingProgress

PLAIN_PROGRESS_STEPS = 10  # where there is no terminal, a line every so many steps


class ProgressBar:
    """A bar that comes with the first thing to show, and goes before a line is printed. Texts must be safe to show."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._training_since: float | None = None
        self._printed_step = -PLAIN_PROGRESS_STEPS
        self._printed_line = ""
        self._last_eval_loss: float | None = None

    def step(self, text: str, done: int = 0, total: int | None = None) -> None:
        """A step, and how much of it is done where its end is known; elsewhere than on a terminal said once."""
        if self._can_move:
            self._show(text, total=total, completed=done)
        elif text != self._printed_line:
            self._printed_line = text
            self._console.print(Text(f"{text} ..."), soft_wrap=True)

    def training(self, progress: "TrainingProgress") -> None:
        """How far a training is, with its losses and its speed."""
        parts = [f"step {progress.step}/{progress.total_steps}"]
        if progress.loss is not None:
            parts.append(f"loss {progress.loss:.3f}")
        if progress.eval_loss is not None:
            parts.append(f"eval loss {progress.eval_loss:.3f}")
        if progress.tokens_per_second is not None:
            parts.append(f"{progress.tokens_per_second:,.0f} tokens/s")
        if self._can_move:
            done, total = progress.eval_batches or (progress.step, progress.total_steps)
            what = "  ".join(parts).removeprefix("step ")
            if progress.eval_batches:
                what = f"evaluating at step {progress.step}"
            bar = self._show(what, total=total, completed=done)
            task = bar.tasks[0]
            if self._training_since is None:
                self._training_since = task.start_time
            task.start_time = self._training_since  # a line in between took the bar away, and it began anew
            return
        if progress.eval_batches:
            return
        line = "  ".join(parts)
        due = progress.step >= self._printed_step + PLAIN_PROGRESS_STEPS or progress.step == progress.total_steps
        if line != self._printed_line and (due or progress.eval_loss != self._last_eval_loss):
            self._printed_line, self._printed_step, self._last_eval_loss = line, progress.step, progress.eval_loss
            self._console.print(Text(line), soft_wrap=True)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None
            atexit.unregister(self.end)

    @property
    def _can_move(self) -> bool:
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def _show(self, text: str, total: int | None, completed: int) -> Progress:
        if self._bar is None:
            self._bar = Progress(
                BarColumn(bar_width=8),
                # What the other columns leave; a long text is cut rather than the bar.
                TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
                TimeElapsedColumn(),
                TimeRemainingColumn(compact=True),
                console=self._console,
                expand=True,
                transient=True,
            )
            atexit.register(self.end)  # whatever ends the process, the shell gets its line and its cursor back
            self._bar.start()
            self._task = self._bar.add_task(text, total=total)
        assert self._task is not None
        self._bar.update(self._task, description=text, total=total, completed=completed)
        return self._bar
