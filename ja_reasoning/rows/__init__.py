"""Rows that are computed: for each table a generator of what its wordings have slots for."""

from collections.abc import Iterator
from random import Random

from ..kinds import RecipeError, Row
from . import arithmetic, calendar, digits, letters, quantities, stories, translations, world

_TABLES = {
    **arithmetic.TABLES,
    **digits.TABLES,
    **quantities.TABLES,
    **stories.TABLES,
    **calendar.TABLES,
    **letters.TABLES,
    **translations.TABLES,
    **world.TABLES,
}

_TRIES = 10_000  # draws without anything new, after which there is nothing new


def rows_of(table: str) -> Iterator[Row]:
    """The rows of a table, the same each time, no `key` twice. Raises RecipeError for a table nobody makes."""
    if table not in _TABLES:
        raise RecipeError(f"{table}: has no rows, neither in text/ nor in rows/")
    seen: set[str] = set()
    repeated = 0
    for row in _TABLES[table](Random(table)):
        if row["key"] not in seen:
            seen.add(row["key"])
            repeated = 0
            yield row
        elif (repeated := repeated + 1) == _TRIES:
            raise RecipeError(f"{table}: has only {len(seen)} different rows")
