"""The records nearest to a question: what a model may have had in mind when it answered as it did."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import chain

from curation.likeness import comparison_key, grams_of


@dataclass(frozen=True)
class Nearest:
    """A text by its place in the sequence, and how alike it is to the one that was looked for, from 0 to 1."""

    place: int
    likeness: float


def find_nearest(text: str, texts: Iterable[str], count: int) -> list[Nearest]:
    """The `count` texts that share most with a text, most alike first, equals in their order; those that share nothing
    are left out.

    It is the Jaccard index of their character 2- and 3-grams, as in `likeness`, but of whatever they are about: a
    question about another country is near here, and no duplicate there.
    """
    wanted = grams_of(comparison_key(text))
    best: list[Nearest] = []
    for place, other in enumerate(texts):
        likeness = _likeness(wanted, comparison_key(other), at_least=best[-1].likeness if len(best) == count else 0.0)
        if likeness > (best[-1].likeness if len(best) == count else 0.0):
            best = _insert(best, Nearest(place, likeness))[:count]
    return best


def _likeness(wanted: frozenset[str], key: str, at_least: float) -> float:
    """The Jaccard index, or 0 where it cannot be more than `at_least`: few of ten thousand texts need their grams."""
    if len(wanted) < len(key) and sum(gram in key for gram in wanted) <= at_least * len(wanted):
        return 0.0
    grams = grams_of(key)
    shared = len(wanted & grams)
    return shared / (len(wanted) + len(grams) - shared)


def _insert(best: Sequence[Nearest], new: Nearest) -> list[Nearest]:
    return sorted([*best, new], key=lambda one: -one.likeness)  # which keeps the order of equals


class Index:
    """Texts in which many questions look for what is nearest to them: the same as `find_nearest`, some thirty times as
    fast for all but the first one, and in a few hundred bytes for each text."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._places: dict[str, list[int]] = {}
        self._sizes: list[int] = []
        for place, text in enumerate(texts):
            grams = grams_of(comparison_key(text))
            self._sizes.append(len(grams))
            for gram in grams:
                self._places.setdefault(gram, []).append(place)

    def nearest(self, text: str, count: int) -> list[Nearest]:
        """The `count` texts that share most with a text, as `find_nearest` says."""
        wanted = grams_of(comparison_key(text))
        shared = Counter(chain.from_iterable(self._places.get(gram, ()) for gram in wanted))
        found = (Nearest(place, both / (len(wanted) + self._sizes[place] - both)) for place, both in shared.items())
        return nsmallest(count, found, key=lambda one: (-one.likeness, one.place))
