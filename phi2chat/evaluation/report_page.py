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
from phi2chat.evaluation.report_tables import figures
from phi2chat.evaluation.results import REPORT_FILE, Cell, Evaluation
from phi2chat.inference.recipes import StopReason
from phi2chat.terminal.safe_text import safe

SHOWN_DIGITS = 12  # of a SHA-256


def write_report(evaluation: Evaluation, folder: Path, moved: Sequence[Element] = ()) -> Path:
    """Write the page of an evaluation into its folder; its path. `moved` says which records did it."""
    path = folder / REPORT_FILE
    write_atomically(path, render_report(evaluation, moved).encode("utf-8", "replace"))
    return path


def render_report(evaluation: Evaluation, moved: Sequence[Element] = ()) -> str:
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
    body = element("body", *_header(evaluation), *figures(evaluation), *moved, *_probes(evaluation))
    body.append(element("script", script))
    page = element("html", head, body, lang="en")
    return to_html(page)


# -- above the probes --------------------------------------------------------------------------------------------------


def _header(evaluation: Evaluation) -> Iterator[Element]:
    """The question, what was asked in a line, and folded away below it what decided the replies."""
    yield element("h1", "Did it get better?")
    cells, wanted = len(evaluation.cells), evaluation.wanted
    state = f"{cells:,} replies" if cells == wanted else f"{cells:,} of {wanted:,} replies: it was cut short"
    models = f"{len(evaluation.models)} model{'' if len(evaluation.models) == 1 else 's'}"
    yield element("p", *visible(f"{len(evaluation.probes):,} probes to {models}: {state}"), classes="lead")
    settings = evaluation.settings
    way = f"recipes {', '.join(evaluation.recipes)}"
    way += f" with an equal budget of {settings.get('max_new_tokens')} tokens" if settings.get("equal_budget") else ""
    heat = settings.get("temperature", 0)
    way += f"; temperature {heat:g}, seed {settings.get('seed')}" if heat else "; greedy"
    way += f"; {evaluation.samples} samples" if evaluation.samples > 1 else ""
    facts = [("Made", evaluation.made), ("Asked", way)]
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
    summary = element("summary", "how it was asked, and of what")
    yield element("details", summary, element("dl", *pairs, classes="facts"), classes="about")


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
    labels, recipes = [row.label for row in evaluation.models], evaluation.recipes
    see = [("differ", "verdicts differ")]
    if len(labels) > 1:
        see += [("fixed", f"right, {labels[0]} was wrong"), ("broken", f"wrong, {labels[0]} was right")]
    return element(
        "form",
        _select("verdict", "any verdict", [("right", "right"), ("wrong", "wrong"), ("unjudged", "unjudged")]),
        _select("category", "any category", [(name, name) for name in categories]),
        _select("model", "all models", [(label, label) for label in labels]),
        _select("recipe", "all recipes", [(name, name) for name in recipes]) if len(recipes) > 1 else None,
        _select("see", "all probes", [*see, ("script", "in a wrong script"), ("form", "broken form")]),
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
        names = ", ".join(dict.fromkeys(span.name for span in (*cell.reasoning_spans, *cell.answer_spans)))
        who.append(element("span", *visible(f"wrong script: {names}"), classes="badge script"))
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
        data_recipe=cell.recipe,
        data_sample=str(cell.sample),
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
