"""Which lines a change put in place of which others, and the way back, to the byte."""

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from curation.lines import split_lines

KEPT_BYTES = 64 * 1024  # of lines that were added; more are not packed, for they stand in the file
NEARBY_LINES = 8  # how far apart two lines may be to be found equal at once

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Head = tuple[_Count, _Count, _Count, _Count, bool]  # of a packed hunk: offset, line, both sizes, is the new one kept


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


def find_hunks(before: bytes, after: bytes) -> list[Hunk]:
    """What must be put in place of what to make `after` of `before`; lines that stay equal are in no hunk."""
    start, ends = _equal_ends(before, after)
    old, new = split_lines(before[start : ends[0]]), split_lines(after[start : ends[1]])
    first_line = before.count(b"\n", 0, start) + 1
    hunks: list[Hunk] = []
    i, j, offset = 0, 0, start
    while i < len(old) or j < len(new):
        if i < len(old) and j < len(new) and old[i] == new[j]:
            offset += len(old[i])
            i, j = i + 1, j + 1
            continue
        if len(old) == len(new):
            next_i, next_j = i + 1, j + 1
        else:
            next_i, next_j = _next_common(old, i, new, j)
        gone, come = b"".join(old[i:next_i]), b"".join(new[j:next_j])
        hunks.append(Hunk(offset, first_line + i, gone, come, len(come)))
        offset += len(gone)
        i, j = next_i, next_j
    return hunks


def _equal_ends(before: bytes, after: bytes) -> tuple[int, tuple[int, int]]:
    """Where the first line begins that may differ, and in each where the last one ends: most changes are small."""
    shorter = min(len(before), len(after))
    start = _equal_bytes(lambda at, size: before[at : at + size] == after[at : at + size], shorter)
    start = before.rfind(b"\n", 0, start) + 1
    tail = _equal_bytes(
        lambda at, size: (
            before[len(before) - at - size : len(before) - at] == after[len(after) - at - size : len(after) - at]
        ),
        shorter - start,
    )
    line_end = before.find(b"\n", len(before) - tail)
    tail = len(before) - line_end - 1 if line_end >= 0 else 0
    return start, (len(before) - tail, len(after) - tail)


def _equal_bytes(is_equal: Callable[[int, int], bool], most: int) -> int:
    """How many bytes are equal, of at most so many; `is_equal` says it of some at a place."""
    at, size = 0, 1 << 20
    while size:
        while at + size <= most and is_equal(at, size):
            at += size
        size //= 2
    return at


def _next_common(old: list[bytes], i: int, new: list[bytes], j: int) -> tuple[int, int]:
    """Where both go on with the same line, or where both end."""
    for distance in range(1, NEARBY_LINES):
        for step in range(distance + 1):
            a, b = i + step, j + distance - step
            if a < len(old) and b < len(new) and old[a] == new[b]:
                return a, b
    try:  # many lines in a row were removed, or added
        if len(old) - i > len(new) - j and j < len(new):
            return old.index(new[j], i), j
        if i < len(old):
            return i, new.index(old[i], j)
    except ValueError:
        pass
    return len(old), len(new)


def take_back(content: bytes, hunks: Iterable[Hunk]) -> bytes:
    """What a file was before its hunks made it `content`."""
    pieces: list[bytes] = []
    position = shift = 0
    for hunk in hunks:
        start = hunk.offset + shift
        pieces += content[position:start], hunk.old
        position = start + hunk.new_size
        shift += hunk.new_size - len(hunk.old)
    return b"".join([*pieces, content[position:]])


def put_in(content: bytes, hunks: Iterable[Hunk]) -> bytes | None:
    """What the hunks make of `content`; None where the new bytes of one were not kept."""
    pieces: list[bytes] = []
    position = 0
    for hunk in hunks:
        if hunk.new is None:
            return None
        pieces += content[position : hunk.offset], hunk.new
        position = hunk.offset + len(hunk.old)
    return b"".join([*pieces, content[position:]])


def pack(hunks: Sequence[Hunk]) -> bytes:
    """The hunks as bytes: compressed, for the old and the new line are mostly alike."""
    compressor = zlib.compressobj(1)
    pieces: list[bytes] = []
    for hunk in hunks:
        new = hunk.new if hunk.old or hunk.new_size <= KEPT_BYTES else None
        head = json.dumps([hunk.offset, hunk.line, len(hunk.old), hunk.new_size, new is not None]).encode() + b"\n"
        pieces += map(compressor.compress, (head, hunk.old, new or b""))
    return b"".join([*pieces, compressor.flush()])


def unpack(packed: bytes) -> Iterator[Hunk]:
    """The hunks that were packed. Raises zlib.error or ValueError where it is something else."""
    content = zlib.decompress(packed)
    position = 0
    while position < len(content):
        end = content.index(b"\n", position) + 1
        offset, line, old_size, new_size, kept = msgspec.json.decode(content[position:end], type=_Head)
        middle, position = end + old_size, end + old_size + (new_size if kept else 0)
        yield Hunk(offset, line, content[end:middle], content[middle:position] if kept else None, new_size)
