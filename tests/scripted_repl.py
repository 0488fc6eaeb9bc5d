"""The REPL without a model, for tests in a real terminal: `python scripted_repl.py STATE_DIR`.

A question `say N` is answered with N characters of a Japanese sentence, one every few milliseconds; `echo TEXT` with
the text; `fail` with a bug. `/bug` is a command that has one, `/wait` one that lasts until there is a file `go-on` in
STATE_DIR, and `/edit-text` says what $EDITOR writes.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from phi2chat.chatting.chat import Conversation
from phi2chat.chatting.history import open_history
from phi2chat.chatting.input_line import make_session
from phi2chat.chatting.reply_keys import keeping_terminal
from phi2chat.chatting.slash import COMMANDS, Command
from phi2chat.chatting.talk import Talk
from phi2chat.commands.repl import talk
from phi2chat.config import ChatConfig
from phi2chat.inference.guard import GuardReport
from phi2chat.inference.prompt import Example, PromptStyle
from phi2chat.inference.recipes import StopReason
from phi2chat.terminal.editor import edit_text
from phi2chat.terminal.interrupts import ending_as_interrupt
from phi2chat.terminal.safe_errors import make_errors_safe
from phi2chat.terminal.screen import Screen

SENTENCE = "日本の首都は東京です。"
TOKEN_SECONDS = 0.004


class ScriptedStream:
    """The characters of a text as tokens."""

    def __init__(self, text: str, fails: bool) -> None:
        self._text, self._fails = text, fails
        self.stop, self.guard = StopReason.END_OF_TEXT, GuardReport()
        self.tokens, self.seconds, self.unit, self.notes = 0, 1.0, "tokens", ()

    def __iter__(self) -> Iterator[str]:
        for char in self._text:
            time.sleep(TOKEN_SECONDS)
            self.tokens += 1
            yield char
        if self._fails:
            raise ZeroDivisionError("a bug \x1b]0;title\x07")


class ScriptedModel:
    """A chat.Model that does what the question says."""

    name = "scripted"
    style = PromptStyle()

    def stream(self, history: Sequence[Example], question: str, config: ChatConfig) -> ScriptedStream:
        verb, _, rest = question.partition(" ")
        said = (SENTENCE * int(rest))[: int(rest)] if verb == "say" else rest
        return ScriptedStream(f"\n{said}\n\n### Answer:\n{said}.", verb == "fail")


def fail(talk: Talk, argument: str) -> None:
    raise ZeroDivisionError("a bug")


def wait(talk: Talk, argument: str) -> None:
    talk.say("waiting")
    while not (Path(sys.argv[1]) / "go-on").exists():
        time.sleep(0.01)


def edit(talk: Talk, argument: str) -> None:
    talk.say(f"read {edit_text('')}")


def main() -> int:
    make_errors_safe()
    COMMANDS["bug"] = Command("", "a bug", fail)
    COMMANDS["wait"] = Command("", "wait for the file go-on", wait)
    COMMANDS["edit-text"] = Command("", "say what $EDITOR writes", edit)
    screen = Screen()
    try:
        with ending_as_interrupt(), keeping_terminal():
            session = make_session(open_history(False, screen, Path(sys.argv[1])))
            talk(Conversation(ScriptedModel(), ChatConfig(guard="off")), screen, session)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
