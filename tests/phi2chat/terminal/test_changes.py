"""What a record says otherwise than the reply that it comes from."""

from typing import Any

import pytest

from phi2chat.chatting.chat import Turn
from phi2chat.inference.recipes import StopReason
from phi2chat.terminal.changes import SHOWN_CHARS, SHOWN_LINES, ChangedField, find_changes
from phi2chat.terminal.screen import SafeConsole, Screen

TURN = Turn("首都は？", "一つ目。\n二つ目。", "这是东京。", StopReason.END_OF_TEXT, 4, 2.0, "chat", "ja", "ja")
SAME = {
    "id": "a",
    "instruction": "首都は？",
    "reasoning": "一つ目。\n二つ目。",
    "answer": "这是东京。",
    "language": "ja",
}


def shown(*changes: ChangedField) -> str:
    console = SafeConsole(width=40)
    with console.capture() as captured:
        for change in changes:
            Screen(console, console).change(change)
    return captured.get()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ""),
        ({"provenance": {"bad_answer": "x"}, "tags": ["x"]}, ""),
        ({"answer": "東京です。"}, "answer\n- ⟦这是东京⟧。\n+ 東京です。\n"),
        ({"answer": "答えは东京です。"}, "answer\n- ⟦这是东京⟧。\n+ 答えは⟦东京⟧です。\n"),
        ({"reasoning": "一つ目。\n三つ目。"}, "reasoning\n  一つ目。\n- 二つ目。\n+ 三つ目。\n"),
        ({"reasoning": "一つ目。\n二つ目。\n"}, "reasoning\n  一つ目。\n  二つ目。\n+ \n"),
        ({"instruction": "日本の首都は？"}, "instruction\n- 首都は？\n+ 日本の首都は？\n"),
        ({"family": "capital"}, "family\n+ capital\n"),
        ({"language": "zh-Hans"}, "language\n- ja\n+ zh-Hans\n"),
        ({"answer": "あ\n东京\n这\n"}, "answer\n- ⟦这是东京⟧。\n+ あ\n+ ⟦东京⟧\n+ ⟦这⟧\n+ \n"),
        ({"answer": "\x1b[2J"}, "answer\n- ⟦这是东京⟧。\n+ ^[[2J\n"),
    ],
)
def test_each_field_is_shown_as_it_was_and_as_it_is(change: dict[str, Any], expected: str) -> None:
    assert shown(*find_changes(TURN, {**SAME, **change})) == expected


def test_a_long_text_is_shown_by_its_beginning() -> None:
    (change,) = find_changes(TURN, {**SAME, "answer": "あ" * 100_000})
    assert [line.left_out for line in change.lines] == [0, 100_000 - SHOWN_CHARS]
    assert shown(change).endswith(f"{'あ' * SHOWN_CHARS} … and 99,000 characters more\n")
    (change,) = find_changes(TURN, {**SAME, "answer": "あ\n" * 50_000})
    assert (len(change.lines), change.left_out) == (SHOWN_LINES + 1, 50_001 - SHOWN_LINES)
    assert shown(change).endswith("\n… and 49,961 lines more\n")
    (change,) = find_changes(TURN, {**SAME, "answer": "\n".join(map(str, range(500)))})
    assert (len(change.lines), change.left_out) == (2 * SHOWN_LINES, 501 - 2 * SHOWN_LINES)
