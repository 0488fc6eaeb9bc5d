"""Rows are read from their source once, if that came to its end."""

from collections.abc import Iterator

from curation.exchange.kept_rows import Kept
from curation.exchange.rows import Row

ROWS = [Row(f"row {number}", {"question": f"問い{number}", "number": number}) for number in range(1200)]


class CountingSource:
    def __init__(self) -> None:
        self.read = 0

    def rows(self) -> Iterator[Row]:
        self.read += 1
        yield from ROWS


def test_what_was_read_to_its_end_is_read_again_without_its_source() -> None:
    source = CountingSource()
    kept = Kept(source.rows)
    assert [list(kept.rows()) for _ in range(3)] == [ROWS] * 3
    assert source.read == 1


def test_what_was_left_in_the_middle_is_read_from_its_source_again() -> None:
    source = CountingSource()
    kept = Kept(source.rows)
    some = kept.rows()
    assert [next(some) for _ in range(700)] == ROWS[:700]
    some.close()  # type: ignore[attr-defined]
    assert list(kept.rows()) == ROWS
    assert source.read == 2
