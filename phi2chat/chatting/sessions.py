"""A conversation as a file: `/save` and `/load` as JSONL, `/export` as Markdown; and `/copy` into the clipboard.

The first line of the JSONL says model, settings and how many turns follow, each a line with `messages` as chat
programs have them, `reasoning_content` beside the answer's `content`, and what is known of the reply.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.atomic import write_atomically
from curation.errors import UserError
from curation.records import read_bytes
from phi2chat import __version__
from phi2chat import config as configs
from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.chatting.talk import Talk
from phi2chat.config import ChatConfig
from phi2chat.files import path_of
from phi2chat.terminal.safe_text import safe

CLIPBOARD_BYTES = 50_000  # some terminals take little more in one OSC 52
_BEGINS_HTML = re.compile(r"<(?=[A-Za-z/!?])")

_FAULTS = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Saved:
    """A conversation as a file has it, and the name of the model that was spoken with."""

    path: Path
    model: str
    config: ChatConfig
    turns: list[Turn]


def save(talk: Talk, argument: str) -> None:
    """Write the conversation. Raises UserError over a file that is none."""
    path = path_of(argument, "save")
    if path.exists():
        read_conversation(path)  # over a saved conversation we write, over anything else we do not
    write_atomically(path, to_jsonl(talk.conversation))
    talk.say(f"saved {count(talk.conversation.turns)} to {path}")


def load(talk: Talk, argument: str) -> None:
    """Go on with a saved conversation, in its settings. Raises UserError, and changes nothing, where it is damaged."""
    saved = read_conversation(path_of(argument, "load"))
    talk.conversation.config = saved.config
    talk.say(go_on(talk.conversation, saved))


def go_on(conversation: Conversation, saved: Saved) -> str:
    """Let a conversation have the turns of a saved one, and what to say of it."""
    conversation.turns = list(saved.turns)
    here = conversation.model.name
    other = f" (with {saved.model} then, with {here} now)" if saved.model != here else ""
    return f"loaded {count(saved.turns)} from {saved.path}{other}; the next question goes on from there"


def export(talk: Talk, argument: str) -> None:
    """Write the conversation as Markdown for people."""
    path = path_of(argument, "export", "talk.md")
    talk.last_turn("export")
    if path.exists() and not talk.confirm(f"{path} is there already; write over it?"):
        raise UserError(f"/export: {path} stays as it is; give another file name")
    write_atomically(path, to_markdown(talk.conversation).encode("utf-8"))
    talk.say(f"exported {count(talk.conversation.turns)} to {path}")


def copy(talk: Talk, argument: str) -> None:
    """Hand the last answer to the terminal's clipboard."""
    answer = talk.last_turn("copy").answer
    if not answer:
        raise UserError("/copy: the last reply has no answer; /export talk.md writes all of it")
    if len(answer.encode()) > CLIPBOARD_BYTES:
        raise UserError(f"/copy: the answer has more than {CLIPBOARD_BYTES} bytes; try /export talk.md")
    if not talk.screen.copy(answer):
        raise UserError("/copy: there is no terminal that has a clipboard; try /export talk.md")
    talk.say(f"handed the last answer ({len(answer)} characters) to the terminal's clipboard, if it lets us (OSC 52)")


def count(turns: Sequence[Turn]) -> str:
    """How many questions, in words."""
    return f"{len(turns)} question" + ("" if len(turns) == 1 else "s")


def to_jsonl(conversation: Conversation) -> bytes:
    """The conversation as the lines that `read_conversation` reads."""
    head = {
        "phi2chat": __version__,
        "model": conversation.model.name,
        "config": configs.to_json(conversation.config),
        "turns": len(conversation.turns),
    }
    lines = [head, *map(_line_of, conversation.turns)]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8")


def _line_of(turn: Turn) -> dict[str, Any]:
    known = turn.to_json()
    reply = {"role": "assistant", "content": known.pop("answer"), "reasoning_content": known.pop("reasoning")}
    flagged = bool(turn.reasoning_spans or turn.answer_spans)
    return {"messages": [{"role": "user", "content": known.pop("question")}, reply], "flagged": flagged, **known}


def _turn_of(line: Mapping[str, Any], model: str) -> Turn:
    """The turn of a line; where that does not say who replied, it was the model of the whole conversation."""
    known = {key: value for key, value in line.items() if key not in ("messages", "flagged")}
    (asked, reply) = line["messages"]
    if (asked["role"], reply["role"]) != ("user", "assistant"):
        raise ValueError("a question and its reply")
    texts = {"question": asked["content"], "answer": reply["content"], "reasoning": reply["reasoning_content"]}
    return Turn.from_json({"origin": {"model": model}, **texts, **known})


def read_conversation(path: Path) -> Saved:
    """What was saved, also as the one JSON object that it once was. Raises UserError where it is damaged."""
    content = read_bytes(path)
    lines = content.rstrip().split(b"\n")
    turns = []
    try:
        head = _one_object(content) or json.loads(lines[0])
        model, config = str(head["model"]), configs.from_json(ChatConfig, head["config"], where=str(path))
        if isinstance(head["turns"], list):
            turns = [Turn.from_json({"origin": {"model": model}, **turn}) for turn in head["turns"]]
            return Saved(path, model, config, turns)
        expected = int(head["turns"])
    except _FAULTS:
        raise UserError(f"{path}: is not a conversation that /save wrote; give another file name") from None
    for number, line in enumerate(lines[1:], start=2):
        try:
            turns.append(_turn_of(json.loads(line), model))
        except _FAULTS:
            raise UserError(f"{path}:{number}: is no turn of a conversation; it is cut off or damaged") from None
    if len(turns) != expected:
        raise UserError(f"{path}: has {len(turns)} turns of {expected}; it is cut off or damaged")
    return Saved(path, model, config, turns)


def _one_object(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):  # so it is lines
        return None


def to_markdown(conversation: Conversation) -> str:
    """The conversation for people: each text as a quotation, what could steer a terminal visible, and no HTML in it."""
    blocks = [f"# Conversation with {_inert(conversation.model.name)}"]
    for number, turn in enumerate(conversation.turns, start=1):
        blocks.append(f"## {number}")
        for title, text in (("Question", turn.question), ("Reasoning", turn.reasoning), ("Answer", turn.answer)):
            quoted = "\n".join(f"> {line}".rstrip() for line in _inert(text or "(nothing)").splitlines())
            blocks.append(f"**{title}**\n\n{quoted}")
        other = turn.origin.model not in ("", conversation.model.name)
        by = f"; by {_inert(turn.origin.model)}" if other else ""
        blocks.append(f"*{turn.stop.value}; {turn.tokens} {turn.unit}; recipe {turn.recipe}{by}*")
    return "\n\n".join(blocks) + "\n"


def _inert(text: str) -> str:
    return _BEGINS_HTML.sub(r"\\<", safe(text))
