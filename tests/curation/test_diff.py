"""Two states of a dataset are compared record by record, whatever the order and the spelling."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from curation.diff import Differences, compare


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def compared(before: bytes, after: bytes) -> Differences:
    return compare(Path("x.jsonl"), BytesIO(before), BytesIO(after))


def names(before: bytes, after: bytes) -> tuple[list[str], list[str], list[str], int]:
    found = compared(before, after)
    changed = [change.after.name for change in found.changed]
    return [line.name for line in found.added], [line.name for line in found.removed], changed, found.same


A = {"id": "a", "instruction": "日本の首都は？", "answer": "大阪です。"}
B = {"id": "b", "instruction": "1+1は？", "answer": "2"}
C = {"id": "c", "instruction": "2+2は？", "answer": "4"}
NAMELESS = {"instruction": "水は？", "answer": "H2O"}


def test_records_are_known_by_their_ids_wherever_they_stand() -> None:
    assert names(lines(A, B), lines(C, {**A, "answer": "東京です。"})) == (["c"], ["b"], ["a"], 0)
    assert names(lines(A, B), lines(B, A)) == ([], [], [], 2)


def test_a_change_says_which_fields_were_and_are_otherwise() -> None:
    (change,) = compared(
        lines(A), lines(B, {"id": "a", "instruction": "日本の首都は？", "answer": "東京", "x": 1})
    ).changed
    assert (change.before.number, change.after.number) == (1, 2)
    assert change.fields == {"answer": ("大阪です。", "東京"), "x": (None, 1)}


def test_records_without_ids_are_known_by_their_content_else_by_their_question() -> None:
    other = {"instruction": "氷は？", "answer": "H2O"}
    assert names(lines(NAMELESS, other), lines(other, NAMELESS)) == ([], [], [], 2)
    assert names(lines(NAMELESS, other), lines(other, {**NAMELESS, "answer": "水"})) == ([], [], ["line:2"], 1)
    assert names(lines(NAMELESS), lines(other)) == (["line:1"], ["line:1"], [], 0)


def test_spelling_order_of_members_and_line_ends_are_no_difference() -> None:
    other = b'{"answer":"\\u5927\\u962a\\u3067\\u3059\\u3002",  "instruction":"\\u65e5\\u672c\\u306e\\u9996\\u90fd\\u306f\\uff1f","id":"a"}\r\n\n'
    assert names(lines(A), other) == ([], [], [], 1)


def test_a_number_is_not_the_same_as_true() -> None:
    assert names(lines({"id": "a", "x": 1}), lines({"id": "a", "x": True})) == ([], [], ["a"], 0)


def test_broken_lines_are_compared_as_they_are() -> None:
    assert names(b"{broken\n\xff\n", b"\xff\n{other\n") == (["line:2"], ["line:1"], [], 1)


def test_two_records_of_one_id_are_compared_in_their_order() -> None:
    twice = [A, {**A, "answer": "2"}]
    assert names(lines(*twice), lines(*twice, {**A, "answer": "3"})) == (["a"], [], [], 2)


@given(
    st.lists(st.sampled_from([A, B, C, NAMELESS, {**A, "answer": "x"}, {**NAMELESS, "answer": "y"}]), max_size=8),
    st.randoms(),
)
def test_the_order_is_no_difference_and_every_record_is_counted(records: list[dict[str, Any]], random: Any) -> None:
    shuffled = random.sample(records, len(records))
    assert names(lines(*records), lines(*shuffled)) == ([], [], [], len(records))
    added, removed, changed, same = names(lines(*records), lines(*shuffled[:3], C))
    assert len(removed) + len(changed) + same == len(records)
    assert len(added) + len(changed) + same == len(shuffled[:3]) + 1
