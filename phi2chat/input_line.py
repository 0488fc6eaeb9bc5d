"""The input line: keys, completion, and the history of questions."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import History

    from phi2chat.screen import Screen

HISTORY_FILE = "history"


def make_session(history: "History", **options: Any) -> "PromptSession[str]":
    """The input line: Enter sends, Alt-Enter begins a new line, a pasted text comes in whole."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.filters import is_searching
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from phi2chat.chat import COMMANDS
    from phi2chat.safe_input import VisibleEscapes

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
