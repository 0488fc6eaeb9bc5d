"""What the rules of a whole set need to know of each record: a few numbers, so that a million records fit in memory."""

import hashlib
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from curation.engines import ONE_PROCESS, Engine
from curation.likeness import comparison_key
from curation.records import DEFAULT_LANGUAGE, Dataset, Entry, Record

KINDS = ("id", "question", "wording", "answer", "family", "category", "language")


@dataclass
class Facts:
    """For each record of a file its line, where that begins in bytes, and 64-bit digests of some of `KINDS`, or 0.

    A question is the same in any width, case, blanks and punctuation, and in one language; its wording is the
    question without the language. What nobody asks for is not kept: a digest of each of a million takes 8 MB.
    """

    lines: "array[int]" = field(default_factory=lambda: array("Q"))
    offsets: "array[int]" = field(default_factory=lambda: array("Q"))
    digests: "dict[str, array[int]]" = field(default_factory=lambda: {kind: array("Q") for kind in KINDS})

    def add(self, line: int, offset: int, record: Record, kinds: Collection[str] = KINDS) -> None:
        """Take a record in, with these kinds of digests, which are the same for each record."""
        self.lines.append(line)
        self.offsets.append(offset)
        for kind in kinds:
            text = _TEXTS[kind](record)
            self.digests[kind].append(digest(text) if text else 0)

    def join(self, later: "Facts", lines_before: int) -> None:
        """Take in the records of what follows, whose lines are counted from its own beginning."""
        self.lines.extend(line + lines_before for line in later.lines)
        self.offsets.extend(later.offsets)
        for kind in KINDS:
            self.digests[kind].extend(later.digests[kind])

    def repeated(self, kind: str) -> Iterator[tuple[int, int]]:
        """Each place whose digest stands before it, after the first place that has it."""
        digests = self.digests[kind]
        again = {one for one, next_ in pairwise(sorted(digests)) if one == next_ and one}
        first: dict[int, int] = {}
        for place, one in enumerate(digests):
            if one in again and first.setdefault(one, place) != place:
                yield first[one], place


class Records(Protocol):
    """Some records of a source, which can be handed to another process and are read there."""

    def read(self) -> Sequence[Record]: ...


class Source(Protocol):
    """Where the records of facts can be read again; places count from 0."""

    @property
    def path(self) -> Path: ...

    @property
    def facts(self) -> Facts: ...

    @property
    def engine(self) -> Engine:
        """Who does the work on many of them."""
        ...

    def records(self, places: Sequence[int]) -> Records:
        """The records at some places, in that order, read when they are asked for."""
        ...

    def entry(self, place: int) -> Entry:
        """The record at a place, with its line."""
        ...


@dataclass(frozen=True)
class DatasetSource:
    """The records of a dataset in memory."""

    dataset: Dataset
    facts: Facts
    engine: Engine = ONE_PROCESS

    @property
    def path(self) -> Path:
        return self.dataset.path

    def entry(self, place: int) -> Entry:
        line = self.dataset.lines[self.facts.lines[place] - 1]
        assert line.record is not None
        return Entry(line.number, line.raw, line.record)

    def records(self, places: Sequence[int]) -> "HeldRecords":
        return HeldRecords([self.entry(place).record for place in places])


@dataclass(frozen=True)
class HeldRecords:
    """Records in memory."""

    held: Sequence[Record]

    def read(self) -> Sequence[Record]:
        return self.held


@dataclass(frozen=True)
class Questions:
    """What the records at some places of a source ask, as `near.Texts`."""

    source: Source
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)

    def portion(self, numbers: Sequence[int]) -> "AskedBy":
        return AskedBy(self.source.records([self.places[number] for number in numbers]))


@dataclass(frozen=True)
class AskedBy:
    """What some records ask."""

    records: Records

    def read(self) -> Sequence[str]:
        return [f"{record.instruction}\n{record.input}" for record in self.records.read()]


def digest(text: str) -> int:
    """64 bits of a text; two texts of a million have the same with a chance of one in thirty million."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def wording(record: Record) -> str:
    """What a record asks, as it is compared; empty where that is nothing."""
    question = comparison_key(record.instruction)
    return f"{question}\n{comparison_key(record.input)}" if question else ""


def question_key(data: Mapping[str, Any]) -> str:
    """By which two questions are one, also of what is no record: by the wording, whatever it is, and the language."""
    texts = (comparison_key(str(data.get(field, ""))) for field in ("instruction", "input"))
    return "\n".join([str(data.get("language", DEFAULT_LANGUAGE)), *texts])


def _text(record: Record, field: str) -> str:
    value = record.data.get(field)
    return value if isinstance(value, str) else ""


def _wording(record: Record) -> str:
    return wording(record) if _text(record, "instruction").strip() else ""


def _question(record: Record) -> str:
    asked = _wording(record)
    return asked and f"{record.language}\n{asked}"  # as question_key has it


_TEXTS: dict[str, Callable[[Record], str]] = {
    "id": lambda record: _text(record, "id"),
    "question": _question,
    "wording": _wording,
    "answer": lambda record: comparison_key(_text(record, "answer")),
    "family": lambda record: _text(record, "family"),
    "category": lambda record: _text(record, "category"),
    "language": lambda record: record.language,
}
