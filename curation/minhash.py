"""Which of a million sets of grams may be alike, without comparing all with all.

MinHash (Broder, On the resemblance and containment of documents, 1997) by rensa, in bands (Leskovec, Rajaraman and
Ullman, Mining of Massive Datasets, chapter 3): two sets of Jaccard index s meet with probability 1 - (1 - s^3)^32,
which is 0.997 for 0.55. It gives the same on every machine: the hashes have a seed, and none is Python's own of a text.
"""

import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

_BANDS, _ROWS = 32, 3
_SEED = 42
_NEIGHBOURS = 20  # of a bucket, each is held against so many; ten thousand questions of one form would be as many pairs


@dataclass(frozen=True)
class Sketched:
    """What is known of a text: its grams, what has to be equal, and of what one text's must hold the other's."""

    grams: Iterable[str]
    same: str
    subjects: Iterable[str]


class Sketches:
    """The bands of many texts: 136 bytes for each."""

    def __init__(self) -> None:
        self._bands = [array("I") for _ in range(_BANDS)]
        self._masks = array("Q")  # of the subjects, a bit each, so that most pairs are told apart at once

    def add(self, texts: Sequence[Sketched]) -> None:
        """Take more texts in, by the thousand."""
        from rensa import RMinHash

        rows = RMinHash.digest_matrix_from_token_sets([list(text.grams) for text in texts], _BANDS * _ROWS, _SEED)
        for text, row in zip(texts, rows.to_rows(), strict=True):
            same = crc32(text.same.encode("utf-8", "surrogatepass"))
            for band, start in zip(self._bands, range(0, _BANDS * _ROWS, _ROWS), strict=True):
                band.append(hash((same, row[start], row[start + 1], row[start + 2])) & 0xFFFFFFFF)
            mask = 0
            for subject in text.subjects:
                mask |= 1 << (crc32(subject.encode("utf-8", "surrogatepass")) & 63)
            self._masks.append(mask)

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Pairs of places that share a band, the earlier first; each pair once."""
        masks = self._masks
        for number, band in enumerate(self._bands):
            before = self._bands[:number]
            order = sorted(range(len(band)), key=band.__getitem__)
            for _, bucket in itertools.groupby(order, key=band.__getitem__):
                members = list(bucket)
                if len(members) == 1:
                    continue
                if len(members) > _NEIGHBOURS:  # so that those with the same subjects are neighbours
                    members.sort(key=lambda place: (masks[place], place))
                for at, second in enumerate(members):
                    mask = masks[second]
                    for first in members[max(0, at - _NEIGHBOURS) : at]:
                        both = mask & masks[first]
                        if (both == mask or both == masks[first]) and not _met(first, second, before):
                            yield (first, second) if first < second else (second, first)


def _met(first: int, second: int, bands: "Sequence[array[int]]") -> bool:
    for band in bands:  # noqa: SIM110 - a generator takes three times as long, and this runs a hundred million times
        if band[first] == band[second]:
            return True
    return False
