"""How near a translation comes to good ones, by sacrebleu's chrF; that comes with the extra phi2chat[evaluate]."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

INSTALL = "pip install '.[evaluate]' in phi2chat's sources"


def references_of(data: Mapping[str, Any]) -> list[str]:
    """The good answers that a probe brings along."""
    found = data.get("references", [])
    return [found] if isinstance(found, str) else [text for text in found if isinstance(text, str)]


def is_installed() -> bool:
    """Whether sacrebleu is there."""
    return importlib.util.find_spec("sacrebleu") is not None


def chrf(answer: str, references: Sequence[str]) -> float:
    """chrF, from 0 to 100: the character n-grams that an answer shares with the reference nearest to it.

    Popović, chrF: character n-gram F-score for automatic MT evaluation, 2015. Raises ImportError without sacrebleu.
    """
    import sacrebleu

    return float(sacrebleu.sentence_chrf(answer, list(references)).score)
