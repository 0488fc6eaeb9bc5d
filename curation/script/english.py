"""How much a word speaks for an English clause: short lists, written by hand."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from operator import ge

_ENGLISH_CLAUSE_WORDS = """
    is are was were be been am has have had do does did will would can could may might must shall should
    i you he she it we they this that these those there what which who when where why how if because
    not don't doesn't isn't can't won't it's i'm you're let's i'll i've please
    """
_ENGLISH_SMALL_WORDS = """
    the a an of to in on at by for from with and or but as so than then into
    your my his her its our their all any
    about after before over under between through during
    some other more most such only also very just me us them him
    """
_CLAUSE_WORDS, _CLAUSE_POINTS = 3, 4  # are a clause wherever they stand
# What a whole sentence needs at least: words, points, words in no list.
_LEAST_BEFORE_STOP, _LEAST_AT_END, _LEAST_SO_FAR = (4, 1, 2), (5, 1, 2), (7, 2, 3)  # none is below the first
# A word with the punctuation that may hang on it; anything else (a path, an option, a call) is no evidence.
_ENGLISH_WORD = re.compile(r"[(\[']*([A-Za-z]+(?:'[a-z]+)?)(?:-[A-Za-z]+)*[.,;:!?)\]']*")


@cache
def _english_points() -> dict[str, int]:
    return dict.fromkeys(_ENGLISH_SMALL_WORDS.split(), 1) | dict.fromkeys(_ENGLISH_CLAUSE_WORDS.split(), 3)


def ends_sentence(chunk: str) -> bool:
    """Whether a sentence ends with the chunk, also before a bracket or a quotation mark."""
    return chunk.rstrip(")]'\"").endswith((".", "!", "?"))


def may_begin_line(chunk: str) -> bool:
    """Whether a chunk that is no word may stand before the first sentence of a line: a bullet, a number, an option."""
    return chunk[0] == "-" or not chunk.strip("*+0123456789.:()[]")


class EnglishSentence:
    """The Latin words from `start` to `end`, as they come, and how much they speak for English.

    Four words and a full stop, or five, of which one is a small one (the, of), are English if they are the whole
    sentence; within another one a term (time to live) is as long, so that there only clauses count.
    """

    __slots__ = ("_is_whole", "_plain_words", "_points", "_words", "end", "has_ended", "start")

    def __init__(self, start: int, is_whole: bool) -> None:
        self.start = self.end = start
        self._is_whole = is_whole  # no letter stands before it
        self.has_ended = False  # the last word has a full stop
        self._words = self._points = self._plain_words = 0

    def add(self, chunk: str, end: int, points: int) -> None:
        """Another word, which ends at `end`, and what `english_points` gives for it."""
        self.end, self.has_ended = end, not chunk[-1].isalpha() and ends_sentence(chunk)
        self._words += 1
        self._points += points
        if not points and chunk[0].islower():
            self._plain_words += 1

    def is_english(self, at_end: bool = False) -> bool:
        """Whether it is English for sure, which takes less where it has ended, or the line does: `at_end`."""
        if self._words >= _CLAUSE_WORDS and self._points >= _CLAUSE_POINTS:
            return True
        least = _LEAST_BEFORE_STOP if self.has_ended else _LEAST_AT_END if at_end else _LEAST_SO_FAR
        words, points, plain_words = least
        is_long = self._words >= words and self._points >= points and self._plain_words >= plain_words
        return self._is_whole and is_long


@lru_cache(4096)
def english_points(chunk: str, first: bool) -> int | None:
    """How much a word speaks for an English clause, or None if the chunk is no word.

    Capitals count only on the `first` word, and little: titles (The Lord of the Rings) are names, not clauses.
    """
    if not chunk.isascii():  # of full width
        chunk = unicodedata.normalize("NFKC", chunk).replace("’", "'")
    match = _ENGLISH_WORD.fullmatch(chunk)
    if match is None:
        return None
    word = match[1]
    if len(word) == 1 and word not in "aAI":  # a variable
        return None
    if word.partition("'")[0] == "I":
        word = "i"
    points = _english_points()
    return min(1, points.get(word.lower(), 0)) if first else points.get(word, 0)


def may_hold_clause(chunks: Iterable[str]) -> bool:
    """Whether an `EnglishSentence` may be English, wherever among these words it begins and ends."""
    words = sum_of_points = plain_words = 0
    for chunk in chunks:
        points, points_if_first = english_points(chunk, False), english_points(chunk, True)
        if points is not None and points_if_first is not None:
            words += 1
            sum_of_points += max(points, points_if_first)
            plain_words += chunk[0].islower() and not (points and points_if_first)
    if sum_of_points >= _CLAUSE_POINTS:
        return words >= _CLAUSE_WORDS
    return all(map(ge, (words, sum_of_points, plain_words), _LEAST_BEFORE_STOP))
