"""What an answer has to be: as a probe says it, or as the answer of a record makes it."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Expectation:
    """What an answer has to be; all that is given has to hold.

    `any_of` are whole answers, `contains` words of which one has to be said, `all_of` groups of words of which one of
    each has to be, `number` the only one that may be named, within `tolerance` and counting one of `units` where it
    counts anything, `regex` a pattern of Python's `re` that is searched for in the answer after NFKC, as it is and with
    its times as `curation.clock` spells them, and `forbid` words that must not be said. `alone` are whole answers that
    are right whatever else is expected.
    """

    any_of: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    all_of: tuple[tuple[str, ...], ...] = ()
    number: Fraction | None = None
    tolerance: Fraction = Fraction(0)
    units: tuple[str, ...] = ()
    regex: str = ""
    forbid: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
