"""The tables of scores: what is judged as rates, what is not by its likeness to good answers, nothing that is empty."""

import dataclasses
import html
import io

import pytest
from made_cells import cell, evaluation
from rich.cells import cell_len

from phi2chat.evaluation.report_page import render_report
from phi2chat.evaluation.results import Cell, Evaluation, ModelRow
from phi2chat.evaluation.score_table import (
    category_tables,
    likeness_table,
    pace_table,
    show_scores,
    spell_perplexity,
    totals_table,
)
from phi2chat.evaluation.scores import summarize
from phi2chat.evaluation.seen import Seen
from phi2chat.terminal.screen import SafeConsole, Screen


def shown(whole: Evaluation, width: int) -> str:
    out = SafeConsole(file=io.StringIO(), width=width)
    show_scores(whole, Screen(out, out))
    return out.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def translated(probe: int, chrf: float) -> Cell:
    return dataclasses.replace(cell("base", probe, True, category="translation"), verdict="unjudged", chrf=chrf)


def test_a_category_that_is_not_judged_shows_its_likeness() -> None:
    judged = cell("base", 1, True), cell("base", 2, False)
    summaries = summarize(evaluation(*judged, translated(3, 40.0), translated(4, 60.0), models=("base",)))
    ((_, categories),) = category_tables(summaries, 80)
    assert categories == [["c", "50 % (1/2)"], ["translation", "chrF 50.0 (2)"]]
    columns, rows = likeness_table(summaries)
    assert columns == ["likeness to good answers", "replies", "chrF"]
    assert rows == [["base", "2", "50.0"]]


def test_without_good_answers_there_is_no_table_of_likeness() -> None:
    assert likeness_table(summarize(evaluation(cell("base", 1, True), models=("base",))))[1] == []


def test_the_perplexity_stands_beside_the_eval_loss() -> None:
    whole = evaluation(cell("base", 1, True), models=("base",))
    whole = dataclasses.replace(whole, models=(ModelRow("base", "adapter", eval_loss=1.0),))
    columns, rows = pace_table(summarize(whole), whole)
    assert dict(zip(columns, rows[0], strict=True))["ppl"] == "2.72"
    assert spell_perplexity(100.0) == "huge"


def test_the_recipe_is_named_where_there_are_several() -> None:
    one = summarize(evaluation(cell("base", 1, True), models=("base",)))
    assert totals_table(one)[0] == ["model", "right", "script", "form"]
    replies = cell("base", 1, True, recipe="a"), cell("base", 1, True, recipe="b")
    several = summarize(evaluation(*replies, models=("base",), recipes=("a", "b")))
    assert [row[1] for row in totals_table(several)[1]] == ["a", "b"]


@pytest.mark.parametrize("width", [110, 80])
def test_no_count_is_torn_apart_and_no_table_is_wider_than_the_screen(width: int) -> None:
    models = ("smollm2-135m", "runs/all-42", "all-42/checkpoints/checkpoint-385", "all-43/checkpoints/checkpoint-385")
    whole = evaluation(
        *(
            cell(model, probe, probe % 3 > 0, category="order-of-operations" if probe % 2 else "capital")
            for model in models
            for probe in range(1224)
        ),
        models=models,
    )
    text = shown(whole, width)
    drawn = [line for line in text.splitlines() if line[:1] in "┏┃┡│└"]
    assert max(map(cell_len, drawn)) == max(len(line) for line in drawn) <= width
    assert text.count("816 of 1,224") == text.count("(408/612)") // 2 == len(models)
    assert text.count("order-of-operations") == text.count("by category") == (1 if width == 110 else 2)


def test_a_long_name_is_broken_between_its_folders_and_an_address_is_not_torn() -> None:
    names = "all-42/checkpoints/checkpoint-385", "m at http://127.0.0.1:8080/v1"
    cells = [cell(name, probe, True, category=f"c{probe}") for name in names for probe in range(2)]
    ((columns, _),) = category_tables(summarize(evaluation(*cells, models=names)), 110)
    assert columns == ["by category", "all-42/\ncheckpoints/\ncheckpoint-385", "m at http://127.0.0.1:8080/\nv1"]


def test_a_narrow_screen_shows_each_row_as_a_block() -> None:
    text = shown(evaluation(cell("base", 1, True), cell("new", 1, False)), 40)
    assert "model: base\n  right 100 % [21-100] 1 of 1\n" in text
    assert "new against base\n  right   cannot tell  -100 [no interval] points, 0 up, 1 down of 1\n" in text
    assert "-0 " not in text


def test_what_flatters_a_model_is_said_on_the_screen_and_on_the_page() -> None:
    whole = evaluation(cell("base", 1, True), cell("base", 2, False), models=("base",))
    told = ModelRow("base", "adapter", seen=Seen(2, 1, 0), chosen_by=2)
    whole = dataclasses.replace(whole, models=(told,), probes={"1": {}, "2": {}})
    sentences = (
        "base was trained on 1 of the 2 questions asked: right answers to these may be remembered",
        "base was chosen among the checkpoints of its run by 2 of the 2 questions asked:"
        " what it scores on these may be a little high",
    )
    page = html.unescape(render_report(whole))
    for sentence in sentences:
        assert sentence in shown(whole, 200) and sentence in page
    nothing = dataclasses.replace(whole, models=(ModelRow("base", "adapter", seen=Seen(2, 0, 0)),))
    assert "a little high" not in shown(nothing, 200) and "remembered" not in shown(nothing, 200)
