"""A change taken back where another program has since moved its lines about: they are looked for one by one."""

import contextlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from curation.atomic import close, spool, target_of
from curation.hunks import Hunk, blocks_of
from curation.line_file import OpenLines
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
            kept.seek(olds[number])
            old = kept.read(olds[number + 1] - olds[number])
            for block in (*_between(lines, content, position, begins[number]), old):
                is_ended = _require_ended(is_ended, block)
                yield block
            position = ends[number]
        for block in _between(lines, content, position, len(lines)):
            is_ended = _require_ended(is_ended, block)
            yield block


def _find(lines: OpenLines, lookup: Lookup, new: list[bytes]) -> tuple[int, int]:
    """Where these lines begin and end, which they do exactly once."""
    if not new:  # lines were removed: where they belong now is not known
        raise NotFound
    found = [place for place in lookup.places(hash(new[0])) if _stand_at(lines, place, new)]
    if len(found) != 1:
        raise NotFound
    return found[0], found[0] + len(new)


def _stand_at(lines: OpenLines, place: int, new: list[bytes]) -> bool:
    return place + len(new) <= len(lines) and all(lines[place + step] == line for step, line in enumerate(new))


def _between(lines: OpenLines, content: IO[bytes], begin: int, end: int) -> Iterator[bytes]:
    return blocks_of(content, lines.starts[begin], lines.starts[end])


def _require_ended(is_ended: bool, block: bytes) -> bool:
    """An old last line may have had no newline; then nothing can follow it."""
    if block and not is_ended:
        raise NotFound
    return not block or block.endswith(b"\n")
