"""Questions that are nearly the same: those that differ in punctuation, width, kana spelling or politeness."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

NEAR = 0.55  # from this likeness on, two questions count as nearly the same

_GRAM_SIZES = (2, 3)
_SEARCHED_CHARS = 300  # of a key: with all of long contexts, the search would take gigabytes
_COMPARISONS = 100  # a text, so that ten thousand of any kind take seconds
# What a question is about: a kanji, a katakana word (with or without its last long-vowel mark), a word of letters.
_SUBJECT = re.compile(r"[一-鿿㐀-䶿々]|[ァ-ヺ][ァ-ヺー]*?(?=ー*(?![ァ-ヺー]))|[a-zß-ʯͰ-ӿ]{3,}")
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


def find_near(texts: Sequence[str], threshold: float = NEAR, among: int | None = None) -> list[NearPair]:
    """For each text, of those before it that are at least `threshold` alike, the one most alike (see `likeness`).

    With `among`, each text from that place on is compared with those before that place alone: two sides, across.

    A text is compared with earlier ones that share one of its rarest grams: two that are alike do (the prefix filter
    of Chaudhuri et al., A Primitive Operator for Similarity Joins in Data Cleaning, 2006). The grams of the first 300
    characters are looked for; and where a hundred and more share one, as among many thousands of one form, it is not
    certain, though likely, that none is missed.
    """
    read = [_read(text) for text in texts]
    first_place: dict[str, int] = {}
    for place, text in enumerate(read):
        first_place.setdefault(text.key, place)
    counts = Counter(gram for place in first_place.values() for gram in _grams(read[place].key[:_SEARCHED_CHARS]))
    places: defaultdict[str, list[int]] = defaultdict(list)  # of each gram that two have and one of them is rare by
    found = []
    for place, text in enumerate(read):
        is_searched = among is not None and place < among
        if (same := first_place[text.key]) < (place if among is None else among) and not is_searched:
            found.append(NearPair(same, place, 1.0))
            continue
        by_rarity = sorted(sorted(_grams(text.key[:_SEARCHED_CHARS])), key=counts.__getitem__)
        prefix = by_rarity[: int((1 - threshold) * len(by_rarity)) + 2]  # one more, for the product may be rounded down
        rare = [gram for gram in prefix if counts[gram] > 1]
        others = () if is_searched else _candidates(rare, places)
        alike = [(_compare(read[other], text), -other) for other in others]
        best, first = max(alike, default=(0.0, 0))
        if best >= threshold:
            found.append(NearPair(-first, place, best))
        for gram in rare if among is None or is_searched else ():
            places[gram].append(place)
    return found


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
    if dense.isalnum():
        return dense
    return "".join(char for place, char in enumerate(dense) if char.isalnum() or _is_kept(dense, place))


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
    grams, others = _grams(first.key), _grams(second.key)
    shared = len(grams & others)
    return shared / (len(grams) + len(others) - shared)


def _is_kept(text: str, place: int) -> bool:
    """Whether a character that is no letter counts: all but punctuation, and a minus, a point or a slash at a digit."""
    before, char, after = text[place - 1 : place], text[place], text[place + 1 : place + 2]
    if not unicodedata.category(char).startswith("P"):
        return True
    return after.isdigit() and (char == "-" or (char in ".,:/*%" and before.isdigit()))
