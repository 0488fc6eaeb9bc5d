"""report.html: an evaluation on one page that can be opened anywhere. It loads nothing, and no text can become markup.

Its policy lets no script run but ours.
"""

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from curation.atomic import write_atomically
from curation.judging import describe_expectation
from curation.records import Record
from phi2chat.evaluation.asking import NO_CATEGORY, NOT_ASKED
from phi2chat.evaluation.page import element, marked, source_of, to_html, visible
from phi2chat.evaluation.results import REPORT_FILE, Cell, Evaluation
from phi2chat.evaluation.score_table import DIFFERENCE_COLUMNS, difference_row
from phi2chat.evaluation.scores import Rate, compare, summarize
from phi2chat.inference.recipes import StopReason
from phi2chat.terminal.safe_text import safe

SHOWN_DIGITS = 12  # of a SHA-256
LEGEND = (
    "Script: something is said, and nothing in a wrong one. Form: reasoning, then an answer, then"
    " the end. The bar is the share, and the line in it where the true one is by 95 %."
)


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Write the page of an evaluation into its folder; its path."""
    path = folder / REPORT_FILE
    write_atomically(path, render_report(evaluation).encode("utf-8", "replace"))
    return path


def render_report(evaluation: Evaluation) -> str:
    """The page as HTML."""
    style, script = (
        files("phi2chat.evaluation").joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "report.js")
    )
    policy = f"default-src 'none'; style-src {source_of(style)}; script-src {source_of(script)}; base-uri 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("title", f"Evaluation of {safe(evaluation.made)}"),
        element("style", style),
    )
    body = element("body", *_header(evaluation), *_figures(evaluation), *_probes(evaluation), element("script", script))
    page = element("html", head, body, lang="en")
    return to_html(page)


# -- above the probes --------------------------------------------------------------------------------------------------


def _header(evaluation: Evaluation) -> Iterator[Element]:
    yield element("h1", "Did it get better?")
    cells, wanted = len(evaluation.cells), evaluation.wanted
    state = f"{cells:,} replies" if cells == wanted else f"{cells:,} of {wanted:,} replies: it was cut short"
    settings = evaluation.settings
    way = f"recipes {', '.join(evaluation.recipes)}"
    way += f" with an equal budget of {settings.get('max_new_tokens')} tokens" if settings.get("equal_budget") else ""
    heat = settings.get("temperature", 0)
    way += f"; temperature {heat:g}, seed {settings.get('seed')}" if heat else "; greedy"
    way += f"; {evaluation.samples} samples" if evaluation.samples > 1 else ""
    facts = [("Made", f"{evaluation.made}, {state}"), ("Asked", way)]
    facts += [
        ("Probes", f"{one.path} ({one.probes}, SHA-256 {one.sha256[:SHOWN_DIGITS]}…)") for one in evaluation.probe_files
    ]
    for row in evaluation.models:
        digest = f" (SHA-256 {row.adapter_sha256[:SHOWN_DIGITS]}…, on {row.base})" if row.adapter_sha256 else ""
        where = next((name for name in (row.adapter, row.base) if name and name != row.label), "")
        named = f"{row.label}: {where}" if where else row.label
        facts.append((row.kind.capitalize(), f"{named}{digest}"))
    versions = ", ".join(f"{name} {number}" for name, number in evaluation.versions.items())
    facts.append(("With", ", ".join(filter(None, [evaluation.device, versions]))))
    pairs = [element(tag, *visible(text)) for name, text in facts for tag, text in (("dt", name), ("dd", text))]
    yield element("dl", *pairs, classes="facts")


def _figures(evaluation: Evaluation) -> Iterator[Element]:
    summaries = summarize(evaluation)
    if not summaries:
        return
    losses = {row.label: row.eval_loss for row in evaluation.models}
    rates = ("right", "script", "form")
    numbers = {
        "tokens/s": [_spell(one.tokens_per_second, 1) for one in summaries],
        "median tokens": [f"{one.median_tokens:g}" for one in summaries],
        "chrF": [_spell(one.chrf, 1) for one in summaries],
        "LCPR": ["" if one.confusion is None else f"{100 * one.confusion:.0f} %" for one in summaries],
        "eval loss": [_spell(losses[one.model], 3) for one in summaries],
    }
    numbers = {name: column for name, column in numbers.items() if any(column)}
    rows = []
    for place, one in enumerate(summaries):
        first = [element("th", *visible(one.model), scope="row"), element("td", one.recipe)]
        last = [element("td", column[place], classes="number") for column in numbers.values()]
        rows.append([*first, *map(_rate, (one.score, one.script, one.form)), *last])
    yield element("h2", "Scores")
    yield _table(["model", "recipe", *rates, *numbers], rows, first_number=5)
    yield element("p", LEGEND, classes="soft")
    if differences := compare(evaluation):
        yield element("h2", "What can be told")
        rows = []
        for difference in differences:
            *texts, opinion = difference_row(difference)
            badge = element("span", opinion, classes=f"badge {opinion.replace(' ', '-')}")
            figures = [element("td", text, classes="figure") for text in texts[-2:]]
            rows.append([element("td", badge), *(element("td", *visible(text)) for text in texts[:-2]), *figures])
        yield _table(["", "who", *DIFFERENCE_COLUMNS[1:-1]], rows)
    categories = list(dict.fromkeys(name for one in summaries for name in one.by_category))
    if len(categories) > 1:
        yield element("h2", "Right, by category")
        rows = [
            [element("th", *visible(name), scope="row"), *(_rate(one.by_category.get(name)) for one in summaries)]
            for name in categories
        ]
        yield _table(["category", *(_name(one.model, one.recipe, evaluation) for one in summaries)], rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Element]], first_number: int = 1000) -> Element:
    heads = [
        element("th", *visible(name), scope="col", classes="number" if place >= first_number else "")
        for place, name in enumerate(columns)
    ]
    body = element("tbody", *(element("tr", *row) for row in rows))
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


def _spell(number: float | None, digits: int) -> str:
    return "" if number is None else f"{number:,.{digits}f}"


def _name(model: str, recipe: str, evaluation: Evaluation) -> str:
    return f"{model}, {recipe}" if len(evaluation.recipes) > 1 else model


# -- the probes --------------------------------------------------------------------------------------------------------


def _probes(evaluation: Evaluation) -> Iterator[Element]:
    by_probe: dict[str, list[Cell]] = {name: [] for name in evaluation.probes}
    for cell in evaluation.cells:
        by_probe.setdefault(cell.probe, []).append(cell)
    order = {row.label: place for place, row in enumerate(evaluation.models)}
    yield element("h2", "Every reply")
    yield _filters(evaluation)
    for name, cells in by_probe.items():
        if cells:
            cells.sort(key=lambda cell: (order.get(cell.model, 0), evaluation.recipes.index(cell.recipe), cell.sample))
            yield _probe(name, evaluation.probes.get(name, {}), cells, evaluation)


def _filters(evaluation: Evaluation) -> Element:
    categories = dict.fromkeys(cell.category for cell in evaluation.cells)
    return element(
        "form",
        _select("verdict", "any verdict", [("right", "right"), ("wrong", "wrong"), ("unjudged", "unjudged")]),
        _select("category", "any category", [(name, name) for name in categories]),
        _select("model", "all models", [(row.label, row.label) for row in evaluation.models]),
        _select(
            "see",
            "all probes",
            [("differ", "verdicts differ"), ("script", "in a wrong script"), ("form", "broken form")],
        ),
        element("input", type="search", name="words", placeholder="words", aria_label="words"),
        element("output"),
        classes="filters",
        hidden="hidden",
    )


def _select(name: str, anything: str, choices: Iterable[tuple[str, str]]) -> Element:
    options = [element("option", *visible(text), value=value) for value, text in (("", anything), *choices)]
    return element("select", *options, name=name, aria_label=name)


def _probe(name: str, data: dict[str, Any], cells: Sequence[Cell], evaluation: Evaluation) -> Element:
    record, first = Record(data), cells[0]
    head = [element("div", *visible(f"{name} · {first.category} · {first.language}"), classes="id")]
    head.append(element("p", *visible(str(data.get("instruction", ""))), classes="question text", lang=_tongue(record)))
    if record.input:
        head.append(element("p", *visible(record.input), classes="text", lang=_tongue(record)))
    expected = describe_expectation(data)
    if expected is not None:
        value = element("span", *visible(expected), classes="text", lang=first.language)
        head.append(element("div", "expected: ", value, classes="meta"))
    replies = [_reply(cell, evaluation) for cell in cells]
    return element(
        "article",
        element("header", *head, classes="probe-head"),
        element("div", *replies, classes="replies"),
        classes="probe",
        data_category=first.category or NO_CATEGORY,
    )


def _tongue(record: Record) -> str:
    """The language of a question, by its letters: of an answer in English one may ask in Japanese."""
    text = str(record.data.get("instruction", ""))
    if any("\u3040" <= char <= "\u30ff" for char in text):
        return "ja"
    return record.language if any("\u4e00" <= char <= "\u9fff" for char in text) else "en"


def _reply(cell: Cell, evaluation: Evaluation) -> Element:
    sample = f" · sample {cell.sample + 1}" if evaluation.samples > 1 else ""
    who: list[Element | str] = [element("b", *visible(cell.model)), f"{cell.recipe}{sample}", _badge(cell.verdict)]
    if not cell.language_ok:
        who.append(element("span", "wrong script", classes="badge script"))
    nothing = element("span", "no answer came", classes="nothing")
    answer: list[Element | str] = marked(cell.answer, cell.answer_spans) if cell.answer else [nothing]
    inside: list[Element | None] = [
        element("div", *who, classes="who"),
        element("div", *answer, classes="answer text", lang=cell.language),
        element("div", *visible(cell.why), classes="why", lang=cell.language),
    ]
    if cell.reasoning:
        text = element(
            "div", *marked(cell.reasoning, cell.reasoning_spans), classes="text", lang=cell.reasoning_language
        )
        details = element("details", element("summary", "reasoning"), text)
        if cell.reasoning_spans or not cell.answer:
            details.set("open", "open")
        inside.append(details)
    inside.append(element("div", *visible(_end(cell)), classes="meta"))
    return element(
        "section",
        *inside,
        classes=f"reply {cell.verdict}",
        data_model=cell.model,
        data_verdict=cell.verdict,
        data_script="right" if cell.language_ok else "wrong",
        data_form="whole" if cell.form else "broken",
    )


def _badge(verdict: str) -> Element:
    return element("span", verdict, classes=f"badge {verdict}")


def _end(cell: Cell) -> str:
    if cell.stop == NOT_ASKED:
        return "not asked"
    name = cell.stop.upper()
    stop = StopReason[name].value if name in StopReason.__members__ else cell.stop
    shown = [stop, f"{cell.tokens:,} {cell.unit}", f"{cell.seconds:.1f} s", *cell.notes]
    shown += [] if cell.chrf is None else [f"chrF {cell.chrf:.0f}"]
    return " · ".join(shown)
