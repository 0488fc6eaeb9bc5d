"""`phi2chat repl`: talk with a model in the terminal, see its reasoning, see where it slips into the wrong script."""

from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.config import ChatConfig, ModelConfig, build, with_options

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from phi2chat.chat import Conversation, Outcome
    from phi2chat.screen import Screen


@click.command("repl")
@with_options(ModelConfig)
@with_options(ChatConfig)
@click.option("--no-history", is_flag=True, help="Neither read nor write the history of questions.")
def command(no_history: bool, **flags: Any) -> None:
    """Chat with a model: reasoning and answer apart, wrong-script output marked.

    \b
    phi2chat repl --adapter runs/ja-basics-phi-2
    phi2chat repl --base smollm2-135m
    """
    import sys

    if sys.stdin is None or not sys.stdin.isatty():
        raise UserError('repl: needs a terminal to read from; for a script there is `phi2chat ask "..."`')
    from phi2chat.chat import Conversation
    from phi2chat.history import open_history
    from phi2chat.input_line import make_session
    from phi2chat.interrupts import ending_as_interrupt
    from phi2chat.models import load
    from phi2chat.reply_keys import keeping_terminal
    from phi2chat.screen import Screen

    screen = Screen()
    config = build(ChatConfig, flags)
    model = load(build(ModelConfig, flags), screen.status)
    screen.say(f"{model.name}. /help lists the commands, Ctrl-D leaves.", "note")
    with ending_as_interrupt(), keeping_terminal():
        talk(Conversation(model, config), screen, make_session(open_history(no_history, screen)))


def talk(conversation: "Conversation", screen: "Screen", session: "PromptSession[str]") -> None:
    """Read and reply until the user leaves. Raises Ended where the system asks to end."""
    from phi2chat.interrupts import Ended

    while True:
        try:
            line = session.prompt()
        except Ended:
            raise
        except KeyboardInterrupt:
            screen.say("Ctrl-D or /quit leaves", "note")
            continue
        except EOFError:
            return
        if not line.strip():
            continue
        try:
            if line.startswith("/"):
                if _follow(conversation, screen, line):
                    return
            else:
                reply(conversation, screen, line)
        except UserError as error:
            screen.say(str(error), "error")
        except Ended:
            screen.end_progress()
            raise
        except KeyboardInterrupt:
            screen.say("stopped", "note")
        except OSError as error:
            if error.filename is None:  # the terminal itself, so that there is nobody to talk to
                raise
            screen.say(f"{error.filename}: {error.strerror}", "error")
        except Exception:  # a bug of ours, which keeps its traceback but must not take the conversation with it
            screen.drop_reply()
            screen.bug()


def reply(conversation: "Conversation", screen: "Screen", question: str, **changes: Any) -> None:
    """Ask, show the reply while it streams, and keep what came when Ctrl-C stops it."""
    from phi2chat.interrupts import Ended
    from phi2chat.reply_keys import noting_keys

    folded = False
    try:
        with noting_keys() as interrupt:
            for piece in conversation.ask(question, interrupt, **changes):
                if piece.part == "answer" or conversation.show_reasoning:
                    screen.piece(piece)
                elif not folded:
                    folded = True
                    screen.folded()
    except Ended:
        raise
    except KeyboardInterrupt:
        screen.drop_reply()
        return
    screen.end_reply(conversation.turns[-1])


def _follow(conversation: "Conversation", screen: "Screen", line: str) -> bool:
    from phi2chat.chat import run_command

    outcome: Outcome = run_command(conversation, line)
    if outcome.notice:
        screen.say(outcome.notice, "note")
    if outcome.reasoning_of:
        screen.reasoning(outcome.reasoning_of)
    if outcome.question is not None:
        reply(conversation, screen, outcome.question, again=outcome.again, **outcome.changes)
    return outcome.leave
