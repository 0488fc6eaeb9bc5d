"""What was read before and had nothing foreign in it, so that it is not read again.

A kana, a line end or the end of a text in Japanese leaves nothing undecided. What stands between two of them is
therefore judged by itself, and since words repeat, most of a text was judged before and is looked up without a look at
its characters.
"""

import re

from .ngrams import ngrams

START = "\x02"  # stands before the first character of a text
LINE_END = "\n"  # or anything else that ends a sentence for good
_KANA = "ぁ-ゟァ-ヺー-ヿㇰ-ㇿｦ-ﾟ"  # as glyphs.py classifies it
_LINE_ENDS = "\n\r\u2028\u2029"
_LONGEST = 40  # characters; longer ones hardly repeat
_MOST = 50_000  # segments, about 12 MB

# A segment with the kana or line end before it, and the character behind it; it is looked up only, so that a longer
# one or one with a mark or a control character in it is not found.
_SEGMENT = re.compile(f"([{_KANA}{_LINE_ENDS}][^{_KANA}{_LINE_ENDS}]{{1,{_LONGEST}}})(?=(.?))", re.DOTALL)
_SEGMENT_IN_LINE = re.compile(f"([{_KANA}][^{_KANA}]{{1,{_LONGEST}}})(?=(.?))", re.DOTALL)
_FIRST = re.compile(f"([^{_KANA}{_LINE_ENDS}]{{0,{_LONGEST}}})(.?)", re.DOTALL)
_FIRST_IN_LINE = re.compile(f"([^{_KANA}]{{0,{_LONGEST}}})(.?)", re.DOTALL)
_A_KANA = re.compile(f"[{_KANA}]")

_clean: set[tuple[str, str]] = set()


def find_clean_end(text: str, start: int, before: str, in_line: bool, closed: bool) -> int:
    """The end of the Japanese text from `start` on that has nothing foreign in it, as far as that was remembered.

    `before` is the kana before `start`, or START or LINE_END. The end is behind a kana or, unless `in_line`, a line
    end, or where the text ends if it is `closed`; it is `start` where nothing is known.
    """
    first = (_FIRST_IN_LINE if in_line else _FIRST).match(text, start)
    assert first
    inside, after = first.groups()
    if inside and ((before + inside, after) not in _clean or not (closed or after)):
        return start
    for segment in (_SEGMENT_IN_LINE if in_line else _SEGMENT).finditer(text, first.end(1)):
        if segment.groups() not in _clean or not (closed or segment[2]):
            return segment.start() + 1
    return len(text)


def remember(before: str, segment: str, after: str) -> None:
    """Nothing in `segment` is foreign, in whatever text it stands between `before` and `after`, "" for the end."""
    # What an old form says depends on whether a text is in today's spelling (chain.py).
    if 0 < len(segment) <= _LONGEST and ngrams().modern.keys().isdisjoint(segment):
        if len(_clean) >= _MOST:
            _clean.clear()
        _clean.add((before + segment, after))


def remember_between_kana(text: str) -> None:
    """What stands between the kana of a token is never foreign."""
    for segment in _SEGMENT.finditer(text):
        remember(segment[1][0], segment[1][1:], segment[2])


def has_kana(text: str) -> bool:
    """Whether there is any kana in it."""
    return _A_KANA.search(text) is not None
