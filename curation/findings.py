"""What was found, in the order of the file, however much that is: beyond some thousands it waits on the disk."""

import heapq
import pickle
import tempfile
import weakref
from collections.abc import Collection, Iterable, Iterator
from typing import BinaryIO

from curation.errors import UserError
from curation.records import Finding

HELD = 20_000  # findings of one run that are kept in memory: 10 MB
_AT_A_TIME = 500  # that are written and read together


class Findings(Collection[Finding]):
    """Findings of one file. Each call of `add` brings a run of them that is sorted by line and column."""

    def __init__(self) -> None:
        self._runs: list[Run] = []

    def add(self, findings: Iterable[Finding]) -> None:
        """Take a sorted run in, of which only a part is held in memory."""
        run = Run()
        for finding in findings:
            run.append(finding)
        self.add_run(run)

    def add_run(self, run: "Run") -> None:
        """Take in a run that was written bit by bit."""
        if len(run):
            self._runs.append(run)

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def __iter__(self) -> Iterator[Finding]:
        return heapq.merge(*self._runs, key=lambda finding: (finding.line, finding.column))

    def __contains__(self, wanted: object) -> bool:
        return any(finding == wanted for finding in self)


class Run:
    """Findings in the order in which they came."""

    def __init__(self) -> None:
        self._held: list[Finding] = []
        self._file: BinaryIO | None = None
        self._starts: list[int] = []
        self._written = 0

    def append(self, finding: Finding) -> None:
        """Take one more in. Raises UserError where the disk has no room for it."""
        self._held.append(finding)
        if len(self._held) >= HELD:
            self._write()

    def __len__(self) -> int:
        return self._written + len(self._held)

    def __iter__(self) -> Iterator[Finding]:
        for start in self._starts:
            assert self._file is not None
            self._file.seek(start)
            yield from pickle.load(self._file)  # of our own making, and nobody else can open it
        yield from self._held

    def _write(self) -> None:
        try:
            self._spill()
        except OSError as error:
            raise UserError(
                f"the findings find no room in the folder of temporary files ({error.strerror}); set TMPDIR to another,"
                " or choose fewer rules with --select"
            ) from None

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the run
            weakref.finalize(self, self._file.close)
        self._file.seek(0, 2)
        for start in range(0, len(self._held), _AT_A_TIME):
            self._starts.append(self._file.tell())
            pickle.dump(self._held[start : start + _AT_A_TIME], self._file, pickle.HIGHEST_PROTOCOL)
        self._written += len(self._held)
        self._held = []


class AllFindings(Collection[Finding]):
    """Those of several files, one file after the other."""

    def __init__(self, files: Iterable[Collection[Finding]]) -> None:
        self._files = list(files)

    def __len__(self) -> int:
        return sum(map(len, self._files))

    def __iter__(self) -> Iterator[Finding]:
        for findings in self._files:
            yield from findings

    def __contains__(self, wanted: object) -> bool:
        return any(wanted in findings for findings in self._files)
