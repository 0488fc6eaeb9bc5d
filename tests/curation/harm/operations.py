"""What the writer can do, each on files of its own, so that it can be killed, starved or cut off in the middle."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from curation.atomic import replacing, write_all
from curation.bulk import move_records, retag
from curation.choosing import choose_by_conditions, choose_by_ids
from curation.fix import FIXES, fix_file
from curation.journal import redo, restore, undo
from curation.records import read_dataset
from curation.store import (
    append_record,
    appending,
    remove_record,
    replace_record,
)

TEXT = "東京です。" * 4
A, B, C = (json.dumps({"id": name, "answer": TEXT}, ensure_ascii=False).encode() + b"\n" for name in "abc")


@dataclass(frozen=True)
class Operation:
    """One change of the files in a folder, which `history` has changed before.

    `file` is the one that the next record is added to afterwards.
    """

    run: Callable[[Path], object]
    before: Mapping[str, bytes] = field(default_factory=lambda: {"x.jsonl": A + B + C})
    links: Mapping[str, str] = field(default_factory=dict)
    file: str = "x.jsonl"
    history: Sequence[Callable[[Path], object]] = ()

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
        lambda folder: fix_file(folder / "x.jsonl", frozenset(FIXES)),
        {"x.jsonl": b"\xef\xbb\xbf\n" + A.replace(b"\n", b"\r\n") + B.removesuffix(b"\n")},
    ),
    "replace again": Operation(_replace, history=[_append]),
    "undo": Operation(_undo, history=[_append, _replace]),
    "undo an added record": Operation(_undo, history=[_replace, _append]),
    "redo": Operation(_redo, history=[_append, _replace, _undo]),
    "restore": Operation(_restore, history=[_append, _replace, _remove]),
    "retag": Operation(_retag),
    "move": Operation(_move, history=[_append, lambda folder: _append(folder, "y.jsonl")]),
    "move to no file": Operation(_move, history=[_append]),
    "write a file": Operation(_write_file),
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
