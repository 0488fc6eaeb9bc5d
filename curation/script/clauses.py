"""Reads the tokens of one text from left to right and decides which language each belongs to.

Text is held back only while it is undecided, and then for a few characters: `_HELD_HAN` of kanji, `_HELD_LATIN`
of words that may become an English clause. What has left the reader is never revised.
"""

from dataclasses import dataclass

from .glyphs import (
    CHINESE_HAN,
    HANGUL,
    JAPANESE_HAN,
    SCRIPT_LETTERS,
    chinese_variety,
    simplified_only,
    traditional_only,
)
from .languages import Expectation
from .words import chinese_points, english_points

Decided = tuple[str, str | None]  # a text and the foreign language it is in, None where nothing is wrong

_HELD_HAN, _HELD_LATIN = 16, 60
_POINTS_ALONE = 3  # what a clause without kana needs to count as Chinese
_POINTS_BESIDE_KANA = 4  # before a particle or an ending only a Chinese word convinces
_ENGLISH_WORDS, _ENGLISH_POINTS = 3, 4
_LONG_HAN_IN_KOREAN = 5
_CLAUSE_ENDS = frozenset("。！？：；、，")


@dataclass(frozen=True)
class Token:
    """A unit of text: `kind` names its group in the pattern of stream.py, `classes` has a letter per character."""

    kind: str
    text: str
    classes: str
    before_kana: bool = False


class ClauseReader:
    """Decides tokens; `foreign` is the language of the clause being read, None in the expected language."""

    def __init__(self, expected: Expectation) -> None:
        self._expected = expected
        self._start_clause()

    def _start_clause(self) -> None:
        self.foreign: str | None = None
        self._held: list[str] = []
        self._held_chars = 0
        self._evidence_from: int | None = None  # index in _held of the first Han run
        self._points = 0
        self._after_kana = self._after_chinese = False
        self._start_latin()

    def _start_latin(self) -> None:
        self._latin_from: int | None = None  # index in _held of the first word
        self._words = self._english = 0

    def take(self, token: Token) -> list[Decided]:
        """Read a token; what is decided by it comes back, in order."""
        match token.kind:
            case "han":
                decided = self._take_han(token)
            case "kana":
                decided = self._take_kana(token.text)
            case "script":
                decided = self._take_script(token)
            case "word":
                decided = self._take_word(token.text)
            case "newline":
                return [*self.settle(), (token.text, None)]
            case _:
                decided = self._take_gap(token.text)
        self._after_kana = token.kind == "kana"
        self._after_chinese = token.kind == "han" and (self.foreign or "").startswith("zh")
        return decided

    def settle(self) -> list[Decided]:
        """Give up what is held as fine and forget the clause."""
        decided: list[Decided] = [(text, None) for text in self._held]
        self._start_clause()
        return decided

    def _hold(self, text: str) -> list[Decided]:
        self._held.append(text)
        self._held_chars += len(text)
        if self._held_chars <= (_HELD_HAN if self._latin_from is None else _HELD_LATIN):
            return []
        return self._release(None, 0)

    def _release(self, language: str | None, first: int) -> list[Decided]:
        """Everything held leaves; what stands from index `first` on belongs to `language`."""
        decided = [(text, language if index >= first else None) for index, text in enumerate(self._held)]
        self._held, self._held_chars, self._points = [], 0, 0
        self._evidence_from = None
        self._latin_from = None if self._latin_from is None else 0
        return decided

    def _flag(self, language: str, text: str, first: int | None = None) -> list[Decided]:
        """`text` is foreign, and so is what is held from `first` on, or all of it within one foreign clause."""
        if self.foreign == language:
            first = 0
        decided = self._release(language, len(self._held) if first is None else first)
        if language != "en":
            self._start_latin()
        self.foreign = language
        return [*decided, (text, language)]

    def _home(self, text: str) -> list[Decided]:
        return [*self.settle(), (text, None)]

    def _take_gap(self, text: str) -> list[Decided]:
        """Blanks, signs and digits belong to what stands on both sides of them."""
        if text in _CLAUSE_ENDS and self.foreign is None:
            self._start_latin()
            if self._points <= 0:  # this clause gave no sign, so the next one must not be read into it
                return [*self._release(None, 0), (text, None)]
            self._points = 0
        return self._hold(text) if self._held or self.foreign else [(text, None)]

    def _take_kana(self, text: str) -> list[Decided]:
        if "Kana" in self._expected.scripts:
            return self._home(text)
        if text == "の" and self._expected.language == "zh":  # a fashion on signs and in brands
            return self._take_gap(text)
        return self._flag("ja", text)

    def _take_script(self, token: Token) -> list[Decided]:
        letter = token.classes[0]
        language = "ko" if letter == HANGUL else SCRIPT_LETTERS[letter]
        if ("Hangul" if letter == HANGUL else language) in self._expected.scripts:
            return self._home(token.text)
        if len(token.text) == 1 and letter != HANGUL:  # α in a formula, the mouth of (´Д｀)
            return self._take_gap(token.text)
        return self._flag(language, token.text)

    def _take_word(self, text: str) -> list[Decided]:
        if "Latin" in self._expected.scripts and any(map(str.isalpha, text)):
            return self._home(text)
        points = english_points(text, first=self._words == 0) if self._expected.minds_english else None
        if points is None:
            if not text.isdigit():  # a sign, a path, an option: this was code rather than a clause
                self._start_latin()
            return self._take_gap(text)
        if self.foreign == "en":
            return self._flag("en", text)
        if self._latin_from is None:
            self._latin_from = len(self._held)
        self._words += 1
        self._english += points
        if self._words >= _ENGLISH_WORDS and self._english >= _ENGLISH_POINTS:
            return self._flag("en", text, self._latin_from)
        return self._hold(text)

    def _take_han(self, token: Token) -> list[Decided]:
        if self._expected.language == "ja":
            return self._take_han_in_japanese(token)
        if self._expected.language == "zh":
            return self._take_han_in_chinese(token)
        is_short = len(token.text) < _LONG_HAN_IN_KOREAN and CHINESE_HAN not in token.classes
        if self._expected.language == "ko" and is_short and self.foreign is None and not token.before_kana:
            return self._home(token.text)  # hanja
        if token.before_kana or self.foreign == "ja" or JAPANESE_HAN in token.classes:
            return self._flag("ja", token.text)
        # 東京 is no sign of traditional Chinese here; only a glyph that Japanese lacks tells more than the script.
        return self._flag_chinese(token.text) if CHINESE_HAN in token.classes else self._flag("zh", token.text)

    def _take_han_in_japanese(self, token: Token) -> list[Decided]:
        in_chinese = (self.foreign or "").startswith("zh")
        if CHINESE_HAN in token.classes or self._after_chinese:
            return self._flag_chinese(token.text)
        self._points += chinese_points(token.text)
        if JAPANESE_HAN in token.classes:
            self._points -= _POINTS_BESIDE_KANA
        beside_kana = token.before_kana or self._after_kana
        if in_chinese and not beside_kana and self._points >= 0:
            return self._flag_chinese(token.text)
        if self._points >= (_POINTS_BESIDE_KANA if beside_kana else _POINTS_ALONE):
            return self._flag_chinese(token.text)
        if self._evidence_from is None:
            self._evidence_from = len(self._held)
        return self._hold(token.text)

    def _flag_chinese(self, text: str) -> list[Decided]:
        first = len(self._held) if self._evidence_from is None else self._evidence_from
        if self.foreign in ("zh-Hans", "zh-Hant"):
            return self._flag(self.foreign, text)
        variety = chinese_variety("".join(self._held[first:]) + text)
        if self.foreign == "zh":  # it may show its variety now
            self.foreign, first = variety, 0
        return self._flag(variety, text, first)

    def _take_han_in_chinese(self, token: Token) -> list[Decided]:
        if self.foreign == "ja":  # kanji between kana; more kana will say so
            return self._hold(token.text)
        wanted = self._expected.chinese_variety
        if wanted is None:
            return self._home(token.text)
        simplified = sum(char in simplified_only() for char in token.text)
        traditional = sum(char in traditional_only() for char in token.text)
        other, own = (simplified, traditional) if wanted == "zh-Hant" else (traditional, simplified)
        # One odd form may be a name or a variant; two with none of the right ones are the other script.
        if other - own >= 2 or (self.foreign and other >= own):
            return self._flag("zh-Hans" if wanted == "zh-Hant" else "zh-Hant", token.text)
        return self._home(token.text)
