"""A linear-chain conditional random field with the labels Japanese and Chinese (Lafferty et al. 2001).

Only Chinese has weights: of each Han character, and of each pair of neighbours. A change of label costs something by
the gap before the character (`GAPS`). Kana is always Japanese; the first and the last of a run stand for it.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.script.ngrams import KATAKANA

from .letters import HAN_LETTERS
from .lexicon import RARE, Lexicon
from .samples import Sample

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

GAPS = ("beside", "kana", "start", "gap", "list", "clause", "sentence")  # as curation/script/chain.py calls them
_BESIDE, _KANA, _START, _GAP, _LIST, _CLAUSE, _SENTENCE = range(len(GAPS))

_LETTERS = re.compile(f"(?P<han>[{HAN_LETTERS}])|[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9f]+")
_SENTENCE_SIGN, _CLAUSE_SIGN = re.compile("[。！？!?\n]"), re.compile("[，：；,:;]")

_FIRST_PAIR = 0x40000  # below are the weights of characters by code point
_PAIR_BITS = 26  # pairs are hashed (Weinberger et al. 2009); with a million of them one in seventy shares its weight
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio (Knuth 6.4)

_RATE = 0.3  # of Adagrad (Duchi et al. 2011)
_DECAY = 1e-4  # back to the weights at the start, which Wikipedia knows better for what is rare here
_LARGEST_START = 6.0  # nats
_IMPOSSIBLE = -60.0
_LEAST_LIKELIHOOD = -50.0  # a sample below it has a wrong label


class Letter(NamedTuple):
    """A Han character or an end of a kana run."""

    code: int
    is_han: bool
    gap: int  # before it, an index of GAPS
    position: int


def read_letters(text: str) -> list[Letter]:
    """What the model sees of a text."""
    letters: list[Letter] = []
    end = 0
    for match in _LETTERS.finditer(text):
        gap = _classify_gap(text[end : match.start()], letters)
        if match["han"]:
            letters.append(Letter(ord(match[0]), True, gap, match.start()))
        else:
            letters.append(Letter(_fold(match[0][0]), False, gap, match.start()))
            if len(match[0]) > 1:
                letters.append(Letter(_fold(match[0][-1]), False, _KANA, match.end() - 1))
        end = match.end()
    return letters


def _classify_gap(signs: str, before: list[Letter]) -> int:
    if not before:
        return _START
    if not signs:
        return _BESIDE if before[-1].is_han else _KANA
    if _SENTENCE_SIGN.search(signs):
        return _SENTENCE
    if _CLAUSE_SIGN.search(signs):
        return _CLAUSE
    return _LIST if "、" in signs else _GAP


def _fold(kana: str) -> int:
    return ord(KATAKANA if "ァ" <= kana <= "ー" or "ｦ" <= kana <= "ﾟ" else kana)


def find_pairs(pairs: Iterable[str]) -> Ints:
    """Where the weights of pairs of characters are."""
    before, codes = zip(*((ord(pair[0]), ord(pair[1])) for pair in pairs), strict=True)
    return _hash_pairs(np.array(before), np.array(codes))


def _hash_pairs(before: Ints, codes: Ints) -> Ints:
    keys = before.astype(np.uint64) * np.uint64(0x10000) + codes.astype(np.uint64)
    return _FIRST_PAIR + (keys * _GOLDEN >> np.uint64(64 - _PAIR_BITS)).astype(np.int64)


class _Batch:
    """Samples as arrays, (sample, letter); those after its end are neither Han nor kana."""

    def __init__(self, samples: list[Sample]) -> None:
        rows = [read_letters(sample.text) for sample in samples]
        shape = len(rows), max(map(len, rows))
        self.codes = np.zeros(shape, np.int64)
        self.gaps = np.zeros(shape, np.int64)
        self.labels = np.zeros(shape)
        self.is_han = np.zeros(shape, bool)
        self.is_kana = np.zeros(shape, bool)
        for row, (letters, sample) in enumerate(zip(rows, samples, strict=True)):
            codes, is_han, gaps, positions = zip(*letters, strict=True)
            here = row, slice(len(letters))
            self.codes[here], self.gaps[here], self.is_han[here] = codes, gaps, is_han
            self.is_kana[here] = ~self.is_han[here]
            self.labels[here] = [sample.is_chinese[position] for position in positions]
        self.is_letter = self.is_han | self.is_kana
        self.pairs = _hash_pairs(np.pad(self.codes, ((0, 0), (1, 0)))[:, :-1], self.codes)
        self.enters_pair = self.is_han & (self.gaps <= _KANA)  # it touches the letter before it
        self.leaves_pair = self.is_kana & (self.gaps == _BESIDE)
        self.exits = np.where(self.is_han, self.gaps, self.gaps + len(GAPS))  # indices of Model.leave


class Model:
    """`enter` are the costs of Chinese after Japanese by gap, `leave` of Japanese after Chinese: kanji, then kana."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.start = _start_weights(lexicon)
        self.weights: Floats = self.start.copy()
        self.enter: Floats = np.array([-7.0, -3.0, -3.0, -4.0, -4.0, -4.0, -3.0])
        self.leave: Floats = np.full(2 * len(GAPS), -4.0)
        self._squares = np.zeros_like(self.weights)
        self._enter_squares, self._leave_squares = np.zeros_like(self.enter), np.zeros_like(self.leave)

    def parameters(self) -> tuple[Floats, Floats, Floats]:
        """All that is learned."""
        return self.weights, self.enter, self.leave

    def learn(self, samples: list[Sample]) -> float:
        """One step of Adagrad; returns the mean loss in nats per sample."""
        batch = _Batch(samples)
        scores = self._score(batch)
        chinese, entered, left, likelihood = _compare(batch, *scores)
        good = likelihood > _LEAST_LIKELIHOOD
        for gradient in (chinese, entered, left):
            gradient *= good[:, None]
        self._move_weights(batch, chinese, left)
        used = batch.is_han
        self.enter = _step(self.enter, self._enter_squares, batch.gaps[used], entered[used], most=-0.5)
        used = batch.is_letter & (scores[2] > _IMPOSSIBLE / 2)
        self.leave = _step(self.leave, self._leave_squares, batch.exits[used], left[used], most=0.0)
        return float(-likelihood[good].mean()) if good.any() else 0.0

    def _score(self, batch: _Batch) -> tuple[Floats, Floats, Floats]:
        """Of each letter what it says for Chinese, and what it costs to enter and to leave Chinese before it."""
        of_pair = self.weights[batch.pairs]
        weight = np.where(batch.is_han, self.weights[batch.codes], 0) + np.where(batch.enters_pair, of_pair, 0)
        weight = np.where(batch.is_kana, _IMPOSSIBLE, weight)
        enter = np.where(batch.is_han, self.enter[batch.gaps], _IMPOSSIBLE)
        within_kana = batch.is_kana & (batch.gaps == _KANA)
        leave = np.where(within_kana, _IMPOSSIBLE, self.leave[batch.exits]) + np.where(batch.leaves_pair, of_pair, 0)
        return weight, enter, leave

    def _move_weights(self, batch: _Batch, chinese: Floats, left: Floats) -> None:
        han, enters, leaves = batch.is_han, batch.enters_pair, batch.leaves_pair
        places = np.concatenate([batch.codes[han], batch.pairs[enters], batch.pairs[leaves]])
        gradients = np.concatenate([chinese[han], chinese[enters], left[leaves]])
        telling = np.abs(gradients) > 1e-4
        used, which = np.unique(places[telling], return_inverse=True)
        gradient = np.bincount(which, gradients[telling], minlength=len(used)).astype(np.float32)
        gradient += _DECAY * (self.weights[used] - self.start[used])
        self._squares[used] += gradient**2
        self.weights[used] -= _RATE * gradient / np.sqrt(self._squares[used] + 1)


def _step(costs: Floats, squares: Floats, places: Ints, gradients: Floats, most: float) -> Floats:
    """The costs after a step; `squares` is Adagrad's memory and is added to."""
    gradient = np.bincount(places, gradients, minlength=len(costs))
    squares += gradient**2
    moved: Floats = np.minimum(costs - _RATE * gradient / np.sqrt(squares + 1e-3), most)
    return moved


def _compare(batch: _Batch, weight: Floats, enter: Floats, leave: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """What the model expects less what the labels say, of Chinese, entering and leaving; and the log-likelihoods."""
    japanese, chinese = _forward(batch.is_letter, weight, enter, leave)
    japanese_rest, chinese_rest = _backward(batch.is_letter, weight, enter, leave)
    total = np.logaddexp(japanese[:, -1:], chinese[:, -1:])
    here = batch.is_letter
    p_chinese = np.exp(chinese + chinese_rest - total) * here
    p_enter, p_leave = p_chinese.copy(), np.zeros_like(p_chinese)  # the first letter can only enter
    p_enter[:, 1:] = np.exp(japanese[:, :-1] + (enter + weight + chinese_rest)[:, 1:] - total) * here[:, 1:]
    p_leave[:, 1:] = np.exp(chinese[:, :-1] + (leave + japanese_rest)[:, 1:] - total) * here[:, 1:]
    labels = batch.labels
    before = np.pad(labels, ((0, 0), (1, 0)))[:, :-1]
    is_enter, is_leave = (1 - before) * labels * here, before * (1 - labels) * here
    likelihood = ((labels * weight + is_enter * enter + is_leave * leave) * here).sum(1) - total[:, 0]
    return p_chinese - labels * here, p_enter - is_enter, p_leave - is_leave, likelihood


def _forward(is_letter: Mask, weight: Floats, enter: Floats, leave: Floats) -> tuple[Floats, Floats]:
    """Log-sums over all paths up to each letter that end in Japanese and in Chinese; after the end they stay."""
    japanese, chinese = np.zeros(weight.shape), np.zeros(weight.shape)
    chinese[:, 0] = enter[:, 0] + weight[:, 0]
    for at in range(1, weight.shape[1]):
        stay_japanese, stay_chinese = japanese[:, at - 1], chinese[:, at - 1]
        to_japanese = np.logaddexp(stay_japanese, stay_chinese + leave[:, at])
        to_chinese = np.logaddexp(stay_japanese + enter[:, at], stay_chinese) + weight[:, at]
        japanese[:, at] = np.where(is_letter[:, at], to_japanese, stay_japanese)
        chinese[:, at] = np.where(is_letter[:, at], to_chinese, stay_chinese)
    return japanese, chinese


def _backward(is_letter: Mask, weight: Floats, enter: Floats, leave: Floats) -> tuple[Floats, Floats]:
    """Log-sums over all paths after each letter, from Japanese and from Chinese."""
    japanese, chinese = np.zeros(weight.shape), np.zeros(weight.shape)
    for at in range(weight.shape[1] - 1, 0, -1):
        in_japanese, in_chinese = japanese[:, at], weight[:, at] + chinese[:, at]
        from_japanese = np.logaddexp(in_japanese, enter[:, at] + in_chinese)
        from_chinese = np.logaddexp(leave[:, at] + in_japanese, in_chinese)
        japanese[:, at - 1] = np.where(is_letter[:, at], from_japanese, japanese[:, at])
        chinese[:, at - 1] = np.where(is_letter[:, at], from_chinese, chinese[:, at])
    return japanese, chinese


def _start_weights(lexicon: Lexicon) -> npt.NDArray[np.float32]:
    """How much likelier Wikipedia has a character, and after another one, in Chinese than in Japanese."""
    weights = np.zeros(_FIRST_PAIR + (1 << _PAIR_BITS), np.float32)
    logs = {
        char: (max(simplified or RARE, traditional or RARE), japanese or RARE)
        for char, (simplified, traditional, japanese) in lexicon.characters.items()
    }
    for char, (chinese, japanese) in logs.items():
        weights[ord(char)] = _clip(chinese - japanese)
    pairs: dict[str, float] = {}
    for pair, (simplified, traditional, japanese) in lexicon.pairs.items():
        first, second = logs.get(pair[0]), logs.get(pair[1])
        if first and second:
            least = [min(RARE, a + b - 1) for a, b in zip(first, second, strict=True)]
            known = [logarithm for logarithm in (simplified, traditional) if logarithm]
            after_first = (max(known, default=least[0]) - first[0]) - ((japanese or least[1]) - first[1])
            pairs[pair] = _clip(after_first) - _clip(second[0] - second[1])
    weights[find_pairs(pairs)] = list(pairs.values())
    return weights


def _clip(weight: float) -> float:
    return min(_LARGEST_START, max(-_LARGEST_START, weight))


def train(draw_round: Callable[[], list[list[Sample]]], rounds: int, lexicon: Lexicon) -> Model:
    """Learn from each batch of each round once; the result is the mean of the later half (Polyak and Juditsky 1992)."""
    model = Model(lexicon)
    sums = [np.zeros_like(values) for values in model.parameters()]
    for done in range(1, rounds + 1):
        losses = [model.learn(samples) for samples in draw_round()]
        if 2 * done > rounds:
            for total, values in zip(sums, model.parameters(), strict=True):
                total += values
        if done % 10 == 0:
            print(f"round {done} of {rounds}, loss {np.mean(losses):.4f}", flush=True)
    model.weights, model.enter, model.leave = (total / (rounds - rounds // 2) for total in sums)
    return model
