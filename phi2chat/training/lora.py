"""LoRA: which layers get it, and its linear layer in fewer passes over memory than PEFT's.

PEFT adds the output of the low rank to that of the base, one more pass over the largest tensors of a step in each
direction. Here the matrix product of the base itself adds to what the low rank has written.
"""

from types import MethodType
from typing import Any, cast

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear
from torch import Tensor

from phi2chat.config import TrainConfig

PHI_TARGETS = ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"]


def lora_config(config: TrainConfig, model_type: str) -> LoraConfig:
    """PEFT's settings: the six linear layers of Phi, all linear layers of another architecture but its head."""
    return LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=PHI_TARGETS if model_type == "phi" else "all-linear",
        task_type="CAUSAL_LM",
    )


def use_fused_lora(model: torch.nn.Module) -> None:
    """Let PEFT's plain LoRA layers of the model compute the same in fewer passes; others stay as they are."""
    for module in model.modules():
        if _is_plain(module):
            module.forward = MethodType(_forward, module)


def _is_plain(module: Any) -> bool:
    """Whether it is base plus low rank and nothing else: no dropout, no variant, no quantized base."""
    if type(module) is not Linear or type(module.base_layer) is not torch.nn.Linear or len(module.active_adapters) != 1:
        return False
    (name,) = module.active_adapters
    return (
        isinstance(module.lora_dropout[name], torch.nn.Identity)
        and name not in module.lora_variant
        and not module.lora_bias[name]
        and not module.fan_in_fan_out
    )


def _forward(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    if self.disable_adapters or self.merged or args or kwargs:
        return cast(Tensor, Linear.forward(self, x, *args, **kwargs))
    (name,) = self.active_adapters
    base = self.base_layer
    a, b = (part[name].weight.to(base.weight.dtype) for part in (self.lora_A, self.lora_B))
    rows = x.to(base.weight.dtype).reshape(-1, x.shape[-1])
    output, _ = lora_linear(rows, base.weight, base.bias, a, b, self.scaling[name])
    return cast(Tensor, output.view(*x.shape[:-1], output.shape[-1]))


@torch.library.custom_op("phi2chat::lora_linear", mutates_args=())
def lora_linear(
    x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """`x W' + bias + scale x A' B'`, and `scale x A'` for the backward pass.

    x (T, in), weight (out, in), bias (out), a (rank, in), b (out, rank) -> (T, out), (T, rank), all of one dtype.
    """
    low = (x @ a.t()).mul_(scale)
    output = low @ b.t() if bias is None else torch.addmm(bias, low, b.t())
    return output.addmm_(x, weight.t()), low


@torch.library.custom_op("phi2chat::lora_linear_backward", mutates_args=())
def lora_linear_backward(
    gradient: Tensor, x: Tensor, low: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float, to_x: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x (T, in; empty unless `to_x`), of a (rank, in) and of b (out, rank)."""
    to_low = (gradient @ b).mul_(scale)  # (T, rank)
    gradient_x = (to_low @ a).addmm_(gradient, weight) if to_x else x.new_empty(0)
    return gradient_x, to_low.t() @ x, gradient.t() @ low


@lora_linear.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape[0], weight.shape[0]), x.new_empty(x.shape[0], a.shape[0])


@lora_linear_backward.register_fake
def _(
    gradient: Tensor, x: Tensor, low: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float, to_x: bool
) -> tuple[Tensor, Tensor, Tensor]:
    return x.new_empty(x.shape if to_x else 0), torch.empty_like(a), torch.empty_like(b)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight, _, a, b, ctx.scale = inputs
    ctx.save_for_backward(x, output[1], weight, a, b)


def _backward(ctx: Any, gradient: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
    x, low, weight, a, b = ctx.saved_tensors
    to_x = ctx.needs_input_grad[0]
    gradient_x, gradient_a, gradient_b = lora_linear_backward(gradient, x, low, weight, a, b, ctx.scale, to_x)
    return gradient_x if to_x else None, None, None, gradient_a, gradient_b, None


lora_linear.register_autograd(_backward, setup_context=_keep)
