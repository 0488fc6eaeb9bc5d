"""An answer is right or wrong by what its probe expects, however it is spelled; and judging never fails."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.expectation import Expectation
from curation.judging import expectation_of, judge
from curation.said import is_same


def contains(*words: str, forbid: list[str] | None = None) -> dict[str, Any]:
    return {"expect": {"contains": list(words)}, "forbid": forbid or []}


def number(value: float, **more: Any) -> dict[str, Any]:
    return {"expect": {"number": value, **more}}


def verdict(answer: str, data: dict[str, Any], question: str = "") -> str:
    return judge(answer, expectation_of(data), question).verdict


@pytest.mark.parametrize(
    ("answer", "data", "wanted"),
    [
        ("東京。", {"expect": "東京"}, "right"),
        ("東京都", {"expect": "東京"}, "wrong"),
        ("ＴＯＫＹＯ！", {"expect": "Tokyo"}, "right"),
        ("東京です。", contains("東京"), "right"),
        ("東 京", contains("東京"), "right"),
        ("東京都", contains("東京"), "right"),
        ("大阪です。", contains("東京"), "wrong"),
        ("東京か京都です。", contains("東京", forbid=["京都"]), "wrong"),
        ("東京都です。", contains("東京", "東京都", forbid=["京都"]), "right"),
        ("東京都です。", contains("東京", forbid=["京都"]), "right"),
        ("東京都と京都です。", contains("東京", forbid=["京都"]), "wrong"),
        ("東京都です。", contains("京都", forbid=["東京"]), "wrong"),
        ("不満足です。", contains("満足", forbid=["不満"]), "wrong"),
        ("赤道ギニアです。", contains("ギニア", forbid=["赤道ギニア"]), "wrong"),
        ("東京ではない。", contains("東京"), "wrong"),
        ("東京ではないから、大阪です。", contains("東京"), "wrong"),
        ("京都ではないから、東京です。", contains("東京", forbid=["京都"]), "right"),
        ("東京ではないですか。", contains("東京"), "right"),
        ("東京ではありませんか。", contains("東京"), "right"),
        ("肯定的ではなく、否定的です。", contains("否定", forbid=["肯定"]), "right"),
        ("To tools, not to animals.", contains("tools", forbid=["animals"]), "right"),
        ("東京ではありません。", contains("東京"), "wrong"),
        ("東京じゃない", contains("東京"), "wrong"),
        ("東京ではないでしょうか。", contains("東京"), "right"),
        ("京都ではなく東京です。", contains("東京", forbid=["京都"]), "right"),
        ("東京以外です。", contains("東京"), "wrong"),
        ("不是东京。", contains("东京"), "wrong"),
        ("It is not Tokyo.", contains("Tokyo"), "wrong"),
        ("It isn't in Tokyo.", contains("Tokyo"), "wrong"),
        ("A cat.", contains("cat"), "right"),
        ("I concatenate.", contains("cat"), "wrong"),
        ("15です。", contains("5"), "wrong"),
        ("3.5です。", contains("5"), "wrong"),
        ("1,000円です。", contains("1000円"), "right"),
        ("10:30です。", {"expect": {"regex": "10:30"}}, "right"),
        ("１０：３０です。", {"expect": {"regex": "10:30"}}, "right"),
        ("十時半です。", {"expect": {"regex": "10:30"}}, "wrong"),
        ("はい", {"expect": {"any_of": ["はい", "ええ"]}}, "right"),
        ("いいえ", {"expect": {"any_of": ["はい", "ええ"]}}, "wrong"),
        ("何か", {"judge": "none"}, "unjudged"),
        ("何か", {}, "unjudged"),
        ("何か", {"forbid": ["別"]}, "right"),
        ("別の何か", {"forbid": ["別"]}, "wrong"),
        (" 。", contains("東京"), "wrong"),
        ("東京です。", {"answer": "東京です"}, "right"),  # a record
        ("赤ちゃんが寝ています。", {"expect": {"all_of": [["赤ちゃん", "赤ん坊"], ["眠", "寝"]]}}, "right"),
        ("赤ちゃんがいます。", {"expect": {"all_of": [["赤ちゃん", "赤ん坊"], ["眠", "寝"]]}}, "wrong"),
        ("It is cold.", {"expect": {"all_of": ["it", ["hot", "cold"]]}}, "right"),
        ("12個で、安い。", {"expect": {"number": 12, "contains": ["安い"]}}, "right"),
        ("12個で、高い。", {"expect": {"number": 12, "contains": ["安い"]}}, "wrong"),
    ],
)
def test_words_are_judged_as_a_reader_would(answer: str, data: dict[str, Any], wanted: str) -> None:
    assert verdict(answer, data) == wanted


@pytest.mark.parametrize(
    ("answer", "data", "question", "wanted"),
    [
        ("３．１４です。", number(3.14), "", "right"),
        ("1,000円です。", number(1000, unit="円"), "", "right"),
        ("１，０００円です。", number(1000, unit="円"), "", "right"),
        ("千円です。", number(1000, unit="円"), "", "right"),
        ("1万2千円", number(12000), "", "right"),
        ("一万二千三百円", number(12300), "", "right"),
        ("1.5億人", number(150_000_000, unit="人"), "", "right"),
        ("二〇二四年", number(2024), "", "right"),
        ("十七です。", number(17), "", "right"),
        ("千葉です。", number(1000), "", "wrong"),
        ("-5です。", number(-5), "", "right"),
        ("マイナス五です。", number(-5), "", "right"),
        ("−５", number(-5), "", "right"),
        ("5です。", number(-5), "", "wrong"),
        ("12+5=17です。", number(17), "12+5は？", "right"),
        ("17か18です。", number(17), "12+5は？", "wrong"),
        ("12+5=12です。", number(17), "12+5は？", "wrong"),
        ("10-3は7です。", number(7), "10-3は？", "right"),
        ("5-0=5", number(5), "5-0は？", "right"),
        ("0です。", number(5), "5-0は？", "wrong"),
        ("18÷2=9", number(9), "18の半分は？", "right"),
        ("18 ÷ 2 = 9 です。", number(9), "18の半分は？", "right"),
        ("18÷2=8", number(9), "18の半分は？", "wrong"),
        ("10-9", number(9), "", "wrong"),
        ("17ではありません。", number(17), "", "wrong"),
        ("17本ではない。", number(17, unit="本"), "", "wrong"),
        ("110番ではなく119番です。", number(119), "", "right"),
        ("三分の一です。", number(1 / 3, tolerance=0.001), "", "right"),
        ("1/2です。", number(0.5), "", "right"),
        ("½", number(0.5), "", "right"),
        ("1/0です。", number(0.5), "", "wrong"),
        ("0.33です。", number(1 / 3, tolerance=0.01), "", "right"),
        ("100cmです。", number(100, unit=["cm", "センチ"]), "", "right"),
        ("100メートルです。", number(100, unit=["cm", "センチ"]), "", "wrong"),
        ("100です。", number(100, unit="cm"), "", "right"),
        ("1メートルは100センチメートルです。", number(100, unit="センチ"), "1メートルは何センチ？", "right"),
        ("2024年は令和6年です。", number(6, unit="年"), "2024年は令和何年？", "right"),
        ("50%です。", number(50, unit="%"), "", "right"),
        ("分かりません。", number(17), "", "wrong"),
        ("9" * 10_000, number(17), "", "wrong"),
        ("1 " * 5_000 + "+1" * 5_000, number(17), "", "wrong"),
    ],
)
def test_numbers_are_judged_by_what_they_are(answer: str, data: dict[str, Any], question: str, wanted: str) -> None:
    assert verdict(answer, data, question) == wanted


def test_the_reason_says_what_was_found_and_what_was_wanted() -> None:
    def why(answer: str, data: dict[str, Any]) -> str:
        return judge(answer, expectation_of(data)).why

    assert why("東京です。", contains("東京")) == 'says "東京"'
    assert why("大阪", contains("東京", "東京都")) == 'does not say "東京" or "東京都"'
    assert why("東京と京都", contains("東京", forbid=["京都"])) == 'says "京都", which is forbidden'
    assert why("猫", {"expect": {"all_of": ["猫", ["寝", "眠"]]}}) == 'does not say "寝" or "眠"'
    assert why("18", number(17)) == "names 18, and 17 is right"
    assert why("", number(17)) == "there is no answer"


texts = st.text(
    st.sampled_from("東京都大阪。、 0123456789０１.,-−/分の一二十百千万億円%cCat:") | st.characters(), max_size=60
)
words = st.lists(st.text(min_size=1, max_size=6), max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(answer=texts, question=texts, any_of=words, contained=words, forbid=words, regex=st.text(max_size=8))
def test_every_answer_gets_a_verdict(
    answer: str, question: str, any_of: list[str], contained: list[str], forbid: list[str], regex: str
) -> None:
    for expect in ({"any_of": any_of}, {"contains": contained}, {"number": 3, "unit": contained}, {"regex": regex}):
        assert verdict(answer, {"expect": expect, "forbid": forbid}, question) in ("right", "wrong", "unjudged")


@given(data=st.dictionaries(st.sampled_from(["expect", "forbid", "judge", "answer"]), json_values), answer=texts)
def test_whatever_a_probe_holds_it_can_be_judged(data: dict[str, Any], answer: str) -> None:
    expected = expectation_of(data)
    assert (judge(answer, expected).verdict == "unjudged") == (expected is None)


@given(value=st.integers(0, 99_999_999))
def test_a_number_is_the_same_in_every_spelling(value: int) -> None:
    full_width = str(value).translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    for spelled in (str(value), f"{value:,}", full_width, f"約{value}円です。", in_kanji(value)):
        assert judge(spelled, expectation_of(number(value))).verdict == "right", spelled
        assert judge(spelled, expectation_of(number(value + 1))).verdict == "wrong", spelled


def in_kanji(value: int) -> str:
    def below_10000(part: int) -> str:
        shown = ""
        for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
            digit, part = divmod(part, unit)
            shown += ("" if digit == 1 and name else "一二三四五六七八九"[digit - 1]) + name if digit else ""
        return shown

    many, few = divmod(value, 10_000)
    return (f"{below_10000(many)}万" if many else "") + below_10000(few) or "零"


@given(answer=texts)
def test_an_answer_is_the_same_as_itself_and_says_itself(answer: str) -> None:
    assert is_same(answer, answer)
    found = judge(answer, Expectation(any_of=(answer,)))
    assert found.verdict == "right" or found.why == "there is no answer"


def test_a_pattern_that_would_be_searched_without_end_judges_nothing() -> None:
    judged = judge("a" * 5000 + "!", expectation_of({"expect": {"regex": "(a+)+$"}}))
    assert judged.verdict == "unjudged"
    assert "without end" in judged.why
