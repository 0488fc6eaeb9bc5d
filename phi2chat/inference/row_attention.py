"""Attention of one new token in each of many rows, by a kernel of our own where that is right, else by torch's."""

from collections.abc import Callable
from functools import cache

import torch
from torch.nn.functional import scaled_dot_product_attention

# Of queries (rows, heads, head size), kept keys and values (rows, heads, places, head size), the last place that each
# row sees (rows,), and the scale: (rows, heads, head size).
AttendRows = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]

# The fastest for 256 rows of Phi-2 on an H100, of 16 ways: many small programs, for they wait for memory alone.
_PLACES_AT_ONCE, _WARPS = 16, 1
_TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 5e-3}


@cache
def row_attention(device: torch.device, dtype: torch.dtype, head_size: int) -> AttendRows | None:
    """The kernel, compiled and tried; None where there is no Triton, or where it does otherwise than torch.

    torch's own reads all places that there is room for, and a mask: twice as long for 256 rows of Phi-2 on an H100.
    Where heads share keys there is less to read, and torch's is as fast.
    """
    heads, places = 2, 70
    made = torch.Generator(device).manual_seed(0)
    try:
        query, keys, values = (
            torch.randn(*shape, head_size, device=device, dtype=dtype, generator=made)
            for shape in ((3, heads), (3, heads, places), (3, heads, places))
        )
        at = torch.tensor([0, 40, places - 1], device=device)
        found = attend(query, keys, values, at, head_size**-0.5)
        visible = (torch.arange(places, device=device) <= at[:, None])[:, None, None]
        wanted = scaled_dot_product_attention(query[:, :, None], keys, values, attn_mask=visible)[:, :, 0]
        is_right = float((found - wanted).abs().max()) < _TOLERANCES[dtype]
    except Exception:  # Triton, a C compiler or the GPU may lack something, and each says so in its own way
        return None
    return attend if is_right else None


def attend(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, at: torch.Tensor, scale: float
) -> torch.Tensor:
    """See `AttendRows`. Raises ImportError without Triton."""
    import triton

    from phi2chat.inference.row_kernel import attend_rows

    query = query.contiguous()
    rows, heads, head_size = query.shape
    output = torch.empty_like(query)
    attend_rows[rows, heads](
        *(query, keys, values, at, output, keys.stride(0), keys.stride(1), scale),
        HEAD=head_size,
        PADDED=triton.next_power_of_2(head_size),
        PLACES_AT_ONCE=_PLACES_AT_ONCE,
        num_warps=_WARPS,
    )
    return output
