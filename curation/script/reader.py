"""Reads the tokens of one text from left to right and finds the runs that are in another language.

Text is undecided for a few characters at most, from `held` on. What has been decided is never revised.
"""

from typing import NamedTuple

from .chain import Chain
from .english import EnglishSentence, english_points, may_begin_line
from .glyphs import CHINESE_HAN, JAPANESE_HAN, SCRIPTS
from .languages import Expectation
from .tokens import Token
from .varieties import VARIETIES, other_variety

_LONGEST_HELD = 64  # characters; after so many undecided ones the likelier language wins
_SENTENCE_ENDS = frozenset("。！？")
_CLAUSE_ENDS = _SENTENCE_ENDS | frozenset("，；、")
_SIGNS_AFTER_WORD = ".,;:!?)]'"
_LONG_HAN_IN_KOREAN = 5


class Run(NamedTuple):
    """Foreign text from `start` to `end`, in code points; it may go on in the next run. zh may be either Chinese."""

    start: int
    end: int
    language: str


class Reader:
    """Adds to `runs`; `held` is where undecided text begins, `foreign` the language of what was decided last."""

    def __init__(self, expected: Expectation) -> None:
        self._expected = expected
        self._chain = Chain(expected.language) if expected.language in ("ja", "zh") else None
        self._chained = {"ja": "zh", "zh": "ja"}.get(expected.language, "")  # the other state of the chain
        self.runs: list[Run] = []
        self.foreign: str | None = None
        self.held = 0
        self._letters = 0  # where the last letter of the undecided text ends; signs follow
        self._latin = 0  # where the Latin words end that were read last
        self._begins_sentence = True  # no letter was read in this sentence
        self._sentence: EnglishSentence | None = None  # of Latin words that are undecided

    def leans_foreign(self) -> bool:
        """Whether undecided text would be foreign if it ended here, before a sign."""
        return self._chain is not None and self._chain.leans_foreign()

    def take(self, token: Token) -> None:
        """Read a token."""
        _TAKERS.get(token.kind, Reader._take_gap)(self, token)

    def settle(self, position: int) -> None:
        """Decide all text up to `position` by what is known, and start a new sentence."""
        self._take_in_latin(position)
        self._decide(self._chain is not None and self._chain.end(), position)
        self.skip(position)
        self._begins_sentence = True

    def end_sentence(self) -> None:
        """A line ends, or something else that ends a sentence for good."""
        if self._sentence and self._sentence.is_english(at_end=True):
            self._flag("en", self._sentence.end, self._sentence.start)

    def _decide(self, is_foreign: bool, position: int) -> None:
        """Undecided text up to `position` is in the chain's other language, but for signs at its end, or at home."""
        if not is_foreign:
            self.skip(position)
        elif (end := min(self._letters, position)) > self.held:
            self._add(end, self._chained)

    def _take_in_latin(self, position: int) -> None:
        """A clause ends at `position`, and Latin words before it belong to the letters before them: 连接到 WeDo。"""
        if self.held <= self._letters < self._latin <= position:
            self._letters = self._latin

    def _add(self, end: int, language: str) -> None:
        self.runs.append(Run(self.held, end, language))
        self.foreign, self.held = language, end
        self._sentence = None

    def skip(self, position: int) -> None:
        """Nothing up to `position` is foreign."""
        self.foreign, self.held = None, position
        self._sentence = None

    def pass_over(self, clean: str, kana: str, position: int) -> None:
        """Read clean text (clean.py) that ends at `position`, with a `kana` or, where that is "", with a sentence."""
        if self._chain:
            self._chain.pass_over(clean, kana)
        self.skip(position)
        self._begins_sentence = not kana

    def _take_gap(self, token: Token) -> None:
        """Blanks, signs and digits belong to what stands on both sides of them."""
        if self._chain:
            self._chain.read_gap(token.text)
        if self.held == token.start and self.foreign is None:
            self.held = token.end
        elif token.end - self.held > _LONGEST_HELD:
            self._decide(self._chain is not None and self._chain.lead > 0, token.end)
            self.skip(token.end)

    def _take_sign(self, token: Token) -> None:
        if not _SENTENCE_ENDS.isdisjoint(token.text):
            self.end_sentence()
            self._sentence = None
            self._begins_sentence = True
        if not _CLAUSE_ENDS.isdisjoint(token.text):
            self._take_in_latin(token.start)
        self._take_gap(token)

    def _follow(self, token: Token, decisions: list[tuple[int, bool]]) -> None:
        """Do what the chain has decided within a token of its letters."""
        for offset, is_foreign in decisions:
            if not is_foreign:
                self.skip(token.start + offset)
                continue
            if offset:
                self._letters = token.start + offset
            self._decide(is_foreign, token.start + offset)
        self._letters = token.end

    def _flag(self, language: str, end: int, start: int) -> None:
        """What stands between `start` and `end` is foreign; signs within a run belong to it."""
        if self.foreign != language:
            self.settle(start)
            self._begins_sentence = False
        self._add(end, language)
        if self._chain:
            self._chain.start("gap")

    def _take_han(self, token: Token) -> None:
        if self._chain is None:
            self._take_han_elsewhere(token)
            self._begins_sentence = False
            return
        self._begins_sentence = False
        other = self._other_variety(token)
        if self.foreign not in (None, self._chained, other):
            self.skip(token.start)
        if other:
            self._flag(other, token.end, token.start)
        else:
            self._follow(token, self._chain.read_han(token.text))

    def _other_variety(self, token: Token) -> str | None:
        """The Chinese that was not asked for, if a run is in it."""
        wanted = self._expected.chinese_variety
        if not wanted:
            return None
        # Japanese has characters of both: what may be Japanese needs more than one of them.
        may_be_japanese = token.before_kana or self.foreign == "ja" or JAPANESE_HAN in token.classes
        is_in_other = self.foreign in VARIETIES
        return other_variety(token.text, wanted, is_one_enough=not may_be_japanese, is_in_other=is_in_other)

    def _take_han_elsewhere(self, token: Token) -> None:
        is_short = len(token.text) < _LONG_HAN_IN_KOREAN and CHINESE_HAN not in token.classes
        if self._expected.language == "ko" and is_short and self.foreign is None and not token.before_kana:
            self.settle(token.start)
            self.held = token.end  # hanja
        elif token.before_kana or self.foreign == "ja" or JAPANESE_HAN in token.classes:
            self._flag("ja", token.end, token.start)
        else:
            self._flag("zh", token.end, token.start)

    def _take_kana(self, token: Token) -> None:
        self._begins_sentence = False
        if self._expected.language == "ja" and self._chain:
            is_foreign = self._chain.read_kana(token.text)
            if is_foreign:
                self._decide(is_foreign, token.start)
            self.skip(token.end)
        elif self._chain:
            self._follow(token, self._chain.read_kana_in_chinese(token.text))
        else:
            self._flag("ja", token.end, token.start)

    def _take_script(self, token: Token) -> None:
        script = SCRIPTS[token.classes[0]]
        if script in self._expected.scripts:
            self.settle(token.start)
            self.held = token.end
        elif len(token.text) == 1 and script != "Hangul":  # α in a formula, the mouth of (´Д｀)
            self._take_gap(token)
        else:
            self._flag("ko" if script == "Hangul" else script, token.end, token.start)
        self._begins_sentence = False

    def _take_word(self, token: Token) -> None:
        if "Latin" in self._expected.scripts and any(map(str.isalpha, token.text)):
            self.settle(token.start)
            self.held = token.end
            return
        points = english_points(token.text, self._sentence is None) if self._expected.minds_english else None
        if points is None:
            if not token.text.isdigit():  # a sign, a path, an option: this was code rather than a clause
                self._sentence = None
                self._begins_sentence = self._begins_sentence and may_begin_line(token.text)
            self._take_gap(token)
            return
        if self.foreign == "en":
            self._flag("en", token.end, token.start)
            return
        sentence = self._sentence = self._sentence or EnglishSentence(token.start, self._begins_sentence)
        sentence.add(token.text, token.end, points)
        self._latin = token.start + len(token.text.rstrip(_SIGNS_AFTER_WORD))
        self._begins_sentence = sentence.has_ended
        if sentence.is_english():
            self._flag("en", sentence.end, sentence.start)
        elif token.end - self.held > _LONGEST_HELD:
            self._take_gap(token)
        elif self._chain:
            self._chain.read_gap(token.text)


_TAKERS = {
    "han": Reader._take_han,
    "kana": Reader._take_kana,
    "word": Reader._take_word,
    "script": Reader._take_script,
    "sign": Reader._take_sign,
}  # anything else is a gap
