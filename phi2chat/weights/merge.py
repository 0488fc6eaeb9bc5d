"""An adapter and its base -> one model that stands for itself, written whole, and asked whether it answers the same."""

import gc
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open

from curation.errors import UserError
from phi2chat.config import ChatConfig
from phi2chat.inference.generate import TokenStream, context_tokens, end_tokens
from phi2chat.inference.prompt import PromptStyle, encode_prompt, render_prompt, save_style
from phi2chat.quiet import quiet_transformers
from phi2chat.units import gib
from phi2chat.weights.adapters import add_adapter
from phi2chat.weights.bases import Base, Progress
from phi2chat.weights.models import load_base
from phi2chat.weights.templates import chat_template

PROBES = (
    "日本の首都はどこですか？",
    "12に30を足すといくつになりますか？",
    "「ありがとう」を英語に訳してください。",
    "Why is the sky blue? Answer in one sentence.",
)
PROBE_TOKENS = 64
LARGEST_SHARD = "4GB"
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Plan:
    """What a merge takes: parameters, how they are stored, bytes on the disk and in memory."""

    parameters: int
    dtype: str
    disk_bytes: int
    memory_bytes: int


@dataclass(frozen=True)
class Merged:
    """What a merge made: the model's class, its context, its end-of-text token, and what it answers otherwise."""

    architecture: str
    context_tokens: int
    eos_token: str
    asked: int
    different: tuple[str, ...]


def plan_merge(base: Base, dtype: str) -> Plan:
    """What merging into a base takes, read from its files' headers. `dtype` auto is what the base is stored in."""
    parameters, stored = 0, set()
    try:
        for file in sorted(base.folder.glob("*.safetensors")):
            with safe_open(file, framework="pt") as weights:
                for name in weights.keys():  # noqa: SIM118  # it is no dict
                    piece = weights.get_slice(name)
                    parameters += torch.Size(piece.get_shape()).numel()
                    stored.add(piece.get_dtype())
    except (SafetensorError, OSError) as error:
        raise UserError(f"{base.name}: its weights cannot be read ({error}); restore them") from None
    if not parameters:
        raise UserError(f"{base.name}: has no safetensors weights; give a base that has")
    if dtype == "auto":
        dtype = "bf16" if "BF16" in stored else "float16" if "F16" in stored else "float32"
    size = parameters * DTYPES[dtype].itemsize
    return Plan(parameters, dtype, size + 2**26, parameters * 4 + 2**29)


def merge(
    adapter: Path,
    base: Base,
    style: PromptStyle,
    plan: Plan,
    device: torch.device,
    target: Path,
    progress: Progress,
    largest_shard: str = LARGEST_SHARD,
) -> Merged:
    """Write the merged model to the empty folder `target`, and ask it what the adapter was asked.

    It is merged in float32, whatever it is stored in: in bf16 the small change that an adapter makes to a large weight
    would be rounded away before it is added. Raises UserError where the two do not fit or the result is not finite.
    """
    progress(f"loading {base.name} (float32, {device})")
    model, tokenizer = load_base(base, device, torch.float32)
    model = add_adapter(model, adapter).eval()
    progress("asking the adapter")
    expected = [_answer(model, tokenizer, style, probe) for probe in PROBES]
    progress(f"merging {plan.parameters:,} parameters")
    try:
        with quiet_transformers():
            model = model.merge_and_unload(safe_merge=True).to(DTYPES[plan.dtype])
    except ValueError as error:
        raise UserError(f"{adapter}: cannot be merged ({error}); train again with a lower --learning-rate") from None
    for name, weight in model.state_dict().items():
        if not bool(weight.isfinite().all()):
            raise UserError(f"{adapter}: {name} does not fit into {plan.dtype}; export it with --dtype float32")
    progress(f"writing {gib(plan.disk_bytes)}")
    _save(model, base, style, target, largest_shard)
    del model
    gc.collect()
    progress("asking the merged model")
    model, tokenizer = load_base(Base(base.name, str(target), target), device, torch.float32)
    answers = [_answer(model.eval(), tokenizer, style, probe) for probe in PROBES]
    different = tuple(
        probe for probe, answer, wanted in zip(PROBES, answers, expected, strict=True) if answer != wanted
    )
    return Merged(type(model).__name__, context_tokens(model), tokenizer.eos_token, len(PROBES), different)


def _save(model: Any, base: Base, style: PromptStyle, target: Path, largest_shard: str) -> None:
    # Not the tokenizer and the settings that were loaded: those were given a padding token for training.
    tokenizer = transformers.AutoTokenizer.from_pretrained(base.folder, trust_remote_code=False)
    config = transformers.AutoConfig.from_pretrained(base.folder, trust_remote_code=False)
    begins_with_bos = tokenizer("?")["input_ids"][:1] == [tokenizer.bos_token_id]
    tokenizer.chat_template = chat_template(style, begins_with_bos)
    model.config.pad_token_id = getattr(config, "pad_token_id", None)
    ends = sorted(end_tokens(model, tokenizer))
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=model.generation_config.bos_token_id,
        eos_token_id=ends if len(ends) > 1 else ends[0],
        pad_token_id=model.config.pad_token_id,
        do_sample=False,  # as our own; the base's may have other habits
    )
    with quiet_transformers():
        model.save_pretrained(target, max_shard_size=largest_shard)
        tokenizer.save_pretrained(target)
    save_style(style, target)
    for file in sorted(base.folder.iterdir()):
        if file.name.upper().startswith(("LICENSE", "LICENCE", "NOTICE")) and file.is_file():
            shutil.copyfile(file, target / file.name)


def _answer(model: Any, tokenizer: Any, style: PromptStyle, question: str) -> list[int]:
    """The first tokens of a greedy reply."""
    ids = encode_prompt(tokenizer, [], render_prompt(style, question))
    config = ChatConfig(guard="off", max_new_tokens=PROBE_TOKENS)
    stream = TokenStream(model, tokenizer, ids, config, context_tokens(model), style, question)
    for _ in stream:
        pass
    return stream.ids
