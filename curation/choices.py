"""Whether an answer chooses, as 犬ではなく猫です does.

犬、猫、鳥です repeats what was to be chosen from, and 犬か猫です leaves it open.
"""

import re
from collections.abc import Sequence

from curation.denials import is_said_not_to_be, is_word_denied
from curation.numerals import fold
from curation.said import normalize

_AROUND = 24  # characters beside a word in which a denial of it stands
_ITEM = r"(?:[一-鿿々ァ-ヶーa-z0-9'’]+[ぁ-ん]{0,2}?|[ぁ-ん]{2,6}?)"
_JOINT = (
    r"(?:\s*(?:、|，|,|・|/|か、?|と|や|和|还是|或者?)\s*|(?:です)?か[、，]\s*"
    r"|,? (?:and|or) (?:(?:to|in|at|on|of|for|with|from|by) )?(?:an? |the )?)"
)
_LIST = re.compile(rf"(?<![a-z]){_ITEM}(?:{_JOINT}{_ITEM})+(?![a-z])")
_JOINED = re.compile(rf"{_JOINT}$")
_OTHER = r"(?P<other>[一-鿿々ァ-ヶー]+|(?!so\b|not\b)[a-z'’]+)"
_OR = r"または|又は|もしくは|あるいは|还是|或者?|\s+or\s+"
_OR_AFTER = re.compile(rf"[」』]?(?:か|{_OR})[「『]?{_OTHER}")
_OR_BEFORE = re.compile(rf"{_OTHER}[」』]?(?:(?<![確静僅豊温暖細何誰])か|{_OR})[「『]?$")  # not 確か東京
# What is asserted stands before one of these.
_ASSERTED = re.compile(
    r"[」』”\"']?(?:\s*(?:です|でした|である|だ(?!け|と)|のほう|の方|が|を選)|[\s。.!！]*$|[。.!！]|\s+(?:is|are|does|do|\w+s)\b)"
)


def chooses_another(answer: str, question: str, words: Sequence[str]) -> bool:
    """Whether a folded answer chooses none of the words, though the folded question has them in a list to choose from.

    False where the question lists none of the words, and where the answer names no other of that list.
    """
    folded = {fold(word).strip() for word in words}
    choices = _choices_of(question, folded)
    if not choices:
        return False
    named = [
        (match.start(), match.end(), choice)
        for choice in sorted(choices, key=len, reverse=True)
        for match in re.finditer(re.escape(choice), answer)
    ]
    named = sorted(one for one in named if not any(_is_within(one, other) for other in named))
    said = [one for one in named if not _is_denied(answer, one[0], one[1])]
    if said and not folded.intersection(choice for _, _, choice in said):
        return any(choice in folded for _, _, choice in named)
    if len({choice for _, _, choice in said}) < 2:
        return False
    alone = [one for place, one in enumerate(said) if not _is_joined(answer, said, place)]
    asserted = [one for one in alone if _ASSERTED.match(answer, one[1])]
    chosen = asserted[:1] or alone[-1:]
    return not chosen or chosen[0][2] not in folded


def hedges(answer: str, words: Sequence[str]) -> bool:
    """Whether a folded answer says its words only beside another that they may be instead: 東京か大阪です."""
    folded = sorted({fold(word).strip() for word in words}, key=len, reverse=True)
    said = list(re.finditer("|".join(map(re.escape, folded)), answer))
    others = [
        _OR_AFTER.match(answer, one.end()) or _OR_BEFORE.search(answer, max(0, one.start() - _AROUND), one.start())
        for one in said
    ]
    return bool(said) and all(other is not None and not other["other"].startswith(tuple(folded)) for other in others)


def _choices_of(question: str, words: set[str]) -> set[str]:
    for match in _LIST.finditer(question):
        items = {item for item in re.split(_JOINT, match[0]) if item}
        if len(items) > 1 and items & words:
            return items
    return set()


def _is_denied(answer: str, start: int, end: int) -> bool:
    before, after = normalize(answer[max(0, start - _AROUND) : start]), normalize(answer[end : end + _AROUND])
    key = normalize(answer[start:end])
    text, place = before + key + after, len(before) + len(key)
    return is_word_denied(text, len(before), place) or is_said_not_to_be(text, place)


def _is_joined(answer: str, said: Sequence[tuple[int, int, str]], place: int) -> bool:
    """Whether what is said at a place is an item of a list of several, as in 犬か猫."""
    start, end, choice = said[place]
    before = said[place - 1] if place else None
    after = said[place + 1] if place + 1 < len(said) else None
    joined_before = before is not None and before[2] != choice and _JOINED.fullmatch(answer, before[1], start)
    joined_after = after is not None and after[2] != choice and _JOINED.fullmatch(answer, end, after[0])
    return bool(joined_before or joined_after)


def _is_within(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return one != other and other[0] <= one[0] and one[1] <= other[1] and other[1] - other[0] > one[1] - one[0]
