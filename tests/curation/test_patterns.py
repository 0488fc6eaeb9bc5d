"""A user's regular expression is one, or one sentence says why not."""

import re
import warnings

import pytest

from curation.patterns import EndlessSearch, PatternError, compile_pattern


def test_what_python_may_read_otherwise_one_day_is_not_remarked_on() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert compile_pattern("[[京]都", ignore_case=True).is_in("東京都")
    assert caught == []


@pytest.mark.parametrize(
    ("pattern", "message", "place"),
    [
        ("京都(", "missing )", 3),
        ("a{99999999999}", "repeat count too big", 2),
        ("(" * 5000, "nested too deeply", 0),
    ],
    ids=["open", "large", "deep"],
)
def test_what_is_none_is_told_with_its_place(pattern: str, message: str, place: int) -> None:
    with pytest.raises(PatternError, match=f"^{re.escape(message)}$") as raised:
        compile_pattern(pattern)
    assert raised.value.place == place


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(x+x+)+y|(a+)+b"])
def test_a_search_without_end_is_ended_in_a_sentence(pattern: str) -> None:
    endless = compile_pattern(pattern, seconds=0.01)
    assert not endless.is_in("b")
    with pytest.raises(EndlessSearch, match=r'^the regular expression ".+" would search a text of 5,001 characters'):
        endless.is_in("a" * 5000 + "!")
