"""Rates with honest intervals, and nothing told that chance could have done."""

import dataclasses
import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cells import cell, evaluation

from phi2chat.evaluation.intervals import bootstrap, bootstrap_seeds, sign_test, wilson
from phi2chat.evaluation.results import Evaluation
from phi2chat.evaluation.scores import Mean, Rate, compare, mean, perplexity, rate, summarize, weigh, weigh_seeds


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    # Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I: Wilson's score method.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_wilsons(hits: int, total: int, low: float, high: float) -> None:
    assert wilson(hits, total) == pytest.approx((low, high), abs=5e-5)


@given(hits=st.integers(0, 50), more=st.integers(0, 50))
def test_an_interval_holds_its_share(hits: int, more: int) -> None:
    if hits + more:
        low, high = wilson(hits, hits + more)
        assert 0 <= low <= hits / (hits + more) <= high <= 1


@given(values=st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=40))
def test_a_bootstrap_is_the_same_each_time_and_within_its_values(values: list[float]) -> None:
    groups = [values[start : start + 3] for start in range(0, len(values), 3)]
    low, high = bootstrap(groups)
    assert (low, high) == bootstrap(groups)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_a_bootstrap_holds_the_true_mean_about_95_times_in_100() -> None:
    coin = random.Random(0)
    held = 0
    for _ in range(60):
        low, high = bootstrap([[float(coin.random() < 0.3)] for _ in range(80)])
        held += low <= 0.3 <= high
    assert held >= 52


def test_of_models_that_are_alike_an_interval_leaves_0_out_about_5_times_in_100_and_hardly_one_is_called_better() -> (
    None
):
    coin = random.Random(1)
    left_out = told = 0
    for _ in range(100):
        old, new = ({f"p{n}": float(coin.random() < 0.3) for n in range(90)} for _ in range(2))
        move = weigh(old, new, {f"p{n}": f"f{n // 2}" for n in range(90)})
        assert move is not None
        left_out += not move.low <= 0 <= move.high
        told += move.opinion != "cannot tell"
    assert 1 <= left_out <= 11 and told <= left_out


@pytest.mark.parametrize(("up", "down", "chance"), [(0, 0, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (3, 3, 1.0)])
def test_the_sign_test_counts_coin_throws(up: int, down: int, chance: float) -> None:
    assert sign_test(up, down) == sign_test(down, up) == pytest.approx(chance)


def test_what_is_not_judged_counts_for_no_score() -> None:
    unjudged = dataclasses.replace(cell("base", 3, True), verdict="unjudged", language_ok=False, form=False, chrf=50.0)
    (one,) = summarize(
        evaluation(cell("base", 1, True), cell("base", 2, False, category="d"), unjudged, models=("base",))
    )
    assert one.score is not None and (one.score.hits, one.score.total) == (1, 2)
    assert one.script is not None and (one.script.hits, one.script.total) == (2, 3)
    assert one.form is not None and one.form.share == pytest.approx(2 / 3)
    assert {name: found.share for name, found in one.by_category.items()} == {"c": 1.0, "d": 0.0}
    assert one.confusion is None
    told = [
        dataclasses.replace(cell("base", n, True), confusion=said)
        for n, said in enumerate(("passed", "word error", "skipped"))
    ]
    assert summarize(evaluation(*told, models=("base",)))[0].confusion == pytest.approx(2 / 3)
    judged = summarize(evaluation(*told, models=("base",)))[0]
    assert judged.line_pass is not None and judged.word_pass is not None
    assert (judged.line_pass.share, judged.word_pass.share) == (1.0, 0.5)
    assert (one.replies, one.tokens_per_second, one.median_tokens, one.likeness["chrF"].value) == (3, 5.0, 10, 50.0)


def test_samples_of_one_probe_make_an_interval_no_narrower() -> None:
    once = rate((f"p{n}", n % 2 == 0) for n in range(20))
    often = rate((f"p{n}", n % 2 == 0) for n, _ in product(range(20), range(50)))
    assert isinstance(once, Rate) and isinstance(often, Rate)
    assert often.share == once.share
    assert often.high - often.low > 0.8 * (once.high - once.low)


def moved(up: int, down: int, same: int) -> Evaluation:
    """The second model is right where the first is not in `up` probes, and the other way round in `down`."""
    before = [False] * up + [True] * down + [True] * same
    after = [True] * up + [False] * down + [True] * same
    cells = [cell("base", n, right) for n, right in enumerate(before)]
    return evaluation(*cells, *(cell("new", n, right) for n, right in enumerate(after)))


@pytest.mark.parametrize(
    ("up", "down", "same", "opinion"),
    [
        (0, 0, 120, "cannot tell"),
        (4, 0, 116, "cannot tell"),  # the bootstrap alone would tell
        (12, 2, 106, "better"),
        (2, 12, 106, "worse"),
        (12, 9, 99, "cannot tell"),
    ],
)
def test_a_difference_is_told_where_chance_would_hardly_make_it(up: int, down: int, same: int, opinion: str) -> None:
    score = next(one for one in compare(moved(up, down, same)) if one.measure == "score")
    assert (score.opinion, score.fixed, score.broken, score.probes) == (opinion, up, down, up + down + same)
    assert score.low <= score.difference <= score.high
    assert score.difference == pytest.approx((up - down) / (up + down + same))


def test_many_that_went_down_a_little_and_few_that_went_up_far_tell_nothing() -> None:
    after = {f"p{number}": -0.1 if number < 60 else 1.0 for number in range(90)}
    move = weigh(dict.fromkeys(after, 0.0), after, {})
    assert move is not None and move.opinion == "cannot tell"


def test_what_went_up_and_down_by_as_much_has_not_moved() -> None:
    # 0.4 - 0.8 + 0.6 - 0.2 is less than 0 by a rounding.
    before = {f"{fact}-{wording}": share for fact in range(10) for wording, share in enumerate((0.8, 0.2))}
    after = {f"{fact}-{wording}": share for fact in range(10) for wording, share in enumerate((0.4, 0.6))}
    move = weigh(before, after, {probe: probe[0] for probe in before})
    assert move is not None and (move.low, move.high, move.opinion) == (0, 0, "cannot tell")
    seeds = weigh_seeds([{"a": 0.8}, {"a": 0.2}], [{"a": 0.4}, {"a": 0.6}], {})
    assert seeds is not None and (seeds.up, seeds.down) == (0, 0)


def test_wordings_of_one_fact_count_as_one_probe() -> None:
    whole = moved(12, 2, 106)
    assert compare(whole)[0].opinion == "better"
    probes = {f"p{number}": {"family": "japan"} for number in range(12)}
    score = compare(dataclasses.replace(whole, probes=probes))[0]
    assert (score.opinion, score.fixed, score.broken) == ("cannot tell", 12, 2)
    assert score.high - score.low > compare(whole)[0].high - compare(whole)[0].low


def test_models_that_share_no_probe_are_not_compared() -> None:
    assert weigh({"a": 1.0}, {"b": 1.0}, {}) is None


def test_a_reply_that_says_nothing_is_in_no_script() -> None:
    silent = dataclasses.replace(cell("base", 1, False), answer="", reasoning="")
    (summary,) = summarize(evaluation(silent, cell("base", 2, True)))
    assert summary.script is not None
    assert (summary.script.hits, summary.script.total) == (1, 2)


def test_only_probes_that_both_were_asked_are_compared() -> None:
    found = compare(evaluation(cell("base", 1, True), cell("new", 1, True), cell("new", 2, False)))
    assert {(one.measure, one.probes) for one in found} == {("score", 1), ("script", 1), ("form", 1)}
    assert compare(evaluation(cell("base", 1, True), cell("new", 2, False))) == []


def test_recipes_are_compared_within_a_model() -> None:
    cells = [dataclasses.replace(cell("base", n, recipe == "a"), recipe=recipe) for n in range(9) for recipe in "ab"]
    found = compare(evaluation(*cells, models=("base",), recipes=("a", "b")))
    assert [(one.recipe, one.against_recipe, one.opinion) for one in found if one.measure == "score"] == [
        ("b", "a", "worse")
    ]


def test_a_rate_counts_the_wordings_of_one_fact_once() -> None:
    outcomes = [(f"p{number}", number % 6 < 3) for number in range(60)]
    alone = rate(outcomes)
    together = rate(outcomes, {f"p{number}": f"fact {number // 3}" for number in range(60)})
    assert alone is not None and together is not None
    assert together.share == alone.share == 0.5
    assert together.high - together.low > 1.3 * (alone.high - alone.low)


def test_a_few_facts_that_are_all_right_are_no_certainty() -> None:
    found = rate(
        [(f"p{number}", True) for number in range(12)], {f"p{number}": f"{number % 3}" for number in range(12)}
    )
    assert found is not None and (found.share, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(wilson(3, 3)[0])


def test_wordings_of_one_fact_alone_say_nothing_of_where_the_true_rate_is() -> None:
    families = dict.fromkeys("abcd", "tokyo")
    found = rate([("a", True), ("b", False), ("c", True), ("d", False)], families)
    assert found is not None and (found.share, (found.low, found.high)) == (0.5, wilson(0.5, 1))
    move = weigh(dict.fromkeys("abcd", 0.0), dict.fromkeys("abcd", 1.0), families)
    assert move is not None and (move.mean, move.low, move.high, move.opinion) == (1, None, None, "cannot tell")


def test_that_no_probe_moved_is_no_certainty_that_none_would() -> None:
    values = {f"p{number}": 0.0 for number in range(30)}
    move = weigh(values, values, {})
    assert move is not None and (move.mean, move.opinion) == (0, "cannot tell")
    assert (move.low, move.high) == (-move.high, pytest.approx(wilson(0, 30)[1]))


def test_a_mean_has_its_interval() -> None:
    found = mean([(f"p{number}", 10.0 * (number % 5)) for number in range(50)])
    assert found is not None and (found.value, found.replies) == (20.0, 50)
    assert 15 < found.low < 20 < found.high < 25
    assert mean([]) is None


def test_fewer_than_ten_families_say_nothing_of_where_the_true_mean_is() -> None:
    assert mean([("a", 40.0), ("b", 60.0)], {"a": "fact", "b": "fact"}) == Mean(50.0, 2, None, None)
    values = [(f"p{number}", float(number)) for number in range(10)]
    nine, ten = mean(values[:9]), mean(values)
    assert nine is not None and ten is not None
    assert (nine.low, ten.low is None) == (None, False)


def test_of_fewer_than_ten_families_the_sign_test_tells_a_difference_alone() -> None:
    before = {f"p{number}": 0.0 for number in range(6)}
    whole, five = (
        weigh(before, dict.fromkeys(list(before)[:count], 1.0) | rest, {})
        for count, rest in ((6, {}), (5, {"p5": 0.0}))
    )
    assert whole is not None and (whole.low, whole.opinion) == (None, "better")
    assert five is not None and (five.low, five.opinion) == (None, "cannot tell")


def test_the_rate_of_a_few_families_is_no_surer_than_that_of_as_many_replies() -> None:
    outcomes = [(f"p{number}", number % 2 == 0) for number in range(12)]
    found = rate(outcomes, {f"p{number}": f"{number // 4}" for number in range(12)})
    assert found is not None and (found.low, found.high) == wilson(1.5, 3)


def test_seeds_that_disagree_widen_the_interval_and_tell_nothing() -> None:
    before = {f"p{number}": 0.0 for number in range(40)}
    up, down = dict.fromkeys(before, 1.0), dict.fromkeys(before, -0.9)
    agreed, torn = weigh_seeds([before] * 3, [up] * 3, {}), weigh_seeds([before] * 3, [up, up, down], {})
    assert agreed is not None and (agreed.mean, agreed.low, agreed.high, agreed.opinion) == (1.0, 1.0, 1.0, "better")
    assert torn is not None and torn.low < 0 < torn.mean < torn.high and torn.opinion == "cannot tell"


def test_one_model_is_compared_with_the_trainings_of_every_seed() -> None:
    base, seeds = {"a": 0.0, "b": 0.0}, [{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 0.0}]
    move = weigh_seeds(seeds, [base], {})
    assert move is not None and (move.mean, move.probes, move.down) == (-0.25, 2, 1)


@given(values=st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=3, max_size=30))
def test_a_bootstrap_over_one_seed_is_the_plain_one(values: list[float]) -> None:
    groups = [values[start : start + 3] for start in range(0, len(values), 3)]
    assert bootstrap_seeds([groups]) == bootstrap(groups)
    low, high = bootstrap_seeds([groups, groups])
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_the_perplexity_is_the_exponential_of_the_loss() -> None:
    assert perplexity(0.0) == 1.0
    assert perplexity(1.0) == pytest.approx(2.71828, abs=1e-5)
    assert perplexity(30.0) is None
