"""The numbers that a text names, however they are written: 1,000, １０００, 千, 1万2千, 3.14, マイナス五, 三分の一."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from curation.english_numbers import find_english_numbers

_DIGITS = {char: value for value, char in enumerate("〇一二三四五六七八九")} | {"零": 0}
_SMALL = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10**4, "億": 10**8, "兆": 10**12}
_TOKEN = r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|[〇零一二三四五六七八九]+|[十百千]|[万億兆]"
_TOKENS = re.compile(_TOKEN, re.ASCII)
_RUN = rf"(?:{_TOKEN})+"
# Behind a letter stands a name, such as H2O, or a power, such as m2.
_NUMBER = re.compile(rf"(?<![a-z\d.])({_RUN})(?:(分の|/)({_RUN})(?![/\d]))?", re.ASCII)
_MINUS = re.compile(r"(?:マイナス|負の|minus\s|(?:^|[^\w)\]])-)$")
_MINUS_CHARS = 6  # the longest that it finds
_KANJI = re.compile(r"[一-鿿々]")
# What may stand before a numeral in kanji, 于 to 有 in Chinese: others make a word of it, as in 第十三 and 九十九里.
_BEFORE_KANJI = "約第計于是为得共约有"
_BEFORE_YEAR_OR_HOUR = ("明治", "大正", "昭和", "平成", "令和", "午前", "午後")
_COUNTERS = frozenset("円本個人枚匹歳才年月日時分秒度点回倍冊台杯羽頭着足階位歩通割个岁天")
_PART_BEFORE = re.compile(r"[〇零一二三四五六七八九十\d](?:[年月日時分]|時間)$")  # 九月四日 is two numbers
_PART_CHARS = 3  # the longest that it finds
_LONGEST = 30  # digits; what is longer is no answer to anything, and takes long to read
_HUGE = Fraction(10**_LONGEST)


@dataclass(frozen=True)
class Number:
    """A number in a text, from `start` to `end` of its folded form; `digits` is false where it is in kanji alone."""

    value: Fraction
    start: int
    end: int
    digits: bool


def fold(text: str) -> str:
    """The text in NFKC and lower case, with one minus and one slash: what numbers and words are looked for in."""
    return unicodedata.normalize("NFKC", text).casefold().replace("\u2212", "-").replace("\u2044", "/")


def find_numbers(folded: str) -> list[Number]:
    """The numbers of a folded text in their order. Numerals in kanji that are part of a word, as in 千葉, are none."""
    english = (Number(Fraction(value), start, end, False) for value, start, end in find_english_numbers(folded))
    return sorted((*_find(folded), *english), key=lambda number: number.start)


def _find(folded: str) -> Iterator[Number]:
    for match in _NUMBER.finditer(folded):
        value = _read(match[1])
        if value is not None and match[3] is not None:
            other = _read(match[3])
            over, under = (other, value) if match[2] == "分の" else (value, other)
            value = over / under if over is not None and under else None
        if value is None:
            continue
        digits = bool(re.search(r"\d", match[0], re.ASCII))
        if not digits and _is_in_a_word(folded, match.start(), match.end()):
            continue
        is_negative = _MINUS.search(folded, max(0, match.start() - _MINUS_CHARS), match.start()) is not None
        yield Number(-value if is_negative else value, match.start(), match.end(), digits)


def _read(run: str) -> Fraction | None:
    """The value of a run of digits and numerals, None for one such as 万 alone or 5三."""
    total = section = Fraction(0)
    count: Fraction | None = None
    for token in _TOKENS.findall(run):
        if token in _SMALL:
            section += (1 if count is None else count) * _SMALL[token]
            count = None
        elif token in _LARGE:
            section += count or 0
            if not section:
                return None
            total, section, count = total + section * _LARGE[token], Fraction(0), None
        elif count is not None:
            return None
        elif len(token) > _LONGEST:
            count = _HUGE
        else:
            count = Fraction("".join(str(_DIGITS.get(char, char)) for char in token if char != ","))
    return total + section + (count or 0)


def _is_in_a_word(folded: str, start: int, end: int) -> bool:
    before, after = folded[start - 1 : start], folded[end : end + 1]
    joins_before = (
        bool(_KANJI.match(before))
        and before not in _BEFORE_KANJI
        and not folded.endswith(_BEFORE_YEAR_OR_HOUR, 0, start)
    )
    joins_before = joins_before and not _PART_BEFORE.search(folded, max(0, start - _PART_CHARS), start)
    return joins_before or (bool(_KANJI.match(after)) and after not in _COUNTERS)
