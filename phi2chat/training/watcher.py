"""The eyes on a training run: progress to the screen, run.json and checkpoints to the disk, Ctrl-C to the trainer."""

import math
import resource
import sys
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from curation.errors import UserError
from phi2chat.inference.prompt import PromptStyle, save_style
from phi2chat.terminal.interrupts import Interrupt
from phi2chat.training.checkpoints import finish_checkpoint
from phi2chat.training.failures import way_anew
from phi2chat.training.processes import add_up, is_main, wait_for_all
from phi2chat.weights.run import Run


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
    """Keeps run.json and the reporter up to date, seals checkpoints, stops on request or on a number that is NaN."""

    def __init__(
        self, run: Run, folder: Path, style: PromptStyle, interrupt: Interrupt, reporter: Reporter, loaded_at: float
    ) -> None:
        self._run, self._folder, self._style = run, folder, style
        self._interrupt, self._reporter = interrupt, reporter
        self._progress = Progress(total_steps=0)
        self._loaded_at = loaded_at  # by time.perf_counter
        self._step_start = 0.0
        self._seconds = 0.0  # spent in this process on the steps whose tokens are counted
        self._tokens_before: float | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._progress.total_steps, self._progress.step = state.max_steps, state.global_step
        # The checkpoint that a run goes on from knows the steps before it; what came after it is done again.
        for curve in (self._run.losses, self._run.eval_losses, self._run.learning_rates, self._run.grad_norms):
            curve.clear()
        for logs in state.log_history:
            self._note_down(int(logs["step"]), logs)
        self._reporter.training_progress(self._progress)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._step_start = time.perf_counter()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        weights = chain.from_iterable(group["params"] for group in kwargs["optimizer"].param_groups)
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients))
        if not math.isfinite(norm):  # the weights are still good, and so is every checkpoint
            raise self._not_finite("gradient", norm, state.global_step + 1)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # else the clock stops while the GPU still works on the step
        self._seconds += time.perf_counter() - self._step_start
        if not self._run.first_step_seconds:
            self._run.first_step_seconds = round(time.perf_counter() - self._loaded_at, 1)
        self._progress.step = state.global_step
        if state.global_step >= state.max_steps and args.eval_strategy == "steps":
            control.should_evaluate = control.should_save = True  # whatever the rhythm, the last step counts
        # A complete epoch is evaluated and saved at its end, a moment from now.
        at_epoch_end = args.save_strategy == "epoch" and float(state.epoch or 0).is_integer()
        self._stop_if_asked(state, control, save=not at_epoch_end)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # Trainer also comes here where it stops within an epoch; the checkpoint was written after the step then.
        in_epoch = not float(state.epoch or 0).is_integer() and state.global_step < state.max_steps
        if control.should_training_stop and in_epoch:
            control.should_evaluate = control.should_save = False

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        done = self._progress.eval_batches[0] if self._progress.eval_batches else 0
        self._progress.eval_batches = (done + 1, len(kwargs["eval_dataloader"]))
        self._reporter.training_progress(self._progress)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._stop_if_asked(state, control, save=state.global_step > 0)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        logs = logs or {}
        for name, what in (("loss", "loss"), ("eval_loss", "eval loss"), ("grad_norm", "gradient")):
            if not math.isfinite(logs.get(name, 0.0)):
                raise self._not_finite(what, logs[name], state.global_step)
        if "loss" in logs or "eval_loss" in logs:
            self._note_down(state.global_step, logs)
            self._count_tokens(logs)
            self._reporter.training_progress(self._progress)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        weights = (weight for weight in kwargs["model"].parameters() if weight.requires_grad)
        if not all(bool(torch.isfinite(weight).all()) for weight in weights):
            raise self._not_finite("adapter", math.nan, state.global_step)
        wait_for_all()  # each writes its own state of random numbers
        if not is_main():
            return
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (checkpoint / "README.md").unlink(missing_ok=True)  # PEFT's card, a form that nobody filled in
        self._run.steps, self._run.best_step = state.global_step, state.best_global_step
        self._run.peak_memory_gib = max(self._run.peak_memory_gib, round(_peak_memory_bytes(args.device) / 2**30, 2))
        self._run.save(self._folder)
        save_style(self._style, checkpoint)
        finish_checkpoint(checkpoint)

    def _stop_if_asked(self, state: TrainerState, control: TrainerControl, save: bool) -> None:
        anyone = add_up(self._interrupt.requested)  # one that stops alone would leave the others waiting
        # The last step ends the run anyway, and as a whole one.
        if anyone and state.global_step < state.max_steps:
            control.should_training_stop = True
            control.should_save = control.should_save or save

    def _note_down(self, step: int, logs: dict[str, float]) -> None:
        if "loss" in logs:
            self._progress.loss = logs["loss"]
            self._run.losses.append((step, logs["loss"]))
            self._run.learning_rates.append((step, logs["learning_rate"]))
            self._run.grad_norms.append((step, logs["grad_norm"]))
        if "eval_loss" in logs:
            self._progress.eval_loss, self._progress.eval_batches = logs["eval_loss"], None
            if not self._run.eval_losses or self._run.eval_losses[-1][0] < step:
                self._run.eval_losses.append((step, logs["eval_loss"]))
        if "eval_probe_score" in logs:
            for curve, name in ((self._run.probe_scores, "probe_score"), (self._run.script_passes, "script_pass")):
                if not curve or curve[-1][0] < step:
                    curve.append((step, logs[f"eval_{name}"]))
            self._reporter.note(
                f"step {step}: {logs['eval_probe_score']:.1%} of the probes right,"
                f" {logs['eval_script_pass']:.1%} in the right script"
            )

    def _not_finite(self, what: str, value: float, step: int) -> UserError:
        wider = ", or with --precision float32" if self._run.precision != "float32" else ""
        return UserError(
            f"{self._folder}: the {what} became {value} at step {step};"
            f" {way_anew(self._folder)} with a lower --learning-rate{wider}"
        )

    def _count_tokens(self, logs: dict[str, float]) -> None:
        # TRL counts the tokens of the batches, padding left out. The first step warms up and is not counted.
        if "num_tokens" in logs and self._tokens_before is None:
            self._tokens_before, self._seconds = logs["num_tokens"], 0.0
        elif "num_tokens" in logs and self._tokens_before is not None and self._seconds > 0:
            trained = logs["num_tokens"] - self._tokens_before
            self._run.tokens_per_second = round(trained / self._seconds, 1)
            self._progress.tokens_per_second = self._run.tokens_per_second


def _peak_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
