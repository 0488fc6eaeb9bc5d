"""Differences between two texts: nothing is lost, and chance is not marked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi2chat.terminal.differences import LONGEST, differences, in_one


def shown(left: str, right: str) -> tuple[str, str] | None:
    """Both texts with what differs in brackets."""
    both = differences(left, right)
    if both is None:
        return None
    one, other = ("".join(f"[{text}]" if differs else text for text, differs in runs) for runs in both)
    return one, other


@pytest.mark.parametrize(
    ("left", "right", "marked"),
    [
        ("日本の首都は東京です。", "日本の首都は京都です。", ("日本の首都は[東京]です。", "日本の首都は[京都]です。")),
        ("答えは23です。", "答えは23です。", ("答えは23です。", "答えは23です。")),
        ("答えは23です。", "答えは119です。", ("答えは[23]です。", "答えは[119]です。")),
        ("a red house", "a blue house", ("a [red] house", "a [blue] house")),
        ("首都です。", "日本の首都です。", ("首都です。", "[日本の]首都です。")),
        ("東京です。とても大きい。", "東京です。", ("東京です。[とても大きい。]", "東京です。")),
        ("", "", ("", "")),
    ],
)
def test_what_the_other_text_lacks_is_marked(left: str, right: str, marked: tuple[str, str]) -> None:
    assert shown(left, right) == marked


@pytest.mark.parametrize(("left", "right"), [("日本の首都は東京です。", "The answer is"), ("", "東京"), ("東京", "")])
def test_texts_that_share_too_little_are_not_marked(left: str, right: str) -> None:
    assert shown(left, right) is None


def test_texts_that_are_too_long_are_not_marked() -> None:
    assert differences("あ" * (LONGEST + 1), "あ") is None


@given(st.text("東京都はa 1\n"), st.text("東京都はa 1\n"))
def test_the_runs_are_the_texts_and_take_turns(left: str, right: str) -> None:
    both = differences(left, right)
    if both is not None:
        for text, runs in zip((left, right), both, strict=True):
            assert "".join(run for run, _ in runs) == text
            assert all(run for run, _ in runs)
            assert all(one[1] != other[1] for one, other in zip(runs, runs[1:], strict=False))
        common = ["".join(run for run, differs in runs if not differs) for runs in both]
        assert common[0] == common[1]


PIECES = st.lists(
    st.sampled_from(["日本の", "首都は", "東京", "京都", "です", "red ", "blue ", "x", "\n"]), max_size=12
).map("".join)


@given(PIECES, PIECES)
def test_a_change_in_one_text_has_both_in_it(before: str, after: str) -> None:
    runs = in_one(before, after)
    assert "".join(text for sign, text in runs if sign in " -") == before
    assert "".join(text for sign, text in runs if sign in " +") == after
    assert all(text for _, text in runs)


def test_what_stays_between_changes_of_one_side_is_found() -> None:
    assert in_one("日本の首都は東京です。", "日本の首都は、今は東京です。") == [
        (" ", "日本の首都は"),
        ("+", "、今は"),
        (" ", "東京です。"),
    ]
    assert in_one("", "東京") == [("+", "東京")]
