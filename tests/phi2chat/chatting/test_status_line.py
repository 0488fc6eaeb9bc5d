"""The line below the input: it fits, it is safe, and it says how much room is left."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from phi2chat.chatting.chat import Conversation
from phi2chat.chatting.status_line import StatusLine
from phi2chat.config import ChatConfig

TOKYO = ["\n国会がある都市です。", "\n\n### Answer:\n", "東京です。"]


@pytest.fixture
def conversation(scripted_model: Any) -> Conversation:
    """With a model that takes a token for a character, and has counted so many times."""

    class Counting(scripted_model):  # type: ignore[misc]
        name = "microsoft/phi-2 + runs/ja-basics-phi-2"
        context_tokens = 2048
        counted = 0

        def count_tokens(self, history: Any) -> int:
            self.counted += 1
            return sum(len(turn.prompt + turn.completion) for turn in history)

    return Conversation(Counting(TOKYO, TOKYO), ChatConfig())


def ask(conversation: Conversation) -> None:
    for _ in conversation.ask("首都は？"):
        pass


def test_it_says_all_where_there_is_room(conversation: Conversation) -> None:
    line = StatusLine(conversation)
    name = "microsoft/phi-2 + runs/ja-basics-phi-2"
    assert line.render(120) == f"{name}  ja  recipe chat  guard flag  context 0/2048"
    ask(conversation)
    wanted = f"{name}  ja  recipe chat  guard flag  3 tokens 2.0/s  context 67/2048"
    assert line.render(120) == wanted


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (80, "…s/ja-basics-phi-2  ja  recipe chat  guard flag  3 tokens 2.0/s  context 67/2048"),
        (60, "…+ runs/ja-basics-phi-2  ja  3 tokens 2.0/s  context 67/2048"),
        (40, "…ns/ja-basics-phi-2  ja  context 67/2048"),
        (20, "…ja-basics-phi-2  ja"),
        (8, "…s-phi-2"),
        (1, "…"),
    ],
)
def test_what_matters_least_is_left_out_where_there_is_none(conversation: Conversation, width: int, shown: str) -> None:
    ask(conversation)
    assert StatusLine(conversation).render(width) == shown


def test_a_recipe_without_history_has_no_use_of_the_context(conversation: Conversation) -> None:
    conversation.config = ChatConfig(recipe="a")
    assert "context" not in StatusLine(conversation).render(120)


def test_a_model_that_cannot_count_is_shown_without_the_context(scripted_model: Any) -> None:
    line = StatusLine(Conversation(scripted_model(), ChatConfig())).render(80)
    assert line == "scripted  ja  recipe chat  guard flag"


def test_tokens_are_counted_once_a_turn(conversation: Conversation) -> None:
    line = StatusLine(conversation)
    for _ in range(3):
        ask(conversation) if not conversation.turns else None
        line.render(80)
    assert conversation.model.counted == 1
    conversation.turns.pop()
    assert line.render(80).endswith("context 0/2048")


def test_the_name_of_a_model_comes_out_inert(scripted_model: Any) -> None:
    model = scripted_model()
    model.name = "a\x1b]0;x\x07\tb\nc\u202ed"
    assert StatusLine(Conversation(model, ChatConfig())).render(120).startswith("a^[]0;x^G b c<U+202E RLO>d  ja")


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (80, "qwen-7b at http://127.0.0.1:8000/v1  ja  recipe chat  guard flag"),
        (60, "qwen-7b  ja  recipe chat  guard flag"),
        (5, "…n-7b"),
    ],
)
def test_where_the_address_of_a_server_has_no_room_its_model_still_has_its_name(
    scripted_model: Any, width: int, shown: str
) -> None:
    model = scripted_model()
    model.name, model.short_name = "qwen-7b at http://127.0.0.1:8000/v1", "qwen-7b"
    assert StatusLine(Conversation(model, ChatConfig())).render(width) == shown


@given(name=st.text(), width=st.integers(1, 130))
def test_it_is_never_wider_than_the_screen(name: str, width: int) -> None:
    named = Conversation(cast(Any, SimpleNamespace(name=name)), ChatConfig())
    assert get_cwidth(StatusLine(named).render(width)) <= width
