"""The scores of an evaluation on the screen: rates with their intervals, and what can be told of the differences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from phi2chat.evaluation.results import Evaluation
from phi2chat.evaluation.scores import LIKENESSES, Difference, Mean, Rate, Summary, compare, perplexity, summarize

if TYPE_CHECKING:
    from phi2chat.terminal.screen import Screen

NAMES = {"score": "right", "script": "script", "form": "form"}
LEGEND = (
    "script: something, and nothing in a wrong one; form: reasoning, then an answer, then the end; in"
    " brackets: where the true share is by 95 %; tokens: of a reply, in the median; ppl: perplexity"
)
_WIDE = 72  # cells that the tables of many columns take at least
DIFFERENCE_COLUMNS = ("", "against", "in", "points", "up, down", "")


def show_scores(evaluation: Evaluation, screen: "Screen") -> None:
    """The table of models and recipes, those of likeness and of categories, and a sentence for each difference."""
    summaries = summarize(evaluation)
    if not summaries:
        screen.say("no reply has come yet", "warning")
        return
    _show(*totals_table(summaries, evaluation), screen)
    likeness = likeness_table(summaries)
    if likeness[1]:
        _show(*likeness, screen)
    categories = category_table(summaries)
    if len(categories[1]) > 1:
        screen.table(*categories)
    screen.note(LEGEND)
    if differences := compare(evaluation):
        _show(DIFFERENCE_COLUMNS, [difference_row(one) for one in differences], screen)


def _show(columns: Sequence[str], rows: Sequence[Sequence[str]], screen: "Screen") -> None:
    """A table, or a line for each row where columns would be a few characters wide."""
    if screen.out.width >= _WIDE:
        screen.table(columns, rows, may_turn=True)
        return
    for row in rows:
        cells = (f"{name} {value}".strip() for name, value in zip(columns, row, strict=True) if value)
        screen.say("; ".join(" ".join(cell.split()) for cell in cells))


def totals_table(summaries: Sequence[Summary], evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: a row for each model and recipe, columns that are empty throughout left out."""
    losses = {row.label: row.eval_loss for row in evaluation.models}
    columns = ["model", "recipe", "right", "script", "form", "tok/s", "tokens", "LCPR", "eval loss"]
    rows = [
        [
            one.model,
            one.recipe,
            spell_rate(one.score),
            spell_rate(one.script),
            spell_rate(one.form),
            "" if one.tokens_per_second is None else f"{one.tokens_per_second:,.1f}",
            f"{one.median_tokens:g}",
            "" if one.confusion is None else f"{100 * one.confusion:.0f} %",
            "" if (loss := losses[one.model]) is None else f"{loss:.3f}\nppl {spell_perplexity(loss)}",
        ]
        for one in summaries
    ]
    kept = [place for place, _ in enumerate(columns) if any(row[place] for row in rows)]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


def likeness_table(summaries: Sequence[Summary]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: how alike replies are to good answers, where those are given, without what is empty."""
    names = [name for name in LIKENESSES if any(name in one.likeness for one in summaries)]
    rows = [
        [one.model, one.recipe, str(max(found.replies for found in one.likeness.values()))]
        + [spell_mean(one.likeness.get(name)) for name in names]
        for one in summaries
        if one.likeness
    ]
    return ["likeness to good answers", "recipe", "replies", *names], rows


def category_table(summaries: Sequence[Summary]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: a row for each category, a column for each model and recipe; likeness where none is judged."""
    several = len({one.recipe for one in summaries}) > 1
    rows = [[name, *(spell_category(one, name) for one in summaries)] for name in categories_of(summaries)]
    return ["by category", *(f"{one.model}, {one.recipe}" if several else one.model for one in summaries)], rows


def categories_of(summaries: Sequence[Summary]) -> list[str]:
    """The categories in which something is judged or measured."""
    return list(dict.fromkeys(name for one in summaries for name in (*one.by_category, *one.likeness_by_category)))


def spell_category(one: Summary, category: str) -> str:
    """How many are right, and how alike the others are to good answers, by the first measure that there is."""
    parts = [spell_rate(one.by_category.get(category), brief=True)]
    if found := one.likeness_by_category.get(category):
        name, likeness = next(iter(found.items()))
        parts.append(f"{name} {likeness.value:.1f} ({likeness.replies})")
    return ", ".join(filter(None, parts))


def spell_mean(mean: Mean | None) -> str:
    """A mean of 0 to 100 and its interval."""
    return "" if mean is None else f"{mean.value:.1f} [{mean.low:.0f}-{mean.high:.0f}]"


def spell_perplexity(loss: float) -> str:
    """The perplexity of a loss in nats per token, in figures."""
    found = perplexity(loss)
    return "huge" if found is None else f"{found:,.2f}"


def spell_rate(rate: Rate | None, brief: bool = False) -> str:
    """A rate in per cent, how many of how many it is, and on a line of its own its interval unless `brief`."""
    if rate is None:
        return ""
    interval = "" if brief else f"\n[{100 * rate.low:.0f}-{100 * rate.high:.0f}]"
    return f"{100 * rate.share:.0f} % ({rate.hits}/{rate.total}){interval}"


def difference_row(one: Difference) -> list[str]:
    """Who differs from whom in what, by how much, how many probes moved, and whether that can be told from chance."""
    points = f"{100 * one.difference:+.0f} [{100 * one.low:+.0f} to {100 * one.high:+.0f}]"
    same_recipe = one.recipe == one.against_recipe
    against = one.against_model if same_recipe else f"recipe {one.against_recipe}"
    moved = f"{one.fixed}, {one.broken} of {one.probes}"
    return [f"{one.model}, {one.recipe}", against, NAMES[one.measure], points, moved, one.opinion]
