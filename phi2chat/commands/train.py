"""`phi2chat train`: records -> a LoRA adapter, its settings and its loss curve."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.config import TrainConfig, build, from_json, with_options
from phi2chat.training.processes import is_main
from phi2chat.weights.run import RUN_FILE, read_run

if TYPE_CHECKING:
    from phi2chat.terminal.screen import Screen
    from phi2chat.training.watcher import Progress
    from phi2chat.weights.run import Run

LOSS_PNG = "loss.png"


@click.command("train")
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="YAML file of settings; flags win over it."
)
@click.option(
    "--resume", "resume_dir", type=click.Path(path_type=Path), help="Go on with an interrupted run, as it began."
)
@click.option(
    "--check", "check_only", is_flag=True, help="Say what is wrong and what a training would take; train nothing."
)
@click.option("--json", "as_json", is_flag=True, help="With --check: one JSON object.")
@click.option("--allow-changed-data", is_flag=True, help="Let --resume go on although the data has changed.")
@with_options(TrainConfig)
def command(
    data: Path | None,
    config_file: Path | None,
    resume_dir: Path | None,
    allow_changed_data: bool,
    check_only: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Fine-tune a LoRA adapter on DATA: a JSONL file, or a folder that `curate split` wrote.

    \b
    phi2chat train datasets/ja-basics --base smollm2-135m
    phi2chat train my.jsonl --config train.yaml --epochs 5
    phi2chat train my.jsonl --gpus 2
    phi2chat train --resume runs/my-phi-2
    phi2chat train my.jsonl --check
    """
    given = [name for name, value in flags.items() if value is not None] + ["config"] * bool(config_file)
    if as_json and not check_only:
        raise click.UsageError("--json is the form of a --check; give both.")
    if resume_dir and (data or given or check_only):
        raise click.UsageError("--resume goes on with the data and settings the run began with; give nothing else.")
    if allow_changed_data and not resume_dir:
        raise click.UsageError("--allow-changed-data goes with --resume.")
    if not resume_dir and not data:
        raise click.UsageError("Give the DATA to train on, or --resume DIR.")
    config = build(TrainConfig, flags, config_file)
    if resume_dir and not resume_dir.is_dir():
        raise UserError(f"{resume_dir}: no such folder; give the folder of the run")
    if data and not data.exists():
        raise UserError(f"{data}: no such file or folder; check the path")

    from phi2chat.terminal.screen import Screen
    from phi2chat.training.launch import is_to_launch, launch, telling_the_launcher

    screen = Screen()
    if check_only:
        from phi2chat.training.check import check

        assert data is not None
        raise click.exceptions.Exit(check(data, config, screen, as_json))
    if resume_dir:
        run_file = resume_dir / RUN_FILE
        config = from_json(TrainConfig, read_run(resume_dir).config, where=str(run_file))
    if is_to_launch(config):
        try:
            launch(config, screen.note)
        finally:
            screen.tidy_line()
        return
    with telling_the_launcher():
        try:
            _train(data, config, resume_dir, allow_changed_data, screen)
        finally:
            screen.end_progress()


def _train(
    data: Path | None, config: TrainConfig, resume_dir: Path | None, allow_changed_data: bool, screen: "Screen"
) -> None:
    from phi2chat.training.trainer import resume, train

    reporter = screen if is_main() else Silence()
    if resume_dir:
        folder, run = resume(resume_dir, reporter, allow_changed_data)
    else:
        assert data is not None
        folder, run = train(data, config, reporter)
    if is_main():
        report(folder, run, screen)


class Silence:
    """The reporter of a process beside the main one."""

    def status(self, text: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def training_progress(self, progress: "Progress") -> None:
        """Nothing."""


def _show_behaviour(run: "Run", screen: "Screen") -> None:
    """What each evaluation found, and where the measures would choose different checkpoints."""
    losses, scores, passes = dict(run.eval_losses), dict(run.probe_scores), dict(run.script_passes)
    steps = [step for step in losses if step and step in scores]  # step 0 has no checkpoint
    best = {
        "eval loss": min(steps, key=lambda step: losses[step], default=None),
        "probe score": max(steps, key=lambda step: (scores[step], -losses[step]), default=None),
        "script pass": max(steps, key=lambda step: (passes[step], -losses[step]), default=None),
    }
    screen.table(
        ["step", *best, "best by"],
        [
            [
                str(step),
                f"{losses[step]:.3f}",
                f"{scores[step]:.1%}",
                f"{passes[step]:.1%}",
                ", ".join(name for name, chosen in best.items() if chosen == step),
            ]
            for step in losses
            if step in scores
        ],
    )


def report(folder: Path, run: "Run", screen: "Screen") -> None:
    """The summary table and the loss curve, on the screen and as loss.png; exit code 130 for an interrupted run."""
    screen.end_progress()
    if run.status == "interrupted":
        screen.note(
            f"stopped after step {run.steps}; go on with: phi2chat train --resume {shlex.quote(str(folder))}",
            "warning",
            wrap=False,
        )
        raise click.exceptions.Exit(130)
    from phi2chat.training.curves import draw_losses, save_loss_png

    save_loss_png(folder / LOSS_PNG, run.losses, run.eval_losses)
    screen.say(draw_losses(run.losses, run.eval_losses, width=min(screen.out.width, 100)))
    kept = dict(run.eval_losses).get(run.best_step or 0, run.eval_losses[-1][1])
    rows = {
        "base": run.base,
        "LoRA on": f"{', '.join(run.lora_modules)} ({run.trainable_parameters:,} parameters)",
        "records": f"{run.records['train']} train, {run.records['eval']} eval, {len(run.dropped)} left out",
        "eval loss": f"{run.eval_losses[0][1]:.3f} -> {kept:.3f} "
        f"({run.chosen_as}, at step {run.best_step} of {run.steps})",
        "speed": f"{run.tokens_per_second:,.0f} tokens/s on {run.device} in {run.precision}",
        "peak memory": f"{run.peak_memory_gib:.1f} GiB",
        "adapter": str(folder),
    }
    screen.table(["", ""], list(rows.items()))
    if run.probe_scores:
        _show_behaviour(run, screen)
    screen.say(f"chat with it: phi2chat repl --adapter {shlex.quote(str(folder))}", "note", wrap=False)
