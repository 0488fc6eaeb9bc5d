"""The conversation and its slash commands: what is asked, what came back, and what is wrong with it."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from curation.errors import UserError
from curation.lines import is_utf8
from curation.records import read_bytes
from curation.script import Piece as CheckedPiece
from curation.script import Span, check
from curation.store import write_atomically
from phi2chat import config as configs
from phi2chat.config import ChatConfig
from phi2chat.guard import GuardReport, Part, PartReader
from phi2chat.interrupts import Interrupt
from phi2chat.prompt import Example, PromptStyle, render_completion, render_prompt
from phi2chat.recipes import RECIPES, StopReason

RETRY_TEMPERATURE = 0.7


class TextStream(Protocol):
    """A reply on its way; the attributes are final when it has been read to its end."""

    stop: StopReason
    seconds: float

    @property
    def tokens(self) -> int: ...
    @property
    def guard(self) -> GuardReport: ...
    def __iter__(self) -> Iterator[str]: ...


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

    @property
    def reasoning_spans(self) -> tuple[Span, ...]:
        return () if self.guard.mode == "off" else check(self.reasoning, self.reasoning_lang, self.question).spans

    @property
    def answer_spans(self) -> tuple[Span, ...]:
        return () if self.guard.mode == "off" else check(self.answer, self.lang, self.question).spans

    def to_json(self) -> dict[str, Any]:
        """The turn as plain JSON values."""
        values = dataclasses.asdict(self)
        return {**values, "stop": self.stop.name.lower(), "seconds": round(self.seconds, 3)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Turn":
        """The turn that `to_json` wrote. Raises KeyError, ValueError or TypeError for anything else."""
        guard = GuardReport.from_json(values.get("guard", {}))
        turn = cls(**{**values, "stop": StopReason[values["stop"].upper()], "guard": guard})
        texts = (turn.question, turn.reasoning, turn.answer, turn.recipe, turn.lang, turn.reasoning_lang)
        if not all(isinstance(text, str) and is_utf8(text) for text in texts) or not turn.question.strip():
            raise ValueError("a text is missing")
        return dataclasses.replace(turn, tokens=int(turn.tokens), seconds=float(turn.seconds))


class Conversation:
    """The turns so far, the settings, and the model that replies."""

    def __init__(self, model: Model, config: ChatConfig) -> None:
        self.model, self.config = model, config
        self.turns: list[Turn] = []
        self.show_reasoning = True

    def ask(
        self, question: str, interrupt: Interrupt | None = None, again: bool = False, **changes: Any
    ) -> Iterator[Piece]:
        """Ask, and yield the reply piece by piece; when it has been read, the turn is the last of `turns`.

        A reply that is interrupted stays, as far as it came. `changes` replace settings for this reply; with `again`
        it takes the place of the last turn, which stays if none comes.
        """
        if not is_utf8(question):
            raise UserError("the question holds a byte that is not UTF-8; set the terminal to UTF-8 and type it again")
        earlier = self.turns[:-1] if again else list(self.turns)
        config = dataclasses.replace(self.config, **changes)
        style = self.model.style
        history = [
            Example(render_prompt(style, turn.question), render_completion(style, turn.reasoning, turn.answer))
            for turn in (earlier if RECIPES[config.recipe].history else [])
            if turn.answer
        ]
        stream = self.model.stream(history, question, config)
        reader = PartReader(style, config, question)
        texts: dict[Part, str] = {"reasoning": "", "answer": ""}

        def pieces(read: Iterable[tuple[Part, CheckedPiece]]) -> Iterator[Piece]:
            for part, piece in read:
                texts[part] += piece.text
                yield Piece(part, piece.text, piece.span_language)

        stop = None
        for text in stream:
            yield from pieces(reader.feed(text))
            if reader.finished:
                stop = StopReason.NEXT_QUESTION
                break
            if interrupt and interrupt.requested:
                stop = StopReason.INTERRUPTED
                break
        yield from pieces(reader.close())
        turn = Turn(
            question,
            texts["reasoning"],
            texts["answer"],
            stop or stream.stop,
            stream.tokens,
            stream.seconds,
            config.recipe,
            config.lang,
            config.reasoning_lang or config.lang,
            stream.guard,
        )
        self.turns = [*earlier, turn]


@dataclass(frozen=True)
class Outcome:
    """What a slash command leads to: a notice, a turn's reasoning to show, a question to ask (again), or the end."""

    notice: str = ""
    reasoning_of: Turn | None = None
    question: str | None = None
    again: bool = False
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    leave: bool = False


def run_command(conversation: Conversation, line: str) -> Outcome:
    """Run a line that begins with a slash. Raises UserError for a command or a value that does not exist."""
    import difflib

    name, _, argument = line.strip()[1:].partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        raise UserError(f"/{name}: no such command; " + (f"did you mean /{near[0]}?" if near else "see /help"))
    return command.run(conversation, argument.strip())


def _help(conversation: Conversation, argument: str) -> Outcome:
    usage = {name: f"/{name} {command.argument}".rstrip() for name, command in COMMANDS.items()}
    width = max(map(len, usage.values()))
    lines = [f"{usage[name]:{width}}  {command.help}" for name, command in COMMANDS.items()]
    keys = "Enter sends, Alt-Enter begins a new line, Ctrl-C stops a reply, Ctrl-R searches, Ctrl-D leaves"
    return Outcome("\n".join([*lines, "", keys]))


def _reasoning(conversation: Conversation, argument: str) -> Outcome:
    if argument not in ("on", "off"):
        raise UserError("/reasoning: say on or off")
    conversation.show_reasoning = argument == "on"
    last = conversation.turns[-1] if conversation.turns and conversation.show_reasoning else None
    return Outcome(f"reasoning is {'shown' if conversation.show_reasoning else 'folded'}", reasoning_of=last)


def _set_one(key: str) -> Callable[[Conversation, str], Outcome]:
    def run(conversation: Conversation, argument: str) -> Outcome:
        if argument:
            conversation.config = configs.change(conversation.config, key, argument, where=f"/{key}")
        value = getattr(conversation.config, key)
        return Outcome(f"{key} is {value}" + (f": {RECIPES[value].summary}" if key == "recipe" else ""))

    return run


def _set(conversation: Conversation, argument: str) -> Outcome:
    key, _, value = argument.partition(" ")
    if value:
        conversation.config = configs.change(conversation.config, key, value.strip(), where="/set")
    elif key:
        raise UserError(f"/set {key}: needs a value, as in /set temperature 0.7")
    return Outcome("\n".join(f"{key} = {value}" for key, value in configs.to_json(conversation.config).items()))


def _retry(conversation: Conversation, argument: str) -> Outcome:
    last = _last(conversation, "retry")
    config = conversation.config
    temperature = config.temperature or RETRY_TEMPERATURE
    # A greedy reply would come out the same, and so would a sample with the same seed.
    conversation.config = dataclasses.replace(config, seed=config.seed + 1)
    notice = f"asking again with temperature {temperature:g} and seed {conversation.config.seed}"
    return Outcome(notice, question=last.question, again=True, changes={"temperature": temperature})


def _undo(conversation: Conversation, argument: str) -> Outcome:
    last = _last(conversation, "undo")
    conversation.turns.pop()
    return Outcome(f"forgot the last question: {last.question.splitlines()[0]}")


def _reset(conversation: Conversation, argument: str) -> Outcome:
    notice = f"forgot {_count(conversation.turns)}"
    conversation.turns.clear()
    return Outcome(notice)


def _save(conversation: Conversation, argument: str) -> Outcome:
    path = _path(argument, "save")
    if path.exists():
        _read_conversation(path)  # over a saved conversation we write, over anything else we do not
    content = {
        "model": conversation.model.name,
        "config": configs.to_json(conversation.config),
        "turns": [turn.to_json() for turn in conversation.turns],
    }
    write_atomically(path, json.dumps(content, ensure_ascii=False, indent=2).encode("utf-8") + b"\n")
    return Outcome(f"saved {_count(conversation.turns)} to {path}")


def _load(conversation: Conversation, argument: str) -> Outcome:
    path = _path(argument, "load")
    config, turns = _read_conversation(path)
    conversation.config, conversation.turns = config, turns
    return Outcome(f"loaded {_count(turns)} from {path}; the next question goes on from there")


def _stats(conversation: Conversation, argument: str) -> Outcome:
    turns = conversation.turns
    tokens, seconds = sum(turn.tokens for turn in turns), sum(turn.seconds for turn in turns)
    stops = {reason: sum(turn.stop is reason for turn in turns) for reason in StopReason}
    lines = [
        f"model      {conversation.model.name}",
        f"replies    {len(turns)}, {tokens} tokens" + (f", {tokens / seconds:.1f} tokens/s" if seconds else ""),
        "stopped    " + (", ".join(f"{count} {reason.value}" for reason, count in stops.items() if count) or "-"),
        f"flagged    {sum(bool(turn.reasoning_spans or turn.answer_spans) for turn in turns)} in a wrong script",
    ]
    return Outcome("\n".join(lines))


def _quit(conversation: Conversation, argument: str) -> Outcome:
    return Outcome(leave=True)


def _last(conversation: Conversation, command: str) -> Turn:
    if not conversation.turns:
        raise UserError(f"/{command}: nothing was asked yet")
    return conversation.turns[-1]


def _count(turns: Sequence[Turn]) -> str:
    return f"{len(turns)} question" + ("" if len(turns) == 1 else "s")


def _path(argument: str, command: str) -> Path:
    if not argument:
        raise UserError(f"/{command}: needs a file name, as in /{command} talk.json")
    if "\0" in argument:
        raise UserError(f"/{command}: a file name holds no NUL")
    return Path(os.path.expanduser(argument))


def _read_conversation(path: Path) -> tuple[ChatConfig, list[Turn]]:
    try:
        content = json.loads(read_bytes(path))
        config = configs.from_json(ChatConfig, content["config"], where=str(path))
        turns = [Turn.from_json(turn) for turn in content["turns"]]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise UserError(f"{path}: is not a conversation that /save wrote; give another file name") from None
    return config, turns


@dataclass(frozen=True)
class Command:
    """A slash command: what it takes, what it does, and what its argument can be completed to."""

    argument: str
    help: str
    run: Callable[[Conversation, str], Outcome]
    choices: tuple[str, ...] = ()


_LANGUAGES = ("ja", "en", "zh-Hans", "zh-Hant", "ko")
_GUARDS = ("flag", "enforce", "off")
_SETTINGS = tuple(field.name for field in dataclasses.fields(ChatConfig))

COMMANDS = {
    "help": Command("", "this list", _help),
    "reasoning": Command("on|off", "show the reasoning or fold it away", _reasoning, ("on", "off")),
    "lang": Command("TAG", "the language of replies; other scripts are flagged", _set_one("lang"), _LANGUAGES),
    "guard": Command("flag|enforce|off", "mark a wrong script, keep it out, or neither", _set_one("guard"), _GUARDS),
    "recipe": Command("a|b|chat", "the way of inference", _set_one("recipe"), tuple(RECIPES)),
    "retry": Command("", "ask the last question again, sampled", _retry),
    "undo": Command("", "forget the last question and its reply", _undo),
    "reset": Command("", "forget the conversation", _reset),
    "set": Command("KEY VALUE", "change a setting; without one, list them", _set, _SETTINGS),
    "save": Command("FILE", "write the conversation to a file", _save),
    "load": Command("FILE", "go on with a saved conversation", _load),
    "stats": Command("", "model, tokens, speed, why replies stopped", _stats),
    "quit": Command("", "leave", _quit),
}
