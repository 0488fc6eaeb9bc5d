"""What stands in the input line is shown as safely as what is printed, and stays what it is."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.layout.controls import BufferControl, SearchBufferControl
from prompt_toolkit.layout.processors import Transformation, TransformationInput
from prompt_toolkit.output import DummyOutput

from phi2chat.terminal.safe_input import SafeCompleter, VisibleEscapes, make_search_safe
from phi2chat.terminal.safe_text import safe


def show(text: str) -> Transformation:
    fragments: list[Any] = [("", text)]
    given_to_it = TransformationInput(BufferControl(), Document(text), 0, lambda index: index, fragments, 80, 24)
    return VisibleEscapes().apply_transformation(given_to_it)


def text_of(transformation: Transformation) -> str:
    return "".join(fragment[1] for fragment in transformation.fragments)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("東京", "東京"),
        ("a\u202eb", "a<U+202E RLO>b"),
        ("a\U000e0041b", "a<TAG A>b"),
        ("a\x1b[31m", "a^[[31m"),
    ],
)
def test_what_could_steer_the_terminal_is_shown_as_an_escape(typed: str, shown: str) -> None:
    assert text_of(show(typed)) == shown


@given(st.text(st.characters(exclude_characters="\n")))
def test_the_cursor_stands_before_the_same_character_on_the_screen_and_in_the_text(typed: str) -> None:
    transformation = show(typed)
    assert text_of(transformation) == safe(typed)
    for index in range(len(typed) + 1):
        column = transformation.source_to_display(index)
        assert column == len(safe(typed[:index]))
        assert transformation.display_to_source(column) == index


class Offering(Completer):
    """Offers a text, and what it is."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        yield Completion("x\u202e\n\U000e0041", start_position=-1, display_meta="y\x1b]0;title\x07\u2066\nz")


def test_what_is_offered_is_shown_on_one_line_and_safely_and_put_in_as_it_is() -> None:
    (offered,) = SafeCompleter(Offering()).get_completions(Document("a"), CompleteEvent())
    assert (offered.display_text, offered.display_meta_text) == ("x<U+202E RLO> <TAG A>", "y^[]0;title^G<U+2066 LRI> z")
    assert (offered.text, offered.start_position) == ("x\u202e\n\U000e0041", -1)


def test_what_is_searched_for_is_shown_safely_too() -> None:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        session: PromptSession[str] = PromptSession()
        make_search_safe(session)
        searches = [c for c in session.layout.find_all_controls() if isinstance(c, SearchBufferControl)]
        assert searches
        for control in searches:
            assert any(isinstance(processor, VisibleEscapes) for processor in control.input_processors or [])
