"""Lines that are read together: what is called clean is what every rule of form and contract passes, line by line."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.lines import MAX_BYTES, parse_exactly
from curation.rules import choose
from curation.rules.check import LineChecker
from curation.rules.plain import read_clean

RECORD = '{"instruction": "日本の首都は？", "reasoning": "国会です。", "answer": "東京です。"}\n'
FULL = (
    '{"id": "a-1", "instruction": "a\\n", "input": "", "reasoning": "\\"b\\"", "answer": "c", "language": "zh-Hans",'
    ' "reasoning_language": "ja", "family": "f", "category": "c", "tags": ["x", "y\\""], "source": "s",'
    ' "license": "MIT", "note": " "}\n'
)
FAULTY = [
    "\n", "{}\n", "[]\n", '["instruction", "reasoning", "answer"]\n', "{\n", RECORD.strip(), RECORD.replace("\n", "\r\n"), "\ufeff" + RECORD,
    RECORD.strip() + RECORD, RECORD.replace("東京です。", ""), RECORD.replace("東京です。", " \u3000"),
    RECORD.replace('"東京です。"', "5"), RECORD.replace('"東京です。"', "null"), RECORD.replace('"東京です。"', '["a"]'),
    RECORD.replace("{", '{"answer": "", '), RECORD.replace("{", '{"tags": ["a", ""], '), RECORD.replace("{", '{"tags": "a", '),
    RECORD.replace("{", '{"tags": [1], '), RECORD.replace("{", '{"tags": [["a"]], '), RECORD.replace("{", '{"id": "a\\n", '),
    RECORD.replace("{", '{"language": "jp", '), RECORD.replace("{", '{"langage": "ja", '), RECORD.replace("{", '{"provenance": [], '),
    RECORD.replace("東京", "\\u0022"), RECORD.replace("東京", "\\ud83d"), RECORD.replace("東京", "\x01"), RECORD.replace("answer", "anser"),
    RECORD.replace("{", '{"answer": "\\u0022", '),
]  # fmt: skip


def check_one_by_one(lines: list[bytes]) -> list[str]:
    """The findings of each line as if it were beside one that is left to the exact rules."""
    checker, found = LineChecker(Path("x.jsonl"), choose(["form", "contract"])), []
    for number, line in enumerate(lines, start=1):
        for finding in checker.check([b"{\n", line]).findings:
            if finding.line == 2:
                found.append(f"{number}:{finding.column}: {finding.field}: {finding.message} [{finding.rule}]")
    return found


@given(st.lists(st.sampled_from([RECORD, FULL, RECORD, FULL, *FAULTY]).map(str.encode), max_size=8))
@settings(deadline=None, max_examples=300)
def test_lines_read_together_have_the_findings_that_each_has(lines: list[bytes]) -> None:
    checked = LineChecker(Path("x.jsonl"), choose(["form", "contract"])).check(lines)
    together = [f"{one.line}:{one.column}: {one.field}: {one.message} [{one.rule}]" for one in checked.findings]
    assert together == check_one_by_one(lines)
    assert checked.lines == len(lines)
    if (clean := read_clean(lines)) is not None:
        assert clean == [parse_exactly(line) for line in lines]
        assert not checked.findings and checked.ends.lf == len(lines)


@pytest.mark.parametrize("line", FAULTY)
def test_one_line_with_a_fault_is_seen_among_others(line: str) -> None:
    assert read_clean([RECORD.encode(), line.encode(), FULL.encode()]) is None


def test_records_of_several_shapes_are_clean_together() -> None:
    lines = [RECORD.encode(), FULL.encode()] * 50
    assert read_clean(lines) == [json.loads(line) for line in lines]


def test_facts_and_other_rules_see_what_was_read_together(tmp_path: Path) -> None:
    lines = [RECORD.encode(), FULL.encode(), RECORD.encode()]
    together, apart = (
        LineChecker(Path("x"), choose()).check(some, offset) for some, offset in ((lines, 7), ([*lines, b"{"], 7))
    )
    assert list(together.facts.offsets) == [7, 7 + len(lines[0]), 7 + len(lines[0]) + len(lines[1])]
    assert together.facts == apart.facts
    assert together.findings == [one for one in apart.findings if one.line < 4]


def test_a_line_that_is_too_long_is_not_called_clean() -> None:
    line = RECORD.replace("国会です。", "x" * MAX_BYTES).encode()
    assert read_clean([RECORD.encode()]) and read_clean([line]) is None
