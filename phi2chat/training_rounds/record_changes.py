"""What changed in the data between two trainings: records added, removed, edited, or moved to the other side."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from curation.diff import changed_fields
from curation.records import Record
from curation.store import content_digest
from phi2chat.weights.snapshot import Snapshot

Side = Literal["train", "eval"]


@dataclass(frozen=True)
class RecordChange:
    """A record that is not what or where it was; `before` is None for one that was added, `after` for one removed.

    `fields` are those that an edit changed. `sides` are where it stood before and after, as far as it did.
    """

    before: Record | None
    after: Record | None
    fields: tuple[str, ...] = ()
    sides: tuple[Side, ...] = ()

    @property
    def kind(self) -> str:
        """added, removed, edited, or moved where nothing but its side changed."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "edited" if self.fields else "moved"

    @property
    def record(self) -> Record:
        """The record as it is now, or as it was when it was removed."""
        record = self.after or self.before
        assert record is not None
        return record

    @property
    def touches_training(self) -> bool:
        """Whether what a model learns from is another: a change of the eval side alone teaches nothing."""
        return "train" in self.sides


def saved_by(record: Record) -> str | None:
    """The slash command of the chat that saved a record, /fix or /good, by its provenance; None for any other."""
    provenance = record.data.get("provenance")
    if not isinstance(provenance, dict):
        return None
    if "bad_answer" in provenance:
        return "/fix"
    return "/good" if "phi2chat" in provenance else None


def find_record_changes(before: Snapshot, after: Snapshot) -> list[RecordChange]:
    """The changes between two trainings, those of `after` in its order, then what was removed.

    A record is known by its id, and one without an id by its content: an edit of such a one is a removal and an
    addition. Of several that are the same, as many as there are more were added.
    """
    old = _placed(before)
    changes = []
    for record, side in _all(after):
        key = _key(record)
        if not old.get(key):
            changes.append(RecordChange(None, record, sides=(side,)))
            continue
        earlier, earlier_side = old[key].pop(0)
        fields = tuple(changed_fields(earlier.data, record.data))
        if fields or side != earlier_side:
            changes.append(RecordChange(earlier, record, fields, tuple(dict.fromkeys((earlier_side, side)))))
    left = (pair for pairs in old.values() for pair in pairs)
    return [*changes, *(RecordChange(record, None, sides=(side,)) for record, side in left)]


def _placed(snapshot: Snapshot) -> dict[object, list[tuple[Record, Side]]]:
    placed: dict[object, list[tuple[Record, Side]]] = {}
    for record, side in _all(snapshot):
        placed.setdefault(_key(record), []).append((record, side))
    return placed


def _all(snapshot: Snapshot) -> Iterable[tuple[Record, Side]]:
    for record in snapshot.train:
        yield record, "train"
    for record in snapshot.eval:
        yield record, "eval"


def _key(record: Record) -> object:
    return record.id if isinstance(record.id, str) else content_digest(record.data)
