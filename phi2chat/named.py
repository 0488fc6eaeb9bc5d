"""The wrong characters of a reply by name, for a font may show what is wrong as if it were right."""

import unicodedata
from collections.abc import Sequence

from curation.script import Span, allowed_characters

MOST = 3  # that are named; the line stands below every reply that is flagged


def name_characters(spans: Sequence[Span], language: str) -> str:
    """The characters of foreign spans that the language is not written with: three by name, and how many more.

    Empty where the wording alone is foreign, as in 日本的首都是.
    """
    allowed = allowed_characters(language)
    if allowed is None:
        return ""
    foreign = dict.fromkeys(char for span in spans for char in span.text if char not in allowed)
    named = [f"{char} ({unicodedata.name(char, f'U+{ord(char):04X}')})" for char in list(foreign)[:MOST]]
    return ", ".join(named) + (f" and {len(foreign) - MOST} more" if len(foreign) > MOST else "")
