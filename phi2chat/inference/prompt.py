"""The one format of training and chat: record -> prompt + completion -> token ids; stream -> segments.

A prompt ends on a visible marker: a trailing newline would be tokenized differently in training and in chat.
"""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from curation.atomic import write_atomically
from curation.errors import UserError
from curation.records import Record, read_bytes

PROMPT_FILE = "prompt.json"


@dataclass(frozen=True)
class PromptStyle:
    """The markers of the format; saved as prompt.json beside an adapter, so that chat uses what was trained.

    Without one for the reasoning a reply is the answer alone.
    """

    instruction: str = "### Instruction:"
    input: str = "### Input:"
    reasoning: str = "### Reasoning:"
    answer: str = "### Answer:"

    @property
    def opening(self) -> str:
        """The marker that a prompt ends with."""
        return self.reasoning or self.answer

    @property
    def opens(self) -> Literal["reasoning", "answer"]:
        """The part that a reply begins with."""
        return "reasoning" if self.reasoning else "answer"

    @property
    def markers(self) -> tuple[str, ...]:
        """All that there are, in the order of the format."""
        return tuple(filter(None, dataclasses.astuple(self)))


@dataclass(frozen=True)
class Example:
    """What the model reads and what it should write; the end-of-text token follows the completion."""

    prompt: str
    completion: str


@dataclass(frozen=True)
class Encoded:
    """Token ids of an example and which of them are its completion, the end-of-text token included."""

    input_ids: list[int]
    completion_mask: list[int]


class Tokenizer(Protocol):
    """What is needed of a transformers tokenizer."""

    eos_token_id: int

    def __call__(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool) -> Any: ...


def render_prompt(style: PromptStyle, instruction: str, context: str = "") -> str:
    """The prompt of a question, and of the input that belongs to it."""
    blocks = [f"{style.instruction}\n{instruction.strip()}"]
    if context.strip():
        blocks.append(f"{style.input}\n{context.strip()}")
    return "\n\n".join([*blocks, style.opening])


def render_completion(style: PromptStyle, reasoning: str, answer: str) -> str:
    """The completion that answers a prompt."""
    if not style.reasoning:
        return f"\n{answer.strip()}"
    return f"\n{reasoning.strip()}\n\n{style.answer}\n{answer.strip()}"


def render_record(style: PromptStyle, record: Record) -> Example:
    """A record as an example."""
    return Example(
        render_prompt(style, record.instruction, record.input),
        render_completion(style, record.reasoning, record.answer),
    )


def markers_in(style: PromptStyle, text: str) -> str | None:
    """The first marker of the style that stands in a text, which would take a prompt or a reply apart wrongly."""
    return next((marker for marker in style.markers if marker in text), None)


def encode(tokenizer: Tokenizer, example: Example) -> Encoded:
    """Token ids of a training example. Prompt and completion are tokenized apart, as they are in chat."""
    prompt = encode_prompt(tokenizer, [], example.prompt)
    completion = [*_ids(tokenizer, example.completion), tokenizer.eos_token_id]
    return Encoded(prompt + completion, [0] * len(prompt) + [1] * len(completion))


def encode_prompt(tokenizer: Tokenizer, history: Iterable[Example], prompt: str) -> list[int]:
    """Token ids of a prompt after the earlier turns of its conversation, each closed by the end-of-text token."""
    ids: list[int] = []
    for turn in history:
        ids += [*_ids(tokenizer, turn.prompt, first=not ids), *_ids(tokenizer, turn.completion), tokenizer.eos_token_id]
    return ids + _ids(tokenizer, prompt, first=not ids)


def _ids(tokenizer: Tokenizer, text: str, first: bool = False) -> list[int]:
    # Without split_special_tokens a "<|endoftext|>" in somebody's text would become the real one.
    return list(tokenizer(text, add_special_tokens=first, split_special_tokens=True)["input_ids"])


def save_style(style: PromptStyle, folder: Path) -> None:
    """Write prompt.json beside an adapter."""
    content = json.dumps(dataclasses.asdict(style), ensure_ascii=False, indent=2)
    write_atomically(folder / PROMPT_FILE, content.encode("utf-8") + b"\n")


def load_style(folder: Path) -> PromptStyle:
    """The style an adapter was trained with. Raises UserError where prompt.json is missing or is not one."""
    path = folder / PROMPT_FILE
    try:
        markers = json.loads(read_bytes(path))
        style = PromptStyle(**markers)
        if len(markers) != len(dataclasses.fields(PromptStyle)) or not all(
            isinstance(marker, str) and (marker.strip() or (name == "reasoning" and not marker))
            for name, marker in markers.items()
        ):
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise UserError(f"{path}: is not a prompt style; train the adapter again or restore the file") from None
    return style


@dataclass(frozen=True)
class Segment:
    """A piece of a reply and the part it belongs to."""

    kind: Literal["reasoning", "answer"]
    text: str


class SegmentParser:
    """Takes a reply apart while it streams; how it is cut into pieces never changes the segments' texts.

    `finished` is true once the model has begun a question of its own, which is not part of the reply.
    """

    def __init__(self, style: PromptStyle) -> None:
        self._style = style
        self._markers = style.markers
        self._held = ""
        self._kind = style.opens
        self._begun = False
        self.finished = False

    def feed(self, text: str) -> list[Segment]:
        """The segments that are certain after `text`; a possible marker and trailing blanks wait."""
        if self.finished:
            return []
        self._held += text
        segments: list[Segment] = []
        while (found := self._next_marker()) is not None:
            position, marker = found
            segments += self._emit(self._held[:position].rstrip())
            self._held = self._held[position + len(marker) :]
            if marker != self._style.answer or self._kind == "answer":
                self.finished, self._held = True, ""
                return segments
            self._kind, self._begun = "answer", False
        certain = self._held[: len(self._held) - self._possible_marker()].rstrip()
        segments += self._emit(certain)
        self._held = self._held[len(certain) :]
        return segments

    def close(self) -> list[Segment]:
        """What was still waiting for more."""
        rest, self._held = self._held.rstrip(), ""
        return self._emit(rest)

    def _emit(self, text: str) -> list[Segment]:
        if not self._begun:
            text = text.lstrip()
        self._begun = self._begun or bool(text)
        return [Segment(self._kind, text)] if text else []

    def _next_marker(self) -> tuple[int, str] | None:
        found = [(self._held.find(marker), marker) for marker in self._markers]
        return min((place for place in found if place[0] >= 0), default=None)

    def _possible_marker(self) -> int:
        longest = max(map(len, self._markers)) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(marker.startswith(self._held[-length:]) for marker in self._markers):
                return length
        return 0
