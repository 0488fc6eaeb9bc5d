"""The tables of report.html: what can be told, the scores with their bars, by category, and likeness."""

from collections.abc import Iterable, Iterator, Sequence
from xml.etree.ElementTree import Element

from phi2chat.evaluation.page import element, visible
from phi2chat.evaluation.results import Evaluation
from phi2chat.evaluation.score_table import (
    CONFUSION_LEGEND,
    DIFFERENCE_COLUMNS,
    categories_of,
    confusion_hint,
    confusion_table,
    difference_row,
    has_several_recipes,
    likeness_table,
    seen_sentences,
    spell_category,
    spell_perplexity,
)
from phi2chat.evaluation.scores import Rate, Summary, compare, summarize
from phi2chat.terminal.safe_text import safe

TELLING_LEGEND = (
    "Points of a hundred, in brackets where the true difference is by 95 %, if ten families or more were asked; then "
    "how many probes moved up and down. "
    "Cannot tell: chance alone could have moved as many."
)
LEGEND = (
    "Script: something is said, and nothing in a wrong one. Form: reasoning, then an answer, then"
    " the end. The bar is the share, and the line in it where the true one is by 95 %."
)
LIKENESS_LEGEND = (
    "From 0 to 100, of translations and of answers that are neither right nor wrong; in brackets where the true mean is"
    " by 95 %, if ten families or more were asked. BLEU is of single answers, by characters in Japanese and Chinese."
)


def figures(evaluation: Evaluation) -> Iterator[Element]:
    """The tables, each with its heading: what can be told first, then what it is made of."""
    for sentence in seen_sentences(evaluation):
        yield element("p", *visible(sentence), classes="warning")
    if summaries := summarize(evaluation):
        yield from _differences(evaluation, has_several_recipes(summaries))
        yield from _scores(evaluation, summaries)
        yield from _categories(evaluation, summaries)
        yield from _likeness(summaries)
        yield from _confusion(evaluation, summaries)


def _differences(evaluation: Evaluation, is_by_several: bool) -> Iterator[Element]:
    if differences := compare(evaluation):
        yield element("h2", "What can be told")
        rows = []
        for difference in differences:
            *texts, opinion = difference_row(difference, is_by_several)
            badge = element("span", opinion, classes=f"badge {opinion.replace(' ', '-')}")
            figures = [element("td", text, classes="figure") for text in texts[-2:]]
            rows.append([element("td", badge), *(element("td", *visible(text)) for text in texts[:-2]), *figures])
        yield table(["", *DIFFERENCE_COLUMNS[:-1]], rows)
        yield element("p", TELLING_LEGEND, classes="soft")


def _scores(evaluation: Evaluation, summaries: Sequence[Summary]) -> Iterator[Element]:
    losses = {row.label: row.eval_loss for row in evaluation.models}
    rates = ("right", "script", "form")
    numbers: dict[str, list[str]] = {
        "tokens/s": [_spell(one.tokens_per_second, 1) for one in summaries],
        "median tokens": [f"{one.median_tokens:g}" for one in summaries],
        "eval loss": [_spell(losses[one.model], 3) for one in summaries],
        "perplexity": ["" if (loss := losses[one.model]) is None else spell_perplexity(loss) for one in summaries],
    }
    numbers = {name: column for name, column in numbers.items() if any(column)}
    recipe = ["recipe"] * has_several_recipes(summaries)
    rows = []
    for place, one in enumerate(summaries):
        first = [element("th", *visible(one.model), scope="row"), *(element("td", one.recipe) for _ in recipe)]
        last = [element("td", column[place], classes="number") for column in numbers.values()]
        rows.append([*first, *map(_rate, (one.score, one.script, one.form)), *last])
    yield element("h2", "Scores")
    yield table(["model", *recipe, *rates, *numbers], rows, first_number=4 + len(recipe))
    yield element("p", LEGEND, classes="soft")


def _categories(evaluation: Evaluation, summaries: Sequence[Summary]) -> Iterator[Element]:
    categories = categories_of(summaries)
    if len(categories) > 1:
        yield element("h2", "By category")
        rows = [
            [element("th", *visible(name), scope="row"), *(_category(one, name) for one in summaries)]
            for name in categories
        ]
        yield table(["category", *(_name(one.model, one.recipe, evaluation) for one in summaries)], rows)


def _likeness(summaries: Sequence[Summary]) -> Iterator[Element]:
    columns, likeness = likeness_table(summaries)
    if likeness:
        yield element("h2", "Likeness to good answers")
        yield _by_model(columns, likeness)
        yield element("p", LIKENESS_LEGEND, classes="soft")


def _confusion(evaluation: Evaluation, summaries: Sequence[Summary]) -> Iterator[Element]:
    columns, confusion = confusion_table(summaries)
    if confusion:
        yield element("h2", "Language Confusion Benchmark")
        yield _by_model(columns, confusion)
        yield element("p", f"{CONFUSION_LEGEND}.", classes="soft")
    elif hint := confusion_hint(evaluation):
        yield element("p", f"{hint}.", classes="soft")


def _by_model(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Element:
    first = 1 + ("recipe" in columns)  # of the figures
    cells = [
        [element("th", *visible(name), scope="row")]
        + [element("td", text, classes="number" if place >= first else "") for place, text in enumerate(rest, 1)]
        for name, *rest in rows
    ]
    return table(["model", *columns[1:]], cells, first_number=first)


def table(columns: Sequence[str], rows: Iterable[Sequence[Element]], first_number: int = 1000) -> Element:
    """A table of cells that are made; columns from `first_number` on are of numbers."""
    heads = [
        element("th", *visible(name), scope="col", classes="number" if place >= first_number else "")
        for place, name in enumerate(columns)
    ]
    made = [list(row) for row in rows]
    for row in made:
        for name, cell in zip(columns, row, strict=True):
            cell.set("data-label", safe(name))  # where a phone has no room for columns, each cell says what it is
    body = element("tbody", *(element("tr", *row) for row in made))
    return element("div", element("table", element("thead", element("tr", *heads)), body), classes="scroll")


def _rate(rate: Rate | None) -> Element:
    if rate is None:
        return element("td", "–", classes="soft")

    def bar(kind: str, start: float, end: float, height: int) -> Element:
        place = {"x": f"{100 * start:.2f}", "width": f"{100 * max(end - start, 0.002):.2f}"}
        return element("rect", y=str(5 - height / 2), height=str(height), classes=kind, **place)

    bars = [bar("track", 0, 1, 8), bar("bar", 0, rate.share, 8), bar("whisker", rate.low, rate.high, 2)]
    drawn = element("svg", *bars, viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")
    bounds = f" [{100 * rate.low:.0f}–{100 * rate.high:.0f}] {rate.hits}/{rate.total}"
    return element("td", f"{100 * rate.share:.0f} %", element("small", bounds), drawn, classes="rate")


def _category(one: Summary, category: str) -> Element:
    if one.by_category.get(category) is None and category in one.likeness_by_category:
        return element("td", spell_category(one, category), classes="figure")
    return _rate(one.by_category.get(category))


def _spell(number: float | None, digits: int) -> str:
    return "" if number is None else f"{number:,.{digits}f}"


def _name(model: str, recipe: str, evaluation: Evaluation) -> str:
    return f"{model}, {recipe}" if len(evaluation.recipes) > 1 else model
