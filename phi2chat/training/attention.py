"""Causal attention within each record of a batch that has no padding, as an attention function of transformers."""

from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

WITHIN_RECORDS = "phi2chat_within_records"
_NOT_CAUSAL_ALONE = ("sliding_window", "softcap", "s_aux", "position_bias", "layer_head_mask")


def attend_within_records(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention over (1, heads, T, head size), where records begin at `cu_seq_lens_q`; gives (1, T, heads, head size).

    One flash kernel for all records where there is one, and else scaled dot product attention record by record.
    Without `cu_seq_lens_q`, as in generation, it is transformers' own sdpa. Raises NotImplementedError for an
    architecture that asks for more than causal attention.
    """
    if asked := [name for name in _NOT_CAUSAL_ALONE if kwargs.get(name) is not None]:
        raise NotImplementedError(f"attention with {', '.join(asked)}")
    if cu_seq_lens_q is None or max_length_q is None:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return output, None
    groups = query.shape[1] // key.shape[1]
    if has_flash(query.device, query.dtype) and not dropout:  # the kernel knows none
        q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))  # (T, heads, head size)
        if groups > 1:  # torch 2.11's takes as many heads of keys as of queries alone
            k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        output = varlen_attn(
            q, k, v, cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q, scale=scaling, window_size=(-1, 0)
        )
        return output[None], None  # type: ignore[call-overload]  # a tuple comes with return_aux alone
    lengths = cu_seq_lens_q.diff().tolist()
    records = zip(*(torch.split(part, lengths, dim=2) for part in (query, key, value)), strict=True)
    outputs = [
        scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling, is_causal=True, enable_gqa=groups > 1)
        for q, k, v in records
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


def has_flash(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether torch has a flash kernel for records of unequal length here."""
    return (
        device.type == "cuda"
        and dtype in (torch.bfloat16, torch.float16)
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )


# No mask function stands under this name, so transformers makes no mask: the boundaries say all that one could.
AttentionInterface.register(WITHIN_RECORDS, attend_within_records)
