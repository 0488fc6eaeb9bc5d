"""How alike two questions are, whatever their punctuation, width, kana spelling or politeness."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

NEAR = 0.55  # from this likeness on, two questions count as nearly the same

_GRAM_SIZES = (2, 3)
# What a question is about: a kanji, a katakana word (with or without its last long-vowel mark), a word of letters.
_SUBJECT = re.compile(r"[一-鿿㐀-䶿々]|[ァ-ヺ][ァ-ヺー]*?(?=ー*(?![ァ-ヺー]))|[a-zß-ʯͰ-ӿ]{3,}")
_SIGN = re.compile(r"[\W_]")  # neither letter nor digit
_NEVER_KEPT = frozenset("。、「」『』・…?!()'\"")  # the usual ones, without looking further
_FIGURES = re.compile(r"[\d\W_]+")  # of a key, in which letters, digits, symbols and signs are left


@dataclass(frozen=True)
class Read:
    """A text as it is compared: its comparison key, and what may make it ask for another thing."""

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
    return compare(_read_once(first), _read_once(second))


def comparison_key(text: str) -> str:
    """What is equal where two texts differ in width, case, blanks and punctuation alone."""
    return _key(_normal(text))


def answers_differ(first: str, second: str) -> bool:
    """Whether two answers to one question exclude each other: neither says all that the other does.

    Compared are numbers and subjects (see `likeness`), and where neither has any, the wording: はい and いいえ.
    """
    one, other = _read_once(first), _read_once(second)
    if one.key in other.key or other.key in one.key:
        return False
    for mine, theirs in ((set(one.figures), set(other.figures)), (one.subjects, other.subjects)):
        if mine and theirs and not (mine <= theirs or mine >= theirs):
            return True
    if one.figures or other.figures or one.subjects or other.subjects:
        return False
    return _jaccard(one.key, other.key) < NEAR


def read(text: str) -> Read:
    """A text as it is compared."""
    normal = _normal(text)
    key = _key(normal)
    return Read(key, _FIGURES.findall(key), _number(_SUBJECT.findall(normal)))


def _key(normal: str) -> str:
    dense = "".join(normal.split())

    def keep(sign: re.Match[str]) -> str:
        return sign[0] if sign[0] not in _NEVER_KEPT and _is_kept(dense, sign.start()) else ""

    return _SIGN.sub(keep, dense)


@lru_cache(maxsize=1000)  # a text is compared with many, one after the other
def grams_of(key: str) -> frozenset[str]:
    """The character 2- and 3-grams of a comparison key, or the key itself where it is shorter."""
    grams = (key[start : start + size] for size in _GRAM_SIZES for start in range(len(key) - size + 1))
    return frozenset(grams) or frozenset([key])


def _number(words: list[str]) -> frozenset[tuple[str, int]]:
    return frozenset((word, number) for word, count in Counter(words).items() for number in range(count))


def compare(first: Read, second: Read) -> float:
    """The `likeness` of two texts that were read."""
    if first.key == second.key:
        return 1.0
    if first.figures != second.figures or not (first.subjects <= second.subjects or first.subjects >= second.subjects):
        return 0.0
    return _jaccard(first.key, second.key)


def _jaccard(first: str, second: str) -> float:
    grams, others = grams_of(first), grams_of(second)
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


@lru_cache(maxsize=2)  # a text that is compared with many is read once
def _read_once(text: str) -> Read:
    return read(text)


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
