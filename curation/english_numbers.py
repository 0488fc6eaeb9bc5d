"""The numbers that a text names in English words: thirty-six, one hundred and five, two thousand."""

import re
from collections.abc import Iterator

_UNITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_VALUES = (
    {"zero": 0}
    | {word: value for value, word in enumerate(_UNITS + _TEENS, start=1)}
    | {word: 10 * value for value, word in enumerate(_TENS, start=2)}
)
_UNIT = f"(?:{'|'.join(_UNITS)})"
_BELOW_100 = rf"(?:(?:{'|'.join(_TENS)})(?:[\s-]{_UNIT})?|{'|'.join(_TEENS)}|{_UNIT})"
_BELOW_1000 = rf"(?:(?:{_UNIT}\s)?hundred(?:\s(?:and\s)?{_BELOW_100})?|{_BELOW_100})"
_NUMBER = re.compile(
    rf"(?<![\w-])(?:{_BELOW_1000}\sthousand(?:\s(?:and\s)?{_BELOW_1000})?|{_BELOW_1000}|zero)(?![\w-])"
)
# "One" is a number in "It is one.", and a pronoun in "the right one" and "one of them".
_PRONOUN_BEFORE = re.compile(r"(?:the|this|that|which|no|any|every|each|another|some|right|correct|first|last|only)\s$")
_WIDEST = 10  # characters before a number that are looked at


def find_english_numbers(folded: str) -> Iterator[tuple[int, int, int]]:
    """The value of each number in words of a folded text, with its start and end."""
    for match in _NUMBER.finditer(folded):
        before = _PRONOUN_BEFORE.search(folded, max(0, match.start() - _WIDEST), match.start())
        if match[0] != "one" or not (before or folded.startswith(" of", match.end())):
            yield _read(match[0]), match.start(), match.end()


def _read(words: str) -> int:
    total = section = 0
    for word in re.findall("[a-z]+", words):
        if word == "thousand":
            total, section = (section or 1) * 1000, 0
        elif word == "hundred":
            section = (section or 1) * 100
        else:
            section += _VALUES.get(word, 0)  # "and" adds nothing
    return total + section
