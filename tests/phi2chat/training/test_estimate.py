"""What a training will take, against what it took."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from curation.errors import UserError
from phi2chat.config import TrainConfig
from phi2chat.inference.examples import TokenizedSide, read_sides
from phi2chat.inference.prompt import PromptStyle
from phi2chat.training.estimate import Estimate, count_steps, describe_shortage, estimate, free_bytes, measured_speed
from phi2chat.training.lora import PHI_TARGETS
from phi2chat.training.preflight import Preflight, inspect
from phi2chat.training.trainer import train
from phi2chat.weights.bases import find_base
from phi2chat.weights.models import load_outline
from phi2chat.weights.run import read_run

CPU = torch.device("cpu")


def of_length(length: int, records: int = 8) -> Preflight:
    side = TokenizedSide([{"input_ids": [1] * length, "labels": [1] * length}] * records, [], [], [])
    return Preflight(side, side, 2048, [], [])


def look_ahead(base: Path, length: int = 64, **config: Any) -> Estimate:
    outline, _ = load_outline(find_base(str(base), print), torch.float32)
    return estimate(outline, str(base), TrainConfig(**config), CPU, of_length(length))


class Silent:
    def status(self, text: str) -> None: ...
    def training_progress(self, progress: object) -> None: ...

    note = status


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 2.0, "batch_size": 7},
        {"epochs": 1.5, "batch_size": 4, "accumulation_steps": 3},
        {"epochs": 0.4, "batch_size": 8},
        {"max_steps": 3, "batch_size": 40},
    ],
)
def test_steps_parameters_and_layers_are_those_of_the_training(
    tiny_phi: Path, ja_basics: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    data = tmp_path / "data.jsonl"
    data.write_bytes(b"".join(ja_basics.read_bytes().splitlines(True)[:40]))
    config = TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", device="cpu", eval_percent=25, **settings)
    outline, tokenizer = load_outline(find_base(config.base, print), torch.float32)
    found = inspect(read_sides(data, config), outline, tokenizer, config, PromptStyle())
    expected = estimate(outline, config.base, config, CPU, found)
    _, run = train(data, config, Silent())
    assert run.steps == count_steps(len(found.train.examples), config)
    assert (run.lora_modules, run.trainable_parameters) == (expected.lora_modules, expected.trainable_parameters)
    assert run.tokens == {"train": found.train.tokens, "eval": found.eval.tokens}


def test_the_layers_of_phi_and_their_parameters_are_told(tiny_phi: Path) -> None:
    expected = look_ahead(tiny_phi, lora_rank=4)
    hidden, inner = 64, 256
    assert expected.lora_modules == sorted(PHI_TARGETS)
    assert expected.trainable_parameters == 2 * 4 * (4 * (hidden + hidden) + 2 * (hidden + inner))
    assert expected.memory["weights"] == expected.parameters * 4
    assert expected.memory["adapter and optimizer"] == expected.trainable_parameters * 16


def test_more_tokens_take_more_memory_and_recomputing_less(tiny_phi: Path) -> None:
    short, long = (look_ahead(tiny_phi, length).memory["activations"] for length in (64, 128))
    assert 1.9 < long / short < 2.5
    assert look_ahead(tiny_phi, 128, gradient_checkpointing=True).memory["activations"] < long
    assert look_ahead(tiny_phi, 128, batch_size=4).memory["activations"] == pytest.approx(long / 2, rel=0.01)


def test_a_phi2_of_full_size_is_told_without_its_weights(tmp_path: Path, tiny_phi: Path) -> None:
    import shutil

    base = Path(shutil.copytree(tiny_phi, tmp_path / "phi-2", ignore=shutil.ignore_patterns("*.safetensors")))
    settings = json.loads((base / "config.json").read_text("utf-8"))
    full = {"vocab_size": 51200, "hidden_size": 2560, "intermediate_size": 10240}
    layers = {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32}
    (base / "config.json").write_text(json.dumps({**settings, **full, **layers}), "utf-8")
    assert look_ahead(base).parameters == 2_779_683_840


def test_an_architecture_that_wants_another_mask_is_told_without_its_activations() -> None:
    from transformers import BloomConfig, BloomForCausalLM

    with torch.device("meta"):
        bloom = BloomForCausalLM(BloomConfig(vocab_size=64, hidden_size=16, n_layer=2, n_head=2))
    expected = estimate(bloom, "bloom", TrainConfig(), CPU, of_length(8))
    assert expected.memory.keys() == {"weights", "adapter and optimizer", "libraries"}


def test_a_base_without_a_layer_for_lora_is_refused(tiny_phi: Path) -> None:
    class NoLayers(torch.nn.Module):
        config = load_outline(find_base(str(tiny_phi), print), torch.float32)[0].config

    with pytest.raises(UserError, match="has no layer that LoRA could be put on"):
        estimate(NoLayers(), "bare", TrainConfig(), CPU, of_length(8))


# Speed


@pytest.fixture
def runs(tiny_phi: Path, ja_basics: Path, tmp_path: Path) -> Path:
    data = tmp_path / "data.jsonl"
    data.write_bytes(b"".join(ja_basics.read_bytes().splitlines(True)[:20]))
    config = TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "runs" / "one", device="cpu", max_steps=2)
    train(data, config, Silent())
    return tmp_path / "runs"


def test_the_speed_is_that_of_the_newest_run_of_the_same_base_device_and_numbers(runs: Path, tiny_phi: Path) -> None:
    config, base = TrainConfig(), str(tiny_phi)
    speed = read_run(runs / "one").tokens_per_second
    assert measured_speed(runs, base, "cpu", "float32", config) == (runs / "one", speed)
    (runs / "two").mkdir()
    text = (runs / "one" / "run.json").read_text("utf-8")
    (runs / "two" / "run.json").write_text(text.replace(str(speed), "77.5"), "utf-8")
    os.utime(runs / "one" / "run.json", (1, 1))
    assert measured_speed(runs, base, "cpu", "float32", config) == (runs / "two", 77.5)
    (runs / "two" / "run.json").write_text("torn", "utf-8")
    assert measured_speed(runs, base, "cpu", "float32", config) == (runs / "one", speed)


def test_the_speed_of_another_base_device_or_setting_is_not_taken(runs: Path, tiny_phi: Path) -> None:
    base, config = str(tiny_phi), TrainConfig()
    assert measured_speed(runs, "other", "cpu", "float32", config) is None
    assert measured_speed(runs, base, "NVIDIA H100", "float32", config) is None
    assert measured_speed(runs, base, "cpu", "bf16", config) is None
    assert measured_speed(runs, base, "cpu", "float32", TrainConfig(gradient_checkpointing=True)) is None
    assert measured_speed(runs / "missing", base, "cpu", "float32", config) is None


# Memory that is not there


def test_what_does_not_fit_is_said_with_what_to_try() -> None:
    expected = Estimate([], 0, 0, {"weights": 3 * 2**30, "activations": 2**30})
    assert describe_shortage(expected, 4 * 2**30, TrainConfig()) == ""
    assert describe_shortage(expected, 2**30, TrainConfig()) == (
        "memory: about 4.0 GiB for the largest batch, and 1.0 GiB are free; try"
        " --batch-size 4 --accumulation-steps 2 or --gradient-checkpointing"
    )
    last = TrainConfig(batch_size=1, gradient_checkpointing=True)
    assert describe_shortage(expected, 2**30, last).endswith("try shorter records or a smaller --base")


def test_some_memory_is_free() -> None:
    assert free_bytes(CPU) > 2**20
