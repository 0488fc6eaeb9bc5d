"""What the writer can do, each on files of its own, so that it can be killed, starved or cut off in the middle."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from curation.records import read_dataset
from curation.store import (
    append_record,
    appending,
    change_file,
    remove_record,
    replace_record,
    replacing,
    write_all,
)

TEXT = "東京です。" * 4
A, B, C = (json.dumps({"id": name, "answer": TEXT}, ensure_ascii=False).encode() + b"\n" for name in "abc")


@dataclass(frozen=True)
class Operation:
    """One change of the files in a folder. `file` is the one that the next record is added to afterwards."""

    run: Callable[[Path], object]
    before: Mapping[str, bytes] = field(default_factory=lambda: {"x.jsonl": A + B + C})
    links: Mapping[str, str] = field(default_factory=dict)
    file: str = "x.jsonl"

    def prepare(self, folder: Path) -> None:
        for name, content in self.before.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o640)
        for name, target in self.links.items():
            (folder / name).symlink_to(target)


def _append(folder: Path, name: str = "x.jsonl") -> None:
    append_record(folder / name, {"id": "new", "answer": TEXT})


def _append_many(folder: Path) -> None:
    with appending(folder / "x.jsonl") as file:
        for number in range(300):  # more than a buffer holds
            file.add({"id": f"new-{number}", "answer": TEXT})


def _append_and_change(folder: Path) -> None:
    with appending(folder / "x.jsonl") as file:
        file.changes["b"] = {"answer": "京都です。"}
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
    "change the file": Operation(
        lambda folder: change_file(folder / "x.jsonl", lambda content: content.replace(b"\r\n", b"\n")),
        {"x.jsonl": A.replace(b"\n", b"\r\n") + B},
    ),
    "write a file": Operation(_write_file),
    "write several files": Operation(
        lambda folder: write_all({folder / "x.jsonl": A, folder / "y.jsonl": B, folder / "z.json": C}),
        {"x.jsonl": C, "y.jsonl": C},
    ),
}


def visible(folder: Path) -> dict[str, bytes]:
    """The files of a folder that a user looks at."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(paths)}


def temporary(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob(".*") if path.name.endswith(".tmp"))


def links(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): str(path.readlink()) for path in folder.rglob("*") if path.is_symlink()}
