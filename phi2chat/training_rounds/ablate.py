"""`phi2chat rounds ablate`: what the eval side, the reasoning, the Chinese records and the loss bring, in one table."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.config import TrainConfig, build, with_options
from phi2chat.terminal.interrupts import noting_interrupts

if TYPE_CHECKING:
    from phi2chat.terminal.screen import Screen
    from phi2chat.training_rounds.ablations import Effect, Trial

# As in ablations.py, which is not imported for the help.
NAMES = ("last-step", "answer-only", "no-chinese", "whole-sequence")
CHANGED = ("select_by", "reasoning", "leave_out", "loss_on")
EVALUATION = "evaluation"
PATH = click.Path(path_type=Path)


@click.command("ablate")
@click.argument("data", type=PATH)
@click.option("--probes", multiple=True, required=True, type=PATH, help="What all are asked; may be repeated.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="This variant; may be repeated [default: all].")
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True, help="Trainings of each variant.")
@click.option("--recipe", default="chat", show_default=True, type=click.Choice(["a", "b", "chat"]))
@click.option("--config", "config_file", type=PATH, help="YAML file of settings of the training; flags win over it.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of the table.")
@with_options(TrainConfig, without=(*CHANGED, "probes"))
def command(
    data: Path,
    probes: tuple[Path, ...],
    only: tuple[str, ...],
    seeds: int,
    recipe: str,
    config_file: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Train DATA again and again with one choice changed, ask all of them the same probes, and compare.

    last-step: the eval side chooses no checkpoint. answer-only: no reasoning is trained. no-chinese: Chinese records
    are left out. whole-sequence: the question is learned as well. The folder is runs/ablate-DATA, or --output-dir;
    the same command goes on where it was stopped.

    \b
    phi2chat rounds ablate datasets/ja-basics --base smollm2-135m --probes datasets/probes/ja-basics.jsonl
    """
    from phi2chat.evaluation.results import read_evaluation
    from phi2chat.terminal.screen import Screen
    from phi2chat.training_rounds.ablations import find_effects, plan

    config = build(TrainConfig, flags, config_file)
    if set_before := [name for name in CHANGED if getattr(config, name) != getattr(TrainConfig(), name)]:
        raise UserError(f"{config_file}: {set_before[0]}: is what is compared here; leave it out")
    for path in (data, *probes):
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; check the path")
    folder = config.output_dir or Path("runs") / f"ablate-{data.stem}"
    trials = plan(folder, config, only or NAMES, seeds)
    screen = Screen()
    for number, trial in enumerate(trials, start=1):
        _train(data, trial, f"{number} of {len(trials)}: {trial.variant}, seed {trial.seed}", screen)
    _evaluate(folder / EVALUATION, trials, probes, recipe, config)
    effects = find_effects(trials, read_evaluation(folder / EVALUATION))
    _show(effects, as_json, screen)


def _train(data: Path, trial: "Trial", where: str, screen: "Screen") -> None:
    if trial.is_finished(data):
        screen.note(f"{where}: has been trained")
        return
    screen.note(where)
    if trial.is_begun:
        _run("train", "--resume", str(trial.folder))
    else:
        trial.write_settings()
        _run("train", str(data), "--config", str(trial.yaml_file))


def _evaluate(
    folder: Path, trials: Sequence["Trial"], probes: Sequence[Path], recipe: str, config: TrainConfig
) -> None:
    from phi2chat.evaluation.contenders import require_unchanged
    from phi2chat.evaluation.results import EVALUATION_FILE, read_evaluation
    from phi2chat.training_rounds.ablations import is_same_file

    place = ["--device", config.device, "--precision", config.precision, "--quantize", config.quantize]
    if (folder / EVALUATION_FILE).exists():
        found = read_evaluation(folder)
        asked = (
            {str(model.adapter) for model in found.models if model.adapter is not None},
            {file.path for file in found.probe_files},
        )
        if (
            asked != ({str(trial.folder) for trial in trials}, set(map(str, probes)))
            or found.recipes != (recipe,)
            or not all(is_same_file(Path(file.path), file.sha256) for file in found.probe_files)
        ):
            raise UserError(
                f"{folder}: is of other variants, probes or another recipe; remove it, or give another --output-dir"
            )
        require_unchanged(found.models)
        if found.status != "done":
            _run("evaluate", "--resume", str(folder), *place)
        return
    adapters = [argument for trial in trials for argument in ("--adapter", str(trial.folder))]
    _run("evaluate", *map(str, probes), *adapters, "--with-base", "--recipe", recipe, "--output", str(folder), *place)


def _run(*arguments: str) -> None:
    """A command of ours in a process of its own, whose memory comes back when it ends; what it says is shown."""
    command = [sys.executable, "-m", "phi2chat", *arguments]
    # Ctrl-C goes to both; the other one stops as it does by itself, and this one waits for it.
    with noting_interrupts(), subprocess.Popen(command, stdout=sys.stderr) as process:
        code = process.wait()
    if code:
        raise click.exceptions.Exit(code)  # it has said why


def _show(effects: Sequence["Effect"], as_json: bool, screen: "Screen") -> None:
    import dataclasses

    from phi2chat.evaluation.score_table import bounds_of, spell_perplexity
    from phi2chat.terminal.safe_text import json_line

    if as_json:
        print(json_line([dataclasses.asdict(effect) for effect in effects]))
        return
    columns = {"score": "right", "script": "script", "form": "form"}
    rows = []
    for effect in effects:
        cells = []
        for measure in columns:
            share = effect.shares.get(measure)  # type: ignore[call-overload]
            move = effect.moves.get(measure)  # type: ignore[call-overload]
            said = ""
            if move:
                mean = round(100 * move.mean, 1) + 0.0  # and never -0.0
                said = f"\n{mean:+.1f}\n{bounds_of(move.low, move.high)}\n{move.opinion}"
            low, high = effect.spread.get(measure, (0.0, 0.0))  # type: ignore[call-overload]
            spread = f"\n({100 * low:.3g}-{100 * high:.3g})" if effect.seeds > 1 else ""
            cells.append("" if share is None else f"{100 * share:.1f} %{spread}{said}")
        loss = "" if effect.eval_loss is None else f"{effect.eval_loss:.3f}\nppl {spell_perplexity(effect.eval_loss)}"
        # No cell is wider than a variant's name: the table fits 80 columns.
        seeds = f"\n{effect.seeds} seeds" if effect.seeds > 1 else ""
        rows.append([effect.variant + seeds, *cells, loss])
    screen.table(["variant", *columns.values(), "eval loss"], rows)
    screen.note("differences are to as-given, probe by probe; the eval loss of answer-only is of other tokens")
    if any(effect.seeds > 1 for effect in effects):
        screen.note("means over seeds, in brackets the lowest and the highest; intervals take in probes and seeds")
    if any(effect.seeds == 1 for effect in effects):
        screen.note("one training of each: another seed could move them as far; --seeds 3 shows how far")
