"""Work that nobody has to wait for, in threads; who leaves does not wait for it either."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

_threads: list[threading.Thread] = []


def begin(name: str, work: Callable[[], None]) -> Future[None]:
    """Begin some work in a thread of that name; its end, or its error, is in the future."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    _threads[:] = [thread for thread in _threads if thread.is_alive()]
    # An executor's threads are waited for at the end of the process, daemons or not.
    _threads.append(threading.Thread(target=run, name=name, daemon=True))
    _threads[-1].start()
    return future


def is_at_work() -> bool:
    """Whether some of it goes on."""
    return any(thread.is_alive() for thread in _threads)
