"""The numbers that an answer gives for one: not those that it denies, nor those that it calculates with."""

import re
from collections.abc import Sequence

from curation.numerals import Number, find_numbers, fold

# A denial, but not where it is asked, as in 東京ではないですか, which says it; but 東京ではないから denies it.
DENIED = r"(?:では|じゃ|で)(?:ない|なく|なかっ|ありませ|ございませ)(?!ん?(?:です|でしょう|だろう)?か(?!ら))|以外"
_DENIED_AFTER = re.compile(rf"[^\s\d。、,.]{{0,3}}?(?:{DENIED})")  # behind what it counts
_LEFT_OF_EQUALS = re.compile(r"(?<![\d.])\d[\d.\s]{0,30}(?:[-+×*÷/][\d.\s]{1,30}){1,20}=")  # 18÷2=
_OTHER_UNIT = re.compile(r"\s*[a-zµ%°¥$€ァ-ヺ一-鿿]")  # behind a number: it counts something


def stated_numbers(folded: str, units: Sequence[str] = ()) -> list[Number]:
    """The numbers of a folded text that may be its answer: those in digits, where there are some.

    Where units are wanted: those that count one of them, or else those that count nothing.
    """
    sums = [match.span() for match in _LEFT_OF_EQUALS.finditer(folded)]
    numbers = [
        number
        for number in find_numbers(folded)
        if not _DENIED_AFTER.match(folded, number.end)
        and not any(start <= number.start and number.end <= end for start, end in sums)
    ]
    chosen = [number for number in numbers if number.digits] or numbers
    if not units:
        return chosen
    wanted = [fold(unit).strip() for unit in units]
    counted = [
        number
        for number in numbers
        if any(folded[number.end :].lstrip().startswith(unit) for unit in wanted)
        or any(folded[: number.start].rstrip().endswith(unit) for unit in wanted)
    ]
    return counted or [number for number in chosen if not _OTHER_UNIT.match(folded, number.end)]
