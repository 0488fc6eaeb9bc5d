"""A loop is found at the token that completes it, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi2chat.inference.loops import LoopFinder


def finds(ids: list[int]) -> list[bool]:
    """What is said after each token."""
    finder = LoopFinder()
    return [finder.finds(ids[:length]) for length in range(1, len(ids) + 1)]


def is_loop(ids: list[int]) -> bool:
    """The definition, written down without a thought of time."""
    for period in range(1, len(ids) // 3 + 1):
        span = max(24, 3 * period)
        if span <= len(ids) and all(ids[-i] == ids[-i - period] for i in range(1, span - period + 1)):
            return True
    return False


@pytest.mark.parametrize(
    ("ids", "loop"),
    [
        ([], False),
        ([1], False),
        ([1] * 23, False),
        ([1] * 24, True),
        ([2, *[1] * 24], True),
        ([*[1] * 24, 2], False),
        ([1, 2] * 12, True),
        ([1, 2] * 11 + [1], False),
        ([*range(8)] * 3, True),
        ([*range(30)] * 3, True),
        ([*range(30)] * 2, False),
        ([*range(30), *range(29), *range(30)], False),
        ([9, 9, *[*range(30)] * 3], True),
        ([*[*range(30)] * 3, 5], False),
        ([*range(1, 30), *[*range(30)] * 2, 0], True),  # three times, begun in the middle
    ],
)
def test_a_loop_is_one_piece_three_times_and_24_tokens_at_least(ids: list[int], loop: bool) -> None:
    assert finds(ids)[-1:] == [loop][: len(ids)]


repeating = st.lists(
    st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=14), st.integers(1, 9)), min_size=1, max_size=5
).map(lambda pieces: [token for piece, times in pieces for token in piece * times])


@given(repeating)
def test_every_loop_is_found_and_nothing_else(ids: list[int]) -> None:
    assert finds(ids) == [is_loop(ids[:length]) for length in range(1, len(ids) + 1)]


@given(repeating, repeating, st.integers(0, 40))
def test_a_reply_that_went_back_and_on_again_is_looked_at_as_any(ids: list[int], others: list[int], place: int) -> None:
    finder = LoopFinder()
    for length in range(1, len(ids) + 1):
        finder.finds(ids[:length])
    kept = ids[:place]
    again = [*kept, *others]
    for length in range(len(kept) + 1, len(again) + 1):
        assert finder.finds(again[:length]) == is_loop(again[:length])
