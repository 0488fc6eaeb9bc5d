"""A run that is killed, wherever it is, ends as the run that was never stopped: bit for bit, on a CPU in float32.

With all that could tell them apart: dropout, accumulation, a last partial batch, three epochs in shuffled order.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phi2chat.weights.run import CURVES

SETTINGS = {
    "device": "cpu",
    "batch_size": 2,
    "accumulation_steps": 2,
    "epochs": 3.0,
    "eval_steps": 2,
    "learning_rate": 1e-1,  # so high that the first checkpoint is the best, and removed long before the end
    "warmup_ratio": 0.2,
    "lora_dropout": 0.1,
}
STEPS = 9  # 3 epochs of 9 records: 5 batches, the last of one record, in 3 steps, the last of one batch
DRIVER = Path(__file__).parents[2] / "kill_points.py"

Ground = dict[str, Any]
Death = dict[str, int | str]
Case = dict[str, Any]


@pytest.fixture(scope="module")
def ground(tiny_phi: Path, ja_basics: Path, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A base with dropout, 9 records to train on, and their settings."""
    place = tmp_path_factory.mktemp("ground")
    base = Path(shutil.copytree(tiny_phi, place / "base"))
    config = json.loads((base / "config.json").read_bytes())
    (base / "config.json").write_text(json.dumps({**config, "resid_pdrop": 0.1, "embd_pdrop": 0.1}))
    lines = ja_basics.read_bytes().splitlines(True)
    (place / "train.jsonl").write_bytes(b"".join(lines[:9]))
    (place / "eval.jsonl").write_bytes(b"".join(lines[30:34]))
    settings = {**SETTINGS, "base": str(base), "eval_file": str(place / "eval.jsonl")}
    return {"data": str(place / "train.jsonl"), "config": settings}


def run_cases(ground: Ground, cases: dict[Path, list[Death]], **settings: object) -> list[Case]:
    """Let every case die its deaths in its folder, and then come to its end."""
    order = {
        **ground,
        "config": {**ground["config"], **settings},
        "cases": [{"place": str(place), "deaths": deaths} for place, deaths in cases.items()],
    }
    paths = os.pathsep.join([str(DRIVER.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, DRIVER], input=json.dumps(order), capture_output=True, encoding="utf-8", env=environment
    )
    results: list[Case] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, len(results)) == (0, len(cases)), done.stderr
    for case in results:
        *killed, last = case["codes"]
        assert last == 0 and set(killed) <= {-signal.SIGKILL, -signal.SIGXFSZ}, (case, done.stderr)
    return results


def journal(case: Case, kind: str) -> list[Any]:
    lines = (Path(case["place"]) / "journal.jsonl").read_text("utf-8").splitlines()
    return [what for this, what in map(json.loads, lines) if this == kind]


def batches_of_steps(case: Case) -> list[tuple[int, list[Any]]]:
    """The token ids that made each step; a step that was done again is there again."""
    steps: list[tuple[int, list[Any]]] = []
    batches: list[Any] = []
    lines = (Path(case["place"]) / "journal.jsonl").read_text("utf-8").splitlines()
    for kind, what in map(json.loads, lines):
        if kind == "process":
            batches = []
        elif kind == "batch":
            batches.append(what)
        elif kind == "step":
            steps.append((what, batches))
            batches = []
    return steps


def outcome(case: Case) -> dict[str, Any]:
    """All that must not depend on whether, and where, a run was killed."""
    folder = Path(case["place"]) / "run"
    run = json.loads((folder / "run.json").read_bytes())
    kept = {name: run[name] for name in (*CURVES, "status", "steps", "best_step", "records", "tokens", "data_changes")}
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {**kept, "adapter": (folder / "adapter_model.safetensors").read_bytes(), "files": files}


def assert_ends_as(case: Case, whole: Case) -> None:
    assert outcome(case) == outcome(whole), case
    expected, done = dict(batches_of_steps(whole)), batches_of_steps(case)
    assert all(batches == expected[step] for step, batches in done), case
    assert {step for step, _ in done} == expected.keys()


DEATHS: dict[str, list[Death]] = {
    "after the first step, before there is a checkpoint, and once more later": [{"step": 1}, {"step": 7}],
    "after a step between two checkpoints": [{"step": 5}],
    "in the middle of writing the optimizer": [{"size": 200_000, "from": 5}],
    "with all files written and the seal not yet there": [{"before": "os.rename checkpoints/checkpoint-6/.complete"}],
    "in the middle of removing an old checkpoint": [{"before": "os.rmdir checkpoints/checkpoint-4"}],
    "with half of the adapter published": [{"before": "os.rename .adapter_model.safetensors"}],
}
STOPPED: Death = {"step": 7}  # with the checkpoints 4 and 6
NEWEST, OLDER = "checkpoints/checkpoint-6", "checkpoints/checkpoint-4"
HARMS: dict[str, list[Death]] = {
    "a flipped bit in the newest checkpoint": [STOPPED, {"flip": f"{NEWEST}/adapter_model.safetensors"}],
    "the loss of the checkpoint that was the best": [{"step": 5}, {"remove": "checkpoints/checkpoint-2/optimizer.pt"}],
    "harm to both checkpoints": [
        STOPPED,
        {"truncate": f"{NEWEST}/optimizer.pt"},
        {"empty": f"{OLDER}/best.safetensors"},
    ],
}
WAYS_ON = {
    "a flipped bit in the newest checkpoint": [
        f"{{}}/{NEWEST}: adapter_model.safetensors is damaged; going on from checkpoint-4"
    ],
    "the loss of the checkpoint that was the best": ["going on from checkpoint-4"],
    "harm to both checkpoints": [
        f"{{}}/{OLDER}: best.safetensors is damaged; beginning anew, for there is no whole checkpoint",
        f"{{}}/{NEWEST}: optimizer.pt is damaged; beginning anew, for there is no whole checkpoint",
    ],
}


@pytest.fixture(scope="module")
def cases(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """The run that is never stopped, and those that are killed."""
    deaths: dict[str, list[Death]] = {"whole": [], **DEATHS, **HARMS}
    places = {name: tmp_path_factory.mktemp("case") for name in deaths}
    done = run_cases(ground, {place: deaths[name] for name, place in places.items()})
    return dict(zip(places, done, strict=True))


@pytest.fixture(scope="module")
def whole(cases: dict[str, Case]) -> Case:
    """The run that is never stopped. Its best checkpoint comes early, and is removed long before its end."""
    assert outcome(cases["whole"])["best_step"] == 2
    assert [len(batches) for _, batches in batches_of_steps(cases["whole"])] == [2, 2, 1] * 3
    return cases["whole"]


@pytest.mark.parametrize("name", DEATHS)
def test_a_run_that_is_killed_ends_as_one_that_is_not(cases: dict[str, Case], whole: Case, name: str) -> None:
    assert cases[name]["codes"] == [
        -signal.SIGXFSZ if "size" in death else -signal.SIGKILL for death in DEATHS[name]
    ] + [0]
    assert_ends_as(cases[name], whole)


@pytest.mark.parametrize("name", HARMS)
def test_a_run_survives_and_says_what_it_goes_on_from(cases: dict[str, Case], whole: Case, name: str) -> None:
    folder = Path(cases[name]["place"]) / "run"
    said = [line for line in journal(cases[name], "said") if "going on" in line or "anew" in line]
    assert said == [line.format(folder) for line in WAYS_ON[name]]
    assert_ends_as(cases[name], whole)


@pytest.mark.slow
def test_whatever_file_of_the_newest_checkpoint_is_damaged_the_run_ends_the_same(
    ground: Ground, whole: Case, tmp_path: Path
) -> None:
    files = sorted(path.name for path in (Path(whole["place"]) / "run" / "checkpoints" / "checkpoint-9").iterdir())
    assert len(files) >= 11
    harms = [{harm: f"{NEWEST}/{name}"} for name in files for harm in ("flip", "remove")]
    harms += [{"truncate": f"{NEWEST}/optimizer.pt"}, {"empty": f"{NEWEST}/rng_state.pth"}]
    for case in run_cases(ground, {tmp_path / str(n): [STOPPED, harm] for n, harm in enumerate(harms)}):
        assert any("going on from checkpoint-4" in line for line in journal(case, "said")), case
        assert_ends_as(case, whole)


@pytest.mark.slow
def test_wherever_a_run_is_killed_it_ends_as_one_that_is_not(ground: Ground, whole: Case, tmp_path: Path) -> None:
    changes = journal(whole, "change")
    save = [changes.index(f"os.mkdir checkpoints/checkpoint-{step}") for step in (8, 9)]
    end = next(n for n, change in enumerate(changes) if change.startswith("open .prompt.json"))
    # The last change clears up behind a run that has finished. Within a folder that is removed, one file is like another.
    numbers = [n for n in [*range(*save), *range(end, len(changes) - 1)] if n % 3 == 0 or "/" in changes[n] or n > end]
    points: list[Death] = [{"step": step} for step in range(1, STEPS + 1)]
    points += [{"change": n + 1} for n in numbers if changes[n] != changes[n - 1]]
    points += [{"size": size, "from": step} for size in (60_000, 200_000) for step in (1, 8)]
    assert len(points) > 40
    for case in run_cases(ground, {tmp_path / str(n): [point] for n, point in enumerate(points)}):
        assert case["codes"][0] < 0, case
        assert_ends_as(case, whole)


@pytest.mark.slow
def test_a_run_that_saves_once_an_epoch_ends_as_one_that_was_not_killed(ground: Ground, tmp_path: Path) -> None:
    deaths: list[list[Death]] = [[], *([{"step": step}] for step in range(1, STEPS + 1))]
    deaths += [[{"step": 4}, {"before": "os.rename checkpoints/checkpoint-9/.complete"}]]
    whole, *killed = run_cases(ground, {tmp_path / str(n): death for n, death in enumerate(deaths)}, eval_steps=None)
    assert [step for step, _ in outcome(whole)["eval_losses"]] == [0, 3, 6, 9]
    for case in killed:
        assert_ends_as(case, whole)


@pytest.mark.slow
def test_a_run_with_max_steps_that_was_killed_after_its_last_step_trains_no_further(
    ground: Ground, tmp_path: Path
) -> None:
    end: list[Death] = [{"before": "open .prompt.json"}]
    whole, killed = run_cases(ground, {tmp_path / "whole": [], tmp_path / "killed": end}, max_steps=4)
    assert outcome(killed) == outcome(whole)
    assert outcome(killed)["steps"] == 4
