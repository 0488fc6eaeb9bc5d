"""The records nearest to a question, whatever they are about."""

import re

from hypothesis import given
from hypothesis import strategies as st

from curation.likeness import comparison_key, grams_of
from curation.nearest import Index, Nearest, find_nearest

TEXTS = st.text("あいう首都ab012 ？", max_size=8)


def grams(text: str) -> frozenset[str]:
    key = comparison_key(text)
    return grams_of(re.sub(r"\d+", "0", key)) | {f"number {figure}" for figure in re.findall(r"\d+", key)}


def jaccard(first: str, second: str) -> float:
    ours, theirs = grams(first), grams(second)
    return len(ours & theirs) / len(ours | theirs)


def test_the_same_question_comes_first_and_one_about_another_country_next() -> None:
    texts = ["1+1は？", "フランスの首都はどこですか？", "日本の首都はどこですか？", "日本の首都は, どこですか。"]
    found = find_nearest("日本の首都はどこですか。", texts, 3)
    assert [one.place for one in found] == [2, 3, 1]
    assert [one.likeness for one in found][:2] == [1.0, 1.0]
    assert 0 < found[2].likeness < 1


def test_width_case_and_punctuation_make_no_difference() -> None:
    assert find_nearest("ＡＢＣ　とは?", ["abcとは"], 1) == [Nearest(0, 1.0)]


def test_a_sum_is_nearer_to_another_sum_than_to_what_shares_its_digits() -> None:
    texts = ["125円の12％はいくらですか。", "48円の30円引きは？", "7+30はいくつですか。", "125+12はいくつですか。"]
    assert [one.place for one in find_nearest("125+12はいくつですか。", texts, 2)] == [3, 2]


def test_equals_come_in_the_order_of_the_file() -> None:
    texts = ["首都は", "別の話", "首都は？", "首都は。"]
    assert [one.place for one in find_nearest("首都は", texts, 2)] == [0, 2]


def test_what_shares_nothing_is_not_near() -> None:
    assert find_nearest("首都は", ["りんご", "", "？"], 3) == []
    assert find_nearest("首都は", [], 3) == []


@given(TEXTS, st.lists(TEXTS, max_size=12), st.integers(1, 4))
def test_nothing_nearer_is_passed_over(text: str, texts: list[str], count: int) -> None:
    ranked = sorted(range(len(texts)), key=lambda place: (-jaccard(text, texts[place]), place))
    wanted = [Nearest(place, jaccard(text, texts[place])) for place in ranked if jaccard(text, texts[place])]
    assert find_nearest(text, texts, count) == wanted[:count]


@given(TEXTS, st.lists(TEXTS, max_size=12), st.integers(1, 4))
def test_an_index_finds_what_is_found_without_one(text: str, texts: list[str], count: int) -> None:
    assert Index(texts).nearest(text, count) == find_nearest(text, texts, count)
