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
from typing import Any

from prompt_toolkit.application.current import get_app_session
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import Output
from prompt_toolkit.utils import is_dumb_terminal

from phi2chat.terminal.interrupts import Interrupt, handling, noting_interrupts

PASTE_ON, PASTE_OFF = b"\x1b[?2004h", b"\x1b[?2004l"  # whether the terminal marks where a paste begins and ends
ESC_SECONDS = 0.1  # an Esc that nothing follows for so long is the key and not the beginning of another one's code


@contextlib.contextmanager
def noting_keys() -> Iterator[Interrupt]:
    """Within, the first Ctrl-C sets `requested` and the second one interrupts; Esc sets it, however often."""
    with noting_interrupts() as interrupt, _listening(interrupt):
        yield interrupt


@contextlib.contextmanager
def keeping_terminal() -> Iterator[None]:
    """Afterwards the terminal is in the mode in which it was, whatever was interrupted in between.

    So it is while Ctrl-Z has stopped the process, until `fg`, and after Ctrl-\\ has ended it.
    """
    file = _terminal(get_app_session().input)
    if file is None:
        yield
        return
    before = termios.tcgetattr(file)

    def hand_over(signum: int, _: FrameType | None) -> None:
        within = termios.tcgetattr(file)
        _restore_terminal(file, before)
        former = signal.signal(signum, signal.SIG_DFL)
        signal.raise_signal(signum)  # Ctrl-\ ends here, and Ctrl-Z goes on here after `fg`
        signal.signal(signum, former)
        termios.tcsetattr(file, termios.TCSANOW, within)

    # Whoever keeps it around us hands over a mode of the shell's; a shell that stops no jobs has the signal ignored.
    left = [signum for signum in (signal.SIGTSTP, signal.SIGQUIT) if signal.getsignal(signum) is signal.SIG_DFL]
    try:
        with handling(left, hand_over):
            yield
    finally:
        with contextlib.suppress(termios.error):  # it may be closed
            termios.tcsetattr(file, termios.TCSANOW, before)


def _restore_terminal(file: int, mode: list[Any]) -> None:
    """The mode, and no style, hidden cursor or mark of a paste that a shell would not expect."""
    termios.tcsetattr(file, termios.TCSANOW, mode)
    _write_codes(b"\x1b[0m\x1b[?25h" + PASTE_OFF)


def _write_codes(codes: bytes) -> None:
    """Write to the terminal past Python's streams, which may be in the middle of a write."""
    file = _terminal(get_app_session().output)
    if file is not None and not is_dumb_terminal():
        os.write(file, codes)


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
    with keeping_terminal(), handling([signal.SIGCONT], listener.take_terminal):
        listener.start()
        try:
            yield
        finally:
            listener.stop()


def _terminal(stream: Input | Output) -> int | None:
    """The file of an input or output that is a terminal."""
    try:
        file = stream.fileno()
    except NotImplementedError:  # it has no file
        return None
    return file if os.isatty(file) else None


class _Listener:
    """Reads the terminal in a thread, for the model may take long to the next token."""

    def __init__(self, source: Input, interrupt: Interrupt) -> None:
        self._source, self._interrupt = source, interrupt
        self._keys: list[KeyPress] = []
        self._wake, self._awake = os.pipe()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def take_terminal(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """Take each key as it comes and a paste as one text, also after Ctrl-Z and `fg`."""
        _take_keys(self._source.fileno())
        _write_codes(PASTE_ON)

    def start(self) -> None:
        self.take_terminal()
        self._thread.start()

    def stop(self) -> None:
        """Stop reading and leave to the next prompt what was typed."""
        os.write(self._awake, b".")
        self._thread.join()
        os.close(self._wake)
        os.close(self._awake)
        store_typeahead(self._source, self._keys)
        _write_codes(PASTE_OFF)

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
