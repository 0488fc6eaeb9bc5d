"""The input line takes what comes, also where a terminal does not say that it is pasted."""

import pytest
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from phi2chat.chatting.input_line import make_session


@pytest.mark.parametrize("code", ["\x1b[31m", "\x1b[0m", "\x1b[1;31m", "\x1b[<0;1m", "\x1b[M!!!"], ids=ascii)
def test_a_style_code_that_comes_as_if_it_were_typed_breaks_nothing(code: str) -> None:
    with create_pipe_input() as pipe:
        pipe.send_text(f"一{code}二\r")
        assert make_session(InMemoryHistory(), input=pipe, output=DummyOutput()).prompt() == "一二"


@pytest.mark.parametrize(("typed", "read"), [("\x1b/help\r", "/help"), ("a\x1b/b\r", "ab")], ids=["first", "later"])
def test_a_slash_after_an_esc_begins_a_command_and_within_a_line_is_alt_slash(typed: str, read: str) -> None:
    with create_pipe_input() as pipe:
        pipe.send_text(typed)
        assert make_session(InMemoryHistory(), input=pipe, output=DummyOutput()).prompt() == read
