"""The tables of scores: what is judged as rates, what is not by its likeness to good answers, nothing that is empty."""

import dataclasses

from made_cells import cell, evaluation

from phi2chat.evaluation.results import Cell, ModelRow
from phi2chat.evaluation.score_table import category_table, likeness_table, spell_perplexity, totals_table
from phi2chat.evaluation.scores import summarize


def translated(probe: int, chrf: float) -> Cell:
    return dataclasses.replace(cell("base", probe, True, category="translation"), verdict="unjudged", chrf=chrf)


def test_a_category_that_is_not_judged_shows_its_likeness() -> None:
    judged = cell("base", 1, True), cell("base", 2, False)
    summaries = summarize(evaluation(*judged, translated(3, 40.0), translated(4, 60.0), models=("base",)))
    assert category_table(summaries)[1] == [["c", "50 % (1/2)"], ["translation", "chrF 50.0 (2)"]]
    columns, rows = likeness_table(summaries)
    assert columns == ["likeness to good answers", "recipe", "replies", "chrF"]
    assert rows == [["base", "chat", "2", "50.0 [40-60]"]]


def test_without_good_answers_there_is_no_table_of_likeness() -> None:
    assert likeness_table(summarize(evaluation(cell("base", 1, True), models=("base",))))[1] == []


def test_the_perplexity_stands_below_the_eval_loss() -> None:
    whole = evaluation(cell("base", 1, True), models=("base",))
    whole = dataclasses.replace(whole, models=(ModelRow("base", "adapter", eval_loss=1.0),))
    columns, rows = totals_table(summarize(whole), whole)
    assert rows[0][columns.index("eval loss")] == "1.000\nppl 2.72"
    assert spell_perplexity(100.0) == "huge"
