"""The figures of an evaluation: rates with their 95 % intervals, and what differs by more than chance.

A rate of replies that have nothing to do with each other has Wilson's interval (1927). Probes of one family, and
several replies to one probe, are alike, so that the interval is then that of a bootstrap over families. Of fewer than
ten families a bootstrap is too sure: a rate then has Wilson's interval of as many replies, and a mean has none, and a
difference is told by the sign test alone. Two models are
compared by the same probes: the mean of the differences, with a bootstrap interval over families of probes. It is a
difference where that interval does not hold 0 and the sign test agrees, for of a handful of probes that moved a
bootstrap makes too much; else nothing can be told.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from types import MappingProxyType
from typing import Literal, TypeVar

from curation.script.confusion import ConfusionRates
from phi2chat.evaluation.intervals import CHANCE, LEAST_GROUPS, bootstrap, bootstrap_seeds, sign_test, wilson
from phi2chat.evaluation.results import Cell, Evaluation

Measure = Literal["score", "script", "form"]
Likeness = Literal["chrF", "BLEU", "char F1"]
Opinion = Literal["better", "worse", "cannot tell"]

Number = TypeVar("Number", bool, float)

_DIGITS = 9  # of a share, that are more than rounding
_HIGHEST_LOSS = 20.0  # nats per token; the exponential of more is no number to read

MEASURES: Mapping[Measure, Callable[[Cell], bool | None]] = {
    "score": lambda cell: None if cell.verdict == "unjudged" else cell.verdict == "right",
    # One that says nothing is in no script: else a model that ends at once would be the best.
    "script": lambda cell: cell.language_ok and bool(cell.reasoning or cell.answer),
    "form": lambda cell: cell.form,
}
LIKENESSES: Mapping[Likeness, Callable[[Cell], float | None]] = {
    "chrF": lambda cell: cell.chrf,
    "BLEU": lambda cell: cell.bleu,
    "char F1": lambda cell: cell.char_f1,
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
class Mean:
    """The mean of how alike replies are to good answers, from 0 to 100, and where the true one is by 95 %.

    Both bounds are None where too few families were asked to tell.
    """

    value: float
    replies: int
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Summary:
    """What a model did by a recipe; a rate is None where no reply counts for it, and a mean is left out.

    `line_pass`, `word_pass` and `confusion` are LPR, WPR and LCPR of the Language Confusion Benchmark: how often the
    lines of an answer are in its language, and no word is English, and the harmonic mean of both, from 0 to 1.
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
    likeness: dict[Likeness, Mean]
    likeness_by_category: dict[str, dict[Likeness, Mean]]
    line_pass: Rate | None
    word_pass: Rate | None
    confusion: float | None


@dataclass(frozen=True)
class Difference:
    """How a model by a recipe differs from another, or from itself by another recipe, in the share of a measure.

    `fixed` and `broken` count the probes that moved up and down; `low` and `high` bound the difference by 95 %, and are
    None where too few families were asked to tell.
    """

    measure: Measure
    model: str
    recipe: str
    against_model: str
    against_recipe: str
    probes: int
    difference: float
    low: float | None
    high: float | None
    fixed: int
    broken: int
    opinion: Opinion


@dataclass(frozen=True)
class Move:
    """How probes moved from one model to another: the mean, its 95 % bounds, how many went up and down, and what that
    says. There are no bounds where too few families were asked."""

    probes: int
    mean: float
    low: float | None
    high: float | None
    up: int
    down: int
    opinion: Opinion


def summarize(evaluation: Evaluation) -> list[Summary]:
    """A summary for each model and recipe that has replies, in the order asked."""
    groups = _groups(evaluation.cells)
    order = [(model.label, recipe) for model in evaluation.models for recipe in evaluation.recipes]
    families = families_of(evaluation)
    return [_summarize(*key, groups[key], families) for key in order if key in groups]


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


def rate(outcomes: Iterable[tuple[str, bool]], families: Mapping[str, str] = MappingProxyType({})) -> Rate | None:
    """The rate of outcomes, each with the probe that it is of; None where there are none.

    Probes of one family, and the replies to one probe, are alike: where there are such, the bootstrap draws families.
    Of few it would be too sure: as if each were one reply, the interval is then rather too wide.
    """
    by_family = _by_family(outcomes, families)
    flat = [outcome for several in by_family for outcome in several]
    if not flat:
        return None
    if len(by_family) == len(flat):
        low, high = wilson(sum(flat), len(flat))
    elif all(flat) or not any(flat):  # of which a bootstrap would be sure, however few they are
        low, high = wilson(len(by_family) * all(flat), len(by_family))
    elif len(by_family) < LEAST_GROUPS:
        low, high = wilson(len(by_family) * sum(flat) / len(flat), len(by_family))
    else:
        low, high = bootstrap(by_family)
    return Rate(sum(flat), len(flat), low, high)


def mean(values: Iterable[tuple[str, float]], families: Mapping[str, str] = MappingProxyType({})) -> Mean | None:
    """The mean of values from 0 to 100, each with its probe, and its interval; None where there are none."""
    by_family = _by_family(values, families)
    if not by_family:
        return None
    flat = [value for several in by_family for value in several]
    bounds = bootstrap(by_family) if len(by_family) >= LEAST_GROUPS else (None, None)
    return Mean(fmean(flat), len(flat), *bounds)


def weigh(before: Mapping[str, float], after: Mapping[str, float], families: Mapping[str, str]) -> Move | None:
    """What the moves of the probes say that both have, by how much each went up or down; None where they share none.

    Probes of one family (`families_of`) ask for one fact and move together, so that they count as one: the bootstrap
    draws families, and so the sign test counts.
    """
    return weigh_seeds([before], [after], families)


def weigh_seeds(
    before: Sequence[Mapping[str, float]], after: Sequence[Mapping[str, float]], families: Mapping[str, str]
) -> Move | None:
    """The same of several trainings that differ in their seed; those at one place share it, and one goes with all.

    The bootstrap draws seeds as well as families, for another seed moves the probes, too. Of two or three seeds it
    still knows little: the interval is then rather too narrow than too wide.
    """
    count = max(len(before), len(after))
    pairs = [(before[place % len(before)], after[place % len(after)]) for place in range(count)]
    shared = [probe for probe in pairs[0][0] if all(probe in old and probe in new for old, new in pairs)]
    if not shared:
        return None
    together: defaultdict[str, list[str]] = defaultdict(list)
    for probe in shared:
        together[families.get(probe, probe)].append(probe)
    by_seed = [
        [[new[probe] - old[probe] for probe in of_family] for of_family in together.values()] for old, new in pairs
    ]
    # What goes up and down by as much has not moved, though sums of such fractions may not be 0 to the last bit.
    moves = [round(fmean(new[probe] - old[probe] for old, new in pairs), _DIGITS) for probe in shared]
    bounds: tuple[float, float] | None
    if len(together) < LEAST_GROUPS:
        bounds = None
    elif not any(moves):  # of which it would be sure, however few they are
        _, most = wilson(0, len(together))
        bounds = -most, most
    else:
        bounds = bootstrap_seeds(by_seed)
    low, high = (None, None) if bounds is None else (round(bound, _DIGITS) for bound in bounds)
    sums = [round(sum(map(sum, of_all)), _DIGITS) for of_all in zip(*by_seed, strict=True)]
    rises, falls = sum(one > 0 for one in sums), sum(one < 0 for one in sums)
    middle = fmean(moves)
    least, most = (middle, middle) if low is None or high is None else (low, high)
    opinion: Opinion = "cannot tell"
    if sign_test(rises, falls) < CHANCE and ((least > 0 and rises > falls) or (most < 0 and falls > rises)):
        opinion = "better" if least > 0 else "worse"
    return Move(
        len(moves), middle, low, high, sum(move > 0 for move in moves), sum(move < 0 for move in moves), opinion
    )


def perplexity(loss: float) -> float | None:
    """Of how many tokens alike a model had to choose each time, by its loss in nats per token; None above e^20."""
    return math.exp(loss) if loss < _HIGHEST_LOSS else None


def families_of(evaluation: Evaluation) -> dict[str, str]:
    """The family of each probe that names one: the fact that it asks for, as others do."""
    return {name: str(probe["family"]) for name, probe in evaluation.probes.items() if probe.get("family")}


def _groups(cells: Iterable[Cell]) -> dict[tuple[str, str], list[Cell]]:
    groups: defaultdict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.model, cell.recipe].append(cell)
    return dict(groups)


def _by_family(values: Iterable[tuple[str, Number]], families: Mapping[str, str]) -> list[list[Number]]:
    groups: defaultdict[tuple[str, str], list[Number]] = defaultdict(list)
    for probe, value in values:
        # A family may have the name of a probe that is in none.
        groups[("family", families[probe]) if probe in families else ("probe", probe)].append(value)
    return list(groups.values())


def _outcomes(measure: Measure, cells: Iterable[Cell]) -> Iterator[tuple[str, bool]]:
    for cell in cells:
        outcome = MEASURES[measure](cell)
        if outcome is not None:
            yield cell.probe, outcome


def _summarize(model: str, recipe: str, cells: Sequence[Cell], families: Mapping[str, str]) -> Summary:
    by_category: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_category[cell.category].append(cell)
    rates = {category: rate(_outcomes("score", group), families) for category, group in by_category.items()}
    timed = [cell for cell in cells if cell.unit == "tokens" and cell.seconds > 0]
    seconds = sum(cell.seconds for cell in timed)
    confusion = ConfusionRates()
    lines, words = list[tuple[str, bool]](), list[tuple[str, bool]]()
    for cell in cells:
        if cell.confusion is not None:
            one = ConfusionRates()
            for rates_so_far in (one, confusion):
                rates_so_far.count(cell.confusion, cell.language)
            lines += [(cell.probe, not one.line_errors)] * one.judged_by_line
            words += [(cell.probe, not one.word_errors)] * one.judged_by_word
    return Summary(
        model,
        recipe,
        len(cells),
        rate(_outcomes("score", cells), families),
        rate(_outcomes("script", cells), families),
        rate(_outcomes("form", cells), families),
        {category: found for category, found in rates.items() if found is not None},
        sum(cell.tokens for cell in timed) / seconds if seconds else None,
        median(cell.tokens for cell in cells),
        _likeness(cells, families),
        {category: found for category, group in by_category.items() if (found := _likeness(group, families))},
        rate(lines, families),
        rate(words, families),
        confusion.pass_rate,
    )


def _likeness(cells: Sequence[Cell], families: Mapping[str, str]) -> dict[Likeness, Mean]:
    found: dict[Likeness, Mean] = {}
    for name, of in LIKENESSES.items():
        given = mean([(cell.probe, value) for cell in cells if (value := of(cell)) is not None], families)
        if given is not None:
            found[name] = given
    return found


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
