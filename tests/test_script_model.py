"""The table that is shipped, and that what script_model/ writes is what curation reads."""

import math
import random
import zlib

import pytest

from curation.script.glyphs import is_chinese_only
from curation.script.ngrams import Ngrams, ngrams
from script_model.calibrate import fit, format_reliability
from script_model.table import Table

GAPS = {"beside", "kana", "start", "gap", "list", "clause", "sentence"}


def test_every_gap_has_its_costs_and_no_change_is_a_gain() -> None:
    table = ngrams()
    for costs in (table.enter, table.leave, table.leave_to_kana):
        assert costs.keys() == GAPS
        assert all(cost <= 0 for cost in costs.values())
    assert all(cost < 0 for cost in table.enter.values())


def test_the_words_are_found_because_they_are_sorted() -> None:
    table = ngrams()
    assert len(table._words) > 10_000
    assert table._words == sorted(set(table._words))
    assert all(2 <= len(word) <= 6 for word in table._words)
    assert table.is_word("北京市")
    assert table.begins_word("北京")


def test_no_word_has_a_character_that_japanese_does_not_write() -> None:
    assert not [word for word in ngrams()._words if any(map(is_chinese_only, word))]


def test_a_character_has_one_weight_and_one_row_of_pairs() -> None:
    table = ngrams()
    assert len(table.singles) > 10_000
    assert all(-127 * 0.125 <= weight <= 127 * 0.125 for weight in table.singles.values())
    assert table.weigh("", "你") > 0 > table.weigh("", "働")


def test_old_forms_lead_to_modern_ones() -> None:
    modern = ngrams().modern
    assert modern["國"] == "国"
    assert modern["學"] == "学"


def test_what_the_recipe_writes_is_what_the_guard_reads() -> None:
    costs = dict.fromkeys(GAPS, -2.5)
    table = Table(
        singles={"们": 40, "国": -3, "働": -127},
        pairs={"我们": 127, "他们": 8, "我国": -1, "国ア": -20},
        enter=costs,
        leave=costs | {"gap": -1.25},
        leave_to_kana=costs | {"kana": 0.0},
        modern={"國": "国"},
        words=["文学", "数学", "中国"],
    )
    data = table.encode()
    read = Ngrams(data)
    assert read.singles == {"们": 5.0, "国": -0.375, "働": -127 * 0.125}
    assert {first: read.pairs[first] for first in "我他国们"} == {
        "我": {"们": 127 * 0.125 + 5.0, "国": -0.125 - 0.375}, "他": {"们": 1.0 + 5.0}, "国": {"ア": -2.5}, "们": {},
    }  # fmt: skip
    assert (read.enter, read.leave, read.leave_to_kana) == (costs, costs | {"gap": -1.25}, costs | {"kana": 0.0})
    assert read.modern == {"國": "国"}
    assert [word for word in ("中国", "文学", "数学", "語学") if read.is_word(word)] == ["中国", "文学", "数学"]
    assert read.weigh("我", "们") == 127 * 0.125 + 5.0
    assert table.encode() == data
    assert zlib.decompress(data).startswith(b'{"step": 0.125')


def test_the_fitted_curve_is_that_which_the_runs_were_drawn_from() -> None:
    rng = random.Random(3)
    scores = [rng.uniform(-5, 15) for _ in range(20_000)]
    judged = [(score, rng.random() < 1 / (1 + math.exp(-0.4 * score - 0.8))) for score in scores]
    assert fit(judged) == pytest.approx((0.4, 0.8), abs=0.06)


def test_the_reliability_has_a_line_for_each_bin_with_runs() -> None:
    judged = [(0.0, True), (0.0, False), (50.0, True)]
    assert format_reliability(judged, scale=1.0, shift=0.0).splitlines() == [
        "0.50-0.60: 2 runs, sure 0.500, right 0.500",
        "0.95-1.00: 1 runs, sure 0.990, right 1.000",
    ]
