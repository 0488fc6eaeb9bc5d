"""A key deletes or goes over what the reader sees as one character."""

import pytest
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from phi2chat.chatting.grapheme_keys import first_grapheme, last_grapheme
from phi2chat.chatting.input_line import make_session

LEFT, RIGHT, BACKSPACE, DELETE, ENTER = "\x1b[D", "\x1b[C", "\x7f", "\x1b[3~", "\r"
CHARACTERS = [
    "字",
    "か\u3099",
    "👨\u200d👩\u200d👧",
    "葛\U000e0100",
    "👍🏽",
    "🇯🇵",
    "ﾊﾟ",
    "\u1100\u1161\u11a8",
    "❤\ufe0f",
]


def typed(keys: str) -> str:
    with create_pipe_input() as pipe:
        pipe.send_text(keys + ENTER)
        return make_session(InMemoryHistory(), input=pipe, output=DummyOutput()).prompt()


@pytest.mark.parametrize("character", CHARACTERS, ids=ascii)
def test_backspace_and_delete_take_a_whole_character(character: str) -> None:
    assert typed(f"一{character}{BACKSPACE}二") == "一二"
    assert typed(f"一{character}二{LEFT * 2}{DELETE}") == "一二"


@pytest.mark.parametrize("character", CHARACTERS, ids=ascii)
def test_the_arrows_go_over_a_whole_character(character: str) -> None:
    assert typed(f"一{character}二{LEFT * 2}三") == f"一三{character}二"
    assert typed(f"一{character}二{LEFT * 2}{RIGHT}三") == f"一{character}三二"


def test_at_an_end_of_the_text_they_do_nothing() -> None:
    assert typed(f"{BACKSPACE}{LEFT}一{RIGHT}{DELETE}") == "一"


def test_a_line_before_is_joined_and_not_entered_by_the_arrow() -> None:
    newline = "\x1b\r"
    assert typed(f"一{newline}{BACKSPACE}二") == "一二"
    assert typed(f"一{newline}二{LEFT * 5}三") == "一\n三二"


@pytest.mark.parametrize(
    ("text", "first", "last"), [("", 0, 0), ("a", 1, 1), ("か\u3099x", 2, 1), ("x" + "\u3099" * 500, 64, 64)]
)
def test_a_pile_of_marks_has_an_end(text: str, first: int, last: int) -> None:
    assert (first_grapheme(text), last_grapheme(text)) == (first, last)
