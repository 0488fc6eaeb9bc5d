"""What a single character says about its language, read off Python's own codecs.

A codec is a national character set: cp932 holds what Japanese computers can write, GB 2312 everyday simplified
Chinese, Big5 traditional Chinese, euc_jis_2004 (JIS X 0213) also the rare kanji of Japanese names and old books.
"""

from functools import cache

# One letter per class, so that a text's classes are a string of the same length and can be searched with `re`.
SHARED_HAN, CHINESE_HAN, JAPANESE_HAN, KANA, HANGUL = "H", "C", "J", "K", "G"
WORD, SPACE, NEWLINE, OPENER, CLOSER, QUOTE, BACKTICK, OTHER = "a", "s", "n", "o", "c", "q", "b", "."
SCRIPT_LETTERS = {"R": "Cyrillic", "E": "Greek", "T": "Thai", "A": "Arabic", "D": "Devanagari", "W": "Hebrew"}

CLOSERS = {"「": "」", "『": "』", "“": "”", "《": "》", "〈": "〉", "«": "»", '"': '"', "`": "`"}

_RANGES = (  # first, last, class; Unicode 15 blocks
    (0x0370, 0x03FF, "E"),
    (0x0400, 0x052F, "R"),
    (0x0590, 0x05FF, "W"),
    (0x0600, 0x06FF, "A"),
    (0x0750, 0x077F, "A"),
    (0x0900, 0x097F, "D"),
    (0x0E00, 0x0E7F, "T"),
    (0x1100, 0x11FF, HANGUL),
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


_JOYO_OUTSIDE_CP932 = frozenset("剝頰塡")  # the fourth, 𠮟, is outside the range of `charset`


@cache
def charset(codec: str) -> frozenset[str]:
    """The unified Han characters (U+4E00 to U+9FFF) that `codec` can write."""
    every = "".join(map(chr, range(0x4E00, 0xA000)))
    round_trip = every.encode(codec, "replace").decode(codec)
    return frozenset(wanted for wanted, got in zip(every, round_trip, strict=True) if wanted == got)


@cache
def chinese_only() -> frozenset[str]:
    """Characters that give Chinese away at once: 这, 们, 你, 她."""
    return (charset("gb2312") | charset("big5")) - charset("cp932") - old_forms() - _JOYO_OUTSIDE_CP932


@cache
def old_forms() -> frozenset[str]:
    """Traditional characters outside cp932 that Japanese names and old spelling may use: 俠, 錄, 擊."""
    return (charset("big5") & charset("euc_jis_2004")) - charset("cp932") - charset("gb2312") - _JOYO_OUTSIDE_CP932


@cache
def old_spelling() -> frozenset[str]:
    """Everyday traditional characters that Japanese last wrote before 1946: 國, 學, 會, 對."""
    everyday = {char for char in charset("big5") - charset("gb2312") if char.encode("big5") < b"\xc9"}
    # Level 2 of JIS X 0208, the rarer kanji, begins at row 48, which is 0xD0 in EUC.
    return frozenset(char for char in everyday & charset("euc_jp") if char.encode("euc_jp") >= b"\xd0")


@cache
def japanese_only() -> frozenset[str]:
    """Characters that neither GB 2312 nor Big5 has: 発, 対, 込, 働."""
    return charset("cp932") - charset("gb2312") - charset("big5")


@cache
def simplified_only() -> frozenset[str]:
    """Characters that GB 2312 has and Big5 has not: 这, 们, 国."""
    return charset("gb2312") - charset("big5")


@cache
def traditional_only() -> frozenset[str]:
    """Characters that Big5 has and GB 2312 has not: 這, 們, 國."""
    return charset("big5") - charset("gb2312")


def chinese_variety(text: str) -> str:
    """The tag of a text known to be Chinese: zh-Hans, zh-Hant, or zh where nothing tells."""
    simplified = sum(char in simplified_only() for char in text)
    traditional = sum(char in traditional_only() for char in text)
    if simplified == traditional:
        return "zh"
    return "zh-Hans" if simplified > traditional else "zh-Hant"


class _Classes(dict[int, str]):
    """A table for `str.translate` that classifies each code point when it first meets it."""

    def __missing__(self, code: int) -> str:
        self[code] = letter = _classify(code)
        return letter


def _classify(code: int) -> str:
    char = chr(code)
    if 0x4E00 <= code <= 0x9FFF:
        if char in chinese_only():
            return CHINESE_HAN
        return JAPANESE_HAN if char in japanese_only() else SHARED_HAN
    if char in "\n\r\u2028\u2029":
        return NEWLINE
    if char == "`":
        return BACKTICK
    if char == '"':
        return QUOTE
    if char in CLOSERS:
        return OPENER
    if char in CLOSERS.values():
        return CLOSER
    if char.isspace():
        return SPACE
    if 0x20 < code < 0x250 or char == "’" or (0xFF01 <= code <= 0xFF5E and char.isalnum()):
        return WORD
    for first, last, letter in _RANGES:
        if first <= code <= last:
            return letter
    return OTHER


CLASSES = _Classes()
