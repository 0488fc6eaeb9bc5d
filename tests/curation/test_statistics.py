"""The counts of a dataset are those of its records."""

from array import array
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from curation.facts import Facts
from curation.records import Record
from curation.statistics import Counting, describe_lengths, histogram

TOKYO = {"id": "a", "instruction": "首都は？", "input": "日本", "reasoning": "国会です。", "answer": "Tokyoです。"}


def count(*rows: dict[str, Any]) -> Counting:
    counting = Counting(count_tokens=lambda text: 2 * len(text))
    for number, row in enumerate(rows, start=1):
        counting.add(f"x.jsonl:{number}", row)
    return counting


def test_languages_categories_and_letters_are_counted() -> None:
    counts = count(TOKYO, {**TOKYO, "id": "b", "language": "en", "answer": "It is Tokyo.", "category": "地理"}).finish()
    assert counts.records == 2
    assert dict(counts.languages) == {"ja": 1, "en": 1}
    assert dict(counts.categories) == {"": 1, "地理": 1}
    assert dict(counts.scripts) == {"Han": 12, "kana": 8, "Latin": 14}


def test_a_question_is_as_long_as_its_instruction_and_its_input() -> None:
    counts = count(TOKYO).finish()
    assert {name: list(lengths) for name, lengths in counts.lengths.items()} == {
        "instruction": [7], "reasoning": [5], "answer": [8],
    }  # fmt: skip
    assert counts.totals(counts.lengths) == [20]
    assert counts.totals(counts.tokens) == [40]


def test_what_stands_there_again_is_counted() -> None:
    same_question = {**TOKYO, "id": "b", "instruction": " 首都は? ", "answer": "京都です。"}
    counts = count(TOKYO, same_question, {**TOKYO, "id": "c"}, {**TOKYO, "instruction": "別の問い"}).finish()
    assert (counts.same_ids, counts.same_questions, counts.same_records) == (1, 2, 1)


QUESTIONS = st.text("日本は、。？? aA１1-", max_size=5).map("問".__add__)


@given(QUESTIONS, QUESTIONS)
def test_a_question_is_counted_again_where_the_rules_find_it_again(first: str, second: str) -> None:
    facts, records = Facts(), [{**TOKYO, "instruction": text} for text in (first, second)]
    for line, data in enumerate(records, start=1):
        facts.add(line, 0, Record(data))
    assert count(*records).finish().same_questions == len(list(facts.repeated("question")))


def test_a_text_in_the_wrong_script_is_named_by_its_place() -> None:
    counts = count(
        TOKYO, {**TOKYO, "answer": "这是东京。"}, {**TOKYO, "answer": "这是东京。", "language": "zh"}
    ).finish()
    assert counts.wrong_script == ["x.jsonl:2: answer", "x.jsonl:3: reasoning"]


def test_lengths_are_described_and_put_into_bins() -> None:
    assert describe_lengths(array("L", range(1, 11))) == {"min": 1, "median": 5.5, "mean": 5.5, "90%": 9, "max": 10}
    assert histogram([3, 15, 16, 70, 9000]) == [
        ("0-15", 2), ("16-31", 1), ("32-63", 0), ("64-127", 1), ("128-255", 0), ("256-511", 0), ("512-1023", 0),
        ("1024-2047", 0), ("2048-4095", 0), ("4096-8191", 0), ("8192+", 1),
    ]  # fmt: skip
