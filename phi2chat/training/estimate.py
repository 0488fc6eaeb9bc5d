"""What a training will take, told from the outline of its model: adapted layers, parameters, steps and memory."""

import contextlib
import math
import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import get_peft_model
from torch.nn.functional import cross_entropy

from curation.errors import UserError
from phi2chat.config import TrainConfig
from phi2chat.quiet import quiet_transformers
from phi2chat.training.failures import smaller_settings
from phi2chat.training.lora import lora_config, use_fused_lora
from phi2chat.training.preflight import Preflight
from phi2chat.training.speed import use_fused_gelu
from phi2chat.units import gib
from phi2chat.weights.run import RUN_FILE, read_run

_OUTLINE = "phi2chat_outline"  # the name of our attention function there
# Weight, gradient, and the two moments of AdamW, each in float32.
BYTES_A_TRAINED_PARAMETER = 16
BYTES_OF_NF4 = 0.516  # 4 bits, and the constants of each 64 weights in 8 bits (https://arxiv.org/abs/2305.14314, 3)
# What glibc has not given back at the peak, as a part of the activations without checkpointing. Measured with SmolLM2:
# the whole estimate was 1 to 3 % below the real peak, and 14 % below it with checkpointing.
KEPT_BY_MALLOC = 0.5
# Python, torch and the other libraries on a CPU (measured); on a GPU, CUDA's context and libraries.
LIBRARY_BYTES = {"cpu": 0.9 * 2**30, "cuda": 0.6 * 2**30}


@dataclass(frozen=True)
class Estimate:
    """What is known of a run before it: counts of parameters, and bytes of memory by what they are for.

    Where the architecture cannot be gone through without numbers, there are no "activations" in it.
    """

    lora_modules: list[str]
    parameters: int
    trainable_parameters: int
    memory: dict[str, int]

    @property
    def memory_bytes(self) -> int:
        return sum(self.memory.values())


def count_steps(records: int, config: TrainConfig) -> int:
    """The optimizer steps of a run, counted as Trainer counts them."""
    if config.max_steps:
        return config.max_steps
    batches = math.ceil(records / (config.batch_size * (config.gpus or 1)))
    return math.ceil(config.epochs * max(math.ceil(batches / config.accumulation_steps), 1))


def estimate(outline: Any, name: str, config: TrainConfig, device: torch.device, preflight: Preflight) -> Estimate:
    """LoRA put on `outline`, a model on the meta device, and one step of it gone through without any numbers.

    The memory is that of a batch of many long records, without padding: weights + adapter, gradients and optimizer
    + all tensors that the forward pass keeps for the backward pass + the gradient of the logits + what the libraries
    take, and on a CPU what malloc keeps of memory that was freed.
    Raises UserError where LoRA finds no layer.
    """
    parameters = sum(weight.numel() for weight in outline.parameters())
    weights = sum(weight.numel() * weight.element_size() for weight in outline.parameters())
    if config.quantize == "nf4":
        head = outline.get_output_embeddings()
        linear = [
            module.weight for module in outline.modules() if type(module) is torch.nn.Linear and module is not head
        ]
        weights -= sum(int(weight.numel() * (weight.element_size() - BYTES_OF_NF4)) for weight in linear)
    try:
        with quiet_transformers(), torch.device("meta"):
            model = get_peft_model(
                outline, lora_config(config, outline.config.model_type), autocast_adapter_dtype=False
            ).train()
    except ValueError as error:
        if "target modules" not in str(error).lower():
            raise
        raise UserError(f"{name}: has no layer that LoRA could be put on; take another base") from error
    use_fused_gelu(model)
    use_fused_lora(model)
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    tokens = large_batch_tokens([len(example["input_ids"]) for example in preflight.train.examples], config.batch_size)
    with_loss = math.ceil(tokens * preflight.train.trained_tokens / preflight.train.tokens)
    activations, kept = {}, {}
    with contextlib.suppress(Exception):  # any architecture may stand here, and what it does with a mask is its own
        whole, recomputed = _activation_bytes(model, tokens, with_loss)
        activations = {"activations": recomputed if config.gradient_checkpointing else whole}
        kept = {"kept by malloc": int(whole * KEPT_BY_MALLOC)} if device.type == "cpu" else {}
    memory = {
        "weights": weights,
        "adapter and optimizer": trainable * BYTES_A_TRAINED_PARAMETER,
        **activations,
        "libraries": int(LIBRARY_BYTES[device.type]),
        **kept,
    }
    modules = sorted({module.rpartition(".")[2] for module in model.targeted_module_names})
    return Estimate(modules, parameters, trainable, memory)


def large_batch_tokens(lengths: Sequence[int], batch_size: int) -> int:
    """The tokens of a batch so large that one in a thousand is larger: its mean and three standard deviations."""
    size = min(batch_size, len(lengths))
    likely = statistics.fmean(lengths) * size + 3 * statistics.pstdev(lengths) * math.sqrt(size)
    return min(math.ceil(likely), sum(sorted(lengths)[-size:]))


def measured_speed(
    runs_dir: Path, base: str, device: str, precision: str, config: TrainConfig
) -> tuple[Path, float] | None:
    """The newest run in a folder of runs with this base and device and these numbers, and its tokens/s."""
    by_age = sorted(runs_dir.glob(f"*/{RUN_FILE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in by_age:
        with contextlib.suppress(UserError):
            run = read_run(path.parent)
            recomputes = run.config.get("gradient_checkpointing")
            here = (base, device, precision, config.gradient_checkpointing)
            if (run.base, run.device, run.precision, recomputes) == here and run.tokens_per_second:
                return path.parent, run.tokens_per_second
    return None


def describe_shortage(estimated: Estimate, free: int, config: TrainConfig) -> str:
    """What to try where the estimate is more than what is free, or ""."""
    if estimated.memory_bytes <= free:
        return ""
    needed = f"about {gib(estimated.memory_bytes)} for the largest batch"
    return f"memory: {needed}, and {gib(free)} are free; try {smaller_settings(config)}"


def free_bytes(device: torch.device) -> int:
    """The memory that is free on the device now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        values = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        return int(values["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # macOS does not tell how much of it is free


def _activation_bytes(model: Any, tokens: int, with_loss: int) -> tuple[int, int]:
    """What one step keeps for its backward pass: all of it, and with gradient checkpointing."""
    ids = torch.zeros((1, tokens), dtype=torch.long, device="meta")
    # Whole, as the layers want it: to make one, transformers would look at numbers, of which there are none.
    mask = torch.ones((1, 1, tokens, tokens), dtype=torch.bool, device="meta")
    model = model.to(model.dtype)  # autocast computes the adapter in the numbers of the base
    model.base_model.model.set_attn_implementation(_OUTLINE)
    with _counting_saved(model) as saved:
        kept = torch.zeros(with_loss, dtype=torch.long, device="meta")
        output = model(input_ids=ids, attention_mask=mask, logits_to_keep=kept, use_cache=False)
        cross_entropy(output.logits[0].float(), kept)
    logits = output.logits.numel() * 4  # in float32; their gradient is as large
    # Of each layer only its input is kept; one layer at a time is gone through again, and the head stays.
    layers, head = model.config.num_hidden_layers, 2 * logits
    inputs = layers * tokens * model.config.hidden_size * model.dtype.itemsize
    recomputed = inputs + max(sum(saved) - head, 0) // layers + head + logits
    return int(sum(saved) + logits), int(recomputed)


def _fused_attention(
    _module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: object, **__: object
) -> tuple[torch.Tensor, None]:
    """Attention that keeps no matrix of tokens by tokens, as on a real device; torch would choose one that does."""
    groups = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(groups, dim=1) if groups > 1 else part for part in (key, value))
    mixed = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, True)[0]
    return mixed.transpose(1, 2).contiguous(), None  # (batch, tokens, heads, head size)


@contextlib.contextmanager
def _counting_saved(model: Any) -> Iterator[list[int]]:
    """The sizes of what autograd keeps, each storage once and without the model's own."""
    known = {weight.untyped_storage()._cdata for weight in [*model.parameters(), *model.buffers()]}
    kept: dict[int, torch.Tensor] = {}
    sizes: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known and storage._cdata not in kept:
            kept[storage._cdata] = tensor  # alive, so that no other gets its number
            sizes.append(storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield sizes


transformers.AttentionInterface.register(_OUTLINE, _fused_attention)
