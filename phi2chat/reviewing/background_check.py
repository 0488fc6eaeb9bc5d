"""The rules at work while somebody reviews: a thread checks the lines, and what it finds is taken over between keys."""

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.line_file import Lines
from curation.recheck import Outdated, Part, Rechecker
from phi2chat.reviewing.review_item import Item, as_they_are


@dataclass(frozen=True)
class _Job:
    """Items, and the lines that they had when they were to be checked."""

    items: Sequence[Item]
    lines: Lines


class BackgroundCheck:
    """Checks the items that it was given last; its thread calls `notify` when it found something."""

    def __init__(self, path: Path) -> None:
        self.notify: Callable[[], None] = lambda: None
        self.share = 0.0  # of the lines that were checked; 1 when nothing is left to do
        self._rechecker = Rechecker(path)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._rest_until = 0.0
        self._found: queue.SimpleQueue[tuple[_Job, Part] | Exception] = queue.SimpleQueue()
        self._last: _Job | None = None
        self._thread = threading.Thread(target=self._work, name="check", daemon=True)
        self._thread.start()

    def look_at(self, items: Sequence[Item]) -> None:
        """Check these, in place of those before."""
        self.share = 0.0
        self._last = _Job(list(items), as_they_are(items))
        self._jobs.put(self._last)

    def take(self) -> bool:
        """Give the items what was found since the last time; whether that was anything. Raises what went wrong."""
        took = False
        while not self._found.empty():
            found = self._found.get()
            if isinstance(found, Exception):
                raise found
            job, part = found
            _hand_over(job, part)
            if job is self._last:
                took = True
                self.share = 1.0 if part.of_set else min(part.end / len(job.items), 0.99)
        return took

    def rest(self, seconds: float = math.inf) -> None:
        """Leave the processor to the reviewer for so long: the check would make every key late."""
        self._rest_until = time.monotonic() + seconds

    def stop(self) -> None:
        """End the thread as soon as it can."""
        self._jobs.put(None)

    def _work(self) -> None:
        try:
            while (job := self._latest()) is not None:
                try:
                    for part in self._rechecker.check(job.lines, self._goes_on):
                        self._found.put((job, part))
                        self.notify()
                except Outdated:
                    continue
        except Exception as error:  # a bug, which is shown where somebody can see it
            self._found.put(error)
            self.notify()

    def _goes_on(self) -> bool:
        while time.monotonic() < self._rest_until and self._jobs.empty():
            time.sleep(0.01)
        return self._jobs.empty()

    def _latest(self) -> _Job | None:
        job = self._jobs.get()
        while job is not None and not self._jobs.empty():
            job = self._jobs.get()
        return job


def _hand_over(job: _Job, part: Part) -> None:
    for place in range(part.start, part.end):
        item = job.items[place]
        if item.key == job.lines.keys[place]:  # else it was edited since
            found = part.found.get(place, ())
            if part.of_set:
                item.in_set = found
            else:
                item.own = found
