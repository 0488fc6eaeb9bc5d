"""Our own rates, and the Language Confusion Benchmark's by its definition, first with instruments made by hand."""

import dataclasses
from pathlib import Path

import pytest

from curation.errors import UserError
from curation.records import parse_dataset
from curation.script import check
from curation.script.confusion import (
    ConfusionRates,
    Instruments,
    Part,
    SlipRates,
    count_letters,
    is_installed,
    judge_reply,
    load_instruments,
    measure,
    read_replies,
)

needs_extra = pytest.mark.skipif(
    not is_installed(), reason="phi2chat[confusion] is not installed; its dictionary alone takes 249 MB"
)


# The first word of a line is what a language model would say of it.
SCRIPTED = Instruments(
    tokenize=lambda line, language: line.split(),
    identify=lambda line: (line.split()[0], 1.0),
    english_words={"capital", "because"},
)


@pytest.mark.parametrize(
    ("reply", "language", "outcome"),
    [
        ("ja a b c d", "ja", "passed"),
        ("ja a b c", "ja", "skipped"),
        ("", "ja", "skipped"),
        ("zh a b c d", "ja", "line error"),
        ("zh a b c d", "zh-Hant", "passed"),
        ("ja a b c d", "ja-JP", "passed"),
        ("ja a b c d\nzh a b c d", "ja", "line error"),
        ("ja a b c d\nzh a b c", "ja", "passed"),
        ("ja a b c d\nen a\n\n", "ja", "passed"),
        ("ja a capital c d", "ja", "word error"),
        ("ja a Capital c d", "ja", "passed"),
        ("ja a capitals c d", "ja", "passed"),
        ("ja a (capital). c d", "ja", "word error"),
        ("ja because", "ja", "skipped"),
        ("ja a b c d\nja capital", "ja", "passed"),
        ("zh a capital c d", "ja", "line error"),
        ("  ja a—b c d", "ja", "passed"),
        ("ja a-b c d", "ja", "skipped"),
        ("ja a b c d\nQ: zh a b c d\nzh a b c d", "ja", "passed"),
        ("ja a b c d\nA: zh b c d e", "ja", "line error"),
    ],
)
def test_a_reply_is_judged_by_lines_and_then_by_words(reply: str, language: str, outcome: str) -> None:
    assert judge_reply(reply, language, SCRIPTED) == outcome


@pytest.mark.parametrize(("score", "outcome"), [(0.31, "passed"), (0.3, "line error"), (0.1, "line error")])
def test_a_language_that_is_not_sure_is_an_error(score: float, outcome: str) -> None:
    unsure = dataclasses.replace(SCRIPTED, identify=lambda line: ("ja", score))
    assert judge_reply("a b c d e", "ja", unsure) == outcome


def test_rates_are_shares_of_the_replies_that_can_be_judged() -> None:
    rates = ConfusionRates()
    for reply in ["ja a b c d", "ja a because c d", "zh a b c d", "ja a b c d", "short"]:
        rates.add(reply, "ja", SCRIPTED)
    assert (rates.skipped, rates.judged_by_line, rates.judged_by_word) == (1, 4, 3)
    assert (rates.line_pass_rate, rates.word_pass_rate) == (0.75, pytest.approx(2 / 3))
    assert rates.pass_rate == pytest.approx(2 * 0.75 * (2 / 3) / (0.75 + 2 / 3))


def test_english_words_are_not_looked_for_in_latin_script() -> None:
    rates = ConfusionRates()
    rates.add("fr a because c d", "fr", SCRIPTED)
    assert (rates.line_pass_rate, rates.word_pass_rate, rates.pass_rate) == (1.0, None, None)


def test_a_rate_of_nothing_is_none_and_the_mean_of_zeros_is_zero() -> None:
    rates = ConfusionRates()
    assert (rates.line_pass_rate, rates.word_pass_rate, rates.pass_rate) == (None, None, None)
    assert (SlipRates().slip_rate, SlipRates().foreign_letter_rate, SlipRates().spans_per_1000_letters) == (None,) * 3
    rates = ConfusionRates(judged_by_line=2, line_errors=2, judged_by_word=1, word_errors=1)
    assert rates.pass_rate == 0.0


def test_our_own_rates_count_texts_letters_and_spans() -> None:
    slips = SlipRates()
    for text in ["这是。도쿄입니다。", "東京です。", "12%"]:
        slips.add(text, check(text).spans)
    assert slips.to_json() == {
        "texts": 3,
        "flagged": 1,
        "slip_rate": pytest.approx(1 / 3),
        "letters": 11,
        "foreign_letters": 7,
        "foreign_letter_rate": pytest.approx(7 / 11),
        "spans": 2,
        "spans_per_1000_letters": pytest.approx(2000 / 11),
        "by_language": {"zh-Hans": {"spans": 1, "letters": 2}, "ko": {"spans": 1, "letters": 5}},
    }


def test_letters_are_of_every_script_and_nothing_else() -> None:
    assert count_letters("東京タワー、々 한국 ab 12 。()\n") == 10


# Replies of a file


def replies(content: str, expect: str = "ja") -> list[dict[str, Part]]:
    return read_replies(parse_dataset(Path("x.jsonl"), content.encode()), expect)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ('{"answer": "a"}', {"answer": ("a", "ko", "")}),
        ('{"answer": "a", "text": 5, "language": "en"}', {"answer": ("a", "en", "")}),
        ('{"text": "a"}', {"answer": ("a", "ko", "")}),
        ('{"completion": "a", "reply": "b"}', {"answer": ("b", "ko", "")}),
        ('{"answer": "", "reasoning": " "}', {"answer": ("", "ko", "")}),
        ('{"instruction": "p", "input": "q", "answer": "a"}', {"answer": ("a", "ko", "p\nq")}),
        (
            '{"question": "q", "answer": "a", "reasoning": "b", "lang": "en", "reasoning_lang": "ja"}',
            {"answer": ("a", "en", "q"), "reasoning": ("b", "ja", "q")},
        ),
    ],
)
def test_a_reply_is_found_under_the_names_that_are_in_use(line: str, reply: dict[str, tuple[str, str, str]]) -> None:
    assert replies(line, expect="ko") == [reply]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "x.jsonl: holds no reply; give one JSON object a line"),
        (
            '{"answer": "a"}\nTokyo\n',
            "x.jsonl:2:1: not JSON: expecting value [json]; each line must be a JSON object that holds a reply",
        ),
        ('{"question": "a"}', "x.jsonl:1:1: holds no reply; name it answer, text, reply or completion"),
        ('{"answer": null}', "x.jsonl:1:12: answer: must be a string, not null; mend it"),
        ('{"answer": "a", "language": 1}', "x.jsonl:1:29: language: must be a string, not a number; mend it"),
    ],
)
def test_a_file_without_replies_is_refused(content: str, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        replies(content)
    assert str(error.value) == sentence


def test_a_reply_is_flagged_once_however_many_of_its_parts_are() -> None:
    content = '{"answer": "这是。", "reasoning": "这是。"}\n{"answer": "はい。", "reasoning": "这是。"}\n{"answer": "はい。"}\n'
    measured = measure(replies(content), None)
    assert (measured["replies"], measured["flagged"]) == (3, 2)
    assert [(part, rates["flagged"], rates["texts"]) for part, rates in measured["parts"].items()] == [
        ("answer", 1, 3),
        ("reasoning", 2, 2),
    ]
    assert "lpr" not in measured["parts"]["answer"]
    assert measure(replies(content), SCRIPTED)["parts"]["answer"]["lpr_texts"] == 0


# The definition and ours side by side, with the real instruments

PLAIN = "日本の首都は東京です。政府がそこにあるからです。"
SHORT = "东京です。"
HEADING = "背景と重要性：\n日本の首都は東京です。政府があるからです。"
ENGLISH_WORD = "日本の capital は東京という都市です。"
CHINESE_WORD = "従来の计算机はとても大きな機械でした。"
CHINESE = "这是正确的答案，日本的首都是东京。"


@needs_extra
@pytest.mark.parametrize(
    ("reply", "outcome", "flagged"),
    [
        (PLAIN, "passed", False),
        (SHORT, "skipped", True),  # under five tokens
        (HEADING, "line error", False),  # lid.176 takes the heading for Chinese
        (ENGLISH_WORD, "word error", False),  # single foreign words are common in Japanese
        (CHINESE_WORD, "passed", True),  # only English words are looked for
        (CHINESE, "line error", True),
    ],
)
def test_the_benchmark_and_the_guard_disagree_where_it_is_known(reply: str, outcome: str, flagged: bool) -> None:
    assert judge_reply(reply, "ja", load_instruments()) == outcome
    assert check(reply, "ja").flagged == flagged


@needs_extra
def test_the_rates_of_a_run_are_those_that_were_counted_by_hand() -> None:
    rates = ConfusionRates()
    for reply in (PLAIN, SHORT, HEADING, ENGLISH_WORD, CHINESE_WORD, CHINESE):
        rates.add(reply, "ja", load_instruments())
    # Five have a line of five tokens, three of them only Japanese lines, and one of these an English word.
    assert rates.line_pass_rate == pytest.approx(3 / 5)
    assert rates.word_pass_rate == pytest.approx(2 / 3)
    assert rates.pass_rate == pytest.approx(12 / 19)


@needs_extra
@pytest.mark.parametrize(
    ("line", "language", "tokens"),
    [
        ("東京は首都です", "ja", ["東京", "は", "首都", "です"]),
        ("这是正确的答案", "zh", ["这是", "正确", "的", "答案"]),
        ("서울은 한국의 수도입니다", "ko", ["서울은", "한국의", "수도입니다"]),
    ],
)
def test_lines_are_cut_into_words_as_their_language_is_written(line: str, language: str, tokens: list[str]) -> None:
    assert list(load_instruments().tokenize(line, language)) == tokens


@needs_extra
def test_the_words_are_of_four_letters_and_more_and_in_lower_case() -> None:
    words = load_instruments().english_words
    assert [word in words for word in ("capital", "because", "years")] == [True] * 3
    assert [word in words for word in ("the", "Tokyo", "ai")] == [False] * 3


@needs_extra
def test_a_line_of_any_length_is_judged() -> None:
    assert judge_reply("日本の首都は東京です。" * 20_000, "ja", load_instruments()) == "passed"
