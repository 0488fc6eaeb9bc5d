"""How near an answer comes to good ones; chrF and BLEU where sacrebleu is there."""

from typing import Any

import pytest

from phi2chat.evaluation.translations import bleu, char_f1, chrf, is_installed, references_of

needs_sacrebleu = pytest.mark.skipif(not is_installed(), reason="sacrebleu comes with phi2chat[evaluate]")


@pytest.mark.parametrize(
    ("answer", "references", "wanted"),
    [
        ("猫が好きです。", ["猫が好きです"], 100.0),
        ("犬", ["猫"], 0.0),
        ("", ["猫"], 0.0),
        ("猫が", ["猫が好き", "犬"], 200 * 2 / 6),
        ("好き猫が", ["猫が好き"], 100.0),  # the order does not count
    ],
)
def test_character_f1_is_of_the_characters_shared_with_the_nearest(
    answer: str, references: list[str], wanted: float
) -> None:
    assert char_f1(answer, references) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"references": ["a", "b"]}, ["a", "b"]),
        ({"references": "a"}, ["a"]),
        ({"instruction": "訳してください。", "answer": "雨です。"}, ["雨です。"]),
        ({"instruction": "首都は？", "answer": "東京です。"}, []),  # right or wrong, and not alike
        ({"instruction": "首都は？", "expect": "東京"}, []),
    ],
)
def test_what_is_neither_right_nor_wrong_is_measured_by_its_answer(data: dict[str, Any], wanted: list[str]) -> None:
    assert references_of(data) == wanted


@needs_sacrebleu
def test_bleu_is_by_characters_where_words_are_not_written_apart() -> None:
    assert bleu("私は猫が好きです。", ["私は猫が好きです。"], "ja") == pytest.approx(100)
    assert 0 < bleu("私は猫が好き。", ["私は猫が好きです。"], "ja") < 100
    assert bleu("我喜欢猫。", ["我喜欢猫。"], "zh-Hans") == pytest.approx(100)
    assert bleu("I like cats.", ["I like cats."], "en") == pytest.approx(100)
    assert bleu("dogs", ["I like cats."], "en") == 0


@needs_sacrebleu
def test_chrf_is_of_the_nearest_reference() -> None:
    assert chrf("猫です", ["犬です", "猫です"]) == pytest.approx(100)
    assert chrf("猫です", ["犬です"]) < 100
