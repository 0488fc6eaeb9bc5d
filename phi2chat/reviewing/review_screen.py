"""A review on the whole terminal: where its parts stand, what its keys do, and that all is put back in the end."""

import asyncio
from collections.abc import Callable
from typing import Any

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Size
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Container,
    DynamicContainer,
    HSplit,
    Layout,
    UIContent,
    UIControl,
    VSplit,
    Window,
)
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.styles import Style

from phi2chat.reviewing.background_check import BackgroundCheck
from phi2chat.reviewing.review import Review
from phi2chat.reviewing.review_keys import KEYS, Key
from phi2chat.reviewing.review_pane import Line
from phi2chat.reviewing.review_view import ReviewView
from phi2chat.terminal.interrupts import ENDS, Ended
from phi2chat.terminal.safe_input import VisibleEscapes

NARROW = 72  # cells; below, the list stands above the record
LIST_CELLS = 32  # of the list beside the record
LIST_SHARE = 0.3  # of the lines, for the list above the record
BOTTOM_SHARE = 1 / 6  # of the lines, at most, for the message, and for the keys
POLL_SECONDS = 1.0  # between two looks at whether another program wrote the file
REST_SECONDS = 0.3  # after a key, for which the check leaves the processor to the next one
ESC_SECONDS = 0.05  # after Esc, the rest of a key that begins so has come

STYLE = Style.from_dict({
    "title": "bold",
    "rule": "ansibrightblack",
    "current": "reverse",
    "field": "bold",
    "name": "ansibrightblack",
    "note": "ansibrightblack",
    "reasoning": "italic #0087d7",
    "wrong": "bold reverse ansired bg:ansiwhite",  # reverse and bold remain where NO_COLOR takes colours away
    "fault": "underline #d75f00",
    "found": "bold underline",
    "escaped": "reverse ansiyellow bg:ansiblack",
    "error": "ansired",
    "warning": "#d75f00",
    "good": "#008700",
    "question": "bold",
    "key": "bold",
})  # fmt: skip


class ReviewScreen:
    """Shows a review and takes its keys. It may be run again after a key has ended it."""

    def __init__(self, review: Review, check: BackgroundCheck, **options: Any) -> None:
        self._review, self._check = review, check
        self._view = ReviewView(review, check)
        self._checked_version = -1
        self._query = Buffer(multiline=False, accept_handler=self._end_search)
        self._list = Window(_Lines(self._view.records, focusable=True), always_hide_cursor=True)
        self._app: Application[str] = Application(
            Layout(self._arrange(), focused_element=self._list),
            full_screen=True,
            style=STYLE,
            key_bindings=self._keys(),
            before_render=lambda _: self._take(),
            **options,
        )
        self._app.ttimeoutlen = ESC_SECONDS
        self._app.key_processor.before_key_press += lambda _: check.rest()
        self._app.key_processor.after_key_press += lambda _: check.rest(REST_SECONDS)

    def run(self) -> str:
        """Show it until a key ends it, and give that key. The terminal is then as it was, whatever happened."""
        return self._app.run(pre_run=self._prepare, set_exception_handler=False)

    def notify(self) -> None:
        """Look soon at what the check has found; may be called from any thread."""
        self._app.invalidate()

    def _prepare(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self._fail(context.get("exception")))
        for signum in ENDS:
            loop.add_signal_handler(signum, self._fail, Ended())
        self._app.create_background_task(self._poll())

    def _fail(self, error: BaseException | None) -> None:
        if self._app.is_running and not self._app.is_done:
            self._app.exit(exception=error or RuntimeError("the screen failed"))

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if self._review.question is None and self._review.refresh():
                self._app.invalidate()

    def _take(self) -> None:
        """Before each picture: what was found since the last one, and a new check where lines have changed."""
        if self._check.take():
            self._review.list_anew()
        if self._checked_version != self._review.version:
            self._checked_version = self._review.version
            self._check.look_at(self._review.items)

    # -- keys --------------------------------------------------------------------------------------------------------

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        review = self._review
        is_searching = Condition(lambda: review.searching)
        is_asked = Condition(lambda: review.question is not None)
        for key in KEYS:
            for name in key.names:
                keys.add(name, filter=~is_searching & ~is_asked)(self._handler(key))
        keys.add(Keys.Any, filter=is_asked)(self._answer)
        keys.add(Keys.Any, filter=Condition(lambda: review.helping))(lambda _: self._close_help())
        for name in ("escape", "c-c"):
            keys.add(name, filter=is_searching, eager=True)(lambda _: self._leave_search())
        keys.add(Keys.SIGINT)(lambda event: event.app.exit(result="q"))
        keys.add("c-z")(lambda event: event.app.suspend_to_background())
        return keys

    def _handler(self, key: Key) -> Callable[[KeyPressEvent], None]:
        def press(event: KeyPressEvent) -> None:
            self._review.say("")
            if self._review.helping and not key.moves:
                self._close_help()
            elif key.act is None:
                event.app.exit(result=key.names[0])
            else:
                key.act(self._review, self._view.pages)
                if self._review.searching:
                    event.app.layout.focus(self._query)

        return press

    def _answer(self, event: KeyPressEvent) -> None:
        if event.key_sequence[0].key != Keys.BracketedPaste:
            self._review.answer(event.data)

    def _close_help(self) -> None:
        self._review.helping, self._review.scroll = False, 0

    def _end_search(self, query: Buffer) -> bool:
        text = query.text
        self._leave_search()
        self._review.search(text)
        return False  # the line is empty the next time

    def _leave_search(self) -> None:
        self._review.searching = False
        self._query.reset()
        self._app.layout.focus(self._list)

    # -- where the parts stand ---------------------------------------------------------------------------------------

    def _arrange(self) -> Container:
        view, review = self._view, self._review
        record = Window(_Lines(view.record))
        beside = VSplit([
            HSplit([self._list], width=lambda: min(LIST_CELLS, 2 * _size().columns // 5)),
            Window(width=1, char="│", style="class:rule"),
            record,
        ])  # fmt: skip
        above = HSplit([HSplit([self._list], height=lambda: max(1, int(LIST_SHARE * _size().rows))), record])
        query = BufferControl(self._query, input_processors=[VisibleEscapes(), BeforeInput("/")])
        is_searching = Condition(lambda: review.searching)
        return HSplit([
            Window(_Lines(lambda width, _: view.title(width)), height=1),
            DynamicContainer(lambda: above if _size().columns < NARROW else beside),
            ConditionalContainer(Window(query, height=1), is_searching),
            ConditionalContainer(self._bottom(view.message), ~is_searching),
            self._bottom(view.keys),
        ])  # fmt: skip

    def _bottom(self, lines: Callable[[int], list[Line]]) -> Window:
        def height() -> int:
            most = max(1, int(BOTTOM_SHARE * _size().rows))
            return min(len(lines(_size().columns)), most)

        return Window(_Lines(lambda width, _: lines(width)), height=height)


def _size() -> Size:
    return get_app().output.get_size()


class _Lines(UIControl):
    """Lines that are made for the size of their window; of what is not in sight, nothing is."""

    def __init__(self, make: Callable[[int, int], list[Line]], focusable: bool = False) -> None:
        self._make, self._focusable = make, focusable

    def create_content(self, width: int, height: int) -> UIContent:
        lines = self._make(width, height)
        return UIContent(lambda place: [*lines[place]], len(lines), show_cursor=False)

    def is_focusable(self) -> bool:
        return self._focusable
