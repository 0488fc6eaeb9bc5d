"""Work that nobody has to wait for, in threads; who leaves does not wait for it either."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future

# Seconds; a thread that computes gives way to others after so long. Each of torch's operations lets go of Python, and
# to wait five milliseconds for it, as is usual, makes seconds of a model's first tokens.
_GIVES_WAY_AFTER = 1e-4

_threads: list[threading.Thread] = []
_usual = sys.getswitchinterval()
_at_work = 0
_counting = threading.Lock()


def begin(name: str, work: Callable[[], None]) -> Future[None]:
    """Begin some work in a thread of that name; its end, or its error, is in the future."""
    future: Future[None] = Future()

    def run() -> None:
        error: BaseException | None = None
        _count(1)
        try:
            work()
        except BaseException as raised:
            error = raised
        _count(-1)
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    _threads[:] = [thread for thread in _threads if thread.is_alive()]
    # An executor's threads are waited for at the end of the process, daemons or not.
    _threads.append(threading.Thread(target=run, name=name, daemon=True))
    _threads[-1].start()
    return future


def is_at_work() -> bool:
    """Whether some of it goes on."""
    return any(thread.is_alive() for thread in _threads)


def _count(more: int) -> None:
    """Note that a thread begins or ends, and let all give way sooner as long as there is one."""
    global _at_work
    with _counting:
        _at_work += more
        sys.setswitchinterval(_GIVES_WAY_AFTER if _at_work else _usual)
