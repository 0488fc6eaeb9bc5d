"""The scores of an evaluation on the screen: rates with their intervals, and what can be told of the differences."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from curation.script.confusion import INSTALL, is_installed
from phi2chat.evaluation.intervals import LEAST_GROUPS
from phi2chat.evaluation.results import Evaluation
from phi2chat.evaluation.scores import LIKENESSES, Difference, Mean, Rate, Summary, compare, perplexity, summarize
from phi2chat.evaluation.seen import chosen_sentence, seen_sentence

if TYPE_CHECKING:
    from phi2chat.terminal.screen import Screen

Table = tuple[list[str], list[list[str]]]  # columns and rows

NAMES = {"score": "right", "script": "script", "form": "form"}
LEGEND = (
    "in brackets: where the true share is by 95 %, then of how many; script: something, and nothing in a wrong one;"
    " form: reasoning, then an answer, then the end"
)
PACE_LEGEND = "tokens: of a reply, in the median; ppl: perplexity"
CONFUSION_LEGEND = (
    "LPR: answers whose lines are all in their language; WPR: of these, without an English word; LCPR: harmonic mean"
)
DIFFERENCE_LEGEND = (
    f"in brackets: where the true difference is by 95 %, not known of fewer than {LEAST_GROUPS} families;"
    " up and down: probes"
)
DIFFERENCE_COLUMNS = ("who", "against", "in", "points", "probes", "")
_WIDE = 72  # cells that the tables of many columns take at least
_CELL = 14  # of a category: 100 % (172/172), or chrF 100.0 (92)


def show_scores(evaluation: Evaluation, screen: "Screen") -> None:
    """The tables of models and recipes, of likeness and of categories, and a line for each difference."""
    summaries = summarize(evaluation)
    if not summaries:
        screen.say("no reply has come yet", "warning")
        return
    _show(*totals_table(summaries), screen)
    _show(*pace_table(summaries, evaluation), screen)
    likeness = likeness_table(summaries)
    if likeness[1]:
        _show(*likeness, screen)
    if (confusion := confusion_table(summaries))[1]:
        _show(*confusion, screen)
    for categories in category_tables(summaries, screen.out.width):
        screen.table(*categories)
    screen.note(LEGEND)
    screen.note(PACE_LEGEND)
    if confusion[1]:
        screen.note(CONFUSION_LEGEND)
    if hint := confusion_hint(evaluation):
        screen.note(hint)
    if any(found.low is None for one in summaries for found in one.likeness.values()):
        screen.note(
            f"a mean without brackets is of fewer than {LEAST_GROUPS} families: too few to tell where the true one is"
        )
    if differences := compare(evaluation):
        _show_differences([difference_row(one, has_several_recipes(summaries)) for one in differences], screen)
    for sentence in seen_sentences(evaluation):
        screen.say(sentence, "warning")


def _show(columns: Sequence[str], rows: Sequence[Sequence[str]], screen: "Screen") -> None:
    """A table, or a block for each row where columns would be a few characters wide."""
    if screen.out.width >= _WIDE:
        screen.table(columns, rows, may_turn=True)
        return
    for row in rows:
        screen.say(f"{columns[0]}: {row[0]}", "heading")
        for name, value in zip(columns[1:], row[1:], strict=True):
            if value:
                screen.say(f"  {name} {value}".replace("\n", " ") if name else f"  {value}")


def _show_differences(rows: Sequence[Sequence[str]], screen: "Screen") -> None:
    """Who is compared with whom, and below it a line for each measure: no table of so many columns fits 80 cells."""
    for (who, against), of_them in groupby(rows, key=lambda row: row[:2]):
        screen.say(f"{who} against {against}", "heading")
        for *_, measure, points, moved, opinion in of_them:
            screen.say(f"  {measure:6}  {opinion:11}  {points} points, {moved}")
    screen.note(DIFFERENCE_LEGEND)


def seen_sentences(evaluation: Evaluation) -> list[str]:
    """A sentence for each model that was trained on questions that it is asked, or chosen by some of them."""
    asked = len(evaluation.probes)
    told = (
        (seen_sentence(row.label, row.seen), chosen_sentence(row.label, row.chosen_by, asked))
        for row in evaluation.models
    )
    return [sentence for both in told for sentence in both if sentence]


def has_several_recipes(summaries: Sequence[Summary]) -> bool:
    """Whether models were asked by more than one recipe; a column that says the same throughout says nothing."""
    return len({one.recipe for one in summaries}) > 1


def totals_table(summaries: Sequence[Summary]) -> Table:
    """A row for each model and recipe: how many replies are right, in the right script, and whole."""
    rows = [[one.model, one.recipe, *map(spell_rate, (one.score, one.script, one.form))] for one in summaries]
    return _without_empty(["model", "recipe", *NAMES.values()], rows, summaries)


def pace_table(summaries: Sequence[Summary], evaluation: Evaluation) -> Table:
    """The same rows: how fast and how long the replies are, and the eval loss."""
    losses = {row.label: row.eval_loss for row in evaluation.models}
    columns = ["model", "recipe", "tokens/s", "tokens", "eval loss", "ppl"]
    rows = [
        [
            one.model,
            one.recipe,
            "" if one.tokens_per_second is None else f"{one.tokens_per_second:,.1f}",
            f"{one.median_tokens:g}",
            *(("", "") if (loss := losses[one.model]) is None else (f"{loss:.3f}", spell_perplexity(loss))),
        ]
        for one in summaries
    ]
    return _without_empty(columns, rows, summaries)


def likeness_table(summaries: Sequence[Summary]) -> Table:
    """How alike replies are to good answers, where those are given, without what is empty."""
    names = [name for name in LIKENESSES if any(name in one.likeness for one in summaries)]
    rows = [
        [one.model, one.recipe, str(max(found.replies for found in one.likeness.values()))]
        + [spell_mean(one.likeness.get(name)) for name in names]
        for one in summaries
        if one.likeness
    ]
    return _without_empty(["likeness to good answers", "recipe", "replies", *names], rows, summaries)


def confusion_table(summaries: Sequence[Summary]) -> Table:
    """The rates of the Language Confusion Benchmark, of models and recipes that it judged a reply of."""
    rows = [
        [
            one.model,
            one.recipe,
            spell_rate(one.line_pass),
            spell_rate(one.word_pass),
            "" if one.confusion is None else f"{100 * one.confusion:.0f} %",
        ]
        for one in summaries
        if one.line_pass
    ]
    return _without_empty(["language confusion", "recipe", "LPR", "WPR", "LCPR"], rows, summaries)


def confusion_hint(evaluation: Evaluation) -> str:
    """How to get these rates where their packages are missing, in a sentence."""
    if is_installed() or any(cell.confusion for cell in evaluation.cells):
        return ""
    return f"for LPR, WPR and LCPR of the Language Confusion Benchmark: {INSTALL}, then evaluate again"


def _without_empty(columns: Sequence[str], rows: Sequence[Sequence[str]], summaries: Sequence[Summary]) -> Table:
    """Without columns that are empty throughout, and without that of the recipe where there is one."""
    one_recipe = not has_several_recipes(summaries)
    kept = [
        place
        for place, name in enumerate(columns)
        if any(row[place] for row in rows) and not (name == "recipe" and one_recipe)
    ]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


def category_tables(summaries: Sequence[Summary], width: int) -> list[Table]:
    """A row for each category, a column for each model and recipe; several tables where one would be wider.

    None where all probes are of one category.
    """
    from rich.cells import cell_len

    names = categories_of(summaries)
    if len(names) < 2:
        return []
    is_by_several = has_several_recipes(summaries)
    room = width - max(map(cell_len, ("by category", *names))) - 4
    abreast = max(room // (_CELL + 3), 1)

    def head(one: Summary) -> str:
        label = f"{one.model}, {one.recipe}" if is_by_several else one.model
        return label if len(label) <= _CELL else re.sub(r"(?<![:/])/(?!/)", "/\n", label)

    return [
        (
            ["by category", *map(head, together)],
            [[name, *(spell_category(one, name) for one in together)] for name in names],
        )
        for together in (summaries[place : place + abreast] for place in range(0, len(summaries), abreast))
    ]


def categories_of(summaries: Sequence[Summary]) -> list[str]:
    """The categories in which something is judged or measured."""
    return list(dict.fromkeys(name for one in summaries for name in (*one.by_category, *one.likeness_by_category)))


def spell_category(one: Summary, category: str) -> str:
    """How many are right, and how alike the others are to good answers, by the first measure that there is."""
    parts = [spell_rate(one.by_category.get(category), brief=True)]
    if found := one.likeness_by_category.get(category):
        name, likeness = next(iter(found.items()))
        parts.append(f"{name} {likeness.value:.1f} ({likeness.replies})")
    return "\n".join(filter(None, parts))


def spell_mean(mean: Mean | None) -> str:
    """A mean of 0 to 100 and its interval."""
    if mean is None:
        return ""
    bounds = "" if mean.low is None or mean.high is None else f" [{mean.low:.0f}-{mean.high:.0f}]"
    return f"{mean.value:.1f}{bounds}"


def spell_points(mean: float, low: float | None, high: float | None) -> str:
    """A difference of shares in points of a hundred, with its interval where there is one."""
    return f"{round(100 * mean):+} {bounds_of(low, high)}"  # never -0


def bounds_of(low: float | None, high: float | None) -> str:
    """The interval of a difference of shares, in points of a hundred."""
    return "[no interval]" if low is None or high is None else f"[{round(100 * low):+} to {round(100 * high):+}]"


def spell_perplexity(loss: float) -> str:
    """The perplexity of a loss in nats per token, in figures."""
    found = perplexity(loss)
    return "huge" if found is None else f"{found:,.2f}"


def spell_rate(rate: Rate | None, brief: bool = False) -> str:
    """A rate in per cent with its interval, and on a line of its own of how many; or `brief`, without an interval."""
    if rate is None:
        return ""
    if brief:
        return f"{100 * rate.share:.0f} % ({rate.hits}/{rate.total})"
    return f"{100 * rate.share:.0f} % [{100 * rate.low:.0f}-{100 * rate.high:.0f}]\n{rate.hits:,} of {rate.total:,}"


def difference_row(one: Difference, is_by_several: bool) -> list[str]:
    """Who differs from whom in what, by how much, how many probes moved, and whether that can be told from chance.

    The recipe is named where several were asked by.
    """
    same_recipe = one.recipe == one.against_recipe
    against = one.against_model if same_recipe else f"recipe {one.against_recipe}"
    moved = f"{one.fixed:,} up, {one.broken:,} down of {one.probes:,}"
    who = f"{one.model}, {one.recipe}" if is_by_several else one.model
    return [who, against, NAMES[one.measure], spell_points(one.difference, one.low, one.high), moved, one.opinion]
