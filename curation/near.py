"""Questions that are nearly the same: those that differ in punctuation, width, kana spelling or politeness."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from curation.minhash import Sketched, Sketches

EXACT_TEXTS = 5000  # from there on, comparing those that share a rare gram takes minutes
NEAR = 0.55  # from this likeness on, two questions count as nearly the same

_GRAM_SIZES = (2, 3)
_SEARCHED_CHARS = 300  # of a key: with all of long contexts, the search would take gigabytes
_BATCH = 10_000  # texts that are sketched at a time
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


class Texts(Protocol):
    """A list of texts, or what reads each only when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> str: ...


def find_near(texts: Texts, threshold: float = NEAR, across: int = 0) -> list[NearPair]:
    """For each text, of those before it that are at least `threshold` alike, the one most alike (see `likeness`).

    With `across`, only texts from that place on are held against only those before it. Up to 5,000 texts, none is
    missed, but where a hundred and more share their rarest grams it is only likely. Of more, MinHash proposes pairs.
    """
    if len(texts) > EXACT_TEXTS:
        return _find_in_many(texts, threshold, across)
    return _find_in_few([_read(texts[place]) for place in range(len(texts))], threshold, across)


def _find_in_few(read: Sequence[_Text], threshold: float, across: int) -> list[NearPair]:
    """By the prefix filter: two texts that are alike share one of their rarest grams.

    From Chaudhuri et al., A Primitive Operator for Similarity Joins in Data Cleaning, 2006. The grams of the first 300
    characters are looked for.
    """
    first_place: dict[str, int] = {}
    for place, text in enumerate(read):
        first_place.setdefault(text.key, place)
    counts = Counter(gram for place in first_place.values() for gram in _grams(read[place].key[:_SEARCHED_CHARS]))
    places: defaultdict[str, list[int]] = defaultdict(list)  # of each gram that two have and one of them is rare by
    found = []
    for place, text in enumerate(read):
        seeks, is_sought = place >= across, not across or place < across
        if seeks and (same := first_place[text.key]) < (across or place):
            found.append(NearPair(same, place, 1.0))
            continue
        by_rarity = sorted(sorted(_grams(text.key[:_SEARCHED_CHARS])), key=counts.__getitem__)
        prefix = by_rarity[: int((1 - threshold) * len(by_rarity)) + 2]  # one more, for the product may be rounded down
        rare = [gram for gram in prefix if counts[gram] > 1]
        if seeks:
            alike = [(_compare(read[other], text), -other) for other in _candidates(rare, places)]
            best, first = max(alike, default=(0.0, 0))
            if best >= threshold:
                found.append(NearPair(-first, place, best))
        if is_sought:
            for gram in rare:
                places[gram].append(place)
    return found


def _find_in_many(texts: Texts, threshold: float, across: int) -> list[NearPair]:
    """By MinHash: the pairs that it proposes are compared, and of each text the best is kept."""
    sketches = Sketches()
    normal: list[str] = []
    first_place: dict[str, int] = {}
    best: dict[int, tuple[float, int]] = {}
    for start in range(0, len(texts), _BATCH):
        batch = []
        for place in range(start, min(start + _BATCH, len(texts))):
            text = unicodedata.normalize("NFKC", texts[place]).casefold()
            read = _read_normal(text)
            same = first_place.setdefault(read.key, place)
            if same < place and (not across or same < across <= place):
                best[place] = (1.0, -same)
            normal.append(text)
            batch.append(Sketched(_grams(read.key), "\n".join(read.figures), (word for word, _ in read.subjects)))
        sketches.add(batch)
    cached = lru_cache(maxsize=10_000)(lambda place: _read_normal(normal[place]))
    for first, second in sketches.pairs():
        if (not across or first < across <= second) and best.get(second, (0.0, 0))[0] < 1:
            alike = _compare(cached(first), cached(second))
            if alike >= threshold:
                best[second] = max(best.get(second, (0.0, 0)), (alike, -first))
    return [NearPair(-first, place, alike) for place, (alike, first) in sorted(best.items())]


def _candidates(rare: Sequence[str], places: dict[str, list[int]]) -> set[int]:
    found: set[int] = set()
    left = _COMPARISONS
    for gram in rare:
        left -= len(places[gram])
        if left < 0:
            break
        found.update(places[gram])
    return found


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
