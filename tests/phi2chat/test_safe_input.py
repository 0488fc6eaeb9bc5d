"""What stands in the input line is shown as safely as what is printed, and stays what it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.document import Document
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.layout.processors import Transformation, TransformationInput

from phi2chat.safe_input import VisibleEscapes
from phi2chat.safe_text import safe


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
