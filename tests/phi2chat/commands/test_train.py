"""Training, whole: records in, an adapter out that is reloaded and answers; stopped, resumed, and refused."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from curation.errors import UserError
from curation.records import read_dataset
from phi2chat.chatting.chat import Conversation
from phi2chat.config import ChatConfig, ModelConfig, TrainConfig, from_json
from phi2chat.inference.examples import IGNORED, Row, read_sides, tokenize
from phi2chat.inference.prompt import PromptStyle, load_style
from phi2chat.inference.recipes import StopReason
from phi2chat.training.behaviour import Behaviour, Examiner
from phi2chat.training.checkpoints import complete_checkpoints
from phi2chat.training.lora import PHI_TARGETS
from phi2chat.training.trainer import resume, train
from phi2chat.training.watcher import Progress
from phi2chat.weights.adapters import base_of
from phi2chat.weights.models import load
from phi2chat.weights.run import ADAPTER_FILE, read_run
from phi2chat.weights.snapshot import read_records

QUICK = {
    "device": "cpu",
    "eval_percent": 25.0,
    "batch_size": 4,
    "learning_rate": 2e-2,
    "lora_dropout": 0.0,
    "max_steps": 12,
    "eval_steps": 4,
}


class Listener:
    """Hears what a run reports, and presses Ctrl-C when it comes to a step."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.said: list[str] = []
        self.steps: list[Progress] = []
        self._interrupt_at = interrupt_at

    def status(self, text: str) -> None:
        self.said.append(text)

    note = status

    @property
    def evaluated(self) -> list[int]:
        """The steps at which an evaluation began."""
        return [seen.step for seen in self.steps if seen.eval_batches and seen.eval_batches[0] == 1]

    def training_progress(self, progress: Progress) -> None:
        self.steps.append(Progress(**vars(progress)))
        if self._interrupt_at is not None and progress.step >= self._interrupt_at:
            self._interrupt_at = None
            os.kill(os.getpid(), signal.SIGINT)


def write_records(path: Path, lines: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(lines))
    return path


@pytest.fixture(scope="module")
def records(ja_basics: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 40 shipped records."""
    return write_records(tmp_path_factory.mktemp("data") / "some.jsonl", ja_basics.read_bytes().splitlines(True)[:40])


def roundabout(base: Path) -> str:
    """Another path to the same folder."""
    return f"{base}/../{base.name}"


@pytest.fixture(scope="module")
def finished(tiny_phi: Path, records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that came to its end."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    train(records, TrainConfig(base=roundabout(tiny_phi), output_dir=folder, **QUICK), Listener())
    return folder


@pytest.fixture(scope="module")
def interrupted_once(tiny_phi: Path, records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that Ctrl-C stopped in the middle of 12 steps, with the data beside it."""
    place = tmp_path_factory.mktemp("stopped")
    data = Path(shutil.copy(records, place / "data.jsonl"))
    _, run = train(data, TrainConfig(base=str(tiny_phi), output_dir=place / "run", **QUICK), Listener(interrupt_at=6))
    assert run.status == "interrupted"
    return place


@pytest.fixture
def interrupted(interrupted_once: Path, tmp_path: Path) -> Path:
    """A copy of the interrupted run to go on with; its run.json names the data beside it."""
    place = Path(shutil.copytree(interrupted_once, tmp_path / "stopped"))
    text = (place / "run" / "run.json").read_text("utf-8")
    (place / "run" / "run.json").write_text(text.replace(str(interrupted_once), str(place)), "utf-8")
    return place / "run"


def fault_of(call: Any, *arguments: Any) -> str:
    with pytest.raises(UserError) as raised:
        call(*arguments)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# A run that comes to its end


def test_a_run_leaves_an_adapter_and_all_that_belongs_to_it(finished: Path) -> None:
    files = sorted(path.name for path in finished.iterdir() if path.name != ".train.lock")
    assert files == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "checkpoints",
        "prompt.json",
        "records.jsonl.gz",
        "run.json",
    ]
    assert load_style(finished) == PromptStyle()


def test_a_run_keeps_the_records_of_both_sides(finished: Path, records: Path) -> None:
    kept, sides = read_records(finished), read_sides(records, TrainConfig(eval_percent=QUICK["eval_percent"]))
    assert kept is not None
    assert [record.data for record in kept.train] == [row.record.data for row in sides.train]
    assert [record.data for record in kept.eval] == [row.record.data for row in sides.eval]
    assert datetime.fromisoformat(read_run(finished).made).tzinfo is UTC


def test_answers_alone_are_trained_and_read_back(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    config = TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", reasoning=False, **QUICK)
    train(records, config, Listener())
    assert load_style(tmp_path / "run") == PromptStyle(reasoning="")
    model = load(ModelConfig(adapter=tmp_path / "run", device="cpu"), lambda text: None)
    conversation = Conversation(model, ChatConfig(max_new_tokens=8))
    for _ in conversation.ask("日本の首都は？"):
        pass
    assert conversation.turns[0].reasoning == ""
    assert model.style.opening == "### Answer:"


def test_the_last_checkpoint_can_be_the_adapter(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    _, run = train(records, TrainConfig(base=str(tiny_phi), output_dir=folder, select_by="last", **QUICK), Listener())
    (last,) = complete_checkpoints(folder)[-1:]
    assert json.loads((last / "trainer_state.json").read_bytes())["best_global_step"] is None
    assert run.best_step == run.steps == 12
    assert (folder / ADAPTER_FILE).read_bytes() == (last / ADAPTER_FILE).read_bytes()


@pytest.fixture
def probes(tmp_path: Path) -> Path:
    """A probe that no reply is right for, and one that is there to be read."""
    rows = [{"expect": {"contains": "決して言わない言葉"}}, {"judge": "none"}]
    lines = [json.dumps({"id": f"p{n}", "instruction": f"質問{n}", **row}) for n, row in enumerate(rows)]
    file = tmp_path / "probes.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_probes_asked_meanwhile_change_nothing_of_the_training(
    finished: Path, tiny_phi: Path, records: Path, probes: Path, tmp_path: Path
) -> None:
    listener = Listener()
    config = TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", probes=probes, **QUICK)
    _, run = train(records, config, listener)
    before = read_run(finished)
    assert (run.losses, run.eval_losses, run.best_step) == (before.losses, before.eval_losses, before.best_step)
    assert (tmp_path / "run" / ADAPTER_FILE).read_bytes() == (finished / ADAPTER_FILE).read_bytes()
    assert run.probe_scores == [(step, 0.0) for step, _ in run.eval_losses]  # it writes no answer
    assert [step for step, _ in run.script_passes] == [step for step, _ in run.eval_losses]
    assert any(said.startswith("step 4: 0.0% of the probes right, ") for said in listener.said)


def test_a_checkpoint_is_chosen_by_what_it_answers(
    tiny_phi: Path, records: Path, probes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([Behaviour(0.0, 0.0), Behaviour(0.5, 1.0), Behaviour(0.5, 0.0), Behaviour(0.25, 0.0)])
    monkeypatch.setattr(Examiner, "examine", lambda self, model: next(found))
    quick = {**QUICK, "max_steps": 3, "eval_steps": 1}
    config = TrainConfig(
        base=str(tiny_phi), output_dir=tmp_path / "run", probes=probes, select_by="probe-score", **quick
    )
    _, run = train(records, config, Listener())
    losses = dict(run.eval_losses)
    assert run.best_step == min((1, 2), key=lambda step: losses[step])  # of equals the one with the lower loss
    run.status = "interrupted"
    run.save(tmp_path / "run")
    probes.write_text(probes.read_text("utf-8").replace("p1", "p2"), encoding="utf-8")
    assert "probes.jsonl: has changed since this run began" in fault_of(resume, tmp_path / "run", Listener())


def test_probes_to_choose_by_are_asked_for_before_anything_is_loaded(records: Path, tmp_path: Path) -> None:
    config = TrainConfig(base="nowhere", output_dir=tmp_path / "run", select_by="script-pass")
    assert "--select-by script-pass: needs probes to ask" in fault_of(train, records, config, Listener())
    (tmp_path / "unjudged.txt").write_text("質問\n", encoding="utf-8")
    config = dataclasses.replace(config, probes=tmp_path / "unjudged.txt")
    assert "says of no question what its answer has to be" in fault_of(train, records, config, Listener())


def test_no_card_but_ours_stands_in_a_run(finished: Path) -> None:
    assert complete_checkpoints(finished)
    assert [path for path in finished.rglob("*") if path.suffix == ".md"] == [finished / "README.md"]
    assert "tags:\n- phi2chat\n" in (finished / "README.md").read_text(encoding="utf-8")


def test_lora_stands_on_all_six_layers_of_phi_and_on_nothing_else(finished: Path) -> None:
    from safetensors import safe_open

    assert sorted(read_run(finished).lora_modules) == sorted(PHI_TARGETS)
    with safe_open(finished / "adapter_model.safetensors", "pt") as weights:
        adapted = {match[1] for name in weights.keys() if (match := re.search(r"layers\.1\.\w+\.(\w+)\.lora_A", name))}  # noqa: SIM118
        assert len(list(weights.keys())) == 2 * 2 * 6  # A and B of 6 layers in 2 blocks
    assert adapted == {"q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"}


def test_the_eval_loss_falls(finished: Path) -> None:
    run = read_run(finished)
    steps = [step for step, _ in run.eval_losses]
    losses = [loss for _, loss in run.eval_losses]
    assert steps == [0, 4, 8, 12]
    assert losses[0] == pytest.approx(7, abs=1)  # ln 1024 and a little: it knew nothing
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.5
    assert [step for step, _ in run.losses] == list(range(1, 13))


def test_run_json_says_what_decided_the_run_and_what_came_of_it(finished: Path, tiny_phi: Path, records: Path) -> None:
    run = json.loads((finished / "run.json").read_bytes())
    config = TrainConfig(base=roundabout(tiny_phi), output_dir=finished, **QUICK)
    assert from_json(TrainConfig, run["config"], "run.json") == config
    assert {key: run[key] for key in ("base", "data", "status", "device", "precision", "steps", "dropped")} == {
        "base": str(tiny_phi),
        "data": str(records),
        "status": "finished",
        "device": "cpu",
        "precision": "float32",
        "steps": 12,
        "dropped": [],
    }
    assert sum(run["records"].values()) == 40
    assert list(run["sha256"]) == [str(records)]
    assert set(run["versions"]) == {"torch", "transformers", "trl", "peft", "datasets", "python"}
    assert run["best_step"] == min(run["eval_losses"][1:], key=lambda point: point[1])[0]
    assert run["trainable_parameters"] > 0
    assert run["tokens_per_second"] > 0
    assert 0.1 < run["peak_memory_gib"] < 64
    rates = [rate for _, rate in run["learning_rates"]]
    assert (rates[0], max(rates)) == (0.0, 2e-2)  # a step of warm-up, then a cosine
    assert [step for step, _ in run["grad_norms"]] == [step for step, _ in run["learning_rates"]] == list(range(1, 13))
    assert all(norm > 0 for _, norm in run["grad_norms"])


def test_the_adapter_names_its_base_and_not_where_its_files_were_read(finished: Path, tiny_phi: Path) -> None:
    settings = json.loads((finished / "adapter_config.json").read_bytes())
    assert settings["base_model_name_or_path"] == base_of(finished) == str(tiny_phi)


def test_an_adapter_finds_its_base_and_changes_its_replies(finished: Path, tiny_phi: Path) -> None:
    adapted = load(ModelConfig(adapter=finished, device="cpu"), print)
    bare = load(ModelConfig(base=str(tiny_phi), device="cpu"), print)
    assert adapted.name == f"{tiny_phi} + {finished}"
    config = ChatConfig(max_new_tokens=20)
    replies = ["".join(model.stream([], "日本の首都はどこですか。", config)) for model in (adapted, bare)]
    assert replies[0] != replies[1]


def eval_loss(adapter: Path, rows: Sequence[Row]) -> float:
    """The mean nats per completion token, reckoned a record at a time."""
    import torch

    model = load(ModelConfig(adapter=adapter, device="cpu"), print)
    nats, tokens = 0.0, 0
    for example in tokenize(rows, model.tokenizer, model.style, 2048, drop_overlong=False).examples:
        labels = torch.tensor(example["labels"])[1:]  # (tokens - 1,)
        with torch.inference_mode():
            logits = model.model(input_ids=torch.tensor([example["input_ids"]])).logits[0, :-1]  # (tokens - 1, rows)
        nats += float(torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum"))
        tokens += int((labels != IGNORED).sum())
    return nats / tokens


def test_the_eval_loss_is_a_mean_over_tokens(finished: Path, records: Path) -> None:
    run = read_run(finished)
    rows = read_sides(records, from_json(TrainConfig, run.config, "run.json")).eval
    assert eval_loss(finished, rows) == pytest.approx(dict(run.eval_losses)[run.best_step], rel=1e-3)


def test_a_run_reports_its_steps(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    listener = Listener()
    settings = {**QUICK, "max_steps": 3, "eval_steps": None}
    _, run = train(records, TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", **settings), listener)
    assert listener.said == [
        "checking 40 records",
        "records to eval on: 7, so few that chance decides which checkpoint is the best; hold out more [small-eval]",
        f"loading {tiny_phi} (float32, cpu)",
        f"training {run.trainable_parameters:,} parameters in dense, fc1, fc2, k_proj, q_proj, v_proj",
        f"on {run.records['train']} records, with {run.records['eval']} for eval",
    ]
    assert {progress.total_steps for progress in listener.steps} == {3}
    assert sorted({progress.step for progress in listener.steps}) == [0, 1, 2, 3]
    assert listener.steps[-1].eval_loss is not None
    assert listener.steps[-1].tokens_per_second
    assert [step for step, _ in run.eval_losses] == [0, 3]  # the last step is evaluated whatever the rhythm


def test_a_seed_gives_the_same_run_again(finished: Path, tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    _, again = train(records, TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", **QUICK), Listener())
    assert again.losses == read_run(finished).losses


def test_a_run_reads_back_as_it_was_written(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    settings = {**QUICK, "max_steps": 2, "eval_steps": 1}
    folder, run = train(records, TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", **settings), Listener())
    assert read_run(folder) == run
    assert {type(point) for point in [*read_run(folder).losses, *read_run(folder).eval_losses]} == {tuple}
    assert "train_seconds" not in json.loads((folder / "run.json").read_bytes())


@pytest.mark.parametrize(
    ("settings", "evaluated"),
    [
        ({"max_steps": 4, "eval_steps": 2}, [0, 2, 4]),  # the last step is one of the rhythm
        ({"max_steps": 3, "eval_steps": 2}, [0, 2, 3]),  # and here it is not
        ({"max_steps": 3, "eval_steps": None}, [0, 3]),
        ({"max_steps": None, "epochs": 2.0, "batch_size": 40, "eval_steps": None}, [0, 1, 2]),
        ({"max_steps": None, "epochs": 1.0, "batch_size": 40, "eval_steps": 1}, [0, 1]),
    ],
)
def test_no_step_is_evaluated_twice(
    tiny_phi: Path, records: Path, tmp_path: Path, settings: dict[str, Any], evaluated: list[int]
) -> None:
    listener = Listener()
    config = TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", **{**QUICK, **settings})
    _, run = train(records, config, listener)
    assert listener.evaluated == evaluated
    assert [step for step, _ in run.eval_losses] == evaluated
    assert run.best_step in evaluated[1:]


def test_a_base_of_another_architecture_is_adapted_on_all_its_linear_layers(
    tiny_phi: Path, records: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    base = Path(shutil.copytree(tiny_phi, tmp_path / "llama"))
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=1024, bos_token_id=0, eos_token_id=0, **sizes)).save_pretrained(base)
    settings = {**QUICK, "max_steps": 1}
    _, run = train(records, TrainConfig(base=str(base), output_dir=tmp_path / "run", **settings), Listener())
    assert run.lora_modules == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]


# What is refused


def test_a_folder_that_holds_a_run_is_not_written_over(finished: Path, interrupted: Path, records: Path) -> None:
    for folder in (finished, interrupted):
        before = (folder / "run.json").read_bytes()
        assert fault_of(train, records, TrainConfig(output_dir=folder), Listener()) == (
            f"{folder}: already holds a run; give another folder with --output-dir, or go on with --resume {folder}"
        )
        assert (folder / "run.json").read_bytes() == before


def test_a_finished_run_has_nothing_to_resume(finished: Path) -> None:
    wanted = f"{finished}: this run has finished; chat with it, `phi2chat repl --adapter {finished}`"
    assert fault_of(resume, finished, Listener()) == wanted


def test_an_overlong_record_stops_the_run_before_a_folder_is_made(
    tiny_phi: Path, records: Path, tmp_path: Path
) -> None:
    config = TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", max_length=16, **QUICK)
    assert "more than the 16 of --max-length" in fault_of(train, records, config, Listener())
    assert not (tmp_path / "run").exists()


def test_overlong_records_that_were_left_out_are_named(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    line = json.loads(records.read_bytes().splitlines()[0])
    long = {**line, "id": "long", "answer": "東京です。" * 500}
    data = write_records(tmp_path / "data.jsonl", [records.read_bytes(), json.dumps(long).encode() + b"\n"])
    settings = {**QUICK, "max_steps": 1}
    config = TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", overlong="drop", **settings)
    assert train(data, config, Listener())[1].dropped == [f"{data}:41"]


def test_a_side_that_is_dropped_whole_is_refused(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    config = TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", max_length=16, overlong="drop", **QUICK)
    assert "every record of one side is longer than 16 tokens" in fault_of(train, records, config, Listener())


def test_an_output_folder_that_cannot_be_made_is_named(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "run"
    config = TrainConfig(base=str(tiny_phi), output_dir=folder, **QUICK)
    sentence = fault_of(train, records, config, Listener())
    assert sentence == f"{folder}: cannot be made (Not a directory); give another --output-dir"


def test_a_gradient_that_is_no_number_ends_the_run(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    settings = {**QUICK, "learning_rate": 1e38, "eval_steps": None}
    config = TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", **settings)
    sentence = fault_of(train, records, config, Listener())
    assert re.fullmatch(
        rf"{tmp_path / 'run'}: the gradient became nan at step \d+; train again with a lower --learning-rate",
        sentence,
    )
    assert read_run(tmp_path / "run").status == "failed"


@pytest.mark.parametrize(("lora_alpha", "value"), [(10**6, "inf"), (2**31 - 1, "nan")])  # of their norm, and of one
def test_a_gradient_that_overflows_ends_the_run_before_the_weights_are_touched(
    tiny_phi: Path, records: Path, tmp_path: Path, lora_alpha: int, value: str
) -> None:
    from safetensors.torch import load_file, save_file

    base = Path(shutil.copytree(tiny_phi, tmp_path / "steep"))
    weights = load_file(base / "model.safetensors")
    weights["lm_head.weight"] *= 1e34  # the loss is large and finite, and what flows back from it is not
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    folder = tmp_path / "run"
    config = TrainConfig(base=str(base), output_dir=folder, **{**QUICK, "lora_alpha": lora_alpha, "eval_steps": 1})
    sentence = fault_of(train, records, config, Listener())
    assert sentence == f"{folder}: the gradient became {value} at step 1; train again with a lower --learning-rate"
    run = read_run(folder)
    assert (run.status, run.losses) == ("failed", [])
    assert not (folder / "adapter_model.safetensors").exists()
    assert list((folder / "checkpoints").iterdir()) == []


def test_an_error_of_the_disk_leaves_a_run_that_failed(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    class Spoiler(Listener):
        def training_progress(self, progress: Progress) -> None:
            if progress.step == 2 and not (folder / "checkpoints").is_file():
                shutil.rmtree(folder / "checkpoints", ignore_errors=True)
                (folder / "checkpoints").write_text("")  # where no checkpoint can be written

    with pytest.raises(OSError, match="checkpoints"):
        train(records, TrainConfig(base=str(tiny_phi), output_dir=folder, **QUICK), Spoiler())
    assert read_run(folder).status == "failed"
    assert not (folder / "adapter_model.safetensors").exists()


def test_a_second_training_into_the_same_folder_is_refused(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    config = TrainConfig(base=str(tiny_phi), output_dir=folder, **{**QUICK, "max_steps": 2})
    refused = []

    class Rival(Listener):
        def training_progress(self, progress: Progress) -> None:
            if progress.step == 1 and not refused:
                refused.append(fault_of(train, records, config, Listener()))

    _, run = train(records, config, Rival())
    assert refused == [f"{folder}: another training is writing there; give another --output-dir"]
    assert (run.status, read_run(folder).steps) == ("finished", 2)


def test_a_run_that_goes_on_is_not_resumed_beside_it(interrupted: Path) -> None:
    before = (interrupted / "run.json").read_bytes()
    with FileLock(interrupted / ".train.lock"):
        sentence = fault_of(resume, interrupted, Listener())
    assert sentence == f"{interrupted}: another training is writing there; give another --output-dir"
    assert (interrupted / "run.json").read_bytes() == before


# Stopping and going on


def test_ctrl_c_leaves_a_whole_checkpoint_and_no_adapter(interrupted: Path) -> None:
    assert [path.name for path in complete_checkpoints(interrupted)] == ["checkpoint-4", "checkpoint-7"]
    assert read_run(interrupted).status == "interrupted"
    assert not (interrupted / "adapter_model.safetensors").exists()


def test_a_resumed_run_comes_to_its_end(interrupted: Path) -> None:
    folder, run = resume(interrupted, Listener())
    assert folder == interrupted
    assert (run.status, run.steps) == ("finished", 12)
    assert [step for step, _ in run.losses] == list(range(1, 13))
    assert [step for step, _ in run.eval_losses][-2:] == [8, 12]
    assert (interrupted / "adapter_model.safetensors").exists()
    assert read_run(interrupted) == run


def test_a_run_that_was_stopped_ends_as_one_that_was_not(interrupted: Path, finished: Path) -> None:
    _, run = resume(interrupted, Listener())
    assert dict(run.eval_losses)[12] == pytest.approx(dict(read_run(finished).eval_losses)[12], rel=1e-4)


def test_a_resumed_run_evaluates_only_what_is_new(interrupted: Path) -> None:
    listener = Listener()
    _, run = resume(interrupted, listener)
    assert listener.evaluated == [8, 12]  # it goes on from step 7
    assert [step for step, _ in run.eval_losses] == [0, 4, 8, 12]


def test_with_dropout_too_a_run_that_was_stopped_has_the_losses_of_one_that_was_not(
    tiny_phi: Path, records: Path, tmp_path: Path
) -> None:
    whole, stopped = (
        TrainConfig(base=str(tiny_phi), output_dir=tmp_path / name, **{**QUICK, "lora_dropout": 0.1})
        for name in ("whole", "stopped")
    )
    _, expected = train(records, whole, Listener())
    assert train(records, stopped, Listener(interrupt_at=6))[1].status == "interrupted"
    _, run = resume(tmp_path / "stopped", Listener())
    assert [step for step, _ in run.losses] == [step for step, _ in expected.losses] == list(range(1, 13))
    assert [loss for _, loss in run.losses] == pytest.approx([loss for _, loss in expected.losses], rel=1e-6)
    assert dict(run.eval_losses) == pytest.approx(dict(expected.eval_losses), rel=1e-6)
    assert run.best_step == expected.best_step


@pytest.mark.parametrize("interrupt_at", [None, 13, 29])
def test_a_run_that_overfits_leaves_its_best_adapter_and_not_its_last(
    tiny_phi: Path, records: Path, tmp_path: Path, interrupt_at: int | None
) -> None:
    lines = records.read_bytes().splitlines(True)
    data, held_out = write_records(tmp_path / "few.jsonl", lines[:4]), write_records(tmp_path / "b.jsonl", lines[30:38])
    config = TrainConfig(
        base=str(tiny_phi), output_dir=tmp_path / "run", eval_file=held_out, **{**QUICK, "max_steps": 36}
    )
    folder, run = train(data, config, Listener(interrupt_at))
    if interrupt_at is not None:
        assert run.status == "interrupted"
        folder, run = resume(folder, Listener())
    later = [loss for step, loss in run.eval_losses if step > 0]
    assert run.best_step is not None and 0 < run.best_step < 36
    assert dict(run.eval_losses)[run.best_step] == min(later) < later[-1]
    eval_rows = read_sides(data, config).eval
    assert eval_loss(folder, eval_rows) == pytest.approx(min(later), rel=1e-3)
    assert eval_loss(complete_checkpoints(folder)[-1], eval_rows) == pytest.approx(later[-1], rel=1e-3)


def test_a_stop_within_an_epoch_makes_no_evaluation(tiny_phi: Path, records: Path, tmp_path: Path) -> None:
    listener = Listener(interrupt_at=2)
    config = TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", **{**QUICK, "eval_steps": None})
    folder, run = train(records, config, listener)
    assert (run.status, run.steps, listener.evaluated) == ("interrupted", 3, [0])
    assert [path.name for path in complete_checkpoints(folder)] == ["checkpoint-3"]
    _, run = resume(folder, listener)
    assert (run.status, run.steps) == ("finished", 12)


@pytest.mark.parametrize(
    ("settings", "step"),
    [({"max_steps": 4, "eval_steps": 2}, 4), ({"epochs": 0.5, "max_steps": None, "eval_steps": None}, 5)],
)
def test_a_stop_at_the_last_step_comes_too_late(
    tiny_phi: Path, records: Path, tmp_path: Path, settings: dict[str, Any], step: int
) -> None:
    config = TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", **{**QUICK, **settings})
    _, run = train(records, config, Listener(interrupt_at=step - 1))  # asked for before the last step begins
    assert (run.status, run.steps, run.best_step, run.eval_losses[-1][0]) == ("finished", step, step, step)


def test_a_stop_at_the_end_of_an_epoch_leaves_the_evaluation_and_one_checkpoint(
    tiny_phi: Path, records: Path, tmp_path: Path
) -> None:
    settings = {**QUICK, "batch_size": 20, "max_steps": None, "eval_steps": None}  # two steps an epoch
    folder, run = train(
        records, TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", **settings), Listener(interrupt_at=1)
    )
    assert (run.status, [step for step, _ in run.eval_losses]) == ("interrupted", [0, 2])
    assert [path.name for path in complete_checkpoints(folder)] == ["checkpoint-2"]
    assert resume(folder, Listener())[1].status == "finished"


def test_a_run_that_was_moved_goes_on_where_it_is(interrupted: Path, tmp_path: Path) -> None:
    moved = interrupted.rename(tmp_path / "elsewhere")
    folder, run = resume(moved, Listener())
    assert (folder, run.status, interrupted.exists()) == (moved, "finished", False)
    assert read_run(moved).config["output_dir"] == str(moved)


def test_other_versions_than_a_run_began_with_are_named(interrupted: Path) -> None:
    run = read_run(interrupted)
    torch_version = run.versions["torch"]
    run.versions["torch"] = "2.0"
    run.save(interrupted)
    listener = Listener()
    resume(interrupted, listener)
    wanted = f"torch 2.0 -> {torch_version}: not as the run began, so what follows may differ a little"
    assert wanted in listener.said


class Impatient(Listener):
    """Presses Ctrl-C twice when it comes to a step."""

    def __init__(self, interrupt_at: int) -> None:
        super().__init__()
        self._stop_at = interrupt_at

    def training_progress(self, progress: Progress) -> None:
        super().training_progress(progress)
        if progress.step == self._stop_at:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("step", "checkpoint", "way_on"),
    [
        (2, [], "begin again with `phi2chat train --resume {}`, for there is no checkpoint yet"),
        (5, ["checkpoint-4"], "go on from the last checkpoint with `phi2chat train --resume {}`"),
    ],
)
def test_a_second_ctrl_c_stops_at_once_and_says_how_to_go_on(
    tiny_phi: Path, records: Path, tmp_path: Path, step: int, checkpoint: list[str], way_on: str
) -> None:
    folder, listener = tmp_path / "run", Impatient(step)
    with pytest.raises(KeyboardInterrupt):
        train(records, TrainConfig(base=str(tiny_phi), output_dir=folder, **QUICK), listener)
    assert listener.said[-1] == f"stopped at once; {way_on.format(folder)}"
    assert read_run(folder).status == "interrupted"
    assert [path.name for path in complete_checkpoints(folder)] == checkpoint
    _, run = resume(folder, Listener())
    assert (run.status, [number for number, _ in run.losses]) == ("finished", list(range(1, 13)))


def test_a_run_that_never_reached_a_checkpoint_can_also_be_started_with_other_settings(
    tiny_phi: Path, records: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(records, TrainConfig(base=str(tiny_phi), output_dir=folder, **QUICK), Impatient(2))
    config = TrainConfig(base=str(tiny_phi), output_dir=folder, **{**QUICK, "max_steps": 1})
    assert train(records, config, Listener())[1].status == "finished"


def test_a_run_can_be_stopped_twice(interrupted: Path) -> None:
    assert resume(interrupted, Listener(interrupt_at=9))[1].status == "interrupted"
    assert resume(interrupted, Listener())[1].status == "finished"


def test_a_checkpoint_can_be_talked_to(interrupted: Path, tiny_phi: Path) -> None:
    checkpoint = complete_checkpoints(interrupted)[-1]
    model = load(ModelConfig(adapter=checkpoint, device="cpu"), print)
    assert model.name == f"{tiny_phi} + {checkpoint}"


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "optimizer.pt", "trainer_state.json", "complete.json"])
def test_a_truncated_checkpoint_is_skipped(interrupted: Path, name: str) -> None:
    first, last = complete_checkpoints(interrupted)
    content = (last / name).read_bytes()
    (last / name).write_bytes(content[: len(content) // 2])
    assert complete_checkpoints(interrupted) == [first]
    _, run = resume(interrupted, Listener())
    assert (run.status, [step for step, _ in run.losses]) == ("finished", list(range(1, 13)))


def test_a_run_without_a_whole_checkpoint_is_begun_anew(interrupted: Path) -> None:
    for checkpoint in complete_checkpoints(interrupted):
        (checkpoint / "complete.json").unlink()
    listener = Listener()
    _, run = resume(interrupted, listener)
    assert listener.said[:2] == [
        f"{checkpoint}: was not written to its end; beginning anew, for there is no whole checkpoint"
        for checkpoint in (interrupted / "checkpoints" / "checkpoint-4", interrupted / "checkpoints" / "checkpoint-7")
    ]
    assert (run.status, [step for step, _ in run.losses]) == ("finished", list(range(1, 13)))


def test_a_run_whose_data_has_changed_is_not_resumed(interrupted: Path) -> None:
    data = interrupted.parent / "data.jsonl"
    write_records(data, data.read_bytes().splitlines(True)[:-1])
    assert fault_of(resume, interrupted, Listener()) == (
        f"{data}: has changed since this run began; restore the file to resume, train again into another"
        " --output-dir, or go on with it as it is with --allow-changed-data"
    )
    assert [path.name for path in complete_checkpoints(interrupted)] == ["checkpoint-4", "checkpoint-7"]


def test_a_run_whose_data_has_changed_goes_on_where_that_is_allowed_and_keeps_both_hashes(interrupted: Path) -> None:
    data, listener = interrupted.parent / "data.jsonl", Listener()
    before = read_run(interrupted).sha256
    write_records(data, data.read_bytes().splitlines(True)[:-1])
    _, run = resume(interrupted, listener, allow_changed_data=True)
    assert f"{data}: has changed since this run began; run.json keeps both hashes" in listener.said
    assert run.status == "finished"
    assert read_run(interrupted).data_changes == [{"step": 7, "sha256": before}]
    assert read_run(interrupted).sha256 == {str(data): read_dataset(data).sha256}


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"base": "x"}'])
def test_a_damaged_run_json_is_named(interrupted: Path, content: str) -> None:
    (interrupted / "run.json").write_text(content)
    wanted = f"{interrupted / 'run.json'}: is damaged or of another version; restore it or train again"
    assert fault_of(resume, interrupted, Listener()) == wanted


def test_a_folder_without_a_run_is_said_so(tmp_path: Path) -> None:
    assert fault_of(resume, tmp_path, Listener()) == f"{tmp_path / 'run.json'}: no such file; check the path"


# The command


def flags(base: Path, folder: Path, steps: int) -> list[str]:
    words = f"--base {base} --output-dir {folder} --device cpu --max-steps {steps} --batch-size 4 --learning-rate 1e-2"
    return words.split()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_command_stops_at_ctrl_c_and_at_sigterm_and_says_how_to_go_on(
    tiny_phi: Path, records: Path, tmp_path: Path, clean_environment: dict[str, str], signum: signal.Signals
) -> None:
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "phi2chat", "train", records, *flags(tiny_phi, folder, 100_000)],
        env=clean_environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("step 10/"):
            process.send_signal(signum)
            break
    out, rest = process.communicate(timeout=100)
    assert process.returncode == 130
    assert out == ""
    assert "stopping after this step, with a checkpoint; Ctrl-C again stops at once\n" in rest
    (checkpoint,) = complete_checkpoints(folder)[-1:]
    step = checkpoint.name.rpartition("-")[2]
    assert rest.splitlines()[-1] == f"stopped after step {step}; go on with: phi2chat train --resume {folder}"
    assert "Traceback" not in rest + "".join(said)


def test_the_command_ends_with_a_summary_and_a_curve(
    tiny_phi: Path, records: Path, phi2chat: Any, tmp_path: Path
) -> None:
    done = phi2chat("train", records, *flags(tiny_phi, Path("run"), 5))
    assert done.returncode == 0
    run = read_run(tmp_path / "run")
    rows = {
        cells[1].strip(): cells[2].strip() for line in done.stdout.splitlines() if len(cells := line.split("│")) == 4
    }
    assert rows["records"] == f"{run.records['train']} train, {run.records['eval']} eval, 0 left out"
    assert rows["eval loss"] == f"{run.eval_losses[0][1]:.3f} -> {run.eval_losses[1][1]:.3f} (best, at step 5 of 5)"
    assert rows["adapter"] == "run"
    assert "train loss" in done.stdout
    assert (tmp_path / "run" / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert done.stdout.endswith("chat with it: phi2chat repl --adapter run\n")
    assert "\x1b" not in done.stdout + done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "Error: Give the DATA to train on, or --resume DIR."),
        (
            ["x.jsonl", "--resume", "runs/x"],
            2,
            "Error: --resume goes on with the data and settings the run began with; give nothing else.",
        ),
        (
            ["--resume", "runs/x", "--epochs", "2"],
            2,
            "Error: --resume goes on with the data and settings the run began with; give nothing else.",
        ),
        (["x.jsonl", "--allow-changed-data"], 2, "Error: --allow-changed-data goes with --resume."),
        (["missing.jsonl"], 1, "phi2chat: missing.jsonl: no such file or folder; check the path"),
        (["--resume", "missing"], 1, "phi2chat: missing: no such folder; give the folder of the run"),
        (["x.jsonl", "--config", "no.yaml"], 1, "phi2chat: no.yaml: no such file; check the path"),
    ],
)
def test_the_command_refuses(phi2chat: Any, arguments: list[str], code: int, sentence: str) -> None:
    done = phi2chat("train", *arguments)
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (code, "", sentence)


# The whole point


def test_an_overtrained_adapter_answers_as_it_was_trained(answering_adapter: tuple[Path, Path]) -> None:
    adapter, known = answering_adapter
    talk = Conversation(load(ModelConfig(adapter=adapter, device="cpu"), print), ChatConfig(recipe="a"))
    for _, record in read_dataset(known).records():
        list(talk.ask(record.instruction))
        turn = talk.turns[-1]
        assert (turn.reasoning, turn.answer, turn.stop) == (record.reasoning, record.answer, StopReason.END_OF_TEXT)


@pytest.mark.parametrize("name", ["prompt.json", "adapter_config.json", "loss.png", "run.json"])
def test_a_file_of_somebody_else_in_the_folder_is_not_written_over(
    tiny_phi: Path, records: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine")
    with pytest.raises(UserError):
        train(records, TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", **QUICK), Listener())
    assert (tmp_path / "run" / name).read_text() == "mine"


def test_a_base_in_4_bits_is_trained_on_and_answers(tiny_phi: Path, ja_basics: Path, tmp_path: Path) -> None:
    quick = {**QUICK, "max_steps": 4, "quantize": "nf4", "gradient_checkpointing": True}
    folder, run = train(ja_basics, TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", **quick), Listener())
    assert run.eval_losses[-1][1] < run.eval_losses[0][1]
    loaded = load(ModelConfig(adapter=folder, device="cpu", quantize="nf4"), lambda text: None)
    weights = {type(parameter).__name__ for name, parameter in loaded.model.named_parameters() if "fc1.base" in name}
    assert "Params4bit" in weights
    stream = loaded.stream([], "日本の首都はどこですか？", ChatConfig(max_new_tokens=4))
    assert len(list(stream)) <= 4 and stream.tokens == 4
