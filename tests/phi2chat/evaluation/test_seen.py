from pathlib import Path

from curation.records import Record
from phi2chat.evaluation.seen import Seen, count_seen, count_seen_by_run, seen_sentence
from phi2chat.weights.snapshot import RECORDS_FILE


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
