"""The line below the input: who replies, in which settings, how fast it was, and how much room is left."""

from typing import Protocol, runtime_checkable

from prompt_toolkit.utils import get_cwidth

from phi2chat.chatting.chat import Conversation, Model, Turn
from phi2chat.inference.prompt import Example
from phi2chat.inference.recipes import RECIPES
from phi2chat.terminal.safe_text import on_one_line, safe

SHORTEST_NAME = 12  # cells; a model's name is cut from its beginning, and its end tells adapters apart
GAP = "  "


@runtime_checkable
class CountsTokens(Protocol):
    """A model that knows how much it can read."""

    @property
    def context_tokens(self) -> int: ...
    def count_tokens(self, history: list[Example]) -> int: ...


@runtime_checkable
class HasShortName(Protocol):
    """A model whose name says more than what it is called."""

    @property
    def short_name(self) -> str: ...


class StatusLine:
    """Makes the line for a conversation; tokens are counted once a turn, not at every key."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._counted: tuple[list[Turn], str] = ([], "")
        self._context = ""

    def render(self, width: int) -> str:
        """The line, safe to show and no wider than `width` cells: what matters least is left out first."""
        conversation, config = self._conversation, self._conversation.config
        names = _on_one_line(conversation.model.name), _short_name(conversation.model)
        # By what is left out last; each with its place in the line.
        fields = [(1, safe(config.lang)), (5, self._used_context()), (4, self._last_reply())]
        fields += [(2, f"recipe {config.recipe}"), (3, f"guard {config.guard}")]
        kept: list[tuple[int, str]] = []
        room = width - min(get_cwidth(names[-1]), SHORTEST_NAME)
        for place, text in fields:
            if text and get_cwidth(GAP + text) <= room:
                kept.append((place, text))
                room -= get_cwidth(GAP + text)
        rest = GAP.join(["", *(text for _, text in sorted(kept))])
        room = width - get_cwidth(rest)
        name = names[0] if get_cwidth(names[0]) <= room else names[-1]
        return _end_of(name, room) + rest

    def _last_reply(self) -> str:
        if not self._conversation.turns:
            return ""
        last = self._conversation.turns[-1]
        speed = f" {last.tokens / last.seconds:.1f}/s" if last.seconds > 0 else ""
        return f"{last.tokens} {last.unit}{speed}"

    def _used_context(self) -> str:
        conversation = self._conversation
        if not RECIPES[conversation.config.recipe].history:
            return ""
        if not isinstance(conversation.model, CountsTokens):  # but its server may have, for the last reply
            told = conversation.turns[-1].context_tokens if conversation.turns else None
            return "" if told is None else f"context {told}"
        now = list(conversation.turns), conversation.config.recipe
        if not self._context or now != self._counted:
            used = conversation.model.count_tokens(conversation.history())
            self._counted, self._context = now, f"context {used}/{conversation.model.context_tokens}"
        return self._context


def _short_name(model: Model) -> str:
    return _on_one_line(model.short_name if isinstance(model, HasShortName) else model.name)


def _on_one_line(text: str) -> str:
    return safe(on_one_line(text))


def _end_of(text: str, width: int) -> str:
    """The text, or its end after an ellipsis where it is too wide."""
    if get_cwidth(text) <= width:
        return text
    while text and get_cwidth(text) > width - 1:
        text = text[1:]
    return "…" + text if width > 0 else ""
