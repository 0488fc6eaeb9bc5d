"""The eyes on a training run: progress to the screen, run.json and checkpoints to the disk, Ctrl-C to the trainer."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from curation.errors import UserError
from phi2chat.interrupts import Interrupt
from phi2chat.processes import add_up, is_main, wait_for_all
from phi2chat.prompt import PromptStyle, save_style
from phi2chat.run import Run, seal_checkpoint


@dataclass
class Progress:
    """How far a run is; `loss` is the last step's, `eval_loss` the last evaluation's.

    During an evaluation `eval_batches` holds how many batches of it are done, and of how many.
    """

    total_steps: int
    step: int = 0
    eval_batches: tuple[int, int] | None = None
    loss: float | None = None
    eval_loss: float | None = None
    tokens_per_second: float | None = None


class Reporter(Protocol):
    """Who is told about a run while it goes on."""

    def status(self, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def training_progress(self, progress: Progress) -> None: ...


class Watcher(TrainerCallback):  # type: ignore[misc]
    """Keeps run.json and the reporter up to date, seals checkpoints, stops on request or on a loss that is NaN."""

    def __init__(self, run: Run, folder: Path, style: PromptStyle, interrupt: Interrupt, reporter: Reporter) -> None:
        self._run, self._folder, self._style = run, folder, style
        self._interrupt, self._reporter = interrupt, reporter
        self.stopping = False  # of all processes, while `interrupt` is of this one
        self._progress = Progress(total_steps=0)
        self._step_start = 0.0
        self._seconds = 0.0  # spent in this process on the steps whose tokens are counted
        self._tokens_before: float | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._progress.total_steps, self._progress.step = state.max_steps, state.global_step
        # A run that is resumed goes on from a checkpoint, and what came after it is done again.
        self._run.losses = [point for point in self._run.losses if point[0] <= state.global_step]
        self._run.eval_losses = [point for point in self._run.eval_losses if point[0] <= state.global_step]
        self._reporter.training_progress(self._progress)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._step_start = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # else the clock stops while the GPU still works on the step
        self._seconds += time.perf_counter() - self._step_start
        self._progress.step = state.global_step
        if state.global_step >= state.max_steps and args.eval_strategy == "steps":
            control.should_evaluate = control.should_save = True  # whatever the rhythm, the last step counts
        self._stop_if_asked(control)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # Trainer also comes here where it stops within an epoch; the checkpoint was written after the step then.
        if self.stopping and not float(state.epoch or 0).is_integer():
            control.should_evaluate = control.should_save = False

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        done = self._progress.eval_batches[0] if self._progress.eval_batches else 0
        self._progress.eval_batches = (done + 1, len(kwargs["eval_dataloader"]))
        self._reporter.training_progress(self._progress)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._stop_if_asked(control)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        logs = logs or {}
        for name in ("loss", "eval_loss"):
            if not math.isfinite(logs.get(name, 0.0)):
                raise UserError(
                    f"{self._folder}: the {name.replace('_', ' ')} became {logs[name]} at step {state.global_step};"
                    " train again with a lower --learning-rate, or with --precision float32"
                )
        if "loss" in logs:
            self._progress.loss = logs["loss"]
            self._run.losses.append((state.global_step, logs["loss"]))
            self._count_tokens(logs)
        if "eval_loss" in logs:
            self._progress.eval_loss, self._progress.eval_batches = logs["eval_loss"], None
            if not self._run.eval_losses or self._run.eval_losses[-1][0] < state.global_step:
                self._run.eval_losses.append((state.global_step, logs["eval_loss"]))
        if "loss" in logs or "eval_loss" in logs:
            self._reporter.training_progress(self._progress)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        wait_for_all()  # each writes its own state of random numbers
        if not is_main():
            return
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (checkpoint / "README.md").unlink(missing_ok=True)  # PEFT's card, a form that nobody filled in
        self._run.save(self._folder)
        save_style(self._style, checkpoint)
        seal_checkpoint(checkpoint)

    def _stop_if_asked(self, control: TrainerControl) -> None:
        if add_up(self._interrupt.requested):  # one that stops alone would leave the others waiting
            self.stopping = True
            control.should_save = control.should_training_stop = True

    def _count_tokens(self, logs: dict[str, float]) -> None:
        # TRL counts the tokens of the batches, padding left out. The first step warms up and is not counted.
        if "num_tokens" in logs and self._tokens_before is None:
            self._tokens_before, self._seconds = logs["num_tokens"], 0.0
        elif "num_tokens" in logs and self._tokens_before is not None and self._seconds > 0:
            trained = logs["num_tokens"] - self._tokens_before
            self._run.tokens_per_second = round(trained / self._seconds, 1)
            self._progress.tokens_per_second = self._run.tokens_per_second
