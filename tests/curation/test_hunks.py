"""A change is written down as lines in place of lines, and goes both ways to the byte."""

import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.hunks import KEPT_BYTES, Hunk, find_hunks, pack, put_in, take_back, unpack

LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\xff\n", b"\n", b"a"]), max_size=30).map(b"".join)


@given(LINES, LINES)
@example(b"a\n" * 9, b"a\n" * 8)
@example(b"a", b"a\nb\n")
@example(b"", b"a\n")
def test_every_change_can_be_made_and_taken_back(before: bytes, after: bytes) -> None:
    hunks = find_hunks(before, after)
    assert put_in(before, hunks) == after
    assert take_back(after, hunks) == before
    assert list(unpack(pack(hunks))) == hunks


@given(LINES, st.integers(0, 30), st.sampled_from([b"x\n", b""]))
def test_a_change_of_one_line_holds_no_other(content: bytes, place: int, new: bytes) -> None:
    lines = content.splitlines(keepends=True)
    place %= max(len(lines), 1)
    changed = b"".join([*lines[:place], new, *lines[place + 1 :]])
    hunks = find_hunks(content, changed)
    assert sum(len(hunk.old) for hunk in hunks) <= max(map(len, lines), default=0)
    assert sum(hunk.new_size for hunk in hunks) <= 2


def test_lines_that_were_removed_here_and_there_are_alone_in_their_hunks() -> None:
    before = b"".join(b"%d\n" % number for number in range(500))
    after = b"".join(b"%d\n" % number for number in range(500) if number % 97 > 50)
    assert sum(len(hunk.old) for hunk in find_hunks(before, after)) == len(before) - len(after)
    assert sum(hunk.new_size for hunk in find_hunks(before, after)) == 0


def test_many_added_lines_are_not_written_down_for_they_stand_in_the_file() -> None:
    many = b"x" * KEPT_BYTES + b"\n"
    (hunk,) = unpack(pack(find_hunks(b"a\n", b"a\n" + many)))
    assert hunk == Hunk(2, 2, b"", None, len(many))
    assert take_back(b"a\n" + many, [hunk]) == b"a\n"
    assert put_in(b"a\n", [hunk]) is None


def test_many_removed_lines_are_written_down() -> None:
    many = b"x" * KEPT_BYTES + b"\n"
    (hunk,) = unpack(pack(find_hunks(b"a\n" + many, b"a\n")))
    assert take_back(b"a\n", [hunk]) == b"a\n" + many


@pytest.mark.parametrize(
    "head", ["[0, 1, -9, 0, false]", '[0, 1, "2", 0, true]', "[0, 1]", "{}", "[0, 1, 0.5, 0, true]"]
)
def test_what_was_not_packed_here_is_no_hunk(head: str) -> None:
    with pytest.raises(ValueError):
        list(unpack(zlib.compress(head.encode() + b"\n")))
