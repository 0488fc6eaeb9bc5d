"""The rounds so far: every training with its data, its settings, and what evaluations said of its adapter."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePath

from curation.atomic import target_of
from curation.errors import UserError
from phi2chat.config import EndpointConfig
from phi2chat.evaluation.results import EVALUATION_FILE, Cell, Evaluation, ProbeFile, read_evaluation
from phi2chat.evaluation.scores import MEASURES
from phi2chat.training_rounds.record_changes import RecordChange, find_record_changes
from phi2chat.weights.run import ADAPTER_FILE, RUN_FILE, Run, read_run
from phi2chat.weights.snapshot import Snapshot, read_records

Damaged = Callable[[UserError], None]  # is told of what cannot be read, and may raise it

# Settings of an evaluation that decide nothing of what an adapter replies.
_BESIDE = {"batch_size", "fail_under", "output", *(field.name for field in fields(EndpointConfig))}


def _refuse(error: UserError) -> None:
    raise error


@dataclass(frozen=True, eq=False)
class Asked:
    """One model in an evaluation, by one recipe."""

    folder: Path
    evaluation: Evaluation
    label: str
    recipe: str

    @property
    def probe_files(self) -> tuple[ProbeFile, ...]:
        return self.evaluation.probe_files

    def settings_unlike(self, other: "Asked") -> dict[str, tuple[object, object]]:
        """The settings by which replies of another evaluation differ from these: what they are there, what here."""
        old, new = other.evaluation.settings, self.evaluation.settings
        names = [name for name in {**old, **new} if name not in _BESIDE]
        return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}

    @cached_property
    def cells(self) -> dict[str, list[Cell]]:
        """The replies to each probe, by its id."""
        cells: dict[str, list[Cell]] = {}
        for cell in self.evaluation.cells:
            if cell.model == self.label and cell.recipe == self.recipe:
                cells.setdefault(cell.probe, []).append(cell)
        return cells

    @cached_property
    def scores(self) -> dict[str, float]:
        """The share of right replies to each probe that is judged."""
        return {
            probe: sum(cell.verdict == "right" for cell in cells) / len(cells)
            for probe, cells in self.cells.items()
            if all(cell.verdict != "unjudged" for cell in cells)
        }

    @cached_property
    def script(self) -> dict[str, float]:
        """The share of replies to each probe that are in the right script throughout."""
        passes = MEASURES["script"]
        return {probe: sum(map(bool, map(passes, cells))) / len(cells) for probe, cells in self.cells.items()}


@dataclass(frozen=True, eq=False)
class Round:
    """A training. `number` counts all that are there, the oldest is 1; `asked` has the newest evaluation first."""

    number: int
    folder: Path
    run: Run
    made: datetime
    asked: tuple[Asked, ...]
    damaged: Damaged = _refuse

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def records(self) -> Snapshot | None:
        """What it was trained on, if it was kept and can be read."""
        try:
            return read_records(self.folder)
        except UserError as error:
            self.damaged(error)
            return None

    @property
    def eval_loss(self) -> float | None:
        """Of the adapter that was kept, in nats per token."""
        return dict(self.run.eval_losses).get(self.run.best_step) if self.run.best_step is not None else None

    def changes_since(self, earlier: "Round") -> list[RecordChange] | None:
        """What changed in the data since an earlier round; None where one of the two kept no records."""
        before, after = earlier.records, self.records
        return None if before is None or after is None else find_record_changes(before, after)

    def settings_since(self, earlier: "Round") -> dict[str, tuple[object, object]]:
        """The settings that are others than in an earlier round: what it was, what it is."""
        old = {"base": earlier.run.base, **earlier.run.config}
        new = {"base": self.run.base, **self.run.config}
        old["base"], new["base"] = earlier.run.base, self.run.base  # as it was found, not as it was called
        return {
            name: (old.get(name), new.get(name))
            for name in dict.fromkeys([*old, *new])
            if old.get(name) != new.get(name) and name not in ("output_dir", "sample_file", "report_to")
        }


def read_rounds(runs: Path, evaluations: Path, recipe: str | None = None, damaged: Damaged = _refuse) -> list[Round]:
    """All trainings in the folders of `runs`, the oldest first, with their evaluations by a recipe.

    Without a recipe it is the first that each evaluation asked. A run or an evaluation that cannot be read is left
    out where `damaged` does not raise; such a run keeps its number. Raises UserError for a folder that is missing.
    """
    if not runs.is_dir():
        raise UserError(f"{runs}: no such folder; give the one that holds the runs with --runs")
    folders = sorted(file.parent for depth in ("*", "*/*") for file in runs.glob(f"{depth}/{RUN_FILE}"))
    dated: list[tuple[datetime, Path, Run | None]] = []
    for folder in folders:
        try:
            run = read_run(folder)
        except UserError as error:
            damaged(error)
            dated.append((_written(folder), folder, None))
        else:
            dated.append((_made(folder, run), folder, run))
    # An ablation keeps its evaluation beside its runs.
    places = [*evaluations.glob(f"*/{EVALUATION_FILE}"), *runs.glob(f"*/*/{EVALUATION_FILE}")]
    asked = _by_adapter([place.parent for place in places], recipe, damaged)
    return [
        Round(number, folder, run, made, _once_each(folder, run, asked.get(_digest(folder), [])), damaged)
        for number, (made, folder, run) in enumerate(sorted(dated, key=lambda one: one[:2]), start=1)
        if run is not None
    ]


def round_of(folder: Path, asked: Asked) -> Round:
    """A run by itself, as an evaluation asked it. Raises UserError where it cannot be read."""
    run = read_run(folder)
    return Round(0, folder, run, _made(folder, run), (asked,), lambda _: None)


def find_round(rounds: Sequence[Round], wanted: str) -> Round:
    """A round by its number, its name or its folder. Raises UserError where there is none, or more than one."""
    found = [
        one
        for one in rounds
        if wanted in (str(one.number), one.name) or target_of(one.folder) == target_of(Path(wanted))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        folders = ", ".join(str(one.folder) for one in found)
        raise UserError(f"{wanted}: could be any of {folders}; give the folder")
    there = f"there are 1 to {rounds[-1].number}" if rounds else "there is none yet, train one"
    raise UserError(f"{wanted}: no such round; {there} (`phi2chat rounds list` shows them)")


def _by_adapter(folders: Sequence[Path], recipe: str | None, damaged: Damaged) -> dict[str | None, list[Asked]]:
    found: dict[str | None, list[Asked]] = {}
    read = []
    for folder in folders:
        try:
            read.append((folder, read_evaluation(folder)))
        except UserError as error:
            damaged(error)
    for folder, evaluation in sorted(read, key=lambda one: (one[1].made, one[0]), reverse=True):
        for asked in _asked(folder, evaluation, recipe):
            adapter = evaluation.model(asked.label).adapter_sha256
            if adapter is not None:
                found.setdefault(adapter, []).append(asked)
    return found


def _once_each(run_dir: Path, run: Run, asked: Sequence[Asked]) -> tuple[Asked, ...]:
    """Of each evaluation one model: where another run has the same adapter, the one that this run is named by.

    An evaluation on another base than the run's, or of another run that is still there, comes after those of its own.
    """
    chosen: dict[Path, Asked] = {}
    for one in asked:
        if one.folder not in chosen or _is_named(one, run_dir):
            chosen[one.folder] = one
    base = PurePath(run.base).name

    def is_anothers(one: Asked) -> bool:
        row = one.evaluation.model(one.label)
        moved = row.run is not None and not (Path(row.run) / RUN_FILE).exists()
        return not (moved or _is_named(one, run_dir)) or PurePath(row.base or base).name != base

    return tuple(sorted(chosen.values(), key=is_anothers))


def _is_named(asked: Asked, run_dir: Path) -> bool:
    named = asked.evaluation.model(asked.label).run
    return named is not None and target_of(Path(named)) == target_of(run_dir)


def _asked(folder: Path, evaluation: Evaluation, recipe: str | None) -> Iterator[Asked]:
    wanted = recipe or next(iter(evaluation.recipes), "")
    if wanted in evaluation.recipes:
        for model in evaluation.models:
            asked = Asked(folder, evaluation, model.label, wanted)
            if asked.cells:
                yield asked


def _made(folder: Path, run: Run) -> datetime:
    try:
        return datetime.fromisoformat(run.made).astimezone(UTC)
    except (ValueError, OverflowError):  # of a version that did not note it
        return _written(folder)


def _written(folder: Path) -> datetime:
    return datetime.fromtimestamp((folder / RUN_FILE).stat().st_mtime, UTC)


def _digest(folder: Path) -> str | None:
    path = folder / ADAPTER_FILE
    if not path.is_file():  # it has not finished
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
