"""A reply that has begun to say one piece again and again, found as it is written."""

from collections.abc import Sequence

LOOP_TOKENS = 24  # a loop is this many tokens at least,
LOOP_REPEATS = 3  # made of one piece this many times
# So many tokens at least stand in a loop a second time: all but the first of its pieces.
_SAID_BEFORE = LOOP_TOKENS - LOOP_TOKENS // LOOP_REPEATS


class LoopFinder:
    """Looks at one reply after each of its tokens; a reply that goes back and on again may be looked at as well.

    Where the last tokens have never stood in the reply before, which is nearly always, one look into a table says so.
    """

    def __init__(self) -> None:
        self._ends: dict[tuple[int, ...], list[int]] = {}  # how long the reply was when it ended with these tokens

    def finds(self, ids: Sequence[int]) -> bool:
        """Whether the end of the reply is one piece again and again."""
        length = len(ids)
        if length < _SAID_BEFORE:
            return False
        ends = self._ends.setdefault(tuple(ids[-_SAID_BEFORE:]), [])
        found = any(_repeats(ids, length - end) for end in ends)
        ends.append(length)
        return found


def _repeats(ids: Sequence[int], period: int) -> bool:
    span = max(LOOP_TOKENS, LOOP_REPEATS * period)
    return period > 0 and span <= len(ids) and ids[-span:-period] == ids[len(ids) - span + period :]
