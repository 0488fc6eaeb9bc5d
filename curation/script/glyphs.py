"""What a single character says about its language, read off Python's own codecs.

A codec is a national character set: cp932 holds what Japanese computers can write, GB 2312 everyday simplified
Chinese, Big5 traditional Chinese, euc_jis_2004 (JIS X 0213) also the rare kanji of Japanese names and old books.
"""

import unicodedata
from functools import cache

# One letter per class, so that a text's classes are a string of the same length and can be searched with `re`.
SHARED_HAN, CHINESE_HAN, JAPANESE_HAN, KANA, HANGUL = "H", "C", "J", "K", "G"
WORD, SPACE, NEWLINE, OPENER, CLOSER, QUOTE, BACKTICK, OTHER = "a", "s", "n", "o", "c", "q", "b", "."
ANOTHER_SCRIPT = "X"
SCRIPTS = {
    HANGUL: "Hangul",
    ANOTHER_SCRIPT: "another script",
    "R": "Cyrillic",
    "E": "Greek",
    "T": "Thai",
    "A": "Arabic",
    "D": "Devanagari",
    "W": "Hebrew",
}


_OPENERS, _CLOSERS = frozenset("「『“《〈«"), frozenset("」』”》〉»")
QUOTATION_MARKS = _OPENERS | _CLOSERS | frozenset('"`')

_RANGES = (  # first, last, class; Unicode 15 blocks
    (0x0370, 0x03FF, "E"),
    (0x0400, 0x052F, "R"),
    (0x0590, 0x05FF, "W"),
    (0x0600, 0x06FF, "A"),
    (0x0750, 0x077F, "A"),
    (0x0900, 0x097F, "D"),
    (0x0E00, 0x0E7F, "T"),
    (0x1100, 0x11FF, HANGUL),
    (0x3130, 0x318F, HANGUL),
    (0x1F00, 0x1FFF, "E"),
    (0x3005, 0x3006, JAPANESE_HAN),  # 々 and 〆
    (0x3007, 0x3007, SHARED_HAN),
    (0x3041, 0x309F, KANA),
    (0x30A1, 0x30FA, KANA),
    (0x30FC, 0x30FF, KANA),
    (0x31F0, 0x31FF, KANA),
    (0x3400, 0x4DBF, SHARED_HAN),  # rare characters, 㐂 among them: no evidence
    (0xAC00, 0xD7A3, HANGUL),
    (0xF900, 0xFAFF, SHARED_HAN),
    (0xFF66, 0xFF9F, KANA),
    (0x20000, 0x3FFFF, SHARED_HAN),
)


_JOYO_OUTSIDE_CP932 = "剝頰塡"  # the fourth, 𠮟, is no unified character of the first block
# Levels 3 and 4 of JIS X 0213 are for names and old books. What GB 2312 has of them is everyday Chinese (你, 吧, 份)
# but for these: old forms of Japanese characters, and characters of names that are often written in Japanese.
JAPANESE_BESIDE_GB2312 = frozenset("俱吞囊巢戾揭搜晚步每毗涉渴瘦薏圳嬴翟羿芮莘邳郝鼐")


@cache
def charset(codec: str) -> frozenset[str]:
    """The unified Han characters (U+4E00 to U+9FFF) that `codec` can write."""
    every = "".join(map(chr, range(0x4E00, 0xA000)))
    round_trip = every.encode(codec, "replace").decode(codec)
    return frozenset(wanted for wanted, got in zip(every, round_trip, strict=True) if wanted == got)


@cache
def _writes(codec: str, char: str) -> bool:
    """Whether `char` is in `charset(codec)`, without making all of it."""
    return char.encode(codec, "ignore").decode(codec) == char


@cache
def is_chinese_only(char: str) -> bool:
    """True for a character that gives Chinese away at once: 这, 们, 你, 她."""
    if _writes("cp932", char) or char in _JOYO_OUTSIDE_CP932 or char in JAPANESE_BESIDE_GB2312:
        return False
    if _writes("gb2312", char):
        return True
    # Traditional ones in JIS X 0213 may be Japanese names or old spelling: 俠, 錄, 擊.
    return _writes("big5", char) and not _writes("euc_jis_2004", char)


@cache
def is_japanese_only(char: str) -> bool:
    """True for a character that neither GB 2312 nor Big5 has: 発, 対, 込, 働."""
    return _writes("cp932", char) and not _writes("gb2312", char) and not _writes("big5", char)


@cache
def is_simplified_only(char: str) -> bool:
    """True for a character that GB 2312 has and Big5 has not: 这, 们, 国."""
    return _writes("gb2312", char) and not _writes("big5", char)


@cache
def is_traditional_only(char: str) -> bool:
    """True for a character that Big5 has and GB 2312 has not: 這, 們, 國."""
    return _writes("big5", char) and not _writes("gb2312", char)


def is_katakana(char: str) -> bool:
    """True for full-width and half-width katakana and the long vowel mark."""
    return "ァ" <= char <= "ー" or "ｦ" <= char <= "ﾟ"


class _Classes(dict[int, str]):
    """A table for `str.translate` that classifies each code point when it first meets it."""

    def __missing__(self, code: int) -> str:
        self[code] = letter = _classify(code)
        return letter


def _classify(code: int) -> str:
    char = chr(code)
    if 0x4E00 <= code <= 0x9FFF:
        if is_chinese_only(char):
            return CHINESE_HAN
        return JAPANESE_HAN if is_japanese_only(char) else SHARED_HAN
    if char in "\n\r\u2028\u2029":
        return NEWLINE
    if char == "`":
        return BACKTICK
    if char == '"':
        return QUOTE
    if char in _OPENERS:
        return OPENER
    if char in _CLOSERS:
        return CLOSER
    if char.isspace():
        return SPACE
    if 0x20 < code < 0x250 or char == "’" or (0xFF01 <= code <= 0xFF5E and char.isalnum()):
        return WORD
    for first, last, letter in _RANGES:
        if first <= code <= last:
            return letter
    return _classify_by_name(char)


def _classify_by_name(char: str) -> str:
    """Letters of any other script, whose names begin with it; what stands for a Latin letter (𝐀, ª) is none."""
    category = unicodedata.category(char)
    if category in ("Mc", "Mn") and not unicodedata.name(char, "").startswith(("COMBINING", "VARIATION")):
        return ANOTHER_SCRIPT  # a vowel sign within a word
    if not char.isalpha() or category == "Lm":
        return OTHER
    if unicodedata.name(char, "").startswith("LATIN"):
        return WORD
    return OTHER if unicodedata.normalize("NFKC", char).isascii() else ANOTHER_SCRIPT


CLASSES = _Classes()
