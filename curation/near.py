"""Questions that are nearly the same: those that differ in punctuation, width, kana spelling or politeness."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from curation.engines import ONE_PROCESS, Engine

if TYPE_CHECKING:
    from curation.minhash import Sketches

EXACT_TEXTS = 5000  # from there on, comparing those that share a rare gram takes minutes
NEAR = 0.55  # from this likeness on, two questions count as nearly the same

_GRAM_SIZES = (2, 3)
_SEARCHED_CHARS = 300  # of a key: with all of long contexts, the search would take gigabytes
_BATCH = 5_000  # texts that are sketched, or pairs that are compared, at a time
_COMPARISONS = 100  # a text, so that ten thousand of any kind take seconds
# What a question is about: a kanji, a katakana word (with or without its last long-vowel mark), a word of letters.
_SUBJECT = re.compile(r"[一-鿿㐀-䶿々]|[ァ-ヺ][ァ-ヺー]*?(?=ー*(?![ァ-ヺー]))|[a-zß-ʯͰ-ӿ]{3,}")
_SIGN = re.compile(r"[\W_]")  # neither letter nor digit
_NEVER_KEPT = frozenset("。、「」『』・…?!()'\"")  # the usual ones, without looking further
_FIGURES = re.compile(r"[\d\W_]+")  # of a key, in which letters, digits, symbols and signs are left


@dataclass(frozen=True)
class NearPair:
    """Two texts by their places in the sequence, `first` before `second`, and how alike they are, up to 1."""

    first: int
    second: int
    likeness: float


def grams_of(key: str) -> frozenset[str]:
    """The character 2- and 3-grams of a comparison key, or the key itself where it is shorter."""
    return _grams(key)


@dataclass(frozen=True)
class _Text:
    key: str
    figures: list[str]
    subjects: frozenset[tuple[str, int]]  # each with how many of the same stand before it: 京都の首都 has two 都


def likeness(first: str, second: str) -> float:
    """How alike two questions are, from 0 to 1.

    It is the Jaccard index of their character 2- and 3-grams: how many both have, of those that either has. Before, the
    texts are brought to NFKC and lower case, and lose blanks and punctuation.

    It is 0 where the two ask for different things in the same words: where their numbers or signs differ (`1+2は？`,
    `1+3は？`), or where each names something that the other does not (`フランスの首都は？`, `タイの首都は？`), be it a
    kanji, a katakana word or a word of letters. So what differs in kana alone is found; a rephrasing in other kanji,
    and most in Chinese, are not.
    """
    return _compare(_read(first), _read(second))


def comparison_key(text: str) -> str:
    """What is equal where two texts differ in width, case, blanks and punctuation alone."""
    return _key(unicodedata.normalize("NFKC", text).casefold())


def answers_differ(first: str, second: str) -> bool:
    """Whether two answers to one question exclude each other: neither says all that the other does.

    Compared are numbers and subjects (see `likeness`), and where neither has any, the wording: はい and いいえ.
    """
    one, other = _read(first), _read(second)
    if one.key in other.key or other.key in one.key:
        return False
    for mine, theirs in ((set(one.figures), set(other.figures)), (one.subjects, other.subjects)):
        if mine and theirs and not (mine <= theirs or mine >= theirs):
            return True
    if one.figures or other.figures or one.subjects or other.subjects:
        return False
    return _jaccard(one.key, other.key) < NEAR


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
    found = _find_in_few([_read(text) for text in many.portion(range(len(many))).read()], threshold, across)
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


def _find_in_few(read: Sequence[_Text], threshold: float, across: int) -> NearPairs:
    """By the prefix filter: two texts that are alike share one of their rarest grams.

    From Chaudhuri et al., A Primitive Operator for Similarity Joins in Data Cleaning, 2006. The grams of the first 300
    characters are looked for. `crowded` are the texts that were not held against all that share one of these.
    """
    first_place: dict[str, int] = {}
    for place, text in enumerate(read):
        first_place.setdefault(text.key, place)
    counts = Counter(gram for place in first_place.values() for gram in _grams(read[place].key[:_SEARCHED_CHARS]))
    places: defaultdict[str, list[int]] = defaultdict(list)  # of each gram that two have and one of them is rare by
    found = NearPairs()
    for place, text in enumerate(read):
        seeks, is_sought = place >= across, not across or place < across
        if seeks and (same := first_place[text.key]) < (across or place):
            found.append(NearPair(same, place, 1.0))
            continue
        by_rarity = sorted(sorted(_grams(text.key[:_SEARCHED_CHARS])), key=counts.__getitem__)
        prefix = by_rarity[: int((1 - threshold) * len(by_rarity)) + 2]  # one more, for the product may be rounded down
        rare = [gram for gram in prefix if counts[gram] > 1]
        if seeks:
            candidates, is_all = _candidates(rare, places)
            best, first = max(((_compare(read[other], text), -other) for other in candidates), default=(0.0, 0))
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
    from curation.minhash import Sketched, sketch

    texts = []
    for text in portion.read():
        read = _read_normal(unicodedata.normalize("NFKC", text).casefold())
        texts.append(
            Sketched(read.key, _grams(read.key), "\n".join(read.figures), frozenset(word for word, _ in read.subjects))
        )
    return sketch(texts)


def _compare_all(pairs: _Pairs) -> list[float]:
    portion, firsts, seconds = pairs
    texts = portion.read()
    cached = lru_cache(maxsize=1000)(
        lambda number: _read_normal(unicodedata.normalize("NFKC", texts[number]).casefold())
    )
    return [_compare(cached(first), cached(second)) for first, second in zip(firsts, seconds, strict=True)]


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


@lru_cache(maxsize=2)  # a text that is compared with many is read once
def _read(text: str) -> _Text:
    return _read_normal(unicodedata.normalize("NFKC", text).casefold())


def _read_normal(normal: str) -> _Text:
    key = _key(normal)
    return _Text(key, _FIGURES.findall(key), _number(_SUBJECT.findall(normal)))


def _key(normal: str) -> str:
    dense = "".join(normal.split())

    def keep(sign: re.Match[str]) -> str:
        return sign[0] if sign[0] not in _NEVER_KEPT and _is_kept(dense, sign.start()) else ""

    return _SIGN.sub(keep, dense)


@lru_cache(maxsize=1000)  # a text is compared with many, one after the other
def _grams(key: str) -> frozenset[str]:
    grams = (key[start : start + size] for size in _GRAM_SIZES for start in range(len(key) - size + 1))
    return frozenset(grams) or frozenset([key])


def _number(words: list[str]) -> frozenset[tuple[str, int]]:
    return frozenset((word, number) for word, count in Counter(words).items() for number in range(count))


def _compare(first: _Text, second: _Text) -> float:
    if first.key == second.key:
        return 1.0
    if first.figures != second.figures or not (first.subjects <= second.subjects or first.subjects >= second.subjects):
        return 0.0
    return _jaccard(first.key, second.key)


def _jaccard(first: str, second: str) -> float:
    grams, others = _grams(first), _grams(second)
    shared = len(grams & others)
    return shared / (len(grams) + len(others) - shared)


def _is_kept(text: str, place: int) -> bool:
    """Whether a character that is no letter counts: all but punctuation, and a minus, a point or a slash at a digit."""
    before, char, after = text[place - 1 : place], text[place], text[place + 1 : place + 2]
    if not unicodedata.category(char).startswith("P"):
        return True
    if char == "#":  # C# is not C
        return before.isalpha()
    return after.isdigit() and (char == "-" or (char in ".,:/*%" and before.isdigit()))
