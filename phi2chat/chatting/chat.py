"""The conversation: what is asked, what came back, and what is wrong with it."""

import dataclasses
import math
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from curation.errors import UserError
from curation.lines import is_utf8
from curation.script import Piece as CheckedPiece
from curation.script import Span, check
from phi2chat.chatting.origin import Origin, origin_of
from phi2chat.config import ChatConfig
from phi2chat.inference.guard import GuardReport, Part, PartReader
from phi2chat.inference.prompt import Example, PromptStyle, render_completion, render_prompt
from phi2chat.inference.recipes import RECIPES, StopReason
from phi2chat.terminal.interrupts import Ended, Interrupt

Unit = Literal["tokens", "pieces"]


class TextStream(Protocol):
    """A reply on its way; the attributes are final when it has been read to its end."""

    stop: StopReason
    seconds: float

    @property
    def unit(self) -> Unit: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def tokens(self) -> int: ...
    @property
    def guard(self) -> GuardReport: ...
    def __iter__(self) -> Iterator[str]: ...


@runtime_checkable
class TellsContext(Protocol):
    """A stream that knows how many tokens were read and written for it, or None; final when it has been read."""

    @property
    def context_tokens(self) -> int | None: ...


class Model(Protocol):
    """What a conversation needs of a model."""

    @property
    def name(self) -> str: ...
    @property
    def style(self) -> PromptStyle: ...
    def stream(self, history: Sequence[Example], question: str, config: ChatConfig) -> TextStream: ...


@dataclass(frozen=True)
class Piece:
    """Text to show now: the part of the reply it belongs to, and the wrong language it is in, if it is."""

    part: Part
    text: str
    wrong_language: str | None


@dataclass(frozen=True)
class Turn:
    """A question and its reply.

    `unit` is what `tokens` counts: `pieces` are the events of a server that does not count its tokens. `notes` are
    sentences about the reply, such as where the connection was lost. `context_tokens` are what a server read and wrote
    for it, where it says so.
    `reasoning_spans` and `answer_spans` are the runs in a wrong script; with the guard off nothing is one.
    """

    question: str
    reasoning: str
    answer: str
    stop: StopReason
    tokens: int
    seconds: float
    recipe: str
    lang: str
    reasoning_lang: str
    guard: GuardReport = dataclasses.field(default_factory=GuardReport)
    unit: Unit = "tokens"
    notes: tuple[str, ...] = ()
    context_tokens: int | None = None
    origin: Origin = dataclasses.field(default_factory=Origin)

    @property
    def reasoning_spans(self) -> tuple[Span, ...]:
        return () if self.guard.mode == "off" else check(self.reasoning, self.reasoning_lang, self.question).spans

    @property
    def answer_spans(self) -> tuple[Span, ...]:
        return () if self.guard.mode == "off" else check(self.answer, self.lang, self.question).spans

    def to_json(self) -> dict[str, Any]:
        """The turn as plain JSON values."""
        values = dataclasses.asdict(self)
        spelled = {"stop": self.stop.name.lower(), "seconds": round(self.seconds, 3), "notes": list(self.notes)}
        return {**values, **spelled}

    def report(self) -> dict[str, Any]:
        """The turn and what is in a wrong script in it, as plain JSON values."""
        spans = {"reasoning_spans": self.reasoning_spans, "answer_spans": self.answer_spans}
        found = {name: [dataclasses.asdict(span) for span in runs] for name, runs in spans.items()}
        return {**self.to_json(), "flagged": any(found.values()), **found}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Turn":
        """The turn that `to_json` wrote. Raises KeyError, ValueError or TypeError for anything else."""
        parts = {
            "stop": StopReason[values["stop"].upper()],
            "guard": GuardReport.from_json(values.get("guard", {})),
            "origin": Origin.from_json(values.get("origin", {})),
        }
        turn = cls(**{**values, **parts})
        texts = (turn.question, turn.reasoning, turn.answer, turn.recipe, turn.lang, turn.reasoning_lang)
        if not all(isinstance(text, str) and is_utf8(text) for text in texts) or not turn.question.strip():
            raise ValueError("a text is missing")
        if turn.unit not in get_args(Unit):
            raise ValueError(f"{turn.unit} is nothing that is counted")
        if turn.recipe not in RECIPES:
            raise ValueError(f"{turn.recipe} is no recipe")
        tokens, seconds, notes = int(turn.tokens), float(turn.seconds), tuple(map(str, turn.notes))
        context = None if turn.context_tokens is None else int(turn.context_tokens)
        # Of which /stats makes a sum and a quotient.
        if not (0 <= tokens <= sys.maxsize and 0 <= (context or 0) <= sys.maxsize and 0 <= seconds < math.inf):
            raise ValueError("a number is no count")
        return dataclasses.replace(turn, tokens=tokens, context_tokens=context, seconds=seconds, notes=notes)


class Conversation:
    """The turns so far, the settings, and the model that replies."""

    def __init__(self, model: Model, config: ChatConfig) -> None:
        self.model, self.config = model, config
        self.turns: list[Turn] = []
        self.show_reasoning = True

    def history(self) -> list[Example]:
        """What the next question comes after, as the model reads it."""
        return self._history(self.turns, self.config)

    def _history(self, turns: Sequence[Turn], config: ChatConfig) -> list[Example]:
        style = self.model.style
        return [
            Example(render_prompt(style, turn.question), render_completion(style, turn.reasoning, turn.answer))
            for turn in (turns if RECIPES[config.recipe].history else [])
            if turn.answer
        ]

    def ask(
        self, question: str, interrupt: Interrupt | None = None, again: bool = False, **changes: Any
    ) -> Generator[Piece, None, None]:
        """Ask, and yield the reply piece by piece; when it has been read, the turn is the last of `turns`.

        A reply that is interrupted stays, as far as it came, also where a second Ctrl-C breaks off the model's step;
        if nothing came by then, that raises KeyboardInterrupt. `changes` replace settings for this reply; with `again`
        it takes the place of the last turn, which stays if none comes.
        """
        if not is_utf8(question):
            raise UserError("the question holds a byte that is not UTF-8; set the terminal to UTF-8 and type it again")
        earlier = self.turns[:-1] if again else list(self.turns)
        config = dataclasses.replace(self.config, **changes)
        style, history = self.model.style, self._history(earlier, config)
        stream = self.model.stream(history, question, config)
        reader = PartReader(style, config, question)
        texts: dict[Part, str] = {"reasoning": "", "answer": ""}

        def pieces(read: Iterable[tuple[Part, CheckedPiece]]) -> Iterator[Piece]:
            for part, piece in read:
                texts[part] += piece.text
                yield Piece(part, piece.text, piece.span_language)

        stop = None
        try:
            for text in stream:
                yield from pieces(reader.feed(text))
                if reader.finished:
                    stop = StopReason.NEXT_QUESTION
                    break
                if interrupt and interrupt.requested:
                    stop = StopReason.INTERRUPTED
                    break
        except Ended:
            raise
        except KeyboardInterrupt:
            if interrupt is None or not any(texts.values()):
                raise
            stop = StopReason.INTERRUPTED
        rest = list(pieces(reader.close()))
        turn = Turn(
            question,
            texts["reasoning"],
            texts["answer"],
            stop or stream.stop,
            stream.tokens,
            round(stream.seconds, 3),  # as `to_json` has it, so that a reply that is loaded is known again
            config.recipe,
            config.lang,
            config.reasoning_lang or config.lang,
            stream.guard,
            stream.unit,
            stream.notes,
            stream.context_tokens if isinstance(stream, TellsContext) else None,
            origin_of(self.model, self.model.name, config),
        )
        self.turns = [*earlier, turn]
        yield from rest  # an interrupt while it is shown comes too late to lose the reply
