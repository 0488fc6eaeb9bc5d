"""The one exception that a user, and not a programmer, is meant to read."""


class UserError(Exception):
    """Something the user can fix: one sentence that says where, what, and what to do next."""


def first_line(error: BaseException, longest: int = 200) -> str:
    """What an error of a library says in its first line, or its name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:longest]
