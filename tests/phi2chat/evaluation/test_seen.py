from pathlib import Path

import pytest

from curation.records import Record
from phi2chat.evaluation.seen import (
    Seen,
    chosen_sentence,
    count_choosing,
    count_seen,
    count_seen_by_run,
    seen_sentence,
)
from phi2chat.files import sha256_of
from phi2chat.inference.examples import Row, Sides
from phi2chat.weights.run import ADAPTER_FILE, Curve, Run
from phi2chat.weights.snapshot import RECORDS_FILE, save_records


def trained(**fields: str) -> Record:
    return Record({"reasoning": "考える。", "answer": "東京", **fields})


def test_questions_are_known_by_id_by_wording_and_by_family() -> None:
    probes = {
        "asked-as-it-was": {"instruction": "日本の首都は?"},
        "edited": {"instruction": "韓国の首都はどこ？"},
        "relative": {"instruction": "What is the capital of France?", "family": "capital-fr"},
        "relative-of-an-id": {"instruction": "カナダの首都は？", "family": "canada"},
        "new": {"instruction": "首都とは何ですか。"},
        "other-language": {"instruction": "日本の首都は？", "language": "en"},
    }
    train = [
        trained(instruction="日本の首都は？"),
        trained(id="edited", instruction="韓国の首都は？"),
        trained(id="fr", instruction="フランスの首都は？", family="capital-fr"),
        trained(id="canada", instruction="カナダの都は？"),
    ]
    assert count_seen(probes, train) == Seen(6, 2, 2)
    assert count_seen(probes, []) == Seen(6, 0, 0)


def test_a_model_that_was_taught_none_of_them_gets_no_sentence() -> None:
    assert seen_sentence("run", Seen(9, 0, 0)) == seen_sentence("run", None) == ""
    assert seen_sentence("run", Seen(9, 2, 3)) == (
        "run was trained on 2 of the 9 questions asked, and on relatives (the same family) of 3 more:"
        " right answers to these may be remembered"
    )
    assert "trained on relatives (the same family) of 3 of the 9 questions" in seen_sentence("run", Seen(9, 0, 3))


def test_a_run_whose_records_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    assert count_seen_by_run({}, tmp_path) is None
    (tmp_path / RECORDS_FILE).write_bytes(b"torn")
    assert count_seen_by_run({}, tmp_path) is None


ASKED = {
    "a": {"instruction": "日本の首都は？"},
    "b": {"instruction": "韓国の首都は？"},
    "c": {"instruction": "九と四の和は？"},
}
TWICE: Curve = [(0, 2.0), (10, 1.0), (20, 1.1)]


def run_in(folder: Path, select_by: str, best_step: int | None = 10, **curves: Curve) -> str:
    """A run whose eval side has `a` and `b`, and which was told to ask `a` and `c`; the digest of its adapter."""
    probes = folder / "probes.jsonl"
    probes.write_text('{"instruction": "日本の首都は?"}\n{"instruction": "九と四の和は？"}\n', encoding="utf-8")
    held_out = [trained(instruction=str(ASKED[name]["instruction"])) for name in "ab"]
    rows = [Row(folder / "eval.jsonl", number, record) for number, record in enumerate(held_out, start=1)]
    save_records(folder, Sides((), tuple(rows), {}, ()))
    (folder / ADAPTER_FILE).write_bytes(b"weights")
    config = {"select_by": select_by, "probes": str(probes)}
    run = Run("base", "data", config, {str(probes): sha256_of(probes)}, best_step=best_step)
    for name, curve in curves.items():
        setattr(run, name, curve)
    run.save(folder)
    return sha256_of(folder / ADAPTER_FILE)


@pytest.mark.parametrize(
    ("select_by", "curves", "chosen_by"),
    [
        ("eval-loss", {"eval_losses": TWICE}, 2),
        ("eval-loss", {"eval_losses": TWICE[:2]}, 0),  # the only one
        ("probe-score", {"eval_losses": TWICE, "probe_scores": TWICE}, 2),
        ("script-pass", {"eval_losses": TWICE, "probe_scores": TWICE}, 0),
        ("last", {"eval_losses": TWICE, "probe_scores": TWICE}, 0),
    ],
)
def test_the_questions_that_chose_a_checkpoint_are_counted(
    tmp_path: Path, select_by: str, curves: dict[str, Curve], chosen_by: int
) -> None:
    adapter = run_in(tmp_path, select_by, **curves)
    assert count_choosing(ASKED, tmp_path, adapter) == chosen_by


def test_of_what_is_not_known_any_more_nothing_is_said(tmp_path: Path) -> None:
    adapter = run_in(tmp_path, "probe-score", probe_scores=TWICE)
    assert count_choosing(ASKED, tmp_path, "of another checkpoint") == 0
    (tmp_path / "probes.jsonl").write_text('{"instruction": "日本の首都は?"}\n', encoding="utf-8")
    assert count_choosing(ASKED, tmp_path, adapter) == 0
    (tmp_path / "probes.jsonl").unlink()
    assert count_choosing(ASKED, tmp_path, adapter) == 0
    assert count_choosing(ASKED, tmp_path / "none", adapter) == 0


def test_a_model_that_was_chosen_by_some_of_them_gets_a_sentence() -> None:
    assert chosen_sentence("run", 0, 9) == ""
    assert chosen_sentence("run", 3, 1224) == (
        "run was chosen among the checkpoints of its run by 3 of the 1,224 questions asked:"
        " what it scores on these may be a little high"
    )
