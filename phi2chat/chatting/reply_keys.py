"""Keys that are pressed while a reply streams: Esc stops it, all others wait for the next prompt.

Ctrl-C stops it too, but where a Chinese or Japanese input method is on, it may take Ctrl-C for itself. Esc it lets
through while nothing is being composed. A letter would not do: a question that is typed ahead may begin with it.
"""

import contextlib
import os
import select
import signal
import termios
import threading
from collections.abc import Iterator
from types import FrameType

from prompt_toolkit.application.current import get_app_session
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys
from prompt_toolkit.utils import is_dumb_terminal

from phi2chat.terminal.interrupts import Interrupt, handling, noting_interrupts

ESC_SECONDS = 0.1  # an Esc that nothing follows for so long is the key and not the beginning of another one's code


@contextlib.contextmanager
def noting_keys() -> Iterator[Interrupt]:
    """Within, the first Ctrl-C sets `requested` and the second one interrupts; Esc sets it, however often."""
    with noting_interrupts() as interrupt, _listening(interrupt):
        yield interrupt


@contextlib.contextmanager
def keeping_terminal() -> Iterator[None]:
    """Afterwards the terminal is in the mode in which it was, whatever was interrupted in between."""
    file = _terminal(get_app_session().input)
    before = None if file is None else termios.tcgetattr(file)
    try:
        yield
    finally:
        if file is not None and before is not None:
            with contextlib.suppress(termios.error):  # it may be closed
                termios.tcsetattr(file, termios.TCSANOW, before)


def hide_keys() -> None:
    """Let what is typed wait unseen for whoever reads next, for it would tear a bar that moves.

    It waits key by key: of a line that the system puts together, the prompt would not see the Ctrl-D that ends it.
    """
    file = _terminal(get_app_session().input)
    if file is not None:
        _take_keys(file)


def _take_keys(file: int) -> None:
    """Keys come at once and are not echoed; those of signals still are signals."""
    mode = termios.tcgetattr(file)
    mode[0] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR)
    mode[3] = mode[3] & ~(termios.ECHO | termios.ICANON | termios.IEXTEN) | termios.NOFLSH
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(file, termios.TCSANOW, mode)


@contextlib.contextmanager
def _listening(interrupt: Interrupt) -> Iterator[None]:
    source = get_app_session().input
    if _terminal(source) is None:
        yield
        return
    listener = _Listener(source, interrupt)
    on_stop, on_continue = handling([signal.SIGTSTP], listener.suspend), handling([signal.SIGCONT], listener.set_mode)
    with keeping_terminal(), on_stop, on_continue:
        listener.start()
        try:
            yield
        finally:
            listener.stop()


def _terminal(source: Input) -> int | None:
    """The file of an input that is a terminal."""
    try:
        file = source.fileno()
    except NotImplementedError:  # it has no file
        return None
    return file if os.isatty(file) else None


class _Listener:
    """Reads the terminal in a thread, for the model may take long to the next token."""

    def __init__(self, source: Input, interrupt: Interrupt) -> None:
        self._source, self._interrupt = source, interrupt
        self._output = get_app_session().output
        self._keys: list[KeyPress] = []
        self._wake, self._awake = os.pipe()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def set_mode(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """Take each key as it comes, also after Ctrl-Z and `fg`."""
        _take_keys(self._source.fileno())

    def suspend(self, signum: int, frame: FrameType | None) -> None:
        """Give the shell a terminal without the style of the reply, and stop until it lets us go on."""
        if not is_dumb_terminal():
            os.write(self._output.fileno(), b"\x1b[0m")  # past Python's streams, which may be in a write
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self.suspend)

    def start(self) -> None:
        self.set_mode()
        if not is_dumb_terminal():
            self._output.enable_bracketed_paste()  # a paste is one text here too
            self._output.flush()
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and leave to the next prompt what was typed."""
        os.write(self._awake, b".")
        self._thread.join()
        os.close(self._wake)
        os.close(self._awake)
        store_typeahead(self._source, self._keys)
        if not is_dumb_terminal():
            self._output.disable_bracketed_paste()
            self._output.flush()

    def _listen(self) -> None:
        file, pending = self._source.fileno(), False
        while not self._source.closed:
            ready, _, _ = select.select([file, self._wake], [], [], ESC_SECONDS if pending else None)
            if self._wake in ready:
                self._keys += self._source.flush_keys()
                return
            pending = bool(ready)
            keys = self._source.read_keys() if ready else self._source.flush_keys()
            if not ready and any(key.key == Keys.Escape for key in keys):
                self._interrupt.requested = True
                keys = []
            self._keys += [key for key in keys if key.key != Keys.CPRResponse]  # an answer to the prompt before
        self._interrupt.requested = True  # the terminal is gone
