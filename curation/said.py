"""What an answer says, whatever its spelling: two answers that are one, and words that are said and not denied."""

import re
import unicodedata
from collections.abc import Iterator

from curation.denials import is_said_not_to_be, is_word_denied
from curation.numerals import fold
from curation.spellings import fold_sounds, spellings_of

# Between digits these make another number of it; a comma there only makes it easier to read.
_SIGNS = re.compile(r"(?<=\d)[.:/-](?=\d)|-(?=\d)")
# With one of these beside it, a word in kanji or katakana is another one: 北京語, 南スーダン, 不可能.
_MAKES_ANOTHER = re.compile(r"[語语人史湾線]|料理|大学|時代|事件")
_PREFIXES = "不未非無反副準新旧南北東西"
_SIDES, _CONTINENTS = "東西南北", {"アジア", "ヨーロッパ"}
_NUMERALS = re.compile(r"[〇一二三四五六七八九十百千万億兆]+")
_KATAKANA = re.compile(r"[ァ-ヺー]")
_KANJI_OR_KATAKANA = re.compile(r"[一-鿿々ァ-ヺー]")


def is_same(answer: str, expected: str) -> bool:
    """Whether two answers are one, but for width, case, blanks and punctuation that is no part of a number."""
    return normalize(answer) == normalize(expected)


def normalize(text: str) -> str:
    """What is equal where two answers are one, as `is_same` has it."""
    return "".join(char for char, _ in _kept(fold(text)))


def _kept(folded: str) -> Iterator[tuple[str, bool]]:
    """The characters that count, each with whether the one before it stands right beside it."""
    signs = {match.start() for match in _SIGNS.finditer(folded)}
    beside = False
    for place, char in enumerate(folded):
        is_kept = place in signs or unicodedata.category(char)[0] not in "PZC"
        if is_kept:
            yield char, beside
        # A comma in a number is in it.
        beside = is_kept or (beside and char == "," and folded[place + 1 : place + 2].isdigit())


class SaidWords:
    """An answer in which words are looked for: blanks do not matter, but a word of letters is not part of another."""

    def __init__(self, answer: str) -> None:
        kept = list(_kept(fold_sounds(fold(answer))))
        self._key = "".join(char for char, _ in kept)
        self._beside = [beside for _, beside in kept] + [False]

    def find(self, word: str) -> list[tuple[int, int]]:
        """Where a word is said and not denied."""
        key, found, start = normalize(fold_sounds(fold(word))), [], -1
        while key and (start := self._key.find(key, start + 1)) >= 0:
            end = start + len(key)
            goes_on = self._goes_on(start) or self._goes_on(end) or self._makes_another(start, end)
            if not goes_on and not is_word_denied(self._key, start, end):
                found.append((start, end))
        return found

    def find_any_spelling(self, word: str) -> list[tuple[int, int]]:
        """Where a word or another spelling of it is said and not denied."""
        return [span for spelling in spellings_of(word) for span in self.find(spelling)]

    def find_asserted(self, word: str) -> list[tuple[int, int]]:
        """Where a word is said, and neither denied nor listed among what is denied."""
        return [(start, end) for start, end in self.find(word) if not is_said_not_to_be(self._key, end)]

    def _goes_on(self, place: int) -> bool:
        """Whether a word of letters, or a number, stands on both sides of a place."""
        before, after = self._key[place - 1 : place] if place else "", self._key[place : place + 1]
        if not before or not after or not self._beside[place]:
            return False
        is_number = (before.isdigit() and after in ".:/-") or (before in ".:/-" and after.isdigit())
        both = [(char.isdigit(), char.isalpha() and ord(char) < 0x2E80) for char in (before, after)]
        return is_number or (both[0][0] and both[1][0]) or (both[0][1] and both[1][1])

    def _makes_another(self, start: int, end: int) -> bool:
        """Whether what stands beside a word in kanji or katakana makes another word of it."""
        word = self._key[start:end]
        before = self._key[start - 1] if start and self._beside[start] else ""
        after = self._key[end] if self._beside[end] else ""
        if _KATAKANA.match(word[0]) and _KATAKANA.match(before):
            return True
        if _KATAKANA.match(word[-1]) and _KATAKANA.match(after):
            return True
        if len(word) == 1 or _NUMERALS.fullmatch(word):
            return False
        if after and _KANJI_OR_KATAKANA.match(word[-1]) and _MAKES_ANOTHER.match(self._key, end):
            return True
        is_part_of_it = word in _CONTINENTS and before in _SIDES  # 東南アジア is in アジア
        return bool(before and before in _PREFIXES and _KANJI_OR_KATAKANA.match(word[0]) and not is_part_of_it)
