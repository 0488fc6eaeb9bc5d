"""GPU kernels for one new token: a layer is read in three to five of them, as fast as memory gives its weights.

On NVIDIA's Hopper and later a kernel starts while the one before it still runs (programmatic dependent launch) and
reads weights ahead; it waits before it touches what the other one writes.
"""

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

LAYER_NORM, RMS_NORM = tl.constexpr(0), tl.constexpr(1)
NO_ACTIVATION, GELU, GELU_TANH, SILU = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2), tl.constexpr(3)


@triton.jit  # type: ignore[untyped-decorator]
def project(  # type: ignore[no-untyped-def]
    hidden,  # (COLUMNS)
    norm_weight,  # (COLUMNS)
    norm_bias,  # (COLUMNS)
    epsilon,
    weights,  # (end_0, COLUMNS): the first of up to four matrices, whose rows are counted on
    to_1: tl.int64,  # where the others are, in elements from the first
    to_2: tl.int64,
    to_3: tl.int64,
    to_factors: tl.int64,  # and, with HAS_FACTORS, one whose products the activated ones are multiplied with
    end_0,  # the last matrix begins at end_2; where there are fewer than four, the first ones have no rows
    end_1,
    end_2,
    rows,
    bias,  # (rows)
    output,  # (rows)
    COLUMNS: tl.constexpr,
    PADDED: tl.constexpr,  # COLUMNS, up to a power of two
    NORM: tl.constexpr,
    ACTIVATION: tl.constexpr,  # of what the last matrix gives
    HAS_FACTORS: tl.constexpr,
    ROWS_AT_ONCE: tl.constexpr,  # divides end_0, end_1 and end_2
    COLUMNS_AT_ONCE: tl.constexpr,
    STARTS_EARLY: tl.constexpr,
):
    """output = weights @ norm(hidden) + bias, and of the last matrix the activation of that."""
    first = tl.program_id(0) * ROWS_AT_ONCE
    start = tl.where(first < end_0, 0, tl.where(first < end_1, end_0, tl.where(first < end_2, end_1, end_2)))
    to = tl.where(first < end_0, 0, tl.where(first < end_1, to_1, tl.where(first < end_2, to_2, to_3)))
    to = tl.multiple_of(to.to(tl.int64), 16)
    row = first + tl.arange(0, ROWS_AT_ONCE)
    is_row = (row < rows)[:, None]
    column = tl.arange(0, COLUMNS_AT_ONCE)
    at = weights + to + ((row - start).to(tl.int64) * COLUMNS)[:, None] + column[None, :]
    ahead = tl.load(at, mask=is_row & (column < COLUMNS)[None, :], other=0.0)
    if STARTS_EARLY:
        gdc_launch_dependents()
        gdc_wait()
    mean, scale = _mean_and_scale(hidden, epsilon, COLUMNS, PADDED, NORM)
    sums = tl.zeros((ROWS_AT_ONCE, COLUMNS_AT_ONCE), dtype=tl.float32)
    factors = tl.zeros((ROWS_AT_ONCE, COLUMNS_AT_ONCE), dtype=tl.float32)
    for begin in tl.static_range(0, COLUMNS, COLUMNS_AT_ONCE):
        is_column = begin + column < COLUMNS
        value = tl.load(hidden + begin + column, mask=is_column, other=0.0).to(tl.float32)
        value = (value - mean) * scale
        value *= tl.load(norm_weight + begin + column, mask=is_column, other=0.0).to(tl.float32)
        if NORM == LAYER_NORM:
            value += tl.load(norm_bias + begin + column, mask=is_column, other=0.0).to(tl.float32)
        value = value.to(weights.dtype.element_ty).to(tl.float32)
        if begin == 0:
            weight = ahead
        else:
            weight = tl.load(at + begin, mask=is_row & is_column[None, :], other=0.0)
        sums += weight.to(tl.float32) * value[None, :]
        if HAS_FACTORS:
            weight = tl.load(at + to_factors + begin, mask=is_row & is_column[None, :], other=0.0)
            factors += weight.to(tl.float32) * value[None, :]
    result = tl.sum(sums, 1) + tl.load(bias + row, mask=row < rows, other=0.0).to(tl.float32)
    if ACTIVATION != NO_ACTIVATION:
        result = tl.where(row >= end_2, _activate(result, ACTIVATION), result)
    if HAS_FACTORS:
        result *= tl.sum(factors, 1)
    tl.store(output + row, result.to(output.dtype.element_ty), mask=row < rows)


@triton.jit  # type: ignore[untyped-decorator]
def _mean_and_scale(hidden, epsilon, COLUMNS: tl.constexpr, PADDED: tl.constexpr, NORM: tl.constexpr):  # type: ignore[no-untyped-def]
    """What is taken from each of the values, and what they are multiplied with then."""
    column = tl.arange(0, PADDED)
    values = tl.load(hidden + column, mask=column < COLUMNS, other=0.0).to(tl.float32)
    mean = 0.0
    if NORM == LAYER_NORM:
        mean = tl.sum(values, 0) / COLUMNS
        values = tl.where(column < COLUMNS, values - mean, 0.0)
    scale = tl.rsqrt(tl.sum(values * values, 0) / COLUMNS + epsilon)
    return mean, scale


@triton.jit  # type: ignore[untyped-decorator]
def _activate(value, ACTIVATION: tl.constexpr):  # type: ignore[no-untyped-def]
    if ACTIVATION == GELU:
        value = 0.5 * value * (1 + tl.erf(value * 0.7071067811865476))
    elif ACTIVATION == GELU_TANH:  # 0.5 (1 + tanh x) is sigmoid 2x
        value *= tl.sigmoid(2 * 0.7978845608028654 * (value + 0.044715 * value * value * value))
    else:
        value *= tl.sigmoid(value)
    return value


@triton.jit  # type: ignore[untyped-decorator]
def attend(  # type: ignore[no-untyped-def]
    query,  # (heads, HEAD), as projected
    key,  # (heads / GROUPS, HEAD)
    value,  # (heads / GROUPS, HEAD)
    kept_keys,  # (heads / GROUPS, length + 1, HEAD)
    kept_values,  # (heads / GROUPS, length + 1, HEAD)
    cosines,  # (length + 1, ROTARY)
    sines,  # (length + 1, ROTARY)
    at,  # (1): the position of the new token
    partial,  # (heads, SPLITS, PADDED + 2) of float32
    arrived,  # (heads) of zeros, which they are again in the end
    output,  # (heads, HEAD)
    kept_stride,
    scale,
    HEAD: tl.constexpr,
    PADDED: tl.constexpr,  # HEAD, up to a power of two
    ROTARY: tl.constexpr,  # so many of the HEAD are rotated
    GROUPS: tl.constexpr,
    SPLITS: tl.constexpr,  # a power of two: so many programs share out the positions of a head
    POSITIONS_AT_ONCE: tl.constexpr,
    STARTS_EARLY: tl.constexpr,
):
    """Rotate the new query and key, keep key and value, and attend to all that are kept; the last to end adds up."""
    head, split = tl.program_id(0), tl.program_id(1)
    kept_head = head // GROUPS
    column = tl.arange(0, PADDED)
    is_column, is_rotated = column < HEAD, column < ROTARY
    position = tl.load(at).to(tl.int64)
    cosine = tl.load(cosines + position * ROTARY + column, mask=is_rotated, other=1.0).to(tl.float32)
    sine = tl.load(sines + position * ROTARY + column, mask=is_rotated, other=0.0).to(tl.float32)
    keys = kept_keys + kept_head.to(tl.int64) * kept_stride
    values = kept_values + kept_head.to(tl.int64) * kept_stride
    if STARTS_EARLY:
        gdc_launch_dependents()
        gdc_wait()
    asked = _rotate(query + head * HEAD, column, cosine, sine, HEAD, ROTARY).to(tl.float32) * scale
    highest, total = -float("inf"), 0.0
    summed = tl.zeros((PADDED,), dtype=tl.float32)
    if split == 0:
        new_key = _rotate(key + kept_head * HEAD, column, cosine, sine, HEAD, ROTARY)
        new_value = tl.load(value + kept_head * HEAD + column, mask=is_column, other=0.0)
        if head % GROUPS == 0:
            tl.store(keys + position * HEAD + column, new_key, mask=is_column)
            tl.store(values + position * HEAD + column, new_value, mask=is_column)
        highest = tl.sum(asked * new_key.to(tl.float32), 0)
        total = 1.0
        summed = new_value.to(tl.float32)
    for start in range(split * POSITIONS_AT_ONCE, position, SPLITS * POSITIONS_AT_ONCE):
        place = start + tl.arange(0, POSITIONS_AT_ONCE)
        is_there = (place < position)[:, None] & is_column[None, :]
        offsets = (place * HEAD)[:, None] + column[None, :]
        old_keys = tl.load(keys + offsets, mask=is_there, other=0.0).to(tl.float32)
        old_values = tl.load(values + offsets, mask=is_there, other=0.0).to(tl.float32)
        scores = tl.where(place < position, tl.sum(old_keys * asked[None, :], 1), -float("inf"))
        now = tl.maximum(highest, tl.max(scores, 0))
        weight = tl.exp(scores - now)
        before = tl.exp(highest - now)
        total = total * before + tl.sum(weight, 0)
        summed = summed * before + tl.sum(weight[:, None] * old_values, 0)
        highest = now
    # What the other programs wrote is read past the first cache, which may hold what stood there before.
    parts = partial + head * SPLITS * (PADDED + 2)
    mine = parts + split * (PADDED + 2)
    tl.store(mine + column, summed)
    tl.store(mine + PADDED, highest)
    tl.store(mine + PADDED + 1, total)
    tl.debug_barrier()
    if tl.atomic_add(arrived + head, 1, sem="acq_rel") == SPLITS - 1:
        each = parts + tl.arange(0, SPLITS) * (PADDED + 2)
        heights = tl.load(each + PADDED, cache_modifier=".cg")
        weight = tl.exp(heights - tl.max(heights, 0))
        total = tl.sum(weight * tl.load(each + PADDED + 1, cache_modifier=".cg"), 0)
        sums = tl.load(each[:, None] + column[None, :], cache_modifier=".cg")
        summed = tl.sum(weight[:, None] * sums, 0) / total
        tl.store(output + head * HEAD + column, summed.to(output.dtype.element_ty), mask=is_column)
        tl.store(arrived + head, 0)


@triton.jit  # type: ignore[untyped-decorator]
def _rotate(vector, column, cosine, sine, HEAD: tl.constexpr, ROTARY: tl.constexpr):  # type: ignore[no-untyped-def]
    """The values of a head (HEAD), the first ROTARY of them turned by an angle; what stands behind stays."""
    half: tl.constexpr = ROTARY // 2
    partner = tl.where(column < half, column + half, column - half)
    value = tl.load(vector + column, mask=column < HEAD, other=0.0).to(tl.float32)
    beside = tl.load(vector + partner, mask=column < ROTARY, other=0.0).to(tl.float32)
    turned = value * cosine + beside * tl.where(column < half, -sine, sine)
    return turned.to(vector.dtype.element_ty)


@triton.jit  # type: ignore[untyped-decorator]
def add_products(  # type: ignore[no-untyped-def]
    hidden,  # (rows)
    weight,  # (rows, COLUMNS)
    input,  # (COLUMNS)
    other_weight,  # (rows, OTHER_COLUMNS)
    other_input,  # (OTHER_COLUMNS)
    bias,  # (rows), of both
    output,  # (rows)
    rows,
    COLUMNS: tl.constexpr,
    OTHER_COLUMNS: tl.constexpr,  # 0 where there is no other
    ROWS_AT_ONCE: tl.constexpr,
    COLUMNS_AT_ONCE: tl.constexpr,
    STARTS_EARLY: tl.constexpr,
):
    """output = hidden + weight @ input + other_weight @ other_input + bias."""
    row = tl.program_id(0) * ROWS_AT_ONCE + tl.arange(0, ROWS_AT_ONCE)
    is_row = (row < rows)[:, None]
    column = tl.arange(0, COLUMNS_AT_ONCE)
    at = weight + (row.to(tl.int64) * COLUMNS)[:, None] + column[None, :]
    ahead = tl.load(at, mask=is_row & (column < COLUMNS)[None, :], other=0.0)
    if OTHER_COLUMNS > 0:
        other_at = other_weight + (row.to(tl.int64) * OTHER_COLUMNS)[:, None] + column[None, :]
        other_ahead = tl.load(other_at, mask=is_row & (column < OTHER_COLUMNS)[None, :], other=0.0)
    if STARTS_EARLY:
        gdc_launch_dependents()
        gdc_wait()
    sums = tl.zeros((ROWS_AT_ONCE, COLUMNS_AT_ONCE), dtype=tl.float32)
    sums = _add_up(sums, at, ahead, input, is_row, column, COLUMNS, COLUMNS_AT_ONCE)
    if OTHER_COLUMNS > 0:
        sums = _add_up(sums, other_at, other_ahead, other_input, is_row, column, OTHER_COLUMNS, COLUMNS_AT_ONCE)
    result = tl.sum(sums, 1) + tl.load(bias + row, mask=row < rows, other=0.0).to(tl.float32)
    result += tl.load(hidden + row, mask=row < rows, other=0.0).to(tl.float32)
    tl.store(output + row, result.to(output.dtype.element_ty), mask=row < rows)


@triton.jit  # type: ignore[untyped-decorator]
def _add_up(  # type: ignore[no-untyped-def]
    sums, at, ahead, input, is_row, column, COLUMNS: tl.constexpr, COLUMNS_AT_ONCE: tl.constexpr
):
    """Sums (rows, COLUMNS_AT_ONCE) and the products of weights and input; the first weights were read `ahead`."""
    for begin in tl.static_range(0, COLUMNS, COLUMNS_AT_ONCE):
        is_column = begin + column < COLUMNS
        value = tl.load(input + begin + column, mask=is_column, other=0.0).to(tl.float32)
        if begin == 0:
            weight = ahead
        else:
            weight = tl.load(at + begin, mask=is_row & is_column[None, :], other=0.0)
        sums += weight.to(tl.float32) * value[None, :]
    return sums
