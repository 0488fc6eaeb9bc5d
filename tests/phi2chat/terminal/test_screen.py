"""What a run looks like where there is no terminal: plain lines, none of them twice."""

import dataclasses
import io
import time
from typing import Any

import pytest

from phi2chat.chatting.chat import Turn
from phi2chat.inference.guard import GuardReport
from phi2chat.inference.recipes import StopReason
from phi2chat.terminal.screen import SafeConsole, Screen
from phi2chat.training.watcher import Progress


def plain_screen() -> tuple[Screen, io.StringIO]:
    shown = io.StringIO()
    console = SafeConsole(file=shown, width=60)
    return Screen(console, console), shown


def test_a_training_run_is_a_line_now_and_then() -> None:
    screen, shown = plain_screen()
    for step in range(26):
        eval_loss = 3.0 if step < 20 else 2.5
        progress = Progress(25, step, loss=4 - step / 10, eval_loss=eval_loss, tokens_per_second=1234.5)
        screen.training_progress(dataclasses.replace(progress, eval_batches=(1, 3)))  # for a bar only
        screen.training_progress(progress)
        screen.training_progress(progress)
    assert shown.getvalue() == (
        "step 0/25  loss 4.000  eval loss 3.000  1,234 tokens/s\n"
        "step 10/25  loss 3.000  eval loss 3.000  1,234 tokens/s\n"
        "step 20/25  loss 2.000  eval loss 2.500  1,234 tokens/s\n"
        "step 25/25  loss 1.500  eval loss 2.500  1,234 tokens/s\n"
    )


def test_a_step_that_takes_a_while_is_a_line() -> None:
    screen, shown = plain_screen()
    screen.status("loading [bold]x[/bold]\x07")
    assert shown.getvalue() == "loading [bold]x[/bold]^G ...\n"


def test_a_table_is_straight_for_wide_characters() -> None:
    screen, shown = plain_screen()
    screen.table(["語", "x"], [["首都", "[/b]"], ["ab", ":smile:"]])
    assert shown.getvalue() == (
        "┏━━━━━━┳━━━━━━━━━┓\n"
        "┃ 語   ┃ x       ┃\n"
        "┡━━━━━━╇━━━━━━━━━┩\n"
        "│ 首都 │ [/b]    │\n"
        "│ ab   │ :smile: │\n"
        "└──────┴─────────┘\n"
    )


NARROW_ROWS = [
    ["capital-japan-ja", "1", "ja", "日本の首都はどこですか。", "東京です。"],
    ["b", "2", "", "[/b]", "\x1b[2J"],
]


@pytest.mark.parametrize(("width", "is_a_table"), [(40, False), (57, False), (58, True), (80, True)])
def test_a_terminal_too_narrow_for_a_table_gets_a_few_lines_for_each_row(width: int, is_a_table: bool) -> None:
    shown = io.StringIO()
    console = SafeConsole(file=shown, width=width, force_terminal=True, color_system=None)
    Screen(console, console).table(["id", "line", "lang", "instruction", "answer"], NARROW_ROWS)
    stacked = (
        "id: capital-japan-ja\nline: 1\nlang: ja\ninstruction: 日本の首都はどこですか。\nanswer: 東京です。\n\n"
        "id: b\nline: 2\ninstruction: [/b]\nanswer: ^[[2J\n"
    )
    assert ("┃" in shown.getvalue()) == is_a_table
    assert is_a_table or shown.getvalue() == stacked


@pytest.mark.parametrize(
    ("width", "head"),
    [(80, ["model", "right", "script", "form"]), (48, ["model", "demo", "phi"]), (30, ["model:", "demo"])],
)
def test_a_table_that_may_turn_keeps_its_rows_side_by_side(width: int, head: list[str]) -> None:
    shown = io.StringIO()
    console = SafeConsole(file=shown, width=width, force_terminal=True, color_system=None)
    rows = [
        ["demo", "0 % (0/138)", "99 % (137/138)", "1 % (1/138)"],
        ["phi", "1 % (1/138)", "100 % (138/138)", "2 % (3/138)"],
    ]
    Screen(console, console).table(["model", "right", "script", "form"], rows, may_turn=True)
    first = next(line for line in shown.getvalue().splitlines() if "model" in line)
    assert first.replace("┃", "").split() == head
    assert all(value in shown.getvalue() for row in rows for value in row)


def test_a_table_without_column_names_has_no_head() -> None:
    screen, shown = plain_screen()
    screen.table(["", ""], [["base", "phi-2"]])
    assert shown.getvalue() == "┌──────┬───────┐\n│ base │ phi-2 │\n└──────┴───────┘\n"


def test_a_bar_on_a_terminal_is_taken_away_before_a_line_comes() -> None:
    shown: Any = io.StringIO()
    console = SafeConsole(file=shown, force_terminal=True, width=60, color_system=None)
    screen = Screen(console, console)
    screen.training_progress(Progress(10, 3, loss=1.5))
    assert " 3/10  loss 1.500" in shown.getvalue()
    screen.say("done")
    assert shown.getvalue().rpartition("\x1b[2K")[2] == "done\n"


def test_a_line_in_between_does_not_begin_the_time_anew() -> None:
    shown = io.StringIO()
    console = SafeConsole(file=shown, width=80, force_terminal=True)
    screen = Screen(console, console)
    screen.training_progress(Progress(10, 1, loss=1.5))
    time.sleep(1.1)
    screen.say("an answer of a probe")
    screen.training_progress(Progress(10, 2, loss=1.5))
    screen.end_progress()
    assert "0:00:00" not in shown.getvalue().rpartition("2/10")[2]


@pytest.mark.parametrize(
    ("guard", "footer"),
    [
        (GuardReport("enforce"), "[end of text; 4 tokens, 2.0 tokens/s; recipe chat]\n\n"),
        (GuardReport("enforce", 1, 9), "[end of text; 4 tokens, 2.0 tokens/s; recipe chat; 1 step back]\n\n"),
        (
            GuardReport("enforce", 8, spent=True),
            "[end of text; 4 tokens, 2.0 tokens/s; recipe chat; 8 steps back, and no more left]\n\n",
        ),
        (
            GuardReport("flag", note="enforce is not possible"),
            "[end of text; 4 tokens, 2.0 tokens/s; recipe chat]\n! enforce is not possible\n\n",
        ),
    ],
)
def test_the_end_of_a_reply_says_how_often_the_guard_went_back(guard: GuardReport, footer: str) -> None:
    screen, shown = plain_screen()
    screen.end_reply(Turn("?", "", "東京", StopReason.END_OF_TEXT, 4, 2.0, "chat", "ja", "ja", guard))
    # The console is narrow, and the line is not broken.
    assert shown.getvalue() == footer
