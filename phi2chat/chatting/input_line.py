"""The input line: its keys, and a paste that stays one text."""

import time
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyProcessor
from prompt_toolkit.keys import Keys

from curation.errors import UserError
from phi2chat.chatting.grapheme_keys import add_grapheme_keys
from phi2chat.chatting.slash import SLASHES
from phi2chat.chatting.slash_completer import SlashCompleter
from phi2chat.terminal.safe_input import SafeCompleter, VisibleEscapes, make_search_safe

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
        # Where the history is searched by what stands in the line, prompt_toolkit offers nothing while one types.
        enable_history_search=Condition(lambda: not session.default_buffer.text.startswith(SLASHES)),
        completer=SafeCompleter(SlashCompleter()),
        complete_while_typing=True,
        input_processors=[VisibleEscapes()],
        enable_suspend=True,
        **options,
    )
    make_search_safe(session)
    burst = _Burst(burst_seconds)
    session.app.key_processor.before_key_press += burst.see_key
    session.key_bindings = _keys(burst)
    return session


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
    add_grapheme_keys(keys)

    @keys.add(Keys.BracketedPaste)
    def _paste(event: KeyPressEvent) -> None:
        burst.goes_on = True
        event.current_buffer.insert_text(event.data.replace("\r\n", "\n").replace("\r", "\n"))

    @keys.add(Keys.Vt100MouseEvent)
    def _ignore(event: KeyPressEvent) -> None:
        """No mouse is asked for; prompt_toolkit takes a style code for one, and fails to read where it is."""

    @keys.add("enter", filter=~is_searching)
    def _send(event: KeyPressEvent) -> None:
        if burst.goes_on:
            event.current_buffer.insert_text("\n")
        else:
            event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("escape", "/", filter=Condition(lambda: not get_app().current_buffer.text))
    def _begin_command(event: KeyPressEvent) -> None:
        """A slash after an Esc that came too late to stop a reply; Alt-/ has nothing to complete in an empty line."""
        event.current_buffer.insert_text("/")

    @keys.add("c-x", "c-e")
    def _open_editor(event: KeyPressEvent) -> None:
        run_in_terminal(lambda: edit_in_editor(event.current_buffer))

    return keys


def edit_in_editor(buffer: Buffer) -> None:
    """Let the user write the question in $EDITOR; it comes back into the line and is not sent."""
    from phi2chat.terminal.editor import edit_text, has_editor
    from phi2chat.terminal.screen import Screen

    try:
        if not has_editor():
            raise UserError("there is no editor; set $EDITOR to one, or begin a new line with Alt-Enter")
        text = edit_text(buffer.text, suffix=".txt").rstrip("\n")
    except UserError as error:
        Screen().note(str(error), "error")
        return
    buffer.document = Document(text)  # and the cursor at its end
