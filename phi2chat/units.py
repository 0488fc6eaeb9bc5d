"""Sizes and counts as people read them."""


def gib(size: float) -> str:
    """Bytes in GiB."""
    return f"{size / 2**30:.1f} GiB"


def spell_count(number: int, noun: str = "record", plural: str = "") -> str:
    """How many of what, in words: 1 record, 2,000 records."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
