"""What the writer can do, each on files of its own, so that it can be killed, starved or cut off in the middle."""

import hashlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from curation.atomic import replacing, write_all
from curation.bulk import move_records, retag
from curation.bulk import remove as remove_chosen
from curation.choosing import choose_by_conditions, choose_by_ids, seek
from curation.dedup import Doublet
from curation.dedup import remove as remove_doublets
from curation.fix import FIXES, fix_file
from curation.journal import redo, restore, undo
from curation.record_file import RecordFile
from curation.records import edit_line, read_dataset
from curation.split import write_split
from curation.split_more import add_to_split
from curation.store import (
    Note,
    append_record,
    appending,
    change_lines,
    remove_record,
    replace_record,
)

TEXT = "東京です。" * 4
A, B, C, D, E = (json.dumps({"id": name, "answer": TEXT}, ensure_ascii=False).encode() + b"\n" for name in "abcde")
SOURCES = {"data/x.jsonl": A + B + C, "data/more.jsonl": D + E}


@dataclass(frozen=True)
class Operation:
    """One change of the files in a folder, which `history` has changed before.

    `file` is the one that the next record is added to afterwards. One that is `repeatable` has the same end however often
    it is done.
    """

    run: Callable[[Path], object]
    before: Mapping[str, bytes] = field(default_factory=lambda: {"x.jsonl": A + B + C})
    links: Mapping[str, str] = field(default_factory=dict)
    file: str = "x.jsonl"
    history: Sequence[Callable[[Path], object]] = ()
    repeatable: bool = False

    def prepare(self, folder: Path) -> None:
        for name, content in self.before.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o640)
        for name, target in self.links.items():
            (folder / name).symlink_to(target)
        for change in self.history:
            change(folder)


def _append(folder: Path, name: str = "x.jsonl") -> None:
    append_record(folder / name, {"id": "new", "answer": TEXT})


def _append_many(folder: Path) -> None:
    with appending(folder / "x.jsonl") as file:
        for number in range(300):  # more than a buffer holds
            file.add({"id": f"new-{number}", "answer": TEXT})


def _append_and_change(folder: Path) -> None:
    with appending(folder / "x.jsonl") as file:
        file.change("b", {"answer": "京都です。"})
        file.add({"id": "new", "answer": TEXT})


def _replace(folder: Path) -> None:
    dataset = read_dataset(folder / "x.jsonl")
    line, record = dataset.find("b")
    replace_record(dataset, line, {**record.data, "answer": "京都です。"})


def _remove(folder: Path) -> None:
    dataset = read_dataset(folder / "x.jsonl")
    remove_record(dataset, dataset.find("b")[0])


def _write_file(folder: Path) -> None:
    with replacing(folder / "x.jsonl") as staged:
        staged.write_bytes(C * 100)


def _undo(folder: Path) -> None:
    undo(folder / "x.jsonl")


def _redo(folder: Path) -> None:
    redo(folder / "x.jsonl")


def _restore(folder: Path) -> None:
    restore(folder / "x.jsonl", 0)


def _retag(folder: Path) -> None:
    retag(choose_by_conditions(folder / "x.jsonl", []), add=["checked"])


def _move(folder: Path) -> None:
    move_records(choose_by_ids(folder / "x.jsonl", ["b"]), folder / "y.jsonl")


def _fix(folder: Path) -> None:
    fix_file(folder / "x.jsonl", frozenset(FIXES))


def _edit(folder: Path) -> None:
    sought = seek(folder / "x.jsonl", "b")
    new = edit_line(sought.line.raw, {**sought.record.data, "answer": "京都です。"})
    change_lines(folder / "x.jsonl", sought.sha256, lambda number, raw: new if number == 2 else raw, Note("edit"))


def _dedup(folder: Path) -> None:
    assert list(remove_doublets(folder / "x.jsonl", [_doublet(B, 2, A)])) == [B]


def _doublet(line: bytes, number: int, kept: bytes) -> Doublet:
    return Doublet(number, 1, 1.0, "?", hashlib.sha256(line).digest(), hashlib.sha256(kept).digest())


def _split(folder: Path) -> None:
    write_split(RecordFile(folder / "data" / "x.jsonl"), folder, 50, 42)


def _add_to_split(folder: Path) -> None:
    add_to_split(RecordFile(folder / "data" / "more.jsonl"), folder)


def stopped_before_rename(number: int) -> Callable[[Path], object]:
    """Add to the split and be killed before its first, its second or its third file is replaced."""

    def live(folder: Path) -> None:
        numbers = itertools.count(1)

        def see(event: str, _: object) -> None:
            if event == "os.rename" and next(numbers) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(see)
        _add_to_split(folder)

    def die(folder: Path) -> None:
        child = os.fork()
        if child == 0:
            try:
                live(folder)
            finally:
                os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])

    return die


OPERATIONS = {
    "append": Operation(_append),
    "append to no file": Operation(_append, before={}),
    "append without a last newline": Operation(_append, before={"x.jsonl": A + B.removesuffix(b"\n")}),
    "append through a link": Operation(
        lambda folder: _append(folder, "link.jsonl"), {"data/x.jsonl": A}, {"link.jsonl": "data/x.jsonl"}, "link.jsonl"
    ),
    "append many": Operation(_append_many),
    "append and change": Operation(_append_and_change),
    "replace": Operation(_replace),
    "remove": Operation(_remove),
    "fix": Operation(
        _fix,
        {"x.jsonl": b"\xef\xbb\xbf\n" + A.replace(b"\n", b"\r\n") + B.removesuffix(b"\n")},
    ),
    "replace again": Operation(_replace, history=[_append]),
    "undo": Operation(_undo, history=[_append, _replace]),
    "undo an added record": Operation(_undo, history=[_replace, _append]),
    "redo": Operation(_redo, history=[_append, _replace, _undo]),
    "restore": Operation(_restore, history=[_append, _replace, _remove]),
    "retag": Operation(_retag),
    "edit": Operation(_edit),
    "remove several": Operation(lambda folder: remove_chosen(choose_by_ids(folder / "x.jsonl", ["a", "c"]))),
    "dedup": Operation(_dedup),
    "undo a fix": Operation(_undo, {"x.jsonl": A + b"\n" + B}, history=[_fix]),
    "move": Operation(_move, history=[_append, lambda folder: _append(folder, "y.jsonl")]),
    "move to no file": Operation(_move, history=[_append]),
    "write a file": Operation(_write_file),
    "split": Operation(_split, SOURCES, file="data/x.jsonl", repeatable=True),
    "split again": Operation(
        _split,
        SOURCES,
        file="data/x.jsonl",
        history=[_split, lambda folder: _append(folder, "data/x.jsonl")],
        repeatable=True,
    ),
    "split more": Operation(_add_to_split, SOURCES, file="data/x.jsonl", history=[_split], repeatable=True),
    "split more after a kill": Operation(
        _add_to_split, SOURCES, file="data/x.jsonl", history=[_split, stopped_before_rename(3)], repeatable=True
    ),
    "write several files": Operation(
        lambda folder: write_all({folder / "x.jsonl": A, folder / "y.jsonl": B, folder / "z.json": b"{}\n"}),
        {"x.jsonl": C, "y.jsonl": C},
    ),
}


# For a quick look; between them they go through every line of the writer.
SOME = ["append", "append through a link", "append and change", "replace", "undo", "move", "write several files"]


def files_in(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(paths)}


def links(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): str(path.readlink()) for path in folder.rglob("*") if path.is_symlink()}
