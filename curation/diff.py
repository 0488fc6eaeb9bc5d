"""Two states of a dataset, record by record: what was added, removed and changed, whatever the order."""

import json
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from curation.line_file import OpenLines
from curation.lines import BadLine, parse_line
from curation.lookup import match
from curation.store import content_digest

Where = TypeVar("Where")
Item = TypeVar("Item")

Fields = dict[str, tuple[Any, Any]]  # by name: as it was and as it is, None where it is missing


@dataclass(frozen=True)
class Placed:
    """A line of one of the files, from 1; `data` is None where it is broken."""

    number: int
    raw: bytes
    data: dict[str, Any] | None

    @property
    def name(self) -> str:
        """Its id, or where it stands."""
        found = self.data.get("id") if self.data else None
        return found if isinstance(found, str) else f"line:{self.number}"


@dataclass(frozen=True)
class Changed:
    """A record that says something else now."""

    before: Placed
    after: Placed
    fields: Fields


@dataclass(frozen=True)
class Differences:
    """What makes one state of another; `same` counts the records that are in both as they are.

    What differs is read again whenever it is gone through, as long as both files are open.
    """

    added: Collection[Placed]
    removed: Collection[Placed]
    changed: Collection[Changed]
    same: int


def compare(path: Path, before: IO[bytes], after: IO[bytes]) -> Differences:
    """Compare two files. A record is known by its id; without one by its content, else by its question.

    Of each line a few numbers are held. Where a file cannot be read, or is another one meanwhile, the UserError names
    `path`.
    """
    old, new = OpenLines(path, before, _key), OpenLines(path, after, _key)
    common = bytearray(len(old)), bytearray(len(new))  # most lines; they need not be read again
    same = 0
    for i, j in match(old.keys, new.keys):
        common[0][i] = common[1][j] = 1
        same += 1
    left, right = _others(old, common[0]), _others(new, common[1])
    pairs = sorted(_pair(old, left, new, right), key=lambda pair: pair[1])
    changed = [pair for pair in pairs if _change(old, new, pair).fields]
    return Differences(
        _Read(right, partial(_placed, new)),
        _Read(left, partial(_placed, old)),
        _Read(changed, partial(_change, old, new)),
        same + len(pairs) - len(changed),
    )


@dataclass(frozen=True)
class _Read(Collection[Item], Generic[Where, Item]):
    """What stands at some places, read when it is gone through."""

    places: Sequence[Where]
    read: Callable[[Where], Item]

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Item]:
        return map(self.read, self.places)

    def __contains__(self, wanted: object) -> bool:
        return any(one == wanted for one in self)


def _placed(lines: OpenLines, place: int) -> Placed:
    raw = lines[place]
    try:
        return Placed(place + 1, _ended(raw), parse_line(raw))
    except BadLine:
        return Placed(place + 1, _ended(raw), None)


def _change(old: OpenLines, new: OpenLines, pair: tuple[int, int]) -> Changed:
    one, other = _placed(old, pair[0]), _placed(new, pair[1])
    return Changed(one, other, changed_fields(one.data or {}, other.data or {}))


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> Fields:
    """The members that are not the same, in the order in which they stand."""
    names = dict.fromkeys([*before, *after])
    return {
        name: (before.get(name), after.get(name)) for name in names if _spelling(before, name) != _spelling(after, name)
    }


def _spelling(data: Mapping[str, Any], name: str) -> str:
    return json.dumps(data[name], sort_keys=True) if name in data else ""


def _ended(raw: bytes) -> bytes:
    return raw.rstrip(b"\r\n")


def _key(raw: bytes) -> int:
    """A number for a line, however it ends; 0 for a blank one."""
    line = _ended(raw)
    return hash(line) if line else 0


def _others(lines: OpenLines, common: bytearray) -> "array[int]":
    return array("q", (place for place, key in enumerate(lines.keys) if key and not common[place]))


def _pair(old: OpenLines, left: "array[int]", new: OpenLines, right: "array[int]") -> list[tuple[int, int]]:
    """Pair the lines that have the same name, the first with the first; what has no partner stays in the arrays."""
    found: list[tuple[int, int]] = []
    names, others = _names(old, left), _names(new, right)
    is_left, is_right = (bytearray(b"\1") * len(places) for places in (left, right))
    for name, other in zip(names, others, strict=True):
        for i, j in match(name, other):
            found.append((left[i], right[j]))
            is_left[i] = is_right[j] = 0
            names[-1][i] = others[-1][j] = 0  # by its question, nobody looks for it any more
    left[:] = array("q", compress(left, is_left))
    right[:] = array("q", compress(right, is_right))
    return found


def _names(lines: OpenLines, places: Iterable[int]) -> "tuple[array[int], array[int]]":
    """Two numbers for each of some lines, 0 for none: of its id, or else of its content; and then of its question."""
    firsts, seconds = array("q"), array("q")
    for place in places:
        data = _placed(lines, place).data
        if data is None:
            first = second = None
        elif isinstance(data.get("id"), str):
            first, second = ("id", data["id"]), None
        else:
            asked = [data.get(field) for field in ("instruction", "input", "language")]
            first, second = ("content", content_digest(data)), json.dumps(asked, sort_keys=True) if asked[0] else None
        firsts.append(hash(first) if first else 0)
        seconds.append(hash(second) if second else 0)
    return firsts, seconds
