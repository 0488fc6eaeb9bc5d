"""The verdict on a whole text: which spans of it are in a language that was not asked for."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from curation.excerpts import excerpt

from .glyphs import is_chinese_only, is_japanese_only
from .languages import display_name, primary_subtag
from .ngrams import score, telling_words, weigh_run
from .stream import find_runs, name_run

_SHOWN_CHARS = 20
_SCALE, _SHIFT = 0.313, 1.154  # fitted by script_model/calibrate.py
_ENGLISH_CONFIDENCE = 0.95  # of 75 English spans in the rows of benchmarks/script.py, 73 are right


@dataclass(frozen=True)
class Span:
    """A stretch of foreign text; `start` and `end` count code points, `language` is a tag or a script's name.

    `confidence` is how often such a run is right, from a half to 0.99 (Platt scaling, measured by
    benchmarks/script.py); a script or a character that gives itself away is called certain: 1.
    """

    start: int
    end: int
    text: str
    language: str
    confidence: float
    reason: str

    @property
    def name(self) -> str:
        """The language's English name."""
        return display_name(self.language)


@dataclass(frozen=True)
class Verdict:
    """What `check` found: foreign spans, which flag the text, and `quoted` ones, which do not."""

    spans: tuple[Span, ...]
    quoted: tuple[Span, ...] = ()

    @property
    def flagged(self) -> bool:
        return bool(self.spans)


_CLEAN = Verdict(())


def check(text: str, expected_language: str = "ja", asked: str = "") -> Verdict:
    """Find the spans of `text` that are not in `expected_language`, a BCP 47 tag.

    Quotations, code, and what is repeated from `asked`, the question or the source that the text answers, may be in
    any language; for a tag that is not known nothing is foreign.
    """
    runs = find_runs(text, expected_language, asked)
    if not runs:
        return _CLEAN
    spans: dict[bool, list[Span]] = {False: [], True: []}
    for (start, end, language), is_quoted in runs:
        spans[is_quoted].append(describe_run(text[start:end], language, start, expected_language))
    return Verdict(tuple(spans[False]), tuple(spans[True]))


def describe_spans(spans: Iterable[Span]) -> str:
    """One line for people: `Simplified Chinese: 这, 确; English: You may go ahead…`; each language and text once."""
    texts: dict[str, dict[str, None]] = {}
    for span in spans:
        texts.setdefault(span.name, {})[excerpt(span.text, _SHOWN_CHARS)] = None
    return "; ".join(f"{name}: {', '.join(found)}" for name, found in texts.items())


def describe_run(text: str, language: str, start: int, expected_language: str = "ja") -> Span:
    """The span of a whole run that begins at `start`: which Chinese it is in, how sure that is, and why."""
    language = name_run(text, language, primary_subtag(expected_language) == "ja")
    confidence = 1.0
    if language.startswith("zh") and primary_subtag(expected_language) not in ("ja", "zh"):
        reason = "Han characters"
    elif language.startswith("zh"):
        glyphs = "".join(dict.fromkeys(filter(is_chinese_only, text)))
        reason = f"characters that Japanese does not use: {glyphs[:5]}"
        if not glyphs:
            weights = weigh_run(text)
            reason = f"Chinese words: {', '.join(telling_words(text, weights))}"
            confidence = _calibrate(score(weights))
    elif language == "ja":
        reason = "kanji that only Japanese uses" if any(map(is_japanese_only, text)) else "kana"
    elif language == "en":
        reason, confidence = "an English clause", _ENGLISH_CONFIDENCE
    else:
        reason = "Hangul letters" if language == "ko" else f"{language} letters"
    return Span(start, start + len(text), text, language, confidence, reason)


def _calibrate(nats: float) -> float:
    return round(min(max(1 / (1 + math.exp(-_SCALE * nats - _SHIFT)), 0.5), 0.99), 2)
