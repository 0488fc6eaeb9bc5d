"""A reply on a terminal costs little more than its text, and leaves no style behind."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.ask import answer
from phi2chat.chat import Conversation, Piece
from phi2chat.config import ChatConfig
from phi2chat.screen import SafeConsole, Screen

REASONING, WRONG, ESCAPED, RESET = "\x1b[3;36m", "\x1b[1;7;31m", "\x1b[7;33m", "\x1b[0m"


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
