"""Times and dates in one spelling: 午後三時四十五分, 3:45 pm and 15時45分 are one time, 九月四日 and 9月4日 one day."""

import re

from curation.numerals import Number, find_numbers

_IN_PARTS = re.compile(r"[年月日時分秒:半]|時間")
_HALF = re.compile(r"(?<=[時間])半")
_NOON = 12
_ENGLISH = re.compile(r"(?<![\d:.])(\d{1,2})(?::(\d{2}))?\s*([ap])\.?m\b")
_AFTERNOON, _MORNING = re.compile(r"午後\s*$"), re.compile(r"午前\s*$")


def spell_times(folded: str) -> str:
    """A folded text with its times in 24 hours, 半 as 30分, and numbers in kanji in digits where several make one date.

    12 o'clock with 午前 or 午後 stays, as it is said of noon and of midnight.
    """
    folded = _HALF.sub("30分", _ENGLISH.sub(_in_24_hours, folded))
    numbers = find_numbers(folded)
    shown, place = "", 0
    for index, number in enumerate(numbers):
        before, unit = folded[place : number.start], folded[number.end : number.end + 1]
        is_hour = unit in "時:" and folded[number.end : number.end + 2] != "時間"
        if is_hour and number.value < _NOON and (half := _AFTERNOON.search(before) or _MORNING.search(before)):
            after_noon = half[0].startswith("午後")
            shown += before[: half.start()] + str(number.value + (_NOON if after_noon else 0))
        elif number.digits or not (_is_joined(folded, numbers, index) or _is_joined(folded, numbers, index - 1)):
            shown += folded[place : number.end]
        else:
            shown += before + str(number.value)
        place = number.end
    return shown + folded[place:]


def _is_joined(folded: str, numbers: list[Number], index: int) -> bool:
    """Whether a number and the next are parts of one time or date."""
    if not 0 <= index < len(numbers) - 1:
        return False
    between = folded[numbers[index].end : numbers[index + 1].start].strip()
    return _IN_PARTS.fullmatch(between) is not None


def _in_24_hours(match: "re.Match[str]") -> str:
    hour = int(match[1]) % _NOON + (_NOON if match[3] == "p" else 0)
    return f"{hour}:{match[2]}" if match[2] else f"{hour}時"
