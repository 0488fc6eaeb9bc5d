"""Which records did it, on the page of an evaluation."""

import shutil
from pathlib import Path

import pytest
from made_rounds import make_evaluation, make_round, record

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
