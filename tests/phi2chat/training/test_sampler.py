"""The probes' answers beside the curve: what is asked, what is kept, and that the training does not notice."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from curation.records import Record, read_dataset
from phi2chat.config import TrainConfig
from phi2chat.training.sampler import pick_probes, read_probes
from phi2chat.training.trainer import resume, train
from phi2chat.weights.run import read_run

QUICK = {"device": "cpu", "batch_size": 4, "learning_rate": 1e-2, "lora_dropout": 0.2, "max_steps": 6, "eval_steps": 3}


class Listener:
    """Hears what a run reports, and presses Ctrl-C when it is told that something was sampled at a step."""

    def __init__(self, stop_at: str | None = None, times: int = 1) -> None:
        self.noted: list[str] = []
        self._stop_at, self._times = stop_at, times

    def note(self, text: str) -> None:
        self.noted.append(text)
        if self._stop_at and text.startswith(self._stop_at):
            self._stop_at = None
            for _ in range(self._times):
                os.kill(os.getpid(), signal.SIGINT)

    def status(self, text: str) -> None: ...

    def training_progress(self, progress: object) -> None: ...


@pytest.fixture
def records(ja_basics: Path, tmp_path: Path) -> Path:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b"".join(ja_basics.read_bytes().splitlines(True)[:40]))
    return path


def config(base: Path, folder: Path, **changes: Any) -> TrainConfig:
    return TrainConfig(base=str(base), output_dir=folder, **{**QUICK, "sample_every": 2, **changes})


def samples(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_bytes().splitlines()]


def steps(folder: Path) -> list[int]:
    return sorted({sample["step"] for sample in samples(folder)})


def adapter_bytes(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


def test_asking_the_probes_leaves_the_training_as_it_is_to_the_byte(
    tiny_phi: Path, records: Path, tmp_path: Path
) -> None:
    listener = Listener()
    train(records, config(tiny_phi, tmp_path / "asked"), listener)
    train(records, config(tiny_phi, tmp_path / "plain", sample_every=None), Listener())
    assert adapter_bytes(tmp_path / "asked") == adapter_bytes(tmp_path / "plain")
    assert read_run(tmp_path / "asked").losses == read_run(tmp_path / "plain").losses
    assert not (tmp_path / "plain" / "samples.jsonl").exists()

    probes = [sample["instruction"] for sample in samples(tmp_path / "asked") if sample["step"] == 0]
    assert len(set(probes)) == 3
    assert [(sample["step"], sample["instruction"]) for sample in samples(tmp_path / "asked")] == [
        (step, probe) for step in (0, 2, 4, 6) for probe in probes
    ]
    assert set(samples(tmp_path / "asked")[0]) == {
        "step", "instruction", "reasoning", "answer", "language", "reasoning_language", "flagged", "stop", "tokens",
    }  # fmt: skip
    assert sum(line.startswith("step 4 » ") for line in listener.noted) == 3


def test_ctrl_c_while_a_probe_is_asked_loses_nothing(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    _, run = train(records, config(tiny_phi, tmp_path / "run"), Listener(stop_at="step 4 »"))
    assert (run.status, run.steps) == ("interrupted", 5)
    _, run = resume(tmp_path / "run", Listener())
    assert (run.status, steps(tmp_path / "run")) == ("finished", [0, 2, 4, 6])
    train(records, config(tiny_phi, tmp_path / "whole"), Listener())
    assert adapter_bytes(tmp_path / "run") == adapter_bytes(tmp_path / "whole")


def test_a_resumed_run_keeps_no_answer_of_steps_that_are_done_again(
    tiny_phi: Path, records: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(records, config(tiny_phi, folder), Listener(stop_at="step 4 »", times=2))
    with (folder / "samples.jsonl").open("ab") as file:
        file.write(b'{"step": 4, "instr')  # a line that was cut
    resume(folder, Listener())  # from the checkpoint of step 3
    counts = [sum(sample["step"] == step for sample in samples(folder)) for step in (0, 2, 4, 6)]
    assert counts == [3, 3, 3, 3]


def test_the_probes_stay_when_records_move_or_others_with_input_come(ja_basics: Path) -> None:
    records = [record for _, record in read_dataset(ja_basics).records()]
    probes = pick_probes(records)
    assert len(probes) == 3
    assert pick_probes(records[::-1]) == probes
    assert pick_probes([*records, Record({**records[0].data, "instruction": "x", "input": "context"})]) == probes


def test_probes_come_from_records_or_from_lines(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("日本の首都は？\n\n二つ目\n", encoding="utf-8")
    assert [probe.instruction for probe in read_probes(tmp_path / "p.txt")] == ["日本の首都は？", "二つ目"]
    (tmp_path / "p.jsonl").write_text('{"instruction": "Why?", "language": "en"}\n')
    assert [(probe.instruction, probe.language) for probe in read_probes(tmp_path / "p.jsonl")] == [("Why?", "en")]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("p.txt", b"\n", "holds no instruction to ask"),
        ("p.txt", b"\xff", "is not UTF-8"),
        ("p.jsonl", b"{", ":1:2: not JSON"),
        ("p.jsonl", b'{"answer": "x"}\n', "p.jsonl:1: has no instruction to ask"),
        ("p.jsonl", None, "no such file"),
    ],
)
def test_a_file_of_probes_that_cannot_be_asked_is_said_before_a_model_is_looked_for(
    records: Path, tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as raised:
        train(records, config(tmp_path / "no-model", tmp_path / "run", sample_file=tmp_path / name), Listener())
    assert sentence in str(raised.value)
