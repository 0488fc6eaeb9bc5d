"""The tables of benchmarks/rounds.py: what each kind of training reached, and how that differs from `all`."""

import dataclasses
import itertools
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from phi2chat.evaluation.results import Cell, Evaluation, ModelRow
from phi2chat.evaluation.scores import MEASURES, Measure, families_of, weigh_seeds

PROBES = Path(__file__).parents[1] / "datasets" / "probes" / "ja-basics.jsonl"
SUMS = ("arithmetic", "multiplication", "division", "order-of-operations")
ALL, LAST, BASE = "all", "last step", "base"
TRANSLATIONS = {"ja": "translate-en-ja", "en": "translate-ja-en"}


def summarize(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """A row for each kind of training and recipe: of each measure the mean over seeds, the lowest and the highest."""
    probes = probe_ids()
    rows: defaultdict[str, list[dict[str, float | None]]] = defaultdict(list)
    for evaluation in evaluations:
        cells: defaultdict[tuple[str, str], list[Cell]] = defaultdict(list)
        for cell in evaluation.cells:
            cells[cell.model, cell.recipe].append(cell)
        for (what, model), recipe in itertools.product(named(evaluation.models), evaluation.recipes):
            if not cells[model.label, recipe]:  # not asked yet
                continue
            is_comparable = not what.startswith((BASE, "answer only", "on a CPU"))  # not of other tokens, or of few
            loss = model.eval_loss if is_comparable else None
            what += f", recipe {recipe}" if len(evaluation.recipes) > 1 else ""
            rows[what].append({**measure(cells[model.label, recipe], probes), "eval loss": loss})
    return [
        {"what": what, "seeds": 0 if what.startswith(BASE) else len(several), **spread(several)}
        for what, several in rows.items()
    ]


def differences(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """How each kind of training differs from `all` over the held-out records, seed by seed where both have it.

    A last step is compared with that of `all`, and the last step of `all` with its best.
    """
    probes, outcomes = probe_ids(), defaultdict[str, list[dict[str, dict[str, float]]]](list)
    for evaluation in evaluations:
        for what, model in named(evaluation.models):
            cells = [cell for cell in evaluation.cells if cell.model == model.label and cell.probe not in probes]
            if cells:
                outcomes[what].append({measure: _outcomes(measure, cells) for measure in MEASURES})
    rows = list[dict[str, Any]]()
    for (what, several), measure in itertools.product(outcomes.items(), MEASURES):
        beside = outcomes.get(LAST if what.endswith(f", {LAST}") else ALL)
        if what != ALL and beside:
            before = beside if what == BASE else beside[: len(several)]
            sides = ([of_seed[measure] for of_seed in side] for side in (before, several))
            move = weigh_seeds(*sides, families_of(evaluations[0]))
            rows += [{"what": what, "measure": measure, **dataclasses.asdict(move)}] if move else []
    return rows


def _outcomes(measure: Measure, cells: Iterable[Cell]) -> dict[str, float]:
    asked = ((cell.probe, MEASURES[measure](cell)) for cell in cells)
    return {probe: float(outcome) for probe, outcome in asked if outcome is not None}


def probe_ids() -> set[str]:
    """Those of the shipped probes; all other questions are held-out records."""
    return {json.loads(line)["id"] for line in PROBES.read_text(encoding="utf-8").splitlines()}


def named(models: Sequence[ModelRow]) -> list[tuple[str, ModelRow]]:
    """Each model with the kind of its training.

    Where last steps are asked, a run without one ended with its best step, which counts as its last, too: a mean over
    the other seeds alone would be of other trainings than the mean beside it.
    """
    found = [(name(model), model) for model in models]
    have_last = {run_of(model) for model in models if is_last(model)}
    if have_last:
        found += [
            (last_of(what), model)
            for what, model in found
            if model.adapter and not is_last(model) and run_of(model) not in have_last
        ]
    return found


def name(model: ModelRow) -> str:
    if model.adapter is None:
        return BASE
    what = run_of(model).name.rpartition("-")[0].replace("-", " ")
    return last_of(what) if is_last(model) else what


def last_of(what: str) -> str:
    return LAST if what == ALL else f"{what}, {LAST}"


def is_last(model: ModelRow) -> bool:
    return model.adapter is not None and Path(model.adapter).parent.name == "checkpoints"


def run_of(model: ModelRow) -> Path:
    adapter = Path(str(model.adapter))
    return adapter.parents[1] if is_last(model) else adapter


def measure(cells: Sequence[Cell], probes: set[str]) -> dict[str, float | None]:
    """Per cent of the held-out records, chrF from 0 to 100, and per cent of the probes right."""
    held_out = [cell for cell in cells if cell.probe not in probes]
    asked = [cell for cell in cells if cell.probe in probes]
    chrf = {
        f"chrF to {language}": mean(cell.chrf for cell in held_out if cell.category == category)
        for language, category in TRANSLATIONS.items()
    }
    return {
        "script": share(map(MEASURES["script"], held_out)),
        "form": share(map(MEASURES["form"], held_out)),
        "sums": right(cell for cell in held_out if cell.category in SUMS),
        "capitals": right(cell for cell in held_out if cell.category == "capital"),
        "right": right(held_out),
        **chrf,
        "probes right": right(asked),
        "probes script": share(map(MEASURES["script"], asked)),
        "probes form": share(map(MEASURES["form"], asked)),
    }


def right(cells: Any) -> float | None:
    return share(map(MEASURES["score"], cells))


def share(outcomes: Any) -> float | None:
    return mean(100.0 * outcome for outcome in outcomes if outcome is not None)


def mean(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def spread(rows: Sequence[dict[str, float | None]]) -> dict[str, list[float] | None]:
    found: dict[str, list[float] | None] = {}
    for name in rows[0]:
        values = [value for row in rows if (value := row[name]) is not None]
        found[name] = (
            [round(one, 3) for one in (statistics.fmean(values), min(values), max(values))] if values else None
        )
    return found


def show(rows: Sequence[dict[str, Any]]) -> str:
    names = [name for name in rows[0] if name not in ("what", "seeds")]
    lines = ["| | seeds | " + " | ".join(names) + " |", "| --- " * (len(names) + 2) + "|"]
    for row in rows:
        cells = [spell(row[name], 3 if name == "eval loss" else 1) for name in names]
        lines.append(f"| {row['what']} | {row['seeds'] or ''} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spell(values: list[float] | None, digits: int) -> str:
    if values is None:
        return ""
    middle, low, high = (f"{value:.{digits}f}" for value in values)
    return middle if low == high else f"{middle} ({low}–{high})"
