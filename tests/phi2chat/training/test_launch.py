"""One training in several processes, as two of a CPU: the run of one with larger batches; stopped and ended together."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from curation.errors import UserError
from phi2chat.commands.train import Silence
from phi2chat.config import TrainConfig
from phi2chat.training.checkpoints import complete_checkpoints
from phi2chat.training.launch import is_to_launch, launch
from phi2chat.training.trainer import resume, train
from phi2chat.weights.run import Run, read_run

REPOSITORY = Path(__file__).parents[3]
# 33 records to train on make epochs of 4 whole steps and one of a single record, which leaves a process without any;
# 7 for eval fill no batch.
RECORDS = 40
SETTINGS = {"eval_percent": 25.0, "learning_rate": 2e-2, "lora_dropout": 0.0}


@dataclass
class Training:
    """A training that was started as a command: what it said, and what it left in its folder."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def run(self) -> Run:
        return read_run(self.folder)

    @property
    def last_line(self) -> str:
        return self.err.splitlines()[-1]


@pytest.fixture(scope="module")
def records(ja_basics: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 40 shipped records, all of different lengths."""
    path = tmp_path_factory.mktemp("data") / "some.jsonl"
    path.write_bytes(b"".join(ja_basics.read_bytes().splitlines(True)[:RECORDS]))
    return path


def start(folder: Path, *arguments: object, program: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*(program or (sys.executable, "-m", "phi2chat")), "train", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])},
        cwd=folder.parent,
    )


def flags(base: Path, records: Path, folder: Path, **more: object) -> list[str]:
    settings = {"base": base, "output_dir": folder, "device": "cpu", **SETTINGS, **more}
    return [str(records), *(f"--{name.replace('_', '-')}={value}" for name, value in settings.items())]


def ending(process: "subprocess.Popen[str]", folder: Path, said: str = "") -> Training:
    out, err = process.communicate(timeout=110)
    return Training(process.returncode, out, said + err, folder)


@pytest.fixture(scope="module")
def together(tiny_phi: Path, records: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Two processes, each with batches of 4."""
    folder = tmp_path_factory.mktemp("together") / "run"
    return ending(start(folder, *flags(tiny_phi, records, folder, gpus=2, batch_size=4, epochs=2)), folder)


@pytest.fixture(scope="module")
def alone(tiny_phi: Path, records: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """One process with batches of 8, of the same records otherwise."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    settings: dict[str, Any] = {**SETTINGS, "batch_size": 8, "epochs": 2.0, "device": "cpu"}
    train(records, TrainConfig(base=str(tiny_phi), output_dir=folder, **settings), Silence())
    return Training(0, "", "", folder)


def test_two_processes_have_the_losses_of_one_with_batches_twice_as_large(together: Training, alone: Training) -> None:
    assert together.code == 0, together.err
    steps = [step for step, _ in alone.run.losses]
    assert [step for step, _ in together.run.losses] == steps == list(range(1, 11))
    wanted = [loss for _, loss in alone.run.losses]
    assert [loss for _, loss in together.run.losses] == pytest.approx(wanted, rel=1e-5)
    assert dict(together.run.eval_losses) == pytest.approx(dict(alone.run.eval_losses), rel=1e-6)
    assert together.run.best_step == alone.run.best_step == 10


def test_two_processes_leave_the_adapter_that_one_leaves(together: Training, alone: Training) -> None:
    from safetensors.torch import load_file

    ours, theirs = (load_file(done.folder / "adapter_model.safetensors") for done in (together, alone))
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        assert float((ours[name] - weight).abs().max()) < 1e-4, name
    assert (together.folder / "prompt.json").read_bytes() == (alone.folder / "prompt.json").read_bytes()


def test_one_process_alone_speaks(together: Training) -> None:
    said = [line for line in together.err.splitlines() if re.match("step|loading|tokenizing|training|on|in", line)]
    assert len(set(said)) == len(said)
    assert "in 2 processes of 4 records, 8 a step" in said
    assert [line.split()[1] for line in said if line.startswith("step")][-1] == "10/10"
    assert together.out.count("chat with it: phi2chat repl --adapter") == 1
    assert not re.search(r"^[IWE]\d{4} |OMP_NUM_THREADS|Traceback", together.err, re.MULTILINE)  # of the launcher


def test_run_json_and_the_checkpoints_know_of_both_processes(together: Training) -> None:
    assert together.run.config["gpus"] == 2
    for checkpoint in complete_checkpoints(together.folder):
        sealed = json.loads((checkpoint / "complete.json").read_bytes())
        assert {"rng_state_0.pth", "rng_state_1.pth"} <= sealed["files"].keys()
    assert len(complete_checkpoints(together.folder)) == 2


def test_a_run_of_two_processes_is_not_resumed_by_one(together: Training, tmp_path: Path) -> None:
    run = together.run
    run.status, run.steps = "interrupted", 5
    run.save(tmp_path)
    (tmp_path / "checkpoints").symlink_to(together.folder / "checkpoints")
    with pytest.raises(UserError, match="this run began with 2 processes, and these are 1; go on with"):
        resume(tmp_path, Silence())


# Stopped and ended


def said_until(process: "subprocess.Popen[str]", beginning: str) -> str:
    assert process.stderr
    said = ""
    for line in process.stderr:
        said += line
        if line.startswith(beginning):
            return said
    raise AssertionError(said)


@pytest.fixture
def endless(tiny_phi: Path, records: Path, tmp_path: Path) -> "Iterator[tuple[subprocess.Popen[str], Path]]":
    """A training of two processes that would go on for long."""
    folder = tmp_path / "run"
    process = start(folder, *flags(tiny_phi, records, folder, gpus=2, batch_size=4, max_steps=100_000, eval_steps=10))
    yield process, folder
    if process.poll() is None:
        process.kill()


@pytest.mark.slow
def test_sigterm_stops_both_after_the_same_step(endless: "tuple[subprocess.Popen[str], Path]") -> None:
    process, folder = endless
    said = said_until(process, "step 10/")
    workers = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTERM)
    stopped = ending(process, folder, said)
    assert stopped.code == 130
    assert stopped.err.count("stopping after this step, with a checkpoint") == 1
    step = stopped.run.steps
    assert stopped.last_line == f"stopped after step {step}; go on with: phi2chat train --resume {folder}"
    assert complete_checkpoints(folder)[-1].name == f"checkpoint-{step}"
    assert (stopped.run.status, stopped.out) == ("interrupted", "")
    assert [worker for worker in workers if worker.is_running()] == []


@pytest.mark.slow
def test_what_ctrl_c_stopped_goes_on_in_both_with_the_losses_of_a_run_that_was_not_stopped(
    together: Training, tiny_phi: Path, records: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = start(folder, *flags(tiny_phi, records, folder, gpus=2, batch_size=4, epochs=2, eval_steps=7))
    said = said_until(process, "step 7/")  # in the second epoch, of another order than the first
    process.send_signal(signal.SIGINT)
    stopped = ending(process, folder, said)
    assert (stopped.code, stopped.run.status) == (130, "interrupted"), stopped.err
    resumed = ending(start(folder, "--resume", folder), folder)
    assert (resumed.code, resumed.run.status) == (0, "finished")
    assert "in 2 processes of 4 records, 8 a step" in resumed.err
    wanted = [loss for _, loss in together.run.losses]
    assert [loss for _, loss in resumed.run.losses] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.slow
def test_a_second_ctrl_c_stops_both_at_once(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    folder, long = tmp_path / "run", tmp_path / "long.jsonl"
    lines = [json.loads(line) for line in records.read_bytes().splitlines()]
    long.write_text("".join(json.dumps({**line, "answer": line["answer"] * 40}) + "\n" for line in lines), "utf-8")
    settings = {"gpus": 2, "batch_size": 1, "accumulation_steps": 100, "max_steps": 1000, "overlong": "drop"}
    process = start(folder, *flags(tiny_phi, long, folder, **settings))
    said = said_until(process, "step 0/1000  eval loss")  # and now a step of some seconds begins
    workers = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    said += said_until(process, "stopping after this step")
    process.send_signal(signal.SIGINT)
    stopped = ending(process, folder, said)
    assert (stopped.code, stopped.last_line) == (130, "phi2chat: interrupted")
    assert stopped.err.count("stopped at once; ") == stopped.err.count("for there is no checkpoint yet") == 1
    assert "Traceback" not in stopped.err
    assert (stopped.run.status, complete_checkpoints(folder)) == ("interrupted", [])
    assert [worker for worker in workers if worker.is_running()] == []


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_other_with_one_sentence(
    endless: "tuple[subprocess.Popen[str], Path]",
) -> None:
    process, folder = endless
    said = said_until(process, "step 10/")
    workers = psutil.Process(process.pid).children()
    (victim,) = [worker for worker in workers if worker.environ()["RANK"] == "1"]
    victim.kill()
    failed = ending(process, folder, said)
    assert failed.code == 1
    assert failed.last_line == (
        "phi2chat: process 1 was ended by SIGKILL, which ends all; if memory ran out, train with a smaller --batch-size"
    )
    assert failed.err.count("phi2chat:") == 1 and "Traceback" not in failed.err
    assert [worker for worker in workers if worker.is_running()] == []


@pytest.mark.slow
def test_what_both_find_wrong_is_said_once(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    failed = ending(start(folder, *flags(tiny_phi, records, folder, gpus=2, max_length=16)), folder)
    assert failed.code == 1
    assert re.match(f"phi2chat: {records}:1:1: \\d+ tokens, .* more than the .* \\(and 39 more\\)", failed.last_line)
    said = failed.err.splitlines()
    assert len(said) == len(set(said)) and "Traceback" not in failed.err
    assert not folder.exists()


@pytest.mark.slow
def test_where_the_loss_is_no_number_both_end(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    base, folder = Path(shutil.copytree(tiny_phi, tmp_path / "broken")), tmp_path / "run"
    weights = load_file(base / "model.safetensors")
    weights["lm_head.bias"][0] = float("nan")
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    failed = ending(start(folder, *flags(base, records, folder, gpus=2)), folder)
    assert failed.code == 1
    assert failed.last_line.startswith(f"phi2chat: {folder}: the eval loss became nan at step 0; train again with")
    assert failed.err.count("became nan") == 1 and "Traceback" not in failed.err
    assert failed.run.status == "failed"


@pytest.mark.slow
def test_accelerate_s_own_command_starts_a_training_too(
    together: Training, tiny_phi: Path, records: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    program = (
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--multi_gpu", "--num_processes=2", "--num_machines=1", "--main_process_port=0", "--mixed_precision=no"),
        *("--module", "phi2chat"),
    )
    settings = {"batch_size": 4, "epochs": 2}
    done = ending(start(folder, *flags(tiny_phi, records, folder, **settings), program=program), folder)
    assert done.code == 0, done.err
    assert (done.run.losses, done.run.config["gpus"]) == (together.run.losses, 2)


# What is refused before anything starts


def refusal(config: TrainConfig) -> str:
    with pytest.raises(UserError) as raised:
        launch(config, print)
    assert "PHI2CHAT_ENDINGS" not in os.environ
    return str(raised.value)


def test_more_gpus_than_there_are_is_one_sentence() -> None:
    import torch

    there = torch.cuda.device_count()
    wanted = f"torch sees {there}; give a smaller number" if there else "torch sees no GPU; `phi2chat doctor` says why"
    assert refusal(TrainConfig(gpus=there + 2)).startswith(f"--gpus {there + 2}: {wanted}")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: [", "is no configuration of accelerate ("),
        ("- a", "is no configuration of accelerate ("),
        ("distributed_type: MEGATRON_LM", "distributed_type: MEGATRON_LM is not supported; take one of NO, MULTI_CPU"),
        ("distributed_type: MULTI_GPU\nnum_machines: 2", "num_machines: 2 machines are not supported; take GPUs of"),
        ("distributed_type: MULTI_CPU\nnum_processes: 1", "num_processes: 1 is one process; write 2 or more, or give"),
        ("distributed_type: FSDP", "distributed_type: FSDP works on GPUs alone; leave out --device cpu"),
        ("distributed_type: DEEPSPEED", "distributed_type: DEEPSPEED works on GPUs alone; leave out --device cpu"),
    ],
)
def test_a_file_of_accelerate_that_cannot_work_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "accelerate.yaml"
    rest = {"compute_environment": "LOCAL_MACHINE", "machine_rank": 0, "num_machines": 1, "num_processes": 2}
    lines = [f"{name}: {value}" for name, value in rest.items() if name not in content]
    path.write_text("\n".join([content, *lines, "mixed_precision: 'no'", "use_cpu: true", ""]))
    said = refusal(TrainConfig(accelerate_config=path, device="cpu"))
    assert said.startswith(f"{path}: {sentence}") and "\n" not in said


def test_a_file_of_accelerate_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "accelerate.yaml"
    sentence = f"{path}: no such file; write one with `accelerate config --config_file {path}`"
    assert refusal(TrainConfig(accelerate_config=path)) == sentence


def test_one_process_is_not_launched() -> None:
    assert [is_to_launch(TrainConfig(gpus=gpus)) for gpus in (None, 1, 2)] == [False, False, True]
