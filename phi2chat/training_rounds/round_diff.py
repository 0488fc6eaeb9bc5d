"""What a training changed: which probes it fixed and which it broke, and which records may have done it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Literal

from curation.errors import UserError
from curation.nearest import Index
from curation.records import Record
from phi2chat.evaluation.results import Cell
from phi2chat.evaluation.scores import Move, families_of, weigh
from phi2chat.evaluation.seen import Seen, count_seen
from phi2chat.training_rounds.past_rounds import Asked, Round
from phi2chat.training_rounds.record_changes import RecordChange

NEAREST = 3  # records shown for each probe
LEAST_ALIKE = 0.1  # below, what two questions share is chance

Outcome = Literal["fixed", "broken", "changed", "same"]


@dataclass(frozen=True)
class NearRecord:
    """A training record near a probe; `change` says how it came to be what it is, where that is between the rounds."""

    record: Record
    likeness: float
    change: RecordChange | None = None


@dataclass(frozen=True)
class ProbeChange:
    """A probe and what both rounds replied, the first sample of each; `near` are the records nearest to it.

    `changed` are other words and the same verdict.
    """

    probe: str
    instruction: str
    category: str
    outcome: Outcome
    before: Cell
    after: Cell
    near: tuple[NearRecord, ...] = ()


@dataclass(frozen=True)
class Measure:
    """A share of replies, `kind` says of which, over the probes of a category, or ("") over all."""

    kind: Literal["right", "script"]
    category: str
    before: float
    after: float
    move: Move


@dataclass(frozen=True)
class RoundDiff:
    """Two rounds compared over the probes that both were asked; `records` is None where one of them kept none.

    `seen` says for each how many of these probes it was trained on; None where it kept no records.
    """

    before: Asked
    after: Asked
    probes: tuple[ProbeChange, ...]
    measures: tuple[Measure, ...]
    records: tuple[RecordChange, ...] | None
    seen: tuple[Seen | None, Seen | None]

    def of(self, outcome: Outcome) -> list[ProbeChange]:
        """The probes of an outcome."""
        return [probe for probe in self.probes if probe.outcome == outcome]

    def nearest_to(self, change: RecordChange) -> list[ProbeChange]:
        """The probes that were fixed or broken and that no other changed record is nearer to than this one."""
        return [probe for probe in self.probes if probe.near and probe.near[0].change is change]


def compare_rounds(before: Round, after: Round) -> RoundDiff:
    """What changed from one round to another.

    Probes are compared by id and content. The nearest records are sought for those whose verdict changed: first among
    the records that were added, edited or removed between the two, then among all that the later one was trained on.
    Raises UserError where the two were not asked the same probes.
    """
    first, second = _evaluated_alike(before, after)
    return compare_asked((before, first), (after, second))


def compare_asked(earlier: tuple[Round, Asked], later: tuple[Round, Asked]) -> RoundDiff:
    """The same of two evaluations of these rounds that share a probe."""
    (before, first), (after, second) = earlier, later
    shared = [
        probe
        for probe in first.cells
        if probe in second.cells and first.cells[probe][0].probe_digest == second.cells[probe][0].probe_digest
    ]
    records = after.changes_since(before)
    nearby = _Nearby(records or (), after.records.train if after.records else ())
    changes = []
    for probe in shared:
        old, new = first.cells[probe], second.cells[probe]
        outcome = _outcome(first, second, probe)
        asked = second.evaluation.probes.get(probe) or {}
        question = str(asked.get("instruction", ""))
        text = "\n".join(filter(None, (question, str(asked.get("input") or ""))))
        near = nearby.of(text) if outcome in ("fixed", "broken") else ()
        changes.append(ProbeChange(probe, question, new[0].category, outcome, old[0], new[0], near))
    return RoundDiff(
        first,
        second,
        tuple(changes),
        tuple(_measures(first, second, shared)),
        None if records is None else tuple(records),
        (_seen(before, second, shared), _seen(after, second, shared)),
    )


def _seen(one: Round, asked: Asked, shared: Sequence[str]) -> Seen | None:
    probes = {probe: asked.evaluation.probes[probe] for probe in shared}
    return count_seen(probes, one.records.train) if one.records else None


def _measures(first: Asked, second: Asked, shared: Sequence[str]) -> Iterator[Measure]:
    families = families_of(second.evaluation)
    judged = [probe for probe in shared if probe in first.scores and probe in second.scores]
    if judged:
        yield _measure("right", "", first.scores, second.scores, judged, families)
    yield _measure("script", "", first.script, second.script, shared, families)
    categories: dict[str, list[str]] = {}
    for probe in judged:
        categories.setdefault(second.cells[probe][0].category, []).append(probe)
    for category, probes in categories.items() if len(categories) > 1 else ():
        yield _measure("right", category or "no category", first.scores, second.scores, probes, families)


def _measure(
    kind: Literal["right", "script"],
    category: str,
    first: dict[str, float],
    second: dict[str, float],
    probes: Sequence[str],
    families: Mapping[str, str],
) -> Measure:
    before, after = ({probe: side[probe] for probe in probes} for side in (first, second))
    move = weigh(before, after, families)
    assert move is not None, "rounds that share no probe are refused"
    return Measure(kind, category, fmean(before.values()), fmean(after.values()), move)


def _evaluated_alike(before: Round, after: Round) -> tuple[Asked, Asked]:
    """The newest evaluations of both that share most probes; of several, those that were made alike."""
    for one in (before, after):
        if not one.asked:
            raise UserError(
                f"round {one.number} ({one.name}): was not evaluated yet;"
                f" run `phi2chat evaluate --adapter {one.folder}`"
            )
    pairs = [
        (sum(_same(first, second, probe) for probe in first.cells), first, second)
        for first in before.asked
        for second in after.asked
        if first.recipe == second.recipe
    ]
    most = max((pair[0] for pair in pairs), default=0)
    if not most:
        raise UserError(
            f"rounds {before.number} and {after.number}: were not asked the same probes by the same recipe;"
            f" run `phi2chat evaluate --adapter {before.folder} --adapter {after.folder}`"
        )
    sharing = [(first, second) for shared, first, second in pairs if shared == most]
    return next((pair for pair in sharing if not pair[1].settings_unlike(pair[0])), sharing[0])


def _same(first: Asked, second: Asked, probe: str) -> bool:
    return probe in second.cells and first.cells[probe][0].probe_digest == second.cells[probe][0].probe_digest


def _outcome(first: Asked, second: Asked, probe: str) -> Outcome:
    old, new = first.scores.get(probe), second.scores.get(probe)
    if old is not None and new is not None and old != new:
        return "fixed" if new > old else "broken"
    before, after = first.cells[probe], second.cells[probe]
    is_same = [(cell.reasoning, cell.answer) for cell in before] == [(cell.reasoning, cell.answer) for cell in after]
    return "same" if is_same else "changed"


class _Nearby:
    """The records that may have moved a probe: those that changed between two rounds, and those both were taught."""

    def __init__(self, changes: Sequence[RecordChange], trained: Sequence[Record]) -> None:
        self._taught = [change for change in changes if change.touches_training]
        changed = {id(change.after) for change in self._taught}
        self._others = [record for record in trained if id(record) not in changed]

    @cached_property
    def _changes_index(self) -> Index:
        return Index(change.record.instruction for change in self._taught)

    @cached_property
    def _others_index(self) -> Index:
        return Index(record.instruction for record in self._others)

    def of(self, text: str) -> tuple[NearRecord, ...]:
        """The nearest to a question, those first that changed."""
        near = [
            NearRecord(self._taught[one.place].record, one.likeness, self._taught[one.place])
            for one in self._changes_index.nearest(text, NEAREST)
        ]
        near = [one for one in near if one.likeness >= LEAST_ALIKE]
        if len(near) < NEAREST:
            others = self._others_index.nearest(text, NEAREST - len(near))
            near += [NearRecord(self._others[one.place], one.likeness) for one in others if one.likeness >= LEAST_ALIKE]
        return tuple(near)
