"""Lines that are not in memory are those of the file as it was, whoever writes it."""

from pathlib import Path

import pytest

from curation.errors import UserError
from curation.line_file import LOST, FileLines, HeldLines, MixedLines, keys_of

LINES = [b'{"id": "a"}\r\n', b"\n", b"{broken\xff\n", "日本\u2028語\n".encode(), b'{"id": "z"}']


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"".join(LINES))
    return path


def test_each_line_is_what_it_was_also_when_the_file_is_another(path: Path) -> None:
    lines = FileLines(path, b"id")
    path.with_name("new").write_bytes(b"other\n")
    path.with_name("new").replace(path)
    assert [lines[place] for place in range(len(lines))] == LINES
    assert lines.keys == keys_of(LINES) == HeldLines(LINES).keys
    assert list(lines.marked) == [1, 0, 0, 0, 1]


def test_a_line_that_was_written_over_in_its_place_is_said_to_be_lost(path: Path) -> None:
    lines = FileLines(path)
    with path.open("r+b") as file:
        file.write(b'{"id": "b"}')
    assert [lines[place] for place in range(len(lines))] == [LOST, *LINES[1:]]
    path.write_bytes(b"")
    assert lines[3] == LOST


def test_lines_that_were_written_stand_among_those_of_the_file(path: Path) -> None:
    lines = FileLines(path)
    stored: list[bytes | int] = [0, b"new\n", 4]
    mixed = MixedLines(stored, lines, keys_of([LINES[0], b"new\n", LINES[4]]))
    assert [mixed[place] for place in range(len(mixed))] == [LINES[0], b"new\n", LINES[4]]


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        FileLines(tmp_path / "x.jsonl")
    (tmp_path / "empty").write_bytes(b"")
    assert len(FileLines(tmp_path / "empty")) == 0
