"""What every container is read into and written from: rows, each with the place where its owner finds it."""

import datetime
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curation.errors import UserError

# The column in which an export carries, as JSON, what its format has no place for; and that of `--rejects`.
CARRIED = "phi2chat"
REJECTED = "phi2chat_rejected"


@dataclass(frozen=True)
class Row:
    """One row of a source. Where `fault` says why it could not be read, `data` is what there is of it."""

    place: str
    data: dict[str, Any]
    fault: str = ""


@dataclass(frozen=True)
class Source:
    """A file or folder that can be read row by row, more than once; `kind` and `notes` say how it is read."""

    path: Path
    kind: str
    rows: Callable[[], Iterator[Row]]
    notes: tuple[str, ...] = field(default=())


class NoRecord(Exception):
    """Why a row cannot become a record."""


def plain(value: object) -> Any:
    """The value as JSON knows it: dates and bytes as text, what is not a number as null, tuples as lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float) else str(value)


def require_unlike(path: Path, names: Sequence[str]) -> None:
    """Raise UserError where two columns have one name, for a row would have the cell of one of them alone."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f'{path}: two columns are called "{twice}"; give one another name')


def is_empty(value: object) -> bool:
    """Whether a cell holds nothing: every format spells that in its own way."""
    return value is None or value == "" or value == []
