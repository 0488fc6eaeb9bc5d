"""The slash commands: each is a function of the talk and of what stands behind its name."""

import dataclasses
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from unicodedata import normalize

from curation.errors import UserError
from curation.script.languages import knows_language
from phi2chat import config as configs
from phi2chat.chatting import sessions
from phi2chat.chatting.compare import compare
from phi2chat.chatting.fix import dataset, fix, fixes, good, why
from phi2chat.chatting.probe import probe
from phi2chat.chatting.talk import Talk
from phi2chat.config import ChatConfig
from phi2chat.inference.recipes import RECIPES, StopReason
from phi2chat.terminal.safe_text import on_one_line

RETRY_TEMPERATURE = 0.7
SLASHES = ("/", "／")  # the second one is what a Japanese keyboard sends
# What aichat, Axolotl, llm, ollama and transformers call our commands.
CALLED_ELSEWHERE = {
    "exit": "quit", "bye": "quit", "q": "quit", "?": "help", "clear": "reset", "new": "reset", "regenerate": "retry",
    "regen": "retry", "expand": "reasoning", "think": "reasoning", "thinking": "reasoning",
    "nothink": "reasoning off", "show": "set", "info": "stats", "tokens": "stats", "verbose": "stats",
    "temp": "set temperature", "temperature": "set temperature", "top_p": "set top_p", "seed": "set seed",
    "max_tokens": "set max_new_tokens", "max_new_tokens": "set max_new_tokens", "parameter": "set", "language": "lang",
    "example": "probe", "sources": "why", "dataset": "data", "session": "load", "resume": "load",
}  # fmt: skip
# What they have and we have not, and what to do instead.
DONE_OTHERWISE = {
    "model": "/save the conversation, begin repl with another --adapter, --base or --endpoint, and --load FILE",
    "system": "no system prompt was trained with; write what the model should know into the question",
    "file": "Ctrl-X Ctrl-E opens the question in $EDITOR; read the file in there",
    "multi": "Alt-Enter begins a new line, Ctrl-X Ctrl-E opens $EDITOR, and a pasted text stays one",
    "continue": "/set max_new_tokens to more, and /edit asks the last question again",
    "history": "Up and Ctrl-R find earlier questions, and /export talk.md writes the conversation",
}
KEYS = (
    "Enter sends, Alt-Enter begins a new line, Ctrl-X Ctrl-E opens $EDITOR, "
    "Ctrl-C or Esc stops a reply, Ctrl-R searches, Ctrl-D leaves; "
    "a question that begins with a slash is written with two: //"
)


@dataclass(frozen=True)
class Command:
    """A slash command: what it takes, what it does, and what its argument can be completed to.

    With `takes` that is a file, or a folder, or behind `save` a file.
    `run` says on the screen what came of it. It raises UserError, and changes nothing, where it is asked for what it
    cannot do.
    """

    argument: str
    help: str
    run: Callable[[Talk, str], None]
    choices: tuple[str, ...] = ()
    takes: Literal["", "file", "folder"] = ""


def follow(talk: Talk, line: str) -> None:
    """Do what a line says: a command behind one slash, or else a question, of which two slashes are one.

    Raises UserError for a command or a value that does not exist, and for a question that cannot be asked.
    """
    edited, talk.draft = bool(talk.draft), ""
    if line.startswith(SLASHES) and not line[1:].startswith(SLASHES):
        run_command(talk, line)
    else:
        talk.reply(line[1:] if line.startswith(SLASHES) else line, again=edited)


def run_command(talk: Talk, line: str) -> None:
    """Run a line that begins with a slash. Raises UserError for a command or a value that does not exist."""
    name, *rest = line.strip()[1:].split(maxsplit=1) or [""]
    known = normalize("NFKC", name)
    command = COMMANDS.get(known)
    if command is None and known in DONE_OTHERWISE:
        raise UserError(f"/{name}: no such command; {DONE_OTHERWISE[known]}")
    if command is None:
        names = {name: name for name in COMMANDS} | CALLED_ELSEWHERE
        meant = next((names[near] for near in difflib.get_close_matches(known, names, n=1)), "")
        raise UserError(f"/{name}: no such command; " + (f"did you mean /{meant}?" if meant else "see /help"))
    command.run(talk, rest[0] if rest else "")


def _help(talk: Talk, argument: str) -> None:
    talk.screen.definitions(
        [(f"/{name} {command.argument}".rstrip(), command.help) for name, command in COMMANDS.items()]
    )
    talk.say(f"\n{KEYS}")


def _reasoning(talk: Talk, argument: str) -> None:
    if argument not in ("on", "off"):
        raise UserError("/reasoning: say on or off")
    conversation = talk.conversation
    conversation.show_reasoning = argument == "on"
    talk.say(f"reasoning is {'shown' if conversation.show_reasoning else 'folded'}")
    if conversation.show_reasoning and conversation.turns:
        talk.screen.reasoning(conversation.turns[-1])


def _set_one(key: str) -> Callable[[Talk, str], None]:
    def run(talk: Talk, argument: str) -> None:
        conversation = talk.conversation
        if argument:
            conversation.config = configs.change(conversation.config, key, normalize("NFKC", argument), where=f"/{key}")
        value = getattr(conversation.config, key)
        said = f"{key} is {value}"
        if key == "recipe":
            said += f": {RECIPES[value].summary}"
        elif key == "lang" and not knows_language(value):
            said += "; the guard does not know this language, so that nothing is in a wrong script"
        talk.say(said)

    return run


def _set(talk: Talk, argument: str) -> None:
    conversation = talk.conversation
    key, _, value = normalize("NFKC", argument).partition(" ")
    if value:
        conversation.config = configs.change(conversation.config, key, value.strip(), where="/set")
    elif key:
        raise UserError(f"/set {key}: needs a value, as in /set temperature 0.7")
    settings = configs.to_json(conversation.config).items()
    talk.say("\n".join(f"{key} = {'that of lang' if value is None else value}" for key, value in settings))


def _retry(talk: Talk, argument: str) -> None:
    last, conversation = talk.last_turn("retry"), talk.conversation
    config = conversation.config
    temperature = config.temperature or RETRY_TEMPERATURE
    # A greedy reply would come out the same, and so would a sample with the same seed.
    conversation.config = dataclasses.replace(config, seed=config.seed + 1)
    talk.say(f"asking again with temperature {temperature:g} and seed {conversation.config.seed}")
    talk.reply(last.question, again=True, temperature=temperature)


def _edit(talk: Talk, argument: str) -> None:
    last = talk.last_turn("edit").question
    if argument:
        talk.reply(argument, again=True)
    else:
        talk.draft = last[0] + last if last.startswith(SLASHES) else last


def _undo(talk: Talk, argument: str) -> None:
    last = talk.last_turn("undo")
    talk.conversation.turns.pop()
    first_line, _, _ = last.question.partition("\n")
    talk.say(f"forgot the last question: {on_one_line(first_line)}")


def _reset(talk: Talk, argument: str) -> None:
    forgotten = sessions.count(talk.conversation.turns)
    talk.conversation.turns.clear()
    talk.say(f"forgot {forgotten}")


def _stats(talk: Talk, argument: str) -> None:
    turns = talk.conversation.turns
    tokens, seconds = sum(turn.tokens for turn in turns), sum(turn.seconds for turn in turns)
    unit = " and ".join(sorted({turn.unit for turn in turns}, reverse=True)) or "tokens"
    stops = {reason: sum(turn.stop is reason for turn in turns) for reason in StopReason}
    lines = [
        f"model      {talk.conversation.model.name}",
        f"replies    {len(turns)}, {tokens} {unit}" + (f", {tokens / seconds:.1f} {unit}/s" if seconds else ""),
        "stopped    " + (", ".join(f"{count} {reason.value}" for reason, count in stops.items() if count) or "-"),
        f"flagged    {sum(bool(turn.reasoning_spans or turn.answer_spans) for turn in turns)} in a wrong script",
    ]
    talk.say("\n".join(lines))


def _quit(talk: Talk, argument: str) -> None:
    talk.leaving = True


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
    "fix": Command("", "correct the last reply and save it as a record", fix),
    "good": Command("", "save the last reply as a record", good),
    "fixes": Command("[undo]", "the records that were saved; take the last back", fixes, ("undo",)),
    "data": Command("FILE", "the dataset that records go to", dataset, takes="file"),
    "why": Command("[N]", "the training records nearest to the last question", why),
    "edit": Command("[QUESTION]", "change the last question and ask it again", _edit),
    "compare": Command(
        "[FOLDER|a b] ...", "one question to base and adapter, or as you say", compare, ("save",), "folder"
    ),
    "probe": Command("[FILE]", "ask every record of a file, by default of the run", probe, takes="file"),
    "undo": Command("", "forget the last question and its reply", _undo),
    "reset": Command("", "forget the conversation", _reset),
    "set": Command("KEY VALUE", "change a setting; without one, list them", _set, _SETTINGS),
    "save": Command("FILE", "write the conversation to a file (JSONL)", sessions.save, takes="file"),
    "load": Command("FILE", "go on with a saved conversation", sessions.load, takes="file"),
    "export": Command("FILE.md", "write the conversation as Markdown", sessions.export, takes="file"),
    "copy": Command("", "the last answer into the clipboard", sessions.copy),
    "stats": Command("", "model, tokens, speed, why replies stopped", _stats),
    "quit": Command("", "leave", _quit),
}
