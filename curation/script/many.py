"""Which of many texts are Japanese throughout: a proof by arrays, at a tenth of what reading them costs.

The lead of the foreign path (chain.py) is bounded from above at each Han character of all texts together. What is left
out can only lower it: old spelling, words of both languages, pairs that a change would part, and that a mark may end a
sentence. Where the bound is below all that the chain decides by, there is nothing foreign in a text, whatever in it is
quoted or code.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .chain import CERTAIN, strongest_gap
from .glyphs import (
    BACKTICK,
    CLASSES,
    CLOSER,
    JAPANESE_HAN,
    KANA,
    NEWLINE,
    OPENER,
    OTHER,
    QUOTE,
    SHARED_HAN,
    SPACE,
    WORD,
    is_katakana,
)
from .ngrams import KATAKANA, ngrams
from .pairs import PairTable

_Floats = NDArray[np.float32]

_SEPARATOR = "\uffff"  # no character; a text that has it is not looked at
_LONGEST = 5_000  # characters of a text, and ...
_AT_ONCE = 50_000  # ... of those that are looked at together, whose arrays stay in a core's cache
_MOST_WORDS, _LONGEST_SEGMENT = 2, 40  # it takes three words to make an English clause; a longer one may be cut
_MARGIN = 0.01  # nats; more than thousands of weights in 32 bits may be off

# What a unit of UTF-16 is to the proof; bits, so that several are asked for at once.
_GAP, _HAN, _KANA, _END, _LETTER, _ODD, _NEW = 0, 1, 2, 4, 8, 16, 32
_KINDS = dict.fromkeys((SPACE, OTHER, OPENER, CLOSER, QUOTE, BACKTICK), _GAP) | {
    SHARED_HAN: _HAN,
    JAPANESE_HAN: _HAN,
    KANA: _KANA,
    NEWLINE: _END,
}
_MARKS = frozenset((OPENER, CLOSER, QUOTE, BACKTICK))  # which may end a sentence
_EMOJI = range(0xD83C, 0xD83F)  # the first halves of what is written in two, and is nothing but a sign
_SECOND_HALVES = range(0xDC00, 0xE000)


def find_clean(texts: Sequence[str]) -> list[bool]:
    """For each text whether it certainly is Japanese with nothing foreign in it, quoted or not."""
    proven = [False] * len(texts)
    some: list[int] = []
    size = 0
    for place, text in enumerate(texts):
        if len(text) <= _LONGEST:
            some.append(place)
            size += len(text)
            if size >= _AT_ONCE:
                _prove(texts, some, proven)
                some, size = [], 0
    if some:
        _prove(texts, some, proven)
    return proven


def _prove(texts: Sequence[str], places: Sequence[int], proven: list[bool]) -> None:
    """Note down which of the texts at some places are proven."""
    # A separator ends a sentence, as does the beginning of a text in effect. Two of them, for a look two units back.
    joined = _SEPARATOR * 2 + _SEPARATOR.join([texts[place] for place in places]) + _SEPARATOR
    units = np.frombuffer(joined.encode("utf-16-le", "surrogatepass"), "<u2")
    ends = np.flatnonzero(units == ord(_SEPARATOR))[1:]
    if len(ends) == len(places) + 1:
        faults = _table().find_doubts(units)
        doubtful = np.bincount(np.searchsorted(ends, faults) - 1, minlength=len(places))
        for place, doubts in zip(places, doubtful.tolist(), strict=True):
            proven[place] = not doubts


@cache
def _table() -> "_Units":
    return _Units()


class _Units:
    """What each unit of UTF-16 means to the chain; a row of it is made when a unit is first met."""

    def __init__(self) -> None:
        table = ngrams()
        self._kinds = np.full(0x10000, _NEW, np.uint8)
        self._letters = np.zeros(0x10000, np.uint32)  # as they stand in pairs; 0 for all others
        self._singles = np.zeros(0x10000, np.float32)
        self._enter = np.zeros(0x10000, np.float32)  # the cost of a change behind it, at most
        self._pairs = PairTable(table)
        self._highest_enter = max(table.enter.values())
        self._leave_beside, self._leave_to_kana = -table.leave["beside"], -table.leave_to_kana["beside"]

    def _learn(self, units: "NDArray[np.uint16]") -> None:
        table = ngrams()
        for code in np.unique(units).tolist():
            char, letter = chr(code), CLASSES[code]
            kind, enter = _KINDS.get(letter, _ODD), table.enter[strongest_gap(char)]
            if char == _SEPARATOR:
                kind = _END
            elif code in _EMOJI or code in _SECOND_HALVES:
                kind = _GAP
            elif 0xD800 <= code < 0xDC00:
                kind = _ODD
            elif letter == WORD:
                kind = _GAP if char.isdecimal() or (char.isascii() and not char.isalpha()) else _LETTER
            if letter in _MARKS or kind == _END:
                enter = self._highest_enter
            elif kind == _HAN:
                self._letters[code], self._singles[code] = code, table.singles.get(char, 0.0)
                enter = table.enter["beside"]
            elif kind == _KANA:
                self._letters[code], enter = ord(KATAKANA if is_katakana(char) else char), table.enter["kana"]
            self._enter[code] = enter
            self._kinds[code] = kind  # last, for another thread may look

    def find_doubts(self, units: "NDArray[np.uint16]") -> "NDArray[np.intp]":
        """Where something is that may be foreign, in units; at least one place for each text that has it."""
        kinds = self._kinds[units]
        if (new := kinds == _NEW).any():
            self._learn(units[new])
            kinds = self._kinds[units]
        stops = (kinds & (_KANA | _END)) != 0  # nothing is undecided behind them
        doubts = (np.flatnonzero(kinds == _ODD), self._find_leads(units, kinds, stops), _find_clauses(kinds, stops))
        return np.concatenate(doubts)

    def _find_leads(
        self, units: "NDArray[np.uint16]", kinds: "NDArray[np.uint8]", stops: "NDArray[np.bool_]"
    ) -> "NDArray[np.intp]":
        """The Han characters at which the foreign path may be ahead by so much that the chain would decide for it."""
        at = np.flatnonzero(kinds == _HAN)
        if not at.size:
            return at
        codes, before, after = self._letters[units[at]], units[at - 1], units[at + 1]
        kinds_before, kinds_after = kinds[at - 1], kinds[at + 1]
        weights = self._pairs.weigh(self._letters[before], codes, self._singles[codes])
        enter = self._enter[before]
        # Of several signs the strongest counts, which only one look further back tells from a single one.
        enter[((kinds_before | kinds[at - 2]) & (_HAN | _KANA)) == 0] = self._highest_enter
        limits = np.where(kinds_after == _HAN, np.float32(self._leave_beside), np.float32(0))
        kana = np.flatnonzero(kinds_after == _KANA)
        into_kana = self._pairs.weigh(codes[kana], self._letters[after[kana]], np.zeros(kana.size, np.float32))
        limits[kana] = self._leave_to_kana - into_kana
        leads = _find_highest(weights, enter, np.cumsum(stops, dtype=np.int32)[at])
        return at[leads > np.minimum(limits, CERTAIN) - _MARGIN]


def _find_highest(weights: _Floats, enter: _Floats, segments: "NDArray[np.int32]") -> "NDArray[np.float64]":
    """At each place the greatest of all sums of weights up to it, each begun at a place of its segment by `enter`."""
    sums = np.cumsum(weights, dtype=np.float64)
    begun = enter - (sums - weights)
    steps = segments * (np.ptp(begun) + 1.0)  # lift each segment above the one before
    highest: NDArray[np.float64] = sums + (np.maximum.accumulate(begun + steps) - steps)
    return highest


def _find_clauses(kinds: "NDArray[np.uint8]", stops: "NDArray[np.bool_]") -> "NDArray[np.intp]":
    """The ends of stretches between kana and line ends that have so many words that they may be a clause."""
    is_letter = kinds == _LETTER
    words = np.flatnonzero(is_letter[1:] & ~is_letter[:-1]) + 1
    if not words.size:
        return words
    ends = np.flatnonzero(stops)
    segments, counts = np.unique(np.searchsorted(ends, words), return_counts=True)
    lengths = ends[segments] - ends[segments - 1]
    found: NDArray[np.intp] = ends[segments[(counts > _MOST_WORDS) | (lengths > _LONGEST_SEGMENT)]]
    return found
