"""What has nothing foreign in it, or nothing else, told without taking the text apart, or read before.

A kana, a line end or the end of a text in Japanese leaves nothing undecided. What stands between two of them is
therefore judged by itself, and since words repeat, most of a text was judged before and is looked up without a look at
its characters. What is not found and consists of Han characters, signs and words that make no English clause is given
to the chain alone. Quotation marks and code need the reader, but often there is nothing beside or between them that
could be foreign, whatever they mean.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from .bounds import bounds
from .chain import Chain
from .english import english_points, may_hold_clause
from .glyphs import CLASSES, QUOTATION_MARKS, WORD
from .ngrams import ngrams

START = "\x02"  # stands before the first character of a text
LINE_END = "\n"  # or anything else that ends a sentence for good
_KANA_RANGES = (("ぁ", "ゟ"), ("ァ", "ヺ"), ("ー", "ヿ"), ("ㇰ", "ㇿ"), ("ｦ", "ﾟ"))  # as glyphs.py classifies it
_KANA = "".join(f"{first}-{last}" for first, last in _KANA_RANGES)
_LINE_ENDS = "\n\r\u2028\u2029"
_LONGEST = 40  # characters; longer ones hardly repeat, and are cut off here when they are looked up
_MOST = 50_000  # segments of either kind, about 12 MB
_MOST_LINES = 4096  # of whole texts, at most 2 MB

# A segment with the kana or line end before it, and the character behind it; it is looked up only, so that a longer
# one or one with a mark or a control character in it is not found.
_SEGMENT = re.compile(f"([{_KANA}{_LINE_ENDS}][^{_KANA}{_LINE_ENDS}]{{1,{_LONGEST}}})(?=(.?))", re.DOTALL)
_SEGMENT_IN_LINE = re.compile(f"([{_KANA}][^{_KANA}]{{1,{_LONGEST}}})(?=(.?))", re.DOTALL)
_FIRST = re.compile(f"([^{_KANA}{_LINE_ENDS}]{{0,{_LONGEST}}})(.?)", re.DOTALL)
_FIRST_IN_LINE = re.compile(f"([^{_KANA}]{{0,{_LONGEST}}})(.?)", re.DOTALL)
# Over the classes of glyphs.py: what the reader gives to the chain or takes for a gap, as tokens.py cuts it.
_SIMPLE = re.compile(r"[HJ.sa]*")
_SIMPLE_WITH_MARKS = re.compile(r"[HJ.saocqb]*")
# Nothing that ends a sentence for good, and no code; a quotation mark behind foreign text is a sign like others.
_CHINESE = re.compile(r"[.sa]*([HCJ](?:[HCJ.saoc]*[HCJ])?)[.saoc]*")
_WORD = re.compile(r"a{1,40}")
_HAN_OR_GAP = re.compile(r"([HJ]{1,12})|[.sa]+")
_SIGNS_AND_HAN = re.compile(
    "([^々-〇㐀-䶿一-鿿豈-\ufaff\U00020000-\U0003ffff]*)([々-〇㐀-䶿一-鿿豈-\ufaff\U00020000-\U0003ffff]*)"
)
# The same in a whole text, where quotation marks end a sentence, too, as long as they stand in plain pairs in a line.
_MARKS = "「」『』"
_LONGEST_LINE = 200  # characters of a part of a whole text
_PARTS = "((?:^%s|[%s])[^%s]{1,%d})(?=(.?))"
_IN_PAIRS, _IN_ANY = (
    re.compile(_PARTS % (START, ends, ends, _LONGEST_LINE), re.DOTALL)
    for ends in (_KANA + _LINE_ENDS + _MARKS, _KANA + _LINE_ENDS)
)
_MARK = re.compile(f"[{''.join(QUOTATION_MARKS)}{_LINE_ENDS}]")
_PAIRS = re.compile(f"(?:「」|『』|[{_LINE_ENDS}])*")
_EVERY_KANA = frozenset(chr(code) for first, last in _KANA_RANGES for code in range(ord(first), ord(last) + 1))
_ENDS = _EVERY_KANA.union(_LINE_ENDS, _MARKS, [""])
_A_KANA = re.compile(f"[{_KANA}]")

_clean: set[tuple[str, str]] = set()
_unclear: set[tuple[str, str]] = set()  # what was judged before, and has to be read


def is_clean(text: str) -> bool:
    """Whether a whole text is Japanese with nothing foreign in it, as far as that can be told by its parts."""
    text = START + text
    pattern = _IN_PAIRS if _PAIRS.fullmatch("".join(_MARK.findall(text))) else _IN_ANY
    parts = pattern.findall(text)
    unknown = set(parts).difference(_clean)
    return not unknown or all(_judge_line(*part) for part in parts if part in unknown)  # often the first one tells


def find_chinese(text: str) -> tuple[int, int] | None:
    """Where a whole text that certainly is Chinese from its first letter to its last begins and ends."""
    if has_kana(text):
        return None
    classes = text.translate(CLASSES)
    match = _CHINESE.fullmatch(classes)
    if match is None:
        return None
    start, end = match.span(1)
    # Latin words behind the last Han character belong to it, and signs do not.
    if WORD in classes and (
        _may_hold_clause(text, classes)
        or any(english_points(word, False) is not None for word in _find_words(text, classes, end))
    ):
        return None
    return (start, end) if bounds().is_foreign_throughout(_SIGNS_AND_HAN.findall(text)) else None


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


@lru_cache(_MOST_LINES)
def _judge_line(segment: str, after: str) -> bool:
    """Whether nothing in a segment of a whole text is foreign, which may be long and have any marks in it."""
    if len(segment) <= _LONGEST and _judge(segment, after):
        return True
    return after in _ENDS and _is_far_from_foreign(segment)


def _judge(segment: str, after: str) -> bool:
    """Whether the chain alone finds nothing foreign in a segment, which is then remembered."""
    if (segment, after) in _unclear:
        return False
    is_clean = len(segment) <= _LONGEST and after in _ENDS and _stays_home(segment, after)
    _note(_clean if is_clean else _unclear, segment, after)
    return is_clean


def _stays_home(segment: str, after: str) -> bool:
    before, inside = segment[0], segment[1:]
    classes = inside.translate(CLASSES)
    if not _SIMPLE.fullmatch(classes):
        return False
    if _is_far_from_foreign(segment):
        return True
    # What an old form says depends on whether a text is in today's spelling (chain.py).
    if not ngrams().modern.keys().isdisjoint(inside) or _may_hold_clause(inside, classes):
        return False
    chain = Chain("ja")  # one of its own, for other threads may judge at the same time
    if before in _EVERY_KANA:
        chain.pass_over("", before)
    else:
        chain.start(_gap_behind(before))
    for match in _HAN_OR_GAP.finditer(classes):
        text = inside[match.start() : match.end()]
        if not match[1]:
            chain.read_gap(text)
        elif any(is_foreign for _, is_foreign in chain.read_han(text)):
            return False
    return not (chain.read_kana(after) if after in _EVERY_KANA else chain.end())


def _is_far_from_foreign(segment: str) -> bool:
    """Whether nothing in a segment can be foreign, whatever follows it and its marks mean."""
    before, inside = segment[0], segment[1:]
    classes = inside.translate(CLASSES)
    if not _SIMPLE_WITH_MARKS.fullmatch(classes) or _may_hold_clause(inside, classes):
        return False
    kana = before if before in _EVERY_KANA else ""
    return bounds().is_far_from_foreign(_gap_behind(before), kana, _SIGNS_AND_HAN.findall(inside))


def _may_hold_clause(inside: str, classes: str) -> bool:
    return may_hold_clause(_find_words(inside, classes))


def _find_words(text: str, classes: str, start: int = 0) -> Iterator[str]:
    return (text[word.start() : word.end()] for word in _WORD.finditer(classes, start))


def _gap_behind(before: str) -> str:
    return "kana" if before in _EVERY_KANA else "start" if before == START else "sentence"


def remember_between_kana(text: str) -> None:
    """What stands between the kana of a token is never foreign."""
    for segment in _SEGMENT.finditer(text):
        remember(segment[1][0], segment[1][1:], segment[2])


def has_kana(text: str) -> bool:
    """Whether there is any kana in it."""
    return _A_KANA.search(text) is not None
