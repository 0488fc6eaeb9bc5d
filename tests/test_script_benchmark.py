"""The figures of benchmarks/script.py on rows made by hand, computed by hand."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def load_benchmark() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "script.py"
    spec = importlib.util.spec_from_file_location("script_benchmark", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


benchmark = load_benchmark()
JAPANESE = {"true_language": "ja", "flag": False, "subtype": "sentence"}
CHINESE = {"true_language": "zh-Hans", "flag": True, "subtype": "sentence"}
SLIP = {"true_language": "ja", "flag": True, "subtype": "word"}
ROWS_AND_SPANS: list[tuple[dict[str, Any], list[tuple[int, int]]]] = [
    ({"group": "a", "text": "今日は晴れ。", **JAPANESE}, []),
    ({"group": "a", "text": "你好吗？", **CHINESE}, [(0, 3)]),
    ({"group": "b", "text": "首都", **JAPANESE, "ambiguous": True}, [(0, 2)]),
    ({"group": "b", "text": "手机", **CHINESE}, [(0, 2)]),
    ({"group": "c", "text": "我的家", **CHINESE}, []),
    ({"group": "d", "text": "この软件は。", **SLIP, "foreign_language": "zh-Hans", "spans": [[2, 4]]}, [(2, 6)]),
    ({"group": "d", "text": "檔案を", **SLIP, "foreign_language": "zh-Hant", "spans": [[0, 2]]}, []),
    ({"group": "d", "text": "駅の카페", **SLIP, "foreign_language": "ko", "spans": [[2, 4]]}, [(0, 4)]),
    ({"group": "e", "text": "「谢谢」です", **JAPANESE}, [(0, 3)]),
    ({"group": "e", "text": "澤さん", **JAPANESE}, []),
]
ROWS = [row for row, _ in ROWS_AND_SPANS]


def test_the_figures_of_hand_made_rows() -> None:
    answers = [benchmark.Answer(bool(spans), spans) for _, spans in ROWS_AND_SPANS]
    assert benchmark.score(ROWS, answers) == pytest.approx(
        {
            "macro_f1": (1 + 2 / 3 + 0 + 1 / 2) / 4,
            "f1_a": 1,
            "f1_b": 2 / 3,  # one hit, and the word of both languages is false
            "f1_c": 0,
            "f1_de": 1 / 2,  # a hit, a miss, a false one; Korean is not counted
            "false_flags_japanese": 1 / 3,
            "false_flags_mixes": 1 / 2,
            "false_flags_ambiguous": 1,
            "span_char_f1": 4 / 9,  # 2 hits, は and 谢谢 false, 檔案 missed
            "span_iou50_f1": 1 / 2,  # 软件は is 2/3 of what it should be; 2 found, 2 true
            "word_slips_hans": 1,
            "word_slips_hant": 0,
        }
    )


def test_a_detector_without_spans_has_no_figures_of_spans() -> None:
    figures = benchmark.score(ROWS, [benchmark.Answer(bool(spans), None) for _, spans in ROWS_AND_SPANS])
    assert (figures["span_char_f1"], figures["span_iou50_f1"], figures["f1_a"]) == (None, None, 1)


def test_only_letters_count() -> None:
    assert benchmark.letters("「这 1a」", [(0, 3), (3, 99)]) == {1, 4}


def test_a_clause_ends_at_punctuation_and_keeps_its_place() -> None:
    answer = benchmark.by_clause(lambda text: "我" in text)("「我」です。我也去\n家", "ja")
    assert answer == (True, [(1, 2), (6, 9)])


def test_a_delay_counts_the_character_with_which_the_flag_came() -> None:
    assert benchmark.first_flag("この软件は。", "ja", 2, 4) in (3, 4, 5)
    assert benchmark.first_flag("この本は。软件是这个。", "ja", 0, 4) is None


def test_a_peer_that_is_not_installed_has_a_row_that_says_so() -> None:
    row = benchmark.measure_or_skip(benchmark.Detector("peer", "no-such-package-anywhere", lambda: None), ROWS)
    assert row == {"detector": "peer", "version": "not installed"}
    table = benchmark.format_table([row])
    assert table.splitlines()[-1].startswith("| peer | not installed | – | – |")


def test_peers_are_chosen_by_name() -> None:
    assert benchmark.choose_peers("none") == []
    assert [peer.label for peer in benchmark.choose_peers("cjclassifier,kana-rule")] == [
        "cjclassifier",
        "Han without kana is Chinese",
    ]
    with pytest.raises(SystemExit, match="no such peer: gcld3"):
        benchmark.choose_peers("gcld3")


def test_confidences_are_compared_with_how_often_they_are_right() -> None:
    judged = [(0.5, False), (0.6, True), (0.95, True), (1.0, True), (1.0, False)]
    result = benchmark.measure_reliability(judged)
    assert [(row["from"], row["spans"], row["right"]) for row in result["bins"]] == [
        (0.5, 2, 0.5),
        (0.9, 1, 1),
        (1.0, 2, 0.5),
    ]
    assert result["calibration_error"] == pytest.approx((2 * 0.05 + 1 * 0.05 + 2 * 0.5) / 5)
    assert benchmark.measure_reliability([]) == {"bins": [], "calibration_error": 0}


def test_a_span_is_right_if_most_of_its_letters_are_foreign() -> None:
    rows = [
        {"text": "东京です。", "expected_language": "ja", "spans": [[0, 2]]},
        {"text": "东京です。", "expected_language": "ja", "spans": []},
        {"text": "我们", "expected_language": "ja", "flag": True},
        {"text": "我们", "expected_language": "ja", "flag": False},
    ]
    assert [right for _, right in benchmark.judge_confidences(rows)] == [True, False, True, False]


def test_held_out_rows_are_counted_by_the_language_that_was_expected() -> None:
    rows = [
        {"text": "东京です。", "expected_language": "ja", "spans": [[0, 2]]},
        {"text": "我们です。", "expected_language": "ja", "spans": []},
        {"text": "東京です。", "expected_language": "ja", "spans": [[0, 2]]},
        {"text": "我们", "expected_language": "zh-Hans", "spans": []},
    ]
    assert benchmark.measure_held_out(rows) == {
        "by_language": {
            "ja": {"rows": 3, "right": 1, "legitimate": 1, "false_flags": 1, "missed": 1},
            "zh-Hans": {"rows": 1, "right": 1, "legitimate": 1, "false_flags": 0, "missed": 0},
        },
        "span_char_f1": pytest.approx(2 * 2 / (2 * 2 + 2 + 2)),
    }
