"""What makes a training step fast where it can be had, each part left out, and said so, where it cannot."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers.activations import ACT2FN, NewGELUActivation

from curation.errors import first_line
from phi2chat.inference.examples import IGNORED
from phi2chat.quiet import quiet_transformers
from phi2chat.training.attention import WITHIN_RECORDS
from phi2chat.training.batches import lay_end_to_end

# Mean difference of log probabilities between records alone and end to end; bf16 rounds, float32 hardly does.
_TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 5e-2}


def use_fused_gelu(model: torch.nn.Module) -> None:
    """Put torch's own tanh GELU where transformers writes the same formula as eight operations (`gelu_new`)."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is NewGELUActivation:
                setattr(module, name, ACT2FN["gelu_pytorch_tanh"])


def leave_padding_out(model: Any, examples: Sequence[dict[str, list[int]]]) -> str | None:
    """Let the model read records that stand end to end; says why it cannot, and leaves it as it was then.

    Two of the examples, read alone and end to end, must get the same log probabilities, but for rounding; and not a
    bit of the second one's may change where the first one says something else.
    """
    before, was_training = model.config._attn_implementation, model.training
    model.eval()  # dropout would make two readings differ
    first, second = (sorted(examples, key=lambda example: len(example["input_ids"])) * 2)[:2]
    other = {**first, "input_ids": first["input_ids"][::-1]}
    try:
        alone = torch.cat([_log_probabilities(model, [example]) for example in (first, second)])
        with quiet_transformers():  # what it says of models that cannot is said by us, in a line
            model.set_attn_implementation(WITHIN_RECORDS)
        together, beside_other = (_log_probabilities(model, [neighbour, second]) for neighbour in (first, other))
    except Exception as error:
        # Any architecture may stand here, and what it does with the boundaries of records is its own.
        reason = first_line(error)
    else:
        difference = float((alone - together).abs().mean())
        is_read = model.config._attn_implementation == WITHIN_RECORDS and difference < _TOLERANCES[model.dtype]
        with_loss = sum(label != IGNORED for label in second["labels"][1:])
        if is_read and torch.equal(together[-with_loss:], beside_other[-with_loss:]):
            return None
        reason = "it does not keep them apart"
    finally:
        model.train(was_training)
    with quiet_transformers():
        model.set_attn_implementation(before)
    return reason


@torch.no_grad()
def _log_probabilities(model: Any, examples: Sequence[dict[str, list[int]]]) -> torch.Tensor:
    """Of the tokens with a loss; (N) in float32."""
    batch = {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in lay_end_to_end(examples).items()
    }
    if len(examples) == 1:  # the plain way, for comparison
        batch = {name: batch[name] for name in ("input_ids", "logits_to_keep", "targets")}
    targets = batch.pop("targets")
    batch.pop("labels", None)
    logits = model(**batch, use_cache=False).logits[0]  # (N, vocabulary)
    return -cross_entropy(logits.float(), targets, reduction="none")


def compile_layers(model: Any) -> None:
    """Let every decoder layer be compiled when it is first called; all share one code, compiled once or twice."""
    for layer in layers_of(model):
        layer.compile(dynamic=True)


@contextlib.contextmanager
def uncompiled(model: Any) -> Iterator[None]:
    """Within, compiled layers run as they are written: for a few calls of another kind, compiling takes longer."""
    compiled = [(layer, layer._compiled_call_impl) for layer in layers_of(model)]
    run_uncompiled(model)
    try:
        yield
    finally:
        for layer, call in compiled:
            layer._compiled_call_impl = call


def run_uncompiled(model: Any) -> None:
    """Take `compile_layers` back."""
    for layer in layers_of(model):
        layer._compiled_call_impl = None


def is_of_the_compiler(error: BaseException) -> bool:
    """Whether an error is one of torch's compiler, such as a missing C compiler, and not one of the model."""
    kinds = (f"{kind.__module__}." for kind in type(error).__mro__)
    return any(kind.startswith(("torch._dynamo.", "torch._inductor.", "triton.")) for kind in kinds)


def layers_of(model: Any) -> list[Any]:
    """Its decoder layers, of which most of a model is made."""
    names = set(model._no_split_modules or ())
    return [module for module in model.modules() if type(module).__name__ in names]
