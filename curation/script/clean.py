"""What has nothing foreign in it and can be told so without taking the text apart, or was read before.

A kana, a line end or the end of a text in Japanese leaves nothing undecided. What stands between two of them is
therefore judged by itself, and since words repeat, most of a text was judged before and is looked up without a look at
its characters. What is not found and consists of Han characters, signs and at most two words is given to the chain
alone.
"""

import re
from functools import cache

from .chain import Chain
from .glyphs import CLASSES
from .ngrams import ngrams

START = "\x02"  # stands before the first character of a text
LINE_END = "\n"  # or anything else that ends a sentence for good
_KANA_RANGES = (("ぁ", "ゟ"), ("ァ", "ヺ"), ("ー", "ヿ"), ("ㇰ", "ㇿ"), ("ｦ", "ﾟ"))  # as glyphs.py classifies it
_KANA = "".join(f"{first}-{last}" for first, last in _KANA_RANGES)
_LINE_ENDS = "\n\r\u2028\u2029"
_LONGEST = 40  # characters; longer ones hardly repeat, and are cut off here when they are looked up
_MOST = 50_000  # segments of either kind, about 12 MB

# A segment with the kana or line end before it, and the character behind it; it is looked up only, so that a longer
# one or one with a mark or a control character in it is not found.
_SEGMENT = re.compile(f"([{_KANA}{_LINE_ENDS}][^{_KANA}{_LINE_ENDS}]{{1,{_LONGEST}}})(?=(.?))", re.DOTALL)
_SEGMENT_IN_LINE = re.compile(f"([{_KANA}][^{_KANA}]{{1,{_LONGEST}}})(?=(.?))", re.DOTALL)
_FIRST = re.compile(f"([^{_KANA}{_LINE_ENDS}]{{0,{_LONGEST}}})(.?)", re.DOTALL)
_FIRST_IN_LINE = re.compile(f"([^{_KANA}]{{0,{_LONGEST}}})(.?)", re.DOTALL)
# What mostly stands between kana: signs and digits, and a word.
_USUAL = re.compile("([、。！？]*[0-9]*)([一-鿿々]{0,12})[、。！？]*")
# Over the classes of glyphs.py: what the reader gives to the chain or takes for a gap, as tokens.py cuts it. It takes
# three words to make an English clause.
_SIMPLE = re.compile(r"[HJ.s]*(?:a+[HJ.s]*){0,2}")
_HAN_OR_GAP = re.compile(r"([HJ]{1,12})|[.sa]+")
# The same in a whole text, where quotation marks end a sentence, too, as long as they stand in plain pairs in a line.
_MARKS = "「」『』"
_PART = re.compile(
    f"((?:^{START}|[{_KANA}{_LINE_ENDS}{_MARKS}])[^{_KANA}{_LINE_ENDS}{_MARKS}]{{1,{_LONGEST}}})(?=(.?))", re.DOTALL
)
_MARK = re.compile(f"[{_MARKS}{_LINE_ENDS}]")
_PAIRS = re.compile(f"(?:「」|『』|[{_LINE_ENDS}])*")
_EVERY_KANA = frozenset(chr(code) for first, last in _KANA_RANGES for code in range(ord(first), ord(last) + 1))
_ENDS = _EVERY_KANA.union(_LINE_ENDS, _MARKS, [""])
_A_KANA = re.compile(f"[{_KANA}]")

_clean: set[tuple[str, str]] = set()
_unclear: set[tuple[str, str]] = set()  # what was judged before, and has to be read


def is_clean(text: str) -> bool:
    """Whether a whole text is Japanese with nothing foreign in it, as far as that can be told by its parts."""
    if not _PAIRS.fullmatch("".join(_MARK.findall(text))):
        return False
    return all(_judge(*part) for part in set(_PART.findall(START + text)).difference(_clean))


def find_clean_end(text: str, start: int, before: str, in_line: bool, closed: bool) -> int:
    """The end of the Japanese text from `start` on that has nothing foreign in it, as far as that was remembered.

    `before` is the kana before `start`, or START or LINE_END. The end is behind a kana or, unless `in_line`, a line
    end, or where the text ends if it is `closed`; it is `start` where nothing is known.
    """
    first = (_FIRST_IN_LINE if in_line else _FIRST).match(text, start)
    assert first
    inside, after = first.groups()
    if inside and (not (closed or after) or not ((before + inside, after) in _clean or _judge(before + inside, after))):
        return start
    for segment in (_SEGMENT_IN_LINE if in_line else _SEGMENT).finditer(text, first.end(1)):
        if not (closed or segment[2]) or not (segment.groups() in _clean or _judge(*segment.groups())):
            return segment.start() + 1
    return len(text)


def remember(before: str, segment: str, after: str) -> None:
    """Nothing in `segment` is foreign, in whatever text it stands between `before` and `after`, "" for the end."""
    if 0 < len(segment) < _LONGEST and ngrams().modern.keys().isdisjoint(segment):
        _note(_clean, before + segment, after)


def _note(judged: set[tuple[str, str]], segment: str, after: str) -> None:
    if len(judged) >= _MOST:
        judged.clear()
    judged.add((segment, after))


def _judge(segment: str, after: str) -> bool:
    """Whether the chain alone finds nothing foreign in a segment, which is then remembered."""
    if (segment, after) in _unclear:
        return False
    before, inside = segment[0], segment[1:]
    gap = "kana" if before in _EVERY_KANA else "start" if before == START else "sentence"
    is_clean = len(inside) < _LONGEST and after in _ENDS and _stays_home(gap, before, inside, after)
    _note(_clean if is_clean else _unclear, segment, after)
    return is_clean


def _stays_home(gap: str, before: str, inside: str, after: str) -> bool:
    classes = inside.translate(CLASSES)
    # What an old form says depends on whether a text is in today's spelling (chain.py).
    if not (_SIMPLE.fullmatch(classes) and ngrams().modern.keys().isdisjoint(inside)):
        return False
    usual = _USUAL.fullmatch(inside)
    if usual and _chain().is_far_from_foreign(gap, before, *usual.groups()):
        return True
    chain = Chain("ja")  # one of its own, for other threads may judge at the same time
    if gap == "kana":
        chain.pass_over("", before)
    else:
        chain.start(gap)
    for match in _HAN_OR_GAP.finditer(classes):
        text = inside[match.start() : match.end()]
        if not match[1]:
            chain.read_gap(text)
        elif any(is_foreign for _, is_foreign in chain.read_han(text, match[0])):
            return False
    return not (chain.read_kana(after) if after in _EVERY_KANA else chain.end())


@cache
def _chain() -> Chain:
    """For what changes nothing in it."""
    return Chain("ja")


def remember_between_kana(text: str) -> None:
    """What stands between the kana of a token is never foreign."""
    for segment in _SEGMENT.finditer(text):
        remember(segment[1][0], segment[1][1:], segment[2])


def has_kana(text: str) -> bool:
    """Whether there is any kana in it."""
    return _A_KANA.search(text) is not None
