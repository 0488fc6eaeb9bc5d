"""What a reviewer writes is checked before it is saved, and is never lost."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.reviewing.review import Review
from phi2chat.reviewing.review_edit import edit, leave_drafts
from phi2chat.reviewing.reviewed_file import ReviewedFile
from phi2chat.terminal.interrupts import Ended

RECORD = {
    "id": "r1",
    "instruction": "日本の首都はどこですか。",
    "reasoning": "国会は東京にあります。",
    "answer": "京都です。",
    "tags": ["地理"],
}
OTHER = {"id": "r2", "instruction": "一の次は何ですか。", "reasoning": "一に一を足すと二です。", "answer": "二です。"}


def dumped(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.jsonl"
    path.write_bytes(dumped(RECORD) + dumped(OTHER))
    return path


@pytest.fixture
def review(file: Path) -> Review:
    return Review(ReviewedFile(file))


def refused_fill(data: Mapping[str, Any]) -> dict[str, Any]:
    raise AssertionError("there is an editor")


def writing(review: Review, *changes: tuple[str, str], as_json: bool = False) -> list[str]:
    """Edit the current record with an editor that replaces texts, and give what it was opened on."""
    seen: list[str] = []

    def write(text: str, suffix: str) -> str:
        seen.append(text)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return text

    edit(review, write, refused_fill, as_json)
    return seen


def answers(file: Path) -> list[str]:
    return [json.loads(line)["answer"] for line in file.read_text(encoding="utf-8").splitlines()]


def test_what_was_written_is_in_the_file_when_the_message_says_so(review: Review, file: Path) -> None:
    writing(review, ("京都です", "東京です"))
    assert review.message == "saved: changed answer of r1"
    assert file.read_bytes() == dumped({**RECORD, "answer": "東京です。"}) + dumped(OTHER)
    review.undo()
    assert file.read_bytes() == dumped(RECORD) + dumped(OTHER)


def test_nothing_is_written_where_nothing_was_changed(review: Review, file: Path) -> None:
    before = file.stat()
    writing(review)
    assert review.message == "nothing was changed"
    assert file.stat() == before
    assert leave_drafts(review) == []


def test_what_breaks_the_contract_is_not_saved_and_opens_again_as_it_was_left(review: Review, file: Path) -> None:
    writing(review, ("京都です。", " "))
    assert "not saved: answer: is blank" in review.message
    assert answers(file) == ["京都です。", "二です。"]
    (opened,) = writing(review, ("answer:  \n", "answer: 東京です。\n"), ("日本の首都", "いまの日本の首都"))
    assert "京都" not in opened
    assert opened.startswith("#! answer: is blank\n# ")
    assert review.message == "saved: changed instruction, answer of r1"


def test_the_findings_stand_above_the_fields_and_are_no_part_of_them(file: Path) -> None:
    file.write_bytes(dumped({**RECORD, "answer": "首都是东京。"}))
    review = Review(ReviewedFile(file))
    review.look_at(review.items[0])
    (opened,) = writing(review)
    assert opened.startswith('#! answer: "首都是东京" is Simplified Chinese where language is ja\n# Save and leave')
    assert review.message == "nothing was changed"
    writing(review, ("首都是东京。", "東京です。"))
    assert file.read_bytes() == dumped({**RECORD, "answer": "東京です。"})


def test_a_text_that_is_not_utf_8_is_not_saved(review: Review, file: Path) -> None:
    before = file.read_bytes()
    writing(review, ("京都です", "\udce9t"))
    assert "U+DCE9 is no character of a text" in review.message
    assert file.read_bytes() == before


def test_what_a_terminal_of_another_encoding_typed_is_not_saved(review: Review, file: Path) -> None:
    before = file.read_bytes()
    edit(review, None, lambda data: {**data, "answer": "\udce9t"})
    assert review.message == "not saved: holds a byte that is not UTF-8; save it as UTF-8; e opens what you wrote again"
    assert file.read_bytes() == before


def test_what_is_no_yaml_is_kept_too(review: Review) -> None:
    writing(review, ("answer: 京都", 'answer: "京都'))
    assert (
        review.style == "error"
        and review.message.startswith("not saved")
        and review.message.endswith("e opens what you wrote again")
    )
    (opened,) = writing(review, ('answer: "京都', "answer: 東京"))
    assert 'answer: "京都' in opened
    assert review.message == "saved: changed answer of r1"


def test_what_is_doubtful_is_saved_after_a_yes(review: Review, file: Path) -> None:
    writing(review, ("京都です。", "首都是东京。"))
    assert review.question is not None and "[wrong-script]; save it all the same?" in review.question.text
    review.answer("n")
    assert answers(file)[0] == "京都です。"
    assert review.message == "not saved; e opens what you wrote again"
    writing(review)
    review.answer("y")
    assert answers(file)[0] == "首都是东京。"


def test_a_doubt_that_was_there_before_is_not_asked_about(file: Path) -> None:
    file.write_bytes(dumped({**RECORD, "answer": "首都是东京。"}))
    review = Review(ReviewedFile(file))
    writing(review, ("国会は", "日本の国会は"))
    assert review.message == "saved: changed reasoning of r1"


def test_an_id_that_another_record_has_is_refused(review: Review) -> None:
    writing(review, ("id: r1", "id: r2"))
    assert review.message == 'not saved: id: "r2" is used on line 2; e opens what you wrote again'


def test_an_edit_takes_away_the_signature_and_the_mark(file: Path) -> None:
    signed = {"adapter": "a", "reviewed_by": "花子", "reviewed_at": "2026-03-01T12:00:00+00:00"}
    file.write_bytes(dumped({**RECORD, "provenance": signed}))
    review = Review(ReviewedFile(file))
    review.accept()
    writing(review, ("京都です", "東京です"))
    assert json.loads(file.read_bytes())["provenance"] == {"adapter": "a"}
    assert not review.items[0].is_reviewed


def test_a_provenance_that_was_a_signature_alone_is_gone_with_it(file: Path) -> None:
    file.write_bytes(dumped({**RECORD, "provenance": {"reviewed_by": "花子", "reviewed_at": "2026"}}))
    review = Review(ReviewedFile(file))
    writing(review, ("京都です", "東京です"))
    assert file.read_bytes() == dumped({**RECORD, "answer": "東京です。"})


def test_a_broken_line_is_written_as_it_stands_and_a_record_as_json_keeps_its_lists(file: Path) -> None:
    file.write_bytes('{"id": "r1", "instruction": "壊れた\r\n'.encode() + dumped(RECORD))
    review = Review(ReviewedFile(file))
    (opened,) = writing(review, ("壊れた", "直した"))
    assert opened == '{"id": "r1", "instruction": "壊れた'
    assert "not JSON" in review.message
    good = '{"id": "r9", "instruction": "何ですか。",\n "reasoning": "理由は鳥です。",\n "answer": "鳥です。"}\n'
    edit(review, lambda text, suffix: good, refused_fill)
    assert review.message == "saved: changed id, instruction, reasoning, answer of line 1"
    review.move(1)
    writing(review, ('"地理"', '"地理",\n    "首都"'), as_json=True)
    lines = file.read_bytes().splitlines(keepends=True)
    assert lines[0].endswith(b'"}\r\n') and lines[0].count(b"\n") == 1
    assert lines[1] == dumped({**RECORD, "tags": ["地理", "首都"]})


def test_a_byte_that_is_not_utf_8_can_be_mended(file: Path) -> None:
    file.write_bytes(dumped(RECORD).replace("京".encode(), b"\xff"))
    review = Review(ReviewedFile(file))
    writing(review, ("\udcff", "東"))
    assert answers(file) == ["東都です。"]


def test_an_empty_text_removes_no_line(review: Review, file: Path) -> None:
    edit(review, lambda text, suffix: "\n", refused_fill, as_json=True)
    assert "the text was empty" in review.message
    assert answers(file) == ["京都です。", "二です。"]


def test_an_editor_that_fails_is_said_and_changes_nothing(review: Review, file: Path) -> None:
    def fail(text: str, suffix: str) -> str:
        raise UserError("$EDITOR (ed) ended with 1; nothing was changed, your text is in draft.yaml")

    edit(review, fail, refused_fill)
    assert review.message == "$EDITOR (ed) ended with 1; nothing was changed, your text is in draft.yaml"
    assert answers(file) == ["京都です。", "二です。"]


def test_where_there_is_no_editor_the_form_is_filled_in_and_can_be_dropped(review: Review, file: Path) -> None:
    edit(review, None, lambda data: {**data, "answer": "東京です。"})
    assert answers(file)[0] == "東京です。"

    def drop(data: Mapping[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt

    edit(review, None, drop)
    assert review.message == "dropped; nothing was changed"
    edit(review, None, drop, as_json=True)
    assert "set $EDITOR" in review.message


def raise_ended(*_: object) -> Any:
    raise Ended


@pytest.mark.parametrize("write", [raise_ended, None])
def test_the_end_of_the_terminal_ends_the_review(review: Review, write: Callable[[str, str], str] | None) -> None:
    with pytest.raises(Ended):
        edit(review, write, raise_ended)


def test_what_is_written_while_another_program_changes_that_record_is_left_in_a_file(
    review: Review, file: Path
) -> None:
    theirs = dumped({**RECORD, "note": "new"}) + dumped(OTHER)

    def write(text: str, suffix: str) -> str:
        file.write_bytes(theirs)
        return text.replace("京都です", "東京です")

    edit(review, write, refused_fill)
    assert review.style == "error" and "changed by another program" in review.message
    assert file.read_bytes() == theirs
    (left,) = leave_drafts(review)
    assert "東京です。" in left.read_text(encoding="utf-8")
    left.unlink()


def test_what_is_written_while_another_program_adds_a_record_is_saved(review: Review, file: Path) -> None:
    def write(text: str, suffix: str) -> str:
        file.write_bytes(dumped({**OTHER, "id": "r0"}) + file.read_bytes())
        return text.replace("京都です", "東京です")

    edit(review, write, refused_fill)
    assert answers(file) == ["二です。", "東京です。", "二です。"]


def test_what_python_takes_for_the_same_is_changed_all_the_same(review: Review, file: Path) -> None:
    file.write_bytes(dumped({**RECORD, "provenance": {"ok": True}}) + dumped(OTHER))
    review.refresh()
    writing(review, ("true", "1"), as_json=True)
    assert review.message == "saved: changed provenance of r1"
    assert file.read_bytes() == dumped({**RECORD, "provenance": {"ok": 1}}) + dumped(OTHER)
