"""A change as one text: what is far from it is left out, and no character of it steers the terminal."""

from phi2chat.terminal.change_text import change_text


def test_what_stays_is_shown_as_far_as_it_says_where_the_change_is() -> None:
    before = "日本の首都は東京です。" + "あ" * 50 + "赤い。" + "い" * 50
    after = "日本の首都は京都です。" + "あ" * 50 + "青い。" + "い" * 50
    shown = change_text(before, after, 4)
    assert shown.plain == "…の首都は[-東京-]{+京都+}です。あ…ああああ[-赤-]{+青+}い。いい…"


def test_what_was_missing_and_what_is_no_text_is_spelled() -> None:
    assert change_text(None, ["地理"], 8).plain == '{+["地理"]+}'
    assert change_text({"a": 1}, None, 8).plain == '[-{"a": 1}-]'
    assert change_text("あ" * 50, None, 8, shown_chars=5).plain == "[-あああああ…-]"


def test_a_character_that_nobody_sees_is_shown() -> None:
    assert change_text("東京です", "東京\u200bです\x1b[31m", 8).plain == "東京{+<U+200B ZWSP>+}です{+^[[31m+}"
