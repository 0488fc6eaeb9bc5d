"""Models that write several replies side by side, and each of those replies as a model that is asked for it alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from phi2chat.chatting.chat import Model, TextStream
from phi2chat.config import ChatConfig
from phi2chat.inference.prompt import Example, PromptStyle

if TYPE_CHECKING:
    from phi2chat.inference.batch import Watch


@runtime_checkable
class WritesTogether(Protocol):
    """A model that writes several replies side by side; `parts` are what it is made of."""

    @property
    def parts(self) -> Mapping[str, str]: ...
    @property
    def name(self) -> str: ...
    @property
    def style(self) -> PromptStyle: ...
    def stream_all(
        self, questions: Sequence[str], config: ChatConfig, watch: "Watch | None" = None
    ) -> Sequence[TextStream]: ...


@dataclass(frozen=True)
class Written:
    """A model whose reply was written ahead, beside others."""

    name: str
    style: PromptStyle
    reply: TextStream
    parts: Mapping[str, str]

    def stream(self, history: Sequence[Example], question: str, config: ChatConfig) -> TextStream:
        """The reply."""
        return self.reply


def write_ahead(
    model: WritesTogether, questions: Sequence[str], config: ChatConfig, watch: "Watch | None" = None
) -> list[Model]:
    """A model for each question, whose reply is written already.

    Raises NoRoomError where a prompt leaves no room for one, and UserError where the memory of a GPU is full.
    """
    replies = model.stream_all(questions, config, watch)
    return [Written(model.name, model.style, reply, model.parts) for reply in replies]
