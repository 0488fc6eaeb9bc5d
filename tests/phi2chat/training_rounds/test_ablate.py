"""What each choice of a training brings, and an ablation that goes on where it was stopped."""

import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_rounds import make_evaluation, make_round, record

from curation.errors import UserError
from phi2chat.config import TrainConfig
from phi2chat.evaluation.results import read_evaluation
from phi2chat.files import sha256_of
from phi2chat.terminal.screen import SafeConsole, Screen
from phi2chat.training_rounds import ablate
from phi2chat.training_rounds.ablations import CHANGED, REFERENCE, VARIANTS, find_effects, plan
from phi2chat.training_rounds.past_rounds import read_rounds
from phi2chat.weights.run import read_run

RIGHT, WRONG = ("東京", True), ("京都", False)
CONFIG = TrainConfig(base="tiny", seed=7)


def test_the_help_names_every_variant_and_leaves_out_what_they_change() -> None:
    assert (REFERENCE, *ablate.NAMES) == tuple(VARIANTS)
    assert ablate.CHANGED == CHANGED
    assert not set(CHANGED) & {parameter.name for parameter in ablate.command.params}


def test_every_variant_changes_one_thing_and_has_every_seed(tmp_path: Path) -> None:
    trials = plan(tmp_path, CONFIG, ["no-chinese", "no-chinese", "last-step"], seeds=2)
    assert [(trial.variant, trial.seed) for trial in trials] == [
        (variant, seed) for variant in (REFERENCE, "no-chinese", "last-step") for seed in (7, 8)
    ]
    for trial in trials:
        changed = {
            field.name
            for field in dataclasses.fields(CONFIG)
            if getattr(trial.config, field.name) != getattr(CONFIG, field.name)
        }
        assert changed == {"output_dir", *VARIANTS[trial.variant], *(["seed"] if trial.seed == 8 else [])}


def test_the_settings_of_a_training_are_written_as_train_reads_them(tmp_path: Path) -> None:
    trial = plan(tmp_path / "new", CONFIG, ["no-chinese"], seeds=1)[1]
    trial.write_settings()
    assert yaml.safe_load(trial.yaml_file.read_text("utf-8")) == {
        "base": "tiny", "output_dir": str(trial.folder), "seed": 7, "leave_out": "zh",
    }  # fmt: skip


def test_what_is_finished_is_not_trained_again_and_another_run_is_not_taken_for_it(tmp_path: Path) -> None:
    made = make_round(tmp_path / "as-given-42", "2026-01-01T00:00:00+00:00", [record("a", "首都は？")], epochs=5.0)
    data = tmp_path / "my.jsonl"
    data.write_text("what was trained on")
    run = read_run(made)
    run.data, run.sha256 = str(data), {str(data): sha256_of(data)}
    run.save(made)
    (trial,) = plan(tmp_path, TrainConfig(base="tiny", epochs=5.0), [], seeds=1)
    assert trial.folder == made
    assert trial.is_finished(data)
    (other,) = plan(tmp_path, TrainConfig(base="tiny"), [], seeds=1)
    with pytest.raises(UserError, match="holds a run with another epochs; give another --output-dir"):
        other.is_finished(data)
    with pytest.raises(UserError, match="holds a run on .*my.jsonl; give another --output-dir"):
        trial.is_finished(tmp_path / "other" / "my.jsonl")
    data.write_text("what was edited since")
    with pytest.raises(UserError, match="holds a run on .*my.jsonl as it was before; give another --output-dir"):
        trial.is_finished(data)


@pytest.mark.parametrize(
    ("good_seed", "share", "spread", "opinion"),
    [(8, 0.5, (0.0, 1.0), "cannot tell"), (None, 0.0, (0.0, 0.0), "worse")],
)
def test_seeds_of_a_variant_are_taken_together_and_one_bad_seed_tells_nothing(
    tmp_path: Path, good_seed: int | None, share: float, spread: tuple[float, float], opinion: str
) -> None:
    trials = plan(tmp_path, CONFIG, ["last-step"], seeds=2)
    for number, trial in enumerate(trials):
        make_round(trial.folder, f"2026-01-0{number + 1}T00:00:00+00:00", [record("a", "首都は？")])
    questions = [f"{number}の次は？" for number in range(20)]
    replies = {
        trial.folder: dict.fromkeys(
            questions, RIGHT if trial.variant == REFERENCE or trial.seed == good_seed else WRONG
        )
        for trial in trials
    }
    make_evaluation(tmp_path / "evaluation", replies)
    reference, last = find_effects(trials, read_evaluation(tmp_path / "evaluation"))
    assert (reference.shares["score"], reference.moves) == (1.0, {})
    assert (last.seeds, last.shares["score"], last.spread["score"]) == (2, share, spread)
    assert (last.moves["score"].mean, last.moves["score"].opinion) == (share - 1, opinion)
    assert last.moves["script"].opinion == "cannot tell"
    out = SafeConsole(file=io.StringIO(), width=80)
    ablate._show([reference, last], False, Screen(out, out))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    move = last.moves["score"]
    assert f"[{round(100 * move.low):+} to {round(100 * move.high):+}] │" in text  # not broken, at the end of its line
    assert "│ last-step │ " in text and "│ 2 seeds   │ " in text


@pytest.mark.slow
def test_an_ablation_trains_asks_and_compares_and_does_nothing_twice(
    tiny_phi: Path, ja_basics: Path, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    def run(*arguments: Any) -> "subprocess.CompletedProcess[str]":
        whole = [sys.executable, "-m", "phi2chat", *map(str, arguments)]
        return subprocess.run(whole, cwd=tmp_path, env=clean_environment, capture_output=True, text=True, timeout=900)

    data = tmp_path / "some.jsonl"
    data.write_bytes(b"".join(ja_basics.read_bytes().splitlines(True)[:24]))
    (tmp_path / "probes.txt").write_text("日本の首都は？\n", encoding="utf-8")
    command: list[Any] = ["rounds", "ablate", data, "--base", tiny_phi, "--probes", "probes.txt", "--device", "cpu"]
    command += [
        "--max-steps",
        "2",
        "--eval-percent",
        "25",
        "--only",
        "answer-only",
        "--only",
        "no-chinese",
        "--recipe",
        "b",
        "--json",
    ]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    effects = json.loads(done.stdout)
    assert [effect["variant"] for effect in effects] == ["base", REFERENCE, "answer-only", "no-chinese"]
    again = run(*command)
    assert (again.returncode, json.loads(again.stdout)) == (0, effects)
    assert again.stderr.count("has been trained") == 3
    rounds = read_rounds(tmp_path / "runs", tmp_path / "runs" / "ablate-some")
    assert [len(one.asked) for one in rounds] == [1, 1, 1]
    other = run(*command, "--epochs", "2")
    assert (other.returncode, "holds a run with another epochs" in other.stderr) == (1, True)
