"""However a text is cut, the stream says what `check` says."""

from itertools import groupby, pairwise

import pytest
from hypothesis import example, given
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


Run = tuple[str | None, str | None, str]


@st.composite
def questions_and_texts(draw: st.DrawFn) -> tuple[str, str]:
    """A question, and a text that repeats parts of it."""
    asked = draw(TEXTS)
    places = st.integers(0, len(asked))
    echoes = st.tuples(places, places).map(lambda ends: asked[min(ends) : max(ends)])
    return asked, "".join(draw(st.lists(BITS | echoes, max_size=30)))


def runs(pieces: list[Piece]) -> list[Run]:
    return [
        (*languages, "".join(piece.text for piece in group))
        for languages, group in groupby(pieces, key=lambda piece: (piece.span_language, piece.quoted_language))
    ]


def labels(pieces: list[Piece]) -> list[tuple[str, str]]:
    """Each character, and whether it is flagged, quoted or neither."""
    return [
        (char, "flagged" if piece.span_language else "quoted" if piece.quoted_language else "")
        for piece in pieces
        for char in piece.text
    ]


def stream(text: str, cuts: list[int], expected_language: str, asked: str = "") -> list[Piece]:
    checker = StreamChecker(expected_language, asked)
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [piece for start, end in pairwise(bounds) for piece in checker.feed(text[start:end])]
    return pieces + checker.close()


@given(TEXTS, st.lists(st.integers(0, 200)), LANGUAGES)
def test_any_cut_of_any_text_gives_the_spans_of_check(text: str, cuts: list[int], expected_language: str) -> None:
    assert_stream_says_what_check_says(text, cuts, expected_language, asked="")


@given(questions_and_texts(), st.lists(st.integers(0, 200)), LANGUAGES)
@example(("东京", "东京东京の"), [3], "ja")
@example(("东京です", "东京东京で"), [], "zh-Hant")
@example(("「好的」とは？", "好的「谢谢"), [], "ja")
@example(("好東京", "好東京《國东京"), [3], "ja")
@example(("か", "か「谢谢」"), [1], "zh-Hant")
def test_any_cut_of_a_text_that_repeats_its_question_gives_the_spans_of_check(
    question_and_text: tuple[str, str], cuts: list[int], expected_language: str
) -> None:
    asked, text = question_and_text
    assert_stream_says_what_check_says(text, cuts, expected_language, asked)


def assert_stream_says_what_check_says(text: str, cuts: list[int], expected_language: str, asked: str) -> None:
    streamed = runs(stream(text, cuts, expected_language, asked))
    assert streamed == runs(stream(text, [], expected_language, asked))
    verdict = check(text, expected_language, asked)
    assert "".join(run for language, _, run in streamed if language) == "".join(span.text for span in verdict.spans)
    assert "".join(run for _, language, run in streamed if language) == "".join(span.text for span in verdict.quoted)


@given(TEXTS, LANGUAGES, TEXTS)
@example("學安装『装", "ja", "")
@example("书得出力形式", "ja", "")
@example("但是韓国語", "ja", "")
@example("学る。語 ：、校这", "ja", "")
@example("电话，電話番号", "ja", "")
def test_a_text_fed_character_by_character_gives_the_same_runs(text: str, expected_language: str, asked: str) -> None:
    one_by_one = stream(text, list(range(len(text))), expected_language, asked)
    assert runs(one_by_one) == runs(stream(text, [], expected_language, asked))


@given(TEXTS, TEXTS, LANGUAGES, TEXTS)
@example("东京东京の", "", "ja", "东京")
def test_what_was_said_of_a_text_is_not_taken_back_whatever_follows(
    begun: str, rest: str, expected_language: str, asked: str
) -> None:
    checker = StreamChecker(expected_language, asked)
    said = labels([piece for char in begun for piece in checker.feed(char)])
    assert labels(stream(begun + rest, [], expected_language, asked))[: len(said)] == said


@given(TEXTS, st.lists(st.integers(0, 200)), LANGUAGES, TEXTS)
@example("东京。λόγος东京", [], "ja", "东京")
@example("発https://a.b/cλόγος东京", [], "zh", "発λόγος")
def test_all_pieces_together_are_the_text(text: str, cuts: list[int], expected_language: str, asked: str) -> None:
    pieces = stream(text, cuts, expected_language, asked)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text for piece in pieces)
    assert not any(piece.span_language and piece.quoted_language for piece in pieces)


@given(questions_and_texts(), LANGUAGES)
def test_a_span_is_the_text_between_its_ends(question_and_text: tuple[str, str], expected_language: str) -> None:
    asked, text = question_and_text
    verdict = check(text, expected_language, asked)
    for span in (*verdict.spans, *verdict.quoted):
        assert span.text == text[span.start : span.end]
        assert 0.5 <= span.confidence <= 1
    taken = sorted((span.start, span.end) for span in (*verdict.spans, *verdict.quoted))
    assert all(end <= start for (_, end), (start, _) in pairwise(taken))


@given(st.text(st.characters()), st.text(max_size=8), st.text(st.characters()))
def test_no_text_no_language_tag_and_no_question_raises(text: str, expected_language: str, asked: str) -> None:
    check(text, expected_language, asked)


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
    assert runs(checker.feed("」は")) == [(None, "zh-Hans", "谢谢"), (None, None, "」は")]
    assert checker.close() == []


def test_a_quotation_that_begins_a_reply_waits_for_japanese_and_is_flagged_if_none_comes() -> None:
    checker = StreamChecker()
    assert checker.feed("「谢谢」") == [Piece("「", None)]
    assert runs(checker.close()) == [("zh-Hans", None, "谢谢"), (None, None, "」")]


def test_what_is_repeated_from_the_question_waits_until_it_ends_or_leaves_it() -> None:
    repeated, left = StreamChecker("ja", "谢谢とは？"), StreamChecker("ja", "谢谢とは？")
    assert repeated.feed("谢谢") == left.feed("谢谢") == []
    assert runs(repeated.feed("は")) == [(None, "zh-Hans", "谢谢"), (None, None, "は")]
    assert runs(left.feed("你")) == [("zh-Hans", None, "谢谢你")]


def test_a_chinese_clause_says_which_chinese_once_it_shows() -> None:
    checker = StreamChecker()
    assert checker.feed("你") == [Piece("你", "zh")]
    assert checker.feed("们") == [Piece("们", "zh-Hans")]
    assert [span.language for span in check("你们").spans] == ["zh-Hans"]
