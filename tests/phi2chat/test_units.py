"""Sizes and counts as people read them."""

import pytest

from phi2chat.units import gib, spell_count


def test_bytes_are_told_in_gib() -> None:
    assert gib(3 * 2**29) == "1.5 GiB"


@pytest.mark.parametrize(
    ("told", "spelled"),
    [
        (spell_count(0), "0 records"),
        (spell_count(1), "1 record"),
        (spell_count(2000, "line"), "2,000 lines"),
        (spell_count(1, "reply", "replies"), "1 reply"),
        (spell_count(2, "reply", "replies"), "2 replies"),
    ],
)
def test_a_count_agrees_with_its_noun(told: str, spelled: str) -> None:
    assert told == spelled
