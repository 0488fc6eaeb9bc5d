"""A user's regular expression is one, or one sentence says why not."""

import re
import warnings

import pytest

from curation.patterns import PatternError, compile_pattern


def test_what_python_may_read_otherwise_one_day_is_not_remarked_on() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert compile_pattern("[[京]都", re.IGNORECASE).search("東京都")
    assert caught == []


@pytest.mark.parametrize(
    ("pattern", "message", "place"),
    [
        ("京都(", "missing ), unterminated subpattern at position 2", 2),
        ("a{99999999999}", "the repetition number is too large", 0),
        ("(" * 5000, "nested too deeply", 0),
    ],
    ids=["open", "large", "deep"],
)
def test_what_is_none_is_told_with_its_place(pattern: str, message: str, place: int) -> None:
    with pytest.raises(PatternError, match=f"^{re.escape(message)}$") as raised:
        compile_pattern(pattern)
    assert raised.value.place == place
