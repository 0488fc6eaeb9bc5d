"""Examples -> TRL's SFTTrainer with a LoRA adapter -> adapter, prompt.json and run.json in the folder of the run."""

import contextlib
import ctypes
import dataclasses
import json
import platform
import resource
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import torch
import transformers
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from curation.errors import UserError
from phi2chat import config as configs
from phi2chat.config import TrainConfig
from phi2chat.examples import Sides, TokenizedSide, read_sides, tokenize
from phi2chat.interrupts import Interrupt, noting_interrupts
from phi2chat.models import Base, find_base, load_base, place, spell_dtype
from phi2chat.processes import count, is_main, leave, take_own_gpu
from phi2chat.prompt import PROMPT_FILE, PromptStyle, save_style
from phi2chat.quiet import quiet_transformers
from phi2chat.run import ADAPTER_FILE, CHECKPOINTS, RUN_FILE, Run, complete_checkpoints, read_run
from phi2chat.sft import make_trainer
from phi2chat.watcher import Reporter, Watcher

WRITTEN = (RUN_FILE, PROMPT_FILE, "adapter_config.json", ADAPTER_FILE, "loss.png")
STOPPING = "stopping after this step, with a checkpoint; Ctrl-C again stops at once"
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h


def train(data: Path, config: TrainConfig, reporter: Reporter) -> tuple[Path, Run]:
    """Fine-tune a LoRA adapter and write it, with run.json, to the folder of the run, which is returned.

    Loss is on the completion only; `eval_loss` is mean nats per completion token. The best checkpoint by eval loss
    becomes the adapter. After Ctrl-C the status of the run is "interrupted" and a checkpoint is there to resume.
    Raises UserError for whatever the user can mend.
    """
    folder = config.output_dir or Path("runs") / f"{data.stem}-{Path(config.base).name}"
    if is_main():
        _refuse_taken(folder)
    if count() > 1:
        config = dataclasses.replace(config, gpus=count())
    sides = read_sides(data, config)
    base = find_base(config.base, reporter.status)
    run = Run(base.name, str(data), configs.to_json(dataclasses.replace(config, output_dir=folder)), sides.sha256)
    return folder, _run(folder, run, config, sides, base, None, reporter)


def _refuse_taken(folder: Path) -> None:
    if complete_checkpoints(folder):
        raise UserError(
            f"{folder}: already holds a run; give another folder with --output-dir, or go on with --resume {folder}"
        )
    left = [name for name in WRITTEN if (folder / name).exists()]
    if left and (left != [RUN_FILE] or read_run(folder).status == "finished"):  # a run that never reached a checkpoint
        raise UserError(f"{folder}: already holds {', '.join(left)}; give another folder with --output-dir")


def resume(folder: Path, reporter: Reporter) -> tuple[Path, Run]:
    """Go on with an interrupted run from its newest complete checkpoint, with the settings it began with."""
    run = read_run(folder)
    if run.status == "finished":
        raise UserError(f"{folder}: this run has finished; chat with it, `phi2chat repl --adapter {folder}`")
    checkpoints = complete_checkpoints(folder)
    if not checkpoints:
        raise UserError(f"{folder}: has no complete checkpoint to resume from; remove the folder and train again")
    config = configs.from_json(TrainConfig, run.config, where=str(folder / RUN_FILE))
    if count() != (config.gpus or 1):
        raise UserError(
            f"{folder}: this run began with {config.gpus or 1} processes, and these are {count()};"
            f" go on with `phi2chat train --resume {folder}`"
        )
    sides = read_sides(Path(run.data), config)
    if sides.sha256 != run.sha256:
        changed = ", ".join(path for path, digest in sides.sha256.items() if run.sha256.get(path) != digest)
        raise UserError(f"{changed}: has changed since this run began; train again, or restore the file to resume")
    return folder, _run(folder, run, config, sides, find_base(run.base, reporter.status), checkpoints[-1], reporter)


def _run(
    folder: Path, run: Run, config: TrainConfig, sides: Sides, base: Base, checkpoint: Path | None, reporter: Reporter
) -> Run:
    device, dtype = place(config)
    if device.type == "cpu":
        _keep_freed_memory()
    else:
        take_own_gpu()
    reporter.status(f"loading {base.name} ({spell_dtype(dtype)}, {device})")
    transformers.set_seed(config.seed)
    model, tokenizer = load_base(base, device, dtype)
    positions = getattr(model.config, "max_position_embeddings", None) or config.max_length
    max_length = min(config.max_length, positions)
    style = PromptStyle()
    reporter.status(f"tokenizing {len(sides.train) + len(sides.eval)} records")
    train_side, eval_side = (
        tokenize(rows, tokenizer, style, max_length, config.overlong == "drop") for rows in (sides.train, sides.eval)
    )
    if not train_side.examples or not eval_side.examples:
        raise UserError(f"{run.data}: every record of one side is longer than {max_length} tokens; shorten them")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}); give another --output-dir") from None
    _describe(run, device, dtype, train_side, eval_side)
    with _only_training_in(folder), _noting_interrupts() as interrupt:
        is_new = checkpoint is None
        trainer = make_trainer(folder, run, config, model, tokenizer, train_side, eval_side, is_new, reporter)
        watcher = Watcher(run, folder, style, interrupt, reporter)
        trainer.add_callback(watcher)
        run.lora_modules = sorted({name.rpartition(".")[2] for name in trainer.model.targeted_module_names})
        run.trainable_parameters = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        trained = f"{run.trainable_parameters:,} parameters in {', '.join(run.lora_modules)}"
        reporter.note(f"training {trained}")
        reporter.note(f"on {len(train_side.examples)} records, with {len(eval_side.examples)} for eval")
        if count() > 1:
            records = count() * config.batch_size * config.accumulation_steps
            reporter.note(f"in {count()} processes of {config.batch_size} records, {records} a step")
        run.status = "running"
        if is_main():
            run.save(folder)
        try:
            with _readable_failures(folder, config), quiet_transformers():
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
                run.steps, run.best_step = trainer.state.global_step, trainer.state.best_global_step
                run.peak_memory_gib = round(_peak_memory_bytes(device) / 2**30, 2)
                if watcher.stopping and run.steps < trainer.state.max_steps:
                    run.status = "interrupted"
                else:
                    if is_main():
                        _publish(folder / CHECKPOINTS / f"checkpoint-{run.best_step}", base, style, folder)
                    run.status = "finished"
            if is_main():
                run.save(folder)
            leave()
        except BaseException as error:
            run.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            with contextlib.suppress(UserError):  # a full disk has been reported already
                run.save(folder)
            if run.status == "interrupted":
                reporter.note(f"stopped at once; {_way_on(folder)}")
            raise
    return run


def _noting_interrupts() -> contextlib.AbstractContextManager[Interrupt]:
    # The launcher of several processes sends Ctrl-C, whatever it was sent itself; SIGTERM is for those that a process
    # which has failed leaves behind.
    return noting_interrupts(STOPPING if is_main() else "", terminate=count() == 1)


def _way_on(folder: Path) -> str:
    if complete_checkpoints(folder):
        return f"go on from the last checkpoint with `phi2chat train --resume {folder}`"
    return "train again, for there is no checkpoint yet"


@contextlib.contextmanager
def _only_training_in(folder: Path) -> Iterator[None]:
    if not is_main():
        yield
        return
    try:
        with FileLock(folder / ".train.lock", timeout=0):
            yield
    except Timeout:
        raise UserError(f"{folder}: another training is writing there; give another --output-dir") from None


def _describe(
    run: Run,
    device: torch.device,
    dtype: torch.dtype,
    train_side: TokenizedSide,
    eval_side: TokenizedSide,
) -> None:
    run.versions = {name: version(name) for name in ("torch", "transformers", "trl", "peft", "datasets")}
    run.versions["python"] = platform.python_version()
    run.device = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    run.precision = spell_dtype(dtype)
    run.records = {"train": len(train_side.examples), "eval": len(eval_side.examples)}
    run.tokens = {"train": train_side.tokens, "eval": eval_side.tokens}
    run.dropped = [f"{row.path}:{row.line}" for row in train_side.dropped + eval_side.dropped]


def _publish(checkpoint: Path, base: Base, style: PromptStyle, folder: Path) -> None:
    """Write the adapter of a checkpoint whole: first beside its place, then each file in one step, its weights last.

    The model may be in pieces on several GPUs, and the checkpoint is not.
    """
    staging = folder / ".adapter.tmp"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    shutil.copyfile(checkpoint / ADAPTER_FILE, staging / ADAPTER_FILE)
    settings = json.loads((checkpoint / "adapter_config.json").read_bytes())
    settings["base_model_name_or_path"] = base.source  # not the cache folder of this machine
    (staging / "adapter_config.json").write_text(
        json.dumps(settings, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
    save_style(style, staging)
    for name in (PROMPT_FILE, "adapter_config.json", ADAPTER_FILE):
        (staging / name).replace(folder / name)
    shutil.rmtree(staging)


@contextlib.contextmanager
def _readable_failures(folder: Path, config: TrainConfig) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        smaller = f"--batch-size {config.batch_size // 2} --accumulation-steps {config.accumulation_steps * 2} or "
        raise UserError(
            f"{folder}: the GPU's memory is full; train again into another --output-dir with"
            f" {smaller if config.batch_size > 1 else ''}--gradient-checkpointing"
        ) from None
    except (OSError, RuntimeError, SafetensorError) as error:
        # A full disk reaches us as three different errors, of which only one says so.
        if shutil.disk_usage(folder).free > 2**24 and "No space left" not in str(error):
            raise
        raise UserError(f"{folder}: the disk is full; make room and {_way_on(folder)}") from error


def _keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next step, instead of giving it back and faulting it in again."""
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        for option, value in ((_M_MMAP_THRESHOLD, 2**30), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 2**28)):
            library.mallopt(option, value)


def _peak_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
