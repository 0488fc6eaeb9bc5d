"""`phi2chat repl`: talk with a model in the terminal, see its reasoning, see where it slips into the wrong script."""

import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.config import ChatConfig, EndpointConfig, ModelConfig, build, with_options

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import History

    from phi2chat.chat import Conversation
    from phi2chat.corrections import Corrections
    from phi2chat.screen import Screen

HISTORY_FILE = "history"


@click.command("repl")
@with_options(ModelConfig)
@with_options(EndpointConfig)
@with_options(ChatConfig)
@click.option("--data", type=click.Path(path_type=Path), help="JSONL file that /fix and /good add records to.")
@click.option("--no-history", is_flag=True, help="Neither read nor write the history of questions.")
def command(data: Path | None, no_history: bool, **flags: Any) -> None:
    """Chat with a model: reasoning and answer apart, wrong-script output marked.

    \b
    phi2chat repl --adapter runs/ja-basics-phi-2
    phi2chat repl --base smollm2-135m --data datasets/ja-basics.jsonl
    """
    import sys

    if sys.stdin is None or not sys.stdin.isatty():
        raise UserError('repl: needs a terminal to read from; for a script there is `phi2chat ask "..."`')
    from phi2chat.chat import Conversation
    from phi2chat.corrections import Corrections, Source, source_of
    from phi2chat.fix import dataset_file
    from phi2chat.opening import open_model
    from phi2chat.screen import Screen

    screen = Screen()
    config = build(ChatConfig, flags)
    file = dataset_file(data.expanduser()) if data else None
    model = open_model(flags, screen.status)
    is_here = build(EndpointConfig, flags).endpoint is None
    source = source_of(build(ModelConfig, flags)) if is_here else Source(model.name)
    screen.say(f"{model.name}. /help lists the commands, Ctrl-D leaves.", "note")
    corrections = Corrections(source, file)
    talk(Conversation(model, config), screen, make_session(open_history(no_history, screen)), corrections)


def talk(
    conversation: "Conversation",
    screen: "Screen",
    session: "PromptSession[str]",
    corrections: "Corrections | None" = None,
) -> None:
    """Read and reply until the user leaves."""
    from phi2chat.corrections import Corrections
    from phi2chat.slash import follow
    from phi2chat.status_line import StatusLine
    from phi2chat.talk import Talk

    talking = Talk(conversation, screen, _confirm, corrections or Corrections())
    status = StatusLine(conversation)

    def toolbar() -> str:
        return status.render(session.app.output.get_size().columns)

    while not talking.leaving:
        try:
            line = session.prompt(default=talking.draft, bottom_toolbar=toolbar)
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
        except OSError as error:
            screen.say(f"{error.filename}: {error.strerror}", "error")
        except Exception:  # a bug of ours, which keeps its traceback but must not take the conversation with it
            screen.drop_reply()
            traceback.print_exc()


def _confirm(question: str) -> bool:
    """Whether the user says y to a question; Ctrl-C and Ctrl-D are a no."""
    from prompt_toolkit.shortcuts import confirm

    from phi2chat.safe_text import safe

    try:
        return confirm(safe(question))
    except (KeyboardInterrupt, EOFError):
        return False


def make_session(history: "History", **options: Any) -> "PromptSession[str]":
    """The input line: Enter sends, Alt-Enter begins a new line, a pasted text comes in whole."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.filters import is_searching
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from phi2chat.safe_input import VisibleEscapes
    from phi2chat.slash import COMMANDS

    class SlashCompleter(Completer):
        def get_completions(self, document: Document, complete_event: object) -> Iterator[Completion]:
            words = document.text_before_cursor.split(" ")
            if not words[0].startswith("/") or "\n" in document.text or len(words) > 2:
                return
            choices: Iterable[str] = [f"/{name}" for name in COMMANDS]
            if len(words) == 2:
                choices = COMMANDS[words[0][1:]].choices if words[0][1:] in COMMANDS else ()
            for choice in choices:
                if choice.startswith(words[-1]):
                    help_ = COMMANDS[choice[1:]].help if len(words) == 1 else ""
                    yield Completion(choice, start_position=-len(words[-1]), display_meta=help_)

    keys = KeyBindings()

    @keys.add("enter", filter=~is_searching)
    def _send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return PromptSession(
        "» ",
        multiline=True,
        prompt_continuation="  ",
        history=history,
        enable_history_search=True,
        completer=SlashCompleter(),
        complete_while_typing=True,
        enable_open_in_editor=True,
        key_bindings=keys,
        input_processors=[VisibleEscapes()],
        **options,
    )


def open_history(disabled: bool, screen: "Screen", folder: Path | None = None) -> "History":
    """The history file, readable by its owner alone; where it cannot be had, one that lasts until the end."""
    import errno
    import os

    from platformdirs import user_state_path
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    class PrivateHistory(FileHistory):
        def store_string(self, string: str) -> None:
            try:
                super().store_string(string)
            except OSError as error:  # a full disk must not end the conversation
                screen.note(
                    f"{self.filename!s}: the question was not kept in the history ({error.strerror})", "warning"
                )

    if disabled:
        return InMemoryHistory()
    path = (folder or user_state_path("phi2chat")) / HISTORY_FILE
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600))
        if not path.is_file():
            raise OSError(errno.EINVAL, "not a regular file")
        path.chmod(0o600)
    except OSError as error:
        screen.note(f"{path}: there is no history this time ({error.strerror})", "warning")
        return InMemoryHistory()
    return PrivateHistory(str(path))
