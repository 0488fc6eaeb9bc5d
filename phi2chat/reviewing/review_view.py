"""What a review looks like: its title, list, record, message and keys, each as lines that fit a width and a height."""

from typing import Protocol

from prompt_toolkit.utils import get_cwidth

from phi2chat.reviewing.review import Review
from phi2chat.reviewing.review_item import Item
from phi2chat.reviewing.review_keys import KEYS, MEANING, Pages
from phi2chat.reviewing.review_pane import SIGNS, Line, cut, one_line, show_record, wrap_visible

MESSAGE_LINES = 3  # at most


class Checks(Protocol):
    """How far the rules are: the share of the lines that were checked."""

    @property
    def share(self) -> float: ...


class ReviewView:
    """Makes the lines of each part; `pages` are their heights as they were seen last, less a line."""

    def __init__(self, review: Review, checks: Checks) -> None:
        self._review, self._checks = review, checks
        self._top = 0  # the first record that is listed
        self._shown: tuple[object, list[Line]] = None, []
        self.pages = Pages()

    def title(self, width: int) -> list[Line]:
        """The file, the place in it, and what is being done in the background."""
        review = self._review
        rest = f"  {review.at + 1 if review.shown else 0}/{len(review.shown)}"
        if len(review.shown) < len(review.items):
            rest += f" of {len(review.items)}"
        if accepted := review.accepted:
            rest += f"  ✓ {accepted}"
        if self._checks.share < 1:
            rest += f"  checking {self._checks.share:.0%}"
        name = one_line(review.file.path.name, max(width - len(rest), 8))
        return [[("class:title", cut(name + rest, width))]]

    def records(self, width: int, height: int) -> list[Line]:
        """The records around the current one, a line each."""
        review = self._review
        self.pages.list = max(1, height - 1)
        self._top = max(min(self._top, review.at), review.at - height + 1)
        self._top = max(0, min(self._top, len(review.shown) - height))
        last = min(self._top + height, len(review.shown))
        return [self._row(review.shown[place], place == review.at, width) for place in range(self._top, last)]

    def _row(self, item: Item, is_current: bool, width: int) -> Line:
        review = self._review
        style = ""
        if is_current:
            style = "class:title" if review.in_record else "class:current"
        severity = next((finding.severity for finding in item.findings), "")
        data = item.data
        text = item.raw[:400].decode("utf-8", "replace") if data is None else str(data.get("instruction", ""))
        number = f" {item.number:>{len(str(len(review.items)))}} "
        room = max(width - len(number) - 2, 1)
        shown = one_line(text, room)
        return [
            (f"{style} class:good", "✓" if item.is_reviewed else " "),
            (f"{style} class:{severity}", SIGNS.get(severity, " ")),
            (style, f"{number}{shown}" + " " * (room - get_cwidth(shown))),
        ]

    def record(self, width: int, height: int) -> list[Line]:
        """The current record below its name, or the help."""
        review, item = self._review, self._review.current
        if review.helping:
            name, lines = "help; any key closes it", _help(width)
        elif item is None:
            is_early = review.with_findings_only and self._checks.share < 1
            nothing = "nothing was found so far" if is_early else "there is nothing to review"
            name, lines = "no record", [[("class:note", cut(nothing, width))]]
        else:
            review.look_at(item)
            name, lines = item.name, self._record_lines(item, width)
        seen = height - 1
        self.pages.record = max(1, seen - 1)
        review.scroll = max(0, min(review.scroll, len(lines) - seen))
        below = len(lines) - review.scroll - seen
        more = f" ↓ {below} more, Space" if below > 0 else ""
        name = one_line(name, max(width - len(more) - 4, 1))
        head = f"─ {name} " + "─" * max(width - get_cwidth(name) - len(more) - 3, 0) + more
        style = "class:current" if review.in_record else "class:rule"
        return [[(style, cut(head, width))], *lines[review.scroll : review.scroll + seen]]

    def _record_lines(self, item: Item, width: int) -> list[Line]:
        key = item.raw, item.own, item.in_set, item.draft, width, self._review.query, self._review.unfolded
        if self._shown[0] != key:
            lines = show_record(item, width, self._review.query, self._review.unfolded)
            if item.draft:
                lines = [*wrap_visible("! what you wrote is not saved; e opens it", width, "class:warning"), *lines]
            self._shown = key, lines
        return self._shown[1]

    def message(self, width: int) -> list[Line]:
        """What came of the last key, or what has to be answered."""
        review = self._review
        text, style = (review.question.text, "question") if review.question else (review.message, review.style)
        return wrap_visible(text, width, f"class:{style}" if style else "")[:MESSAGE_LINES]

    def keys(self, width: int) -> list[Line]:
        """The keys of most use, on as many lines as they need."""
        if self._review.question:
            return [[("class:key", "y"), ("", " yes  "), ("class:key", "any other key"), ("", " no")]]
        if self._review.searching:
            return [[("class:key", "Enter"), ("", " searches  "), ("class:key", "Esc"), ("", " drops it")]]
        lines: list[Line] = [[]]
        cells = 0
        for key in KEYS:
            if key.label:
                needed = len(f"{key.names[0]} {key.label}  ")
                if cells + needed - 2 > width and lines[-1]:
                    lines.append([])
                    cells = 0
                lines[-1] += [("class:key", key.names[0]), ("", f" {key.label}  ")]
                cells += needed
        return lines


def _help(width: int) -> list[Line]:
    lines: list[Line] = []
    for key in KEYS:
        if key.help:
            first, *others = wrap_visible(key.help, width - 12)
            lines += [[("class:key", f"{key.shown:<12}"), *first], *([("", " " * 12), *line] for line in others)]
    return lines + [line for text in MEANING for line in [[], *wrap_visible(text, width)]]
