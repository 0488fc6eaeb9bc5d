"""A GPU kernel for one new token in each of many rows: attention that reads what is kept once, and no more of it."""

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator]
def attend_rows(  # type: ignore[no-untyped-def]
    query,  # (rows, heads, HEAD)
    kept_keys,  # (rows, heads, places, HEAD)
    kept_values,  # (rows, heads, places, HEAD)
    at,  # (rows): the place of the new token, the last that is seen
    output,  # (rows, heads, HEAD)
    row_stride,
    head_stride,
    scale,
    HEAD: tl.constexpr,
    PADDED: tl.constexpr,  # HEAD, up to a power of two
    PLACES_AT_ONCE: tl.constexpr,
):
    """output = softmax(scale * query @ keys) @ values, over the places up to `at`, of one row and one head."""
    row, head = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, PADDED)
    is_column = column < HEAD
    end = tl.load(at + row) + 1
    mine = (row * tl.num_programs(1) + head) * HEAD + column
    asked = tl.load(query + mine, mask=is_column, other=0.0).to(tl.float32) * scale
    first = row.to(tl.int64) * row_stride + head.to(tl.int64) * head_stride
    highest, total = -float("inf"), 0.0
    summed = tl.zeros((PADDED,), dtype=tl.float32)
    for start in range(0, end, PLACES_AT_ONCE):
        place = start + tl.arange(0, PLACES_AT_ONCE)
        is_there = (place < end)[:, None] & is_column[None, :]
        offsets = first + (place * HEAD)[:, None] + column[None, :]
        keys = tl.load(kept_keys + offsets, mask=is_there, other=0.0).to(tl.float32)
        values = tl.load(kept_values + offsets, mask=is_there, other=0.0).to(tl.float32)
        scores = tl.where(place < end, tl.sum(keys * asked[None, :], 1), -float("inf"))
        now = tl.maximum(highest, tl.max(scores, 0))
        weight, before = tl.exp(scores - now), tl.exp(highest - now)
        total = total * before + tl.sum(weight, 0)
        summed = summed * before + tl.sum(weight[:, None] * values, 0)
        highest = now
    tl.store(output + mine, (summed / total).to(output.dtype.element_ty), mask=is_column)
