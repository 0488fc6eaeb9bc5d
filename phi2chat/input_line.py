"""The input line: its keys, what they complete, and a paste that stays one text."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_searching
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyProcessor
from prompt_toolkit.keys import Keys

from curation.errors import UserError
from phi2chat.safe_input import SafeCompleter, VisibleEscapes, make_search_safe
from phi2chat.slash import COMMANDS

BURST_SECONDS = 0.05  # keys that follow each other faster were not typed


def make_session(history: History, burst_seconds: float = BURST_SECONDS, **options: Any) -> PromptSession[str]:
    """The input line: Enter sends, Alt-Enter begins a new line, a pasted text comes in whole.

    What follows a paste within `burst_seconds` belongs to it.
    """
    session: PromptSession[str] = PromptSession(
        "» ",
        multiline=True,
        prompt_continuation="  ",
        history=history,
        enable_history_search=True,
        completer=SafeCompleter(SlashCompleter()),
        complete_while_typing=True,
        input_processors=[VisibleEscapes()],
        **options,
    )
    make_search_safe(session)
    burst = _Burst(burst_seconds)
    session.app.key_processor.before_key_press += burst.see_key
    session.key_bindings = _keys(burst)
    return session


class SlashCompleter(Completer):
    """Slash commands with what they do, and what their arguments can be."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What the word before the cursor can become."""
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


class _Burst:
    """Whether keys still belong to a paste.

    A text can hold the mark that ends a paste, and what it holds after that comes in as if it were typed.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._last_key, self.goes_on = seconds, 0.0, False

    def see_key(self, processor: KeyProcessor) -> None:
        now = time.monotonic()
        self.goes_on = self.goes_on and now - self._last_key < self._seconds
        self._last_key = now


def _keys(burst: _Burst) -> KeyBindings:
    keys = KeyBindings()

    @keys.add(Keys.BracketedPaste)
    def _paste(event: KeyPressEvent) -> None:
        burst.goes_on = True
        event.current_buffer.insert_text(event.data.replace("\r\n", "\n").replace("\r", "\n"))

    @keys.add("enter", filter=~is_searching)
    def _send(event: KeyPressEvent) -> None:
        if burst.goes_on:
            event.current_buffer.insert_text("\n")
        else:
            event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-x", "c-e")
    def _open_editor(event: KeyPressEvent) -> None:
        run_in_terminal(lambda: edit_in_editor(event.current_buffer))

    return keys


def edit_in_editor(buffer: Buffer) -> None:
    """Let the user write the question in $EDITOR; it comes back into the line and is not sent."""
    from phi2chat.editor import edit_text, has_editor
    from phi2chat.screen import Screen

    try:
        if not has_editor():
            raise UserError("there is no editor; set $EDITOR to one, or begin a new line with Alt-Enter")
        text = edit_text(buffer.text, suffix=".txt").rstrip("\n")
    except UserError as error:
        Screen().note(str(error), "error")
        return
    buffer.document = Document(text)  # and the cursor at its end
