"""A line under review: its bytes, its record, and what is known of it."""

import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from curation.line_file import HeldLines, Lines, MarkedLines, MixedLines
from curation.lines import BadLine, dumps, parse_line
from curation.records import Finding

SIGNED = b'"reviewed_by"'  # what a line has that was signed
LARGE_BYTES = 200_000  # a line from there on is checked in the background alone


@dataclass(slots=True, eq=False)
class Item:
    """A line under review: its bytes, and what was found in it so far; `number` counts from 1.

    `stored` are the bytes of one that was written here; of all others it is their place in `lines`.

    `own` are the findings of the record alone, None until it was checked, `in_set` those of it among the others.
    `draft` is a text that was written for it and not saved, `refusal` says why; `wanted` whether it passes the filter.
    """

    stored: bytes | int
    number: int
    lines: MarkedLines | None = None
    own: tuple[Finding, ...] | None = None
    in_set: tuple[Finding, ...] = ()
    accepted: bool = False
    draft: str | None = None
    draft_is_json: bool = False
    refusal: str = ""
    wanted: bool | None = None

    @property
    def raw(self) -> bytes:
        """The line, read from the disk where it was not written here."""
        if isinstance(self.stored, int):
            assert self.lines is not None
            return self.lines[self.stored]
        return self.stored

    @property
    def key(self) -> int:
        """The same for the same bytes."""
        if isinstance(self.stored, int):
            assert self.lines is not None
            return self.lines.keys[self.stored]
        return hash(self.stored)

    @property
    def data(self) -> dict[str, Any] | None:
        """The record, or None for a line that holds none."""
        data = read_line(self.raw)
        return None if isinstance(data, BadLine) else data

    @property
    def may_be_signed(self) -> bool:
        """Whether its line has what a signature has, told without reading lines from the disk."""
        if isinstance(self.stored, int):
            assert self.lines is not None
            return bool(self.lines.marked[self.stored])
        return SIGNED in self.stored

    @property
    def findings(self) -> list[Finding]:
        """What is known to be wrong with it, errors first."""
        return sorted([*(self.own or ()), *self.in_set], key=lambda finding: finding.severity)

    @property
    def is_reviewed(self) -> bool:
        """Whether it was accepted: in this session, or by whoever signed it."""
        if self.accepted or not self.may_be_signed:
            return self.accepted
        provenance = (self.data or {}).get("provenance")
        return isinstance(provenance, dict) and "reviewed_by" in provenance

    def renew(self, raw: bytes) -> None:
        """Take other bytes, of which nothing is known yet."""
        self.stored, self.lines, self.own, self.in_set = raw, None, None, ()

    @property
    def name(self) -> str:
        """What a message calls it."""
        record_id = (self.data or {}).get("id")
        return record_id if isinstance(record_id, str) else f"line {self.number}"


def renewed(before: Sequence[Item], lines: MarkedLines, back: Item | None = None) -> tuple[list[Item], int]:
    """Items for other lines than there were, and how many at the beginning are the same.

    A line that is as before keeps what is known of it, also where it moved; `back` is one that may stand there again.
    """
    old, new = [item.key for item in before], lines.keys
    shorter = min(len(old), len(new))
    head = tail = 0
    while head < shorter and old[head] == new[head]:
        head += 1
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    known: dict[int, list[Item]] = {}
    for item in [*before[head : len(before) - tail], *([back] if back else [])]:
        known.setdefault(item.key, []).append(item)
    middle = [known[key].pop(0) if known.get(key) else Item(0, 0) for key in new[head : len(new) - tail]]
    items = [*before[:head], *middle, *before[len(before) - tail :]]
    for place, item in enumerate(items):
        item.stored, item.lines, item.number = place, lines, place + 1
    return items, head


def as_they_are(items: Sequence[Item]) -> Lines:
    """The lines of items, which stay what they are when an item gets another one."""
    on_disk = next((item.lines for item in items if item.lines is not None), HeldLines([]))
    return MixedLines([item.stored for item in items], on_disk, array("q", (item.key for item in items)))


@lru_cache(maxsize=1000)
def read_line(raw: bytes) -> dict[str, Any] | BadLine:
    """The record that a line holds, or why it holds none."""
    try:
        return parse_line(raw)
    except BadLine as bad:
        return bad


def texts_of(raw: bytes) -> str:
    """All that a line says, as it is searched: the values of its record, or the line where it holds none."""
    try:
        values = parse_line(raw).values()
    except BadLine:
        return raw.decode("utf-8", "replace")
    return "\n".join(value if isinstance(value, str) else dumps(value, ascii_only=False) for value in values)


def comparable(text: str) -> str:
    """A text as it is searched: in any width and case."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
