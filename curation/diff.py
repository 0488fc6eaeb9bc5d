"""Two states of a dataset, record by record: what was added, removed and changed, whatever the order."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from curation.lines import BadLine, parse_line, split_lines
from curation.store import content_digest

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
    """What makes one state of another; `same` counts the records that are in both as they are."""

    added: tuple[Placed, ...]
    removed: tuple[Placed, ...]
    changed: tuple[Changed, ...]
    same: int


def compare(before: bytes, after: bytes) -> Differences:
    """Compare two files. A record is known by its id; without one by its content, else by its question."""
    old, new = split_lines(before), split_lines(after)
    common = Counter(map(_ended, old)) & Counter(map(_ended, new))  # most lines; they need not be read
    common.pop(b"", None)
    left, right = _others(old, common.copy()), _others(new, common.copy())
    pairs: list[tuple[Placed, Placed]] = []
    for key in (_id, _content, _question):
        left, right = _pair(left, right, key, pairs)
    found = [(one, other, changed_fields(one.data or {}, other.data or {})) for one, other in pairs]
    changed = [Changed(one, other, fields) for one, other, fields in found if fields]
    changed.sort(key=lambda change: change.after.number)
    same = common.total() + len(pairs) - len(changed)
    return Differences(tuple(right), tuple(left), tuple(changed), same)


def changed_fields(before: dict[str, Any], after: dict[str, Any]) -> Fields:
    """The members that are not the same, in the order in which they stand."""
    names = dict.fromkeys([*before, *after])
    return {
        name: (before.get(name), after.get(name)) for name in names if _spelling(before, name) != _spelling(after, name)
    }


def _spelling(data: dict[str, Any], name: str) -> str:
    return json.dumps(data[name], sort_keys=True) if name in data else ""


def _ended(raw: bytes) -> bytes:
    return raw.rstrip(b"\r\n")


def _others(lines: list[bytes], common: Counter[bytes]) -> list[Placed]:
    found: list[Placed] = []
    for number, raw in enumerate(lines, start=1):
        line = _ended(raw)
        if common[line]:
            common[line] -= 1
            continue
        try:
            data = parse_line(raw)
        except BadLine:
            data = None
        if line:
            found.append(Placed(number, line, data))
    return found


def _pair(
    left: list[Placed],
    right: list[Placed],
    key: Callable[[Placed], Hashable],
    pairs: list[tuple[Placed, Placed]],
) -> tuple[list[Placed], list[Placed]]:
    """Pair what has the same key, the first with the first, and return what is left over."""
    waiting: dict[Hashable, list[Placed]] = defaultdict(list)
    for one in reversed(left):
        waiting[key(one)].append(one)
    waiting.pop(None, None)
    rest: list[Placed] = []
    paired: set[int] = set()
    for other in right:
        others = waiting.get(key(other))
        if others:
            one = others.pop()
            paired.add(one.number)
            pairs.append((one, other))
        else:
            rest.append(other)
    return [one for one in left if one.number not in paired], rest


def _id(line: Placed) -> Hashable:
    found = line.data.get("id") if line.data else None
    return found if isinstance(found, str) else None


def _content(line: Placed) -> Hashable:
    return content_digest(line.data) if line.data is not None and _id(line) is None else None


def _question(line: Placed) -> Hashable:
    if line.data is None or _id(line) is not None:
        return None
    asked = [line.data.get(field) for field in ("instruction", "input", "language")]
    return json.dumps(asked, sort_keys=True) if asked[0] else None
