"""How much a run of Han characters speaks for Chinese rather than Japanese: a table of weights, read once.

The weights are those of a conditional random field with two labels, in nats: what a run scores is the sum over its
characters and its pairs of neighbours, and more than zero speaks for Chinese. The recipe, the sources and their
licences are in `script_model/`.
"""

import json
import zlib
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from itertools import accumulate, pairwise

KATAKANA = "ア"  # stands for any katakana in a pair


class _Rows(dict[str, dict[str, float]]):
    """What a character says after another one, by first and then by second character: `singles` and the pair's weight.

    A row is unpacked when it is first asked for.
    """

    def __init__(
        self, firsts: str, lengths: Iterable[int], seconds: str, weights: list[float], singles: dict[str, float]
    ) -> None:
        super().__init__()
        self._bounds = dict(zip(firsts, pairwise(accumulate(lengths, initial=0)), strict=True))
        self._seconds, self._weights, self._singles = seconds, weights, singles

    def __missing__(self, first: str) -> dict[str, float]:
        start, end = self._bounds.get(first, (0, 0))
        seconds, single = self._seconds[start:end], self._singles.get
        weights = [
            weight + single(second, 0.0) for second, weight in zip(seconds, self._weights[start:end], strict=True)
        ]
        row = self[first] = dict(zip(seconds, weights, strict=True))
        return row

    def columns(self) -> tuple[str, str, list[float]]:
        """All pairs: their first and their second characters, and what each says."""
        firsts = "".join(first * (end - start) for first, (start, end) in self._bounds.items())
        single = self._singles.get
        return firsts, self._seconds, [w + single(c, 0.0) for c, w in zip(self._seconds, self._weights, strict=True)]


class Ngrams:
    """`singles` are the weights of characters, `pairs` those of characters after others.

    `enter`, `leave` and `leave_to_kana` are costs by kind of gap, below zero. `enter` leads from Japanese into
    Chinese, `leave` back at a kanji, `leave_to_kana` at a kana. `modern` maps old forms to what Japanese writes
    today: 國 to 国.
    """

    def __init__(self, data: bytes) -> None:
        head, _, body = zlib.decompress(data).partition(b"\n")
        facts = json.loads(head)
        self.enter: dict[str, float] = facts["enter"]
        self.leave: dict[str, float] = facts["leave"]
        self.leave_to_kana: dict[str, float] = facts["leave_to_kana"]
        columns = dict(zip(facts["columns"], pairwise(accumulate(facts["lengths"], initial=0)), strict=True))
        parts = {name: body[start:end] for name, (start, end) in columns.items()}
        texts = {name: part.decode("utf-16-le") for name, part in parts.items() if name in facts["texts"]}
        scale = [(byte - 128) * facts["step"] for byte in range(256)]
        weights = [scale[byte] for byte in parts["weights"]]
        self.modern = dict(zip(texts["old"], texts["new"], strict=True))
        self.modern_forms = frozenset(texts["new"])
        self.singles = dict(zip(texts["singles"], weights, strict=False))
        lengths = memoryview(parts["row_lengths"]).cast("H")
        self.pairs = _Rows(texts["firsts"], lengths, texts["seconds"], weights[len(self.singles) :], self.singles)
        self._words = texts["words"].split()  # sorted
        self._is_word = frozenset(self._words)

    def is_word(self, run: str) -> bool:
        """Whether both languages have the word, though by its weights it would look Chinese."""
        return run in self._is_word

    def is_two_words(self, run: str) -> bool:
        """Whether it can be parted into two such words."""
        words = self._is_word
        return any(run[:cut] in words and run[cut:] in words for cut in range(2, len(run) - 1))

    def begins_word(self, run: str) -> bool:
        """Whether such a word begins so."""
        at = bisect_left(self._words, run)
        return at < len(self._words) and self._words[at].startswith(run)

    def weigh(self, before: str, char: str) -> float:
        """What `char` speaks for Chinese where it touches `before`; that may be empty."""
        weight = self.pairs[before].get(char)
        return self.singles.get(char, 0.0) if weight is None else weight


@cache
def ngrams() -> Ngrams:
    """The table that is shipped beside this module."""
    return Ngrams(files(__package__).joinpath("ngrams.bin").read_bytes())


def weigh_run(text: str) -> list[float]:
    """What each character of a whole run speaks for Chinese where it stands, in nats."""
    return list(map(ngrams().weigh, ["", *text], text))


def score(weights: list[float]) -> float:
    """How much a whole run speaks for Chinese, in nats, less what it costs to begin one."""
    return sum(weights) + ngrams().enter["start"]


def telling_words(text: str, run_weights: list[float], most: int = 3) -> list[str]:
    """The pairs of characters that speak loudest for Chinese, joined where they overlap."""
    singles = ngrams().singles
    weights = {
        at: run_weights[at + 1] + singles[first]
        for at, (first, second) in enumerate(pairwise(text))
        if first in singles and second in singles
    }
    loudest = sorted(weights, key=weights.__getitem__, reverse=True)[:most]
    words: list[str] = []
    end = -1
    for at in sorted(at for at in loudest if weights[at] > 0):
        if at < end:
            words[-1] += text[end : at + 2]
        else:
            words.append(text[at : at + 2])
        end = at + 2
    return words or [text]
