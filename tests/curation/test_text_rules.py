"""The rules of texts and reasoning by example: the field, with § and ♢ around what is pointed at, and what is no fault."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.records import format_record, parse_dataset, read_dataset
from curation.rules import RULES, check_dataset, choose

GOOD = {
    "instruction": "日本の首都はどこですか。",
    "reasoning": "国会は東京にあります。",
    "answer": "日本の首都は東京です。",
}
TEXT = choose(["text", "reasoning"])


def found(**fields: Any) -> list[tuple[str, str, str]]:
    """Of a good record with other fields: rule, field and the text that is pointed at."""
    raw = format_record({**GOOD, **fields})
    line = raw.decode()
    return [
        (one.rule, one.field, line[one.column - 1 : one.end_column - 1] if one.end_column else "")
        for one in check_dataset(parse_dataset(Path("x.jsonl"), raw), TEXT)
    ]


@pytest.mark.parametrize(
    ("rule", "field", "text"),
    [
        ("control-character", "answer", "東京\x07です。"),
        ("control-character", "answer", "東京\rです。"),
        ("invisible-character", "input", "東\u200b京"),
        ("invisible-character", "answer", "\ufeff東京です。"),
        ("invisible-character", "reasoning", "国会は\u202e東京にあります。"),
        ("invisible-character", "answer", "東京\u2028です。"),
        ("invisible-character", "answer", "東京\U000e0041です。"),
        ("invisible-character", "answer", "東\u200d京です。"),
        ("lost-character", "answer", "東\ufffdです。"),
        ("lost-character", "input", "東\ue000です。"),
        ("half-width-kana", "reasoning", "国会はﾄｳｷｮｳ東京にあります。"),
        ("half-width-kana", "answer", "東京です｡"),
        ("mixed-punctuation", "reasoning", "国会は、東京に，あります、はい。"),
        ("prompt-marker", "reasoning", "東京です。\n### Answer:\n東京です。"),
        ("template-residue", "answer", "{city}の東京です。"),
        ("template-residue", "instruction", "日本の首都は{{question}}ですか。"),
        ("template-residue", "reasoning", "TODO: 東京"),
        ("template-residue", "answer", "東京です。<|im_end|>"),
        ("template-residue", "answer", "東京です。[/INST]"),
        ("unfinished-answer", "answer", "東京、"),
        ("unfinished-answer", "answer", "東京（日本の首都"),
        ("unfinished-answer", "answer", "日本の首都である東京を"),
        ("unfinished-answer", "answer", "日本で一番大きな都市は"),
        ("reasoning-is-answer", "reasoning", "日本の首都は、東京です"),
        ("reasoning-is-question", "reasoning", "日本の首都は、どこですか"),
        ("unprepared-answer", "answer", "毎朝コーヒーを三杯飲みます。"),
    ],
)
def test_a_rule_finds_what_it_is_for(rule: str, field: str, text: str) -> None:
    rules = {(one, where) for one, where, _ in found(**{field: text})}
    assert (rule, field) in rules
    assert len(rules) == 1


@pytest.mark.parametrize(
    ("fields", "pointed_at"),
    [
        ({"answer": "東\u200b京です。"}, "\u200b"),
        ({"answer": "東京です。{name}"}, "{name}"),
        ({"reasoning": "ﾄｳｷｮｳは東京です。"}, "ﾄｳｷｮｳ"),
        ({"answer": "東京（日本"}, "（"),
        ({"reasoning": "東京です。### Answer:"}, "### Answer:"),
    ],
)
def test_a_finding_points_at_the_characters(fields: dict[str, str], pointed_at: str) -> None:
    assert [text for _, _, text in found(**fields)] == [pointed_at]


@pytest.mark.parametrize(
    "fields",
    [
        {"answer": "家族は👨\u200d👩\u200d👧です。東京"},
        {"answer": "می\u200cخواهم", "language": "fa"},
        {"answer": "葛\U000e0100飾区は東京です。"},
        {"answer": "`{name}`は名前になります。東京です。"},
        {"answer": "```python\nprint(f'{name}')\n```\n東京"},
        {"input": "{name} TODO <|im_end|>"},
        {"answer": "次の通りです。\n\ta) 東京\n\tb) 京都"},
        {"answer": "東京です :("},
        {"answer": "「東京」（とうきょう）です。"},
        {"answer": "もも"},
        {"answer": "日本の"},
        {"answer": "1,234", "reasoning": "千二百三十四です。"},
        {"answer": "It is 1, or 2."},
    ],
    ids=lambda fields: next(iter(fields.values()))[:12],
)
def test_what_has_a_reason_is_no_fault(fields: dict[str, str]) -> None:
    assert found(**fields) == []


@pytest.mark.parametrize(
    ("question", "reasoning", "answer"),
    [
        ("7と5を足すと？", "七に五を足します。", "合計は12個になります。"),
        ("犬を三匹飼っています。何匹ですか。", "一匹ずつ数えます。", "全部で十二匹です。"),
        ("首都は東京ですか、京都ですか。", "国会がある都市です。", "首都は東京です。"),
        ("「猫が好きです」を英語にしてください。", "猫はcatです。", "I like cats very much."),
        ("What does library mean?", "本を集めて人に貸す所です。", "町の図書館のことです。"),
        ("首都は？", "国会がある都市です。", "東京です。"),
        ("正しいですか。", "太陽は東から昇ります。", "はい、合っています。"),
        ("調味料は？", "「せ」はしょうゆの昔の書き方です。", "しょうゆと塩のことです。"),
    ],
)
def test_an_answer_that_needs_no_step_of_the_reasoning_is_no_fault(question: str, reasoning: str, answer: str) -> None:
    assert found(instruction=question, reasoning=reasoning, answer=answer) == []


def test_the_shipped_records_raise_no_false_alarm(ja_basics: Path) -> None:
    assert check_dataset(read_dataset(ja_basics), TEXT) == []


def test_answers_of_other_records_are_often_unprepared(ja_basics: Path) -> None:
    records = [
        record for _, record in read_dataset(ja_basics).records() if record.language == record.reasoning_language
    ]
    swapped = [
        {**one.data, "answer": other.answer} for one, other in zip(records, records[100:] + records[:100], strict=True)
    ]
    content = b"".join(map(format_record, swapped))
    alarms = check_dataset(parse_dataset(Path("x.jsonl"), content), choose(["unprepared-answer"]))
    assert len(alarms) > len(records) / 8


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_upsets_a_rule(reasoning: str, answer: str) -> None:
    for rule, field, _ in found(reasoning=reasoning, answer=answer):
        assert RULES[rule].severity == "warning"
        assert field in ("reasoning", "answer")
