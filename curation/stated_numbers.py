"""The numbers that an answer gives for one: not those that it denies, nor those that it calculates with.

Of an answer that calculates, what stands behind its last 答えは or = is meant, or else its last sentence that names a
number that the question does not: 50+70=120、8+9=17なので、答えは137です gives 137 alone.
"""

import re
from collections.abc import Collection, Sequence
from fractions import Fraction

from curation.denials import is_next_number_denied, is_number_denied
from curation.numerals import Number, find_numbers, fold

_LEFT_OF_EQUALS = re.compile(r"(?<![\d.])\d[\d.\s]{0,30}(?:[-+×*÷/][\d.\s]{1,30}){1,20}[=はが]")  # 18÷2=
_OTHER_UNIT = re.compile(r"\s*[a-zµ%°¥$€ァ-ヺ一-鿿]")  # behind a number: it counts something
_COUNTS_THE_SAME = {"人": ("名",), "歳": ("才",), "才": ("歳",)}
_MARKERS = re.compile(
    r"答えは|答え[:：]|つまり|よって|したがって|従って|ゆえに|合わせて|合計[はで]|結果は|なので|だから"
    r"|(?:answer|total|result) is|answer:|\bso\b|therefore|所以|因此|答案是?|[=]"
)
_SENTENCE = re.compile(r"(?:[^。！？!?\n.;]|\.(?=\d))+")
# 130に7を足して, 130と7を合わせて, but not the range 130から140.
_STEP = re.compile(
    r"[^\s\d。、,.]{0,3}?(?:に(?=\s*\d)|を|から(?!\s*\d)|から(?=\s*\d+\D{0,3}を)|と(?=\s*\d+\D{0,3}(?:を|で(?!す))))"
)
# Behind a unit these make another of it.
_LATIN, _GOES_ON = re.compile(r"[a-z0-9]"), {"時": re.compile("間"), "分": re.compile("の")}


def stated_numbers(folded: str, units: Sequence[str] = (), asked: Collection[Fraction] = ()) -> list[Number]:
    """The numbers of a folded text that may be its answer: those in digits, where there are some.

    Where units are wanted: those that count one of them, or else those that count nothing. Those `asked` are named in
    the question, and count only where no other is stated.
    """
    sums = [match.span() for match in _LEFT_OF_EQUALS.finditer(folded)]
    numbers = [
        number
        for number in find_numbers(folded)
        if not is_number_denied(folded, number.end)
        and not is_next_number_denied(folded, number.start)
        and not any(start <= number.start and number.end <= end for start, end in sums)
    ]
    chosen = [number for number in numbers if number.digits] or numbers
    if units:
        chosen = _that_count(folded, numbers, chosen, units)
    new = [number for number in chosen if number.value not in asked]
    return _conclusion(folded, new) if new else chosen[-1:] if asked else chosen


def _conclusion(folded: str, numbers: Sequence[Number]) -> list[Number]:
    """The numbers of the last part that states any; a step of a calculation only where nothing else is stated."""
    results = [number for number in numbers if not _STEP.match(folded, number.end)] or list(numbers)
    marks = [match.end() for match in _MARKERS.finditer(folded)]
    for start in reversed(marks):
        sentence = _SENTENCE.match(folded, start)
        if sentence and (found := _within(results, sentence.span())):
            return found
    for sentence in reversed(list(_SENTENCE.finditer(folded))):
        if found := _within(results, sentence.span()):
            return found
    return results


def _within(numbers: Sequence[Number], span: tuple[int, int]) -> list[Number]:
    return [number for number in numbers if span[0] <= number.start and number.end <= span[1]]


def _that_count(folded: str, numbers: Sequence[Number], chosen: Sequence[Number], units: Sequence[str]) -> list[Number]:
    wanted = [fold(other).strip() for unit in units for other in (unit, *_COUNTS_THE_SAME.get(unit, ()))]
    counted = [
        number
        for number in numbers
        if any(_begins_with(folded[number.end :].lstrip(), unit) for unit in wanted)
        or any(folded[: number.start].rstrip().endswith(unit) for unit in wanted)
    ]
    return counted or [number for number in chosen if not _OTHER_UNIT.match(folded, number.end)]


def _begins_with(text: str, unit: str) -> bool:
    """Whether a text begins with a unit and not with one that only begins alike: mm, 時間."""
    goes_on = _GOES_ON.get(unit) or (_LATIN if unit[-1:].isascii() and unit[-1:].isalpha() else None)
    return text.startswith(unit) and not (goes_on and goes_on.match(text, len(unit)))
