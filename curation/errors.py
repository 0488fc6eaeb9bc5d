"""The one exception that a user, and not a programmer, is meant to read."""


class UserError(Exception):
    """Something the user can fix: one sentence that says where, what, and what to do next."""
