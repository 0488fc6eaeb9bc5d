"""A file of any size, checked in one pass: a chunk of lines at a time, on as many cores as there are."""

import dataclasses
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from curation.engines import ONE_PROCESS, Engine, Processes
from curation.errors import UserError
from curation.facts import Facts, Source
from curation.findings import Findings, Run
from curation.lines import BadLine, parse_line, split_lines
from curation.records import Entry, Record
from curation.rules.check import Checked, LineChecker, check_whole, in_order, kinds_of

CHUNK_BYTES = 4 * 2**20  # what a process reads at a time, to the end of a line
_SMALL_BYTES = 4 * CHUNK_BYTES  # below, starting processes takes longer than the work

Chunk = tuple[int, int]  # the bytes from the first up to the second


@dataclass(frozen=True)
class FileSource:
    """The records of a file, read again where they are looked at."""

    path: Path
    facts: Facts
    engine: Engine = ONE_PROCESS

    def entry(self, place: int) -> Entry:
        """The record at a place. Raises UserError where the file has changed since it was checked."""
        try:
            raw = _read_line(self.path, self.facts.offsets[place])
            return Entry(self.facts.lines[place], raw, Record(parse_line(raw)))
        except (OSError, BadLine):
            raise _changed(self.path) from None

    def records(self, places: Sequence[int]) -> "FileRecords":
        return FileRecords(self.path, [self.facts.offsets[place] for place in places])


@dataclass(frozen=True)
class FileRecords:
    """The records of a file that begin at some bytes of it."""

    path: Path
    offsets: Sequence[int]

    def read(self) -> Sequence[Record]:
        """The records. Raises UserError where the file has changed since it was checked."""
        found = []
        try:
            with self.path.open("rb") as file:
                for offset in self.offsets:
                    file.seek(offset)
                    found.append(Record(parse_line(file.readline())))
        except (OSError, BadLine):
            raise _changed(self.path) from None
        return found


@dataclass(frozen=True)
class Scan:
    """What was found in a file: how many lines it has, all findings in their order, and its records as a source."""

    lines: int
    findings: Findings
    source: FileSource


def scan_file(
    path: Path,
    chosen: frozenset[str],
    others: Sequence[Source] = (),
    engine: Engine | None = None,
    kinds: frozenset[str] = frozenset(),
) -> Scan:
    """Check a file by the chosen rules, and against others.

    The work is the engine's, by default a process for each core where the file is large. The facts have the digests
    of these `kinds`, and those that the rules look at. Memory grows with the longest lines, and by 24 to 72 bytes a
    record where rules of the whole set are chosen (more for near duplicates).
    Raises UserError where the file cannot be read, or changes meanwhile.
    """
    before = _stat(path)
    engine = engine or Processes()
    if isinstance(engine, Processes) and before.st_size < _SMALL_BYTES:
        engine = ONE_PROCESS
    checked, findings, of_lines = Checked(), Findings(), Run()
    kinds |= kinds_of(chosen)
    try:
        for part in engine.map(partial(check_chunk, path, chosen, kinds), chunks_of(path)):
            for finding in in_order(part.findings):
                of_lines.append(dataclasses.replace(finding, line=finding.line + checked.lines))
            _join(checked, part)
        findings.add_run(of_lines)
        source = FileSource(path, checked.facts, engine)
        for run in check_whole(source, checked, chosen, others):
            findings.add(run)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    after = _stat(path)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _changed(path)
    return Scan(checked.lines, findings, source)


def check_chunk(path: Path, chosen: frozenset[str], kinds: frozenset[str], chunk: Chunk) -> Checked:
    """Check the lines of a chunk, counted from 1."""
    start, end = chunk
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(end - start)
    return LineChecker(path, chosen, kinds).check(split_lines(content), start)


def chunks_of(path: Path) -> Iterator[Chunk]:
    """A file in parts that end where a line does."""
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
    whole.ends.join(part.ends, before)
    whole.facts.join(part.facts, before)
    whole.lines += part.lines


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
