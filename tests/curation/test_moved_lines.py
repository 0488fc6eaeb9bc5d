"""A change is taken back where its lines stand now, to the byte, or not at all."""

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.hunks import BLOCK_BYTES, Hunk
from curation.moved_lines import NotFound, take_back_by_lines

OLD, NEW = b"old\n", b"new\n"


def taken_back(content: bytes, *changes: tuple[bytes, bytes | None]) -> bytes:
    hunks = [Hunk(0, 1, old, new, len(new or b"")) for old, new in changes]
    return b"".join(take_back_by_lines(Path("x.jsonl"), BytesIO(content), hunks))


def test_old_lines_come_back_wherever_the_new_ones_stand_now() -> None:
    assert taken_back(b"a\n2\nb\n1\n", (b"one\n", b"1\n"), (b"two\n", b"2\n")) == b"a\ntwo\nb\none\n"
    assert taken_back(b"a\nnew\nnewer\nb", (OLD, b"new\nnewer\n")) == b"a\nold\nb"
    assert taken_back(b"a\nnew\n", (b"", NEW)) == b"a\n"
    long = b"x" * (2 * BLOCK_BYTES + 3) + b"\n"
    assert taken_back(long + NEW + long, (OLD, NEW)) == long + OLD + long


def test_only_lines_that_may_be_meant_are_read_again() -> None:
    class Counting(BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            return super().read(size)

    content = Counting(b"".join(b"same\n%d\n" % number for number in range(100)))
    hunks = [Hunk(0, 1, b"old %d\n" % number, b"same\n%d\n" % number, 0) for number in range(100)]
    old = b"".join(take_back_by_lines(Path("x.jsonl"), content, hunks))
    assert old == b"".join(b"old %d\n" % number for number in range(100))
    assert content.reads == 200


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (b"a\n", [(OLD, NEW)]),
        (b"new\na\nnew\n", [(OLD, NEW)]),
        (b"new\n", [(OLD, b"")]),
        (b"new\n", [(OLD, None)]),
        (b"1\n2\n3\n", [(OLD, b"1\n2\n"), (OLD, b"2\n3\n")]),
        (b"new\na\n", [(b"old", NEW)]),
        (b"new\nnewer\n", [(b"old", NEW), (OLD, b"newer\n")]),
    ],
)
def test_what_is_gone_doubtful_or_would_run_into_another_line_is_not_taken_back(
    content: bytes, changes: list[tuple[bytes, bytes | None]]
) -> None:
    with pytest.raises(NotFound):
        taken_back(content, *changes)


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.integers(0, 3000))
def test_whatever_the_order_each_line_is_what_it_was(order: list[int], changed: set[int], length: int) -> None:
    def line(number: int, is_new: bool) -> bytes:
        return b"%d %s %s\n" % (number, b"new" if is_new else b"old", b"x" * length)

    content = b"".join(line(number, number in changed) for number in order)
    changes = [(line(number, False), line(number, True)) for number in sorted(changed)]
    assert taken_back(content, *changes) == b"".join(line(number, False) for number in order)
