"""What the chain will say of all of a text, by bounds on its lead (chain.py) that take less to find than the lead.

Either nothing of a text can be foreign, or nothing of it can be at home; where neither is certain, it has to be read.
"""

from collections.abc import Iterable
from functools import cache

from .chain import (
    CERTAIN,
    FOREIGN_GLYPH,
    LONGEST_WORD,
    MIXED,
    NEVER,
    RELIEF,
    STRENGTH,
    TRAITS,
    explain,
    strongest_gap,
)
from .glyphs import QUOTATION_MARKS, is_katakana
from .ngrams import KATAKANA, ngrams

_LONGEST_UNDECIDED = (
    60  # characters; less than what the reader waits for (reader.py), for a run may begin with two more
)


class Bounds:
    """Judges texts where Japanese is expected, given as Han runs, each with the signs before it."""

    def __init__(self) -> None:
        self._table = table = ngrams()
        self._enter = table.enter
        self._highest = {gap: -cost for gap, cost in table.leave.items()}

    def is_far_from_foreign(self, gap: str, kana: str, parts: Iterable[tuple[str, str]]) -> bool:
        """Whether it is certain that all runs are at home, where nothing is undecided.

        Before them stands a `kana` or, with another `gap`, nothing. No character may be one that Chinese alone has.
        Then the lead is never higher than here: what is left out (old spelling, words of both languages, what a change
        costs that would part a pair) only lowers it. A quotation mark may end the sentence, or be a sign like others.
        """
        pairs, singles = self._table.pairs, self._table.singles
        enter_beside = self._enter["beside"]
        highest = min(self._highest["beside"], CERTAIN)  # within a run; where it ends, a sign or a kana may decide
        before = KATAKANA if kana and is_katakana(kana) else kana
        lead = NEVER
        for signs, run in parts:
            if signs:
                before = ""
                strongest = strongest_gap(signs)
                if not QUOTATION_MARKS.isdisjoint(signs):
                    gap = "sentence"  # nothing is cheaper to enter behind
                elif STRENGTH[strongest] > STRENGTH[gap]:
                    gap = strongest
            enter = self._enter[gap]
            for char in run:
                if lead > highest:
                    return False
                weight = pairs[before].get(char)
                if weight is None:
                    weight = singles.get(char, 0.0)
                if lead < enter:
                    lead = enter
                lead += weight
                enter, before = enter_beside, char
            if lead > 0:
                return False
            gap = "beside"
        return True

    def is_foreign_throughout(self, parts: Iterable[tuple[str, str]]) -> bool:
        """Whether it is certain that all runs of a text without kana are foreign, and what stands between them, too.

        The lead is never lower than here: what is left out (what a change costs that would part a pair, what waits for
        a word to end, old spelling that keeps the lead from being cut) only raises it.
        """
        pairs, singles, modern = self._table.pairs, self._table.singles, self._table.modern
        enter_beside, highest_beside = self._enter["beside"], self._highest["beside"]
        lead, variety, shows_modern_forms = self._enter["start"], "", False
        undecided, is_first = 0, True  # characters, up to the run
        for signs, run in parts:
            if not run:
                break
            undecided += len(signs)
            if is_first:
                enter, highest = self._enter["start"], self._highest["start"]
            elif lead > 0:
                gap = strongest_gap(signs)
                enter, highest = self._enter[gap], self._highest[gap]
            else:
                return False
            if undecided > _LONGEST_UNDECIDED or (is_first and _may_be_word(run)):
                return False
            before, relief = "", 0.0
            for position, char in enumerate(run):
                trait = TRAITS[char]
                weight = pairs[before].get(char)
                if weight is None:
                    weight = singles.get(char, 0.0)
                if lead > highest:
                    if lead - RELIEF * relief > CERTAIN and not is_first:
                        undecided = -position
                    lead = highest
                if trait or before in modern:
                    if trait and trait.variety:
                        if variety not in ("", trait.variety):
                            lead -= MIXED
                        variety = trait.variety
                    if trait and trait.is_foreign_glyph:
                        weight = max(weight, FOREIGN_GLYPH)
                    elif trait and trait.is_modern_form:
                        shows_modern_forms, relief = True, 0.0
                    elif not shows_modern_forms and (before in modern or (trait and trait.is_old)):
                        relief += explain(weight, before, char, before != "")  # at the most, for it may be reset
                if lead < enter:
                    return False
                lead += weight
                before, enter, highest = char, enter_beside, highest_beside
            undecided += len(run)
            is_first = False
        return lead > 0


def _may_be_word(run: str) -> bool:
    """Whether both languages may have a run."""
    return len(run) == 1 or (len(run) < LONGEST_WORD and (ngrams().is_word(run) or ngrams().is_two_words(run)))


@cache
def bounds() -> Bounds:
    """The one that all share; judging changes nothing in it."""
    return Bounds()
