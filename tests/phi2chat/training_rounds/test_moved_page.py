"""Which records did it, on the page of an evaluation."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_rounds import make_evaluation, make_round, record

from phi2chat.evaluation.page import element, to_html
from phi2chat.evaluation.report_page import render_report
from phi2chat.evaluation.results import read_evaluation
from phi2chat.training_rounds.moved_page import moved_sections

JAPAN, SUM = "日本の首都は？", "1+1は？"
PLAIN = [record("sum", "2+2は？", "4")]
CORRECTED = record("fix-1", "日本の首都はどこですか？", provenance={"bad_answer": "<b>京都</b>", "phi2chat": "0.1.0"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An evaluation of two runs, the later one with a correction more."""
    first = make_round(tmp_path / "first", "2026-01-01T00:00:00+00:00", PLAIN)
    later = make_round(tmp_path / "later", "2026-01-02T00:00:00+00:00", [*PLAIN, CORRECTED])
    replies = {
        first: {JAPAN: ("<b>京都</b>", False), SUM: ("2", True)},
        later: {JAPAN: ("東京", True), SUM: ("3", False)},
    }
    return make_evaluation(tmp_path / "evaluation", replies)


def page_of(folder: Path) -> str:
    evaluation = read_evaluation(folder)
    return render_report(evaluation, moved_sections(evaluation, folder))


def test_the_page_names_the_probes_that_moved_and_the_corrections_near_them(folder: Path) -> None:
    page = page_of(folder)
    for part in (
        "Which records did it?",
        "later against first</b>: records 1 added (1 by /fix).",
        "1 to one that was fixed; a likely cause, and no proof.",
        "fix-1, added by /fix, ",
        "&lt;b&gt;京都&lt;/b&gt;",
        "none is worded like it",
    ):
        assert part in page
    assert page.index("What can be told") < page.index("Which records did it?") < page.index("Every reply")


def test_where_no_probe_moved_no_record_is_near_one(folder: Path) -> None:
    runs = [folder.parent / name for name in ("first", "later")]
    still = make_evaluation(folder.parent / "still", {run: {JAPAN: ("東京", True)} for run in runs})
    assert "No probe moved from wrong to right, or back." in page_of(still)


def test_without_records_that_changed_nothing_is_said_of_them(folder: Path) -> None:
    evaluation = read_evaluation(folder)
    shutil.rmtree(folder.parent / "later")
    assert moved_sections(evaluation, folder) == []
    make_round(folder.parent / "later", "2026-01-02T00:00:00+00:00", PLAIN)
    assert moved_sections(evaluation, folder) == []


def test_no_text_of_a_reply_or_a_record_becomes_markup_or_steers_the_eye(tmp_path: Path) -> None:
    hostile = "</script></style><script>alert(1)</script>\"'& \x1b]0;t\x07\u202e"
    question = f"日本の首都は？{hostile}"
    taught = record(hostile, question, hostile, language=f"ja{hostile[:40]}")
    first = make_round(tmp_path / "first", "2026-01-01T00:00:00+00:00", PLAIN)
    later = make_round(tmp_path / "<i>later", "2026-01-02T00:00:00+00:00", [*PLAIN, taught])
    replies = {first: {question: (hostile, False)}, later: {question: (hostile + "!", True)}}
    evaluation = read_evaluation(make_evaluation(tmp_path / "evaluation", replies))
    sections = moved_sections(evaluation, tmp_path / "evaluation")
    page = to_html(element("main", *sections))
    assert "alert(1)" in page and "1 added" in page
    tags = _Tags()
    tags.feed(page)
    assert tags.names == {"main", "h2", "p", "b", "table", "thead", "tbody", "tr", "th", "td", "div", "span"}
    assert tags.attributes == {"class", "data-label", "lang", "scope"}
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", page)


class _Tags(HTMLParser):
    """The names of the tags and attributes that a browser sees."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
