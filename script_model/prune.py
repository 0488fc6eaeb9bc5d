"""What is kept of the trained model: weights in steps, the pairs that say most, words that both languages have."""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise

from .crf import GAPS, Model, find_pairs, read_letters
from .letters import HAN_RUN, has_chinese_glyph
from .lexicon import Lexicon
from .samples import Sample
from .table import STEP, Table

_MOST_PAIRS = 300_000
_LEAST_PAIR = 0.4  # nats
_LEAST_WORD = -9.0  # nats; a word below it needs no list to look Japanese
_UNSEEN = -14.5  # the logarithm of the frequency of a pair that Wikipedia has not
_LEAST_FREQUENCY = -16.0


def make_table(model: Model, lexicon: Lexicon, samples: Iterable[Sample]) -> Table:
    """Keep what matters; `samples` show which pairs occur that Wikipedia has not."""
    seen, seen_pairs = _collect(samples)
    seen |= lexicon.characters.keys() | set(map(chr, [*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000)]))
    chars = sorted(filter(_is_short, seen))
    weights = model.weights[[ord(char) for char in chars]]
    singles = {char: _quantise(weight) for char, weight in zip(chars, weights, strict=True) if _quantise(weight)}
    pairs = _choose_pairs(model, lexicon, sorted(filter(_is_short, seen_pairs | lexicon.pairs.keys())))
    by_kana = len(GAPS)
    return Table(
        singles,
        pairs,
        enter=_name_gaps(model.enter),
        leave=_name_gaps(model.leave[:by_kana]),
        leave_to_kana=_name_gaps(model.leave[by_kana:]),
        modern={old: new for old, new in lexicon.modern.items() if _is_short(old) and _is_short(new)},
        words=_choose_words(lexicon, singles, pairs, float(model.enter[GAPS.index("start")])),
    )


def _is_short(text: str) -> bool:
    """Whether each of its characters is two bytes in UTF-16."""
    return max(text) <= "\uffff"


def _quantise(weight: float) -> int:
    return max(-127, min(127, round(float(weight) / STEP)))


def _name_gaps(costs: Iterable[float]) -> dict[str, float]:
    return {gap: round(float(cost), 2) for gap, cost in zip(GAPS, costs, strict=True)}


def _collect(samples: Iterable[Sample]) -> tuple[set[str], set[str]]:
    """The Han characters in the samples, and the pairs that have a weight."""
    chars, pairs = set[str](), set[str]()
    for sample in samples:
        letters = read_letters(sample.text)
        chars.update(chr(letter.code) for letter in letters if letter.is_han)
        for before, letter in pairwise(letters):
            touches = GAPS[letter.gap] in ("beside", "kana")
            if touches and (letter.is_han or before.is_han):
                pairs.add(chr(before.code) + chr(letter.code))
    return chars, pairs


def _choose_pairs(model: Model, lexicon: Lexicon, pairs: list[str]) -> dict[str, int]:
    """Those that are frequent and say much."""
    weights = model.weights[find_pairs(pairs)]

    def importance(at: int) -> float:
        frequency = max((log for log in lexicon.pairs.get(pairs[at], ()) if log), default=_UNSEEN)
        return -abs(float(weights[at])) * math.exp(0.6 * (frequency - _LEAST_FREQUENCY))

    chosen = sorted(range(len(pairs)), key=importance)[:_MOST_PAIRS]
    return {pairs[at]: _quantise(weights[at]) for at in chosen if abs(weights[at]) >= _LEAST_PAIR}


def _choose_words(lexicon: Lexicon, singles: Mapping[str, int], pairs: Mapping[str, int], start: float) -> list[str]:
    """Words of both languages, and Japanese ones that would look Chinese."""

    def score(word: str) -> float:
        steps = sum(singles.get(char, 0) for char in word) + sum(pairs.get(a + b, 0) for a, b in pairwise(word))
        return STEP * steps

    places = {place for place in lexicon.places if lexicon.is_chinese(place)} | lexicon.shared_places
    nouns = {word for word in lexicon.common_nouns if lexicon.is_chinese(word) or score(word) + start > -0.5}
    cities = {place + kind for place in places if len(place) > 1 and lexicon.is_shared(place) for kind in "市省県"}
    chosen = {word for word in nouns | places if lexicon.is_shared(word)} | {city for city in cities if score(city) > 0}
    return sorted(
        word
        for word in chosen
        if 2 <= len(word) <= 6 and HAN_RUN.fullmatch(word) and not has_chinese_glyph(word) and score(word) > _LEAST_WORD
    )
