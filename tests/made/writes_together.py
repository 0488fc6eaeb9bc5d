"""A model that writes side by side."""

from collections.abc import Callable, Sequence
from typing import Any

from phi2chat.config import ChatConfig
from phi2chat.inference.batch import Watch
from phi2chat.inference.recipes import NoRoomError


class Together:
    """A model whose replies come side by side; `batches` has how many were asked for each time.

    With `refuses` one of the prompts leaves no room for a reply. `while_writing` is called with the number of a batch.
    """

    def __init__(self, model: Any, refuses: bool = False, while_writing: Callable[[int], None] | None = None) -> None:
        self._model, self._refuses, self._while_writing = model, refuses, while_writing
        self.name, self.style, self.parts = model.name, model.style, dict[str, str]()
        self.batches: list[int] = []

    def stream(self, history: Any, question: str, config: ChatConfig) -> Any:
        return self._model.stream(history, question, config)

    def stream_all(self, questions: Sequence[str], config: ChatConfig, watch: Watch | None = None) -> list[Any]:
        if self._refuses:
            raise NoRoomError("the prompt takes 900 tokens")
        self.batches.append(len(questions))
        if self._while_writing:
            self._while_writing(len(self.batches))
        if watch:
            watch(len(questions) - 1)
        return [self._model.stream([], question, config) for question in questions]
