"""Work that nobody has to wait for, in threads; who leaves does not wait for it either."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future

# Seconds; a thread that computes gives way to others after so long. Each of torch's operations lets go of Python, and
# to wait five milliseconds for it, as is usual, makes seconds of a model's first tokens.
_GIVES_WAY_AFTER = 1e-4

_usual = sys.getswitchinterval()
_at_work = 0
_counting = threading.Lock()


def begin(name: str, work: Callable[[], None]) -> Future[None]:
    """Begin some work in a thread of that name; its end, or its error, is in the future."""
    future: Future[None] = Future()

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:
            error = raised
        _count(-1)
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    _count(1)
    # An executor's threads are waited for at the end of the process, daemons or not.
    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def is_at_work() -> bool:
    """Whether some of it goes on."""
    return _at_work > 0


def _count(more: int) -> None:
    """Note that some work begins or ends, and let all threads give way sooner as long as there is some."""
    global _at_work
    with _counting:
        _at_work += more
        sys.setswitchinterval(_GIVES_WAY_AFTER if _at_work else _usual)
