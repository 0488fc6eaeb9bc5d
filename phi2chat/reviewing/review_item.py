"""A line under review: its bytes, its record, and what is known of it."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from curation.lines import BadLine, dumps, parse_line
from curation.records import Finding

LARGE_BYTES = 200_000  # a line from there on is checked in the background alone


@dataclass(slots=True, eq=False)
class Item:
    """A line under review: its bytes, and what was found in it so far; `number` counts from 1.

    `own` are the findings of the record alone, None until it was checked, `in_set` those of it among the others.
    `draft` is a text that was written for it and not saved, `refusal` says why; `wanted` whether it passes the filter.
    """

    raw: bytes
    number: int
    own: tuple[Finding, ...] | None = None
    in_set: tuple[Finding, ...] = ()
    accepted: bool = False
    draft: str | None = None
    draft_is_json: bool = False
    refusal: str = ""
    wanted: bool | None = None

    @property
    def data(self) -> dict[str, Any] | None:
        """The record, or None for a line that holds none."""
        data = read_line(self.raw)
        return None if isinstance(data, BadLine) else data

    @property
    def findings(self) -> list[Finding]:
        """What is known to be wrong with it, errors first."""
        return sorted([*(self.own or ()), *self.in_set], key=lambda finding: finding.severity)

    @property
    def is_reviewed(self) -> bool:
        """Whether it was accepted: in this session, or by whoever signed it."""
        if self.accepted or b"reviewed_by" not in self.raw:
            return self.accepted
        provenance = (self.data or {}).get("provenance")
        return isinstance(provenance, dict) and "reviewed_by" in provenance

    def renew(self, raw: bytes) -> None:
        """Take other bytes, of which nothing is known yet."""
        self.raw, self.own, self.in_set = raw, None, ()

    @property
    def name(self) -> str:
        """What a message calls it."""
        record_id = (self.data or {}).get("id")
        return record_id if isinstance(record_id, str) else f"line {self.number}"


def renewed(before: Sequence[Item], lines: Sequence[bytes], back: Item | None = None) -> tuple[list[Item], int]:
    """Items for other lines than there were, and how many at the beginning are the same.

    A line that is as before keeps what is known of it, also where it moved; `back` is one that may stand there again.
    """
    shorter = min(len(before), len(lines))
    head = tail = 0
    while head < shorter and before[head].raw == lines[head]:
        head += 1
    while tail < shorter - head and before[-1 - tail].raw == lines[-1 - tail]:
        tail += 1
    known: dict[bytes, list[Item]] = {}
    for item in [*before[head : len(before) - tail], *([back] if back else [])]:
        known.setdefault(item.raw, []).append(item)
    middle = [known[raw].pop(0) if known.get(raw) else Item(raw, 0) for raw in lines[head : len(lines) - tail]]
    items = [*before[:head], *middle, *before[len(before) - tail :]]
    for number, item in enumerate(items, start=1):
        item.number = number
    return items, head


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
