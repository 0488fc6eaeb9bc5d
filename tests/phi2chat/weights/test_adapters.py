"""Variants of a model: one base in memory, with one adapter or another, or with none."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.config import ChatConfig, ModelConfig
from phi2chat.inference.prompt import PromptStyle, save_style
from phi2chat.quiet import quiet_transformers
from phi2chat.weights.adapters import merged, with_adapter
from phi2chat.weights.models import LoadedModel, load


def adapter_of(base: Path, folder: Path, seed: int, **settings: Any) -> Path:
    """An adapter that changes what a base replies."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    lora = LoraConfig(**{"r": 4, "target_modules": ["fc1", "q_proj"], "task_type": "CAUSAL_LM", **settings})
    with quiet_transformers():
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), lora)
    for name, parameter in model.named_parameters():
        if "lora_B" in name or "lora_embedding_B" in name or (lora.bias == "all" and name.endswith("bias")):
            torch.nn.init.normal_(parameter.data)
    model.save_pretrained(folder, save_embedding_layers=False)
    save_style(PromptStyle(), folder)
    (folder / "run.json").write_text(json.dumps({"base": str(base)}))
    return folder


@pytest.fixture(scope="module")
def two_adapters(tiny_phi: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two adapters of one base; the second one also changes its biases."""
    folder = tmp_path_factory.mktemp("adapters")
    return adapter_of(tiny_phi, folder / "one", 1), adapter_of(tiny_phi, folder / "two", 2, bias="all")


def load_tiny(base: Path, adapter: Path | None = None, quantize: Any = "none") -> LoadedModel:
    config = ModelConfig(base=str(base), adapter=adapter, device="cpu", quantize=quantize)
    return load(config, lambda message: None)


def reply(model: LoadedModel) -> str:
    return "".join(model.stream([], "日本の首都は？", ChatConfig(max_new_tokens=12)))


@pytest.mark.parametrize("quantize", ["none", pytest.param("nf4", marks=pytest.mark.slow)])
def test_every_variant_replies_as_it_does_when_it_is_loaded_alone(
    tiny_phi: Path, two_adapters: tuple[Path, Path], quantize: str
) -> None:
    if quantize == "nf4":
        pytest.importorskip("bitsandbytes")
    one, two = two_adapters
    alone = [reply(load_tiny(tiny_phi, adapter, quantize)) for adapter in (None, one, two)]
    assert len(set(alone)) == 3
    loaded = load_tiny(tiny_phi, one, quantize)
    variants = [loaded.without_adapter(), loaded, loaded.with_adapter(two)]
    assert [reply(variant) for variant in variants] == alone
    assert [reply(variant) for variant in variants] == alone  # whichever was asked last
    assert [variant.name for variant in variants] == [f"{tiny_phi}", f"{tiny_phi} + {one}", f"{tiny_phi} + {two}"]


def test_replies_of_variants_may_come_at_the_same_time(tiny_phi: Path, two_adapters: tuple[Path, Path]) -> None:
    loaded = load_tiny(tiny_phi, two_adapters[0])
    both = [loaded, loaded.without_adapter()]
    streams = [model.stream([], "日本の首都は？", ChatConfig(max_new_tokens=12)) for model in both]
    pieces = zip(*streams, strict=False)
    together = ["".join(text) for text in zip(*pieces, strict=True)]
    assert all(reply(model).startswith(text) and text for model, text in zip(both, together, strict=True))


def test_a_base_that_gets_an_adapter_stays_as_it_is(tiny_phi: Path, two_adapters: tuple[Path, Path]) -> None:
    base = load_tiny(tiny_phi)
    before = reply(base)
    assert reply(base.with_adapter(two_adapters[1])) != before
    assert reply(base) == before


def test_variants_share_their_weights(tiny_phi: Path, two_adapters: tuple[Path, Path]) -> None:
    base = load_tiny(tiny_phi)
    adapted = base.with_adapter(two_adapters[0])
    assert adapted.model.get_input_embeddings().weight is base.model.get_input_embeddings().weight
    assert adapted.without_adapter().model is base.model


@pytest.mark.filterwarnings("ignore:.*have invalid shape")  # PEFT's opinion of a bias
@pytest.mark.parametrize(
    "settings",
    [{}, {"target_modules": ["q_proj", "embed_tokens"]}, {"lora_bias": True}],
    ids=["linear layers", "an embedding", "biases"],
)
def test_an_adapter_that_is_merged_changes_nothing_of_the_base(
    tiny_phi: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    import torch

    adapter = adapter_of(tiny_phi, tmp_path / "adapter", 1, **settings)
    base = load_tiny(tiny_phi).model
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    ids = torch.arange(5, 25)[None]
    with torch.inference_mode():
        plain, beside = base(ids).logits, with_adapter(base, adapter).eval()(ids).logits
        one = merged(with_adapter(base, adapter).eval(), room=2**40)
        assert torch.allclose(one(ids).logits, beside, atol=1e-4) and not torch.allclose(plain, beside, atol=1e-2)
    assert hasattr(one, "peft_config") == (
        "embed_tokens" in settings.get("target_modules", "")
    )  # that one stays beside
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.state_dict().items())


@pytest.mark.slow
def test_no_adapter_is_merged_into_weights_of_4_bits(tiny_phi: Path, two_adapters: tuple[Path, Path]) -> None:
    pytest.importorskip("bitsandbytes")
    model = with_adapter(load_tiny(tiny_phi, quantize="nf4").model, two_adapters[0])
    assert merged(model, room=2**40) is model


def test_without_room_an_adapter_stays_beside_the_weights(tiny_phi: Path, two_adapters: tuple[Path, Path]) -> None:
    model = with_adapter(load_tiny(tiny_phi).model, two_adapters[0])
    assert merged(model, room=1000) is model and merged(model) is model


def test_the_base_is_read_by_one_reader_which_keeps_what_it_has_read_beside_the_weights(
    tiny_phi: Path, two_adapters: tuple[Path, Path]
) -> None:
    adapted = load_tiny(tiny_phi, two_adapters[0])
    assert adapted.without_adapter().reader is adapted.without_adapter().reader
    assert adapted.without_adapter().reader is not adapted.reader


def test_an_adapter_of_another_base_is_refused(tiny_phi: Path, two_adapters: tuple[Path, Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(two_adapters[0], tmp_path / "other"))
    (other / "run.json").write_text(json.dumps({"base": "some/where"}))
    with pytest.raises(UserError) as refused:
        load_tiny(tiny_phi).with_adapter(other)
    assert (
        str(refused.value) == f"{other}: was trained on some/where, and this is {tiny_phi}; give an adapter of this one"
    )


def test_an_adapter_of_the_same_base_by_another_name_is_taken(
    tiny_phi: Path, two_adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(tiny_phi, tmp_path / "moved"))
    assert reply(load_tiny(moved, two_adapters[0]).with_adapter(two_adapters[1]))


def test_an_adapter_of_somebody_else_is_tried_on_the_base_that_is_there(
    tiny_phi: Path, two_adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    foreign = Path(shutil.copytree(two_adapters[0], tmp_path / "foreign"))
    (foreign / "run.json").unlink()
    base = load_tiny(tiny_phi)
    assert reply(base.with_adapter(foreign)) == reply(base.with_adapter(two_adapters[0]))


def test_where_there_is_no_adapter_none_can_be_left_out(tiny_phi: Path) -> None:
    with pytest.raises(UserError, match="there is no adapter to leave out; give one with --adapter"):
        load_tiny(tiny_phi).without_adapter()
