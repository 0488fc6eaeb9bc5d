"""Which records did it, for report.html: the probes that moved from one run to another, with the records near them."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from curation.errors import UserError
from curation.excerpts import excerpt
from phi2chat.evaluation.page import Child, element, visible
from phi2chat.evaluation.report_tables import table
from phi2chat.evaluation.results import Evaluation
from phi2chat.training_rounds.past_rounds import Asked, Round, round_of
from phi2chat.training_rounds.round_diff import NearRecord, ProbeChange, compare_asked
from phi2chat.training_rounds.round_report import describe_data, describe_near, moved_sentence, reply_of

COLUMNS = ("", "probe", "was", "is", "nearest changed records")
FOLDED = 40  # rows; more are shown when they are asked for
_CHARS = 120


def moved_sections(evaluation: Evaluation, folder: Path) -> list[Element]:
    """For each run but the first, how its records differ from the first one's and which probes moved, by the first
    recipe; nothing where there is one run, where the records are not known, or where they are the same."""
    runs = list(_runs(evaluation, folder))
    found = [part for later in runs[1:] for part in _section(runs[0], later)]
    return [element("h2", "Which records did it?"), *found] if found else []


def _runs(evaluation: Evaluation, folder: Path) -> Iterator[tuple[Round, Asked]]:
    for row in evaluation.models:
        asked = Asked(folder, evaluation, row.label, evaluation.recipes[0])
        try:
            if row.run is not None and asked.cells:
                yield round_of(Path(row.run), asked), asked
        except UserError:  # the run is gone, or cannot be read: its replies are still there
            continue


def _section(first: tuple[Round, Asked], later: tuple[Round, Asked]) -> Iterator[Element]:
    if first[1].cells.keys().isdisjoint(later[1].cells):
        return
    diff = compare_asked(first, later)
    if not diff.records:
        return
    name = f"{diff.after.label} against {diff.before.label}"
    yield element("p", element("b", *visible(name)), f": records {describe_data(diff.records)}.")
    moved = [*diff.of("broken"), *diff.of("fixed")]
    yield element("p", f"{_first_capital(moved_sentence(diff))}.", classes="soft")
    if moved:
        shown = table(COLUMNS, [_row(probe) for probe in moved])
        folded = element("details", element("summary", f"{len(moved):,} probes that moved"), shown)
        yield folded if len(moved) > FOLDED else shown


def _row(probe: ProbeChange) -> list[Element]:
    badge = element("span", probe.outcome, classes=f"badge {'better' if probe.outcome == 'fixed' else 'worse'}")
    tongue = {"lang": probe.after.language}
    question = excerpt(probe.instruction, _CHARS)
    return [
        element("td", badge),
        element("td", element("div", element("div", *visible(probe.probe), classes="meta"), *visible(question))),
        element("td", element("div", *visible(reply_of(probe.before)), classes="was", **tongue)),
        element("td", element("div", *visible(reply_of(probe.after)), classes="was", **tongue)),
        element("td", element("div", *_records([near for near in probe.near if near.change]), classes="near")),
    ]


def _records(near: list[NearRecord]) -> list[Child]:
    if not near:
        return [element("span", "none is worded like it", classes="soft")]
    return [element("div", *visible(describe_near(one)), lang=one.record.language) for one in near]


def _first_capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
