"""The rules of a whole file and of several: what each finds in a few records, and on which line."""

from pathlib import Path
from typing import Any

import pytest

from curation.records import format_record, parse_dataset
from curation.rules import check_dataset, choose
from curation.scan import scan_file

GOOD = {"instruction": "日本の首都はどこですか。", "reasoning": "国会があります。", "answer": "東京です。"}


def found(*records: dict[str, Any], rule: str) -> list[tuple[int, str, str]]:
    content = b"".join(format_record({**GOOD, **one}) for one in records)
    findings = check_dataset(parse_dataset(Path("x.jsonl"), content), choose([rule]))
    assert all(one.rule == rule for one in findings)
    return [(one.line, one.field, one.message) for one in findings]


@pytest.mark.parametrize(
    ("first", "second", "contradict"),
    [
        ("東京です。", "京都です。", True),
        ("東京です。", "東京。", False),
        ("東京です。", "日本の首都は東京です。", False),
        ("12です。", "13です。", True),
        ("12です。", "十二です。", False),
        ("はい。", "いいえ。", True),
        ("そうです。", "そうですね。", False),
        ("It is Tokyo.", "Kyoto it is.", True),
    ],
)
def test_answers_that_exclude_each_other_contradict(first: str, second: str, contradict: bool) -> None:
    assert found({"answer": first}, {"answer": second}, rule="contradiction") == (
        [(2, "answer", f'line 1 answers the same question "{first}"')] if contradict else []
    )


def test_only_the_same_question_in_the_same_language_can_be_contradicted() -> None:
    kyoto = {"answer": "京都です。"}
    assert found({}, {**kyoto, "instruction": "韓国の首都はどこですか。"}, rule="contradiction") == []
    assert found({}, {**kyoto, "language": "en"}, rule="contradiction") == []
    assert found({}, {**kyoto, "input": "昔の話です。"}, rule="contradiction") == []
    assert len(found({}, {**kyoto, "instruction": "日本の首都は、どこですか?"}, rule="contradiction")) == 1


def test_a_question_in_nearly_the_same_words_is_named_unless_it_is_of_the_family() -> None:
    rephrased = {"instruction": "日本の首都はどこでしょうか。"}
    message = "0.56 like line 1; if they ask the same, give both one family"
    assert found({}, rephrased, rule="near-duplicate") == [(2, "instruction", message)]
    assert found({"family": "a"}, {**rephrased, "family": "a"}, rule="near-duplicate") == []
    assert found({}, {**rephrased, "language": "en"}, rule="near-duplicate") == []
    assert found({}, {"instruction": "韓国の首都はどこですか。"}, rule="near-duplicate") == []


def test_a_comma_makes_no_other_question_but_may_vary_in_a_family() -> None:
    comma = {"instruction": "日本の首都は、どこですか?"}
    assert found({}, comma, rule="duplicate-question") == [(2, "instruction", "the same question stands on line 1")]
    assert found({"family": "a"}, {**comma, "family": "a"}, rule="duplicate-question") == []
    assert len(found({"family": "a"}, {"family": "a"}, rule="duplicate-question")) == 1
    assert found({"instruction": "C#とは"}, {"instruction": "Cとは"}, rule="duplicate-question") == []


def test_too_much_of_one_kind_is_named_where_it_begins() -> None:
    answers = [{"answer": f"{number}番です。", "category": "a"} for number in range(40)]
    assert found(*answers, {"category": "b"}, {"category": "c"}, rule="imbalance") == [
        (1, "category", '"a" is the category of 40 of 42 records')
    ]
    assert found(*answers[:9], *[{"answer": "はい。"}] * 11, rule="imbalance") == [
        (10, "answer", '"はい。" is the answer of 11 of 20 records')
    ]
    assert found(*answers[:8], *[{"answer": "はい。"}] * 11, rule="imbalance") == []
    assert found(*answers[:30], {"language": "en"}, rule="imbalance") == [
        (1, "language", '"ja" is the language of 30 of 31 records')
    ]
    assert found(*answers, rule="imbalance") == []


@pytest.mark.parametrize(
    ("trained", "asked", "fault"),
    [
        ({}, {}, "leak instruction: the same question stands in train.jsonl:1"),
        ({}, {"instruction": "日本の首都は、どこですか?"}, "leak instruction: the same question stands in train.jsonl:1"),
        ({}, {"language": "en", "answer": "Tokyo."}, "leak instruction: the same question stands in train.jsonl:1"),
        ({"family": "f"}, {"instruction": "Capital of Japan?", "family": "f"}, 'leak family: the family "f" also stands in train.jsonl:1'),
        ({"id": "f"}, {"instruction": "Capital of Japan?", "family": "f"}, 'leak family: the family "f" also stands in train.jsonl:1'),
        ({"family": "f"}, {"instruction": "Capital of Japan?", "id": "f"}, "leak id: train.jsonl:1 says that it is of this family"),
        ({"id": "1"}, {"instruction": "Capital of Japan?", "id": "1"}, None),
        ({}, {"instruction": "日本の首都はどこでしょうか。"}, "near-leak instruction: 0.56 like train.jsonl:1"),
        ({}, {"instruction": "韓国の首都はどこですか。"}, None),
    ],
)  # fmt: skip
def test_what_one_file_trains_on_another_must_not_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: dict[str, str], asked: dict[str, str], fault: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.jsonl").write_bytes(format_record({**GOOD, **trained}))
    Path("eval.jsonl").write_bytes(
        format_record({**GOOD, "instruction": "水は何度で凍りますか。"}) + format_record({**GOOD, **asked})
    )
    chosen = choose(["against"])
    other = scan_file(Path("train.jsonl"), chosen).source
    findings = scan_file(Path("eval.jsonl"), chosen, [other]).findings
    assert [f"{one.rule} {one.field}: {one.message}" for one in findings] == ([fault] if fault else [])
    assert all(one.line == 2 for one in findings)


def test_a_record_that_breaks_the_contract_upsets_no_rule_of_the_set() -> None:
    records: list[dict[str, Any]] = [
        {"instruction": 1},
        {"answer": None, "id": []},
        {"family": 3, "language": {}},
        {"instruction": " "},
    ]
    for rule in ("set", "duplicate-question"):
        content = b"".join(format_record({**GOOD, **one}) for one in records * 2) + b"{}\n{}\n"
        check_dataset(parse_dataset(Path("x.jsonl"), content), choose([rule]))
