"""What can be said of two models that were asked the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi2chat.paired import find_difference, sign_test

shares = st.lists(st.tuples(*[st.sampled_from([0.0, 0.5, 1.0])] * 2), min_size=1, max_size=40)


@given(shares)
def test_the_mean_lies_in_its_interval_and_the_other_way_round_all_is_mirrored(
    pairs: list[tuple[float, float]],
) -> None:
    first, second = zip(*pairs, strict=True)
    forth, back = find_difference(first, second), find_difference(second, first)
    assert forth.low - 1e-9 <= forth.mean <= forth.high + 1e-9
    assert (forth.mean, forth.low, forth.high) == pytest.approx((-back.mean, -back.high, -back.low), abs=1e-9)
    assert (forth.gains, forth.losses, forth.p) == (back.losses, back.gains, back.p)
    mirrored = {"better": "worse", "worse": "better", "cannot tell": "cannot tell"}
    assert back.finding == mirrored[forth.finding]


@pytest.mark.parametrize(
    ("gains", "losses", "finding"),
    [(0, 0, "cannot tell"), (4, 0, "cannot tell"), (6, 0, "better"), (0, 6, "worse"), (20, 12, "cannot tell"),
     (30, 10, "better")],
)  # fmt: skip
def test_a_few_probes_of_120_tell_nothing(gains: int, losses: int, finding: str) -> None:
    first = [0.0] * gains + [1.0] * losses + [1.0] * (120 - gains - losses)
    second = [1.0] * gains + [0.0] * losses + [1.0] * (120 - gains - losses)
    assert find_difference(first, second).finding == finding


def test_the_sign_test_is_that_of_the_tables() -> None:
    assert sign_test(4, 0) == 0.125
    assert sign_test(6, 0) == 0.03125
    assert sign_test(9, 2) == pytest.approx(0.0654, abs=1e-4)
    assert sign_test(0, 0) == sign_test(5, 5) == 1.0


def test_where_nothing_changed_a_difference_is_seldom_claimed() -> None:
    random = np.random.default_rng(1)
    claimed = 0
    for _ in range(200):
        first, second = (random.random((2, 120)) < 0.6).astype(float)
        claimed += find_difference(first.tolist(), second.tolist()).finding != "cannot tell"
    assert claimed <= 14  # 5 % of 200 are 10; the test is exact, so that it errs less


def test_what_is_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        find_difference([], [])
    with pytest.raises(ValueError, match="no pairs"):
        find_difference([1.0], [1.0, 0.0])
