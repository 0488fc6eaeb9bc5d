"""Files that fit one another: what a kill leaves half done is finished by the next command, and nothing else is."""

import json
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from filelock import FileLock, Timeout
from operations import SOURCES, A, B, C, D, E, stopped_before_rename

from curation import atomic
from curation.errors import UserError
from curation.leftovers import Temporary
from curation.record_file import RecordFile
from curation.split import SIDES, files_of, read_split, write_split
from curation.split_more import add_to_split
from curation.store import append_record
from curation.together import is_unfinished, locked_together, replacing_together


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A split of three records, and two more beside it."""
    for name, content in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    write_split(RecordFile(tmp_path / "data" / "x.jsonl"), tmp_path, 50, 42)
    return tmp_path


def add(folder: Path) -> object:
    return add_to_split(RecordFile(folder / "data" / "more.jsonl"), folder)


def sides_of(folder: Path) -> list[bytes]:
    return sorted(line for side in SIDES for line in (folder / f"{side}.jsonl").read_bytes().splitlines(keepends=True))


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith((".tmp", ".intent"))]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_records_are_added_to_a_split_by_the_same_command_after_a_kill_before_any_rename(
    folder: Path, number: int
) -> None:
    stopped_before_rename(number)(folder)
    assert is_unfinished(folder / "manifest.json")
    add(folder)
    assert sides_of(folder) == [A, B, C, D, E]
    read_split(folder)
    assert hidden(folder) == []


def test_ctrl_c_right_behind_a_rename_leaves_what_the_next_command_finishes(folder: Path) -> None:
    manifest = folder / "manifest.json"
    before = manifest.read_bytes()

    def press(frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.endswith("atomic.py"):
            return None
        if event == "line" and manifest.read_bytes() != before:
            sys.settrace(was_tracing)
            raise KeyboardInterrupt
        return press

    was_tracing = sys.gettrace()
    sys.settrace(press)
    try:
        with pytest.raises(KeyboardInterrupt):
            add(folder)
    finally:
        sys.settrace(was_tracing)
    assert is_unfinished(manifest)
    add(folder)
    assert sides_of(folder) == [A, B, C, D, E]
    read_split(folder)
    assert hidden(folder) == []


def test_a_split_that_is_half_written_is_told_apart_from_one_that_somebody_has_edited(folder: Path) -> None:
    stopped_before_rename(2)(folder)
    with pytest.raises(UserError, match="was not written, for a split was stopped; run `phi2chat curate split` again"):
        read_split(folder)


def test_what_somebody_has_changed_since_the_kill_is_not_written_over(folder: Path) -> None:
    stopped_before_rename(2)(folder)
    changed = folder / "train.jsonl"
    append_record(changed, {"id": "by hand"})  # which removes what other kills have left beside the file
    content = changed.read_bytes()
    for _ in range(2):
        with pytest.raises(UserError) as raised:
            add(folder)
        assert str(raised.value) == (
            f"{changed}: was changed after a command that was about to replace it was stopped;"
            " move it away, and try again"
        )
        assert changed.read_bytes() == content
    changed.rename(folder / "mine.jsonl")
    add(folder)
    assert sides_of(folder) == [A, B, C, D, E]


def test_what_comes_with_a_folder_of_somebody_else_replaces_nothing_outside_of_it(folder: Path) -> None:
    private = folder.parent / "private"
    private.write_bytes(b"mine")
    for name in ("theirs", "../private", str(private)):
        (folder / ".manifest.json.phi2chat.intent").write_text(json.dumps([["x", ""], [name, ""], [name, ""]]))
        (folder / "theirs").write_bytes(b"theirs")
        add(folder)
        assert (private.read_bytes(), (folder / "theirs").read_bytes()) == (b"mine", b"theirs")
        assert not is_unfinished(folder / "manifest.json")


@pytest.mark.parametrize("intent", [b"", b"[[", b"{}", b"[1]", b"\xff", b"[" * 100_000])
def test_an_intent_that_was_cut_off_says_that_nothing_was_begun(folder: Path, intent: bytes) -> None:
    (folder / ".manifest.json.phi2chat.intent").write_bytes(intent)
    add(folder)
    assert sides_of(folder) == [A, B, C, D, E]


def test_what_another_program_is_replacing_is_left_to_it(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    staged = Temporary(paths[0])
    staged.make()
    (tmp_path / ".a.phi2chat.intent").write_text(json.dumps([[staged.path.name, ""]]))
    with pytest.raises(UserError, match="a: another program is writing it"), locked_together(paths):
        pass
    assert staged.path.exists()


def test_files_have_their_new_contents_together(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    with locked_together(paths) as before, replacing_together(before) as files:
        for path in paths:
            files[path].write(b"new")
    assert [path.read_bytes() for path in paths] == [b"new", b"new"]
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("content", [b"old", b""], ids=["changed", "made"])
def test_what_a_program_without_our_locks_writes_meanwhile_is_not_written_over(tmp_path: Path, content: bytes) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    if content:
        paths[1].write_bytes(content)
    with pytest.raises(UserError, match=r"b: was changed by another program meanwhile; nothing was written"):  # noqa: SIM117
        with locked_together(paths) as before, replacing_together(before) as files:
            files[paths[0]].write(b"new")
            paths[1].write_bytes(b"theirs")
    assert (paths[0].exists(), paths[1].read_bytes(), hidden(tmp_path)) == (False, b"theirs", [])


def test_nobody_splits_into_a_folder_while_the_first_split_of_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "".join(f'{{"id": "{name}", "instruction": "{name}", "answer": "a"}}\n' for name in "abc")
    (tmp_path / "x.jsonl").write_text(content)
    source = RecordFile(tmp_path / "x.jsonl")
    monkeypatch.setattr(atomic, "LOCK_SECONDS", 0.1)
    with locked_together(files_of(tmp_path)), pytest.raises(UserError, match="another program is writing it"):
        write_split(source, tmp_path, 50, 42)


def test_nobody_adds_to_one_of_the_files_meanwhile(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    with locked_together(paths):
        for path in paths:
            with pytest.raises(Timeout):
                FileLock(path.with_name(f".{path.name}.lock"), timeout=0).acquire()
