"""A file of probes is known by what stands in it, and is checked as one: its contract, its doublets, its leaks."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from curation.probes import is_probe_file, require_probe, scan_probes
from curation.records import Record
from curation.rules import choose
from curation.scan import scan_file

TOKYO = {"id": "tokyo", "instruction": "日本の首都は？", "expect": {"contains": "東京"}}
RECORD = {"id": "r", "instruction": "日本の首都は、どこ？", "reasoning": "国会がある。", "answer": "東京です。"}


def write(path: Path, *lines: dict[str, Any] | bytes) -> Path:
    path.write_bytes(
        b"".join(
            line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines
        )
    )
    return path


def findings(path: Path, *others: Path) -> list[str]:
    sources = [scan_file(other, frozenset({"leak", "near-leak"})).source for other in others]
    return [str(finding).removeprefix(f"{path}:") for finding in scan_probes(path, choose(), sources).findings]


@pytest.mark.parametrize(
    ("lines", "is_one"),
    [
        ([TOKYO], True),
        ([b"{\n", TOKYO], True),
        ([{"id": "a", "instruction": "x", "judge": "none"}], True),
        ([{"id": "a", "instruction": "x", "references": ["y"]}], True),
        ([RECORD], False),
        ([RECORD, TOKYO], False),
        ([{**RECORD, "expect": "x"}], False),
        ([{"instruction": "x"}], False),
        ([b"[]\n"], False),
        ([b"\xff\n"], False),
        ([], False),
    ],
    ids=str,
)
def test_a_file_of_probes_is_known_by_its_lines(tmp_path: Path, lines: list[Any], is_one: bool) -> None:
    assert is_probe_file(write(tmp_path / "p.jsonl", *lines)) is is_one


def test_no_file_and_a_folder_are_no_files_of_probes(tmp_path: Path) -> None:
    assert not is_probe_file(tmp_path)
    assert not is_probe_file(tmp_path / "missing.jsonl")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"expect": "東京"}, []),
        ({"expect": {"number": 3, "unit": "個", "tolerance": 0.5}}, []),
        ({"references": ["東京です。"], "tags": ["x"], "category": "c", "language": "en", "family": "f"}, []),
        ({"id": "a b"}, ["id: must be 1 to 64 of A-Z a-z 0-9 . _ - [id]"]),
        ({"instruction": " "}, ["instruction: is blank [blank]"]),
        ({"language": "jp"}, ['language: "jp" is not a language tag such as ja, en or zh-Hans [language-tag]']),
        ({"judge": "none"}, ["judge: goes with no expect: what is only read is not judged [judging]"]),
        ({"expect": 3}, ["expect: must be a string or an object, not a number [type]"]),
        ({"expect": {}}, ["expect: is blank [blank]"]),
        ({"expect": {"contains": []}}, ["expect.contains: is blank [blank]"]),
        ({"expect": {"contains": [1]}}, ["expect.contains[0]: must be a string, not a number [type]"]),
        (
            {"expect": {"contain": "x"}},
            ['expect: has "contain", and may have any_of, contains, all_of, number, tolerance, unit, regex [judging]'],
        ),
        ({"expect": {"unit": "個"}}, ["expect: has a tolerance or a unit and no number [judging]"]),
        ({"expect": {"number": 1, "tolerance": -1}}, ["expect.tolerance: is less than 0 [judging]"]),
        ({"expect": {"number": True}}, ["expect.number: must be a number, not a boolean [type]"]),
        (
            {"expect": {"regex": "("}},
            ["expect.regex: is no regular expression (missing )) [judging]"],
        ),
        (
            {"forbid": ["東京"]},
            ['expect: "東京" itself would be wrong: says "東京", which is forbidden [judging]'],
        ),
        (
            {"references": ["大阪です。"]},
            ['references[0]: would be wrong: does not say "東京" [judging]'],
        ),
        ({"forbit": "x"}, ['forbit: is not a field of a probe; did you mean "forbid"? [unknown-field]']),
    ],
    ids=str,
)
def test_what_breaks_the_contract_is_named(tmp_path: Path, change: dict[str, Any], found: list[str]) -> None:
    named = findings(write(tmp_path / "p.jsonl", {**TOKYO, **change}))
    assert [re.sub(r"^1:\d+: ", "", one) for one in named] == found


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", TOKYO, {"category": "c", "forbid": "x"}, {"id": "b", "instruction": "タイは？"})
    assert findings(path) == [
        "2:1: id: is missing [required]",
        "2:1: instruction: is missing [required]",
        "3:1: says not how its answer is judged [judging]",
    ]


def test_doublets_broken_lines_and_what_was_trained_on_are_named_as_in_records(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", TOKYO, TOKYO, b"{\n")
    rules = [re.findall(r"\[([\w-]+)\]$", one)[0] for one in findings(path, write(tmp_path / "r.jsonl", RECORD))]
    assert rules == ["near-leak", "duplicate-id", "duplicate-question", "near-leak", "json"]


def test_a_single_probe_is_refused_with_its_place() -> None:
    require_probe(Record(TOKYO), "p.jsonl:1")
    require_probe(Record(RECORD), "p.jsonl:1")
    with pytest.raises(UserError, match=r"^p\.jsonl:3: expect: is blank; mend it"):
        require_probe(Record({**TOKYO, "expect": {}}), "p.jsonl:3")
