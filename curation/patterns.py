"""Regular expressions that a user wrote."""

import re
import warnings


def compile_pattern(pattern: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """The expression, without Python's remarks on what it may mean in years to come. Raises PatternError for none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(pattern, flags)
        except (re.error, OverflowError) as error:
            raise PatternError(str(error), getattr(error, "pos", None) or 0) from None
        except RecursionError:
            raise PatternError("nested too deeply", 0) from None


class PatternError(ValueError):
    """Why a text is no regular expression; `place` counts from 0."""

    def __init__(self, message: str, place: int) -> None:
        super().__init__(message)
        self.place = place
