"""Which models a step of our own kernels may read: those that are no more than their parts tell."""

from typing import Any

import pytest
import torch
from made_models import random_model
from peft import LoraConfig, get_peft_model

from phi2chat.inference.layer_parts import parts_of
from phi2chat.quiet import quiet_transformers

SHAPE = {"vocab_size": 96, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = {**SHAPE, "intermediate_size": 128}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
LINEAR = {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}


def phi(**more: Any) -> Any:
    return random_model("phi", **WIDE, **more).eval()


def llama(**more: Any) -> Any:
    return random_model("llama", **WIDE, **more).eval()


def mistral(window: int | None) -> Any:
    return random_model(
        "mistral", **WIDE, num_key_value_heads=2, sliding_window=window, max_position_embeddings=4096
    ).eval()


def qwen2(**more: Any) -> Any:
    return random_model("qwen2", **WIDE, num_key_value_heads=2, **more).eval()


def with_adapter() -> Any:
    lora = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    with quiet_transformers():
        return get_peft_model(phi(), lora).eval()


def with_one_weight(change: Any) -> Any:
    model = llama()
    linear = model.model.layers[1].mlp.down_proj
    linear.weight = torch.nn.Parameter(change(linear.weight.data), requires_grad=False)
    return model


READ = {
    "phi": phi,
    "phi with another gelu": lambda: phi(hidden_act="gelu"),
    "llama": llama,
    "llama with shared heads of a size of their own": lambda: llama(num_key_value_heads=2, head_dim=24),
    "llama with biases": lambda: llama(attention_bias=True),
    "llama whose head is its embedding": lambda: llama(tie_word_embeddings=True),
    "llama with positions closer together": lambda: llama(rope_parameters=LINEAR),
    "mistral": lambda: mistral(None),
    "mistral with a window as long as its context": lambda: mistral(4096),
    "qwen2": qwen2,
    "merged": lambda: with_adapter().merge_and_unload(),
}
REFUSED = {
    "phi with norms of queries and keys": (lambda: phi(qk_layernorm=True), "norms of queries and keys"),
    "relu": (lambda: phi(hidden_act="relu"), "the activation ReLU"),
    "positions that depend on the length": (lambda: llama(rope_parameters=DYNAMIC), "positions of the kind dynamic"),
    "a bias beside the gate": (lambda: llama(mlp_bias=True), "a bias beside the gate"),
    "a window": (lambda: mistral(1024), "attention with a sliding window"),
    "qwen2 with a window": (
        lambda: qwen2(use_sliding_window=True, sliding_window=64, max_window_layers=1, max_position_embeddings=128),
        "attention with a sliding window",
    ),
    "in training": (lambda: phi().train(), "a model in training"),
    "an adapter beside the weights": (with_adapter, "a model of the kind PeftModelForCausalLM"),
    "the base under an adapter": (lambda: with_adapter().get_base_model(), "linear layers of another kind"),
    "a weight of another type": (lambda: with_one_weight(torch.Tensor.double), "weights in several places"),
    "a weight with gaps": (lambda: with_one_weight(lambda weight: weight.T.contiguous().T), "weights with gaps"),
    "qwen3": (
        lambda: random_model("qwen3", **WIDE, num_key_value_heads=2, head_dim=16),
        "a model of the kind Qwen3ForCausalLM",
    ),
    "gemma 2": (
        lambda: random_model("gemma2", **WIDE, num_key_value_heads=2, head_dim=16),
        "a model of the kind Gemma2ForCausalLM",
    ),
    "gpt 2": (lambda: random_model("gpt2", vocab_size=96, n_embd=64, n_layer=2, n_head=4), "GPT2LMHeadModel"),
    "opt": (lambda: random_model("opt", **SHAPE, ffn_dim=128, word_embed_proj_dim=64), "OPTForCausalLM"),
}


@pytest.mark.parametrize("kind", READ)
def test_the_parts_hold_every_weight_of_the_model(kind: str) -> None:
    model = READ[kind]()
    parts = parts_of(model)
    modules = [parts.embedding, parts.last_norm, parts.head]
    for layer in parts.layers:
        modules += [*layer.linears, *layer.norms]
    held = {id(weight) for module in modules for weight in module.parameters()}
    assert held == {id(weight) for weight in model.parameters()}
    assert len(parts.layers) == 2


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_that_asks_for_more_is_refused_with_the_reason(kind: str) -> None:
    make, reason = REFUSED[kind]
    with pytest.raises(NotImplementedError, match=reason):
        parts_of(make())
