"""`phi2chat repl`: talk with a model in the terminal, see its reasoning, see where it slips into the wrong script."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.config import ChatConfig, EndpointConfig, ModelConfig, build, with_options

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from phi2chat.chatting.chat import Conversation
    from phi2chat.chatting.corrections import Corrections
    from phi2chat.chatting.talk import Talk
    from phi2chat.terminal.screen import Screen


@click.command("repl")
@with_options(ModelConfig)
@with_options(EndpointConfig)
@with_options(ChatConfig)
@click.option("--data", type=click.Path(path_type=Path), help="JSONL file that /fix and /good add records to.")
@click.option(
    "--load",
    "talk_file",
    type=click.Path(path_type=Path),
    help="Go on with a conversation that /save wrote, its settings too.",
)
@click.option("--no-history", is_flag=True, help="Neither read nor write the history of questions.")
def command(data: Path | None, talk_file: Path | None, no_history: bool, **flags: Any) -> None:
    """Chat with a model: reasoning and answer apart, wrong-script output marked.

    \b
    phi2chat repl --adapter runs/ja-basics-phi-2
    phi2chat repl --base smollm2-135m --data datasets/ja-basics.jsonl
    phi2chat repl --adapter runs/ja-basics-phi-2 --load talk.jsonl
    """
    import sys

    if sys.stdin is None or not sys.stdin.isatty():
        raise UserError('repl: needs a terminal to read from; for a script there is `phi2chat ask "..."`')
    from phi2chat.chatting.chat import Conversation
    from phi2chat.chatting.corrections import Corrections, run_behind
    from phi2chat.chatting.fix import dataset_file
    from phi2chat.chatting.history import open_history
    from phi2chat.chatting.input_line import make_session
    from phi2chat.chatting.opening import open_model
    from phi2chat.chatting.reply_keys import hide_keys, keeping_terminal
    from phi2chat.chatting.sessions import go_on, read_conversation
    from phi2chat.terminal.interrupts import ending_as_interrupt
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    saved = read_conversation(talk_file.expanduser()) if talk_file else None
    given = {name: value for name, value in flags.items() if value is not None}
    config = build(ChatConfig, {**vars(saved.config), **given} if saved else given)  # what is given now, wins
    file = dataset_file(data.expanduser()) if data else None
    with ending_as_interrupt(), keeping_terminal():
        hide_keys()
        model = open_model(flags, screen.status, stays=True)
        run = run_behind(build(ModelConfig, flags).adapter)
        conversation = Conversation(model, config)
        screen.say(f"{model.name}. /help lists the commands, Ctrl-D leaves.", "note")
        if saved:
            screen.say(go_on(conversation, saved), "note")
        session = make_session(open_history(no_history, screen))
        talk(conversation, screen, session, Corrections(run, file))


def talk(
    conversation: "Conversation",
    screen: "Screen",
    session: "PromptSession[str]",
    corrections: "Corrections | None" = None,
) -> None:
    """Read and reply until the user leaves. Raises Ended where the system asks to end."""
    from phi2chat.chatting.corrections import Corrections
    from phi2chat.chatting.drafts import leave_drafts
    from phi2chat.chatting.reply_keys import hide_keys, keeping_terminal
    from phi2chat.chatting.talk import Talk

    talking = Talk(conversation, screen, _confirm, corrections or Corrections())
    with keeping_terminal():
        hide_keys()  # between a reply and the next prompt too: an Esc that comes late would stand there as ^[
        try:
            _talk(talking, session)
        finally:
            leave_drafts(talking)


def _talk(talking: "Talk", session: "PromptSession[str]") -> None:
    from phi2chat.chatting.slash import follow
    from phi2chat.chatting.status_line import StatusLine
    from phi2chat.terminal.interrupts import Ended

    screen, status = talking.screen, StatusLine(talking.conversation)

    def toolbar() -> str:
        return status.render(session.app.output.get_size().columns)

    while not talking.leaving:
        try:
            line = session.prompt(default=talking.draft, bottom_toolbar=toolbar)
        except Ended:
            raise
        except KeyboardInterrupt:
            screen.say("the question stays as it was" if talking.draft else "Ctrl-D or /quit leaves", "note")
            talking.draft = ""
            continue
        except EOFError:
            return
        if not line.strip():
            talking.draft = ""
            continue
        try:
            follow(talking, line)
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
            screen.bug()


def _drop_typed_ahead() -> None:
    """What was typed before a question stood there is no answer to it: the y of /why would write over a file."""
    import termios

    from prompt_toolkit.application import get_app_session
    from prompt_toolkit.input.typeahead import clear_typeahead

    if sys.stdin.isatty():
        clear_typeahead(get_app_session().input)
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def _confirm(question: str) -> bool:
    """Whether the user says y to a question; Ctrl-C and Ctrl-D are a no."""
    from prompt_toolkit.application import get_app_session
    from prompt_toolkit.shortcuts import confirm

    from phi2chat.terminal.interrupts import Ended
    from phi2chat.terminal.safe_text import safe
    from phi2chat.terminal.wrap import wrap

    _drop_typed_ahead()
    width = get_app_session().output.get_size().columns - 2  # behind it stands what is answered
    try:
        return confirm(wrap(f"{safe(question)} (y/n)", width), " ")
    except Ended:
        raise
    except (KeyboardInterrupt, EOFError):
        return False
