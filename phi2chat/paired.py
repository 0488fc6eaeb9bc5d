"""Whether two models differ, from the same questions asked of both: an interval, and the honest "cannot tell"."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

RESAMPLES = 10_000
_CHUNK = 2**22  # numbers at a time
_LEVEL = 0.95
_SEED = 0  # so that the same results always say the same

Finding = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True)
class Difference:
    """The mean difference of pairs, second minus first, with its 95 % interval; of shares it is in shares, too.

    `p` is of the exact sign test: how often so uneven a number of gains and losses would come about by chance.
    """

    pairs: int
    mean: float
    low: float
    high: float
    gains: int
    losses: int
    p: float

    @property
    def finding(self) -> Finding:
        """What can be said: where few pairs differ, the interval alone promises too much, so the test has to agree."""
        if self.p >= 1 - _LEVEL or self.low <= 0 <= self.high:
            return "cannot tell"
        return "better" if self.mean > 0 else "worse"


def find_difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """How the second differs from the first, pair by pair; the interval is a percentile bootstrap over the pairs.

    Raises ValueError where there is no pair, or one without a partner.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values are no pairs")
    differences = np.subtract(second, first, dtype=float)
    count = len(differences)
    random = np.random.default_rng(_SEED)
    means = np.concatenate(
        [
            differences[random.integers(0, count, (rows, count))].mean(1)
            for rows in _portions(RESAMPLES, max(1, _CHUNK // count))
        ]
    )
    low, high = np.quantile(means, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    gains, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return Difference(
        count, float(differences.mean()), float(low), float(high), gains, losses, sign_test(gains, losses)
    )


def sign_test(gains: int, losses: int) -> float:
    """p of so uneven a split or a more uneven one, by the two-sided exact sign test (McNemar's for right and wrong)."""
    count = gains + losses
    tail = sum(math.comb(count, number) for number in range(min(gains, losses) + 1))
    return min(1.0, float(2 * tail / 2**count))


def _portions(total: int, most: int) -> list[int]:
    whole, rest = divmod(total, most)
    return [most] * whole + [rest] * bool(rest)
