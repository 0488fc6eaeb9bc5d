"""Hard cases of the script guard, each with the reason why it is hard; its figures are those of benchmarks/script.py."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from curation.script import StreamChecker, check

ROOT = Path(__file__).parents[2]
PATH = ROOT / "tests" / "data" / "script_cases.jsonl"
CASES = [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]
HELD_OUT = [
    json.loads(line) for line in (PATH.parent / "script_held_out.jsonl").read_text(encoding="utf-8").splitlines()
]
FIELDS = ["text", "expected_language", "spans", "note"]


def load_benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("script_benchmark", ROOT / "benchmarks" / "script.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


benchmark = load_benchmark()
is_right = benchmark.is_right


def test_there_are_enough_cases_and_none_twice() -> None:
    assert len(CASES) >= 60
    assert len({(case["text"], case["expected_language"]) for case in CASES}) == len(CASES)
    assert {case["expected_language"] for case in CASES} == {"ja", "en", "zh-Hans", "zh-Hant", "ko"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"])
def test_a_case_has_its_fields_and_its_spans_lie_in_the_text(case: dict[str, Any]) -> None:
    assert list(case) in (FIELDS, [*FIELDS, "known_miss"])
    assert case["text"].strip() and case["note"].isprintable() and case.get("known_miss", True) is True
    places = [place for span in case["spans"] for place in span]
    assert all(len(span) == 2 for span in case["spans"])
    assert places == sorted(set(places))
    assert all(0 <= place <= len(case["text"]) for place in places)
    assert StreamChecker(case["expected_language"]).expected.language


@pytest.mark.parametrize("case", [case for case in CASES if "known_miss" not in case], ids=lambda case: case["text"])
def test_the_guard_flags_the_letters_of_the_spans_and_no_others(case: dict[str, Any]) -> None:
    assert is_right(case), case["note"]


@pytest.mark.parametrize("case", [case for case in CASES if "known_miss" in case], ids=lambda case: case["text"])
def test_a_known_miss_is_still_one(case: dict[str, Any]) -> None:
    assert not is_right(case), "it is right now; take its known_miss away"


def test_the_held_out_rows_are_no_hard_cases() -> None:
    assert len(HELD_OUT) >= 300
    texts = {row["text"] for row in HELD_OUT}
    assert len({(row["text"], row["expected_language"]) for row in HELD_OUT}) == len(HELD_OUT)
    assert texts.isdisjoint(case["text"] for case in CASES)


@pytest.mark.parametrize(
    ("expected_language", "most_false", "most_missed"),
    [
        ("ja", 1, 4),
        ("en", 0, 0),
        ("zh-Hans", 0, 0),
        ("zh-Hant", 0, 0),
        ("ko", 1, 0),
    ],
)
def test_held_out_rows_are_as_right_as_they_were_measured(
    expected_language: str, most_false: int, most_missed: int
) -> None:
    rows = [row for row in HELD_OUT if row["expected_language"] == expected_language]
    flags = [(check(row["text"], expected_language).flagged, bool(row["spans"])) for row in rows]
    assert sum(flag and not wanted for flag, wanted in flags) <= most_false
    assert sum(wanted and not flag for flag, wanted in flags) <= most_missed


def test_a_slip_is_marked_within_three_characters_of_its_beginning_and_stays_marked() -> None:
    result = benchmark.measure_delays(benchmark.chinese_in_japanese(HELD_OUT))
    assert result["delay_median"] <= 3
    assert result["delay_p90"] <= 5
    assert result["letters_taken_back"] == 0
