"""What is proven for many texts at once is what reading each of them finds: nothing foreign, quoted or not."""

import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.lines import parse_line
from curation.rules import choose
from curation.rules.check import LineChecker
from curation.script import StreamChecker, check
from curation.script.glyphs import CLASSES, OTHER
from curation.script.many import find_clean
from curation.script.ngrams import ngrams
from curation.script.pairs import PairTable

# Words that are Japanese, Chinese, or both, in old spelling or in today's; English, signs, marks, emoji, half a pair.
WORDS = """学校 學校 国 國 文件 論文 数 北京 但是 時間 東 东 電話 在 の を は です カタカナ ー 。 、 ， ！ : 「 」 『 』 “ ” 这 衤 웨 α Я
々 日本 単位 関係 命令行 公司 因为 如果 的 我們 社会 需要 意味着 全部 足 ` ``` \" ' you can is the where 12 ０ Ａ ｱ ğ ½ 😀 𠮷 \x02"""
BLANKS = ["\n", " ", "\u3000", "\u2028"]
TEXTS = st.lists(st.sampled_from([*WORDS.split(), *BLANKS, "\ud840"]), max_size=20).map("".join)
CASES = [json.loads(line)["text"] for line in Path("tests/data/script_cases.jsonl").read_text("utf-8").splitlines()]
JAPANESE = Path("datasets/ja-basics.jsonl")


def is_read_as_clean(text: str) -> bool:
    """A character at a time, so that nothing is there to be looked up."""
    checker = StreamChecker("ja")
    pieces = [piece for char in text for piece in checker.feed(char)] + checker.close()
    return not any(piece.span_language or piece.quoted_language for piece in pieces)


@given(st.lists(TEXTS, max_size=8))
@settings(max_examples=200, deadline=None)
@example(["学校は" + "的", "在", "は", ""])
@example(["これは命令行だ", "命令行、は", "命令行は", "意味着。は"])
def test_what_is_proven_is_read_as_clean(texts: list[str]) -> None:
    for text, is_proven in zip(texts, find_clean(texts), strict=True):
        if is_proven:
            assert is_read_as_clean(text)


def test_no_part_of_a_hard_case_is_proven_that_has_anything_foreign_in_it() -> None:
    parts = [
        text[start:end] for text in CASES for start in range(0, len(text), 3) for end in range(start, len(text) + 1)
    ]
    assert len(parts) > 10_000
    wrong = [
        text for text, is_proven in zip(parts, find_clean(parts), strict=True) if is_proven and check(text) != check("")
    ]
    assert wrong == []


def test_no_run_is_proven_that_the_chain_finds_foreign_by_a_hair() -> None:
    """Words of the pairs that say most or least, and of the characters that weigh little, before all kinds of ends."""
    table, chance = ngrams(), random.Random(2)
    light = [char for char, weight in table.singles.items() if 0 < weight < 3]
    texts = []
    for _ in range(20_000):
        run = chance.choice(light)
        for _ in range(chance.randrange(4)):
            row = [*table.pairs[run[-1]]] if chance.random() < 0.6 else light
            run += chance.choice(row or light)
        kana = [char for char in table.pairs[run[-1]] if "ぁ" <= char <= "ん"]
        ends = ["", "の", "を", "、は", "。東", *kana, *kana]
        texts.append(chance.choice(("", "は", "ア", "は、", "は。")) + run + chance.choice(ends))
    texts += ["は特輯封じ", "履晋封じ", "は最久封じ", "已封じ"]  # decided before the kana comes that speaks against it
    proven = find_clean(texts)
    assert [text for text, is_proven in zip(texts, proven, strict=True) if is_proven and check(text).spans] == []
    assert 2_000 < sum(proven) < 18_000


def test_a_text_says_the_same_among_others_as_alone() -> None:
    together = find_clean(CASES)
    assert together == [find_clean([text])[0] for text in CASES]
    assert True in together and False in together


def test_nearly_all_that_is_japanese_is_proven() -> None:
    records = [json.loads(line) for line in JAPANESE.read_text("utf-8").splitlines()]
    texts = [one[field] for one in records if one.get("language", "ja") == "ja" for field in ("reasoning", "answer")]
    assert len(texts) > 300
    assert sum(find_clean(texts)) > 0.95 * len(texts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "東京です。\n「単位」と『関係』は？",
        "2026年のPythonと 12 の例",
        "学校 😀🇯🇵 です",
        '"あ" `い`',
        "「谷",
        "國學院へ行く",
        "a\u2028b",
    ],
)
def test_what_is_plain_is_proven(text: str) -> None:
    assert find_clean([text]) == [True]


@pytest.mark.parametrize(
    "text",
    [
        "这",
        "あ这い",
        "「谢谢」と言う",
        "웨",
        "αβ",
        "you can go",
        "x" * 50,
        "𠮷",
        "あ\uffff",
        "あ" * 5_001,
        "因此",
        "文件は",
        "\ud840",
    ],
)
def test_what_may_be_foreign_is_not(text: str) -> None:
    assert find_clean([text]) == [False]


def test_many_long_texts_are_proven_in_several_parts() -> None:
    texts = ["学校へ行く。" * 700, "这是正确的答案", "あ"] * 40
    assert find_clean(texts) == [True, False, True] * 40


def test_a_character_of_two_halves_that_is_taken_for_a_sign_is_one() -> None:
    emoji = "".join(map(chr, range(0x1F000, 0x1FC00)))
    assert set(emoji.translate(CLASSES)) == {OTHER}


def test_the_table_of_pairs_says_of_all_pairs_what_their_rows_say() -> None:
    table = ngrams()
    pairs = PairTable(table)
    firsts, seconds, said = table.pairs.columns()
    codes = [np.array([*map(ord, chars)], np.uint32) for chars in (firsts, seconds)]
    nothing = np.full(len(said), np.nan, np.float32)
    assert np.array_equal(pairs.weigh(*codes, nothing), np.array(said, np.float32))
    some = random.Random(1).sample(range(len(said)), 2_000)
    assert [said[one] for one in some] == [table.pairs[firsts[one]][seconds[one]] for one in some]
    turned = pairs.weigh(codes[1], codes[0], nothing)
    for one in some:
        expected = table.pairs[seconds[one]].get(firsts[one])
        assert np.isnan(turned[one]) if expected is None else turned[one] == np.float32(expected)


def test_records_have_the_findings_among_many_that_each_has_alone() -> None:
    chance = random.Random(3)
    japanese = [parse_line(line) for line in JAPANESE.read_bytes().splitlines()]

    def make_text() -> str:
        if chance.random() < 0.4:
            return "".join(chance.choices([*WORDS.split(), *BLANKS], k=chance.randrange(1, 12)))
        text = str(chance.choice(japanese)[chance.choice(("instruction", "reasoning", "answer"))])
        return text + chance.choice(("", "", chance.choice(CASES)))

    lines = []
    for _ in range(700):
        record = {field: make_text() for field in ("instruction", "reasoning", "answer")}
        for field in ("language", "reasoning_language"):
            if chance.random() < 0.1:
                record[field] = chance.choice(("ja", "ja-JP", "zh", "zh-Hant", "ko", "en"))
        lines.append(json.dumps(record, ensure_ascii=chance.random() < 0.1).encode() + b"\n")
    checker = LineChecker(Path("x.jsonl"), choose(["wrong-script"]))
    together = [(one.line, one.column, one.end_column, one.message) for one in checker.check(lines).findings]
    alone = [
        (number, one.column, one.end_column, one.message)
        for number, line in enumerate(lines, start=1)
        for one in checker.check([line]).findings
    ]
    assert together == alone
    assert {len([*group]) for _, group in itertools.groupby(together, key=lambda one: one[0])} > {1, 2}
