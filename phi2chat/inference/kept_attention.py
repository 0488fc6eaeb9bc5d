"""Attention over keys and values that are kept in place, in buffers of a fixed size, as a function of transformers."""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from phi2chat.inference.generate import context_tokens
from phi2chat.inference.row_attention import row_attention

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
    (rows, new, heads, head size). The buffers `kept_keys` and `kept_values`, of `kept_size` (rows, length), are
    attributes of the attention module, made at its first call.
    Without `visible` it is transformers' own sdpa. Raises NotImplementedError for an architecture that asks for more
    than causal attention.
    """
    if visible is None or write_at is None or kept_size is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)  # type: ignore[no-any-return]
    if asked := [name for name in _NOT_CAUSAL_ALONE if kwargs.get(name) is not None]:
        raise NotImplementedError(f"attention with {', '.join(asked)}")
    # Of what a conversation can come to, not of what there is room for now: in the middle of one it is too late.
    if (window := kwargs.get("sliding_window")) is not None and window < context_tokens(module):
        raise NotImplementedError("attention with a sliding window")
    _make_kept(module, key, value, kept_size)
    row = torch.arange(len(write_at), device=write_at.device)[:, None]
    module.kept_keys[row, :, write_at] = key.transpose(1, 2)
    module.kept_values[row, :, write_at] = value.transpose(1, 2)
    keys, values = (kept[:, :, : visible.shape[-1]] for kept in (module.kept_keys, module.kept_values))
    (rows, heads, new, _), shared = query.shape, key.shape[1]
    if new == 1 and rows > 1 and heads == shared and query.is_cuda:
        attend_rows = row_attention(query.device, query.dtype, query.shape[-1])
        if attend_rows is not None:
            scale = query.shape[-1] ** -0.5 if scaling is None else scaling
            return attend_rows(query[:, :, 0], keys, values, write_at[:, 0], scale)[:, None], None
    if new == 1:
        # Heads that share keys stand as so many places of one head, which see alike: to share keys and have a mask is
        # more than most of torch's kernels do, and the way round it copies all keys for each head, at each step.
        together = query.reshape(rows, shared, heads // shared, -1)
        output = scaled_dot_product_attention(together, keys, values, attn_mask=visible, scale=scaling)
        return output.reshape(rows, 1, heads, -1), None
    output = scaled_dot_product_attention(
        query, keys, values, attn_mask=visible, scale=scaling, enable_gqa=heads > shared
    )
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


def take_kept(model: torch.nn.Module, reader: object) -> bool:
    """Let the buffers be those of a reader; says whether what they hold is already its own."""
    was_taken = model.__dict__.get("kept_for") is reader
    model.__dict__["kept_for"] = reader
    return was_taken


def has_kept(model: torch.nn.Module) -> bool:
    """Whether the model's attention has come here with keys and values."""
    return any(hasattr(module, "kept_keys") for module in model.modules())


def keep_rows(model: Any, rows: list[int]) -> None:
    """Give the memory of all other rows of the buffers back."""
    for module in model.modules():
        if hasattr(module, "kept_keys"):
            module.kept_keys, module.kept_values = module.kept_keys[rows], module.kept_values[rows]


def forget_kept(model: torch.nn.Module) -> None:
    """Give the memory of the buffers back."""
    for module in model.modules():
        if hasattr(module, "kept_keys"):
            del module.kept_keys, module.kept_values
    model.__dict__.pop("kept_for", None)


# No mask function stands under this name, so transformers makes no mask: `visible` is made once for all layers.
AttentionInterface.register(OVER_KEPT, attend_over_kept)
