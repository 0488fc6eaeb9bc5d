"""Pairs of sentences from text/translations-*.tsv, with which of their words answer to which."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from ..kinds import RecipeError, Row

_TEXT = Path(__file__).parents[1] / "text"
_LONG_CHARS = 60  # from there on an English text is set apart as input


def _translations(_: Random) -> Iterator[Row]:
    lines = [line for path in sorted(_TEXT.glob("translations-*.tsv")) for line in path.read_text("utf-8").splitlines()]
    for number, line in enumerate(lines, 1):
        cells = line.split("|")
        if len(cells) != 5:
            raise RecipeError(f"translation {number}: {len(cells)} cells")
        english, japanese, words, about_japanese, about_english = cells
        pairs = [pair.split("=") for pair in words.split(";")]
        yield {
            "key": f"{number:03d}", "en": english, "ja": japanese, "about_ja": about_japanese, "about_en": about_english,
            "to_ja": "、".join(f"「{first}」は「{second}」" for first, second in pairs),
            "to_en": "、".join(f"「{second}」は「{first}」" for first, second in pairs),
            "ask": "4,5,6,7" if len(english) > _LONG_CHARS else "1,2,3,4,5,6",
        }  # fmt: skip


TABLES = {"translate": _translations}
