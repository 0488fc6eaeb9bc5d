"""What a killed program has left beside a file goes with the next save; what is not ours, or in use, stays."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from curation.atomic import replacing, write_atomically
from curation.leftovers import TEMPORARY, claim, make_temporary
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
    handle, other = make_temporary(tmp_path / "x.jsonl.jsonl")
    os.close(handle)
    named = [tmp_path / f".x.jsonl.{name}" for name in ("tmp", "notes.tmp", f"toolong89{TEMPORARY}", "12345678.tmp")]
    for one in named:
        one.write_bytes(b"theirs")
    (tmp_path / f".x.jsonl.abcdefgh{TEMPORARY}").symlink_to(named[0])
    (tmp_path / f".x.jsonl.abcdefgi{TEMPORARY}").mkdir()
    before = {one.name for one in tmp_path.iterdir()}
    write_atomically(path, b"")
    assert {one.name for one in tmp_path.iterdir()} == before | {"x.jsonl"}
    assert other.exists()
