"""What a disk may hold after a power cut, worked out from the calls of a program.

The contents of a file are sure as they were at its last fsync; of what was written since, any beginning may be there.
The names in a folder are sure as they were at the fsync of the folder; of the changes since, any may be there and any
other not: POSIX promises no order, and there are file systems that keep none.
"""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

from system_calls import Call

FOLLOWED = "openat,write,fsync,rename,unlink,ftruncate,close,lseek"
# Followed too, for they change something, and understood where somebody makes use of them.
UNKNOWN = (
    "open,creat,pwrite64,writev,pwritev,fdatasync,renameat,renameat2,unlinkat,mkdirat,truncate,link,linkat,symlink,"
    "symlinkat,copy_file_range,sendfile,dup,dup2,dup3,fallocate,rmdir"
)


class File:
    """The contents that a file may have, the last one being what programs see."""

    def __init__(self, content: bytes = b"") -> None:
        self.contents = [content]

    def become(self, content: bytes, place: int = 0) -> None:
        """Have a content that differs from the last one after a place, of which half may be there alone."""
        self.contents += [content[: (place + len(content)) // 2], content]

    def shorten(self, size: int) -> None:
        """Have no more than so many bytes, or as many as before."""
        if size < len(self.contents[-1]):
            self.contents.append(self.contents[-1][:size])

    def fsync(self) -> None:
        self.contents = self.contents[-1:]


Names = dict[Path, File]
Change = dict[Path, File | None]  # one that the disk has as a whole or not at all: a rename changes two names


class Disk:
    """Files below a folder, to begin with those that are surely there."""

    def __init__(self, folder: Path, files: Mapping[str, bytes]) -> None:
        self._folder = folder
        self._sure: Names = {folder / name: File(content) for name, content in files.items()}
        self._seen: Names = dict(self._sure)
        self._changes: list[Change] = []  # of names, since the last fsync of their folder
        self._open: dict[int, tuple[File | Path, int]] = {}  # a file, or a folder, and the place in it

    def make(self, call: Call) -> None:
        """Let the disk hear a call. One that strace kept from the disk, though it seemed to work, changes nothing."""
        if call.is_injected or call.result < 0:
            return
        match call.name:
            case "openat":
                self._open_file(Path(call.texts()[0].decode()), call)
            case "write" if call.handle() in self._open:
                file, place = self._open[call.handle()]
                assert isinstance(file, File)
                (content,) = call.texts()
                assert len(content) == call.result
                before = file.contents[-1].ljust(place, b"\0")
                file.become(before[:place] + content + before[place + len(content) :], place)
                self._open[call.handle()] = file, place + len(content)
            case "lseek" if call.handle() in self._open:
                self._open[call.handle()] = self._open[call.handle()][0], call.result
            case "ftruncate":
                file, _ = self._open[call.handle()]
                assert isinstance(file, File)
                file.shorten(int(call.arguments.split(",")[1]))
            case "close":
                self._open.pop(call.handle(), None)
            case "fsync":
                self._fsync(self._open[call.handle()][0])
            case "rename":
                old, new = (Path(text.decode()) for text in call.texts())
                assert old.parent == new.parent
                self._change({new: self._seen[old], old: None})
            case "unlink":
                self._change({Path(call.texts()[0].decode()): None})
            case "write" | "lseek":  # of a pipe
                pass
            case name:
                raise AssertionError(f"{name} is not understood")

    def after_a_power_cut(self) -> Iterator[dict[str, bytes]]:
        """Every set of files that may be there."""
        for kept in itertools.product([True, False], repeat=len(self._changes)):
            names: dict[Path, File | None] = dict(self._sure)
            for change in itertools.compress(self._changes, kept):
                names |= change
            files = {name: file for name, file in names.items() if file is not None}
            for contents in itertools.product(*(file.contents for file in files.values())):
                yield {
                    str(name.relative_to(self._folder)): content for name, content in zip(files, contents, strict=True)
                }

    def _open_file(self, path: Path, call: Call) -> None:
        if not path.is_relative_to(self._folder):
            return
        if "O_TMPFILE" in call.arguments:
            self._open[call.result] = File(), 0
            return
        if path not in self._seen:
            if "O_CREAT" not in call.arguments:
                self._open[call.result] = path, 0
                return
            self._change({path: File()})
        file = self._seen[path]
        if "O_TRUNC" in call.arguments and file.contents[-1]:
            file.shorten(0)
        assert "O_APPEND" not in call.arguments
        self._open[call.result] = file, 0

    def _change(self, change: Change) -> None:
        self._changes.append(change)
        self._seen |= {name: file for name, file in change.items() if file is not None}
        for name in (name for name, file in change.items() if file is None):
            del self._seen[name]

    def _fsync(self, opened: File | Path) -> None:
        if isinstance(opened, File):
            opened.fsync()
            return
        for change in (one for one in self._changes if next(iter(one)).parent == opened):
            self._sure |= {name: file for name, file in change.items() if file is not None}
            for name in (name for name, file in change.items() if file is None):
                self._sure.pop(name, None)
        self._changes = [one for one in self._changes if next(iter(one)).parent != opened]
