"""A change is written down as lines in place of lines, and goes both ways to the byte."""

import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.hunks import KEPT_BYTES, Hunk, NotKept, compare, put_in, take_back
from curation.packing import PackedHunks, unpack

LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\xff\n", b"\n", b"a"]), max_size=30).map(b"".join)


def hunks_of(before: bytes, after: bytes) -> list[Hunk]:
    with PackedHunks(Path()) as packed:
        for old, new in compare(BytesIO(before), BytesIO(after)):
            packed.add(old, new)
        return list(unpack(list(packed)))


def taken_back(after: bytes, hunks: list[Hunk]) -> bytes:
    return b"".join(take_back(BytesIO(after), hunks))


@given(LINES, LINES)
@example(b"a\n" * 9, b"a\n" * 8)
@example(b"a", b"a\nb\n")
@example(b"", b"a\n")
def test_every_change_can_be_made_and_taken_back(before: bytes, after: bytes) -> None:
    hunks = hunks_of(before, after)
    assert b"".join(put_in(BytesIO(before), hunks)) == after
    assert taken_back(after, hunks) == before


@given(LINES, LINES)
def test_the_pieces_of_two_files_are_both_of_them(before: bytes, after: bytes) -> None:
    pieces = list(compare(BytesIO(before), BytesIO(after)))
    assert (b"".join(old for old, _ in pieces), b"".join(new for _, new in pieces)) == (before, after)


@given(LINES, st.integers(0, 30), st.sampled_from([b"x\n", b""]))
def test_a_change_of_one_line_holds_no_other(content: bytes, place: int, new: bytes) -> None:
    lines = content.splitlines(keepends=True)
    place %= max(len(lines), 1)
    changed = b"".join([*lines[:place], new, *lines[place + 1 :]])
    hunks = hunks_of(content, changed)
    assert sum(len(hunk.old) for hunk in hunks) <= max(map(len, lines), default=0)
    assert sum(hunk.new_size for hunk in hunks) <= 2


def test_lines_that_were_removed_here_and_there_are_alone_in_their_hunks() -> None:
    before = b"".join(b"%d\n" % number for number in range(500))
    after = b"".join(b"%d\n" % number for number in range(500) if number % 97 > 50)
    hunks = hunks_of(before, after)
    assert sum(len(hunk.old) for hunk in hunks) == len(before) - len(after)
    assert sum(hunk.new_size for hunk in hunks) == 0


@pytest.mark.parametrize("lines", [[b"x" * KEPT_BYTES + b"\n"], [b"%d\n" % number for number in range(20_000)]])
def test_many_added_lines_are_not_written_down_for_they_stand_in_the_file(lines: list[bytes]) -> None:
    many = b"".join(lines)
    (hunk,) = hunks_of(b"a\n", b"a\n" + many)
    assert hunk == Hunk(2, 2, b"", None, len(many))
    assert taken_back(b"a\n" + many, [hunk]) == b"a\n"
    with pytest.raises(NotKept):
        list(put_in(BytesIO(b"a\n"), [hunk]))


def test_many_removed_lines_are_written_down() -> None:
    many = b"x" * KEPT_BYTES + b"\n"
    (hunk,) = hunks_of(b"a\n" + many, b"a\n")
    assert taken_back(b"a\n", [hunk]) == b"a\n" + many


@pytest.mark.parametrize("keep", [0, 1, 10, -1])
def test_hunks_that_were_cut_off_are_none(keep: int) -> None:
    with PackedHunks(Path()) as packed:
        for number in range(5000):
            packed.add(b"%d\n" % number, b"%d\n" % -number)
        whole = b"".join(packed)
    with pytest.raises(ValueError):
        list(unpack([whole[:keep]]))


@pytest.mark.parametrize(
    "head", ["[0, 1, -9, 0, false]", '[0, 1, "2", 0, true]', "[0, 1]", "{}", "[0, 1, 0.5, 0, true]"]
)
def test_what_was_not_packed_here_is_no_hunk(head: str) -> None:
    with pytest.raises(ValueError):
        list(unpack([zlib.compress(head.encode() + b"\n")]))
