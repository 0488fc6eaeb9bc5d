"""What can be mended without asking: how lines end, and what stands between records. Never a record."""

from collections.abc import Callable
from pathlib import Path

from curation.lines import BadLine, parse_line, split_lines
from curation.store import Note, change_file

_BOM = b"\xef\xbb\xbf"


def fix_file(path: Path, chosen: frozenset[str]) -> dict[str, int]:
    """Mend a file by those of the chosen rules that are `fixable`, and say how many lines each has changed.

    The bytes of all other lines stay. Raises UserError where the file cannot be written; it is then as it was.
    """
    counts: dict[str, int] = {}

    def mend(content: bytes) -> bytes:
        before = None
        while content != before:  # one may lay bare what another mends
            before = content
            for rule, fix in FIXES.items():
                if rule in chosen:
                    content, count = fix(content)
                    if count:
                        counts[rule] = counts.get(rule, 0) + count
        return content

    change_file(path, mend, Note("fix"))
    return counts


def _drop_bom(content: bytes) -> tuple[bytes, int]:
    return (content[len(_BOM) :], 1) if content.startswith(_BOM) else (content, 0)


def _drop_blank_lines(content: bytes) -> tuple[bytes, int]:
    lines = split_lines(content)
    kept = [line for line in lines if line.strip(b" \t\r\n")]
    return b"".join(kept), len(lines) - len(kept)


def _end_all_in_lf(content: bytes) -> tuple[bytes, int]:
    """Only where some lines end in LF already: a file of CR LF is one that somebody's editor keeps so."""
    lines = split_lines(content)
    crlf = sum(line.endswith(b"\r\n") for line in lines)
    ended = sum(line.endswith(b"\n") for line in lines)
    if crlf in (0, ended):
        return content, 0
    return b"".join(line.rstrip(b"\r\n") + b"\n" if line.endswith(b"\r\n") else line for line in lines), crlf


def _end_last_line(content: bytes) -> tuple[bytes, int]:
    """Only where it is a whole record: one that was cut off must not look like a line."""
    if not content or content.endswith(b"\n"):
        return content, 0
    lines = split_lines(content)
    try:
        parse_line(lines[-1])
    except BadLine:
        return content, 0
    all_crlf = len(lines) > 1 and all(line.endswith(b"\r\n") for line in lines[:-1])
    return content.rstrip(b"\r") + (b"\r\n" if all_crlf else b"\n"), 1


FIXES: dict[str, Callable[[bytes], tuple[bytes, int]]] = {
    "bom": _drop_bom,
    "blank-line": _drop_blank_lines,
    "mixed-line-ends": _end_all_in_lf,
    "no-final-newline": _end_last_line,
}
