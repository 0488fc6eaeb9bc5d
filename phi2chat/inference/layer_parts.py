"""What a model is made of, for a step that reads the weights itself; a model that asks for anything more is refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers.activations import GELUActivation, GELUTanh, NewGELUActivation, SiLUActivation

from phi2chat.inference.generate import context_tokens

Activation = Literal["gelu", "gelu_tanh", "silu"]

_PHI, _LLAMA_LIKE = "PhiForCausalLM", ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM")
_RMS_NORMS = ("LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm")
_ROPES = ("default", "linear", "llama3", "yarn")  # those whose angles do not change with the length
_ACTIVATIONS: dict[type, Activation] = {
    NewGELUActivation: "gelu_tanh",
    GELUTanh: "gelu_tanh",
    GELUActivation: "gelu",
    SiLUActivation: "silu",
    torch.nn.SiLU: "silu",
}


@dataclass(frozen=True)
class Layer:
    """A decoder layer. `mlp_norm` and `gate` are there where the MLP stands behind attention, and not beside it.

    Then it gives down(activation(gate(x)) * up(x)), otherwise down(activation(up(x))) of what attention reads, too.
    """

    attention: Any
    norm: Any
    queries: Any
    keys: Any
    values: Any
    out: Any
    up: Any
    down: Any
    activation: Activation
    mlp_norm: Any = None
    gate: Any = None

    @property
    def linears(self) -> Iterator[Any]:
        """All of its matrices."""
        yield from (self.queries, self.keys, self.values, self.out, self.up, self.down)
        if self.gate is not None:
            yield self.gate

    @property
    def norms(self) -> Iterator[Any]:
        """All of its norms."""
        yield self.norm
        if self.mlp_norm is not None:
            yield self.mlp_norm


@dataclass(frozen=True)
class Parts:
    """A model from its token embedding to its logits."""

    embedding: Any
    layers: tuple[Layer, ...]
    last_norm: Any
    head: Any
    rotary: Any


def parts_of(model: Any) -> Parts:
    """The parts of a Phi, or of a Llama, Mistral or Qwen2.

    Raises NotImplementedError, which says why, for any other model, and for one of these with a setting that these
    parts alone do not tell of, or whose weights are not plain matrices on one device.
    """
    kind = type(model).__name__
    if kind == _PHI:
        parts = _parts(model, model.model.final_layernorm, _phi_layer)
    elif kind in _LLAMA_LIKE:
        parts = _parts(model, model.model.norm, _llama_layer)
    else:
        raise NotImplementedError(f"a model of the kind {kind}")
    _check_weights(model, parts)
    _check_layers(model, parts)
    return parts


def activation_of(module: Any) -> Activation:
    """The function of an activation. Raises NotImplementedError where it has no name here."""
    _require(type(module) in _ACTIVATIONS, f"the activation {type(module).__name__}")
    return _ACTIVATIONS[type(module)]


def is_rms(norm: Any) -> bool:
    """Whether a norm takes no mean away, and adds nothing."""
    return hasattr(norm, "variance_epsilon")


def _parts(model: Any, last_norm: Any, layer_of: Any) -> Parts:
    inner = model.model
    layers = tuple(layer_of(layer) for layer in inner.layers)
    return Parts(inner.embed_tokens, layers, last_norm, model.lm_head, inner.rotary_emb)


def _phi_layer(layer: Any) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    _require(not attention.qk_layernorm, "norms of queries and keys")
    projections = attention.q_proj, attention.k_proj, attention.v_proj
    activation = activation_of(mlp.activation_fn)
    return Layer(attention, layer.input_layernorm, *projections, attention.dense, mlp.fc1, mlp.fc2, activation)


def _llama_layer(layer: Any) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    projections = attention.q_proj, attention.k_proj, attention.v_proj
    behind = layer.post_attention_layernorm, mlp.gate_proj
    activation = activation_of(mlp.act_fn)
    return Layer(
        attention,
        layer.input_layernorm,
        *projections,
        attention.o_proj,
        mlp.up_proj,
        mlp.down_proj,
        activation,
        *behind,
    )


def _check_weights(model: Any, parts: Parts) -> None:
    linears = [*(linear for layer in parts.layers for linear in layer.linears), parts.head]
    norms = [*(norm for layer in parts.layers for norm in layer.norms), parts.last_norm]
    _require(all(type(linear) is torch.nn.Linear for linear in linears), "linear layers of another kind")
    _require(all(map(_is_norm, norms)), "norms of another kind")
    _require(type(parts.embedding) is torch.nn.Embedding, "an embedding of another kind")
    weights = [weight for module in (parts.embedding, *linears, *norms) for weight in module.parameters()]
    places = {(weight.device, weight.dtype) for weight in weights}
    _require(places == {(model.device, model.dtype)}, "weights in several places, or of several types")
    _require(all(type(weight.data) is torch.Tensor for weight in weights), "weights that are no plain tensors")
    _require(all(weight.is_contiguous() for weight in weights), "weights with gaps")


def _check_layers(model: Any, parts: Parts) -> None:
    window, rope = getattr(model.config, "sliding_window", None), parts.rotary.rope_type
    _require(not model.training, "a model in training")
    _require(window is None or window >= context_tokens(model), "attention with a sliding window")
    _require(rope in _ROPES, f"rotary positions of the kind {rope}")
    for layer in parts.layers:
        head_size = layer.attention.head_dim
        heads, kept_heads = (linear.out_features // head_size for linear in (layer.queries, layer.keys))
        sizes = [linear.out_features for linear in (layer.queries, layer.keys, layer.values)]
        _require(sizes == [heads * head_size, *[kept_heads * head_size] * 2], "heads of several sizes")
        _require(heads % kept_heads == 0, "heads of queries that share those of keys unevenly")
        _require(layer.gate is None or layer.up.bias is None, "a bias beside the gate")


def _is_norm(norm: Any) -> bool:
    if type(norm) is torch.nn.LayerNorm:
        return norm.bias is not None and norm.weight.ndim == 1
    return type(norm).__name__ in _RMS_NORMS


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotImplementedError(otherwise)
