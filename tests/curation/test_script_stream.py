"""However a text is cut, the stream says what `check` says."""

from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.script import Piece, StreamChecker, check

LANGUAGES = st.sampled_from(["ja", "en", "zh", "zh-Hans", "zh-Hant", "ko", "ru", "xx", ""])
# Bits that meet every rule, and any characters at all, lone surrogates and controls among them.
WORDS = """东京 的 是 这 個 國 発 込 東京都 如果 文件 地址 髙 々 の です カタカナ ー ｱ 。 、 ， . ! ( ) 「 」
    “ ” " ` ``` ~    You can the of is Python https://a.b/c don't 서울 한 привет Д α λόγος สวัสดี שלום 12 ３ — … 😀
    𠮷 漢字漢字漢字漢字漢字漢字漢字"""
BLANKS = [" ", "\n", "\r\n", "\u3000", "\u2028", "\x00", "\ud800", "    "]
BITS = st.sampled_from(WORDS.split() + BLANKS)
TEXTS = st.lists(BITS | st.text(st.characters(), max_size=3), max_size=60).map("".join)


def runs(pieces: list[Piece]) -> list[tuple[str | None, str]]:
    return [
        (language, "".join(piece.text for piece in group))
        for language, group in groupby(pieces, key=lambda piece: piece.span_language)
    ]


def stream(text: str, cuts: list[int], expected_language: str) -> list[Piece]:
    checker = StreamChecker(expected_language)
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [piece for start, end in pairwise(bounds) for piece in checker.feed(text[start:end])]
    return pieces + checker.close()


@given(TEXTS, st.lists(st.integers(0, 200)), LANGUAGES)
def test_any_cut_of_any_text_gives_the_spans_of_check(text: str, cuts: list[int], expected_language: str) -> None:
    streamed = runs(stream(text, cuts, expected_language))
    assert streamed == runs(stream(text, [], expected_language))
    foreign = "".join(run for language, run in streamed if language)
    assert foreign == "".join(span.text for span in check(text, expected_language).spans)


@given(TEXTS, LANGUAGES)
def test_a_text_fed_character_by_character_gives_the_same_runs(text: str, expected_language: str) -> None:
    one_by_one = stream(text, list(range(len(text))), expected_language)
    assert runs(one_by_one) == runs(stream(text, [], expected_language))


@given(TEXTS, st.lists(st.integers(0, 200)), LANGUAGES)
def test_all_pieces_together_are_the_text(text: str, cuts: list[int], expected_language: str) -> None:
    pieces = stream(text, cuts, expected_language)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text for piece in pieces)


@given(TEXTS, LANGUAGES)
def test_a_span_is_the_text_between_its_ends(text: str, expected_language: str) -> None:
    for span in check(text, expected_language).spans:
        assert span.text == text[span.start : span.end]


@given(st.text(st.characters()), st.text(max_size=8))
def test_no_text_and_no_language_tag_raises(text: str, expected_language: str) -> None:
    check(text, expected_language)


@given(st.lists(st.sampled_from([*"的東京都文件不是国際化。、 「」です", "Python", "the"]), max_size=80).map("".join))
def test_undecided_text_waits_for_a_few_words_at_most(text: str) -> None:
    checker = StreamChecker("ja")
    waiting = 0
    for char in text:
        waiting += 1 - sum(len(piece.text) for piece in checker.feed(char))
        assert waiting <= 160  # an open quotation of 80, a clause of 60, a token


@pytest.mark.parametrize(
    ("text", "longest_wait"),
    [
        ("ひらがなとカタカナです。", 0),
        ("日本国憲法第九条、東京都庁舎です。", 8),
        ("这是正确的答案", 4),
        ("独立行政法人国立高等専門学校機構東京工業高等専門学校", 24),
    ],
)
def test_text_is_handed_on_soon(text: str, longest_wait: int) -> None:
    checker = StreamChecker("ja")
    waiting = longest = 0
    for char in text:
        waiting += 1 - sum(len(piece.text) for piece in checker.feed(char))
        longest = max(longest, waiting)
    assert longest <= longest_wait


def test_a_chinese_glyph_is_flagged_the_moment_it_arrives() -> None:
    checker = StreamChecker()
    assert checker.feed("これは错") == [Piece("これは", None), Piece("错", "zh-Hans")]


def test_a_quotation_waits_for_its_closing_mark_and_is_then_fine() -> None:
    checker = StreamChecker()
    assert checker.feed("「谢谢") == [Piece("「", None)]
    assert checker.feed("」は") == [Piece("谢谢」は", None)]
    assert checker.close() == []


def test_a_chinese_clause_says_which_chinese_once_it_shows() -> None:
    checker = StreamChecker()
    assert checker.feed("你") == [Piece("你", "zh")]
    assert checker.feed("们") == [Piece("们", "zh-Hans")]
    assert [span.language for span in check("你们").spans] == ["zh-Hans"]
