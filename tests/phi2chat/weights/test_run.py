"""run.json: what it says of the folder that a run was started in."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.weights.run import Run, read_git_state, read_run


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, check=True, encoding="utf-8")
    return done.stdout.strip()


def test_a_folder_outside_of_git_has_no_commit(tmp_path: Path) -> None:
    assert read_git_state(tmp_path) is None


def test_a_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init")
    assert read_git_state(tmp_path) is None


def test_the_commit_and_whether_a_known_file_has_changed_since(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "data.jsonl").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--no-gpg-sign", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "run.json").write_text("{}")  # an output, which git does not know
    assert read_git_state(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "data.jsonl").write_text("2\n")
    assert read_git_state(tmp_path) == {"commit": commit, "dirty": True}
    assert read_git_state(tmp_path / "runs") == {"commit": commit, "dirty": True}


def test_a_missing_git_is_no_fault(tmp_path: Path) -> None:
    assert read_git_state(tmp_path / "no such folder") is None


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    run = Run("base", "data.jsonl", {}, {"data.jsonl": "00"}, git={"commit": "1", "dirty": False})
    run.losses, run.learning_rates, run.grad_norms = [(1, 0.1 + 0.2)], [(1, 1e-5)], [(1, 3.0)]
    run.data_changes = [{"step": 4, "sha256": {"data.jsonl": "11"}}]
    run.save(tmp_path)
    assert read_run(tmp_path) == run


@pytest.mark.parametrize(
    "damage",
    [
        {"versions": None},
        {"tokens_per_second": None},
        {"tokens_per_second": True},
        {"records": []},
        {"records": {"train": "1"}},
        {"languages": [1]},
        {"losses": [[1]]},
        {"eval_losses": [[1, None]]},
        {"best_step": "2"},
        {"base": 1},
        {"data": "a\0b"},
    ],
)
def test_a_value_of_another_kind_is_damage(tmp_path: Path, damage: dict[str, Any]) -> None:
    Run("base", "data.jsonl", {}, {}).save(tmp_path)
    content = json.loads((tmp_path / "run.json").read_text("utf-8"))
    (tmp_path / "run.json").write_text(json.dumps(content | damage), "utf-8")
    with pytest.raises(UserError, match="is damaged or of another version"):
        read_run(tmp_path)
