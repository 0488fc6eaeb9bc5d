"""What each choice of a training brings: the same training again with one of them changed, and the same probes."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from curation.atomic import write_atomically
from curation.errors import UserError
from phi2chat.config import TrainConfig, to_json
from phi2chat.evaluation.results import Cell, Evaluation
from phi2chat.evaluation.scores import MEASURES, Measure, Move, families_of, weigh
from phi2chat.files import sha256_of
from phi2chat.weights.run import RUN_FILE, read_run

BASE, REFERENCE = "base", "as-given"
# What is asked about a data set of reasoning in several languages, and what is changed to find it out.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    REFERENCE: {},
    "last-step": {"select_by": "last"},
    "answer-only": {"reasoning": False},
    "no-chinese": {"leave_out": "zh"},
    "whole-sequence": {"loss_on": "sequence"},
}
CHANGED = tuple(dict.fromkeys(name for changes in VARIANTS.values() for name in changes))
_NOT_OF_THE_TRAINING = ("base", "output_dir", "gpus")  # the first may be named in several ways


@dataclass(frozen=True)
class Trial:
    """One training of an ablation: a variant with a seed, in a folder of its own."""

    variant: str
    seed: int
    folder: Path
    config: TrainConfig

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds a run, finished or not."""
        return (self.folder / RUN_FILE).exists()

    def is_finished(self, data: Path) -> bool:
        """Whether it need not be trained any more.

        Raises UserError where the folder holds a run of other settings, of other data, or of data as it was before.
        """
        if not self.is_begun:
            return False
        run, ours = read_run(self.folder), to_json(self.config)
        for name, value in ours.items():
            if name not in _NOT_OF_THE_TRAINING and run.config.get(name, value) != value:
                raise UserError(
                    f"{self.folder}: holds a run with another {name}; give another --output-dir, or the same settings"
                )
        changed = [path for path, digest in run.sha256.items() if not is_same_file(Path(path), digest)]
        if run.data != str(data) or changed:
            found = f"{changed[0]} as it was before" if run.data == str(data) else run.data
            raise UserError(
                f"{self.folder}: holds a run on {found}; give another --output-dir, or remove {self.folder.parent}"
            )
        return run.status == "finished"

    @property
    def yaml_file(self) -> Path:
        """The settings of this training, for `train --config`."""
        return self.folder.with_name(f"{self.folder.name}.yaml")

    def write_settings(self) -> None:
        """Write `yaml_file`: what is not as by default."""
        import yaml

        usual = to_json(TrainConfig())
        given = {name: value for name, value in to_json(self.config).items() if value != usual[name]}
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.yaml_file, yaml.safe_dump(given, allow_unicode=True, sort_keys=False).encode())


@dataclass(frozen=True)
class Effect:
    """What a variant or the base reached, and how it differs from the reference; `eval_loss` is a mean over seeds.

    The eval loss of `answer-only` is of other tokens, and compares with no other.
    """

    variant: str
    seeds: int
    shares: dict[Measure, float]
    moves: dict[Measure, Move]
    eval_loss: float | None


def is_same_file(path: Path, sha256: str) -> bool:
    """Whether a file is there and has this content."""
    return path.is_file() and sha256_of(path) == sha256


def plan(folder: Path, config: TrainConfig, variants: Sequence[str], seeds: int) -> list[Trial]:
    """Every variant with every seed, the reference first; variants of one seed share the split and the LoRA weights."""
    return [
        Trial(
            variant,
            seed,
            output := folder / f"{variant}-{seed}",
            dataclasses.replace(config, **VARIANTS[variant], seed=seed, output_dir=output),
        )
        for variant in dict.fromkeys([REFERENCE, *variants])
        for seed in range(config.seed, config.seed + seeds)
    ]


def find_effects(trials: Sequence[Trial], evaluation: Evaluation) -> list[Effect]:
    """What the base and each variant reached over the probes that all were asked, the seeds of a variant together."""
    label_of = {Path(model.adapter).resolve(): model.label for model in evaluation.models if model.adapter is not None}
    labels: dict[str, set[str]] = {BASE: {model.label for model in evaluation.models if model.kind == "base"}}
    for trial in trials:
        labels.setdefault(trial.variant, set()).add(label_of[trial.folder.resolve()])
    families = families_of(evaluation)
    outcomes = {
        variant: {measure: _by_probe(evaluation.cells, of_it, measure) for measure in MEASURES}
        for variant, of_it in labels.items()
    }
    return [
        Effect(
            variant,
            0 if variant == BASE else len(of_it),
            {measure: fmean(values.values()) for measure, values in outcomes[variant].items() if values},
            {} if variant == REFERENCE else {
                measure: move
                for measure in MEASURES
                if (move := weigh(outcomes[REFERENCE][measure], outcomes[variant][measure], families)) is not None
            },
            _eval_loss(evaluation, of_it),
        )
        for variant, of_it in labels.items()
        if of_it
    ]  # fmt: skip


def _by_probe(cells: Sequence[Cell], labels: set[str], measure: Measure) -> dict[str, float]:
    values: dict[str, list[bool]] = {}
    for cell in cells:
        outcome = MEASURES[measure](cell) if cell.model in labels else None
        if outcome is not None:
            values.setdefault(cell.probe, []).append(outcome)
    return {probe: fmean(several) for probe, several in values.items()}


def _eval_loss(evaluation: Evaluation, labels: set[str]) -> float | None:
    losses = [model.eval_loss for model in evaluation.models if model.label in labels and model.eval_loss is not None]
    return fmean(losses) if losses else None
