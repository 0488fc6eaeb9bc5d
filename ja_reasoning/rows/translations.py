"""Pairs of sentences from text/translations-*.tsv, with which of their words answer to which."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from ..kinds import RecipeError, Row

_TEXT = Path(__file__).parents[1] / "text"
_LONG_CHARS = 60  # from there on an English text is set apart as input


def _sentences(_: Random) -> Iterator[Row]:
    return _pairs("translations-*.tsv")


def _phrases(_: Random) -> Iterator[Row]:
    return _pairs("phrases.tsv")


def _pairs(name: str) -> Iterator[Row]:
    lines = [line for path in sorted(_TEXT.glob(name)) for line in path.read_text("utf-8").splitlines()]
    for number, line in enumerate(lines, 1):
        cells = line.split("|")
        if len(cells) != 5:
            raise RecipeError(f"translation {number}: {len(cells)} cells")
        english, japanese, words, about_japanese, about_english = cells
        pairs = [(first, second) for first, _, second in (pair.partition("=") for pair in words.split(";"))]
        yield {
            "key": f"{number:03d}", "en": english, "ja": japanese, "about_ja": about_japanese, "about_en": about_english,
            "to_ja": _answering(pairs, about_japanese),
            "to_en": _answering([(second, first) for first, second in pairs], about_english),
            "ask": "4,5,6,7" if len(english) > _LONG_CHARS else "1,2,3,4,5,6",
        }  # fmt: skip


def _answering(pairs: list[tuple[str, str]], about: str) -> str:
    """Which words answer to which; what `about` says of a pair is not said twice, unless it is the only pair."""
    said = [f"「{first}」は「{second}」" for first, second in pairs]
    return "、".join([one for one in said if one not in about] or said)


TABLES = {"translate": _sentences, "phrase": _phrases}
