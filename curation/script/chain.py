"""Japanese and Chinese as the two states of a Markov chain: which of them each character of a Han run belongs to.

Every character adds what it speaks for the foreign state (ngrams.py), every change of state costs something, and the
labels are those of the Viterbi path. With two states the lead of one path over the other is all there is to keep, and
once it exceeds the cost of a change both paths have the same past, so what is undecided is decided for good (this is
Page's CUSUM test of 1954). A change between two characters also costs what their pair says for the language that is
left open there, so that it seldom parts a word.
"""

from functools import cache, lru_cache
from typing import NamedTuple

from .glyphs import (
    CHINESE_HAN,
    CLASSES,
    is_chinese_only,
    is_japanese_only,
    is_katakana,
    is_simplified_only,
    is_traditional_only,
)
from .ngrams import KATAKANA, ngrams

CERTAIN = 6.5  # nats; with such a lead a foreign run does not wait for what follows, even within a word
FOREIGN_GLYPH = 10.0  # nats; the least that a character says that Japanese does not write
_KANA_IN_CHINESE = 9.0  # nats
RELIEF = 0.6  # share of what old spelling would explain that is believed, for traditional Chinese looks like it
_UNKNOWN = 0.5  # share of it that is believed where today's spelling is not known
_STEM = 2.0  # nats; what says more is no stem of a verb: 命令行を
MIXED = 4.0  # nats; simplified and traditional forms side by side are seldom Chinese: 電話设备
_SHORT = 2  # characters; behind a sign and before kana they begin a Japanese clause
LONGEST_WORD = 14  # characters; more than two words of the list
NEVER = -1e9
_GAPS = dict.fromkeys("。！？!?", "sentence") | dict.fromkeys("，：；,:;", "clause") | {"、": "list"}
_SIGN_GAPS = frozenset(_GAPS.values())
STRENGTH = {"beside": 0, "kana": 0, "gap": 1, "list": 2, "clause": 3, "start": 4, "sentence": 4}


@lru_cache(4096)
def strongest_gap(signs: str) -> str:
    """What kind of gap some signs make between two letters."""
    return max((_GAPS.get(sign, "gap") for sign in signs), key=STRENGTH.__getitem__)


class _Trait(NamedTuple):
    """What is special about a character, beyond its weights."""

    variety: str  # the Chinese that has it alone, "" if both or none have
    is_foreign_glyph: bool  # Japanese writes neither it nor a modern form of it
    is_old: bool  # it has a modern form
    is_modern_form: bool


class _Traits(dict[str, _Trait | None]):
    """The traits of characters, None for most; found when they are first asked for."""

    def __missing__(self, char: str) -> _Trait | None:
        variety = "Hans" if is_simplified_only(char) else "Hant" if is_traditional_only(char) else ""
        is_old = char in ngrams().modern
        trait = _Trait(
            variety="" if char in _IN_HONG_KONG else variety,
            is_foreign_glyph=CLASSES[ord(char)] == CHINESE_HAN and not is_old,
            is_old=is_old,
            is_modern_form=char in ngrams().modern_forms,
        )
        self[char] = special = trait if any(trait) else None
        return special


_IN_HONG_KONG = frozenset("裏着床群峰")  # which Big5, of Taiwan, lacks
TRAITS = _Traits()


def explain(weight: float, before: str, char: str, is_in_run: bool) -> float:
    """What of a weight is explained if 學校 is 学校 in old spelling: half of it where the table lacks that pair."""
    table = ngrams()
    before, char = table.modern.get(before, before), table.modern.get(char, char)
    is_unknown = is_in_run and char not in table.pairs[before]  # 螢幕 would be 蛍幕
    return max(0.0, weight - table.weigh(before, char)) * (_UNKNOWN if is_unknown else 1)


@cache
def _least_enter(home: str) -> float:
    """What it costs at most to change behind a sign, below zero."""
    costs = ngrams().enter if home == "ja" else ngrams().leave
    return min(map(costs.__getitem__, _SIGN_GAPS))


class Chain:
    """Reads letters and gaps; `lead` is that of the path in the foreign state over the other, in nats."""

    def __init__(self, home: str) -> None:
        self._table = ngrams()
        self._is_home_japanese = home == "ja"
        if self._is_home_japanese:
            self._sign, self._enter, self._leave = 1, self._table.enter, self._table.leave
        else:
            self._sign, self._enter, self._leave = -1, self._table.leave, self._table.enter
        self._least_enter = _least_enter(home)
        self._shows_modern_forms = not self._is_home_japanese  # only Japanese is excused by its old spelling
        self.start("start")

    def start(self, gap: str) -> None:
        """Begin at home; `gap` is what stands before the next letter."""
        self.lead = NEVER
        self._relief = 0.0  # nats; what the lead loses if the undecided text is Japanese in old spelling
        self._opens_clause = False  # the run follows a sign behind foreign text, and may be all that stands before kana
        self._is_neutral = False  # the lead is that of words of both languages
        self._variety = ""  # of Chinese, which the undecided text has shown last
        self._gap = gap
        self._before = ""  # the letter that touches the next one
        self._run = ""  # the Han run that ends here
        self._follows_kana = False  # what stood before the run

    def read_gap(self, signs: str) -> None:
        """Anything that is no letter; the strongest sign between two letters counts."""
        if self._run:
            self._end_run(before_kana=False)
        gap = strongest_gap(signs)
        if self._is_neutral and "、" in signs:  # Japanese lists words so
            self.lead = NEVER
        if STRENGTH[gap] > STRENGTH[self._gap]:
            self._gap = gap
        self._before = ""

    def leans_foreign(self) -> bool:
        """Whether what is undecided would be foreign if it ended before the sign that follows."""
        if self._run:
            self._end_run(before_kana=False)
        return self.lead > 0

    def end(self) -> bool:
        """Decides what is undecided where the sentence ends: whether it is foreign."""
        if self._run:
            self._end_run(before_kana=False)
        is_foreign = self.lead > 0
        self.start("sentence")
        return is_foreign

    def _end_run(self, before_kana: bool) -> None:
        """Weigh the run that has ended as a whole: a word of both languages is no sign of the other one."""
        if not self._is_home_japanese:
            if self._stands_alone and len(self._run) == 1 and not is_japanese_only(self._run):
                self.lead = NEVER  # 和 between two names
        elif self._stands_alone and self.lead > self._least_enter:
            if self._is_japanese_word(before_kana):
                # Beside kana it is Japanese; elsewhere it is no evidence, and no barrier: 警告：检测到
                self.lead = NEVER if before_kana or self._follows_kana else min(self.lead, self._lead_before)
                self._is_neutral = True
            elif (before_kana or self._follows_kana) and not self._shows_modern_forms:
                self.lead -= RELIEF * self._relief
        self._run, self._relief = "", 0.0

    def _is_japanese_word(self, before_kana: bool) -> bool:
        run, table = self._run, self._table
        if len(run) >= LONGEST_WORD:
            return False
        if len(run) == 1:
            return not is_chinese_only(run) or (run in table.modern and not self._shows_modern_forms)
        if table.is_word(run):
            return True
        # Two words (社会需要を), or a word and the stem of a verb (全部足す).
        is_stem = before_kana and table.weigh(run[-2], run[-1]) <= _STEM
        return (is_stem and table.is_word(run[:-1])) or table.is_two_words(run)

    def read_han(self, run: str) -> list[tuple[int, bool]]:
        """Decisions in order: (position in the run up to which all undecided text is decided, whether foreign)."""
        singles, pairs, modern, sign = self._table.singles, self._table.pairs, self._table.modern, self._sign
        decisions: list[tuple[int, bool]] = []
        is_foreign: bool | None = None  # of the text up to `until`; noted down late, for nearly every character decides
        until = 0
        lead, before = self.lead, self._before
        # Below `enter` the path at home is the better one, above `highest` the foreign one.
        enter, highest = self._enter[self._gap], -self._leave[self._gap]
        enter_beside, highest_beside = self._enter["beside"], -self._leave["beside"]
        first_beside = 0 if self._gap == "beside" else 1
        if not self._run:
            self._follows_kana = self._gap == "kana"
            self._opens_clause = False
            self._stands_alone = lead < enter or self._is_neutral
            self._is_neutral = False
            self._lead_before = max(lead, enter)
        is_home_japanese, shows_modern_forms = self._is_home_japanese, self._shows_modern_forms
        variety, traits = self._variety, TRAITS
        read, opens_clause = len(self._run), self._opens_clause
        relief = self._relief
        may_be_word = self._is_home_japanese and self._stands_alone and len(self._run) < LONGEST_WORD
        for position, char in enumerate(run):
            trait = traits[char]
            weight = pairs[before].get(char)
            if weight is None:
                weight = singles.get(char, 0.0)
            elif position >= first_beside and (lead > highest or (trait if lead >= enter else sign * weight > 0)):
                # A change here would part the pair; elsewhere there can be none.
                if (pair := sign * (weight - singles.get(char, 0.0))) > 0:
                    enter -= pair
                else:
                    highest -= pair
            is_mixed = False
            if trait and (own_variety := trait.variety):
                is_mixed = is_home_japanese and variety not in ("", own_variety)
                variety = own_variety
                if is_mixed and lead - RELIEF * relief <= min(highest, CERTAIN):  # else what is before it is decided
                    lead -= MIXED
                    is_mixed = False
            if lead < enter:
                variety = trait.variety if trait else ""
                if is_foreign:
                    decisions.append((until, True))
                is_foreign, until = False, position
                lead, relief = enter, 0.0
            elif (margin := lead - RELIEF * relief if relief else lead) > highest or margin > CERTAIN:
                # It is too early to say while the run begins a word of both languages.
                may_be_word = may_be_word and self._table.begins_word(self._run + run[:position])
                if not may_be_word:
                    if not (opens_clause and position + read <= _SHORT):
                        if is_foreign is False:
                            decisions.append((until, False))
                        is_foreign, until = True, position
                        opens_clause = position + read == 0 and self._gap in _SIGN_GAPS and is_home_japanese
                    if margin > highest:
                        lead, relief = highest, 0.0
            if trait and trait.is_foreign_glyph and is_home_japanese:
                opens_clause = False
                if weight < FOREIGN_GLYPH:
                    weight = FOREIGN_GLYPH
            elif not shows_modern_forms:
                if trait and trait.is_modern_form:
                    shows_modern_forms, relief = True, 0.0
                elif before in modern or (trait and trait.is_old):
                    relief += explain(weight, before, char, position >= first_beside)
            lead += sign * weight
            if is_mixed:
                lead -= MIXED
            before, enter, highest = char, enter_beside, highest_beside
        self.lead, self._before, self._gap, self._relief = lead, before, "beside", relief
        self._variety, self._opens_clause = variety, opens_clause
        self._shows_modern_forms = shows_modern_forms
        if len(self._run) < LONGEST_WORD:
            self._run += run
        may_be_word = may_be_word and len(self._run) < LONGEST_WORD
        is_short = opens_clause and read + len(run) <= _SHORT
        is_word = may_be_word and self._table.begins_word(self._run)
        if lead - RELIEF * relief > CERTAIN and not is_word and not is_short:
            if is_foreign is False:
                decisions.append((until, False))
            is_foreign, until = True, len(run)
        if is_foreign is not None:
            decisions.append((until, is_foreign))
        return decisions

    def read_kana(self, run: str) -> bool:
        """Decides all that is undecided: whether it is foreign. Kana itself is Japanese."""
        is_foreign = False
        is_short = self._opens_clause and 0 < len(self._run) <= _SHORT
        if self._run:
            self._end_run(before_kana=True)
        if self.lead > 0 and not is_short:
            first = KATAKANA if is_katakana(run[0]) else run[0]
            pair = self._table.pairs[self._before].get(first, 0.0)
            is_foreign = self.lead + self._table.leave_to_kana[self._gap] + pair > 0
        self._start_after_kana(run[-1])
        return is_foreign

    def _start_after_kana(self, kana: str) -> None:
        self.start("kana")
        self._before = KATAKANA if "ァ" <= kana <= "ﾟ" and is_katakana(kana) else kana

    def pass_over(self, clean: str, kana: str) -> None:
        """Go on behind text that is at home, which ends with a `kana`, or, where that is "", with a sentence."""
        if not self._shows_modern_forms:
            self._shows_modern_forms = not self._table.modern_forms.isdisjoint(clean)
        if kana:
            self._start_after_kana(kana)
        else:
            self.start("sentence")

    def read_kana_in_chinese(self, run: str) -> list[tuple[int, bool]]:
        """The same decisions as for Han. A lone の is a fashion on signs and in brands and says nothing."""
        decisions = []
        enter = max(self._enter["gap"], self._enter[self._gap])
        if self.lead < enter:
            decisions.append((0, False))
            self.lead = enter
        self.lead += 0.0 if run == "の" else _KANA_IN_CHINESE
        self._before, self._gap = "", "kana"
        if self.lead > CERTAIN:
            decisions.append((len(run), True))
        return decisions
