"""Text we did not write, made safe to print: every code point that could steer a terminal becomes visible.

Works a code point at a time and parses no escape sequence, so one that is cut or never ends is as harmless as a whole.
Classes after the Unicode Character Database. What they can do: CWE-150 (escape sequences), CVE-2021-42574 (bidi),
"ASCII smuggling" (tags).
"""

import itertools
import json
import re
import unicodedata
from collections.abc import Iterator

from curation.characters import BIDI, INVISIBLE, TAGS

_ZERO_WIDTH_JOINER = "\u200d"
_EMOJI_LETTERS = "\u2139\u3030"  # the information sign and the wavy dash, which Unicode files under letters and dashes
_KEPT = {"\n", "\t"}
# Unicode's own abbreviations (NameAliases.txt): the names are longer than a narrow terminal.
_ABBREVIATIONS = {
    0x00AD: "SHY", 0x034F: "CGJ", 0x061C: "ALM", 0x200B: "ZWSP", 0x200C: "ZWNJ", 0x200D: "ZWJ", 0x200E: "LRM",
    0x200F: "RLM", 0x2028: "LS", 0x2029: "PS", 0x202A: "LRE", 0x202B: "RLE", 0x202C: "PDF", 0x202D: "LRO",
    0x202E: "RLO", 0x2060: "WJ", 0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI", 0xFEFF: "BOM",
    **{0xFE00 + number: f"VS{number + 1}" for number in range(16)},
    **{0xE0100 + number: f"VS{number + 17}" for number in range(240)},
}  # fmt: skip
# Dangerous or bound to what stands before it, though `str.isprintable` holds.
_TO_LOOK_AT = re.compile(f"[{''.join(map(chr, sorted(INVISIBLE)))}\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_SPACES = re.compile("[\n\t\u00a0\u2000-\u200a\u202f\u205f\u3000]+")  # printed, though it does not hold
_BLANKS = re.compile("[ \n\t\u00a0\u2000-\u200a\u202f\u205f\u3000]+")


def parts(text: str, before: str = "") -> Iterator[tuple[str, bool]]:
    """The text in runs, each with whether it is an escape that stands for something dangerous.

    `before` is the character that was printed before the text, on which a joiner at its beginning depends.
    """
    if _is_plain(text):  # nearly every text is, and this is a hundred times as fast
        if text:
            yield text, False
        return
    for escaped, run in itertools.groupby(escapes(text, before), key=lambda pair: pair[1] is not None):
        yield "".join(shown if shown is not None else char for char, shown in run), escaped


def escapes(text: str, before: str = "") -> Iterator[tuple[str, str | None]]:
    """Each character with what stands for it, or None where it may be printed."""
    for char in text:
        shown = escape(char, before)
        yield char, shown
        before = "" if shown else char  # nothing can join what is shown as an escape


def safe(text: str) -> str:
    """The text with everything dangerous made visible."""
    return "".join(run for run, _ in parts(text))


def on_one_line(text: str) -> str:
    """The text with its blanks and line ends as single blanks, still to be made safe.

    To `str.split` some control characters are blanks too, and would go unseen.
    """
    return _BLANKS.sub(" ", text).strip(" ")


def json_line(value: object) -> str:
    """A value as JSON on one line, with all but printable ASCII escaped: it stays JSON, and a terminal stays safe."""
    return json.dumps(value).replace("\x7f", "\\u007f")


def _is_plain(text: str) -> bool:
    return (text.isprintable() or _SPACES.sub("", text).isprintable()) and not _TO_LOOK_AT.search(text)


def escape(char: str, before: str = "") -> str | None:
    """What stands for a dangerous code point, or None for one that may be printed after `before`."""
    code = ord(char)
    if char in _KEPT or 0x20 <= code < 0x7F:
        return None
    if code < 0x20 or code == 0x7F:
        return "^" + chr(code ^ 0x40)
    if code < 0xA0:
        return f"<{code:02X}>"
    if 0xD800 <= code < 0xE000:
        return f"\\u{code:04x}"
    if code in TAGS:
        letter = chr(code - TAGS.start)
        return f"<TAG {letter}>" if letter.isprintable() else f"<TAG {code - TAGS.start:02X}>"
    if char == _ZERO_WIDTH_JOINER:  # it belongs into an emoji sequence, as in a family
        return None if before and unicodedata.category(before) in ("So", "Sk", "Mn") else _named(code, char)
    if 0xFE00 <= code < 0xFE10 or 0xE0100 <= code < 0xE01F0:  # as in the spelling of a Japanese name
        varied = before and (before in _EMOJI_LETTERS or unicodedata.category(before) in ("Lo", "So", "Sm", "Nd", "Po"))
        return None if varied else _named(code, char)
    if code in BIDI or code in INVISIBLE or unicodedata.category(char) in ("Cc", "Cf", "Cn", "Co", "Cs"):
        return _named(code, char)
    return None


def _named(code: int, char: str) -> str:
    name = _ABBREVIATIONS.get(code) or unicodedata.name(char, "")
    return f"<U+{code:04X} {name}>" if name else f"<U+{code:04X}>"
