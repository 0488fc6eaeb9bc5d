"""A file of any size, checked in one pass: a chunk of lines at a time, on as many cores as there are."""

import dataclasses
import os
import signal
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from curation.errors import UserError
from curation.facts import Facts, Source
from curation.lines import BadLine, parse_line, split_lines
from curation.records import Entry, Finding, Record
from curation.rules.check import Checked, LineChecker, check_whole, in_order

CHUNK_BYTES = 4 * 2**20  # what a process reads at a time, to the end of a line
_SMALL_BYTES = 4 * CHUNK_BYTES  # below, starting processes takes longer than the work

Chunk = tuple[int, int]  # the bytes from the first up to the second


@dataclass(frozen=True)
class FileSource:
    """The records of a file, read again where they are looked at."""

    path: Path
    facts: Facts

    def entry(self, place: int) -> Entry:
        """The record at a place. Raises UserError where the file has changed since it was checked."""
        try:
            raw = _read_line(self.path, self.facts.offsets[place])
            return Entry(self.facts.lines[place], raw, Record(parse_line(raw)))
        except (OSError, BadLine):
            raise _changed(self.path) from None


@dataclass(frozen=True)
class Scan:
    """What was found in a file: how many lines it has, all findings in their order, and its records as a source."""

    lines: int
    findings: list[Finding]
    source: FileSource


def scan_file(path: Path, chosen: frozenset[str], others: Sequence[Source] = (), jobs: int = 0) -> Scan:
    """Check a file by the chosen rules, and against others.

    `jobs` is the number of processes, by default one for each core where the file is large. Memory grows with findings,
    with the longest lines, and by 72 bytes a record where rules of the whole set are chosen (more for near duplicates).
    Raises UserError where the file cannot be read, or changes meanwhile.
    """
    before = _stat(path)
    jobs = jobs or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    checked = Checked()
    try:
        for part in _check_chunks(path, chosen, jobs if before.st_size >= _SMALL_BYTES else 1):
            _join(checked, part)
        source = FileSource(path, checked.facts)
        findings = in_order([*checked.findings, *check_whole(source, checked, chosen, others)])
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    after = _stat(path)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _changed(path)
    return Scan(checked.lines, findings, source)


def check_chunk(path: Path, chosen: frozenset[str], chunk: Chunk) -> Checked:
    """Check the lines of a chunk, counted from 1."""
    start, end = chunk
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(end - start)
    return LineChecker(path, chosen).check(split_lines(content), start)


def _check_chunks(path: Path, chosen: frozenset[str], jobs: int) -> Iterator[Checked]:
    """The chunks in their order, of which only a few are in work at a time."""
    if jobs == 1:
        for chunk in _chunks(path):
            yield check_chunk(path, chosen, chunk)
        return
    # A process that is forked off one with threads may hang; one that is spawned starts from nothing.
    with ProcessPoolExecutor(jobs, get_context("spawn"), _leave_interrupts_to_the_parent) as pool:
        waiting: list[Future[Checked]] = []
        try:
            for chunk in _chunks(path):
                waiting.append(pool.submit(check_chunk, path, chosen, chunk))
                if len(waiting) > 2 * jobs:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            pool.shutdown(cancel_futures=True)


def _chunks(path: Path) -> Iterator[Chunk]:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = 0
        while start < size:
            file.seek(min(start + CHUNK_BYTES, size))
            file.readline()
            end = file.tell()
            yield start, end
            start = end


def _join(whole: Checked, part: Checked) -> None:
    before = whole.lines
    whole.findings += [dataclasses.replace(finding, line=finding.line + before) for finding in part.findings]
    whole.ends.join(part.ends, whole.lines)
    whole.facts.join(part.facts, whole.lines)
    whole.lines += part.lines


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _read_line(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.readline()


def _stat(path: Path) -> os.stat_result:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{path}: is not a regular file; give another")
    return found


def _changed(path: Path) -> UserError:
    return UserError(f"{path}: was changed by another program meanwhile; check it again")
