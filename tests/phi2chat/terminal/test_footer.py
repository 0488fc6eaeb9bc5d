"""Wrong characters by name: those that the language is not written with, and no others."""

import pytest

from curation.script import check
from phi2chat.terminal.footer import name_characters


@pytest.mark.parametrize(
    ("text", "language", "named"),
    [
        ("这是首都。", "ja", "这 (CJK-8FD9)"),
        (
            "我们在这里说话，他们也在那边吃饭。",
            "ja",
            "们 (CJK-4EEC), 这 (CJK-8FD9), 说 (CJK-8BF4) and 3 more",
        ),
        ("日本的首都是东京。", "ja", "东 (CJK-4E1C)"),
        ("日本的首都是北京。", "ja", ""),  # the wording alone is Chinese
        ("The answer is Tokyo, of course.", "ja", ""),
        ("首都は서울です。", "ja", "서 (HANGUL SYLLABLE SEO), 울 (HANGUL SYLLABLE UL)"),
        ("東京です。", "ja", ""),
        ("这是首都。", "und", ""),
    ],
)
def test_a_character_is_named_where_the_language_is_not_written_with_it(text: str, language: str, named: str) -> None:
    assert name_characters(check(text, language).spans, language) == named
