"""What two sides share is found whoever split them: by id, family, question, and nearly the same question."""

from typing import Any

import pytest

from curation.leaks import Entry, find_leaks
from curation.near import find_near

CAPITAL = {"instruction": "日本の首都はどこですか？", "answer": "東京です。"}


def leaks(train: list[dict[str, Any]], evals: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    def side(name: str, rows: list[dict[str, Any]]) -> list[Entry]:
        return [(f"{name}:{number}", row) for number, row in enumerate(rows, start=1)]

    return [(leak.rule, leak.train, leak.eval) for leak in find_leaks(side("t", train), side("e", evals))]


OTHER = {"instruction": "1+1は？", "answer": "2です。"}
UNRELATED = {"instruction": "水を英語で", "answer": "waterです。"}


@pytest.mark.parametrize(
    ("train", "eval_", "rules"),
    [
        (CAPITAL, OTHER, []),
        ({**CAPITAL, "id": "a"}, {**OTHER, "id": "a"}, ["same-id"]),
        ({**CAPITAL, "family": "13"}, {**OTHER, "family": "13"}, ["same-family"]),
        ({**CAPITAL, "id": "13"}, {**OTHER, "family": "13"}, []),
        (CAPITAL, CAPITAL, ["same-question"]),
        (CAPITAL, {**CAPITAL, "instruction": "日本の首都はどこですか?"}, ["same-question"]),
        (CAPITAL, {**CAPITAL, "answer": "東京です"}, ["same-question"]),
        (CAPITAL, {**CAPITAL, "answer": "日本の首都は東京です。"}, ["same-question"]),
        (CAPITAL, {**CAPITAL, "answer": "京都です。"}, ["same-question", "contradiction"]),
        (CAPITAL, {**CAPITAL, "language": "en"}, ["near-question"]),
        (CAPITAL, {**CAPITAL, "instruction": "日本の首都は、どこですか?"}, ["same-question"]),
        (CAPITAL, {**CAPITAL, "instruction": "日本の首都はどこでしょうか"}, ["near-question"]),
        ({**CAPITAL, "input": "日本"}, {**CAPITAL, "input": "タイ"}, []),
    ],
)
def test_each_way_of_giving_an_answer_away_has_a_name(
    train: dict[str, Any], eval_: dict[str, Any], rules: list[str]
) -> None:
    assert leaks([UNRELATED, train], [eval_]) == [(rule, "t:2", "e:1") for rule in rules]


class Text(str):
    """A text that counts how often it is read again."""

    reads = 0

    def __reduce__(self) -> Any:
        return _read_again, (str(self),)


def _read_again(text: str) -> str:
    Text.reads += 1
    return text


def test_of_answers_that_are_the_same_one_is_read_and_the_first_that_differs_is_named() -> None:
    train = [{**CAPITAL, "answer": Text(answer)} for answer in ["東京です。"] * 100 + ["京都です。"] * 100]
    before = Text.reads
    assert leaks(train, [CAPITAL]) == [("same-question", "t:1", "e:1"), ("contradiction", "t:101", "e:1")]
    assert Text.reads - before < len(train) + 10  # once each for the wording, and few for the answers


def test_a_question_that_is_near_another_of_its_own_side_is_still_compared_with_the_other_side() -> None:
    near = [
        {"instruction": text, "answer": "東京です。"}
        for text in ("日本の首都はどこでしょうか", "日本の首都はどこ、でしょうか")
    ]
    assert leaks([CAPITAL], near) == [("near-question", "t:1", "e:1"), ("near-question", "t:1", "e:2")]
    assert leaks([OTHER], near) == []


def test_across_two_sides_only_pairs_of_both_are_found() -> None:
    texts = ["日本の首都は？", "日本の首都は?", "1+1は？", "日本の首都は", "日本の首都は、"]
    assert [(pair.first, pair.second) for pair in find_near(texts, across=3)] == [(0, 3), (0, 4)]
    assert [(pair.first, pair.second) for pair in find_near(texts)] == [(0, 1), (0, 3), (0, 4)]
