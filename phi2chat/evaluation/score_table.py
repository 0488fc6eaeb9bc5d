"""The scores of an evaluation on the screen: rates with their intervals, and what can be told of the differences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from phi2chat.evaluation.results import Evaluation
from phi2chat.evaluation.scores import Difference, Rate, Summary, compare, summarize

if TYPE_CHECKING:
    from phi2chat.terminal.screen import Screen

NAMES = {"score": "right", "script": "script", "form": "form"}
LEGEND = (
    "script: something, and nothing in a wrong one; form: reasoning, then an answer, then the end; in"
    " brackets: where the true share is by 95 %; tokens: of a reply, in the median"
)
_WIDE = 72  # cells that the tables of many columns take at least
DIFFERENCE_COLUMNS = ("", "against", "in", "points", "up, down", "")


def show_scores(evaluation: Evaluation, screen: "Screen") -> None:
    """The table of models and recipes, that of categories, and a sentence for each difference."""
    summaries = summarize(evaluation)
    if not summaries:
        screen.say("no reply has come yet", "warning")
        return
    _show(*totals_table(summaries, evaluation), screen)
    categories = category_table(summaries)
    if len(categories[1]) > 1:
        screen.table(*categories)
    screen.note(LEGEND)
    if differences := compare(evaluation):
        _show(DIFFERENCE_COLUMNS, [difference_row(one) for one in differences], screen)


def _show(columns: Sequence[str], rows: Sequence[Sequence[str]], screen: "Screen") -> None:
    """A table, or a line for each row where columns would be a few characters wide."""
    if screen.out.width >= _WIDE:
        screen.table(columns, rows)
        return
    for row in rows:
        cells = (f"{name} {value}".strip() for name, value in zip(columns, row, strict=True) if value)
        screen.say("; ".join(" ".join(cell.split()) for cell in cells))


def totals_table(summaries: Sequence[Summary], evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: a row for each model and recipe, columns that are empty throughout left out."""
    losses = {row.label: row.eval_loss for row in evaluation.models}
    columns = ["model", "recipe", "right", "script", "form", "tok/s", "tokens", "chrF", "LCPR", "eval loss"]
    rows = [
        [
            one.model,
            one.recipe,
            spell_rate(one.score),
            spell_rate(one.script),
            spell_rate(one.form),
            "" if one.tokens_per_second is None else f"{one.tokens_per_second:,.1f}",
            f"{one.median_tokens:g}",
            "" if one.chrf is None else f"{one.chrf:.1f}",
            "" if one.confusion is None else f"{100 * one.confusion:.0f} %",
            "" if (loss := losses[one.model]) is None else f"{loss:.3f}",
        ]
        for one in summaries
    ]
    kept = [place for place, _ in enumerate(columns) if any(row[place] for row in rows)]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


def category_table(summaries: Sequence[Summary]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: a row for each category that is judged, a column for each model and recipe."""
    several = len({one.recipe for one in summaries}) > 1
    names = dict.fromkeys(category for one in summaries for category in one.by_category)
    rows = [[name, *(spell_rate(one.by_category.get(name), brief=True) for one in summaries)] for name in names]
    return ["right, by category", *(f"{one.model}, {one.recipe}" if several else one.model for one in summaries)], rows


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
