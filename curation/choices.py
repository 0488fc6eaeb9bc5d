"""Whether an answer chooses: 犬、猫、鳥です repeats what was to be chosen from, and 犬ではなく猫です chooses."""

import re
from collections.abc import Sequence

from curation.denials import is_word_denied
from curation.numerals import fold
from curation.said import normalize

_AROUND = 24  # characters beside a word in which a denial of it stands
_ITEM = r"(?:[一-鿿々ァ-ヶーa-z0-9'’]+[ぁ-ん]{0,2}?|[ぁ-ん]{2,6}?)"
_JOINT = r"(?:\s*(?:、|，|,|・|/|か、?|と|や|和|还是|或者?)\s*|(?:です)?か[、，]\s*|,? (?:and|or) (?:an? |the )?)"
_LIST = re.compile(rf"(?<![a-z]){_ITEM}(?:{_JOINT}{_ITEM})+(?![a-z])")
_JOINED = re.compile(rf"{_JOINT}$")
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
    said = [
        (match.start(), match.end(), choice)
        for choice in sorted(choices, key=len, reverse=True)
        for match in re.finditer(re.escape(choice), answer)
        if not _is_denied(answer, match.start(), match.end())
    ]
    said = sorted(one for one in said if not any(_is_within(one, other) for other in said))
    if len({choice for _, _, choice in said}) < 2:
        return False
    alone = [one for place, one in enumerate(said) if not _is_joined(answer, said, place)]
    asserted = [one for one in alone if _ASSERTED.match(answer, one[1])]
    chosen = asserted[:1] or alone[-1:]
    return not chosen or chosen[0][2] not in folded


def _choices_of(question: str, words: set[str]) -> set[str]:
    for match in _LIST.finditer(question):
        items = {item for item in re.split(_JOINT, match[0]) if item}
        if len(items) > 1 and items & words:
            return items
    return set()


def _is_denied(answer: str, start: int, end: int) -> bool:
    before, after = normalize(answer[max(0, start - _AROUND) : start]), normalize(answer[end : end + _AROUND])
    key = normalize(answer[start:end])
    return is_word_denied(before + key + after, len(before), len(before) + len(key))


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
