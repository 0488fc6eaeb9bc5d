"""The verdict on a whole text: which spans of it are in a language that was not asked for."""

from collections.abc import Iterable
from dataclasses import dataclass

from .glyphs import chinese_only, japanese_only
from .languages import display_name
from .stream import StreamChecker

_SHOWN_CHARS = 20


@dataclass(frozen=True)
class Span:
    """A stretch of foreign text; `start` and `end` count code points, `language` is a tag or a script's name."""

    start: int
    end: int
    text: str
    language: str
    reason: str

    @property
    def name(self) -> str:
        """The language's English name."""
        return display_name(self.language)


@dataclass(frozen=True)
class Verdict:
    """What `check` found; flagged if there is any span."""

    spans: tuple[Span, ...]

    @property
    def flagged(self) -> bool:
        return bool(self.spans)


def check(text: str, expected_language: str = "ja") -> Verdict:
    """Find the spans of `text` that are not in `expected_language`, a BCP 47 tag.

    Quotations and code may be in any language; for a tag that is not known nothing is foreign.
    """
    checker = StreamChecker(expected_language)
    spans: list[Span] = []
    start = 0
    for piece in checker.feed(text) + checker.close():
        end = start + len(piece.text)
        language = piece.span_language
        if language:
            if spans and spans[-1].end == start and _is_same_language(spans[-1].language, language):
                start, language = spans[-1].start, max(spans.pop().language, language, key=len)
            spans.append(Span(start, end, text[start:end], language, _reason(text[start:end], language)))
        start = end
    return Verdict(tuple(spans))


def describe_spans(spans: Iterable[Span]) -> str:
    """One line for people: `Simplified Chinese: 这, 确; English: You may go ahead…`; each language and text once."""
    texts: dict[str, dict[str, None]] = {}
    for span in spans:
        texts.setdefault(span.name, {})[_shorten(span.text)] = None
    return "; ".join(f"{name}: {', '.join(found)}" for name, found in texts.items())


def _is_same_language(one: str, other: str) -> bool:
    """True if equal, or one is zh and the other says which Chinese."""
    return one == other or {one, other} in ({"zh", "zh-Hans"}, {"zh", "zh-Hant"})


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else line[: _SHOWN_CHARS - 1] + "…"


def _reason(text: str, language: str) -> str:
    if language.startswith("zh"):
        glyphs = "".join(char for char in text if char in chinese_only())
        return f"characters that Japanese does not use: {glyphs[:5]}" if glyphs else "Chinese wording without kana"
    if language == "ja":
        return "kanji that only Japanese uses" if not set(text).isdisjoint(japanese_only()) else "kana"
    if language == "en":
        return "an English clause"
    return "Hangul letters" if language == "ko" else f"{language} letters"
