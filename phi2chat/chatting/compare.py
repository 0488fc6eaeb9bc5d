"""`/compare`: one question to two models, or in two recipes, and what came of it side by side."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from curation.atomic import write_atomically
from curation.errors import UserError
from curation.records import read_bytes
from phi2chat import config as configs
from phi2chat.chatting.chat import Conversation, Model, Turn
from phi2chat.chatting.talk import Talk
from phi2chat.config import ChatConfig
from phi2chat.files import path_of
from phi2chat.inference.recipes import RECIPES
from phi2chat.terminal.interrupts import Ended


@runtime_checkable
class HasVariants(Protocol):
    """A model whose adapter can be left out or be another one."""

    def without_adapter(self) -> Model: ...
    def with_adapter(self, adapter: Path) -> Model: ...


@dataclass(frozen=True)
class Side:
    """One side of a comparison: who is asked, under which title, in which settings, and then the reply."""

    title: str
    model: Model
    config: ChatConfig
    turn: Turn | None = None

    def to_json(self) -> dict[str, Any]:
        """The reply as plain JSON values, with all that decided it."""
        report = self.turn.report() if self.turn else {}
        return {"side": self.title, "model": self.model.name, "config": configs.to_json(self.config), **report}


def compare(talk: Talk, argument: str) -> None:
    """Ask both sides, one after the other, and show them side by side; or save the last comparison.

    The conversation stays as it is. Raises UserError where there is nothing to compare.
    """
    first, _, rest = argument.partition(" ")
    if first == "save" and len(argument.split()) <= 2:
        _save(talk, rest.strip())
        return
    sides, question = _sides(talk, argument)
    earlier = list(talk.conversation.turns)
    if not question:
        question = talk.last_turn("compare").question
        earlier.pop()
    try:
        left, right = (_ask(talk, side, earlier, question) for side in sides)
    except Ended:
        raise
    except KeyboardInterrupt:
        talk.screen.say("stopped at once; there is no comparison", "warning")
        return
    finally:
        talk.screen.end_progress()
    talk.comparison = (left.to_json(), right.to_json())
    assert left.turn is not None and right.turn is not None
    replies = [(turn.reasoning, turn.answer) for turn in (left.turn, right.turn)]
    same = "; the same reply" if replies[0] == replies[1] else ""
    talk.say(f"{question}\n{_describe_sampling(left.config)}{same}")
    talk.screen.side_by_side((left.title, left.turn), (right.title, right.turn))


def _sides(talk: Talk, argument: str) -> tuple[tuple[Side, Side], str]:
    """Who is compared, and the question, which may be empty."""
    model, config = talk.conversation.model, talk.conversation.config
    first, _, rest = argument.partition(" ")
    second, _, after = rest.strip().partition(" ")
    if first in RECIPES:
        if second not in RECIPES or second == first:
            raise UserError("/compare: name two recipes, as in /compare a b")
        recipes = (configs.change(config, "recipe", name) for name in (first, second))
        left, right = (Side(f"recipe {recipe.recipe}", model, recipe) for recipe in recipes)
        return (left, right), after.strip()
    if not isinstance(model, HasVariants):
        raise UserError(f"/compare: {model.name} has no base and no adapters; /compare a b compares recipes")
    adapter = _folder(first)
    if adapter is not None:
        other: Model = model.with_adapter(adapter)
        return (Side(model.name, model, config), Side(other.name, other, config)), rest.strip()
    base = model.without_adapter()
    return (Side(base.name, base, config), Side(model.name, model, config)), argument


def _folder(word: str) -> Path | None:
    """The folder that a word names, or None where it is the beginning of a question."""
    if not word:
        return None
    path = path_of(word, "compare")
    if path.is_dir():
        return path
    if word.startswith(("./", "../", "~/", "/", "runs/")):
        raise UserError(f"/compare: {word}: no such folder; give one that `train` wrote")
    return None


def _ask(talk: Talk, side: Side, earlier: Sequence[Turn], question: str) -> Side:
    """The side with its reply; Ctrl-C or Esc ends it, and what came is compared. The second Ctrl-C interrupts."""
    from phi2chat.chatting.reply_keys import noting_keys

    asked = Conversation(side.model, side.config)
    asked.turns = list(earlier)
    talk.screen.status(f"asking {side.title}")
    with noting_keys() as interrupt:
        for _ in asked.ask(question, interrupt):
            pass
        if interrupt.insisted:
            raise KeyboardInterrupt
    return dataclasses.replace(side, turn=asked.turns[-1])


def _describe_sampling(config: ChatConfig) -> str:
    if not config.temperature:
        return "both greedy"
    return f"both with temperature {config.temperature:g} and seed {config.seed}"


def _save(talk: Talk, argument: str) -> None:
    path = path_of(argument, "compare save", "compared.jsonl")
    if talk.comparison is None:
        raise UserError("/compare save: nothing was compared yet")
    before = read_bytes(path) if path.exists() else b""
    if before and not _holds_comparisons(before):
        raise UserError(f"{path}: is not a file of comparisons; give another file name")
    lines = "".join(json.dumps(side, ensure_ascii=False) + "\n" for side in talk.comparison)
    write_atomically(path, before + lines.encode("utf-8"))
    talk.say(f"added the comparison to {path}" if before else f"saved the comparison to {path}")


def _holds_comparisons(content: bytes) -> bool:
    try:
        last = json.loads(content.splitlines()[-1])
        return content.endswith(b"\n") and isinstance(last, dict) and "side" in last
    except (ValueError, RecursionError):
        return False
