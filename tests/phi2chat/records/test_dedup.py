"""`phi2chat curate dedup` as a user meets it, and `--engine` where Ray is not there."""

import importlib.util
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Phi2Chat = Callable[..., "subprocess.CompletedProcess[str]"]

LINES = [
    json.dumps({"id": name, "instruction": question, "reasoning": "r", "answer": "東京です。"}, ensure_ascii=False)
    + "\n"
    for name, question in (
        ("a", "日本の首都はどこですか？"),
        ("b", "日本の首都は、どこですか?"),
        ("c", "海は青いですか？"),
    )
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(LINES), encoding="utf-8")
    return path


def test_without_more_they_are_named_and_nothing_is_written(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    done = phi2chat("curate", "dedup", "data.jsonl")
    assert done.stdout == (
        "data.jsonl:2:1: instruction: the same as line 1: 日本の首都は、どこですか? [near-duplicate]\n"
        "2 of 3 records would stay; --output FILE writes them, --yes removes the others\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]
    assert data.read_text(encoding="utf-8") == "".join(LINES)


def test_the_others_are_written_to_another_file(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    done = phi2chat("curate", "dedup", "data.jsonl", "--output", "clean.jsonl")
    assert done.stdout.endswith("2 of 3 records are in clean.jsonl\n")
    assert (tmp_path / "clean.jsonl").read_text(encoding="utf-8") == LINES[0] + LINES[2]
    assert data.read_text(encoding="utf-8") == "".join(LINES)


def test_what_is_removed_is_printed_so_that_it_can_come_back(phi2chat: Phi2Chat, data: Path) -> None:
    done = phi2chat("curate", "dedup", "data.jsonl", "--yes")
    assert done.stdout == LINES[1] + "2 of 3 records are in data.jsonl\n"
    assert data.read_text(encoding="utf-8") == LINES[0] + LINES[2]


@pytest.mark.parametrize(
    ("argv", "code", "sentence"),
    [
        (["data.jsonl", "--output", "data.jsonl"], 1, "data.jsonl: already exists; give another name"),
        (["data.jsonl", "--output", "other.jsonl"], 1, "other.jsonl: already exists; give another name"),
        (["data.jsonl", "--output", "x.jsonl", "--yes"], 2, "--output and --yes: give one of them"),
        (["no.jsonl"], 1, "no.jsonl: no such file"),
    ],
)
def test_what_cannot_be_done_is_refused(
    phi2chat: Phi2Chat, data: Path, argv: list[str], code: int, sentence: str
) -> None:
    data.with_name("other.jsonl").write_text("mine", encoding="utf-8")
    done = phi2chat("curate", "dedup", *argv)
    assert data.with_name("other.jsonl").read_text(encoding="utf-8") == "mine"
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert data.read_text(encoding="utf-8") == "".join(LINES)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
@pytest.mark.parametrize("command", ["dedup", "validate"])
def test_without_ray_a_sentence_says_how_to_install_it(phi2chat: Phi2Chat, data: Path, command: str) -> None:
    done = phi2chat("curate", command, "data.jsonl", "--engine", "ray")
    sentence = "phi2chat: --engine ray: Ray is not installed; run `pip install 'ray[data]'`\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
