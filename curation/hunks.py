"""Which lines a change put in place of which others, and the way back, to the byte; files of any size, in passing."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

KEPT_BYTES = 64 * 1024  # of lines that were added; more are not packed, for they stand in the file
NEARBY_LINES = 8  # how far apart two lines may be to be found equal at once
BLOCK_BYTES = 1 << 20

Piece = tuple[bytes, bytes]  # what stands at a place before a change, and what stands there after it


class NotKept(Exception):
    """The lines that a hunk has put in are known by their size alone."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that were put in place of others: where they began, in bytes and in lines from 1, before the change.

    `new` is None where only its size is known.
    """

    offset: int
    line: int
    old: bytes
    new: bytes | None
    new_size: int


def compare(before: IO[bytes], after: IO[bytes]) -> Iterator[Piece]:
    """Both files, piece by piece: lines that stay the same, and those that came in place of others.

    It holds a number for each line; a file that changes meanwhile comes as it was when it was read last.
    """
    old, new = array("q", map(hash, before)), array("q", map(hash, after))
    before.seek(0)
    after.seek(0)
    i = j = 0
    tail = _equal_at_the_end(old, new)
    ends = len(old) - tail, len(new) - tail
    is_even = len(old) == len(new)
    while i < len(old) or j < len(new):
        if is_even or (i >= ends[0] and j >= ends[1]) or (i < ends[0] and j < ends[1] and old[i] == new[j]):
            yield next(before, b""), next(after, b"")
            i, j = i + 1, j + 1
            continue
        next_i, next_j = _next_common(old, i, ends[0], new, j, ends[1])
        gone, come = next_i - i, next_j - j
        if max(gone, come) <= NEARBY_LINES:
            yield _lines(before, gone), _lines(after, come)
        else:  # many, which are not held in memory together
            for number in range(max(gone, come)):
                yield _lines(before, number < gone), _lines(after, number < come)
        i, j = next_i, next_j


def _lines(file: IO[bytes], count: int) -> bytes:
    return b"".join(next(file, b"") for _ in range(count))


def _equal_at_the_end(old: "array[int]", new: "array[int]") -> int:
    equal = 0
    for one, other in zip(reversed(old), reversed(new), strict=False):
        if one != other:
            break
        equal += 1
    return equal


def _next_common(old: "array[int]", i: int, old_end: int, new: "array[int]", j: int, new_end: int) -> tuple[int, int]:
    """Where both go on with the same line, or where both end."""
    for distance in range(1, NEARBY_LINES):
        for step in range(distance + 1):
            a, b = i + step, j + distance - step
            if a < old_end and b < new_end and old[a] == new[b]:
                return a, b
    try:  # many lines in a row were removed, or added
        if old_end - i > new_end - j and j < new_end:
            return old.index(new[j], i, old_end), j
        if i < old_end:
            return i, new.index(old[i], j, new_end)
    except ValueError:
        pass
    return old_end, new_end


def take_back(content: IO[bytes], hunks: Iterable[Hunk]) -> Iterator[bytes]:
    """What a file was before its hunks made it `content`, block by block."""
    shift = position = 0
    for hunk in hunks:
        start = hunk.offset + shift
        yield from blocks_of(content, position, start)
        yield hunk.old
        position = start + hunk.new_size
        shift += hunk.new_size - len(hunk.old)
    yield from blocks_of(content, position)


def put_in(content: IO[bytes], hunks: Iterable[Hunk]) -> Iterator[bytes]:
    """What the hunks make of `content`, block by block. Raises NotKept where the new bytes of one were not kept."""
    position = 0
    for hunk in hunks:
        if hunk.new is None:
            raise NotKept
        yield from blocks_of(content, position, hunk.offset)
        yield hunk.new
        position = hunk.offset + len(hunk.old)
    yield from blocks_of(content, position)


def blocks_of(file: IO[bytes], start: int, end: int | None = None) -> Iterator[bytes]:
    """The bytes of a file from `start` up to `end`, or to its own."""
    file.seek(start)
    left = end - start if end is not None else None
    while left is None or left > 0:
        block = file.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
        if not block:
            return
        yield block
        left = None if left is None else left - len(block)
