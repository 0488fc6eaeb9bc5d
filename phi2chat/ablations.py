"""What each choice of a training brings: the same training with one of them changed, again and again."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import UserError
from phi2chat.config import TrainConfig
from phi2chat.run import RUN_FILE, read_run

REFERENCE = "as-given"
# What is asked of a data set of reasoning in several languages, and what is changed to find out.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    REFERENCE: ("nothing is changed", {}),
    "last-step": ("the eval side chooses no checkpoint", {"select_by": "last"}),
    "answer-only": ("no reasoning is trained", {"reasoning": False}),
    "no-chinese": ("Chinese records are left out", {"leave_out": "zh"}),
    "whole-sequence": ("the question is learned as well", {"loss_on": "sequence"}),
}


@dataclass(frozen=True)
class Trial:
    """One training of an ablation: a variant with a seed, in a folder of its own."""

    variant: str
    seed: int
    config: TrainConfig

    @property
    def folder(self) -> Path:
        assert self.config.output_dir is not None
        return self.config.output_dir

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds a run, finished or not."""
        return (self.folder / RUN_FILE).exists()

    @property
    def is_finished(self) -> bool:
        """Whether it need not be trained any more. Raises UserError for a run of other settings."""
        if not self.is_begun:
            return False
        run = read_run(self.folder)
        ours = dataclasses.asdict(self.config)
        others = [name for name, value in run.config.items() if name in ours and _plain(ours[name]) != value]
        if others := [name for name in others if name not in ("base", "output_dir", "gpus")]:
            raise UserError(
                f"{self.folder}: holds a run with another {others[0]}; give another --output-dir, or the same settings"
            )
        return run.status == "finished"


def plan(folder: Path, config: TrainConfig, variants: Sequence[str], seeds: int) -> list[Trial]:
    """Every variant with every seed, the reference first; all share the split, which is that of the first seed.

    Raises UserError where a variant changes what the settings have changed already.
    """
    trials = []
    for variant in dict.fromkeys([REFERENCE, *variants]):
        changes = VARIANTS[variant][1]
        if same := [name for name, value in changes.items() if getattr(config, name) == value]:
            raise UserError(f"--{same[0].replace('_', '-')}: is what {variant} changes; leave one of the two out")
        for number in range(seeds):
            seed = config.seed + number
            output = folder / f"{variant}-{seed}"
            trials.append(Trial(variant, seed, dataclasses.replace(config, **changes, seed=seed, output_dir=output)))
    return trials


def train_all(
    data: Path,
    trials: Sequence[Trial],
    train: Callable[[Path, TrainConfig], None],
    resume: Callable[[Path], None],
    say: Callable[[str], None],
) -> None:
    """Train what is not finished yet; one that was interrupted goes on."""
    for number, trial in enumerate(trials, start=1):
        where = f"{number} of {len(trials)}: {trial.variant}, seed {trial.seed}"
        if trial.is_finished:
            say(f"{where}: has been trained")
        elif trial.is_begun:
            say(f"{where}: goes on")
            resume(trial.folder)
        else:
            say(where)
            train(data, trial.config)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
