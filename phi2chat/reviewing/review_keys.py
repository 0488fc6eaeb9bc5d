"""The keys of a review, declared once: what each does, what the bottom line calls it, and what the help says of it."""

from collections.abc import Callable
from dataclasses import dataclass

from phi2chat.reviewing.review import Review

Act = Callable[[Review, "Pages"], None]
FAR = 10**9


@dataclass
class Pages:
    """How many lines a page moves: of the list, and of the record."""

    list: int = 1
    record: int = 1


@dataclass(frozen=True)
class Key:
    """A key: its names in prompt_toolkit, how it is written, what it does, and that in a word for the bottom line.

    One without `act` ends the screen, and the first of its names says why.
    """

    names: tuple[str, ...]
    shown: str
    help: str
    act: Act | None = None
    label: str = ""
    moves: bool = False  # what is seen, and changes nothing


def _move(lines: Callable[[int], int]) -> Act:
    def act(review: Review, pages: Pages) -> None:
        if review.in_record or review.helping:
            review.scroll_by(lines(pages.record))
        else:
            review.move(lines(pages.list))

    return act


KEYS = (
    Key(
        ("e",),
        "e",
        "edit the record in $VISUAL or $EDITOR, else in a form; it is checked and saved when you come back",
        label="edit",
    ),
    Key(("a",), "a", "accept it, and go to the next one that is not accepted", lambda r, _: r.accept(), "accept"),
    Key(("r",), "r", "reject it: after y, or r again, it is taken out of the file", lambda r, _: r.reject(), "reject"),
    Key(
        ("/",),
        "/",
        "search for a text in all fields, in any width and case",
        lambda r, _: r.toggle("searching"),
        "search",
    ),
    Key(("u",), "u", "undo what was done last here", lambda r, _: r.undo(), "undo"),
    Key(("g",), "g", "go to the next record with a finding", lambda r, _: r.next_finding(1), "finding"),
    Key(("?",), "?", "this help", lambda r, _: r.toggle("helping"), "help"),
    Key(("q", "c-c"), "q, Ctrl-C", "quit; everything is saved", label="quit"),
    Key(("G",), "G", "go to the finding before", lambda r, _: r.next_finding(-1)),
    Key(("n",), "n", "search again", lambda r, _: r.search("")),
    Key(("N",), "N", "search backwards", lambda r, _: r.search("", -1)),
    Key(("E",), "E", "edit the record, or a line that holds none, as JSON in the editor"),
    Key(("p",), "p", "show provenance whole, or folded", lambda r, _: r.toggle("unfolded")),
    Key(("tab",), "Tab", "let the arrows scroll the record, or the list again", lambda r, _: r.toggle("in_record")),
    Key((" ",), "Space, b", "a page of the record down, up", lambda r, pages: r.scroll_by(pages.record), moves=True),
    Key(("b",), "", "", lambda r, pages: r.scroll_by(-pages.record), moves=True),
    Key(("j", "down"), "j, k, ↑, ↓", "one down, up", _move(lambda _: 1), moves=True),
    Key(("k", "up"), "", "", _move(lambda _: -1), moves=True),
    Key(("pagedown",), "PgDn, PgUp", "a page down, up", _move(lambda page: page), moves=True),
    Key(("pageup",), "", "", _move(lambda page: -page), moves=True),
    Key(("home",), "Home, End", "the first, the last", _move(lambda _: -FAR), moves=True),
    Key(("end",), "", "", _move(lambda _: FAR), moves=True),
)

MEANING = (
    "Accepting a record marks it for this session; with --who NAME it is signed instead: its provenance gets "
    "reviewed_by and reviewed_at, until it is edited. Rejecting takes it out of the file, for what stands in the file "
    "is trained on; u brings it back. Every change is on the disk when the line at the bottom says saved.",
    "In the list, ✓ is accepted, ✗ an error, ! a warning. In the record, what is in a wrong script is marked.",
)
