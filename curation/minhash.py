"""Which of a million sets of grams may be alike, without comparing all with all.

MinHash (Broder, On the resemblance and containment of documents, 1997) by rensa, in bands (Leskovec, Rajaraman and
Ullman, Mining of Massive Datasets, chapter 3): two sets of Jaccard index s meet with probability 1 - (1 - s^3)^32,
which is 0.997 for 0.55. Of each hash a byte is kept: enough to meet by three, and to estimate s by all 96. It gives the
same on every machine: the hashes have a seed, and none is Python's own of a text.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_BANDS, _ROWS = 32, 3
_HASHES = _BANDS * _ROWS
_SEED = 42
_NEIGHBOURS = (
    100  # of a bucket, each is held against so many; ten thousand questions of one form would be as many pairs
)
_CANDIDATES = 8  # a text, the likeliest by the estimate
_CROWDED_BANDS = 8  # of the 32: one of 0.55 is met in the others with probability 0.987
_DEVIATIONS = 3  # below the threshold, an estimate is still believed
_AT_A_TIME = 50_000  # texts whose neighbours are looked for, or whose likeliest are chosen, at once
_COMPARED_PAIRS = 10_000  # at once: what is compared is 2 MB
_SORTED_TEXTS = 250_000  # at once: 10 MB
_HELD_PAIRS = 1_000_000  # before the likeliest of each text are chosen: 16 MB
# How a pair is a number, see `_Likeliest`.
_PLACE_BITS = 28
_UNLIKELY, _SECOND = np.uint64(_PLACE_BITS), np.uint64(_PLACE_BITS + 8)
_FIRST = np.uint64((1 << _PLACE_BITS) - 1)

Places = NDArray[np.int32]
Met = tuple[Places, Places]


@dataclass(frozen=True)
class Sketched:
    """What is known of a text: its key and its grams, what has to be equal, and what has to hold the other's or be
    held by it."""

    key: str
    grams: Iterable[str]
    same: str
    subjects: Iterable[str]


@dataclass(frozen=True)
class Sketches:
    """Of each text 116 bytes, and no text."""

    hashes: NDArray[np.uint8]  # (texts, 96)
    same: NDArray[np.uint32]  # (texts)
    masks: NDArray[np.uint64]  # (texts), of the subjects, a bit each
    keys: NDArray[np.uint64]  # (texts), a digest

    @classmethod
    def of(cls, count: int) -> "Sketches":
        """Room for so many texts."""
        return cls(
            np.empty((count, _HASHES), np.uint8),
            np.empty(count, np.uint32),
            np.empty(count, np.uint64),
            np.empty(count, np.uint64),
        )

    def put(self, start: int, part: "Sketches") -> int:
        """Take in a part from a place on, and say where it ends."""
        end = start + len(part.keys)
        self.hashes[start:end], self.same[start:end] = part.hashes, part.same
        self.masks[start:end], self.keys[start:end] = part.masks, part.keys
        return end


@dataclass
class Candidates:
    """Pairs of places that may be alike, the earlier first and sorted by the later.

    `crowded` are the places of texts worded as so many others that not each was held against each.
    """

    firsts: Places
    seconds: Places
    crowded: Places


def sketch(texts: Sequence[Sketched]) -> Sketches:
    """What is kept of texts, of some thousands at a time."""
    from rensa import RMinHash

    made = Sketches.of(len(texts))
    rows = RMinHash.digest_matrix_from_token_sets([list(text.grams) for text in texts], _HASHES, _SEED).to_rows()
    made.hashes[:] = np.array(rows, np.uint32).reshape(len(texts), _HASHES) & 0xFF
    for place, text in enumerate(texts):
        made.same[place] = crc32(_bytes(text.same))
        made.masks[place] = _mask(text.subjects)
        made.keys[place] = int.from_bytes(blake2b(_bytes(text.key), digest_size=8).digest(), "big")
    return made


def propose(sketches: Sketches, places: Places, threshold: float, across: int = 0) -> Candidates:
    """The pairs among some texts that may be at least `threshold` alike. Memory is 64 bytes a text at most.

    With `across`, only pairs of a place before it and one from there on.
    """
    found = _Likeliest(len(sketches.keys))
    enough = _least_equal(threshold)
    for band in range(_BANDS):
        for ones, others in _all_meet(sketches, places, band, found.crowded):
            firsts, seconds = np.minimum(ones, others), np.maximum(ones, others)
            if across:
                parted = (firsts < across) & (seconds >= across)
                firsts, seconds = firsts[parted], seconds[parted]
            for start in range(0, len(firsts), _COMPARED_PAIRS):
                one, other = firsts[start : start + _COMPARED_PAIRS], seconds[start : start + _COMPARED_PAIRS]
                count = (sketches.hashes[one] == sketches.hashes[other]).sum(axis=1, dtype=np.uint8)
                alike = count >= enough
                found.add(one[alike], other[alike], count[alike])
    return found.all()


def first_places(keys: NDArray[np.uint64]) -> Places:
    """For each place, the first that has the same key."""
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return first.astype(np.int32)[which]


def _all_meet(sketches: Sketches, places: Places, band: int, crowded: NDArray[np.uint8]) -> Iterator[Met]:
    for keys, some in _buckets(sketches, places, band):
        yield from _meet(sketches, keys, some, band, crowded)


def _buckets(sketches: Sketches, places: Places, band: int) -> Iterator[tuple[NDArray[np.uint64], Places]]:
    """What meets in a band has one key: the keys of some places after the other, each key with all its places."""
    keys = sketches.same[places].astype(np.uint64)
    for row in range(_ROWS * band, _ROWS * (band + 1)):
        keys = (keys << np.uint64(8)) | sketches.hashes[places, row]
    parts = 1 + len(places) // _SORTED_TEXTS
    part = (keys % np.uint64(parts)).astype(np.int16)
    for number in range(parts):
        picked = part == number
        yield keys[picked], places[picked]


def _meet(
    sketches: Sketches, keys: NDArray[np.uint64], places: Places, band: int, crowded: NDArray[np.uint8]
) -> Iterator[Met]:
    """Places of one bucket, of which one has all subjects that the other has."""
    # Among many, those with the same subjects are neighbours; with one more, in those bands where its bit is a low one.
    turn = np.uint64(2 * band)
    turned = (sketches.masks[places] << turn) | (sketches.masks[places] >> (np.uint64(64) - turn) if band else 0)
    order = np.lexsort((turned, keys))
    del turned
    keys, sorted_ = keys[order], places[order]
    del order
    masks = sketches.masks[sorted_]
    for start in range(0, len(keys), _AT_A_TIME):
        at = np.arange(start, min(start + _AT_A_TIME, len(keys)), dtype=np.int32)
        for distance in range(1, _NEIGHBOURS + 1):
            at = at[: np.searchsorted(at, len(keys) - distance)]
            at = at[keys[at] == keys[at + distance]]
            if not len(at):
                break
            one, other = masks[at], masks[at + distance]
            both = one & other
            nested = at[(both == one) | (both == other)]
            yield sorted_[nested], sorted_[nested + distance]
        crowded[sorted_[at]] += 1


class _Likeliest:
    """The likeliest pairs of each later text, of all that were added, sorted by the later.

    A pair is a number: the later place, how unlikely it is, and the earlier one. So what is sorted is chosen from, and
    a pair that was added twice is the same number.
    """

    def __init__(self, count: int) -> None:
        assert count <= 1 << _PLACE_BITS
        self.crowded = np.zeros(count, np.uint8)  # of each text, in how many bands
        # What was chosen, for some later texts at a time: what sorting takes is many times the pairs.
        self._chosen = [np.empty(0, np.uint64) for _ in range(0, max(1, count), _AT_A_TIME)]
        self._added: list[NDArray[np.uint64]] = []
        self._waiting = 0

    def add(self, firsts: Places, seconds: Places, likely: NDArray[np.uint8]) -> None:
        """Take pairs in; some may have been added before."""
        pairs = seconds.astype(np.uint64) << _SECOND
        pairs |= (255 - likely).astype(np.uint64) << _UNLIKELY
        pairs |= firsts.astype(np.uint64)
        self._added.append(pairs)
        self._waiting += len(pairs)
        if self._waiting > _HELD_PAIRS:
            self.choose()

    def choose(self) -> None:
        """Choose among all that were added."""
        if not self._added:
            return
        added = np.concatenate(self._added)
        self._added, self._waiting = [], 0
        added.sort()
        for number, pairs in enumerate(self._chosen):
            bounds = np.array([number * _AT_A_TIME, (number + 1) * _AT_A_TIME], np.uint64) << _SECOND
            begin, end = np.searchsorted(added, bounds)
            if begin < end:
                self._chosen[number] = _choose(np.unique(np.concatenate([pairs, added[begin:end]])), self.crowded)

    def all(self) -> "Candidates":
        """All that were chosen; they are held no longer."""
        self.choose()
        firsts, seconds = (np.empty(sum(map(len, self._chosen)), np.int32) for _ in range(2))
        end = 0
        while self._chosen:
            pairs = self._chosen.pop(0)
            start, end = end, end + len(pairs)
            firsts[start:end] = pairs & _FIRST
            seconds[start:end] = pairs >> _SECOND
        return Candidates(firsts, seconds, np.flatnonzero(self.crowded > _CROWDED_BANDS).astype(np.int32))


def _choose(pairs: NDArray[np.uint64], crowded: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The likeliest of sorted pairs for each later text."""
    seconds = (pairs >> _SECOND).astype(np.int32)
    is_late = np.zeros(len(pairs), bool)  # eight of the same text stand before it
    is_late[_CANDIDATES:] = seconds[_CANDIDATES:] == seconds[:-_CANDIDATES]
    crowded[seconds[is_late]] = _BANDS
    return pairs[~is_late]


def _least_equal(threshold: float) -> int:
    """How many of the hashes of two sets are equal at least, where their likeness is `threshold`."""
    deviation = (_HASHES * threshold * (1 - threshold)) ** 0.5
    return max(0, int(_HASHES * threshold - _DEVIATIONS * deviation))


def _mask(subjects: Iterable[str]) -> int:
    mask = 0
    for subject in subjects:
        mask |= 1 << (crc32(_bytes(subject)) & 63)
    return mask


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
