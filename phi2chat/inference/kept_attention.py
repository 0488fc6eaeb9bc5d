"""Attention over keys and values that are kept in place, in buffers of a fixed size, as a function of transformers."""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from phi2chat.inference.generate import context_tokens

OVER_KEPT = "phi2chat_over_kept"
_NOT_CAUSAL_ALONE = ("softcap", "s_aux", "position_bias", "layer_head_mask")


def attend_over_kept(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    kept_size: tuple[int, int] | None = None,
    write_at: torch.Tensor | None = None,
    visible: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Write new keys and values at the positions `write_at` and attend to those that are `visible`.

    `query` is (rows, heads, new, head size), `write_at` (rows, new), `visible` (rows, 1, new, reach) of bools; gives
    (rows, new, heads, head size). The buffers, `kept_size` (rows, length), are attributes of the attention module, made
    at its first call: a compiled layer takes them as it takes its weights, so that one code serves all layers.
    Without `visible` it is transformers' own sdpa. Raises NotImplementedError for an architecture that asks for more
    than causal attention.
    """
    if visible is None or write_at is None or kept_size is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)  # type: ignore[no-any-return]
    if asked := [name for name in _NOT_CAUSAL_ALONE if kwargs.get(name) is not None]:
        raise NotImplementedError(f"attention with {', '.join(asked)}")
    if not torch.compiler.is_compiling():
        # Of what a conversation can come to, not of what there is room for now: in the middle of one it is too late.
        if (window := kwargs.get("sliding_window")) is not None and window < context_tokens(module):
            raise NotImplementedError("attention with a sliding window")
        _make_kept(module, key, value, kept_size)
    row = torch.arange(len(write_at), device=write_at.device)[:, None]
    module.kept_keys[row, :, write_at] = key.transpose(1, 2)  # as `scatter_` the compiler would copy all that is kept
    module.kept_values[row, :, write_at] = value.transpose(1, 2)
    keys, values = (kept[:, :, : visible.shape[-1]] for kept in (module.kept_keys, module.kept_values))
    groups = query.shape[1] // key.shape[1]
    if torch.compiler.is_compiling():
        return _attend_in_one_row(query, keys, values, visible, scaling, groups), None
    output = scaled_dot_product_attention(query, keys, values, attn_mask=visible, scale=scaling, enable_gqa=groups > 1)
    return output.transpose(1, 2).contiguous(), None


def _make_kept(module: Any, key: torch.Tensor, value: torch.Tensor, size: tuple[int, int]) -> None:
    rows, length = size
    kept = getattr(module, "kept_keys", None)
    if kept is None or (kept.shape[0], kept.shape[2]) != (rows, length + 1):  # one more, which none looks at
        module.kept_keys, module.kept_values = (
            new.new_zeros(rows, new.shape[1], length + 1, new.shape[3]) for new in (key, value)
        )


def read_over_kept(
    model: Any, ids: torch.Tensor, at: torch.Tensor, reach: int, length: int, last: int | torch.Tensor = 1
) -> torch.Tensor:
    """Logits (rows, kept, vocab) after tokens `ids` at the positions `at`, (rows, new) each, none at `reach` or above.

    The buffers hold `length` tokens a row. `last` says for which tokens logits are made: the last so many, or those at
    the places of a tensor.
    """
    visible = (torch.arange(reach, device=ids.device) <= at[..., None])[:, None]  # (rows, 1, new, reach)
    kept = {"kept_size": (len(ids), length), "write_at": at, "visible": visible}
    positions = at.clamp(max=length - 1)  # a table of positions may have no row for the place beyond all of them
    output = model(input_ids=ids, position_ids=positions, use_cache=False, logits_to_keep=last, **kept)
    logits: torch.Tensor = output.logits
    return logits


def has_kept(model: torch.nn.Module) -> bool:
    """Whether the model's attention has come here with keys and values."""
    return any(hasattr(module, "kept_keys") for module in model.modules())


def forget_kept(model: torch.nn.Module) -> None:
    """Give the memory of the buffers back."""
    for module in model.modules():
        if hasattr(module, "kept_keys"):
            del module.kept_keys, module.kept_values


def _attend_in_one_row(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    visible: torch.Tensor,
    scaling: float | None,
    groups: int,
) -> torch.Tensor:
    """Attention of one new token, as sums of products, for the compiler makes kernels of them that read fast."""
    rows, heads, _, head_size = keys.shape
    scale = head_size**-0.5 if scaling is None else scaling
    asked = query.reshape(rows, heads, groups, 1, head_size).float() * scale
    scores = (asked * keys[:, :, None].float()).sum(-1)  # (rows, heads, groups, reach)
    weights = scores.masked_fill(~visible, -torch.inf).softmax(-1)
    output = (weights[..., None] * values[:, :, None].float()).sum(3)  # (rows, heads, groups, head size)
    return output.to(query.dtype).reshape(rows, 1, heads * groups, head_size)


# No mask function stands under this name, so transformers makes no mask: `visible` is made once for all layers.
AttentionInterface.register(OVER_KEPT, attend_over_kept)
