"""The figures of an evaluation: rates with their 95 % intervals, and what differs by more than chance.

A rate of single replies has Wilson's interval (1927). Where probes were asked several times, the replies to one are
alike, so that the interval is that of a bootstrap over probes. Two models are compared by the same probes: the mean of
the differences, with a bootstrap interval over families of probes. It is a difference where that interval does not hold
0 and the sign test agrees, for of a handful of probes that moved a bootstrap makes too much; else nothing can be told.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

import numpy as np

from curation.script.confusion import ConfusionRates
from phi2chat.evaluation.results import Cell, Evaluation

Measure = Literal["score", "script", "form"]
Opinion = Literal["better", "worse", "cannot tell"]

CHANCE = 0.05
_Z = 1.959964  # of a normal distribution, 95 % lie within
_RESAMPLES = 10_000
_AT_ONCE = 2_000_000  # numbers that a bootstrap draws at a time

MEASURES: Mapping[Measure, Callable[[Cell], bool | None]] = {
    "score": lambda cell: None if cell.verdict == "unjudged" else cell.verdict == "right",
    # One that says nothing is in no script: else a model that ends at once would be the best.
    "script": lambda cell: cell.language_ok and bool(cell.reasoning or cell.answer),
    "form": lambda cell: cell.form,
}


@dataclass(frozen=True)
class Rate:
    """How many of how many, and between which shares the true one is by 95 %."""

    hits: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.hits / self.total


@dataclass(frozen=True)
class Summary:
    """What a model did by a recipe; a rate is None where no reply counts for it. `chrf` is a mean, from 0 to 100.

    `confusion` is LCPR of the Language Confusion Benchmark, from 0 to 1: how often answers keep to their language.
    """

    model: str
    recipe: str
    replies: int
    score: Rate | None
    script: Rate | None
    form: Rate | None
    by_category: dict[str, Rate]
    tokens_per_second: float | None
    median_tokens: float
    chrf: float | None
    confusion: float | None


@dataclass(frozen=True)
class Difference:
    """How a model by a recipe differs from another, or from itself by another recipe, in the share of a measure.

    `fixed` and `broken` count the probes that moved up and down; `low` and `high` bound the difference by 95 %.
    """

    measure: Measure
    model: str
    recipe: str
    against_model: str
    against_recipe: str
    probes: int
    difference: float
    low: float
    high: float
    fixed: int
    broken: int
    opinion: Opinion


@dataclass(frozen=True)
class Move:
    """How probes moved from one model to another: the mean, its 95 % bounds, how many went up and down, and what that
    says."""

    probes: int
    mean: float
    low: float
    high: float
    up: int
    down: int
    opinion: Opinion


def summarize(evaluation: Evaluation) -> list[Summary]:
    """A summary for each model and recipe that has replies, in the order asked."""
    groups = _groups(evaluation.cells)
    order = [(model.label, recipe) for model in evaluation.models for recipe in evaluation.recipes]
    return [_summarize(model, recipe, groups[model, recipe]) for model, recipe in order if (model, recipe) in groups]


def compare(evaluation: Evaluation) -> list[Difference]:
    """Each model with the first one by the same recipe, and each recipe with the first one of the same model."""
    groups, families = _groups(evaluation.cells), families_of(evaluation)
    labels, recipes = [model.label for model in evaluation.models], evaluation.recipes
    pairs = [((label, recipe), (labels[0], recipe)) for label in labels[1:] for recipe in recipes]
    pairs += [((label, recipe), (label, recipes[0])) for label in labels for recipe in recipes[1:]]
    return [
        difference
        for one, other in pairs
        for measure in MEASURES
        if (difference := _compare(measure, one, other, groups, families)) is not None
    ]


def rate(outcomes: Iterable[tuple[str, bool]]) -> Rate | None:
    """The rate of outcomes, each with the probe that it is of; None where there are none."""
    by_probe: defaultdict[str, list[bool]] = defaultdict(list)
    for probe, outcome in outcomes:
        by_probe[probe].append(outcome)
    flat = [outcome for several in by_probe.values() for outcome in several]
    if not flat:
        return None
    if all(len(several) == 1 for several in by_probe.values()):
        low, high = wilson(sum(flat), len(flat))
    else:
        low, high = bootstrap([[fmean(several)] for several in by_probe.values()])
    return Rate(sum(flat), len(flat), low, high)


def weigh(before: Mapping[str, float], after: Mapping[str, float], families: Mapping[str, str]) -> Move | None:
    """What the moves of the probes say that both have, by how much each went up or down; None where they share none.

    Probes of one family (`families_of`) ask for one fact and move together, so that they count as one: the bootstrap
    draws families, and so the sign test counts.
    """
    moves = {probe: after[probe] - before[probe] for probe in before if probe in after}
    if not moves:
        return None
    together: defaultdict[str, list[float]] = defaultdict(list)
    for probe, move in moves.items():
        together[families.get(probe, probe)].append(move)
    low, high = bootstrap(list(together.values()))
    sums = [sum(of_family) for of_family in together.values()]
    rises, falls = sum(one > 0 for one in sums), sum(one < 0 for one in sums)
    opinion: Opinion = "cannot tell"
    if sign_test(rises, falls) < CHANCE and ((low > 0 and rises > falls) or (high < 0 and falls > rises)):
        opinion = "better" if low > 0 else "worse"
    up, down = sum(move > 0 for move in moves.values()), sum(move < 0 for move in moves.values())
    return Move(len(moves), fmean(moves.values()), low, high, up, down, opinion)


def families_of(evaluation: Evaluation) -> dict[str, str]:
    """The family of each probe that names one: the fact that it asks for, as others do."""
    return {name: str(probe["family"]) for name, probe in evaluation.probes.items() if probe.get("family")}


def wilson(hits: int, total: int) -> tuple[float, float]:
    """The interval of a share. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927."""
    share, weight = hits / total, _Z * _Z / total
    middle = (share + weight / 2) / (1 + weight)
    half = _Z / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return max(0.0, min(middle - half, share)), min(
        1.0, max(middle + half, share)
    )  # rounding aside, it holds the share


def bootstrap(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The interval of the mean of values, from means of samples of their groups; the same values give the same one."""
    random = np.random.default_rng(0)
    sums, sizes = (np.asarray(list(map(of, groups)), dtype=np.float64) for of in (sum, len))
    means: list[float] = []
    while len(means) < _RESAMPLES:
        rows = min(_RESAMPLES - len(means), max(1, _AT_ONCE // len(groups)))
        drawn = random.integers(0, len(groups), (rows, len(groups)))
        means += (sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)).tolist()
    low, high = np.quantile(means, [CHANCE / 2, 1 - CHANCE / 2])
    return float(low), float(high)


def sign_test(up: int, down: int) -> float:
    """How likely so uneven a split of ups and downs is, or a more uneven one, where both are as likely."""
    total, fewer = up + down, min(up, down)
    even: float = 2 * sum(math.comb(total, count) for count in range(fewer + 1)) / 2**total
    return min(1.0, even)


def _groups(cells: Iterable[Cell]) -> dict[tuple[str, str], list[Cell]]:
    groups: defaultdict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.model, cell.recipe].append(cell)
    return dict(groups)


def _outcomes(measure: Measure, cells: Iterable[Cell]) -> Iterator[tuple[str, bool]]:
    for cell in cells:
        outcome = MEASURES[measure](cell)
        if outcome is not None:
            yield cell.probe, outcome


def _summarize(model: str, recipe: str, cells: Sequence[Cell]) -> Summary:
    by_category: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_category[cell.category].append(cell)
    rates = {category: rate(_outcomes("score", group)) for category, group in by_category.items()}
    timed = [cell for cell in cells if cell.unit == "tokens" and cell.seconds > 0]
    seconds = sum(cell.seconds for cell in timed)
    confusion = ConfusionRates()
    for cell in cells:
        if cell.confusion is not None:
            confusion.count(cell.confusion, cell.language)
    likenesses = [cell.chrf for cell in cells if cell.chrf is not None]
    return Summary(
        model,
        recipe,
        len(cells),
        rate(_outcomes("score", cells)),
        rate(_outcomes("script", cells)),
        rate(_outcomes("form", cells)),
        {category: found for category, found in rates.items() if found is not None},
        sum(cell.tokens for cell in timed) / seconds if seconds else None,
        median(cell.tokens for cell in cells),
        fmean(likenesses) if likenesses else None,
        confusion.pass_rate,
    )


def _compare(
    measure: Measure,
    one: tuple[str, str],
    other: tuple[str, str],
    groups: Mapping[tuple[str, str], Sequence[Cell]],
    families: Mapping[str, str],
) -> Difference | None:
    mine, theirs = (_means(_outcomes(measure, groups.get(key, ()))) for key in (one, other))
    move = weigh(theirs, mine, families)
    if move is None:
        return None
    bounds = move.low, move.high
    return Difference(measure, *one, *other, move.probes, move.mean, *bounds, move.up, move.down, move.opinion)


def _means(outcomes: Iterable[tuple[str, bool]]) -> dict[str, float]:
    by_probe: defaultdict[str, list[bool]] = defaultdict(list)
    for probe, outcome in outcomes:
        by_probe[probe].append(outcome)
    return {probe: fmean(several) for probe, several in by_probe.items()}
