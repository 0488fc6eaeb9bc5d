"""A review of records: which one is looked at, what is known of each, and what a key does. Knows no terminal."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from curation.errors import UserError
from curation.excerpts import excerpt
from curation.line_file import MarkedLines
from curation.lines import BadLine
from curation.recheck import check_line
from curation.records import edit_line
from phi2chat.reviewing.review_item import LARGE_BYTES, Item, comparable, read_line, renewed, texts_of

Style = Literal["", "good", "error", "question"]


class File(Protocol):
    """The file as a review needs it. What it is told is on the disk when it returns; it raises UserError else."""

    @property
    def path(self) -> Path: ...

    def read(self) -> MarkedLines:
        """The lines as they are now."""
        ...

    def has_changed(self) -> bool:
        """Whether somebody else wrote it since it was last read or written here."""
        ...

    def replace(self, number: int, raw: bytes) -> None:
        """Put other bytes in the place of a line; none to take it out."""
        ...

    def undo(self) -> str:
        """Take back the last change that was made here, and say which."""
        ...


@dataclass
class Question:
    """What has to be answered before anything else: with a key of `yes`, or with any other for no."""

    text: str
    yes: str
    then: Callable[[], None]
    otherwise: str = "nothing was changed"


@dataclass
class Review:
    """The state of a review. Its methods are what a reviewer can do; what came of it stands in `message`."""

    file: File
    who: str | None = None
    wants: Callable[[Item], bool] | None = None
    with_findings_only: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    items: list[Item] = field(default_factory=list)  # all lines
    shown: list[Item] = field(default_factory=list)  # those that are listed
    at: int = 0  # the place of the current one among those
    scroll: int = 0  # lines of the record above the window
    in_record: bool = False  # whether the arrows scroll the record
    unfolded: bool = False  # whether provenance is shown whole
    helping: bool = False
    searching: bool = False
    query: str = ""
    question: Question | None = None
    message: str = ""
    style: Style = ""
    version: int = 0  # grows with every change of the lines
    edited: list[Item] = field(default_factory=list)  # which may have drafts, also where they are listed no more
    _seen: Item | None = None
    _counted: tuple[tuple[int, int], int] = ((-1, 0), 0)
    # What undo takes back: a mark, or a change of the file with the line as it was before.
    _done: list[tuple[Item, bytes | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._take_lines(self.file.read())

    @property
    def current(self) -> Item | None:
        return self.shown[self.at] if self.shown else None

    @property
    def accepted(self) -> int:
        """How many records were accepted here, or signed by anybody, and not edited since."""
        state = self.version, len(self._done)
        if self._counted[0] != state:  # it is asked for with every picture, and there may be a million
            self._counted = state, sum(item.accepted or item.may_be_signed for item in self.items)
        return self._counted[1]

    def say(self, message: str, style: Style = "") -> None:
        """Show a sentence until the next key."""
        self.message, self.style = message, style

    # -- moving ----------------------------------------------------------------------------------------------------

    def move(self, by: int) -> None:
        """Go so many records on, or as far as there are."""
        self.go_to(self.at + by)

    def go_to(self, place: int) -> None:
        """Go to a place in the list."""
        self.at = max(0, min(place, len(self.shown) - 1))
        if self.current is not self._seen:
            self._seen, self.scroll, self.unfolded = self.current, 0, False

    def toggle(self, state: Literal["in_record", "unfolded", "helping", "searching"]) -> None:
        """Turn one of these on, or off."""
        setattr(self, state, not getattr(self, state))

    def scroll_by(self, lines: int) -> None:
        """Move the text of the record."""
        self.scroll = max(0, self.scroll + lines)

    def next_finding(self, step: int) -> None:
        """Go to the next record that something was found in, or with -1 to the one before."""
        self._seek(step, lambda item: bool(item.findings), "no record that was checked so far has a finding")

    def search(self, query: str, step: int = 1) -> None:
        """Go to the next record that holds a text, in any width and case; an empty one is the last one."""
        self.query = query or self.query
        if not self.query:
            self.say("nothing is searched for; / asks for a text")
            return
        wanted = comparable(self.query)
        self._seek(step, lambda item: wanted in comparable(texts_of(item.raw)), f'no record holds "{self.query}"')

    def _seek(self, step: int, fits: Callable[[Item], bool], nothing: str) -> None:
        count = len(self.shown)
        for distance in range(1, count + 1):
            place = (self.at + step * distance) % count
            if fits(self.shown[place]):
                if distance == count:
                    self.say("this is the only one")
                elif (place < self.at) == (step > 0):
                    self.say("from the beginning again" if step > 0 else "from the end again")
                self.go_to(place)
                return
        self.say(nothing)

    # -- deciding --------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        """Mark the record as good, and go to the next one that is not. With `who`, the record is signed."""
        item = self.current
        if item is None:
            return
        if self.who is None:
            if not item.accepted:
                item.accepted = True
                self._done.append((item, None))
            self.say(f"accepted {item.name}", "good")
        elif not self._sign(item, item.raw):
            return
        self._go_on()

    def _sign(self, item: Item, raw: bytes) -> bool:
        data = read_line(raw)
        if isinstance(data, BadLine):
            self.say("this line holds no record that could be signed; e mends it", "error")
            return False
        provenance = data.get("provenance", {})
        if not isinstance(provenance, dict):
            self.say("its provenance is no object, so it cannot be signed; E mends it", "error")
            return False
        if provenance.get("reviewed_by") == self.who:
            self.say(f"{item.name} was accepted by {self.who} before", "good")
            return True
        signed = {"reviewed_by": self.who, "reviewed_at": self.now().isoformat(timespec="seconds")}
        line = edit_line(raw, {**data, "provenance": {**provenance, **signed}})
        return self.save(item, line, f"saved: accepted {item.name}")

    def _go_on(self) -> None:
        for place in range(self.at + 1, len(self.shown)):
            if not self.shown[place].is_reviewed:
                self.go_to(place)
                return
        self.say(self.message + "; none after it is left to review", self.style)

    def reject(self) -> None:
        """Take the record out of the file, once it is confirmed."""
        if item := self.current:
            text = excerpt(str((item.data or {}).get("instruction", "")), 20)
            self.question = Question(f'remove {item.name}, "{text}"? y/n', "yr", lambda: self._remove(item))

    def _remove(self, item: Item) -> None:
        self.save(item, b"", f"saved: removed {item.name}; u brings it back")

    def answer(self, key: str) -> None:
        """Answer the question that stands there."""
        question, self.question = self.question, None
        if question is not None:
            if len(key) == 1 and key.casefold() in question.yes:
                question.then()
            else:
                self.say(question.otherwise)

    def save(self, item: Item, raw: bytes, message: str) -> bool:
        """Put other bytes in the place of a line, or none: on the disk first, then on the screen."""
        before = item.raw
        try:
            was_read_again = self.refresh()
            if not self._is_there(item):
                raise UserError(f"{item.name} was changed by another program meanwhile; nothing was written")
            self.file.replace(item.number, raw)
        except UserError as error:
            self.say(str(error), "error")
            return False
        self._done.append((item, before))
        self.version += 1
        if raw:
            item.renew(raw)
            item.draft, item.refusal = None, ""
        else:
            del self.items[item.number - 1]
            for later in self.items[item.number - 1 :]:
                later.number -= 1
            self._list(item.number)
        again = f"; {self.file.path.name} was changed by another program before, and was read again"
        self.say(message + (again if was_read_again else ""), "good")
        return True

    def undo(self) -> None:
        """Take back what was done last in this session: an accepted mark, an edit, a removal."""
        if not self._done:
            self.say(f"nothing more was done here; `phi2chat curate undo {self.file.path}` goes further back")
            return
        item, before = self._done[-1]
        if before is None:
            item.accepted = False
            said = f"{item.name} is not accepted any more"
        else:
            try:
                said = self.file.undo()
                item.renew(before)
                self._take_lines(self.file.read(), back=item)
            except UserError as error:
                self.say(str(error), "error")
                return
        self._done.pop()
        if self._is_there(item):
            self._go_to_number(item.number)
        self.say(said, "good")

    # -- what is known ---------------------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Read the file again where another program wrote it, and say so."""
        try:
            if not self.file.has_changed():
                return False
            self._take_lines(self.file.read())
        except UserError as error:
            self.say(str(error), "error")
            return True
        self.say(f"{self.file.path.name} was changed by another program, and was read again")
        return True

    def look_at(self, item: Item) -> None:
        """Find what the record has of its own, where nobody has yet."""
        if item.own is None and len(item.raw) <= LARGE_BYTES:
            item.own = check_line(self.file.path, item.raw, item.number)

    def list_anew(self) -> None:
        """List what was found meanwhile, where only records with findings are listed."""
        if self.with_findings_only:
            self._list(self.current.number if self.current else 1)

    def _take_lines(self, lines: MarkedLines, back: Item | None = None) -> None:
        """Other lines in the place of those that were read."""
        current = self.current
        self.items, head = renewed(self.items, lines, back)
        self.version += 1
        self._list(current.number if current and self._is_there(current) else head + 1)

    def _list(self, number: int) -> None:
        """List the items anew, and stay at the line of this number, or at the next one that is listed."""
        listed = {*self.shown}  # what was mended stays where the reviewer saw it last
        self.shown = [item for item in self.items if item in listed or self._is_wanted(item)]
        self._go_to_number(number)

    def _go_to_number(self, number: int) -> None:
        self.go_to(bisect_left(self.shown, number, key=lambda item: item.number))

    def _is_wanted(self, item: Item) -> bool:
        if self.with_findings_only and not item.findings:
            return False
        if item.wanted is None:
            item.wanted = self.wants is None or self.wants(item)
        return item.wanted

    def _is_there(self, item: Item) -> bool:
        return item.number <= len(self.items) and self.items[item.number - 1] is item
