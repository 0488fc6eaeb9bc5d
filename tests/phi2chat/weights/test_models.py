"""Bases and adapters: padding is never end-of-text, and whatever is missing or broken is said in one sentence."""

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.config import ModelConfig
from phi2chat.inference.prompt import PromptStyle, save_style
from phi2chat.quiet import quiet_transformers
from phi2chat.weights.adapters import base_of
from phi2chat.weights.bases import WAYS_OUT
from phi2chat.weights.models import load, place, set_pad_token


def ignore(message: str) -> None:
    pass


@pytest.fixture
def base(tiny_phi: Path, tmp_path: Path) -> Path:
    """A copy of the tiny Phi that a test may break."""
    return Path(shutil.copytree(tiny_phi, tmp_path / "base"))


def fault_of(base: str | Path | None, adapter: Path | None = None) -> str:
    with pytest.raises(UserError) as raised:
        load(ModelConfig(base=None if base is None else str(base), adapter=adapter, device="cpu"), ignore)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# The pad token


@pytest.mark.parametrize(
    ("special_tokens", "spare_rows", "pad"),
    [
        ({"eos_token": "</s>"}, 1, "<|pad|>"),
        ({"eos_token": "</s>"}, 0, "<unk>"),  # any token but end-of-text
        ({"eos_token": "<unk>"}, 0, "<s>"),  # that one is the first token of all
        ({"eos_token": "</s>", "unk_token": "<unk>"}, 1, "<unk>"),
        ({"eos_token": "</s>", "unk_token": "</s>"}, 1, "<|pad|>"),
        ({"eos_token": "</s>", "pad_token": "<s>"}, 1, "<s>"),
        ({"eos_token": "</s>", "pad_token": "</s>"}, 1, "<|pad|>"),
        ({"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}, 1, "<unk>"),
        ({"eos_token": "</s>", "pad_token": "</s>"}, 0, "<unk>"),
    ],
)
def test_padding_is_never_end_of_text(special_tokens: dict[str, str], spare_rows: int, pad: str) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = {"<unk>": 0, "<s>": 1, "</s>": 2, "語": 3}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(words, "<unk>")), **special_tokens)
    rows = len(words) + spare_rows
    model = SimpleNamespace(
        get_input_embeddings=lambda: SimpleNamespace(num_embeddings=rows),
        config=SimpleNamespace(),
        generation_config=SimpleNamespace(),
    )
    set_pad_token(model, tokenizer)
    assert tokenizer.pad_token == pad
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert tokenizer.pad_token_id < rows
    assert model.config.pad_token_id == model.generation_config.pad_token_id == tokenizer.pad_token_id


def test_phi_gets_a_pad_token_in_a_spare_row_and_keeps_its_size(tiny_phi: Path, tiny_tokenizer: Any) -> None:
    loaded = load(ModelConfig(base=str(tiny_phi), device="cpu"), ignore)
    assert tiny_tokenizer.pad_token is None
    assert loaded.tokenizer.pad_token_id == len(tiny_tokenizer) < 1024
    assert loaded.tokenizer.eos_token_id == 0
    assert loaded.model.get_input_embeddings().num_embeddings == 1024


def test_a_folder_is_a_base(tiny_phi: Path) -> None:
    said: list[str] = []
    loaded = load(ModelConfig(base=str(tiny_phi), device="cpu"), said.append)
    assert loaded.name == str(tiny_phi)
    assert loaded.context_tokens == 2048
    assert said == [f"loading {tiny_phi} (float32, cpu)"]


# A broken base


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_truncated_file_is_said_with_the_ways_out(base: Path, name: str) -> None:
    truncate(base / name)
    sentence = fault_of(base)
    assert sentence.startswith(f"{base}: cannot be loaded (")
    assert sentence.endswith(f"); {WAYS_OUT}")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_said_with_the_ways_out(base: Path, name: str) -> None:
    (base / name).unlink()
    sentence = fault_of(base)
    assert sentence.startswith(f"{base}: ")
    assert sentence.endswith(f"; {WAYS_OUT}")


def test_a_pickle_is_never_loaded(base: Path) -> None:
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    assert fault_of(base).startswith(f"{base}: cannot be loaded (")


def test_a_model_that_lacks_weights_is_refused(base: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(base / "model.safetensors")
    del weights["model.layers.1.mlp.fc1.weight"]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    assert fault_of(base) == f"{base}: lacks weights (1, such as model.layers.1.mlp.fc1.weight); {WAYS_OUT}"


def test_a_tokenizer_without_end_of_text_is_refused(base: Path) -> None:
    settings = json.loads((base / "tokenizer_config.json").read_text())
    del settings["eos_token"]
    (base / "tokenizer_config.json").write_text(json.dumps(settings))
    assert fault_of(base) == f"{base}: its tokenizer has no end-of-text token, so no reply would end; {WAYS_OUT}"


RUNS = """
from pathlib import Path
Path(__file__).with_name("it-ran").touch()
Path({trace!r}).touch()
class Config: ...
class Model: ...
class Tokenizer: ...
"""


@pytest.mark.parametrize("model_type", ["phi", "its-own"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_that_comes_with_a_model_is_never_run(base: Path, tmp_path: Path, name: str, model_type: str) -> None:
    trace = tmp_path / "it-ran"
    (base / "code.py").write_text(RUNS.format(trace=str(trace)))
    settings = json.loads((base / name).read_text())
    settings["auto_map"] = {
        "AutoConfig": "code.Config",
        "AutoModelForCausalLM": "code.Model",
        "AutoTokenizer": ["code.Tokenizer", "code.Tokenizer"],
    }
    if name == "config.json":
        settings["model_type"] = model_type
        settings["architectures"] = ["Model"]
    (base / name).write_text(json.dumps(settings))
    if (name, model_type) == ("config.json", "its-own"):
        sentence = fault_of(base)
        assert sentence.startswith(f"{base}: cannot be loaded (")
        assert sentence.endswith(f"; {WAYS_OUT}")
    else:  # what it names is known to transformers, whose own code is taken
        assert type(load(ModelConfig(base=str(base), device="cpu"), ignore).model).__module__.startswith(
            "transformers."
        )
    assert not trace.exists()
    assert not (base / "it-ran").exists()


def test_a_tokenizer_that_is_not_the_fast_one_is_refused(base: Path) -> None:
    (base / "tokenizer.json").unlink()
    settings = {"tokenizer_class": "ByT5Tokenizer", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    (base / "tokenizer_config.json").write_text(json.dumps(settings))
    assert fault_of(base) == f"{base}: its tokenizer has no tokenizer.json, which streaming needs; {WAYS_OUT}"


# Adapters


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """What of an adapter says its base and its format; there are no weights."""
    folder = tmp_path / "run"
    write_json(folder / "adapter_config.json", {"base_model_name_or_path": "from/adapter-config"})
    save_style(PromptStyle(), folder)
    return folder


def test_a_folder_that_is_no_adapter_is_said_so(tmp_path: Path) -> None:
    wanted = f"{tmp_path}: is no adapter, it has no adapter_config.json; give the folder that `train` wrote"
    assert fault_of(None, tmp_path) == wanted
    assert fault_of(None, tmp_path / "typo") == f"{tmp_path / 'typo'}: no such folder; give one that `train` wrote"


def test_an_adapter_without_weights_is_said_so(adapter: Path, tiny_phi: Path) -> None:
    wanted = f"{adapter}: has no adapter_model.safetensors; give the folder that `train` wrote"
    assert fault_of(tiny_phi, adapter) == wanted


def test_an_adapter_with_damaged_weights_is_said_so(adapter: Path, tiny_phi: Path) -> None:
    write_json(
        adapter / "adapter_config.json", {"peft_type": "LORA", "task_type": "CAUSAL_LM", "target_modules": ["fc1"]}
    )
    (adapter / "adapter_model.safetensors").write_bytes(b"half")
    sentence = fault_of(tiny_phi, adapter)
    assert sentence.startswith(f"{adapter}: does not fit its base or is damaged (")
    assert sentence.endswith("); train it again")


def test_an_adapter_of_which_weights_are_missing_is_said_so(adapter: Path, tiny_phi: Path) -> None:
    import torch
    from safetensors.torch import save_file

    write_json(
        adapter / "adapter_config.json",
        {"peft_type": "LORA", "task_type": "CAUSAL_LM", "target_modules": ["fc1"], "r": 2},
    )
    save_file({"unrelated": torch.zeros(1)}, adapter / "adapter_model.safetensors")
    wanted = f"{adapter}: does not fit its base or is damaged (Found missing adapter keys while loading"
    assert fault_of(tiny_phi, adapter).startswith(wanted)


def test_the_base_of_an_adapter_is_that_of_its_run(adapter: Path) -> None:
    write_json(adapter / "run.json", {"base": "from/run"})
    assert base_of(adapter) == "from/run"


def test_the_base_of_a_checkpoint_is_that_of_its_run(adapter: Path) -> None:
    write_json(adapter / "run.json", {"base": "from/run"})
    checkpoint = adapter / "checkpoints" / "checkpoint-5"
    write_json(checkpoint / "adapter_config.json", {"base_model_name_or_path": "/somewhere/in/a/cache"})
    assert base_of(checkpoint) == "from/run"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "3"])
@pytest.mark.parametrize(
    ("name", "way_out"),
    [("run.json", "restore it, or name the base with --base"), ("adapter_config.json", "restore it")],
)
def test_a_damaged_description_of_an_adapter_is_named(adapter: Path, name: str, way_out: str, content: str) -> None:
    (adapter / name).write_text(content)
    assert fault_of(None, adapter) == f"{adapter / name}: is damaged; {way_out}"


def test_an_adapter_of_somebody_else_does_not_choose_the_base(adapter: Path) -> None:
    wanted = (
        f'{adapter}: has no run.json that says its base (its adapter_config.json claims "from/adapter-config");'
        " name the base with --base"
    )
    assert fault_of(None, adapter) == wanted


@pytest.fixture
def plain_lora(adapter: Path, tiny_phi: Path) -> tuple[Path, dict[str, Any]]:
    """A whole adapter that somebody else made, and its settings."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    settings = LoraConfig(r=2, target_modules=["fc1"], task_type="CAUSAL_LM")
    with quiet_transformers():
        get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_phi), settings).save_pretrained(adapter)
    return adapter, json.loads((adapter / "adapter_config.json").read_bytes())


def test_what_peft_writes_of_a_plain_lora_is_loaded(plain_lora: tuple[Path, dict[str, Any]], tiny_phi: Path) -> None:
    model = load(ModelConfig(base=str(tiny_phi), adapter=plain_lora[0], device="cpu"), print)
    assert model.name == f"{tiny_phi} + {plain_lora[0]}"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("megatron_config", {"a": 1}),  # has the module imported that megatron_core names
        ("corda_config", {"cache_file": "x.pt"}),  # has a pickle loaded
        ("init_lora_weights", "pissa"),  # changes the weights of the base
        ("layer_replication", [[0, 2]]),
        ("something_new", "x"),
    ],
)
def test_an_adapter_cannot_have_peft_do_more_than_a_lora(
    plain_lora: tuple[Path, dict[str, Any]], tiny_phi: Path, setting: str, value: object
) -> None:
    folder, settings = plain_lora
    write_json(folder / "adapter_config.json", {**settings, setting: value})
    wanted = f"{folder}: sets {setting}, which is not taken from an adapter; give a plain LoRA"
    assert fault_of(tiny_phi, folder) == wanted


def test_an_adapter_of_another_kind_is_refused(plain_lora: tuple[Path, dict[str, Any]], tiny_phi: Path) -> None:
    folder, settings = plain_lora
    write_json(folder / "adapter_config.json", {**settings, "peft_type": "XLORA", "adapters": {"0": "some/where"}})
    wanted = f"{folder}: is of the kind XLORA, and only LORA can be loaded; give another adapter"
    assert fault_of(tiny_phi, folder) == wanted


def test_an_adapter_that_has_only_a_pickle_is_refused(plain_lora: tuple[Path, dict[str, Any]], tiny_phi: Path) -> None:
    folder, _ = plain_lora
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    wanted = f"{folder}: has no adapter_model.safetensors; give the folder that `train` wrote"
    assert fault_of(tiny_phi, folder) == wanted


def test_a_folder_that_says_its_prompt_is_asked_with_it(tiny_phi: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_phi, tmp_path / "merged"))
    save_style(PromptStyle(instruction="Q:"), base)
    assert load(ModelConfig(base=str(base), device="cpu"), print).style == PromptStyle(instruction="Q:")


# The device


def test_a_gpu_that_is_not_there_is_said_so() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(UserError) as raised:
        place(ModelConfig(device="cuda"))
    wanted = "--device cuda: torch sees no GPU; `phi2chat doctor` says why, or use --device cpu"
    assert str(raised.value) == wanted


@pytest.mark.parametrize(("precision", "dtype"), [("auto", "float32"), ("float32", "float32"), ("bf16", "bfloat16")])
def test_a_cpu_computes_in_float32_unless_told_otherwise(precision: Any, dtype: str) -> None:
    assert [str(part) for part in place(ModelConfig(device="cpu", precision=precision))] == ["cpu", f"torch.{dtype}"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("config.json", "[]"), ("config.json", '{"model_type": "phi", "hidden_size": "abc"}'), ("tokenizer.json", "[]"),
     ("tokenizer_config.json", "[]"), ("generation_config.json", "[]")],
)  # fmt: skip
def test_a_damaged_file_of_a_model_is_one_sentence(base: Path, name: str, content: str) -> None:
    (base / name).write_text(content)
    sentence = fault_of(base)
    assert sentence.startswith(f"{base}: ") and sentence.endswith(WAYS_OUT)
    assert "\n" not in sentence


def test_a_model_says_what_it_is_made_of(answering_adapter: tuple[Path, Path], tiny_phi: Path) -> None:
    adapter, _ = answering_adapter
    model = load(ModelConfig(adapter=adapter, device="cpu"), ignore)
    weights = (adapter / "adapter_model.safetensors").read_bytes()
    assert model.parts == {
        "base": str(tiny_phi),
        "adapter": str(adapter),
        "adapter_sha256": hashlib.sha256(weights).hexdigest(),
    }
    assert model.without_adapter().parts == {"base": str(tiny_phi)}
