"""Lines that are edited and checked again have the findings that the whole file would have."""

import json
import random
from collections import defaultdict
from pathlib import Path

import pytest

from curation.line_file import HeldLines
from curation.recheck import Outdated, Rechecker, check_line, find_faults
from curation.records import Finding, parse_dataset
from curation.rules import check_dataset

PATH = Path("some.jsonl")


def line(number: int, **fields: str) -> bytes:
    record = {
        "id": f"r{number}",
        "instruction": f"{number}の次の数は何ですか。",
        "reasoning": f"{number}に一を足します。",
        "answer": f"{number + 1}です。",
    }
    return json.dumps(record | fields, ensure_ascii=False).encode() + b"\n"


def found(rechecker: Rechecker, lines: list[bytes]) -> dict[int, list[Finding]]:
    by_line = defaultdict(list)
    for part in rechecker.check(HeldLines(lines)):
        assert all(part.start <= place < part.end for place in part.found)
        for place, findings in part.found.items():
            by_line[place + 1] += findings
    return {number: sorted(findings, key=str) for number, findings in by_line.items()}


def expected(lines: list[bytes]) -> dict[int, list[Finding]]:
    by_line = defaultdict(list)
    for finding in check_dataset(parse_dataset(PATH, b"".join(lines))):
        by_line[finding.line].append(finding)
    return {number: sorted(findings, key=str) for number, findings in by_line.items()}


def test_after_any_edits_the_findings_are_those_of_a_check_of_the_whole_file() -> None:
    dice = random.Random(7)
    lines = [line(number) for number in range(250)]
    rechecker = Rechecker(PATH)
    assert found(rechecker, lines) == expected(lines)
    for _ in range(12):
        place = dice.randrange(len(lines))
        new = dice.choice([
            [],
            [b"{broken\n"],
            [line(place, answer="日本的首都是东京。")],
            [lines[dice.randrange(len(lines))]],
            [line(1000 + place), b"\n", line(2000 + place)],
        ])  # fmt: skip
        lines[place : place + 1] = new
        assert found(rechecker, lines) == expected(lines)
    lines = lines[100:] + lines[:100]
    assert found(rechecker, lines) == expected(lines)
    assert found(rechecker, []) == {}


def test_a_check_that_is_wanted_no_more_ends_and_the_next_one_finds_all() -> None:
    lines = [line(number, reasoning=" ") for number in range(450)]
    rechecker = Rechecker(PATH)
    answers = iter([True, True, False])
    parts = rechecker.check(HeldLines(lines), lambda: next(answers))
    assert [part.end for part in (next(parts), next(parts), next(parts))] == [100, 200, 300]
    with pytest.raises(Outdated):
        next(parts)
    lines[150] = line(150)
    assert found(rechecker, lines) == expected(lines)


def test_the_comparison_of_all_records_ends_too_where_it_is_wanted_no_more() -> None:
    lines = [line(number) for number in range(50)]
    asked: list[int] = []

    def goes_on() -> bool:
        asked.append(1)
        return len(asked) < 10

    with pytest.raises(Outdated):
        list(Rechecker(PATH).check(HeldLines(lines), goes_on))
    assert len(asked) == 10


def test_one_line_is_checked_under_its_number_and_its_faults_have_their_place_in_the_text() -> None:
    raw = line(3, answer="答えは们です。")
    findings = {finding.rule: finding for finding in check_line(PATH, raw, 12)}
    assert findings["wrong-script"].line == 12
    (fault,) = [fault for fault in find_faults(raw) if fault.rule == "wrong-script"]
    assert "答えは们です。"[fault.start : fault.end] == "们"
    assert [one.rule for one in check_line(PATH, b"{\n", 1)] == ["json"]
