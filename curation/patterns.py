"""Regular expressions that a user wrote: (a+)+$ would search a text of fifty characters for years."""

import warnings
from dataclasses import dataclass
from typing import Any

import regex  # Python's own cannot be told to stop

from curation.errors import UserError
from curation.excerpts import excerpt

LONGEST_SEARCH = 2.0  # seconds of the processor for one text; what is not as bad as that takes microseconds


class PatternError(ValueError):
    """Why a text is no regular expression; `place` counts from 0."""

    def __init__(self, message: str, place: int) -> None:
        super().__init__(message)
        self.place = place


class EndlessSearch(UserError):
    """A regular expression that has not come to an end in one text."""


@dataclass(frozen=True)
class Pattern:
    """A regular expression, as `compile_pattern` makes it."""

    text: str
    seconds: float
    _compiled: Any

    def is_in(self, text: str) -> bool:
        """Whether it is found anywhere in a text. Raises EndlessSearch where `seconds` or the memory are not enough."""
        try:
            return self._compiled.search(text, timeout=self.seconds) is not None
        except (TimeoutError, MemoryError):  # (?R) in itself
            raise EndlessSearch(
                f'the regular expression "{excerpt(self.text, 60)}" would search a text of {len(text):,} characters'
                " without end; repeat nothing in it that is repeated already: a+ for (a+)+"
            ) from None


def compile_pattern(text: str, ignore_case: bool = False, seconds: float = LONGEST_SEARCH) -> Pattern:
    """The expression, without remarks on what it may mean in years to come. Raises PatternError for none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Pattern(text, seconds, regex.compile(text, regex.IGNORECASE if ignore_case else 0))
        except regex.error as error:
            raise PatternError(error.msg, error.pos or 0) from None
        except RecursionError:
            raise PatternError("nested too deeply", 0) from None
