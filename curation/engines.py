"""Who does the work on many parts: this process, several of this machine, or Ray's. What is found is the same."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Engine(Protocol):
    """Calls a function with each of many tasks. Both have to be picklable."""

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """The results in the order of the tasks, of which only a few are in work at a time."""
        ...


class OneProcess:
    """This process, one task after the other."""

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        return map(function, tasks)


class Processes:
    """Several processes of this machine; 0 is one for each core."""

    def __init__(self, jobs: int = 0) -> None:
        self._jobs = jobs or cores()

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        if self._jobs == 1:
            yield from map(function, tasks)
            return
        # A process that is forked off one with threads may hang; one that is spawned starts from nothing.
        with ProcessPoolExecutor(self._jobs, get_context("spawn"), _leave_interrupts_to_the_parent) as pool:
            waiting: list[Future[Result]] = []
            try:
                for task in tasks:
                    waiting.append(pool.submit(function, task))
                    if len(waiting) > 2 * self._jobs:
                        yield waiting.pop(0).result()
                while waiting:
                    yield waiting.pop(0).result()
            finally:
                pool.shutdown(cancel_futures=True)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


ONE_PROCESS: Engine = OneProcess()
