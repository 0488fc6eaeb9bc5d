"""Which characters a language may be written with: what each must have, and what it must not."""

import json
from pathlib import Path

import pytest

from curation.script import allowed_characters

NEVER = "\x00\x07\x1b\x7f\x9b\r\u200b\u200e\u202e\u2028\u2029\u2066\ufeff\ufffd\ue000\U000f0000\u00ad\u0378⽇"

ALLOWED = [
    ("ja", "ひらがなカタカナーヶヽゞﾊﾝｶｸ々〆〇、。「」『』・〜（１２Ａ）ａ①㈱㍍℃￥漢字東京発働込峠"),
    ("ja", "髙橋・山﨑・𠮷野家・㐂・國學院・黃・曆・剝頰塡𠮟・鷗外・步・每・深圳・德"),
    ("ja", "葛\U000e0100"),  # a variant of a kanji, chosen by the selector after it
    ("ja", "Tokyo 3.14 + é ō ß €£¥ → ∑ α Ω ½ ² № “…” — ±\n\t`code` {}[]|\\~"),
    ("ja", "😀👍🏽👨\u200d👩\u200d👧🇯🇵❤\ufe0f1\ufe0f\u20e3🈁"),
    ("zh-Hans", "国汉语们这镕〇，。「」“”《》：你好吗"),
    ("zh-Hant", "國漢語們這裡，。「」：你好嗎咗嘅ㄅㄆ着群"),
    ("zh", "国國们們"),
    ("ko", "한글ㅋㅋ漢字大韓民國。「」"),
    ("en", "It's a “test” — naïve café, $5…"),
    ("ru", "Привет, ёж №1"),
    ("el", "Καλημέρα ἀρχή"),
    ("fr", "œuvre à l’été « oui »"),
    ("th", "สวัสดี"),
]
SHUT_OUT = [
    ("ja", "你吧呢们您她嗎这说卡份啦哪吗东"),
    ("ja", "한ㅋЖกعא"),
    ("zh-Hans", "國們這あア々発込広한"),
    ("zh-Hant", "国们这あア々発込広한"),
    ("zh", "あア々発込広한Ж"),
    ("ko", "あア这们"),
    ("en", "東あア한。、「Ж"),
    ("ru", "東あ한ع"),
    *((language, NEVER) for language in ("ja", "zh", "zh-Hans", "zh-Hant", "ko", "en", "ru")),
]


@pytest.mark.parametrize(("language", "text"), ALLOWED)
def test_what_a_language_is_written_with_is_allowed(language: str, text: str) -> None:
    allowed = allowed_characters(language)
    assert allowed is not None
    assert [char for char in text if char not in allowed] == []


@pytest.mark.parametrize(("language", "text"), SHUT_OUT)
def test_what_another_language_is_written_with_is_shut_out(language: str, text: str) -> None:
    allowed = allowed_characters(language)
    assert allowed is not None
    assert [char for char in text if char in allowed] == []


@pytest.mark.parametrize("language", ["", "xx", "und", "tlh-Latn"])
def test_of_a_language_that_is_not_known_everything_is_allowed(language: str) -> None:
    assert allowed_characters(language) is None


def test_a_region_says_which_chinese_is_meant() -> None:
    assert allowed_characters("zh-TW") == allowed_characters("zh-Hant")
    assert allowed_characters("zh-CN") == allowed_characters("zh-Hans")
    assert allowed_characters("ja-JP") == allowed_characters("ja")


def test_no_surrogate_is_a_character() -> None:
    for language in ("ja", "zh", "ko", "en", "ar"):
        allowed = allowed_characters(language)
        assert allowed is not None
        assert not any(0xD800 <= ord(char) < 0xE000 for char in allowed)


def test_every_shipped_answer_is_written_in_the_characters_of_its_language(ja_basics: Path) -> None:
    for line in ja_basics.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["language"] == "ja":
            allowed = allowed_characters("ja")
            assert allowed is not None
            assert set(record["answer"]) - allowed == set()
