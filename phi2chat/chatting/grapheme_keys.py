"""Keys that move over and delete what is one character to the reader: a kana with its mark, a family in one emoji."""

from prompt_toolkit.filters import is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from wcwidth import iter_graphemes

LOOK_BACK = 64  # code points: no character that is written has as many


def last_grapheme(text: str) -> int:
    """How many code points the last character of a text has; 0 where there is none."""
    return len(next(reversed(list(iter_graphemes(text[-LOOK_BACK:]))), ""))


def first_grapheme(text: str) -> int:
    """How many code points the first character of a text has; 0 where there is none."""
    return len(next(iter_graphemes(text[:LOOK_BACK]), ""))


def add_grapheme_keys(keys: KeyBindings) -> None:
    """Bind the arrows, backspace and delete, in place of prompt_toolkit's, which go by code points."""

    @keys.add("backspace", filter=~is_searching)
    def _delete_before(event: KeyPressEvent) -> None:
        for _ in range(event.arg):
            event.current_buffer.delete_before_cursor(last_grapheme(event.current_buffer.document.text_before_cursor))

    @keys.add("delete", filter=~is_searching)
    def _delete(event: KeyPressEvent) -> None:
        for _ in range(event.arg):
            event.current_buffer.delete(first_grapheme(event.current_buffer.document.text_after_cursor))

    @keys.add("left", filter=~is_searching)
    def _left(event: KeyPressEvent) -> None:
        for _ in range(event.arg):
            buffer = event.current_buffer
            buffer.cursor_left(last_grapheme(buffer.document.current_line_before_cursor))

    @keys.add("right", filter=~is_searching)
    def _right(event: KeyPressEvent) -> None:
        for _ in range(event.arg):
            buffer = event.current_buffer
            buffer.cursor_right(first_grapheme(buffer.document.current_line_after_cursor))
