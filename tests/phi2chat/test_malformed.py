"""No file, whatever is in it, makes a command of `curate` end in a traceback, and no reader changes a byte."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from malformed import malformed_files
from programs import start

READERS = [
    ["list", "x.jsonl"], ["list", "x.jsonl", "--grep", "東"], ["show", "x.jsonl", "line:1"], ["show", "x.jsonl", "a"],
    ["validate", "x.jsonl"], ["validate", "x.jsonl", "--format", "sarif"], ["stats", "x.jsonl"],
    ["stats", "x.jsonl", "--json"], ["check-split", "x.jsonl", "x.jsonl"], ["split", "x.jsonl", "--output-dir", "side"],
    ["export", "x.jsonl", "out.jsonl", "--format", "messages"], ["export", "x.jsonl", "out.csv", "--format", "csv"],
    ["import", "x.jsonl", "--into", "new.jsonl"],
]  # fmt: skip
WRITERS = [
    ["validate", "x.jsonl", "--fix"],
    ["edit", "x.jsonl", "line:1"],
    ["rm", "x.jsonl", "line:1", "--yes"],
    ["add", "x.jsonl", "--instruction", "空は？", "--reasoning", "晴れた日の色です。", "--answer", "青です。"],
]
EDITOR = "sed -i -e '$a extra: x'"  # adds a field


@pytest.fixture
def front_door(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    environment = {"EDITOR": EDITOR, "XDG_STATE_HOME": str(tmp_path / "state"), "VISUAL": ""}
    (tmp_path / "work").mkdir()
    with start("front_door.py", environment=environment, cwd=tmp_path / "work", stdin=subprocess.PIPE) as program:
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
    if command == "rm":
        return after == rest
    return len(after) <= len(before) + 1  # blank lines and carriage returns gone, a last newline there


@pytest.mark.parametrize("step", [20, pytest.param(1, marks=pytest.mark.slow)])
def test_a_malformed_file_is_never_a_traceback_and_never_changed_by_a_reader(
    front_door: "subprocess.Popen[str]", tmp_path: Path, step: int
) -> None:
    files = list(malformed_files())
    assert len(files) > 400
    work, found = tmp_path / "work", []
    for name, content in files[::step]:
        for arguments in [*READERS, *WRITERS]:
            for path in work.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
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
    print(len(files[::step]), "files")
    assert found == []
