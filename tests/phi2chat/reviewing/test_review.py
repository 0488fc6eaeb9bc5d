"""What a reviewer can do with records, whatever the terminal looks like."""

import json
from datetime import UTC, datetime
from pathlib import Path

from curation.errors import UserError
from curation.line_file import HeldLines
from phi2chat.reviewing.review import Review
from phi2chat.reviewing.review_item import SIGNED

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def line(number: int, **fields: object) -> bytes:
    record = {"id": f"r{number}", "instruction": f"質問{number}", "reasoning": "理由です。", "answer": "答えです。"}
    return json.dumps(record | fields, ensure_ascii=False).encode() + b"\n"


class FakeFile:
    """Lines in memory, with a journal of them."""

    def __init__(self, *lines: bytes) -> None:
        self.path = Path("some.jsonl")
        self.lines = list(lines)
        self.before: list[list[bytes]] = []
        self.fault = ""
        self.is_new = False

    def read(self) -> HeldLines:
        self.is_new = False
        return HeldLines(self.lines, SIGNED)

    def has_changed(self) -> bool:
        return self.is_new

    def replace(self, number: int, raw: bytes) -> None:
        if self.fault:
            raise UserError(self.fault)
        self.before.append([*self.lines])
        self.lines[number - 1 : number] = [raw] if raw else []

    def undo(self) -> str:
        if self.fault:
            raise UserError(self.fault)
        self.lines = self.before.pop()
        return "undone"

    def written_by_another(self, *lines: bytes) -> None:
        self.lines, self.is_new = list(lines), True


def review_of(*lines: bytes, **options: object) -> Review:
    return Review(FakeFile(*lines), now=lambda: NOW, **options)  # type: ignore[arg-type]


def shown(review: Review) -> list[str]:
    return [item.name for item in review.shown]


def five() -> list[bytes]:
    return [line(number) for number in range(1, 6)]


def lines_of(review: Review) -> list[bytes]:
    return review.file.read().lines  # type: ignore[attr-defined]


# Moving


def test_moving_stops_at_the_first_and_at_the_last_record() -> None:
    review = review_of(*five())
    for by, at in [(1, 1), (10, 4), (-2, 2), (-99, 0)]:
        review.move(by)
        assert review.at == at


def test_another_record_begins_at_its_top_and_folded() -> None:
    review = review_of(*five())
    review.scroll_by(7)
    review.toggle("unfolded")
    review.move(-1)
    assert (review.scroll, review.unfolded) == (7, True)  # there is none before the first
    review.move(1)
    assert (review.scroll, review.unfolded) == (0, False)


def test_the_next_finding_comes_round_and_it_is_said() -> None:
    review = review_of(line(1), line(2, answer=" "), line(3), line(4, answer="日本的首都是东京。"))
    for item in review.items:
        review.look_at(item)
    for step, at in [(1, 1), (1, 3)]:
        review.next_finding(step)
        assert (review.at, review.message) == (at, "")
    review.next_finding(1)
    assert (review.at, review.message) == (1, "from the beginning again")
    review.next_finding(-1)
    assert (review.at, review.message) == (3, "from the end again")


def test_without_a_finding_nothing_moves() -> None:
    review = review_of(*five())
    review.move(2)
    review.next_finding(1)
    assert review.at == 2
    assert "no record" in review.message


def test_a_search_finds_any_width_and_case_in_any_field_also_in_escapes_and_broken_lines() -> None:
    escaped = json.dumps({"id": "r3", "instruction": "問", "reasoning": "理", "answer": "東京タワー"}).encode()
    review = review_of(line(1), line(2, note="ＡＢＣの歌"), escaped + b"\n", '{"answer": "壊れた行\n'.encode(), line(5))
    for query, at in [("abc", 1), ("東京ﾀﾜｰ", 2), ("壊れた", 3), ("ｒ5", 4)]:
        review.search(query)
        assert review.at == at
    review.search("")  # the same again
    assert review.message == "this is the only one"
    review.search("どこにもない")
    assert review.at == 4
    assert review.message == 'no record holds "どこにもない"'


def test_searching_again_goes_on_in_both_directions() -> None:
    review = review_of(line(1, note="鍵"), line(2), line(3, note="鍵"), line(4), line(5, note="鍵"))
    review.search("鍵")
    review.search("")
    assert review.at == 4
    review.search("", -1)
    assert review.at == 2


# Deciding


def test_accepting_marks_and_goes_to_the_next_that_is_not_accepted_and_writes_nothing() -> None:
    review = review_of(*five())
    review.move(1)
    review.accept()
    review.move(-2)
    review.accept()
    assert review.at == 2
    assert [item.is_reviewed for item in review.items] == [True, True, False, False, False]
    assert review.accepted == 2
    assert lines_of(review) == five()


def test_a_signed_record_has_who_and_when_and_keeps_the_rest_of_its_provenance() -> None:
    review = review_of(line(1, provenance={"adapter": "a"}), line(2), who="花子")
    review.accept()
    first = json.loads(lines_of(review)[0])
    assert first["provenance"] == {
        "adapter": "a",
        "reviewed_by": "花子",
        "reviewed_at": "2026-03-01T12:00:00+00:00",
    }
    assert lines_of(review)[1] == line(2)
    assert review.items[0].is_reviewed
    assert (review.at, review.style) == (1, "good")


def test_what_was_signed_in_another_session_is_passed_over() -> None:
    signed = {"reviewed_by": "花子", "reviewed_at": "2026-02-28T00:00:00+00:00"}
    review = review_of(line(1), line(2, provenance=signed), line(3), who="花子")
    review.accept()
    assert review.at == 2
    review.go_to(1)
    review.accept()
    assert lines_of(review)[1] == line(2, provenance=signed)  # with its own date


def test_what_can_not_be_signed_is_said() -> None:
    review = review_of(b"{broken\n", line(2, provenance="none"), who="花子")
    review.accept()
    assert "holds no record" in review.message
    review.move(1)
    review.accept()
    assert "no object" in review.message
    assert lines_of(review) == [b"{broken\n", line(2, provenance="none")]


def test_a_record_is_removed_after_a_yes_alone_and_undo_brings_it_back() -> None:
    review = review_of(*five())
    review.move(1)
    for key in ("n", "\x1b", "\r", "", "yes"):
        review.reject()
        assert review.question is not None
        review.answer(key)
        assert review.question is None
        assert lines_of(review) == five()
    review.reject()
    review.answer("r")  # again
    assert shown(review) == ["r1", "r3", "r4", "r5"]
    assert [item.number for item in review.items] == [1, 2, 3, 4]
    assert review.current is not None and review.current.name == "r3"
    assert lines_of(review) == [line(1), line(3), line(4), line(5)]
    review.go_to(3)
    review.undo()
    assert lines_of(review) == five()
    assert review.current is not None and review.current.name == "r2"


def test_the_last_record_can_be_removed_and_come_back() -> None:
    review = review_of(line(1))
    review.reject()
    review.answer("y")
    assert review.current is None
    for act in (review.accept, review.reject, lambda: review.search("x"), lambda: review.next_finding(1)):
        act()
    assert review.question is None
    review.undo()
    assert shown(review) == ["r1"]


def test_undo_takes_back_marks_and_changes_in_turn_and_then_says_that_there_is_no_more() -> None:
    review = review_of(*five())
    review.accept()
    review.reject()
    review.answer("y")
    review.accept()
    review.undo()
    assert [item.name for item in review.items if item.accepted] == ["r1"]
    review.undo()
    assert lines_of(review) == five()
    assert [item.name for item in review.items if item.accepted] == ["r1"]
    review.undo()
    assert not any(item.accepted for item in review.items)
    review.undo()
    assert "nothing more was done here" in review.message


def test_a_mark_survives_that_its_record_is_removed_and_brought_back() -> None:
    review = review_of(*five())
    review.accept()
    review.move(-1)
    review.reject()
    review.answer("y")
    review.undo()
    assert review.items[0].accepted


def test_what_could_not_be_written_is_not_shown_as_written() -> None:
    review = review_of(*five())
    assert isinstance(review.file, FakeFile)
    review.file.fault = "some.jsonl: the disk is full"
    review.reject()
    review.answer("y")
    assert (review.message, review.style) == ("some.jsonl: the disk is full", "error")
    assert shown(review) == ["r1", "r2", "r3", "r4", "r5"]
    review.undo()
    assert "nothing more was done here" in review.message


def test_an_undo_that_fails_can_be_tried_again() -> None:
    review = review_of(*five())
    assert isinstance(review.file, FakeFile)
    review.reject()
    review.answer("y")
    review.file.fault = "some.jsonl: is being written"
    review.undo()
    assert review.style == "error"
    review.file.fault = ""
    review.undo()
    assert lines_of(review) == five()


# What others write


def test_what_another_program_wrote_is_read_again_and_said_and_the_place_is_kept() -> None:
    review = review_of(*five())
    assert isinstance(review.file, FakeFile)
    assert not review.refresh()
    review.go_to(3)
    review.items[3].accepted = True
    review.file.written_by_another(line(9), *five())
    assert review.refresh()
    assert "was changed by another program" in review.message
    assert review.current is not None and review.current.name == "r4"
    assert review.current.accepted
    assert [item.number for item in review.items] == [1, 2, 3, 4, 5, 6]


def test_a_decision_is_about_the_record_that_was_seen_though_lines_have_come_before_it() -> None:
    review = review_of(*five())
    assert isinstance(review.file, FakeFile)
    review.go_to(3)
    review.reject()
    review.file.written_by_another(line(9), *five())
    review.answer("y")
    assert review.file.lines == [line(9), line(1), line(2), line(3), line(5)]
    assert review.message.startswith("saved") and "another program" in review.message


def test_a_record_that_another_program_changed_is_not_written_over() -> None:
    review = review_of(*five())
    assert isinstance(review.file, FakeFile)
    review.reject()
    theirs = [line(1, note="new"), *five()[1:]]
    review.file.written_by_another(*theirs)
    review.answer("y")
    assert review.file.lines == theirs
    assert review.style == "error"
    assert review.current is not None and review.current.raw == theirs[0]


# What is listed


def test_a_filter_lists_some_and_what_is_edited_stays_where_it_was() -> None:
    review = review_of(*five(), wants=lambda item: item.number in (2, 4))
    assert shown(review) == ["r2", "r4"]
    assert review.save(review.items[1], line(2, instruction="別の質問"), "saved")
    assert shown(review) == ["r2", "r4"]
    review.reject()
    review.answer("y")
    assert shown(review) == ["r4"]
    assert [item.number for item in review.shown] == [3]


def test_records_with_findings_are_listed_as_they_are_found_and_stay_when_they_are_mended() -> None:
    review = review_of(line(1), line(2, answer=" "), line(3, answer=" "), with_findings_only=True)
    assert shown(review) == []
    review.look_at(review.items[2])
    review.list_anew()
    assert shown(review) == ["r3"]
    review.look_at(review.items[1])
    review.list_anew()
    assert shown(review) == ["r2", "r3"]
    assert review.current is not None and review.current.name == "r3"
    assert review.save(review.current, line(3), "saved")
    review.list_anew()
    assert shown(review) == ["r2", "r3"]
