"""Patterns of Han and kana, and the characters that give Chinese away."""

import re

from curation.script.glyphs import is_chinese_only

HAN_LETTERS = "\u3005\u3006\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA_LETTERS = "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"
HAN = re.compile(f"[{HAN_LETTERS}]")
HAN_RUN = re.compile(f"[{HAN_LETTERS}]+")
KANA = re.compile(f"[{KANA_LETTERS}]")

_CHINESE_ONLY = frozenset(filter(is_chinese_only, map(chr, range(0x4E00, 0xA000))))


def has_chinese_glyph(text: str) -> bool:
    """Whether it has a character that Japanese does not write."""
    return not _CHINESE_ONLY.isdisjoint(text)


def count_han(text: str) -> int:
    """Han characters in it."""
    return len(HAN.findall(text))
