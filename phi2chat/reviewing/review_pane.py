"""A record as lines of styled text that fit a window: what we did not write is visible text, and nothing else."""

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

from prompt_toolkit.utils import get_cwidth

from curation.lines import BadLine, dumps
from curation.recheck import find_faults
from phi2chat.reviewing.review_item import LARGE_BYTES, Item, read_line
from phi2chat.terminal.safe_text import escapes, on_one_line, safe
from phi2chat.terminal.wrap import break_lines

Fragment = tuple[str, str]  # style, visible text
Line = list[Fragment]
Mark = tuple[int, int, str]  # a stretch of a text and its style

TEXTS = ("instruction", "input", "reasoning", "answer")  # on lines of their own; the other fields stand beside names
SHOWN_CHARS = 20_000  # of a text; the editor shows all of it
TAB = "    "
SIGNS = {"error": "✗", "warning": "!"}


def show_record(item: Item, width: int, query: str = "", unfolded: bool = False) -> list[Line]:
    """The findings of a record, and the record; what was found and searched is marked."""
    lines = [line for finding in item.findings for line in _show_finding(finding, width)]
    data = read_line(item.raw)
    if isinstance(data, BadLine):
        text = item.raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
        place = max(data.column - 1, 0)
        lines += [_heading(f"line {item.number} is no record", width)]
        return lines + _wrapped(text, width, "", [*_search(text, query), (place, place + 1, "class:wrong")])
    marks = _find_marks(item.raw)
    rest: list[Line] = []
    for field, value in data.items():
        name = safe(on_one_line(field))
        text = value if isinstance(value, str) else dumps(value, ascii_only=False)
        found = [*marks.get(field, ()), *_search(text, query)]
        if field in TEXTS:
            style = "class:reasoning" if field == "reasoning" else ""
            lines += [_heading(name, width), *_wrapped(text, width, style, found)]
        elif isinstance(value, dict) and not unfolded:
            folded = f"{name} ▸ {len(value)} fields, p shows them"
            rest += _wrapped(folded, width, "class:note", [])
        elif isinstance(value, dict):
            rest.append(_heading(name, width))
            for key, inner in value.items():
                shown = inner if isinstance(inner, str) else dumps(inner, ascii_only=False)
                rest += _named(safe(on_one_line(key)), shown, width, _search(shown, query))
        elif text != item.name:  # which stands above
            rest = _beside(rest, _named(name, text, width, found), width)
    return lines + rest


def one_line(text: str, width: int) -> str:
    """The beginning of a text on one line, visible, in at most `width` cells."""
    shown = safe(on_one_line(text[: 4 * width + 40]))
    return cut(shown, width)


def cut(shown: str, width: int) -> str:
    """Visible text, cut so that it takes at most `width` cells."""
    if get_cwidth(shown) <= width:
        return shown
    kept, cells = "", 0
    for char in shown:
        cells += get_cwidth(char)
        if cells > width - 1:
            break
        kept += char
    return kept + "…" if width > 0 else ""


def wrap_visible(text: str, width: int, style: str = "") -> list[Line]:
    """A message of ours, which may quote what we did not write."""
    return _wrapped(text, width, style, [])


def _show_finding(finding: Any, width: int) -> list[Line]:
    field = f"{finding.field}: " if finding.field else ""
    style = f"class:{finding.severity}"
    first, *others = _wrapped(f"{field}{finding.message} [{finding.rule}]", width - 2, style, [])
    return [[(style, f"{SIGNS[finding.severity]} "), *first], *([("", "  "), *line] for line in others)]


def _heading(name: str, width: int) -> Line:
    return [("class:field", cut(name, width))]


def _named(name: str, text: str, width: int, marks: Sequence[Mark]) -> list[Line]:
    moved = [(start + len(name) + 2, end + len(name) + 2, style) for start, end, style in marks]
    return _wrapped(f"{name}: {text}", width, "", [(0, len(name) + 1, "class:name"), *moved])


def _beside(lines: list[Line], more: list[Line], width: int) -> list[Line]:
    """Lines after others, on the last of which the first one goes if it finds room there."""
    last = sum(get_cwidth(text) for _, text in lines[-1]) if lines else width
    if len(more) == 1 and last + 2 + sum(get_cwidth(text) for _, text in more[0]) <= width:
        return [*lines[:-1], [*lines[-1], ("", "  "), *more[0]]]
    return lines + more


def _find_marks(raw: bytes) -> dict[str, list[Mark]]:
    marks: dict[str, list[Mark]] = {}
    for fault in find_faults(raw) if len(raw) <= LARGE_BYTES else ():
        if fault.start is not None and fault.end is not None:
            style = "class:wrong" if fault.rule == "wrong-script" else "class:fault"
            marks.setdefault(fault.field, []).append((fault.start, fault.end, style))
    return marks


def _search(text: str, query: str) -> list[Mark]:
    if not query:
        return []
    found = re.finditer(re.escape(query), text[:SHOWN_CHARS], re.IGNORECASE)
    return [(match.start(), match.end(), "class:found") for match in found]


def _wrapped(text: str, width: int, style: str, marks: Iterable[Mark]) -> list[Line]:
    """The text in lines of at most `width` cells, with what could steer the terminal as escapes."""
    left_out = len(text) - SHOWN_CHARS
    text = text[:SHOWN_CHARS]
    styles = [style] * len(text)
    for start, end, marked in marks:
        styles[start:end] = [marked] * (min(end, len(text)) - start)
    visible: list[str] = []
    painted: list[str] = []
    for (char, stands_for), own in zip(escapes(text), styles, strict=True):
        shown = stands_for or (TAB if char == "\t" else char)
        visible.append(shown)
        painted += ["class:escaped" if stands_for else own] * len(shown)
    whole = "".join(visible)
    lines = [
        _fragments(whole[start:end], painted[start:end])
        for long_start, long_end in break_lines(whole, width)
        for start, end in _cut_apart(whole, long_start, long_end, width)
    ]
    if left_out > 0:
        lines += [[("class:note", cut(f"… and {left_out:,} characters more", width))]]
    return lines


def _cut_apart(text: str, start: int, end: int, width: int) -> list[tuple[int, int]]:
    """A line, or the pieces of one that has no place to break it, such as a long address."""
    if get_cwidth(text[start:end]) <= width:
        return [(start, end)]
    pieces, cells = [], 0
    for place in range(start, end):
        char = get_cwidth(text[place])
        if cells + char > width and place > start:
            pieces.append((start, place))
            start, cells = place, 0
        cells += char
    return [*pieces, (start, end)]


def _fragments(text: str, styles: Sequence[str]) -> Line:
    runs = itertools.groupby(zip(styles, text, strict=True), key=lambda pair: pair[0])
    return [(style, "".join(char for _, char in run)) for style, run in runs]
