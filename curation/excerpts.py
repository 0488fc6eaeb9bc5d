"""A piece of a text, short enough for a message."""


def excerpt(text: str, chars: int = 30) -> str:
    """The beginning of a text on one line, its blanks as single ones, in at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= chars else line[: chars - 1].rstrip() + "…"
