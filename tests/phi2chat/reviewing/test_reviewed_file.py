"""The file under review has what is said to be saved, and nobody else's change is written over or taken back."""

from pathlib import Path

import pytest

from curation.errors import UserError
from curation.journal import entries, redo, undo
from curation.store import append_record
from phi2chat.reviewing.reviewed_file import ReviewedFile

LINES = [b'{"id": "a"}\n', b"{broken\r\n", b'{"id": "c"}']


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b"".join(LINES))
    return path


def test_a_line_is_replaced_or_taken_out_and_all_others_keep_their_bytes(path: Path) -> None:
    file = ReviewedFile(path)
    assert [*file.read()] == LINES
    file.replace(2, b'{"id": "b"}\n')
    assert path.read_bytes() == b'{"id": "a"}\n{"id": "b"}\n{"id": "c"}'
    file.replace(1, b"")
    file.replace(2, b"")
    assert path.read_bytes() == b'{"id": "b"}\n'
    assert not file.has_changed()
    assert [entry.command for entry in entries(path)] == ["browse"] * 3


def test_each_change_can_be_taken_back_and_none_from_before(path: Path) -> None:
    append_record(path.with_name("other.jsonl"), {"id": "x"})
    file = ReviewedFile(path)
    file.read()
    file.replace(2, b"")
    file.replace(1, b'{"id": "z"}\n')
    assert file.undo() == "saved: undone, z, a is as it was before"
    file.undo()
    assert [*file.read()] == LINES
    with pytest.raises(UserError):
        file.undo()


def test_an_undo_takes_back_no_change_of_another_command(path: Path) -> None:
    path.write_bytes(b"".join(LINES) + b"\n")
    file = ReviewedFile(path)
    file.read()
    file.replace(2, b"")
    append_record(path, {"id": "new"})
    assert file.has_changed()
    with pytest.raises(UserError, match="was changed by another command since"):
        file.undo()
    assert b'"new"' in path.read_bytes()


def test_what_was_taken_back_and_done_again_elsewhere_can_be_taken_back_here(path: Path) -> None:
    file = ReviewedFile(path)
    file.read()
    file.replace(2, b"")
    undo(path)
    with pytest.raises(UserError, match="was changed by another command since"):
        file.undo()
    redo(path)
    file.undo()
    assert path.read_bytes() == b"".join(LINES)


def test_another_change_is_noticed_and_not_written_over(path: Path) -> None:
    file = ReviewedFile(path)
    file.read()
    theirs = b"".join(LINES) + b"\n"
    path.write_bytes(theirs)
    assert file.has_changed()
    with pytest.raises(UserError, match="was changed by another program"):
        file.replace(1, b"")
    assert path.read_bytes() == theirs
    path.unlink()
    assert file.has_changed()
    with pytest.raises(UserError, match="no such file"):
        file.read()
