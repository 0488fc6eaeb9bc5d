"""Attention over kept keys and values: a step of heads that share keys says the same, and takes no slow way round."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig

from phi2chat.inference.kept_attention import attend_over_kept

ROWS, SHARED, SIZE, LENGTH = 3, 2, 16, 32


class Attention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.config = LlamaConfig()


class Heads(TorchDispatchMode):
    """Notes how many heads of queries and of keys torch's fused kernel was given; a way round it gives none."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "flash_attention" in function.name():
            self.seen.append((args[0].shape[1], args[1].shape[1]))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("heads", [2, 4, 6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_step_attends_as_if_each_head_had_keys_of_its_own(heads: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    module, at = Attention(), torch.tensor([[5], [17], [2]])
    query = torch.randn(ROWS, heads, 1, SIZE, dtype=dtype)
    keys, values = (torch.randn(ROWS, SHARED, LENGTH + 1, SIZE, dtype=dtype) for _ in range(2))
    module.kept_keys, module.kept_values = keys.clone(), values.clone()
    key, value = (torch.randn(ROWS, SHARED, 1, SIZE, dtype=dtype) for _ in range(2))
    visible = (torch.arange(20) <= at[..., None])[:, None]
    with torch.no_grad(), Heads() as asked:
        found, _ = attend_over_kept(
            module, query, key, value, None, kept_size=(ROWS, LENGTH), write_at=at, visible=visible
        )
    assert found.shape == (ROWS, 1, heads, SIZE)
    assert asked.seen == [(SHARED, SHARED)]
    for row, (last,) in enumerate(at.tolist()):
        keys[row, :, last], values[row, :, last] = key[row, :, 0], value[row, :, 0]
        for head in range(heads):
            own = head // (heads // SHARED)
            scores = query[row, head, 0].float() @ keys[row, own, : last + 1].float().T / SIZE**0.5
            wanted = scores.softmax(-1) @ values[row, own, : last + 1].float()
            torch.testing.assert_close(found[row, 0, head].float(), wanted, atol=2e-2, rtol=2e-2)
