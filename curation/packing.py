"""Hunks as bytes: compressed, for the old and the new lines are mostly alike, and never all in memory."""

import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import msgspec

from curation.atomic import close, spool
from curation.hunks import BLOCK_BYTES, KEPT_BYTES, Hunk
from curation.lines import BadLine, parse_line, split_lines

SHOWN_IDS = 20  # that the journal names, of the records that a change is about
MOST_ID_CHARS = 200  # of each

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Head = tuple[_Count, _Count, _Count, _Count, bool]  # of a packed hunk: offset, line, both sizes, is the new one kept


class PackedHunks:
    """The hunks of a change while it is made; few stay in memory, many stand in a file of `folder` without a name.

    `added`, `changed` and `removed` count lines; `ids` are the first of the records, `line:N` for one without an id.
    """

    def __init__(self, folder: Path) -> None:
        self.added = self.changed = self.removed = 0
        self.ids: list[str] = []
        self.is_empty = True
        self._file = spool(folder)
        self._compressor = zlib.compressobj(1)
        self._offset, self._line = 0, 1
        self._come: list[bytes] | None = []  # lines that are added here one after the other; None where too many
        self._come_size = 0
        self._is_flushed = False
        self._is_ended = True  # the line before, as it was

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close(self._file)

    def add(self, old: bytes, new: bytes) -> None:
        """The next piece of the file, before and after the change."""
        if old == new:
            self._end_added()
        elif old:
            self._end_added()
            self._write(Hunk(self._offset, self._line, old, new, len(new)))
        else:
            self._come_size += len(new)
            if self._come is not None:
                self._come.append(new)
            if self._come_size > KEPT_BYTES:
                self._come = None
        if old != new:
            self._tell(old, new)
        if old:
            self._is_ended = old.endswith(b"\n")
        self._offset += len(old)
        self._line += _lines_in(old)

    def __iter__(self) -> Iterator[bytes]:
        """The packed bytes, in blocks, after the last piece."""
        if not self._is_flushed:
            self._end_added()
            self._file.write(self._compressor.flush())
            self._is_flushed = True
        self._file.seek(0)
        while block := self._file.read(BLOCK_BYTES):
            yield block

    def _end_added(self) -> None:
        if self._come_size:
            come = None if self._come is None else b"".join(self._come)
            self._write(Hunk(self._offset, self._line, b"", come, self._come_size))
            self._come, self._come_size = [], 0

    def _write(self, hunk: Hunk) -> None:
        self._file.writelines(map(self._compressor.compress, _parts(hunk)))

    def _tell(self, old: bytes, new: bytes) -> None:
        self.is_empty = False
        gone, come = _lines_in(old), _lines_in(new)
        if not self._is_ended and new.startswith(b"\n"):  # the end of the line before
            self._is_ended = True
            come -= 1
        self.added += max(0, come - gone)
        self.changed += min(come, gone)
        self.removed += max(0, gone - come)
        for raw in split_lines(old) + split_lines(new) if len(self.ids) < SHOWN_IDS else []:
            record_id = _id_of(raw)[:MOST_ID_CHARS] or f"line:{self._line}"
            if raw.strip() and record_id not in self.ids and len(self.ids) < SHOWN_IDS:
                self.ids.append(record_id)


def _parts(hunk: Hunk) -> tuple[bytes, bytes, bytes]:
    head = json.dumps([hunk.offset, hunk.line, len(hunk.old), hunk.new_size, hunk.new is not None])
    return head.encode() + b"\n", hunk.old, hunk.new or b""


def _id_of(raw: bytes) -> str:
    try:
        found = parse_line(raw).get("id")
    except BadLine:
        return ""
    return found if isinstance(found, str) else ""


def _lines_in(content: bytes) -> int:
    return content.count(b"\n") + (not content.endswith(b"\n") if content else 0)


def unpack(packed: Iterable[bytes]) -> Iterator[Hunk]:
    """The hunks that were packed, one at a time. Raises zlib.error or ValueError where it is something else."""
    content = _Unpacked(packed)
    while head := content.line():
        offset, line, old_size, new_size, kept = msgspec.json.decode(head, type=_Head)
        yield Hunk(offset, line, content.take(old_size), content.take(new_size) if kept else None, new_size)


class _Unpacked:
    """What packed blocks hold, as much of it in memory as is asked for."""

    def __init__(self, packed: Iterable[bytes]) -> None:
        self._blocks = iter(packed)
        self._decompressor = zlib.decompressobj()
        self._ready = bytearray()
        self._place = 0  # up to which it was taken

    def line(self) -> bytes:
        """The next line, b"" at the end."""
        searched = self._place
        while (end := self._ready.find(b"\n", searched)) < 0:
            searched = len(self._ready)
            before = searched - self._place
            if not self._more():
                if before:
                    raise ValueError("the last hunk is cut off")
                return b""
            searched = self._place + before
        return self._taken(end + 1 - self._place)

    def take(self, size: int) -> bytes:
        while len(self._ready) - self._place < size:
            if not self._more():
                raise ValueError("the last hunk is cut off")
        return self._taken(size)

    def _taken(self, size: int) -> bytes:
        self._place += size
        return bytes(memoryview(self._ready)[self._place - size : self._place])

    def _more(self) -> bool:
        """Unpack another block, if there is one."""
        if self._place > BLOCK_BYTES:
            del self._ready[: self._place]
            self._place = 0
        tail = self._decompressor.unconsumed_tail
        block = tail or next(self._blocks, b"")
        if not block:
            rest = b"" if self._decompressor.eof else self._decompressor.flush()
            self._ready += rest
            if not self._decompressor.eof:
                raise ValueError("the hunks are cut off")
            return bool(rest)
        if self._decompressor.eof:
            raise ValueError("something stands after the hunks")
        self._ready += self._decompressor.decompress(block, BLOCK_BYTES)
        return True
