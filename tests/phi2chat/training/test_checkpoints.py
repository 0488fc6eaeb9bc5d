"""Whole and damaged checkpoints, told apart; which are kept; and how the best adapter comes to the end of a run."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.training.checkpoints import (
    PARTS,
    choose_checkpoint,
    complete_checkpoints,
    find_fault,
    finish_checkpoint,
    publish_best,
)

FILES = [*sorted(PARTS), "optimizer.pt", "scheduler.pt", "rng_state.pth"]


def save(run: Path, step: int, best_step: int | None = None) -> Path:
    """A checkpoint as the trainer and the watcher leave it, finished."""
    checkpoint = run / "checkpoints" / f"checkpoint-{step}"
    (checkpoint / "templates").mkdir(parents=True)
    for name in [*FILES, "templates/chat.jinja"]:
        (checkpoint / name).write_bytes(f"{name} of step {step}\n".encode() * 9)
    (checkpoint / "adapter_config.json").write_text('{"r": 16, "base_model_name_or_path": "/a/cache"}')
    state = {"global_step": step, "max_steps": 100, "best_global_step": best_step}
    (checkpoint / "trainer_state.json").write_text(json.dumps(state))
    finish_checkpoint(checkpoint)
    return checkpoint


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def zero_the_tail(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-5] + bytes(5))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "truncated": lambda path: os.truncate(path, 7),
    "emptied": lambda path: os.truncate(path, 0),
    "with a tail of zeros": zero_the_tail,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*FILES, "best.safetensors", "complete.json", "templates/chat.jinja"])
def test_a_damaged_file_is_named_and_the_checkpoint_before_is_used(tmp_path: Path, name: str, damage: str) -> None:
    older, newest = save(tmp_path, 4, best_step=4), save(tmp_path, 8, best_step=4)
    assert complete_checkpoints(tmp_path) == [older, newest]
    DAMAGES[damage](newest / name)
    said: list[str] = []
    assert choose_checkpoint(tmp_path, said.append) == older
    assert said == [f"{newest}: {name} is damaged; going on from checkpoint-4"]
    assert not newest.exists()


@pytest.mark.parametrize("name", [*FILES, "best.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    save(tmp_path, 4, best_step=4)
    newest = save(tmp_path, 8, best_step=4)
    (newest / name).unlink()
    assert find_fault(newest) == f"{name} is missing"


def test_a_file_of_another_checkpoint_is_not_taken(tmp_path: Path) -> None:
    older, newest = save(tmp_path, 4), save(tmp_path, 8)
    (newest / "optimizer.pt").write_bytes((older / "optimizer.pt").read_bytes())
    assert find_fault(newest) == "optimizer.pt is damaged"


def test_no_bit_of_the_seal_can_flip_unseen(tmp_path: Path) -> None:
    checkpoint = save(tmp_path, 4)
    seal = checkpoint / "complete.json"
    whole = seal.read_bytes()
    for position in range(len(whole)):
        bit = 1 << position % 8
        seal.write_bytes(whole[:position] + bytes([whole[position] ^ bit]) + whole[position + 1 :])
        assert find_fault(checkpoint) == "complete.json is damaged"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"files": 1}', b'{"files": {}}', b"[" * 100_000])
def test_a_seal_that_is_none_is_damage(tmp_path: Path, content: bytes) -> None:
    checkpoint = save(tmp_path, 4)
    (checkpoint / "complete.json").write_bytes(content)
    assert find_fault(checkpoint) == "complete.json is damaged"


def test_a_save_that_was_cut_off_is_no_damage(tmp_path: Path) -> None:
    save(tmp_path, 4)
    (tmp_path / "checkpoints" / "checkpoint-8").mkdir()
    said: list[str] = []
    assert choose_checkpoint(tmp_path, said.append) == tmp_path / "checkpoints" / "checkpoint-4"
    assert said == [
        f"{tmp_path / 'checkpoints' / 'checkpoint-8'}: was not written to its end; going on from checkpoint-4"
    ]


def test_an_older_checkpoint_that_is_damaged_is_no_news(tmp_path: Path) -> None:
    older, newest = save(tmp_path, 4), save(tmp_path, 8)
    flip(older / "optimizer.pt")
    said: list[str] = []
    assert choose_checkpoint(tmp_path, said.append) == newest
    assert said == ["going on from checkpoint-8"]


def test_what_is_no_checkpoint_is_left_alone(tmp_path: Path) -> None:
    save(tmp_path, 4)
    (tmp_path / "checkpoints" / "checkpoint-of-mine").mkdir()
    for step in (8, 12, 16):
        save(tmp_path, step)
    assert (tmp_path / "checkpoints" / "checkpoint-of-mine").exists()


def test_the_newest_two_are_kept_in_the_order_of_their_steps(tmp_path: Path) -> None:
    for step in (8, 9, 10, 100):
        save(tmp_path, step)
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["checkpoint-10", "checkpoint-100"]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_files_are_on_the_disk_before_the_seal_and_the_seal_before_anything_is_removed(tmp_path: Path) -> None:
    save(tmp_path, 4)
    save(tmp_path, 8)
    calls: list[str] = []

    def see(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function in (os.fsync, os.replace, os.rmdir):
            calls.append(function.__name__)

    checkpoint = tmp_path / "checkpoints" / "checkpoint-12"
    checkpoint.mkdir()
    for name in FILES:
        (checkpoint / name).write_bytes(b"content")
    state = {"global_step": 12, "max_steps": 100, "best_global_step": None}
    (checkpoint / "trainer_state.json").write_text(json.dumps(state))
    sys.setprofile(see)
    try:
        finish_checkpoint(checkpoint)
    finally:
        sys.setprofile(None)
    sealed = calls.index("replace")
    files_and_folders = len(FILES) + 3
    assert [call for call in calls[:sealed] if call == "fsync"] == ["fsync"] * (files_and_folders + 1)  # and the seal
    assert "rmdir" not in calls[:sealed]
    assert calls[sealed + 1] == "fsync"  # the folder, with the name of the seal
    assert "rmdir" in calls[sealed + 1 :]


# The best adapter


def test_the_best_adapter_is_handed_on_from_checkpoint_to_checkpoint(tmp_path: Path) -> None:
    best = (save(tmp_path, 4, best_step=4) / "adapter_model.safetensors").read_bytes()
    for step in (8, 12, 16):
        last = save(tmp_path, step, best_step=4)
    assert not (tmp_path / "checkpoints" / "checkpoint-4").exists()
    publish_best(last, "microsoft/phi-2", tmp_path, "card")
    assert (tmp_path / "adapter_model.safetensors").read_bytes() == best
    settings = json.loads((tmp_path / "adapter_config.json").read_bytes())
    assert settings == {"r": 16, "base_model_name_or_path": "microsoft/phi-2"}
    assert (tmp_path / "prompt.json").read_bytes() == (last / "prompt.json").read_bytes()


@pytest.mark.parametrize("best_step", [8, None])
def test_a_checkpoint_that_is_the_best_holds_its_adapter_once(tmp_path: Path, best_step: int | None) -> None:
    save(tmp_path, 4, best_step=best_step and 4)
    last = save(tmp_path, 8, best_step)
    assert not (last / "best.safetensors").exists()
    publish_best(last, "base", tmp_path, "card")
    assert (tmp_path / "adapter_model.safetensors").read_bytes() == (last / "adapter_model.safetensors").read_bytes()


def test_a_best_adapter_that_the_disk_has_damaged_is_not_handed_on(tmp_path: Path) -> None:
    flip(save(tmp_path, 4, best_step=4) / "adapter_model.safetensors")
    with pytest.raises(UserError) as raised:
        save(tmp_path, 8, best_step=4)
    assert str(raised.value) == (
        f"{tmp_path / 'checkpoints'}: the checkpoint before checkpoint-8 is damaged, and the best adapter with it;"
        " check the disk, and train again"
    )
    assert find_fault(tmp_path / "checkpoints" / "checkpoint-8") == "was not written to its end"
