"""Which characters a text in a language may be written with.

`check` tells which language a text is in; this tells what can be ruled out before it is written. Han characters come
from Python's own codecs, which are the national standards; everything else from blocks of Unicode, of which
unassigned, private, control and invisible characters are left out.
"""

import unicodedata
from functools import cache

from .glyphs import JAPANESE_BESIDE_GB2312, charset
from .languages import Expectation

Blocks = tuple[tuple[int, int], ...]  # first and last code point

_COMMON: Blocks = (
    (0x20, 0x7E),
    (0xA0, 0x24F),  # Latin letters and signs; ō and ū are for Japanese in Latin script, ǎ for pinyin
    (0x370, 0x3FF),  # Greek, for formulas
    (0x1E00, 0x1EFF),
    (0x2002, 0x2063),  # spaces and punctuation
    (0x2070, 0x20CF),  # superscripts, currency
    (0x20E3, 0x20E3),  # the frame of a keycap emoji
    (0x2100, 0x2BFF),  # letterlike signs, number forms, arrows, mathematics, boxes, signs, dingbats
    (0xFE0E, 0xFE0F),  # text or emoji
    (0x1D400, 0x1D7FF),  # mathematical letters
    (0x1F000, 0x1F1FF),  # emoji, flags
    (0x1F300, 0x1FAFF),
)
_INVISIBLE_BUT_NEEDED = "\n\t\u200d"  # the joiner holds families of emoji together
_EAST_ASIAN: Blocks = (
    (0x3000, 0x3004),
    (0x3008, 0x3020),
    (0x3030, 0x3030),
    (0x303D, 0x303F),
    (0x3220, 0x3247),
    (0x3250, 0x325F),
    (0x3280, 0x33FF),
    (0xFE10, 0xFE19),
    (0xFE30, 0xFE6B),
    (0xFF01, 0xFF65),
    (0xFFE0, 0xFFE6),
    (0x1F200, 0x1F2FF),
)
_BLOCKS_BY_SCRIPT: dict[str, Blocks] = {
    "Kana": (
        (0x3005, 0x3007),  # 々〆〇
        (0x3031, 0x3035),
        (0x303B, 0x303C),
        (0x3041, 0x30FF),
        (0x3190, 0x319F),  # marks for reading Chinese classics
        (0x31F0, 0x31FF),
        (0xFF66, 0xFF9F),
        (0xFE00, 0xFE0D),  # selectors of a kanji's variant
        (0xE0100, 0xE01EF),
        (0x1B000, 0x1B167),
    ),
    "Hangul": (
        (0x1100, 0x11FF),
        (0x3131, 0x318E),
        (0x3200, 0x321E),
        (0x3260, 0x327F),
        (0xA960, 0xA97C),
        (0xAC00, 0xD7FB),
        (0xFFA1, 0xFFDC),
    ),
    "Cyrillic": ((0x400, 0x52F), (0x1C80, 0x1C88)),
    "Arabic": ((0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC), (0x200C, 0x200C)),
    "Devanagari": ((0x900, 0x97F), (0xA8E0, 0xA8FF), (0x200C, 0x200C)),
    "Thai": ((0xE01, 0xE5B),),
    "Hebrew": ((0x591, 0x5F4), (0xFB1D, 0xFB4F)),
    "Greek": ((0x1F00, 0x1FFF),),
    "Bopomofo": ((0x2CA, 0x2CB), (0x2C7, 0x2C7), (0x2D9, 0x2D9), (0x3105, 0x312F), (0x31A0, 0x31BF)),
}
# Without a form that is seen; unassigned, private, surrogates. Zs is the blank, which is wanted.
_UNWANTED_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_FORMAT_CHARACTERS = frozenset("\u200c\u200d")

# What Big5 alone has of them are old forms (黃, 曆, 鷗), but for these words of everyday Chinese.
_CHINESE_BESIDE_JAPANESE = frozenset("佔勻嗎嚕囉姍幫慼掙撿擋攔攏汙氳燙瓖癮癱瘓睜籮褲趕踡謊鏟飪餚骯髒")
# Characters of names that GB 2312 has no place for and that Big5 or Japanese have, too.
_SIMPLIFIED_NAMES = frozenset("喆堃昇陞犇囍")


@cache
def allowed_characters(expected_language: str) -> frozenset[str] | None:
    """The characters of a text in a language, a BCP 47 tag; None, which is all, for one that is not known.

    Latin letters, digits, signs and emoji are at home in every language.
    """
    expected = Expectation.of(expected_language)
    if not expected.language:
        return None
    blocks = list(_COMMON)
    for script in expected.scripts:
        blocks += _BLOCKS_BY_SCRIPT.get(script, ())
    if expected.language in ("ja", "zh", "ko"):
        blocks += _EAST_ASIAN
    if expected.language == "zh" and expected.chinese_variety != "zh-Hans":
        blocks += _BLOCKS_BY_SCRIPT["Bopomofo"]
    return _in_blocks(tuple(blocks)) | frozenset(_INVISIBLE_BUT_NEEDED) | _han(expected)


def _in_blocks(blocks: Blocks) -> frozenset[str]:
    every = (chr(code) for first, last in blocks for code in range(first, last + 1))
    return frozenset(
        char for char in every if char in _FORMAT_CHARACTERS or unicodedata.category(char) not in _UNWANTED_CATEGORIES
    )


def _han(expected: Expectation) -> frozenset[str]:
    match expected.language:
        case "ja":
            return _kanji()
        case "zh":
            hans, hant = _simplified(), _traditional()
            return {"zh-Hans": hans, "zh-Hant": hant, None: hans | hant}[expected.chinese_variety] | {"〇"}
        case "ko":
            return charset("euc_kr") | _beyond_unified("euc_kr")
    return frozenset()


def _kanji() -> frozenset[str]:
    names = charset("shift_jis_2004") - charset("cp932")
    everyday_chinese = (charset("gb2312") - JAPANESE_BESIDE_GB2312) | _CHINESE_BESIDE_JAPANESE
    # 髙 and 﨑 are in cp932, 㐂 in JIS X 0213; 𠮷 in neither, because JIS takes it for a way to write 吉.
    rare = _beyond_unified("cp932") | _beyond_unified("shift_jis_2004")
    return charset("cp932") | (names - everyday_chinese) | rare | frozenset("剝頰塡𠮷𡈽𣘺")


def _simplified() -> frozenset[str]:
    # GBK adds names and terms to GB 2312, but also all of traditional Chinese and of Japanese.
    return charset("gb2312") | (charset("gbk") - charset("big5") - charset("cp932")) | _SIMPLIFIED_NAMES


def _traditional() -> frozenset[str]:
    # Hong Kong's supplement adds Cantonese (咗, 嘅) to Big5, but also what others write.
    hong_kong = charset("big5hkscs") - charset("gb2312") - charset("cp932")
    return charset("big5") | hong_kong | (charset("big5hkscs") & frozenset("裏着床群峰"))


@cache
def _beyond_unified(codec: str) -> frozenset[str]:
    """The rarer Han characters and compatibility forms of a standard, which `charset` leaves out."""
    blocks = ((0x3400, 0x4DBF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF))
    every = "".join(chr(code) for first, last in blocks for code in range(first, last + 1))
    round_trip = every.encode(codec, "replace").decode(codec)
    return frozenset(wanted for wanted, got in zip(every, round_trip, strict=True) if wanted == got)
