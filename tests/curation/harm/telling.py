"""How a piece of work ended, as a user hears it."""

import traceback
from collections.abc import Callable

from curation.errors import UserError


def told_by(work: Callable[[], object]) -> str:
    """ "saved", the sentence of a refusal, or a traceback."""
    try:
        work()
    except UserError as error:
        return f"refused: {error}"
    except BaseException:
        return traceback.format_exc()
    return "saved"
