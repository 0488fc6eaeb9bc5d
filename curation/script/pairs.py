"""The weights of pairs (ngrams.py) for many pairs at a time."""

import numpy as np
from numpy.typing import NDArray

from .ngrams import Ngrams

_BITS = 20  # of the first table, which has room for three times as many pairs
_FEWER_BITS, _LEAST_BITS = 2, 10
_FACTOR = 2654435761  # odd, and no pattern in its bits (Knuth, 6.4)


class PairTable:
    """Hash tables, each for the pairs that found their slot in the one before taken."""

    def __init__(self, table: Ngrams) -> None:
        firsts, seconds, values = table.pairs.columns()
        keys, weights = _keys(_codes(firsts), _codes(seconds)), np.array(values, np.float32)
        assert len(firsts) == len(seconds) and max(max(firsts), max(seconds)) <= "\uffff"
        self._levels: list[tuple[np.uint32, np.uint32, NDArray[np.uint32], NDArray[np.float32]]] = []
        bits = _BITS
        while keys.size:
            factor = np.uint32(pow(_FACTOR, len(self._levels) + 1, 2**32))
            shift = np.uint32(32 - bits)
            slots = keys * factor >> shift
            held, said = np.zeros(1 << bits, np.uint32), np.zeros(1 << bits, np.float32)
            held[slots], said[slots] = keys, weights
            self._levels.append((factor, shift, held, said))
            is_left = held[slots] != keys
            keys, weights = keys[is_left], weights[is_left]
            bits = max(bits - _FEWER_BITS, _LEAST_BITS)

    def weigh(
        self, firsts: "NDArray[np.uint32]", seconds: "NDArray[np.uint32]", otherwise: "NDArray[np.float32]"
    ) -> "NDArray[np.float32]":
        """What the second characters say after the first ones (`Ngrams.pairs`); `otherwise` where there is no pair."""
        keys = _keys(firsts, seconds)
        found = otherwise.copy()
        places = np.arange(keys.size)
        for factor, shift, held, said in self._levels:
            slots = keys * factor >> shift
            there = held[slots]
            is_it = there == keys
            found[places[is_it]] = said[slots[is_it]]
            is_left = (there != 0) & ~is_it  # its slot may have been taken by another
            if not is_left.any():
                break
            keys, places = keys[is_left], places[is_left]
        return found


def _codes(chars: str) -> "NDArray[np.uint32]":
    return np.frombuffer(chars.encode("utf-32-le"), "<u4")


def _keys(firsts: "NDArray[np.uint32]", seconds: "NDArray[np.uint32]") -> "NDArray[np.uint32]":
    """A number for each pair of characters of Unicode's first plane, never 0."""
    return firsts << np.uint32(16) | seconds
