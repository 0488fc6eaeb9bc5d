"""Nearly the same question: what counts as one, and that the search finds what a comparison of all with all finds."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.likeness import NEAR, likeness
from curation.near import NearPair, find_near


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("日本の首都はどこですか？", "日本の首都は、どこですか?"),
        ("ＡＢＣの次は？", "abcの次は"),
        ("1 + 1 は？", "1+1は？"),
        ("「犬」を英語で。", "犬を英語で"),
    ],
)
def test_punctuation_width_case_and_blanks_make_no_difference(first: str, second: str) -> None:
    assert likeness(first, second) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("日本の首都はどこですか。", "日本の首都はどこでしょうか。"),
        ("猫は英語で何と言いますか。", "猫は英語で何といいますか。"),
        ("富士山の高さは何メートルですか。", "富士山の高さは何メートルでしょうか。"),
        ("What is the capital of Japan?", "what's the capital of Japan"),
        ("コンピューターの歴史を教えて", "コンピュータの歴史を教えてください"),
    ],
)
def test_a_rephrasing_in_kana_is_nearly_the_same(first: str, second: str) -> None:
    assert NEAR <= likeness(first, second) < 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("フランスの首都はどこですか。", "ドイツの首都はどこですか。"),
        ("犬は英語で何と言いますか。", "猫は英語で何と言いますか。"),
        ("東京は日本の首都ですか。", "京都は日本の首都ですか。"),
        ("12+7はいくつですか。", "12+8はいくつですか。"),
        ("3+4はいくつですか。", "3×4はいくつですか。"),
        ("5-2はいくつですか。", "52はいくつですか。"),
        ("What is the capital of Japan?", "What is the capital of France?"),
        ("りんごとは", ""),
    ],
)
def test_the_same_words_about_another_thing_are_another_question(first: str, second: str) -> None:
    assert likeness(first, second) == 0


def test_the_nearest_earlier_text_is_given() -> None:
    texts = [
        "犬はどこですか",
        "日本の首都はどこですか",
        "日本の首都はどこでしょうか",
        "日本の首都は、どこですか？",
        "猫",
    ]
    assert find_near(texts) == [
        NearPair(1, 2, likeness(texts[1], texts[2])),
        NearPair(1, 3, 1.0),
    ]


def test_the_shipped_questions_are_all_different(ja_basics: Path) -> None:
    records = [json.loads(line) for line in ja_basics.read_text(encoding="utf-8").splitlines()]
    assert find_near([f"{one['instruction']}\n{one.get('input', '')}" for one in records]) == []


def test_the_search_finds_what_comparing_all_with_all_finds(ja_basics: Path) -> None:
    records = [json.loads(line) for line in ja_basics.read_text(encoding="utf-8").splitlines()]
    texts = [one["instruction"] for one in records]
    texts += [text.replace("ですか", "でしょうか").replace("何と", "なんと") for text in texts[::3]]
    near = [
        (second, likeness(texts[first], texts[second]))
        for first, second in itertools.combinations(range(len(texts)), 2)
        if likeness(texts[first], texts[second]) >= NEAR
    ]
    best = {second: max(alike for place, alike in near if place == second) for second, _ in near}
    found = find_near(texts)
    assert {pair.second: pair.likeness for pair in found} == best
    assert len(best) > 50


@given(st.text(), st.text())
def test_likeness_has_no_direction(first: str, second: str) -> None:
    assert likeness(first, second) == likeness(second, first)
    assert 0 <= likeness(first, second) <= 1
    assert likeness(first, first) == 1


@given(st.lists(st.text(alphabet="あい犬猫アイab12+。 ", max_size=12), max_size=12))
def test_every_pair_holds_what_it_says(texts: list[str]) -> None:
    for pair in find_near(texts):
        assert pair.first < pair.second
        assert likeness(texts[pair.first], texts[pair.second]) == pair.likeness >= NEAR


@given(st.lists(st.text(alphabet="あい犬猫アイab12+。 ", max_size=12), max_size=8))
def test_no_text_that_is_near_an_earlier_one_is_missed(texts: list[str]) -> None:
    near = {
        second
        for first, second in itertools.combinations(range(len(texts)), 2)
        if likeness(texts[first], texts[second]) >= NEAR
    }
    assert {pair.second for pair in find_near(texts)} == near


def test_long_contexts_are_compared_to_their_end() -> None:
    context = "日本の首都はどこですか。" + "".join(f"ながい{kana}ぶんしょう" for kana in "あいうえおかきくけこ" * 4)
    texts = [context, f"{context}おわりです。", f"{context}。", f"{context}7です。"]
    assert find_near(texts) == [NearPair(0, 1, likeness(*texts[:2])), NearPair(0, 2, 1.0)]
    assert likeness(*texts[:2]) < 1


def test_of_thousands_in_the_same_words_none_that_is_near_is_passed_over_in_silence() -> None:
    kana = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわ"
    parts = [(kana[at : at + 2], kana[at + 2 : at + 4]) for at in range(0, 44, 4)]
    texts = ["".join(chosen) for chosen in itertools.product(*parts)]
    found = find_near(texts)
    near = {pair.second for pair in found}
    assert len(texts) > 2000 and len(near) > 0.95 * len(texts)
    missed = [
        place
        for place in range(1, len(texts), 97)
        if place not in near and any(likeness(texts[place], texts[other]) >= NEAR for other in range(place))
    ]
    assert len(missed) <= found.crowded
