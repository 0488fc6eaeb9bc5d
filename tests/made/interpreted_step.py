"""Run as a program where Triton is: the arithmetic of the kernels by Triton's interpreter, on the CPU.

Prints as JSON, for each model, how far its logits are from the model's own, step after step; and for rows of several
head sizes, how far their attention is from torch's.
"""

import json
import os
import sys
from typing import Any

os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from phi2chat.inference.fused_step import FusedStep, Tuning
from phi2chat.inference.kept_attention import OVER_KEPT, read_over_kept
from phi2chat.inference.row_attention import attend

SHAPE = {
    "vocab_size": 96, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8,
}  # fmt: skip
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 32}
HALF = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}
MODELS = {
    "phi": lambda: PhiForCausalLM(PhiConfig(**SHAPE, rope_parameters=HALF)),
    "phi, another gelu": lambda: PhiForCausalLM(PhiConfig(**SHAPE, hidden_act="gelu")),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, num_key_value_heads=2, rope_parameters=LLAMA3)),
    "llama, biases and heads of its own size": lambda: LlamaForCausalLM(
        LlamaConfig(**SHAPE, num_key_value_heads=1, head_dim=24, attention_bias=True, tie_word_embeddings=True)
    ),
    "mistral": lambda: MistralForCausalLM(
        MistralConfig(
            **SHAPE, num_key_value_heads=2, sliding_window=None, rope_parameters=YARN, max_position_embeddings=128
        )
    ),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE, num_key_value_heads=2)),
}
LENGTH, PROMPT = 32, 13
SMALL = Tuning(rows=8, columns=32, out_rows=16, out_columns=32, positions=4, splits=2)  # little, cut up into much


@torch.inference_mode()
def differences(model: Any) -> list[float]:
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5 if parameter.ndim == 1 else 0.1)
    ids = [5 + 37 * number % 90 for number in range(PROMPT + 2)]
    wanted = model(input_ids=torch.tensor([ids])).logits[0]
    model.set_attn_implementation(OVER_KEPT)
    read_over_kept(model, torch.tensor([ids[:PROMPT]]), torch.arange(PROMPT)[None], PROMPT, LENGTH)
    fused = FusedStep(model, LENGTH, SMALL)
    return [float((fused.step(at, ids[at]) - wanted[at]).abs().max()) for at in range(PROMPT, len(ids))]


def differences_of_rows(head_size: int) -> list[float]:
    """Of one new token in each of three rows, that see one place, some and all."""
    query = torch.randn(3, 4, head_size)
    keys, values = torch.randn(2, 3, 4, 50, head_size)[..., :47, :]
    at = torch.tensor([0, 20, 46])
    visible = (torch.arange(47) <= at[:, None])[:, None, None]
    wanted = scaled_dot_product_attention(query[:, :, None], keys, values, attn_mask=visible, scale=0.3)[:, :, 0]
    return [float((attend(query, keys, values, at, 0.3) - wanted).abs().max())]


if __name__ == "__main__":
    torch.manual_seed(0)
    found = {name: differences(make().eval()) for name, make in MODELS.items()}
    found |= {f"rows, heads of {size}": differences_of_rows(size) for size in (24, 80)}
    json.dump(found, sys.stdout)
