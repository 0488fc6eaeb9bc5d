"""What was done to a data file, taken back and done again. Each of these is a change in the journal itself.

`entries(path)` tells, `undo(path)` takes the last change back, `redo(path)` brings it again, and `versions(path, at)`
has the file as it was. Without a journal (it may be removed at any time) there is nothing to take back.
"""

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec

from curation.atomic import close, locked, spool, target_of, write_error
from curation.errors import UserError
from curation.hunks import NotKept, compare, put_in, take_back
from curation.journal_file import Entry, Journal, journal_path
from curation.moved_lines import NotFound, take_back_by_lines
from curation.records import open_to_read
from curation.store import Note, sha256_of, write_pieces

OUTSIDE = "another program"  # the command of an entry that stands for its change


@dataclass(frozen=True)
class Change:
    """What an undo, a redo or a restore has done: its own entry, and the entries that it was about, newest first.

    The entry is None where the file was like that already.
    """

    entry: Entry | None
    about: tuple[Entry, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The first of the records that have changed; `line:N` for one without an id."""
        return self.entry.ids if self.entry else ()


def entries(path: Path) -> list[Entry]:
    """The changes of a data file, oldest first, with their states; those of other programs have the number 0."""
    return read_history(path).entries


def read_history(path: Path) -> "History":
    """The journal and how the file stands to it, between two changes and not in the middle of one."""
    with _undisturbed(path):
        return History(path)


@contextlib.contextmanager
def _undisturbed(path: Path) -> Iterator[None]:
    """Nobody writes the file meanwhile, as far as whoever only reads it can ask for that."""
    is_locked = journal_path(path).exists() and os.access(target_of(path).parent, os.W_OK)
    with locked(path) if is_locked else contextlib.nullcontext():
        yield


def undo(path: Path, count: int = 1, last: int | None = None) -> Change:
    """Take the last `count` changes back, those left out that were taken back before; the bytes are as they were.

    With `last`, only where the last change is the entry of that number. A change that another program made is never
    taken back. Raises UserError where there are not so many changes, or where another program has since changed what
    would be taken back; nothing is changed then.
    """

    def choose(history: "History") -> list[Entry]:
        if last is not None and last not in (entry.number for entry in history.done[-1:]):
            raise UserError(f"{path}: was changed by another command since; `phi2chat curate log` shows what it did")
        return history.done[-count:] if 0 < count <= len(history.done) else []

    return _undo(path, choose)


def undo_to(path: Path, number: int) -> Change:
    """Take all changes back that came after an entry; 0 is before the first one."""

    def choose(history: "History") -> list[Entry]:
        if number and number not in (entry.number for entry in history.done):
            raise UserError(f"{path}: entry {number} is none that is done; `phi2chat curate log` shows them")
        return [entry for entry in history.done if entry.number > number]

    return _undo(path, choose)


def _undo(path: Path, choose: Callable[["History"], list[Entry]]) -> Change:
    with locked(path):
        history = History(path)
        chosen = tuple(reversed(choose(history)))
        if not chosen:
            left = len(history.done)
            only = f"only {left} of its changes can be undone" if left else "there is nothing to undo"
            raise UserError(f"{path}: {only}; `phi2chat curate log` shows what was done")
        note = Note("undo", undoes=tuple(entry.number for entry in chosen))
        return Change(_become(history, lambda state: history.without(state, chosen), note), chosen)


def redo(path: Path) -> Change:
    """Bring back what the last undo took back. Raises UserError where nothing was undone since the last change."""
    with locked(path):
        history = History(path)
        if not history.undone:
            raise UserError(f"{path}: there is nothing to redo; `phi2chat curate log` shows what was done")
        entry = history.undone[-1]
        note = Note("redo", redoes=entry.number)
        return Change(_become(history, lambda state: history.without(state, [entry]), note), (entry,))


def restore(path: Path, at: int | datetime) -> Change:
    """Make the file what it was after an entry (0: before the first) or at a time; a change as any other."""
    with locked(path):
        history = History(path)
        entry = history.at(at)
        note = Note("restore", about=f"as after entry {entry.number}" if entry else "as before the first entry")
        return Change(_become(history, lambda state: history.version(state, entry), note), (entry,) if entry else ())


def versions(path: Path, at: int | datetime, files: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """The file as it was after an entry (0: before the first) or at a time, and as it is; open as long as `files`.

    Raises UserError where that is not known, for another program has changed the file since.
    """
    with _undisturbed(path):
        history = History(path)
        state = history.current(files)
        return history.version(state, history.at(at)).file, state.file


@dataclass(frozen=True)
class State:
    """The content of a file at some time, and its SHA-256."""

    file: IO[bytes]
    sha256: str


def _become(history: "History", make: Callable[[State], State], note: Note) -> Entry | None:
    """Make another state of a file, and write it."""
    with contextlib.ExitStack() as files:
        before = history.current(files)
        after = make(before)
        if after is before:
            return None
        before.file.seek(0)
        return write_pieces(history.path, compare(before.file, after.file), note, before.sha256)


class History:
    """The journal as the file stands to it: `entries` with their states, what is `done`, and undos to take back."""

    def __init__(self, path: Path) -> None:
        self.path, self.journal, self.sha256 = path, Journal(path), sha256_of(path)
        self.entries: list[Entry] = []
        self.done: list[Entry] = []
        self.undone: list[Entry] = []
        self._taken_back: set[int] = set()
        written = self.journal.entries
        followed_by = [*(entry.before for entry in written[1:]), self.sha256]
        outside: list[tuple[int, Entry]] = []
        lost: set[int] = set()
        for place, (entry, after) in enumerate(zip(written, followed_by, strict=False), start=1):
            if after not in (entry.after, entry.before):
                outside.append((place, _by_others(entry, after)))
            if (
                after == entry.before != entry.after
            ):  # it was stopped before the file was written, or others took it back
                lost.add(entry.number)
            else:
                self._follow(entry)
        for entry in written:
            is_undone = entry.number in self._taken_back
            state = "not in the file" if entry.number in lost else "undone" if is_undone else "done"
            self.entries.append(msgspec.structs.replace(entry, state=state))
        for place, entry in reversed(outside):
            self.entries.insert(place, entry)

    def _follow(self, entry: Entry) -> None:
        if entry.undoes:
            self.done = [one for one in self.done if one.number not in entry.undoes]
            self.undone.append(entry)
            self._taken_back.update(entry.undoes)
        elif entry.redoes:
            again = next((one for one in self.undone if one.number == entry.redoes), None)
            self.undone = [one for one in self.undone if one is not again]
            if again:
                self.done += [one for one in self.journal.entries if one.number in again.undoes]
                self._taken_back.difference_update(again.undoes)
        else:
            self.done.append(entry)
            self.undone = []

    def current(self, files: contextlib.ExitStack) -> State:
        """The file as it is, to make others of. They are files without a name, and gone with `files`."""
        self._files = files
        file = open_to_read(self.path)
        files.callback(close, file)
        return State(file, self.sha256)

    def without(self, state: State, entries: Sequence[Entry]) -> State:
        """The state before entries, newest first, changed it. Raises UserError where what one wrote is gone."""
        for entry in entries:
            state = self._without(state, entry)
        return state

    def _without(self, state: State, entry: Entry) -> State:
        hunks = self.journal.hunks(entry)
        if state.sha256 == entry.after:
            return self._checked(self._made(take_back(state.file, hunks)), entry.before, entry)
        try:
            return self._made(take_back_by_lines(self.path, state.file, hunks))
        except NotFound:
            raise UserError(
                f"{self.path}: another program has changed it since entry {entry.number} ({entry.command}), and its"
                " lines are not where they were; nothing was undone, `phi2chat curate log --json` has their bytes"
            ) from None

    def _made(self, blocks: Iterable[bytes]) -> State:
        digest = hashlib.sha256()
        try:
            file = spool(target_of(self.path).parent)
            self._files.callback(close, file)
            for block in blocks:
                digest.update(block)
                file.write(block)
            file.seek(0)
        except OSError as error:
            raise write_error(self.path, error) from None
        return State(file, digest.hexdigest())

    def _checked(self, state: State, sha256: str, entry: Entry) -> State:
        if state.sha256 != sha256:
            raise UserError(f"{self.path}: entry {entry.number} of its journal does not fit it; nothing was changed")
        return state

    def at(self, at: int | datetime) -> Entry | None:
        """The entry after which the file was as it was then; None is before the first."""
        if not self.journal.entries:
            has = "no line of its journal can be read" if self.journal.damaged else "has no journal"
            raise UserError(f"{self.path}: {has}, so what it was is not known; `phi2chat curate log` shows it")
        if isinstance(at, datetime):
            past = [entry for entry in self.entries if entry.number and datetime.fromisoformat(entry.time) <= at]
            return next((entry for entry in reversed(past) if entry.state != "not in the file"), None)
        found = next((entry for entry in self.journal.entries if entry.number == at), None)
        if found is None and at:
            raise UserError(f"{self.path}: its journal has no entry {at}; `phi2chat curate log` shows the entries")
        return found

    def version(self, state: State, entry: Entry | None) -> State:
        """The state as it was after an entry, by way of the entries between then and now."""
        wanted = entry.after if entry else self.journal.entries[0].before
        way = self._way(state.sha256, wanted, forward=False) or self._way(state.sha256, wanted, forward=True)
        if way is None:
            raise UserError(
                f"{self.path}: another program has changed it since, and what it was before that is not known;"
                " give a later entry"
            )
        for one, is_back in way:
            hunks = self.journal.hunks(one)
            try:
                state = self._made(take_back(state.file, hunks) if is_back else put_in(state.file, hunks))
            except NotKept:
                raise UserError(
                    f"{self.path}: entry {one.number} was never made, and its lines were too many to keep"
                ) from None
        return self._checked(state, wanted, way[-1][0]) if way else state

    def _way(self, start: str, wanted: str, forward: bool) -> list[tuple[Entry, bool]] | None:
        """The entries to take back, or also to do again, in order: the shortest way from one state to another."""
        steps: dict[str, list[tuple[str, Entry, bool]]] = {}
        for entry in reversed(self.journal.entries):
            steps.setdefault(entry.after, []).append((entry.before, entry, True))
            if forward:
                steps.setdefault(entry.before, []).append((entry.after, entry, False))
        came: dict[str, tuple[str, Entry, bool] | None] = {start: None}  # from where, and by which entry
        waiting = deque(came)
        while waiting and wanted not in came:
            here = waiting.popleft()
            for there, entry, is_back in steps.get(here, []):
                if there not in came:
                    came[there] = here, entry, is_back
                    waiting.append(there)
        if wanted not in came:
            return None
        way: list[tuple[Entry, bool]] = []
        place = wanted
        while (step := came[place]) is not None:
            place, entry, is_back = step
            way.append((entry, is_back))
        return way[::-1]


def _by_others(entry: Entry, after: str) -> Entry:
    return Entry(number=0, time=entry.time, command=OUTSIDE, before=entry.after, after=after)
