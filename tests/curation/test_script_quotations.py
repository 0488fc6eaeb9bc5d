"""What is repeated from the question is found wherever it stands there, and in one search."""

from typing import SupportsIndex

from hypothesis import given
from hypothesis import strategies as st

from curation.script.quotations import Quotations
from curation.script.reader import Run

LETTERS = st.text("甲乙", max_size=40)


def take(asked: str, runs: list[str]) -> Quotations:
    """What becomes of runs that touch, in a text that has shown its language."""
    quotations = Quotations(asked)
    quotations.see_context(0)
    text = "".join(runs)
    end = 0
    for run in runs:
        start, end = end, end + len(run)
        quotations.take([Run(start, end, "zh")], text, 0, end)
    return quotations


@given(LETTERS, st.lists(st.text("甲乙", min_size=1, max_size=4), min_size=1, max_size=8))
def test_runs_are_an_echo_as_long_as_all_of_them_together_were_asked(asked: str, runs: list[str]) -> None:
    quotations = take("問" + asked, runs)
    if "".join(runs) in asked:
        assert (len(quotations.echo), quotations.slips) == (len(runs), [])
    else:
        assert len(quotations.slips) >= 1
        assert not quotations.echo  # what goes on a slip is none


class Searched(str):
    """A question that counts how often it is searched."""

    searches = 0

    def find(self, sub: str, start: SupportsIndex | None = None, end: SupportsIndex | None = None) -> int:
        self.searches += 1
        return super().find(sub, start, end)

    def __contains__(self, sub: object) -> bool:
        self.searches += 1
        return super().__contains__(sub)  # type: ignore[operator]


def test_a_long_echo_is_searched_for_once() -> None:
    asked = Searched("問" + "甲" * 1200)
    assert len(take(asked, ["甲" * 12] * 100).echo) == 100
    assert asked.searches == 1
