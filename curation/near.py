"""The questions of a file that are nearly the same as others of it, or of another file, however many they are."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from curation.engines import ONE_PROCESS, Engine
from curation.likeness import NEAR, Read, compare, grams_of, read

if TYPE_CHECKING:
    from curation.minhash import Sketched, Sketches

EXACT_TEXTS = 5000  # from there on, comparing those that share a rare gram takes minutes

_SEARCHED_CHARS = 300  # of a key: with all of long contexts, the search would take gigabytes
_BATCH = 5_000  # texts that are sketched, or pairs that are compared, at a time
_HELD_TEXTS = 500  # of those that are sketched; the grams of 5,000 take 40 MB
_COMPARISONS = 100  # a text, so that ten thousand of any kind take seconds


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two texts by their places in the sequence, `first` before `second`, and how alike they are, up to 1."""

    first: int
    second: int
    likeness: float


class Portion(Protocol):
    """Some of many texts, which can be handed to another process and are read there."""

    def read(self) -> Sequence[str]: ...


class Texts(Protocol):
    """Many texts, which are read when they are looked at."""

    def __len__(self) -> int: ...

    def portion(self, places: Sequence[int]) -> Portion:
        """The texts at some places, in that order."""
        ...


@dataclass(frozen=True)
class HeldTexts:
    """Texts in memory, as `Texts` and as a portion of them."""

    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)

    def portion(self, places: Sequence[int]) -> "HeldTexts":
        return HeldTexts([self.texts[place] for place in places])

    def read(self) -> Sequence[str]:
        return self.texts


class NearPairs(list[NearPair]):
    """The pairs that were found, by the later place.

    `crowded` is the number of other texts that are worded as so many that some of their pairs may not have been seen.
    """

    crowded: int = 0


def find_near(
    texts: Sequence[str] | Texts, threshold: float = NEAR, across: int = 0, engine: Engine = ONE_PROCESS
) -> NearPairs:
    """For each text, of those before it that are at least `threshold` alike, the one most alike (see `likeness`).

    With `across`, only texts from that place on are held against only those before it. Up to 5,000 texts, none is
    missed. Of more, and of those whose rarest grams a hundred others have, MinHash proposes pairs: one of likeness 0.55
    is missed with a probability of 0.004, one of 0.4 with 0.1. The work is the engine's; memory is 200 bytes a text.
    """
    many: Texts = HeldTexts(texts) if isinstance(texts, Sequence) else texts
    if len(many) > EXACT_TEXTS:
        return _find_in_many(many, threshold, across, engine)
    found = _find_in_few([read(text) for text in many.portion(range(len(many))).read()], threshold, across)
    return _better(found, _find_in_many(many, threshold, across, engine)) if found.crowded else found


def _better(few: NearPairs, many: NearPairs) -> NearPairs:
    """Of two searches in the same texts the likelier pair of each text."""
    best: dict[int, NearPair] = {}
    for pair in (*few, *many):
        known = best.get(pair.second)
        if known is None or (pair.likeness, -pair.first) > (known.likeness, -known.first):
            best[pair.second] = pair
    found = NearPairs(best[second] for second in sorted(best))
    found.crowded = many.crowded
    return found


def _find_in_few(texts: Sequence[Read], threshold: float, across: int) -> NearPairs:
    """By the prefix filter: two texts that are alike share one of their rarest grams.

    From Chaudhuri et al., A Primitive Operator for Similarity Joins in Data Cleaning, 2006. The grams of the first 300
    characters are looked for. `crowded` are the texts that were not held against all that share one of these.
    """
    first_place: dict[str, int] = {}
    for place, text in enumerate(texts):
        first_place.setdefault(text.key, place)
    counts = Counter(gram for place in first_place.values() for gram in grams_of(texts[place].key[:_SEARCHED_CHARS]))
    places: defaultdict[str, list[int]] = defaultdict(list)  # of each gram that two have and one of them is rare by
    found = NearPairs()
    for place, text in enumerate(texts):
        seeks, is_sought = place >= across, not across or place < across
        if seeks and (same := first_place[text.key]) < (across or place):
            found.append(NearPair(same, place, 1.0))
            continue
        by_rarity = sorted(sorted(grams_of(text.key[:_SEARCHED_CHARS])), key=counts.__getitem__)
        prefix = by_rarity[: int((1 - threshold) * len(by_rarity)) + 2]  # one more, for the product may be rounded down
        rare = [gram for gram in prefix if counts[gram] > 1]
        if seeks:
            candidates, is_all = _candidates(rare, places)
            best, first = max(((compare(texts[other], text), -other) for other in candidates), default=(0.0, 0))
            found.crowded += not is_all
            if best >= threshold:
                found.append(NearPair(-first, place, best))
        if is_sought:
            for gram in rare:
                places[gram].append(place)
    return found


def _find_in_many(texts: Texts, threshold: float, across: int, engine: Engine) -> NearPairs:
    """By MinHash: the pairs that it proposes are compared, and of each text the best is kept."""
    import numpy as np

    from curation.minhash import Sketches, first_places, propose

    count = len(texts)
    sketches, end = Sketches.of(count), 0
    starts = range(0, count, _BATCH)
    for part in engine.map(_sketch, (texts.portion(range(start, min(start + _BATCH, count))) for start in starts)):
        end = sketches.put(end, part)
    # Of texts with the same key only the first is held against others, and with `across` the first of each side.
    places = np.arange(count, dtype=np.int32)
    above = places >= across
    first = first_places(sketches.keys)
    own = first_places(sketches.keys ^ above.astype(np.uint64)) if across else first
    same = above & (first < (across or places))
    candidates = propose(sketches, places[(own == places) & ~same], threshold, across)
    del sketches  # of a million, 116 MB
    best, nearest = np.where(same, 1.0, 0.0), np.where(same, first, count)

    def tasks() -> Iterator[_Pairs]:
        for at in range(0, len(candidates.firsts), _BATCH):
            pairs = np.stack([candidates.firsts[at : at + _BATCH], candidates.seconds[at : at + _BATCH]])
            needed, numbers = np.unique(pairs, return_inverse=True)
            firsts, seconds = numbers.reshape(pairs.shape)
            yield texts.portion(needed.tolist()), firsts.tolist(), seconds.tolist()

    likenesses = (one for batch in engine.map(_compare_all, tasks()) for one in batch)
    for one, other, alike in zip(candidates.firsts, candidates.seconds, likenesses, strict=True):
        if alike >= threshold and (alike, -one) > (best[other], -nearest[other]):
            best[other], nearest[other] = alike, one
    if across:
        best, nearest = np.where(same, best, best[own]), np.where(same, nearest, nearest[own])
    near = np.flatnonzero(best)
    found = NearPairs(map(NearPair, nearest[near].tolist(), near.tolist(), best[near].tolist()))
    found.crowded = int((best[candidates.crowded] == 0).sum())
    return found


_Pairs = tuple[Portion, list[int], list[int]]  # texts, and the numbers of those to be compared


def _sketch(portion: Portion) -> "Sketches":
    from curation.minhash import Sketches, sketch

    texts = portion.read()
    made, end = Sketches.of(len(texts)), 0
    for start in range(0, len(texts), _HELD_TEXTS):
        end = made.put(end, sketch([_sketched(text) for text in texts[start : start + _HELD_TEXTS]]))
    return made


def _sketched(text: str) -> "Sketched":
    from curation.minhash import Sketched

    one = read(text)
    subjects = frozenset(word for word, _ in one.subjects)
    return Sketched(one.key, grams_of(one.key), "\n".join(one.figures), subjects)


def _compare_all(pairs: _Pairs) -> list[float]:
    portion, firsts, seconds = pairs
    texts = portion.read()
    cached = lru_cache(maxsize=1000)(lambda number: read(texts[number]))
    return [compare(cached(first), cached(second)) for first, second in zip(firsts, seconds, strict=True)]


def _candidates(rare: Sequence[str], places: dict[str, list[int]]) -> tuple[set[int], bool]:
    """The texts that have one of these grams, of the rarest first; and whether these are all."""
    found: set[int] = set()
    left = _COMPARISONS
    for gram in rare:
        left -= len(places[gram])
        if left < 0:
            return found, False
        found.update(places[gram])
    return found, True
