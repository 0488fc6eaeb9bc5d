"""Nothing in a text can steer the terminal, and nothing that people write is lost."""

import itertools
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi2chat.terminal.safe_text import escape, on_one_line, parts, safe

# Texts in which the special code points meet, which they hardly do in texts of any characters.
SPECIAL = "\x1b\x9b\x7f\r\u200b\u200d\u200e\u202e\u2066\u2028\ufeff\ufe0f\ufe00\U000e0100\U000e0041\u3164\u2800\u034f\u180b\ud83d"
TEXTS = st.text(st.sampled_from(SPECIAL + "あ漢aé1:>\n\t👩🏽❤ℹ\u0301")) | st.text()

DANGEROUS = {
    "C0 without tab and newline": [*range(0x09), *range(0x0B, 0x20), 0x7F],
    "C1": range(0x80, 0xA0),
    "bidi": [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)],
    "tags": range(0xE0000, 0xE0080),
    "surrogates": range(0xD800, 0xE000),
    "zero width and fillers": [0xAD, 0x200B, 0x200C, 0x2060, 0x2800, 0x3164, 0xFEFF, 0xFFA0, *range(0x2028, 0x202A)],
    "private use": [0xE000, 0xF8FF, 0x10FFFD],
    "noncharacters": [0xFFFE, 0xFFFF, 0x10FFFF],
}


@pytest.mark.parametrize("name", DANGEROUS)
def test_every_dangerous_code_point_is_made_visible(name: str) -> None:
    for code in DANGEROUS[name]:
        shown = safe(f"あ{chr(code)}い")
        assert chr(code) not in shown
        visible = shown.removeprefix("あ").removesuffix("い")
        assert visible.isascii() and visible.isprintable() and visible, f"U+{code:04X}"


def test_no_control_or_format_character_is_printed_without_a_character_that_it_belongs_to() -> None:
    printed = {code for code in range(sys.maxunicode + 1) if escape(chr(code)) is None}
    categories = {unicodedata.category(chr(code)) for code in printed - {ord("\n"), ord("\t")}}
    assert categories.isdisjoint({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
    assert not [code for code in printed if "VARIATION SELECTOR" in unicodedata.name(chr(code), "")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "^[[31mred^[[0m"),
        ("\x1b]0;title\x07", "^[]0;title^G"),
        ("\x9b31m", "<9B>31m"),
        ("a\r\nb", "a^M\nb"),
        ("a\x7f", "a^?"),
        ("user\u202enimda", "user<U+202E RLO>nimda"),
        ("\U000e0041\U000e0001", "<TAG A><TAG 01>"),
        ("\ud83d", "\\ud83d"),
        ("\ufeff", "<U+FEFF BOM>"),
        ("a\u200db", "a<U+200D ZWJ>b"),
        ("a\ufe0f", "a<U+FE0F VS16>"),
        ("\u2800\u200d", "<U+2800 BRAILLE PATTERN BLANK><U+200D ZWJ>"),
        ("漢\ufe00\ufe01", "漢\ufe00<U+FE01 VS2>"),
        ("\ue000", "<U+E000>"),
    ],
)  # fmt: skip
def test_what_is_dangerous_is_shown_as_what_it_is(text: str, shown: str) -> None:
    assert safe(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "日本の首都は、東京です。\n\t「ｶﾅ」と①②、〜と〰、㍿。",
        "が゛か\u3099",
        "葛\U000e0100城市と葛\U000e0101飾区、辻\U000e0100さん",
        "、\ufe00！\ufe01",
        "👩‍👩‍👧‍👦 👩🏽‍💻 🏳️‍🌈 ❤️‍🔥 🧑‍⚕️",
        "1️⃣ #️⃣ *️⃣ ‼️ ™️ ↔️ ㊗️ ℹ️ 〰️ 〽️",
        "🇯🇵 👍🏿",
        "한국어 中文 Ünïcödé café e\u0301 ไทย हिन्दी עברית العربية",
        "x ≤ y, ∑ 2²",
        "[bold]no markup[/bold] :smile:",
    ],
)
def test_what_people_write_is_printed_as_it_is(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize("code", [*range(0x09), *range(0x0B, 0x20), 0x7F, *range(0x80, 0xA0), 0x2028, 0x2029])
def test_a_control_character_is_no_blank_that_goes_unseen_on_one_line(code: int) -> None:
    text = f" a{chr(code)}\n\t b\u3000 c\n"
    assert safe(on_one_line(text)) == f"a{safe(chr(code))} b c"


@given(TEXTS)
def test_a_safe_text_is_not_changed_again(text: str) -> None:
    assert safe(safe(text)) == safe(text)


@given(TEXTS)
def test_the_parts_are_the_text_with_its_escapes(text: str) -> None:
    runs = list(parts(text))
    assert "".join(run for run, _ in runs) == safe(text)
    assert all(before[1] != after[1] for before, after in itertools.pairwise(runs))
    assert all(run.isascii() and run.isprintable() for run, escaped in runs if escaped)


@given(TEXTS, st.integers(0, 20))
def test_where_a_stream_is_cut_does_not_change_what_is_shown(text: str, cut: int) -> None:
    head, tail = text[:cut], text[cut:]
    last_run, escaped = list(parts(head))[-1] if head else ("", False)
    before = "" if escaped else last_run[-1:]
    assert safe(head) + "".join(run for run, _ in parts(tail, before)) == safe(text)
