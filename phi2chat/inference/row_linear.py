"""A linear layer for a single row: a kernel that reads the weights as fast as the GPU's memory gives them.

cuBLAS is made for many rows; for one it reached two thirds of this kernel's speed on Phi-2's matrices (H100, bf16).
"""

import torch
import triton
import triton.language as tl
from torch.nn.functional import linear

_ROWS, _COLUMNS, _WARPS = 2, 1024, 4  # of the weights that a program reads at a time


class RowLinear(torch.nn.Linear):
    """`torch.nn.Linear`, fast for one row; what it computes is the same. A Linear's `__class__` can be set to it."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if input.numel() != self.in_features:
            return linear(input, self.weight, self.bias)
        bias = self.weight if self.bias is None else self.bias
        return _row_linear(input, self.weight, bias, self.bias is not None)  # type: ignore[no-any-return]


@torch.library.triton_op("phi2chat::row_linear", mutates_args={})
def _row_linear(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, has_bias: bool) -> torch.Tensor:
    out, columns = weight.shape
    output = input.new_empty((*input.shape[:-1], out))
    torch.library.wrap_triton(_kernel)[(triton.cdiv(out, _ROWS),)](
        weight,
        input.contiguous(),
        bias,
        output,
        out,
        COLUMNS=columns,
        HAS_BIAS=has_bias,
        ROWS_AT_ONCE=_ROWS,
        COLUMNS_AT_ONCE=_COLUMNS,
        num_warps=_WARPS,
    )
    return output


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    weight,
    input,
    bias,
    output,
    rows,
    COLUMNS: tl.constexpr,  # known when it is compiled, so that all loads of a row are under way at once
    HAS_BIAS: tl.constexpr,
    ROWS_AT_ONCE: tl.constexpr,
    COLUMNS_AT_ONCE: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * ROWS_AT_ONCE + tl.arange(0, ROWS_AT_ONCE)
    sums = tl.zeros((ROWS_AT_ONCE, COLUMNS_AT_ONCE), dtype=tl.float32)
    for start in tl.static_range(0, COLUMNS, COLUMNS_AT_ONCE):
        column = start + tl.arange(0, COLUMNS_AT_ONCE)
        is_there = (row < rows)[:, None] & (column < COLUMNS)[None, :]
        factors = tl.load(weight + row[:, None] * COLUMNS + column[None, :], mask=is_there, other=0.0)
        values = tl.load(input + column, mask=column < COLUMNS, other=0.0)
        sums += factors.to(tl.float32) * values.to(tl.float32)[None, :]
    result = tl.sum(sums, 1)
    if HAS_BIAS:
        result += tl.load(bias + row, mask=row < rows, other=0.0).to(tl.float32)
    tl.store(output + row, result.to(output.dtype.element_ty), mask=row < rows)
