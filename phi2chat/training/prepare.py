"""Sides of records -> what a training needs before a folder is made: checked examples, the model, and the probes."""

import ctypes
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
import transformers

from phi2chat.config import TrainConfig
from phi2chat.inference.examples import Sides, TokenizedSide, style_of
from phi2chat.inference.prompt import PromptStyle
from phi2chat.training.estimate import describe_shortage, estimate, free_bytes
from phi2chat.training.preflight import inspect, require_trainable, tell
from phi2chat.training.processes import take_own_gpu
from phi2chat.training.sampler import Probe, pick_probes, read_probes
from phi2chat.training.watcher import Reporter
from phi2chat.weights.bases import Base
from phi2chat.weights.models import load_base, load_outline, place, spell_device, spell_dtype
from phi2chat.weights.run import Run

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h


@dataclass(frozen=True)
class Prepared:
    """What is needed before a folder is made: the model, both sides as it reads them, and the probes."""

    base: Base
    model: Any
    tokenizer: Any
    style: PromptStyle
    train: TokenizedSide
    eval: TokenizedSide
    probes: list[Probe]
    loaded_at: float


def prepare(run: Run, config: TrainConfig, sides: Sides, base: Base, reporter: Reporter) -> Prepared:
    """Check every record, load the base and describe both in `run`.

    Raises UserError for what would make the training wrong, before the weights are loaded.
    """
    device, dtype = place(config)
    if device.type == "cpu":
        _keep_freed_memory()
    else:
        take_own_gpu()
    style = style_of(config)
    reporter.status(f"checking {len(sides.train) + len(sides.eval)} records")
    outline, tokenizer = load_outline(base, dtype)
    found = inspect(sides, outline, tokenizer, config, style)
    tell(found, reporter.note)
    require_trainable(found)
    train_side, eval_side = found.train, found.eval
    estimated = estimate(outline, base.name, config, device, found)
    if short := describe_shortage(estimated, free_bytes(device), config):
        reporter.note(short)
    reporter.status(f"loading {base.name} ({spell_dtype(dtype)}, {device})")
    transformers.set_seed(config.seed)
    model, tokenizer = load_base(base, device, dtype, config.quantize)
    loaded_at = time.perf_counter()
    _describe(run, device, dtype, train_side, eval_side, reporter)
    run.languages = sorted({row.record.language for row in sides.train})
    kept = [row.record for row in sides.eval if row not in eval_side.dropped]
    probes = read_probes(config.sample_file) if config.sample_file else pick_probes(kept)
    return Prepared(base, model, tokenizer, style, train_side, eval_side, probes, loaded_at)


def _describe(
    run: Run,
    device: torch.device,
    dtype: torch.dtype,
    train_side: TokenizedSide,
    eval_side: TokenizedSide,
    reporter: Reporter,
) -> None:
    began_with = {**run.versions, "device": run.device, "precision": run.precision}
    run.versions = {name: version(name) for name in ("torch", "transformers", "trl", "peft", "datasets")}
    run.versions["python"] = platform.python_version()
    run.device = spell_device(device)
    run.precision = spell_dtype(dtype)
    run.records = {"train": len(train_side.examples), "eval": len(eval_side.examples)}
    run.tokens = {"train": train_side.tokens, "eval": eval_side.tokens}
    run.dropped = [f"{row.path}:{row.line}" for row in train_side.dropped + eval_side.dropped]
    now = {**run.versions, "device": run.device, "precision": run.precision}
    differences = [
        f"{name} {began_with[name]} -> {now[name]}" for name in now if began_with.get(name, now[name]) != now[name]
    ]
    if differences and began_with["device"]:
        reporter.note(f"{', '.join(differences)}: not as the run began, so what follows may differ a little")


def _keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next step, instead of giving it back and faulting it in again."""
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        for option, value in ((_M_MMAP_THRESHOLD, 2**30), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 2**28)):
            library.mallopt(option, value)
