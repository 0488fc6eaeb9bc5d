"""Numbers are found among many as a dictionary would find them."""

from array import array
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from curation.lookup import Lookup, match

NUMBERS = st.lists(st.integers(0, 4))


@given(NUMBERS)
def test_each_place_of_a_number_is_found_the_first_first(numbers: list[int]) -> None:
    lookup = Lookup(array("q", numbers))
    for wanted in range(6):
        assert list(lookup.places(wanted)) == [place for place, one in enumerate(numbers) if one == wanted]


@given(NUMBERS, NUMBERS)
def test_the_first_is_matched_with_the_first_and_none_twice(one: list[int], other: list[int]) -> None:
    pairs = list(match(array("q", one), array("q", other)))
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    common = Counter(one) & Counter(other)
    common.pop(0, None)
    assert Counter(one[i] for i, _ in pairs) == Counter(other[j] for _, j in pairs) == common
    for i, j in pairs:
        assert one[:i].count(one[i]) == other[:j].count(other[j])
