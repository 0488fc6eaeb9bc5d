"""Lines -> findings: every rule that was chosen, in the order of the file."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from curation.facts import DatasetSource, Facts, Source
from curation.lines import BadLine, parse_line
from curation.records import Dataset, Entry, Finding, Record, column_of, columns_of

from . import against, sets
from .against import find_leaks
from .declare import RECORD_CHECKS, RULES, BatchCheck, Fault
from .form import LineEnds, find_odd_ends
from .plain import read_clean
from .sets import SET_CHECKS

_BLOCK_LINES = 100  # that are read together where nothing is wrong with them
_BATCH_LINES = 10 * _BLOCK_LINES  # whose records are checked together
_KINDS = {**sets.KINDS, **against.KINDS}
_CONTRACT = frozenset(rule.id for rule in RULES.values() if rule.section == "contract")


@dataclass
class Checked:
    """What is known of some lines of a file: findings of single lines, how they end, and facts for the set's rules."""

    lines: int = 0
    findings: list[Finding] = field(default_factory=list)
    ends: LineEnds = field(default_factory=LineEnds)
    facts: Facts = field(default_factory=Facts)


class LineChecker:
    """The chosen rules that look at one line after another. Other rules are led to by facts: those of `kinds`."""

    def __init__(self, path: Path, chosen: frozenset[str], kinds: frozenset[str] | None = None) -> None:
        self._path, self._chosen = path, chosen
        self._contract_checks = checks_of(chosen & _CONTRACT)
        self._other_checks = checks_of(chosen - _CONTRACT)
        self._kinds = kinds_of(chosen) if kinds is None else kinds

    def check(self, lines: Iterable[bytes], offset: int = 0) -> Checked:
        """Check lines that follow one another from byte `offset` of the file on, counted from 1."""
        checked = Checked()
        left = iter(lines)
        while batch := list(itertools.islice(left, _BATCH_LINES)):
            entries: list[Entry] = []
            for start in range(0, len(batch), _BLOCK_LINES):
                entries += self._read(batch[start : start + _BLOCK_LINES], checked)
            self._check_entries(entries, self._other_checks, checked)
            if self._kinds:
                offsets = [*itertools.accumulate(map(len, batch), initial=offset)]
                offset = offsets[-1]
                first = checked.lines - len(batch) + 1
                for entry in entries:
                    checked.facts.add(entry.number, offsets[entry.number - first], entry.record, self._kinds)
        checked.findings.sort(key=lambda finding: finding.line)
        return checked

    def _read(self, lines: Sequence[bytes], checked: Checked) -> list[Entry]:
        """The records of the lines that follow, checked for form and contract."""
        first = checked.lines + 1
        checked.lines += len(lines)
        clean = read_clean(lines)
        if clean is not None:
            checked.ends.count_lf(first, len(lines))
            if not (self._other_checks or self._kinds):
                return []
            return [*map(Entry, itertools.count(first), lines, map(Record, clean))]
        entries = []
        for number, raw in enumerate(lines, start=first):
            checked.ends.count(number, raw)
            try:
                entries.append(Entry(number, raw, Record(parse_line(raw))))
            except BadLine as bad:
                if bad.rule in self._chosen:
                    finding = Finding(self._path, number, bad.column, "", bad.message, bad.rule, subject=_digest(raw))
                    checked.findings.append(finding)
        self._check_entries(entries, self._contract_checks, checked)
        return entries

    def _check_entries(self, entries: Sequence[Entry], checks: Sequence[BatchCheck], checked: Checked) -> None:
        for check in checks:
            for entry, fault in check(entries):
                if fault.rule in self._chosen:
                    checked.findings.append(point_at(self._path, entry, fault))


def checks_of(chosen: frozenset[str]) -> list[BatchCheck]:
    """The functions that look at single records for any of these rules."""
    return [check for check, rules in RECORD_CHECKS.items() if chosen.intersection(rules)]


def kinds_of(chosen: frozenset[str]) -> frozenset[str]:
    """The digests of records by which the rules of a whole set, or of several, are led to what they look at."""
    return frozenset(kind for rule in chosen for kind in _KINDS.get(rule, ()))


def check_whole(
    source: Source, checked: Checked, chosen: frozenset[str], others: Sequence[Source]
) -> Iterator[Iterable[Finding]]:
    """The findings of the rules that look at a file as a whole, once all of its lines were checked: of each rule those
    in the order of the file."""
    yield [
        Finding(source.path, number, 1, "", fault.message, fault.rule, RULES[fault.rule].severity)
        for number, fault in sorted(find_odd_ends(checked.ends), key=lambda one: one[0])
        if fault.rule in chosen
    ]
    for find, rule_id in SET_CHECKS.items():
        if rule_id in chosen:
            yield (point_at(source.path, source.entry(place), fault) for place, fault in find(source))
    yield in_order(
        point_at(source.path, source.entry(place), fault) for place, fault in find_leaks(source, others, chosen)
    )


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """As they stand in the file."""
    return sorted(findings, key=lambda finding: (finding.line, finding.column))


def check_loaded(dataset: Dataset, chosen: frozenset[str]) -> list[Finding]:
    """The findings of a dataset that is in memory, in the order of the file."""
    checked = LineChecker(dataset.path, chosen).check(line.raw for line in dataset.lines)
    source = DatasetSource(dataset, checked.facts)
    whole = itertools.chain.from_iterable(check_whole(source, checked, chosen, []))
    return in_order([*checked.findings, *whole])


def point_at(path: Path, entry: Entry, fault: Fault) -> Finding:
    """A fault with its columns in the line."""
    column, end_column = 1, None
    if fault.start is not None and fault.end is not None:
        column, end_column = columns_of(entry.raw, fault.field, fault.start, fault.end)
    elif fault.field:
        column = column_of(entry.raw, fault.field)
    value = entry.record.data.get(fault.field)
    subject = _digest(entry.raw.rstrip(b"\r\n") if value is None else repr(value).encode("utf-8", "surrogatepass"))
    where, rule = fault.field + fault.item, RULES[fault.rule]
    return Finding(path, entry.number, column, where, fault.message, rule.id, rule.severity, end_column, subject)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
