"""results.jsonl and evaluation.json: what is written is read again, and a crash costs a line at most."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.errors import UserError
from curation.script import Span
from phi2chat.evaluation.results import (
    Cell,
    Evaluation,
    ModelRow,
    ProbeFile,
    append_cells,
    read_evaluation,
    writing_alone,
)

SPAN = Span(0, 1, "这", "zh-Hans", 1.0, "characters that Japanese does not use: 这")
CELL = Cell(
    probe="p1", probe_digest="0" * 16, category="capital", model="base", base="tiny", adapter=None,
    adapter_sha256=None, run=None, recipe="chat", sample=0, seed=0, prompt_digest="1" * 16, language="ja",
    reasoning_language="ja", reasoning="这", answer="東京です。", verdict="right", why="says 東京", language_ok=False,
    reasoning_spans=(SPAN,), answer_spans=(), stop="end_of_text", form=True, tokens=3, seconds=0.5,
)  # fmt: skip
EVALUATION = Evaluation(
    probe_files=(ProbeFile("p.jsonl", "0" * 64, 1),),
    probes={"p1": {"id": "p1", "instruction": "日本の首都は？"}},
    models=(ModelRow("base", "base", "tiny"),),
    recipes=("chat",),
    settings={"samples": 2},
    versions={},
    device="cpu",
    made="2026-01-31T12:00:00+00:00",
)

texts = st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reasoning=texts, answer=texts, why=texts)
def test_what_is_written_is_read_again(tmp_path: Path, reasoning: str, answer: str, why: str) -> None:
    EVALUATION.save(tmp_path)
    (tmp_path / "results.jsonl").unlink(missing_ok=True)
    cells = [dataclasses.replace(CELL, reasoning=reasoning, answer=answer, why=why, sample=n) for n in range(2)]
    append_cells(tmp_path, cells[:1])
    append_cells(tmp_path, cells[1:])
    found = read_evaluation(tmp_path)
    assert found == EVALUATION
    assert list(found.cells) == cells
    assert found.wanted == 2


def test_a_torn_last_line_is_left_out_and_the_next_cell_takes_its_place(tmp_path: Path) -> None:
    EVALUATION.save(tmp_path)
    append_cells(tmp_path, [CELL])
    file = tmp_path / "results.jsonl"
    whole = file.read_bytes()
    second = dataclasses.replace(CELL, sample=1)
    for cut in (1, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole + whole[:cut])
        assert list(read_evaluation(tmp_path).cells) == [CELL]
        append_cells(tmp_path, [second])
        assert list(read_evaluation(tmp_path).cells) == [CELL, second]


def test_a_cell_that_stands_twice_is_one(tmp_path: Path) -> None:
    EVALUATION.save(tmp_path)
    append_cells(tmp_path, [CELL, CELL])
    assert read_evaluation(tmp_path).cells == (CELL,)


@pytest.mark.parametrize("line", [b"{}\n", b"[]\n", b"\xff\n", json.dumps({"probe": 3}).encode() + b"\n", b"\n"])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    EVALUATION.save(tmp_path)
    (tmp_path / "results.jsonl").write_bytes(line)
    with pytest.raises(UserError, match=r"results\.jsonl:1: is damaged"):
        read_evaluation(tmp_path)


def test_a_folder_without_an_evaluation_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"evaluation\.json: no such file"):
        read_evaluation(tmp_path)
    (tmp_path / "evaluation.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"evaluation\.json: is damaged"):
        read_evaluation(tmp_path)
    dataclasses.replace(EVALUATION, format=2).save(tmp_path)
    with pytest.raises(UserError, match="is of format 2"):
        read_evaluation(tmp_path)


def test_two_evaluations_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with writing_alone(tmp_path):
        with (
            pytest.raises(UserError, match=r"another evaluation is writing there; wait for it, or stop it$"),
            writing_alone(tmp_path),
        ):
            pass
        append_cells(tmp_path, [CELL])
    with writing_alone(tmp_path):
        append_cells(tmp_path, [CELL])


@pytest.mark.parametrize("stray", [{"probe": "p2"}, {"model": "new"}, {"recipe": "a"}, {"sample": 2}, {"sample": -1}])
def test_a_reply_that_nobody_asked_for_is_named_and_not_counted(tmp_path: Path, stray: dict[str, Any]) -> None:
    EVALUATION.save(tmp_path)
    append_cells(tmp_path, [CELL, dataclasses.replace(CELL, **stray)])
    with pytest.raises(
        UserError, match=r"results\.jsonl:2: is a reply that this evaluation did not ask for; take it out"
    ):
        read_evaluation(tmp_path)


@pytest.mark.parametrize(("name", "value"), [("samples", "x"), ("temperature", "hot"), ("batch_size", 0)])
def test_a_setting_that_is_none_is_named(tmp_path: Path, name: str, value: object) -> None:
    dataclasses.replace(EVALUATION, settings={name: value}).save(tmp_path)
    with pytest.raises(UserError, match=rf"evaluation\.json: {name}: "):
        read_evaluation(tmp_path)
