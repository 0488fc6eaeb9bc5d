"""report.html: an evaluation on one page that can be opened anywhere. It loads nothing, and no text can become markup.

The page is built as a tree, whose serializer escapes whatever is text, and its policy lets no script run but ours.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from curation.judging import describe_expectation
from curation.records import Record
from curation.script import Span
from curation.script.languages import NAMES
from curation.store import write_atomically
from phi2chat.asking import NO_CATEGORY, NOT_ASKED
from phi2chat.recipes import StopReason
from phi2chat.results import REPORT_FILE, Cell, Evaluation
from phi2chat.safe_text import parts, safe
from phi2chat.score_table import DIFFERENCE_COLUMNS, difference_row
from phi2chat.scores import Rate, compare, summarize

Child = Element | str | None

SHOWN_DIGITS = 12  # of a SHA-256


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Write the page of an evaluation into its folder; its path."""
    path = folder / REPORT_FILE
    write_atomically(path, render_report(evaluation).encode("utf-8", "replace"))
    return path


def render_report(evaluation: Evaluation) -> str:
    """The page as HTML."""
    style, script = (
        files("phi2chat").joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "report.js")
    )
    policy = f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; base-uri 'none'"
    head = _element(
        "head",
        _element("meta", charset="utf-8"),
        _element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _element("meta", http_equiv="Content-Security-Policy", content=policy),
        _element("title", f"Evaluation of {evaluation.made}"),
        _element("style", style),
    )
    body = _element(
        "body", *_header(evaluation), *_figures(evaluation), *_probes(evaluation), _element("script", script)
    )
    page = _element("html", head, body, lang="en")
    return "<!doctype html>\n" + ElementTree.tostring(page, encoding="unicode", method="html") + "\n"


def _source(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _element(tag: str, *children: Child, classes: str = "", **attributes: str) -> Element:
    """An element; `http_equiv` stands for http-equiv and `data_x` for data-x. What is None is left out."""
    made = Element(tag, {name.replace("_", "-"): safe(value) for name, value in attributes.items()})
    if classes:
        made.set("class", classes)
    for child in children:
        if isinstance(child, str):
            _add_text(made, child)
        elif child is not None:
            made.append(child)
    return made


def _add_text(parent: Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


# -- above the probes --------------------------------------------------------------------------------------------------


def _header(evaluation: Evaluation) -> Iterator[Element]:
    yield _element("h1", "Did it get better?")
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
    pairs = [_element(tag, *_safe(text)) for name, text in facts for tag, text in (("dt", name), ("dd", text))]
    yield _element("dl", *pairs, classes="facts")


def _figures(evaluation: Evaluation) -> Iterator[Element]:
    summaries = summarize(evaluation)
    if not summaries:
        return
    losses = {row.label: row.eval_loss for row in evaluation.models}
    rates = ("right", "in the right script", "reasoning, answer, end")
    numbers = {
        "tokens/s": [_spell(one.tokens_per_second, 1) for one in summaries],
        "median tokens": [f"{one.median_tokens:g}" for one in summaries],
        "chrF": [_spell(one.chrf, 1) for one in summaries],
        "eval loss": [_spell(losses[one.model], 3) for one in summaries],
    }
    numbers = {name: column for name, column in numbers.items() if any(column)}
    rows = []
    for place, one in enumerate(summaries):
        first = [_element("th", *_safe(one.model), scope="row"), _element("td", one.recipe)]
        last = [_element("td", column[place], classes="number") for column in numbers.values()]
        rows.append([*first, *map(_rate, (one.score, one.script, one.form)), *last])
    yield _element("h2", "Scores")
    yield _table(["model", "recipe", *rates, *numbers], rows, first_number=5)
    yield _element("p", "The bar is the share, the line in it where the true one is by 95 %.", classes="soft")
    if differences := compare(evaluation):
        yield _element("h2", "What can be told")
        rows = []
        for difference in differences:
            *texts, opinion = difference_row(difference)
            badge = _element("span", opinion, classes=f"badge {opinion.replace(' ', '-')}")
            rows.append([_element("td", badge), *(_element("td", *_safe(text)) for text in texts)])
        yield _table(["", "who", *DIFFERENCE_COLUMNS[1:-1]], rows)
    categories = list(dict.fromkeys(name for one in summaries for name in one.by_category))
    if len(categories) > 1:
        yield _element("h2", "Right, by category")
        rows = [
            [_element("th", *_safe(name), scope="row"), *(_rate(one.by_category.get(name)) for one in summaries)]
            for name in categories
        ]
        yield _table(["category", *(_name(one.model, one.recipe, evaluation) for one in summaries)], rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Element]], first_number: int = 1000) -> Element:
    heads = [
        _element("th", *_safe(name), scope="col", classes="number" if place >= first_number else "")
        for place, name in enumerate(columns)
    ]
    body = _element("tbody", *(_element("tr", *row) for row in rows))
    return _element("div", _element("table", _element("thead", _element("tr", *heads)), body), classes="scroll")


def _rate(rate: Rate | None) -> Element:
    if rate is None:
        return _element("td", "–", classes="soft")

    def bar(kind: str, start: float, end: float, height: int) -> Element:
        place = {"x": f"{100 * start:.2f}", "width": f"{100 * max(end - start, 0.002):.2f}"}
        return _element("rect", y=str(5 - height / 2), height=str(height), classes=kind, **place)

    bars = [bar("track", 0, 1, 8), bar("bar", 0, rate.share, 8), bar("whisker", rate.low, rate.high, 2)]
    drawn = _element("svg", *bars, viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")
    bounds = f" [{100 * rate.low:.0f}–{100 * rate.high:.0f}] {rate.hits}/{rate.total}"
    return _element("td", f"{100 * rate.share:.0f} %", _element("small", bounds), drawn, classes="rate")


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
    yield _element("h2", "Every reply")
    yield _filters(evaluation)
    for name, cells in by_probe.items():
        if cells:
            cells.sort(key=lambda cell: (order.get(cell.model, 0), evaluation.recipes.index(cell.recipe), cell.sample))
            yield _probe(name, evaluation.probes.get(name, {}), cells, evaluation)


def _filters(evaluation: Evaluation) -> Element:
    categories = dict.fromkeys(cell.category for cell in evaluation.cells)
    return _element(
        "form",
        _select("verdict", "any verdict", [("right", "right"), ("wrong", "wrong"), ("unjudged", "unjudged")]),
        _select("category", "any category", [(name, name) for name in categories]),
        _select("model", "all models", [(row.label, row.label) for row in evaluation.models]),
        _select(
            "see",
            "all probes",
            [("differ", "verdicts differ"), ("script", "in a wrong script"), ("form", "broken form")],
        ),
        _element("input", type="search", name="words", placeholder="words", aria_label="words"),
        _element("output"),
        classes="filters",
        hidden="hidden",
    )


def _select(name: str, anything: str, choices: Iterable[tuple[str, str]]) -> Element:
    options = [_element("option", *_safe(text), value=value) for value, text in (("", anything), *choices)]
    return _element("select", *options, name=name, aria_label=name)


def _probe(name: str, data: dict[str, Any], cells: Sequence[Cell], evaluation: Evaluation) -> Element:
    record, first = Record(data), cells[0]
    head = [_element("div", *_safe(f"{name} · {first.category} · {first.language}"), classes="id")]
    head.append(_element("p", *_safe(str(data.get("instruction", ""))), classes="question text", lang=_tongue(record)))
    if record.input:
        head.append(_element("p", *_safe(record.input), classes="text", lang=_tongue(record)))
    expected = describe_expectation(data)
    if expected is not None:
        value = _element("span", *_safe(expected), classes="text", lang=first.language)
        head.append(_element("div", "expected: ", value, classes="meta"))
    replies = [_reply(cell, evaluation) for cell in cells]
    return _element(
        "article",
        _element("header", *head, classes="probe-head"),
        _element("div", *replies, classes="replies"),
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
    who: list[Element | str] = [_element("b", *_safe(cell.model)), f"{cell.recipe}{sample}", _badge(cell.verdict)]
    if not cell.language_ok:
        who.append(_element("span", "wrong script", classes="badge script"))
    nothing = _element("span", "no answer came", classes="nothing")
    answer: list[Element | str] = _marked(cell.answer, cell.answer_spans) if cell.answer else [nothing]
    inside: list[Element | None] = [
        _element("div", *who, classes="who"),
        _element("div", *answer, classes="answer text", lang=cell.language),
        _element("div", *_safe(cell.why), classes="why", lang=cell.language),
    ]
    if cell.reasoning:
        text = _element(
            "div", *_marked(cell.reasoning, cell.reasoning_spans), classes="text", lang=cell.reasoning_language
        )
        details = _element("details", _element("summary", "reasoning"), text)
        if cell.reasoning_spans or not cell.answer:
            details.set("open", "open")
        inside.append(details)
    inside.append(_element("div", *_safe(_end(cell)), classes="meta"))
    return _element(
        "section",
        *inside,
        classes=f"reply {cell.verdict}",
        data_model=cell.model,
        data_verdict=cell.verdict,
        data_script="right" if cell.language_ok else "wrong",
        data_form="whole" if cell.form else "broken",
    )


def _badge(verdict: str) -> Element:
    return _element("span", verdict, classes=f"badge {verdict}")


def _end(cell: Cell) -> str:
    if cell.stop == NOT_ASKED:
        return "not asked"
    name = cell.stop.upper()
    stop = StopReason[name].value if name in StopReason.__members__ else cell.stop
    shown = [stop, f"{cell.tokens:,} {cell.unit}", f"{cell.seconds:.1f} s", *cell.notes]
    shown += [] if cell.chrf is None else [f"chrF {cell.chrf:.0f}"]
    return " · ".join(shown)


def _safe(text: str) -> list[Element | str]:
    """A text that is not ours, with what could steer the eye, as marks of direction do, made visible."""
    return [_element("span", run, classes="escape") if escaped else run for run, escaped in parts(text)]


def _marked(text: str, spans: Sequence[Span]) -> list[Element | str]:
    """A text with its runs in a wrong script marked, each in the font of its own language."""
    shown: list[Element | str] = []
    position = 0
    for span in spans:
        shown += _safe(text[position : span.start])
        tongue = {"lang": span.language} if span.language in NAMES else {}
        title = f"{span.name}: {span.reason}"
        shown.append(_element("mark", *_safe(text[span.start : span.end]), title=title, **tongue))
        position = span.end
    return [*shown, *_safe(text[position:])]
