"""Ctrl-C as a request: the first one is noted, the second one stops at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interrupt:
    """Whether somebody asked to stop."""

    requested = False


@contextlib.contextmanager
def noting_interrupts(notice: str = "", terminate: bool = False) -> Iterator[Interrupt]:
    """Within, Ctrl-C sets `requested` and says `notice` on stderr; the second one interrupts.

    With `terminate` SIGTERM and SIGHUP do so too.
    """
    interrupt = Interrupt()

    def note(signum: int, frame: FrameType | None) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        interrupt.requested = True
        if notice:
            # Past Python's own streams, which may be in the middle of a write and refuse another one.
            with contextlib.suppress(OSError):
                os.write(2, f"\n{notice}\n".encode())

    if threading.current_thread() is not threading.main_thread():  # Python delivers signals there alone
        yield interrupt
        return
    signals = [signal.SIGINT, *([signal.SIGTERM, signal.SIGHUP] if terminate else [])]
    before = [signal.signal(signum, note) for signum in signals]
    try:
        yield interrupt
    finally:
        for signum, handler in zip(signals, before, strict=True):
            signal.signal(signum, handler)
