"""The findings of a file that is being edited: what did not change is not checked a second time."""

import contextlib
import dataclasses
import itertools
from array import array
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.engines import ONE_PROCESS, Engine
from curation.facts import Facts, HeldRecords
from curation.line_file import Lines
from curation.lines import BadLine, parse_line
from curation.records import Entry, Finding, Record
from curation.rules import choose
from curation.rules.check import Checked, LineChecker, check_whole, checks_of
from curation.rules.declare import Fault

_BLOCK_LINES = 100  # that are checked before anybody can ask for something else

Found = dict[int, tuple[Finding, ...]]  # by line, counted from 0


@dataclass(frozen=True)
class Part:
    """Findings of the lines from `start` up to `end`: each of its own, or with `of_set`, of the set."""

    start: int
    end: int
    found: Found
    of_set: bool = False


class Outdated(Exception):
    """The lines that are being checked are not wanted any more."""


class Rechecker:
    """Checks the lines of a file again and again, as they are edited, by all rules."""

    def __init__(self, path: Path) -> None:
        self._path, self._chosen = path, choose()
        self._blocks: list[_Block] = []

    def check(self, lines: Lines, is_wanted: Callable[[], bool] = lambda: True) -> Iterator[Part]:
        """What is found, part after part: first what each line has of its own, in the end what the set has.

        Raises Outdated once `is_wanted` says no; what was checked by then is known the next time.
        """
        start = 0
        with contextlib.closing(self._check_blocks(lines)) as blocks:
            for block in blocks:
                yield Part(start, start + len(block.keys), _by_line(block.checked.findings, start))
                if not is_wanted():
                    raise Outdated
                start += len(block.keys)
        checked = Checked()
        for block in self._blocks:
            checked.findings += [_moved(finding, checked.lines) for finding in block.checked.findings]
            checked.ends.join(block.checked.ends, checked.lines)
            checked.facts.join(block.checked.facts, checked.lines)
            checked.lines += len(block.keys)
        source = _Lines(self._path, checked.facts, lines, is_wanted)
        found = itertools.chain.from_iterable(check_whole(source, checked, self._chosen, []))
        yield Part(0, len(lines), _by_line(found), of_set=True)

    def _check_blocks(self, lines: Lines) -> "Generator[_Block]":
        """All blocks, of which those at the beginning and at the end that are as before are not checked."""
        before = self._blocks
        head = place = 0
        while head < len(before) and before[head].stands_at(place, lines.keys):
            place += len(before[head].keys)
            head += 1
        tail, end = len(before), len(lines)
        while tail > head and before[tail - 1].stands_at(end - len(before[tail - 1].keys), lines.keys, place):
            tail -= 1
            end -= len(before[tail].keys)
        blocks = before[:head]
        yield from before[:head]
        try:
            for start in range(place, end, _BLOCK_LINES):
                places = range(start, min(start + _BLOCK_LINES, end))
                checked = LineChecker(self._path, self._chosen).check(lines[place] for place in places)
                blocks.append(_Block(lines.keys[places.start : places.stop], checked))
                yield blocks[-1]
        finally:
            self._blocks = blocks + before[tail:]  # where it was broken off, there is a gap, which is found as a change
        yield from before[tail:]


def check_line(path: Path, raw: bytes, number: int) -> tuple[Finding, ...]:
    """What one line has of its own."""
    return tuple(_moved(finding, number - 1) for finding in LineChecker(path, choose()).check([raw]).findings)


def find_faults(raw: bytes) -> list[Fault]:
    """What rules of single records find in a line that holds one, with the place in the text of its field."""
    entry = Entry(1, raw, Record(parse_line(raw)))
    return [fault for check in checks_of(choose()) for _, fault in check([entry])]


@dataclass(frozen=True)
class _Block:
    """The keys of lines that follow one another, and what was found in them, counted from the first of them."""

    keys: "array[int]"
    checked: Checked

    def stands_at(self, place: int, keys: "array[int]", lowest: int = 0) -> bool:
        return place >= lowest and keys[place : place + len(self.keys)] == self.keys


@dataclass(frozen=True)
class _Lines:
    """The records of lines, which are looked at only while they are wanted."""

    path: Path
    facts: Facts
    lines: Lines
    is_wanted: Callable[[], bool]
    engine: Engine = ONE_PROCESS

    def entry(self, place: int) -> Entry:
        if not self.is_wanted():
            raise Outdated
        number = self.facts.lines[place]
        raw = self.lines[number - 1]
        try:
            return Entry(number, raw, Record(parse_line(raw)))
        except BadLine:  # another program has written over it, which is noticed and leads to another check
            raise Outdated from None

    def records(self, places: Sequence[int]) -> HeldRecords:
        return HeldRecords([self.entry(place).record for place in places])


def _by_line(findings: Iterable[Finding], before: int = 0) -> Found:
    found: defaultdict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        moved = _moved(finding, before)
        found[moved.line - 1].append(moved)
    return {line: tuple(some) for line, some in found.items()}


def _moved(finding: Finding, lines: int) -> Finding:
    return dataclasses.replace(finding, line=finding.line + lines) if lines else finding
