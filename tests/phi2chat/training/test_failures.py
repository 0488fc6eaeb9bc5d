"""A full disk and a full memory, in one sentence with the next thing to try; the errors are those of the libraries."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from curation.atomic import write_atomically
from curation.errors import UserError
from phi2chat.config import TrainConfig
from phi2chat.training.failures import readable_failures


def sentence(folder: Path, body: Callable[[], object], **settings: Any) -> str:
    with pytest.raises(UserError) as raised, readable_failures(folder, TrainConfig(**settings)):
        body()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def too_much_for_python() -> object:
    return bytearray(2**62)


def too_much_for_torch() -> object:
    return torch.empty(2**58, dtype=torch.uint8)


@pytest.mark.parametrize("body", [too_much_for_python, too_much_for_torch])
def test_a_full_memory_of_the_computer_names_smaller_settings(tmp_path: Path, body: Callable[[], object]) -> None:
    assert sentence(tmp_path, body, batch_size=8, accumulation_steps=2) == (
        f"{tmp_path}: the computer's memory is full; train again with --batch-size 4 --accumulation-steps 4"
        " or --gradient-checkpointing"
    )


def no_room_on_the_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.")


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({}, "--batch-size 4 --accumulation-steps 2 or --gradient-checkpointing"),
        ({"gradient_checkpointing": True}, "--batch-size 4 --accumulation-steps 2"),
        ({"batch_size": 1}, "--gradient-checkpointing"),
        ({"batch_size": 1, "gradient_checkpointing": True}, "shorter records or a smaller --base"),
    ],
)
def test_a_full_gpu_names_what_is_not_yet_used(tmp_path: Path, settings: dict[str, Any], advice: str) -> None:
    wanted = f"{tmp_path}: the GPU's memory is full; train again with {advice}"
    assert sentence(tmp_path, no_room_on_the_gpu, **settings) == wanted


def no_room_on_the_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")


def test_a_full_disk_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    folder.mkdir()
    assert sentence(folder, no_room_on_the_disk) == (
        f"{folder}: the disk is full; make room and begin again with `phi2chat train --resume '{folder}'`,"
        " for there is no checkpoint yet"
    )


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"), readable_failures(tmp_path, TrainConfig()):
        torch.zeros(2, 3) @ torch.zeros(2, 3)


def test_another_fault_of_the_user_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"), readable_failures(tmp_path, TrainConfig()):
        write_atomically(tmp_path / "file" / "x", b"")


# The real thing

ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size="$SIZE" none "$DISK"
set +e
"$PYTHON" -m phi2chat train "$DATA" --base "$BASE" --output-dir "$DISK/run" --device cpu \
    --max-steps 6 --eval-steps 2 --batch-size 4 --eval-percent 25
echo "exit code $?"
cp -r "$DISK/run" "$LEFT"
"""


def can_mount() -> bool:
    command = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="no small disk can be mounted here")
@pytest.mark.parametrize(
    ("kibibytes", "whole"), [(300, []), (900, ["checkpoint-2"]), (1500, ["checkpoint-2", "checkpoint-4"])]
)
def test_a_run_whose_disk_is_full_stops_with_its_checkpoints_whole_and_is_resumed_elsewhere(
    tiny_phi: Path,
    ja_basics: Path,
    tmp_path: Path,
    phi2chat: Any,
    clean_environment: dict[str, str],
    kibibytes: int,
    whole: list[str],
) -> None:
    (tmp_path / "data.jsonl").write_bytes(b"".join(ja_basics.read_bytes().splitlines(True)[:12]))
    disk, left = tmp_path / "disk", tmp_path / "left"
    disk.mkdir()
    environment = {
        "DISK": str(disk), "LEFT": str(left), "SIZE": f"{kibibytes}k", "DATA": str(tmp_path / "data.jsonl"),
        "BASE": str(tiny_phi), "PYTHON": sys.executable,
    }  # fmt: skip
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", ON_A_SMALL_DISK],
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
        env={**clean_environment, **environment},
    )
    print(done.stdout, done.stderr)
    assert done.stdout.splitlines()[-1] == "exit code 1"
    assert "Traceback" not in done.stderr
    assert f"phi2chat: {disk}/run: the disk is full; make room and " in done.stderr.splitlines()[-1]
    assert not (left / "adapter_model.safetensors").exists()
    assert sorted(path.name for path in (left / "checkpoints").glob("*")) == whole
    resumed = phi2chat("train", "--resume", left)
    assert (resumed.returncode, (left / "adapter_model.safetensors").exists()) == (0, True), resumed.stderr
