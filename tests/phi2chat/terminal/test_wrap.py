"""A line that is too long for the terminal is broken where people would break it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from phi2chat.terminal.screen import SafeConsole, Screen
from phi2chat.terminal.wrap import Wrapped, wrap, wrap_styled


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("short", 40, ["short"]),
        ("mend the answer and try again", 16, ["mend the answer", "and try again"]),
        ("mend the answer", 15, ["mend the answer"]),
        ("one\n\ntwo three", 5, ["one", "", "two", "three"]),
        ("  indented line of text", 12, ["  indented", "line of text"]),
        (
            "go on with `phi2chat train --resume runs/x` now",
            20,
            ["go on with", "`phi2chat train --resume runs/x`", "now"],
        ),
        ("see /a/path/that/no/line/can/hold: missing", 12, ["see", "/a/path/that/no/line/can/hold:", "missing"]),
        ("日本の首都は東京です", 10, ["日本の首都", "は東京です"]),
        ("日本の首都は、東京です。", 12, ["日本の首都", "は、東京で", "す。"]),
        ("これは「東京」です", 8, ["これは", "「東京」", "です"]),
        ("file x.jsonl: 首都の答えが空です", 20, ["file x.jsonl: 首都の", "答えが空です"]),
        ("か\u3099か\u3099か\u3099", 4, ["か\u3099か\u3099", "か\u3099"]),
        ("👩\u200d💻👩\u200d💻", 3, ["👩\u200d💻", "👩\u200d💻"]),
    ],
)
def test_lines_are_broken_between_words_and_between_wide_characters(text: str, width: int, lines: list[str]) -> None:
    assert wrap(text, width).split("\n") == lines


@given(st.text(st.sampled_from("ab c、。「」日本ーｱ `\n\u3099👍🏽e\u0301")), st.integers(4, 30))
def test_nothing_is_lost_but_blanks_and_no_line_is_too_long_that_could_be_shorter(text: str, width: int) -> None:
    wrapped = wrap(text, width)
    assert "".join(wrapped.split()) == "".join(text.split())
    assert wrap_styled(Text(text), width).plain == wrapped
    for line in wrapped.split("\n"):
        assert cell_len(line) <= width or "`" in line or " " not in line.strip()


def shown(width: int, **options: bool) -> tuple[Screen, io.StringIO]:
    file = io.StringIO()
    console = SafeConsole(file=file, width=width, color_system=None, **options)
    return Screen(console, console), file


SENTENCE = "datasets/x.jsonl: the record was not written; mend it and try again"


def test_a_terminal_gets_its_lines_broken_and_a_pipe_does_not() -> None:
    screen, file = shown(40, force_terminal=True)
    screen.say(SENTENCE)
    screen.note(SENTENCE)
    broken = "datasets/x.jsonl: the record was not\nwritten; mend it and try again\n"
    assert file.getvalue() == broken * 2
    screen, file = shown(40)
    screen.say(SENTENCE)
    assert file.getvalue() == SENTENCE + "\n"


def test_what_is_to_be_copied_is_not_broken() -> None:
    screen, file = shown(20, force_terminal=True)
    screen.say(SENTENCE, wrap=False)
    assert file.getvalue() == SENTENCE + "\n"


def test_in_a_cell_a_joiner_that_joins_nothing_is_shown_and_takes_nothing_away() -> None:
    text = Text("👩\u200d", "bold") + Text("二三四五", "red") + Text(" 👨\u200d👩\u200d👧\u200d")
    file = io.StringIO()
    SafeConsole(file=file, width=9).print(Wrapped(text))
    assert "".join(file.getvalue().split()) == "👩<U+200DZWJ>二三四五👨\u200d👩\u200d👧<U+200DZWJ>"
