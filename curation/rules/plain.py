"""Many lines at once that break no rule of form or contract: a proof that costs half as much as a look at each."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain, repeat
from typing import Any

import msgspec

from curation.lines import MAX_BYTES
from curation.records import KNOWN_FIELDS

from .contract import declared_as, record_schema

_DECODE = msgspec.json.Decoder().decode
_KNOWN = frozenset(KNOWN_FIELDS)
_MOST_SHAPES = 8  # of a block; a file whose records have more is read line by line as fast

_Column = Sequence[Any]
_Check = Callable[[_Column], _Column | None]


def read_clean(lines: Sequence[bytes]) -> list[dict[str, Any]] | None:
    """The objects of lines that end in LF, in which neither form nor contract has anything to find; else None.

    None says nothing about any line. As in `parse_plain` the quotation marks are counted, here of all lines together:
    none can have fewer than its texts and keys have.
    """
    if max(map(len, lines), default=0) > MAX_BYTES:
        return None
    try:
        values: list[Any] = list(map(_DECODE, lines))
    except (ValueError, RecursionError):
        return None
    if set(map(type, values)) != {dict}:
        return None
    shapes = set(map(tuple, values))
    if len(shapes) == 1:
        groups = {next(iter(shapes)): values}
    elif len(shapes) > _MOST_SHAPES:
        return None
    else:
        groups = defaultdict(list)
        for value in values:
            groups[tuple(value)].append(value)
    content = b"".join(lines)
    if b"\r" in content or not all(map(bytes.endswith, lines, repeat(b"\n"))):
        return None
    has_escapes = b"\\" in content
    if has_escapes and b"\\u0022" in content:  # a quotation mark that is not written as one
        return None
    marks = 0
    for shape, rows in groups.items():
        found = _count_marks(shape, rows, has_escapes)
        if found is None:
            return None
        marks += found
    return values if content.count(b'"') == marks else None


def _count_marks(shape: tuple[str, ...], rows: Sequence[dict[str, Any]], has_escapes: bool) -> int | None:
    """The quotation marks that objects of one shape are written with, or None where one may break the contract."""
    required, checks = _column_checks()
    if not (required.issubset(shape) and _KNOWN.issuperset(shape)):
        return None
    marks = 2 * len(shape) * len(rows)
    for field, column in zip(shape, zip(*map(dict.values, rows), strict=True), strict=True):
        texts = checks[field](column)
        if texts is None:
            return None
        marks += 2 * len(texts)
        if has_escapes:
            marks += sum(text.count('"') for text in texts)
    return marks


@cache
def _column_checks() -> tuple[frozenset[str], dict[str, _Check]]:
    """What is required, and for each field what gives the texts of its values, or None where one breaks the schema."""
    schema = record_schema()
    return frozenset(schema["required"]), {name: _compile(one) for name, one in schema["properties"].items()}


def _compile(declared: Mapping[str, Any]) -> _Check:
    declared = declared_as(declared)
    if declared["type"] == "array":
        check_items = _compile(declared["items"])
        return lambda column: check_items([*chain.from_iterable(column)]) if _all_are(list, column) else None
    if declared["type"] != "string":  # an object may hold anything
        return _never
    if "pattern" not in declared:
        return lambda column: column if _all_are(str, column) else None
    if declared["pattern"] == "\\S":
        return lambda column: (
            column if _all_are(str, column) and all(column) and not any(map(str.isspace, column)) else None
        )
    search = re.compile(declared["pattern"]).search
    return lambda column: column if _all_are(str, column) and all(map(search, set(column))) else None


def _never(column: _Column) -> None:
    """For a field that is left to the check of single lines."""


def _all_are(kind: type, column: _Column) -> bool:
    return set(map(type, column)) <= {kind}
