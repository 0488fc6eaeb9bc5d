"""A reply on a terminal costs little more than its text, and leaves no style behind."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from curation.errors import UserError
from phi2chat.chatting.chat import Conversation, Piece
from phi2chat.commands.ask import answer
from phi2chat.config import ChatConfig
from phi2chat.terminal.kinsoku import NOT_FIRST, NOT_LAST
from phi2chat.terminal.safe_text import safe
from phi2chat.terminal.screen import SafeConsole, Screen
from phi2chat.terminal.streamed import LONGEST_WORD

REASONING, WRONG, ESCAPED, RESET = "\x1b[3;36m", "\x1b[1;7;31;47m", "\x1b[7;33;40m", "\x1b[0m"


def terminal(**options: Any) -> tuple[Screen, io.StringIO]:
    file = io.StringIO()
    settings = {"force_terminal": True, "color_system": "standard", "width": 80, "legacy_windows": False, **options}
    console = SafeConsole(file=file, **settings)
    return Screen(console, console), file


def stream(screen: Screen, *pieces: str, wrong: str | None = None) -> None:
    for piece in pieces:
        screen.piece(Piece("reasoning", piece, wrong), label=False)


def test_a_style_is_set_where_it_begins_and_taken_away_where_it_ends() -> None:
    screen, shown = terminal()
    stream(screen, "日", "本", "の")
    stream(screen, "这", "个", wrong="zh-Hans")
    stream(screen, "は\x07", "。")
    screen.end_progress()
    assert shown.getvalue() == (
        f"{REASONING}日本の{RESET}{WRONG}这个{RESET}{REASONING}は{RESET}{ESCAPED}^G{RESET}{REASONING}。{RESET}\n"
    )


def test_tokens_of_japanese_cost_at_most_a_tenth_more_than_their_bytes() -> None:
    screen, shown = terminal()
    tokens = ["日本", "の", "首都", "は", "東京", "です", "。\n"] * 40
    stream(screen, *tokens)
    screen.end_progress()
    assert len(shown.getvalue().encode()) <= 1.1 * len("".join(tokens).encode())


@pytest.mark.parametrize("options", [{"force_terminal": False, "color_system": "auto"}, {"color_system": None}])
def test_without_a_terminal_or_colours_there_is_no_escape_byte(options: dict[str, Any]) -> None:
    screen, shown = terminal(**options)
    stream(screen, "日本\x1b[31m", "の")
    screen.say("x", "error")
    assert "\x1b" not in shown.getvalue()


def failing(error: BaseException) -> Iterator[str]:
    yield "\nまだ"
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("full"), ValueError("a bug"), SystemExit()])
def test_whatever_ends_a_reply_the_style_ends_too(error: BaseException, scripted_model: Callable[..., Any]) -> None:
    screen, shown = terminal()
    with pytest.raises(type(error)):
        answer(Conversation(scripted_model(failing(error)), ChatConfig()), "?", False, screen)
    assert shown.getvalue().endswith(f"{REASONING}まだ{RESET}\n")


def test_a_line_in_between_begins_on_a_line_of_its_own() -> None:
    screen, shown = terminal(color_system=None)
    stream(screen, "半分")
    screen.note("the GPU's memory is full")
    assert shown.getvalue() == "半分\nthe GPU's memory is full\n"


# Where lines are broken


def on_a_terminal(text: str, columns: int, piece: int = 1) -> list[str]:
    """The lines that a terminal of so many columns shows of a reply."""
    screen, shown = terminal(width=columns, color_system=None)
    stream(screen, *(text[start : start + piece] for start in range(0, len(text), piece)))
    screen.end_progress()
    lines = [""]
    for char in shown.getvalue().removesuffix("\n"):
        if char == "\n" or cell_len(lines[-1]) + cell_len(char) > columns:
            lines.append("")
        lines[-1] += char.strip("\n")
    return lines


PROSE = (
    "ちょっと、「東京」へ行って、ラーメンを食べよう！（『雑誌』で読んだ店。）さようなら…と佐々木さんがＡＢＣ、Tokyoで言った。\n"
    "「「はい」」と、彼は１０％だけ、うなずいた。「ﾊﾝｶｸ､ｶﾅ｡」も、か\u3099も、葛\U000e0100城も、出て来る。\n"
)


@pytest.mark.parametrize("columns", [*range(12, 40), 60, 79, 80, 81])
def test_no_line_of_a_reply_begins_with_a_closing_mark_or_ends_with_an_opening_one(columns: int) -> None:
    lines = on_a_terminal(PROSE * 3, columns)
    assert [line for line in lines if line and (line[0] in NOT_FIRST or line[-1] in NOT_LAST)] == []
    assert all(cell_len(line) <= columns for line in lines)
    assert "".join(lines) == (PROSE * 3).replace("\n", "")


ENGLISH = "The capital of Japan is Tokyo, a metropolis on the coast."


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("日本の首都は東京です。", 10, ["日本の首都", "は東京で", "す。"]),
        ("彼は「はい」と言う", 12, ["彼は「はい」", "と言う"]),
        ("彼は、「はい」と言う", 12, ["彼は、「は", "い」と言う"]),
        ("彼は「「「はい", 8, ["彼は", "「「「は", "い"]),
        ("。。。。。", 8, ["。。。。", "。"]),
        (ENGLISH, 20, ["The capital of Japan", "is Tokyo, a", "metropolis on the", "coast."]),
        (ENGLISH, 21, ["The capital of Japan", "is Tokyo, a", "metropolis on the", "coast."]),
        ("首都のTokyoは大きい", 8, ["首都の", "Tokyoは", "大きい"]),
        ("see https://example.com/a/long/way", 12, ["see", "https://exam", "ple.com/a/lo", "ng/way"]),
        ("supercalifragilistic", 16, ["supercalifragili", "stic"]),
    ],
)
def test_lines_are_broken_where_people_would_break_them(text: str, columns: int, lines: list[str]) -> None:
    assert [line.rstrip() for line in on_a_terminal(text, columns)] == lines


def waiting(text: str, columns: int) -> int:
    """How many characters waited for the next one at most; all that came is shown at the end, but for blanks."""
    screen, shown = terminal(width=columns, color_system=None)
    came, most = "", 0
    for char in text:
        stream(screen, char)
        came += char
        most = max(most, len("".join(safe(came).split())) - len("".join(shown.getvalue().split())))
    screen.end_progress()
    assert "".join(shown.getvalue().split()) == "".join(safe(text).split())
    return most


@given(st.text(st.sampled_from("あ漢a1 、。「（ーっ｡\t\n👩🏽\x1b"), max_size=80), st.integers(4, 24))
def test_no_more_waits_than_a_word_and_none_is_lost(text: str, columns: int) -> None:
    assert waiting(text, columns) <= LONGEST_WORD


@given(st.text("あ漢a1、。「（ーっ｡\n👩🏽\u200d\u0301\x1b", max_size=80), st.integers(1, 24), st.integers(2, 80))
def test_line_breaks_are_all_that_is_added_wherever_a_reply_was_cut(text: str, columns: int, piece: int) -> None:
    lines = on_a_terminal(text, columns)
    # A break may stand in place of a blank, which only escapes have here.
    assert "".join("".join(lines).split()) == "".join(safe(text).split())
    assert lines == on_a_terminal(text, columns, piece)


@pytest.mark.parametrize("columns", [*range(10, 30), 80])
def test_of_japanese_at_most_two_characters_wait(columns: int) -> None:
    assert waiting("日本の首都は「東京」です。" * 20, columns) == 2


def test_a_terminal_whose_width_is_not_known_breaks_its_lines_itself() -> None:
    screen, shown = terminal(width=10, color_system=None, _environ={"TERM": "dumb"})
    stream(screen, *"日本の首都は東京です。")
    assert shown.getvalue() == "日本の首都は東京です。"


def test_when_the_terminal_changes_its_size_lines_are_its_own_until_the_next_one_begins() -> None:
    screen, shown = terminal(width=14, color_system=None)
    stream(screen, "日本の")
    screen.out.width = 20
    stream(screen, *"首都は東京です。\n日本の首都は東京です、はい")
    screen.end_progress()
    assert shown.getvalue() == "日本の首都は東京です。\n日本の首都は東京で\nす、はい\n"
