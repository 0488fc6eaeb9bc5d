"""The end-of-text token is found beside a model, or in the base that a run was trained on, where that is at hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from phi2chat.weights.end_of_text import find_end_of_text


def write(folder: Path, name: str, content: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


def run_of(folder: Path, base: str) -> Path:
    write(folder, "run.json", {"base": base})
    return write(folder, "adapter_config.json", {})


@pytest.mark.parametrize("spelling", ["<|end|>", {"content": "<|end|>"}])
def test_it_stands_beside_a_model(tmp_path: Path, spelling: object) -> None:
    assert find_end_of_text(write(tmp_path, "tokenizer_config.json", {"eos_token": spelling})) == "<|end|>"


def test_a_run_has_that_of_its_base(tmp_path: Path) -> None:
    base = write(tmp_path / "base", "tokenizer_config.json", {"eos_token": "<|end|>"})
    assert find_end_of_text(run_of(tmp_path / "run", str(base))) == "<|end|>"


def test_a_run_on_a_base_of_the_hub_has_that_of_the_cache(tmp_path: Path, clean_environment: dict[str, str]) -> None:
    commit = "0" * 40
    write(tmp_path / "models--a--b" / "refs", "main", commit)
    write(tmp_path / "models--a--b" / "snapshots" / commit, "tokenizer_config.json", {"eos_token": "<|end|>"})
    run = run_of(tmp_path / "run", "a/b")
    code = f"from pathlib import Path; from phi2chat.weights.end_of_text import *; print(find_end_of_text(Path({str(run)!r})))"
    environment = {**clean_environment, "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "<|end|>\n", done.stderr


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"eos_token": null}', '{"eos_token": ""}', '{"eos_token": 3}']
)
def test_where_it_is_not_there_is_none(tmp_path: Path, content: str) -> None:
    assert find_end_of_text(write(tmp_path, "tokenizer_config.json", content)) is None


@pytest.mark.parametrize("base", ["a/no-such-model", "./gone", "no name : at all", "smollm2-135m"])
def test_a_base_that_is_not_here_has_none(tmp_path: Path, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHI2CHAT_CACHE", str(tmp_path / "empty"))
    assert find_end_of_text(run_of(tmp_path / "run", base)) is None


def test_a_folder_of_a_style_alone_has_none(tmp_path: Path) -> None:
    assert find_end_of_text(tmp_path) is None
