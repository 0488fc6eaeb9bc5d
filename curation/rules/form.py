"""The form of a file: what keeps a line from being read, and how the lines end."""

from collections.abc import Iterator
from dataclasses import dataclass

from .declare import Fault, Rule, declare

declare(
    Rule("utf-8", "form", "Every byte belongs to a character of UTF-8.", "Save the file as UTF-8."),
    Rule("bom", "form", "A line does not begin with a byte order mark.", "Save the file without one.", fixable=True),
    Rule(
        "blank-line",
        "form",
        "No line is blank.",
        "Remove the line.",
        fixable=True,
    ),
    Rule(
        "json",
        "form",
        "Every line is one JSON object: no key stands twice in it, NaN and Infinity do not occur, a number can be "
        "written again, nothing is nested more than 100 deep, and no line has more than 16 MiB.",
        "Write the line again at the column that is named. A last line that was cut off cannot be mended: remove it.",
    ),
    Rule("surrogate", "form", "No escape is half of a surrogate pair.", "Write the character itself."),
    Rule(
        "no-final-newline",
        "form",
        "The last line ends like the others.",
        "Add a newline: what is appended by other programs would stand on the same line.",
        "warning",
        fixable=True,
    ),
    Rule(
        "mixed-line-ends",
        "form",
        "All lines end alike, in LF or in CR LF.",
        "Let all end in LF. A file that ends every line in CR LF is left as it is.",
        "warning",
        fixable=True,
    ),
)


@dataclass
class LineEnds:
    """How the lines of a file end; the first of each kind by its number, 0 where there is none."""

    lf: int = 0
    crlf: int = 0
    first_lf: int = 0
    first_crlf: int = 0
    unended: int = 0  # the number of a last line without an end

    def count(self, number: int, raw: bytes) -> None:
        """Take a line in."""
        if raw.endswith(b"\r\n"):
            self.crlf += 1
            self.first_crlf = self.first_crlf or number
        elif raw.endswith(b"\n"):
            self.lf += 1
            self.first_lf = self.first_lf or number
        else:
            self.unended = number

    def count_lf(self, number: int, lines: int) -> None:
        """Take in so many lines that end in LF alone, from a number on."""
        self.lf += lines
        self.first_lf = self.first_lf or number

    def join(self, later: "LineEnds", lines_before: int) -> None:
        """Take in the lines of what follows, which are counted from its own beginning."""
        self.lf += later.lf
        self.crlf += later.crlf
        for name in ("first_lf", "first_crlf", "unended"):
            if getattr(later, name) and not getattr(self, name):
                setattr(self, name, getattr(later, name) + lines_before)


def find_odd_ends(ends: LineEnds) -> Iterator[tuple[int, Fault]]:
    """What is wrong with the ends of lines, each with the number of its line."""
    if ends.lf and ends.crlf:
        odd, few, name, other = ends.first_crlf, ends.crlf, "CR LF", "LF"
        if ends.crlf > ends.lf:
            odd, few, name, other = ends.first_lf, ends.lf, "LF", "CR LF"
        message = f"ends in {name} as {few:,} of {ends.lf + ends.crlf:,} lines do, the others in {other}"
        yield odd, Fault("mixed-line-ends", f"{message}; --fix makes all LF")
    if ends.unended:
        yield ends.unended, Fault("no-final-newline", "the last line has no newline at its end; --fix adds it")
