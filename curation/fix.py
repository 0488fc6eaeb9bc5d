"""What can be mended without asking: how lines end, and what stands between records. Never a record."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from curation.atomic import locked
from curation.lines import BadLine, parse_line
from curation.records import reading
from curation.store import Note, write_pieces

FIXES = ("bom", "blank-line", "mixed-line-ends", "no-final-newline")

_BOM = b"\xef\xbb\xbf"


def fix_file(path: Path, chosen: frozenset[str]) -> dict[str, int]:
    """Mend a file by those of the chosen rules that are `fixable`, and say how many lines each has changed.

    The bytes of all other lines stay; one line is in memory at a time. Raises UserError where the file cannot be
    written; it is then as it was.
    """
    with locked(path):
        survey = _survey(path, chosen)
        counts = survey.counts
        if survey.mixed:
            counts["mixed-line-ends"] = survey.crlf
        if survey.end:
            counts["no-final-newline"] = 1
        if counts:
            pieces = ((raw, survey.ended(number, new)) for number, raw, new in _without_odd(path, chosen))
            write_pieces(path, pieces, Note("fix"), survey.sha256)
    return {rule: counts[rule] for rule in FIXES if counts[rule]}


@dataclass
class _Survey:
    """What a first look at all lines has shown: how many end in CR LF, and what the last line wants at its end."""

    sha256: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    crlf: int = 0
    mixed: bool = False
    last: int = 0  # the number of the last line that stays
    end: bytes = b""

    def ended(self, number: int, raw: bytes) -> bytes:
        """A line as it is to end."""
        if self.mixed and raw.endswith(b"\r\n"):
            return raw.rstrip(b"\r\n") + b"\n"
        return raw.rstrip(b"\r") + self.end if self.end and number == self.last else raw


def _survey(path: Path, chosen: frozenset[str]) -> _Survey:
    found, digest = _Survey(), hashlib.sha256()
    ended, last = 0, b""
    for number, raw, new in _without_odd(path, chosen, found.counts):
        digest.update(raw)
        if new:
            found.last, last = number, new
            found.crlf += new.endswith(b"\r\n")
            ended += new.endswith(b"\n")
    found.sha256 = digest.hexdigest()
    # Only where some lines end in LF already: a file of CR LF is one that somebody's editor keeps so.
    found.mixed = "mixed-line-ends" in chosen and 0 < found.crlf < ended
    if "no-final-newline" in chosen and _is_unended_record(last):
        found.end = b"\r\n" if 0 < found.crlf == ended else b"\n"
    return found


def _is_unended_record(last: bytes) -> bool:
    """Whether it is a whole record: one that was cut off must not look like a line."""
    if not last or last.endswith(b"\n"):
        return False
    try:
        parse_line(last)
    except BadLine:
        return False
    return True


def _without_odd(
    path: Path, chosen: frozenset[str], counts: Counter[str] | None = None
) -> Iterator[tuple[int, bytes, bytes]]:
    """Each line with its number, from 1, and without byte order marks or, where it is blank, without anything."""
    counts = Counter() if counts is None else counts
    is_first = True  # of those that stay
    with reading(path) as file:
        for number, raw in enumerate(file, start=1):
            new = raw
            while is_first and "bom" in chosen and new.startswith(_BOM):  # one may lay bare another
                new = new.removeprefix(_BOM)
                counts["bom"] += 1
            if "blank-line" in chosen and new and not new.strip(b" \t\r\n"):
                new = b""
                counts["blank-line"] += 1
            is_first = is_first and not new
            yield number, raw, new
