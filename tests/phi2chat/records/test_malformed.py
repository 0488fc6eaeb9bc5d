"""No file, whatever is in it, makes a command of `curate` end in a traceback, and no reader changes a byte."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from malformed import GOOD, malformed_files
from programs import start

READERS = [
    ["list", "x.jsonl"], ["list", "x.jsonl", "--grep", "東"], ["show", "x.jsonl", "line:1"], ["show", "x.jsonl", "a"],
    ["validate", "x.jsonl"], ["validate", "x.jsonl", "--format", "sarif"], ["stats", "x.jsonl"],
    ["stats", "x.jsonl", "--json"], ["check-split", "x.jsonl", "x.jsonl"], ["split", "x.jsonl", "--output-dir", "side"],
    ["export", "x.jsonl", "out.jsonl", "--format", "messages"], ["export", "x.jsonl", "out.csv", "--format", "csv"],
    ["import", "x.jsonl", "--into", "new.jsonl"], ["log", "x.jsonl"], ["log", "x.jsonl", "--json"],
    ["diff", "x.jsonl", "x.jsonl"], ["list", "x.jsonl", "--where", "language=ja", "--where", "len(answer)>2"],
]  # fmt: skip
WRITERS = [
    ["validate", "x.jsonl", "--fix"],
    ["edit", "x.jsonl", "line:1"],
    ["rm", "x.jsonl", "line:1", "--yes"],
    ["mv", "x.jsonl", "line:1", "--to", "y.jsonl", "--yes"],
    ["retag", "x.jsonl", "line:1", "--add", "checked"],
    ["add", "x.jsonl", "--instruction", "空は？", "--reasoning", "晴れた日の色です。", "--answer", "青です。"],
]
EDITOR = "sed -i -e '$a extra: x'"  # adds a field


JOURNAL_COMMANDS = [["log", "x.jsonl"], ["undo", "x.jsonl"], ["restore", "x.jsonl", "--at", "0"], WRITERS[-1]]


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def front_door(quick_folder: Path) -> Iterator["subprocess.Popen[str]"]:
    environment = {"EDITOR": EDITOR, "XDG_STATE_HOME": str(quick_folder / "state"), "VISUAL": ""}
    (quick_folder / "work").mkdir()
    with start("front_door.py", environment=environment, cwd=quick_folder / "work", stdin=subprocess.PIPE) as program:
        yield program
        program.communicate()


def curate(front_door: "subprocess.Popen[str]", arguments: list[str]) -> tuple[Any, str]:
    assert front_door.stdin is not None and front_door.stdout is not None
    front_door.stdin.write(json.dumps(["curate", *arguments]) + "\n")
    front_door.stdin.flush()
    code, said = json.loads(front_door.stdout.readline())
    return code, said


def is_meant(command: str, before: bytes, after: bytes) -> bool:
    """Whether that is all that a command may do to a file whose first line it was told to change."""
    _, newline, rest = before.partition(b"\n")
    if command == "add":
        return after.startswith(before) and json.loads(after[len(before) :])["answer"] == "青です。"
    if command == "edit":
        return after.endswith(newline + rest) and json.loads(after.split(b"\n")[0])["extra"] == "x"
    if command == "retag":
        return after.endswith(newline + rest) and "checked" in json.loads(after.split(b"\n")[0])["tags"]
    if command in ("rm", "mv"):
        return after == rest
    return len(after) <= len(before) + 1  # blank lines and carriage returns gone, a last newline there


@pytest.mark.parametrize("step", [40, pytest.param(1, marks=pytest.mark.slow)])
def test_a_malformed_file_is_never_a_traceback_and_never_changed_by_a_reader(
    front_door: "subprocess.Popen[str]", quick_folder: Path, step: int
) -> None:
    files = list(malformed_files())
    assert len(files) > 400
    work, found = quick_folder / "work", []
    for name, content in files[::step]:
        for arguments in [*READERS, *WRITERS]:
            empty(work)
            (work / "x.jsonl").write_bytes(content)
            code, said = curate(front_door, arguments)
            after = (work / "x.jsonl").read_bytes()
            if code not in (0, 1, 2):
                found.append(f"{name}: {' '.join(arguments)}: {said[-600:]}")
            if code == 1 and not said.strip() and arguments[0] not in ("validate", "check-split"):
                found.append(f"{name}: {' '.join(arguments)}: says nothing")
            if after != content and (
                arguments in READERS
                or (code != 0 and arguments[0] != "validate")
                or not is_meant(arguments[0], content, after)
            ):
                found.append(f"{name}: {' '.join(arguments)}: made {after[:300]!r}")
            if after != content:
                code, said = curate(front_door, ["undo", "x.jsonl"])
                if (work / "x.jsonl").read_bytes() != content:
                    found.append(f"{name}: {' '.join(arguments)}: is not undone, {code}: {said[-600:]}")
        for arguments in JOURNAL_COMMANDS:
            empty(work)
            (work / "x.jsonl").write_text(GOOD + "\n", encoding="utf-8")
            (work / ".x.jsonl.journal").write_bytes(content)
            code, said = curate(front_door, arguments)
            if code not in (0, 1, 2):
                found.append(f"{name} as journal: {' '.join(arguments)}: {said[-600:]}")
            if GOOD not in (work / "x.jsonl").read_text(encoding="utf-8"):
                found.append(f"{name} as journal: {' '.join(arguments)} lost the record")
    print(len(files[::step]), "files")
    assert found == []
