"""Simplified Chinese told from traditional, for whoever asked for one of the two.

`varieties.txt` has the characters that only one of them is written with; `script_model/` makes it.
"""

from functools import cache
from importlib.resources import files

from .glyphs import is_simplified_only, is_traditional_only

VARIETIES = ("zh-Hans", "zh-Hant")
_GRAMMAR = frozenset("这个们对吗还样说让从這個們對麼嗎還樣說讓從")  # no name is written with them
# Whoever bears them may be named in the form of another country: 他姓黃.
_SURNAMES = frozenset(
    "黃陳張劉楊趙吳孫馬鄭謝韓馮許鄧蕭葉蔣蘇呂盧鍾譚陸賈韋鄒閻羅龍賀顧龔萬錢湯嚴喬賴齊蘭"
    "黄陈张刘杨赵吴孙马郑谢韩冯许邓萧叶蒋苏吕卢钟谭陆贾韦邹阎罗龙贺顾龚万钱汤严乔赖齐兰"
)


def other_variety(run: str, wanted: str, *, is_one_enough: bool, is_in_other: bool) -> str | None:
    """The tag of the Chinese that is not `wanted`, if a run of Han is in it; easily so behind text that was.

    Where `is_one_enough`, by one character that the wanted one never has.
    """
    other = "zh-Hans" if wanted == "zh-Hant" else "zh-Hant"
    forms = {
        "zh-Hans": sum(1 + (char in _GRAMMAR) for char in run if is_simplified_only(char)),
        "zh-Hant": sum(1 + (char in _GRAMMAR) for char in run if is_traditional_only(char)),
    }
    lead = forms[other] - forms[wanted]
    # One odd form may be a variant or a rare name; two with none of the right ones, or 這, are the other variety.
    if lead >= 2 or (is_in_other and lead >= 0 and forms[other]):
        return other
    if is_one_enough and not forms[wanted]:
        return None if written_only_in(other).isdisjoint(run) else other
    return None


@cache
def written_only_in(variety: str) -> frozenset[str]:
    """The characters that stand in no text of the other variety, names left out."""
    lines = files(__package__).joinpath("varieties.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(dict(line.split() for line in lines)[variety]) - _SURNAMES
