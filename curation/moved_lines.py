"""A change taken back where another program has since moved its lines about: they are looked for one by one."""

import contextlib
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO

from curation.atomic import close, spool, target_of
from curation.hunks import Hunk, blocks_of
from curation.line_file import OpenLines, keys_of
from curation.lines import split_lines
from curation.lookup import Lookup


class NotFound(Exception):
    """Some lines of a change are gone, stand there more than once, or would not be lines any more."""


def take_back_by_lines(path: Path, content: IO[bytes], hunks: Iterable[Hunk]) -> Iterator[bytes]:
    """The old lines in place of the new ones wherever these stand now, block by block; a few numbers of each are held.

    Raises NotFound, also between two blocks.
    """
    lines = OpenLines(path, content)
    lookup = Lookup(lines.keys)
    begins, ends, olds = array("q"), array("q"), array("q", [0])
    with contextlib.ExitStack() as stack:
        kept = spool(target_of(path).parent)  # the old lines, for they may have to go back in another order
        stack.callback(close, kept)
        for hunk in hunks:
            begin, end = _find(lines, lookup, split_lines(hunk.new or b""))
            begins.append(begin)
            ends.append(end)
            kept.write(hunk.old)
            olds.append(olds[-1] + len(hunk.old))
        position, is_ended = 0, True
        for number in sorted(range(len(begins)), key=begins.__getitem__):
            if begins[number] < position:
                raise NotFound
            if position < begins[number]:
                is_ended = _require_ended(is_ended, lines[begins[number] - 1])
                yield from blocks_of(content, lines.starts[position], lines.starts[begins[number]])
            kept.seek(olds[number])
            if old := kept.read(olds[number + 1] - olds[number]):
                is_ended = _require_ended(is_ended, old)
                yield old
            position = ends[number]
        if position < len(lines):
            _require_ended(is_ended, lines[-1])
            yield from blocks_of(content, lines.starts[position])


def _find(lines: OpenLines, lookup: Lookup, new: list[bytes]) -> tuple[int, int]:
    """Where these lines begin and end, which they do exactly once."""
    if not new:  # lines were removed: where they belong now is not known
        raise NotFound
    keys = keys_of(new)
    places = (place for place in lookup.places(keys[0]) if lines.keys[place : place + len(keys)] == keys)
    found = list(islice((place for place in places if _stand_at(lines, place, new)), 2))
    if len(found) != 1:
        raise NotFound
    return found[0], found[0] + len(new)


def _stand_at(lines: OpenLines, place: int, new: list[bytes]) -> bool:
    return all(lines[place + step] == line for step, line in enumerate(new))


def _require_ended(is_ended: bool, following: bytes) -> bool:
    """An old last line may have had no newline, and then nothing can follow it. Whether something can follow now."""
    if not is_ended:
        raise NotFound
    return following.endswith(b"\n")
