"""Ways of inference: how many tokens a reply may take, whether it sees the conversation, and why it stopped."""

from dataclasses import dataclass
from enum import Enum

from curation.errors import UserError


class NoRoomError(UserError):
    """A prompt leaves no room for a reply, which says nothing of the questions beside it."""


class StopReason(Enum):
    """Why a reply ended; the value is what the user reads."""

    END_OF_TEXT = "end of text"
    BUDGET = "budget"
    REPETITION = "repetition"
    NEXT_QUESTION = "end of text (it went on to a question of its own)"
    INTERRUPTED = "interrupted"
    CONNECTION_LOST = "connection lost"
    SERVER_ERROR = "server error"
    SERVER_STOP = "ended by the server"

    @property
    def is_cut(self) -> bool:
        """Whether the reply broke off without anybody's will."""
        return self in (StopReason.CONNECTION_LOST, StopReason.SERVER_ERROR)


@dataclass(frozen=True)
class Recipe:
    """A way of inference.

    `total_tokens` bounds prompt and reply together, as `max_length` did for the two calls that recipes a and b are
    named after; None leaves the bound to the settings. The second of those calls gave no attention mask; a single
    prompt has no padding to mask, so that the budget is all that tells the two apart.
    """

    name: str
    summary: str
    total_tokens: int | None
    history: bool


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("a", "like pipeline(max_length=300): 300 tokens in all, one question at a time", 300, False),
        Recipe("b", "like generate(max_length=200): 200 tokens in all, one question at a time", 200, False),
        Recipe("chat", "the conversation so far, and a reply of up to max_new_tokens", None, True),
    )
}


def new_token_budget(recipe: Recipe, prompt_tokens: int, max_new_tokens: int, context_tokens: int) -> int:
    """How many tokens the reply may have. Raises NoRoomError where the prompt leaves no room for one."""
    total = recipe.total_tokens or prompt_tokens + max_new_tokens
    budget = min(total, context_tokens) - prompt_tokens
    if budget < 1:
        limit = min(total, context_tokens)
        way_out = "ask a shorter question" if limit == context_tokens else "use --recipe chat (or /recipe chat)"
        if recipe.history:
            way_out += " or forget the conversation with /reset"
        raise NoRoomError(f"the prompt takes {prompt_tokens} tokens of the {limit} that there are; {way_out}")
    return budget
