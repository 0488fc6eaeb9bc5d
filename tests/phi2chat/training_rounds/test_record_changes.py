"""What changed in the data between two trainings."""

from hypothesis import given
from hypothesis import strategies as st
from made_rounds import record

from curation.records import Record
from phi2chat.training_rounds.record_changes import find_record_changes, saved_by
from phi2chat.weights.snapshot import Snapshot

CAPITAL, SUM, NEW = record("a", "首都は？"), record("b", "1+1は？", "2"), record("c", "海は？", "青")


def test_records_are_added_removed_edited_and_moved() -> None:
    edited = record("a", "首都は？", "京都")
    changes = find_record_changes(Snapshot((CAPITAL, SUM), ()), Snapshot((edited, NEW), (SUM,)))
    assert [(change.kind, change.record.id, change.fields, change.sides) for change in changes] == [
        ("edited", "a", ("answer",), ("train",)),
        ("added", "c", (), ("train",)),
        ("moved", "b", (), ("train", "eval")),
    ]
    back = find_record_changes(Snapshot((edited, NEW), (SUM,)), Snapshot((CAPITAL, SUM), ()))
    assert {change.kind: change.record.id for change in back} == {"edited": "a", "moved": "b", "removed": "c"}


def test_an_edit_of_the_eval_side_alone_teaches_nothing() -> None:
    (change,) = find_record_changes(Snapshot((CAPITAL,), (SUM,)), Snapshot((CAPITAL,), (record("b", "1+1は？", "二"),)))
    assert not change.touches_training


def test_a_record_that_the_chat_saved_names_the_command() -> None:
    origin = {"adapter": "runs/first", "phi2chat": "0.1.0"}
    assert saved_by(record("a", "首都は？", provenance={**origin, "bad_answer": "京都"})) == "/fix"
    assert saved_by(record("a", "首都は？", provenance=origin)) == "/good"
    assert saved_by(record("a", "首都は？", provenance={"book": "地図帳"})) is None
    assert saved_by(CAPITAL) is None


def test_records_without_an_id_are_known_by_their_content() -> None:
    one = Record({"instruction": "首都は？", "reasoning": "考える。", "answer": "東京"})
    other = Record({**one.data, "answer": "京都"})
    assert find_record_changes(Snapshot((one, one), ()), Snapshot((one, one), ())) == []
    changes = find_record_changes(Snapshot((one,), ()), Snapshot((one, one, other), ()))
    assert [change.kind for change in changes] == ["added", "added"]


records = st.lists(st.builds(record, st.sampled_from("abcdef"), st.sampled_from(["一", "二"])), max_size=6)


@given(records, records, records)
def test_nothing_changed_only_between_equals_and_the_counts_add_up(
    train: list[Record], eval_: list[Record], later: list[Record]
) -> None:
    before, after = Snapshot(tuple(train), tuple(eval_)), Snapshot(tuple(later), tuple(eval_))
    assert find_record_changes(before, before) == []
    kinds = [change.kind for change in find_record_changes(before, after)]
    assert kinds.count("added") - kinds.count("removed") == len(later) - len(train)
