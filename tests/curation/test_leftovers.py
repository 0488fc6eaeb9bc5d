"""What a killed program has left beside a file goes with the next save; what is not ours, or in use, stays."""

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType

import pytest

from curation import atomic, leftovers
from curation.atomic import replacing, replacing_all, write_atomically
from curation.leftovers import TEMPORARY, Temporary, claim
from curation.store import append_record

ROOT = Path(__file__).parents[2]


def temporary(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if TEMPORARY in path.name]


def be_killed(path: Path, name: str) -> None:
    code = (
        "import os, sys; from pathlib import Path; from curation.atomic import *\n"
        f"with {name}(Path(sys.argv[1])) as staged: os.kill(os.getpid(), 9)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code, path], env=env, timeout=60).returncode == -9


@pytest.mark.parametrize("name", ["x.jsonl", "長い名前" * 20 + ".jsonl", "x[0].*.jsonl"])
def test_the_next_save_removes_what_a_killed_one_has_left(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    be_killed(path, "replacing")
    assert len(temporary(tmp_path)) == 1
    append_record(path, {"id": "a"})
    assert temporary(tmp_path) == []
    be_killed(path, "replacing")
    write_atomically(path, b"")
    assert temporary(tmp_path) == []


@pytest.mark.parametrize("begin", [replacing, lambda path: replacing_all([path, path.with_name("y.jsonl")])])
def test_an_interrupt_leaves_nothing_wherever_it_comes_before_the_block(
    tmp_path: Path, begin: Callable[[Path], AbstractContextManager[object]]
) -> None:
    count = 0
    while interrupted_at(count, begin(tmp_path / "x.jsonl")):
        assert list(tmp_path.iterdir()) == []
        count += 1
    assert count > 20


def interrupted_at(count: int, block: AbstractContextManager[object]) -> bool:
    """Enter a block and leave it by an interrupt: before the line of that number of our own code, or in the block."""
    ours = {atomic.__file__, leftovers.__file__}
    left = count

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., object] | None:
        nonlocal left
        if frame.f_code.co_filename not in ours:
            return None
        if event == "line":
            left -= 1
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    former = sys.gettrace()
    is_entered = False
    with contextlib.suppress(KeyboardInterrupt):
        sys.settrace(trace)
        try:
            with block:
                sys.settrace(former)
                is_entered = True
                raise KeyboardInterrupt
        finally:
            sys.settrace(former)
    return not is_entered


def test_what_another_program_is_writing_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with replacing(path) as staged:
        staged.write_bytes(b"later")
        write_atomically(path, b"now")
        assert temporary(tmp_path) == [staged.name]
    assert (path.read_bytes(), temporary(tmp_path)) == (b"later", [])


def test_what_another_program_sweeps_at_that_moment_is_not_written_to(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    handle, sweeping = os.open(path, os.O_RDWR | os.O_CREAT), os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(sweeping, fcntl.LOCK_EX)
        assert not claim(handle, path)
        fcntl.flock(sweeping, fcntl.LOCK_UN)
        assert claim(handle, path)
        os.unlink(path)
        assert not claim(handle, path)
    finally:
        os.close(handle)
        os.close(sweeping)


def test_what_only_looks_like_a_leftover_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    other = Temporary(tmp_path / "x.jsonl.jsonl")
    other.make()
    other.close()
    named = [tmp_path / f".x.jsonl.{name}" for name in ("tmp", "notes.tmp", f"toolong89{TEMPORARY}", "12345678.tmp")]
    for one in named:
        one.write_bytes(b"theirs")
    (tmp_path / f".x.jsonl.abcdefgh{TEMPORARY}").symlink_to(named[0])
    (tmp_path / f".x.jsonl.abcdefgi{TEMPORARY}").mkdir()
    before = {one.name for one in tmp_path.iterdir()}
    write_atomically(path, b"")
    assert {one.name for one in tmp_path.iterdir()} == before | {"x.jsonl"}
    assert other.path.exists()
