"""Where a number stands among a million of them, without a dictionary: 8 bytes a number."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import takewhile


class Lookup:
    """The places of each number in an array, found by bisection."""

    def __init__(self, numbers: "Sequence[int]") -> None:
        self._numbers = numbers
        self._order = array("L", sorted(range(len(numbers)), key=numbers.__getitem__))

    def places(self, number: int) -> Iterator[int]:
        """Where it stands, from the first place on."""
        start = bisect_left(self._order, number, key=self._numbers.__getitem__)
        found = (self._order[at] for at in range(start, len(self._order)))
        return takewhile(lambda place: self._numbers[place] == number, found)


def match(one: "Sequence[int]", other: "Sequence[int]") -> Iterator[tuple[int, int]]:
    """The places of equal numbers in two arrays: the first in the one with the first in the other, and so on.

    A 0 is like nothing.
    """
    order, others = (array("L", sorted(range(len(all_)), key=all_.__getitem__)) for all_ in (one, other))
    i = j = 0
    while i < len(order) and j < len(others):
        mine, theirs = one[order[i]], other[others[j]]
        if mine == theirs and mine:
            yield order[i], others[j]
        i, j = i + (mine <= theirs), j + (mine >= theirs)
