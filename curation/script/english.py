"""How much a word speaks for an English clause: short lists, written by hand."""

import re
import unicodedata
from functools import cache, lru_cache

_ENGLISH_CLAUSE_WORDS = """
    is are was were be been am has have had do does did will would can could may might must shall should
    i you he she it we they this that these those there what which who when where why how if because
    not don't doesn't isn't can't won't it's i'm you're let's i'll i've please
    """
_ENGLISH_SMALL_WORDS = """
    the a an of to in on at by for from with and or but as so than then into
    your my his her its our their all any
    """
# A word with the punctuation that may hang on it; anything else (a path, an option, a call) is no evidence.
_ENGLISH_WORD = re.compile(r"[(\[']*([A-Za-z]+(?:'[a-z]+)?)(?:-[A-Za-z]+)*[.,;:!?)\]']*")


@cache
def _english_points() -> dict[str, int]:
    return dict.fromkeys(_ENGLISH_SMALL_WORDS.split(), 1) | dict.fromkeys(_ENGLISH_CLAUSE_WORDS.split(), 3)


@lru_cache(4096)
def english_points(chunk: str, first: bool) -> int | None:
    """How much a word speaks for an English clause, or None if the chunk is no word.

    Capitals count only on the `first` word, and little: titles (The Lord of the Rings) are names, not clauses.
    """
    if not chunk.isascii():  # of full width
        chunk = unicodedata.normalize("NFKC", chunk).replace("’", "'")
    match = _ENGLISH_WORD.fullmatch(chunk)
    if match is None:
        return None
    word = match[1]
    if word.partition("'")[0] == "I":
        word = "i"
    if len(word) == 1 and word not in "aAi":  # a variable
        return None
    points = _english_points()
    return min(1, points.get(word.lower(), 0)) if first else points.get(word, 0)
