"""Where a run's curves are sent: what is accepted, and what is said where a package is missing."""

import importlib.util
import sys
from pathlib import Path

import pytest

from curation.errors import UserError
from phi2chat.config import TRACKERS, TrainConfig, build, change, from_json, to_json
from phi2chat.training.sft import require_trackers, trackers_of
from phi2chat.training.trainer import train

MISSING = [name for name in TRACKERS if importlib.util.find_spec(name) is None]


class Silent:
    """Hears what a run reports."""

    def status(self, text: str) -> None:
        raise AssertionError(f"a model was looked for: {text}")

    note = status

    def training_progress(self, progress: object) -> None: ...


def test_several_trackers_are_given_with_commas_or_as_a_list(tmp_path: Path) -> None:
    assert trackers_of(TrainConfig()) == []
    config = change(TrainConfig(), "report_to", "tensorboard, wandb,tensorboard")
    assert trackers_of(config) == ["tensorboard", "wandb"]
    assert from_json(TrainConfig, to_json(config), "run.json") == config  # as a resumed run reads it
    (tmp_path / "train.yaml").write_text("report_to: [trackio, wandb]\n")
    assert trackers_of(build(TrainConfig, {}, tmp_path / "train.yaml")) == ["trackio", "wandb"]


def test_a_tracker_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UserError, match="report_to: 'nonsense' is none of tensorboard, trackio, wandb"):
        change(TrainConfig(), "report_to", "wandb,nonsense")


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_package_is_said_before_a_model_is_looked_for(ja_basics: Path, tmp_path: Path, name: str) -> None:
    config = TrainConfig(base="no/model", output_dir=tmp_path / "run", report_to=name)
    with pytest.raises(UserError) as raised:
        train(ja_basics, config, Silent())
    wanted = f"--report-to {name}: the package {name} is not installed; run {sys.executable} -m pip install {name}"
    assert str(raised.value) == wanted
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_sent_nowhere_needs_no_package() -> None:
    require_trackers(TrainConfig())
