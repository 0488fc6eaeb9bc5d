"""Ctrl-C as a request: the first one is noted, the second one stops at once. And the system's own, as Ctrl-C."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

ENDS = [signal.SIGTERM, *([signal.SIGHUP] if os.name == "posix" else [])]


class Ended(KeyboardInterrupt):
    """The system asks to end, as it does when a terminal is closed: not the reply, but all of it."""


class Interrupt:
    """Whether somebody asked to stop, and whether they insisted, so that what is under way is broken off."""

    requested = insisted = False


@contextlib.contextmanager
def noting_interrupts(notice: str = "", terminate: bool = False) -> Iterator[Interrupt]:
    """Within, Ctrl-C sets `requested` and says `notice` on stderr; the second one interrupts.

    With `terminate` SIGTERM and SIGHUP do so too.
    """
    interrupt = Interrupt()

    def note(signum: int, frame: FrameType | None) -> None:
        if interrupt.requested:
            interrupt.insisted = True
            raise KeyboardInterrupt
        interrupt.requested = True
        if notice:
            # Past Python's own streams, which may be in the middle of a write and refuse another one.
            with contextlib.suppress(OSError):
                os.write(2, f"\n{notice}\n".encode())

    with handling([signal.SIGINT, *(ENDS if terminate else [])], note):
        yield interrupt


@contextlib.contextmanager
def ending_as_interrupt() -> Iterator[None]:
    """Within, SIGTERM and SIGHUP interrupt as Ctrl-C does, so that what is half-done is put away."""

    def end(signum: int, frame: FrameType | None) -> None:
        raise Ended

    with handling(ENDS, end):
        yield


@contextlib.contextmanager
def handling(
    signals: list[signal.Signals], handler: Callable[[int, FrameType | None], object] | signal.Handlers
) -> Iterator[None]:
    """Within, the signals go to the handler; where Python delivers none, in another thread, nothing changes."""
    if threading.current_thread() is not threading.main_thread():  # Python delivers signals there alone
        yield
        return
    before = [signal.signal(signum, handler) for signum in signals]
    try:
        yield
    finally:
        for signum, former in zip(signals, before, strict=True):
            signal.signal(signum, former)
