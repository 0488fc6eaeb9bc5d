"""Examples -> TRL's SFTTrainer with a LoRA adapter -> adapter, prompt.json and run.json in the folder of the run."""

import contextlib
import ctypes
import dataclasses
import hashlib
import json
import math
import platform
import resource
import shutil
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch
import transformers
from peft import LoraConfig
from safetensors import SafetensorError
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTConfig, SFTTrainer

from curation.errors import UserError
from curation.records import read_bytes
from curation.store import write_atomically
from datasets import Dataset
from phi2chat import __version__
from phi2chat import config as configs
from phi2chat.config import TrainConfig
from phi2chat.examples import IGNORED, Sides, TokenizedSide, read_sides, tokenize
from phi2chat.interrupts import Interrupt, noting_interrupts
from phi2chat.models import ADAPTER_FILE, RUN_FILE, Base, find_base, load_base, place, spell_dtype
from phi2chat.prompt import PROMPT_FILE, PromptStyle, save_style

CHECKPOINTS = "checkpoints"
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h
COMPLETE_FILE = "complete.json"
PHI_TARGETS = ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"]


@dataclass
class Progress:
    """How far a run is; `loss` is the last step's, `eval_loss` the last evaluation's."""

    total_steps: int
    step: int = 0
    loss: float | None = None
    eval_loss: float | None = None
    tokens_per_second: float | None = None


class Reporter(Protocol):
    """Who is told about a run while it goes on."""

    def status(self, text: str) -> None: ...
    def training_progress(self, progress: Progress) -> None: ...


@dataclass
class Run:
    """What run.json holds: everything that decides a run, and what came of it."""

    base: str
    data: str
    config: dict[str, Any]
    sha256: dict[str, str]
    status: str = "running"
    phi2chat: str = __version__
    versions: dict[str, str] = field(default_factory=dict)
    device: str = ""
    precision: str = ""
    lora_modules: list[str] = field(default_factory=list)
    trainable_parameters: int = 0
    records: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    losses: list[tuple[int, float]] = field(default_factory=list)
    eval_losses: list[tuple[int, float]] = field(default_factory=list)
    best_step: int | None = None
    steps: int = 0
    train_seconds: float = 0.0
    tokens_per_second: float = 0.0
    peak_memory_gib: float = 0.0

    def save(self, folder: Path) -> None:
        content = json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=2)
        write_atomically(folder / RUN_FILE, content.encode("utf-8") + b"\n")


def train(data: Path, config: TrainConfig, reporter: Reporter) -> tuple[Path, Run]:
    """Fine-tune a LoRA adapter and write it, with run.json, to the folder of the run, which is returned.

    Loss is on the completion only; `eval_loss` is mean nats per completion token. The best checkpoint by eval loss
    becomes the adapter. After Ctrl-C the status of the run is "interrupted" and a checkpoint is there to resume.
    Raises UserError for whatever the user can mend.
    """
    folder = config.output_dir or Path("runs") / f"{data.stem}-{Path(config.base).name}"
    if (folder / ADAPTER_FILE).exists() or complete_checkpoints(folder):
        raise UserError(
            f"{folder}: already holds a run; give another folder with --output-dir, or go on with --resume {folder}"
        )
    sides = read_sides(data, config)
    base = find_base(config.base, reporter.status)
    run = Run(base.name, str(data), configs.to_json(dataclasses.replace(config, output_dir=folder)), sides.sha256)
    return folder, _run(folder, run, config, sides, base, None, reporter)


def resume(folder: Path, reporter: Reporter) -> tuple[Path, Run]:
    """Go on with an interrupted run from its newest complete checkpoint, with the settings it began with."""
    run = read_run(folder)
    if run.status == "finished":
        raise UserError(f"{folder}: this run has finished; chat with it, `phi2chat repl --adapter {folder}`")
    checkpoints = complete_checkpoints(folder)
    if not checkpoints:
        raise UserError(f"{folder}: has no complete checkpoint to resume from; remove the folder and train again")
    config = configs.from_json(TrainConfig, run.config, where=str(folder / RUN_FILE))
    sides = read_sides(Path(run.data), config)
    if sides.sha256 != run.sha256:
        changed = ", ".join(path for path, digest in sides.sha256.items() if run.sha256.get(path) != digest)
        raise UserError(f"{changed}: has changed since this run began; train again, or restore the file to resume")
    return folder, _run(folder, run, config, sides, find_base(run.base, reporter.status), checkpoints[-1], reporter)


def read_run(folder: Path) -> Run:
    """The run.json of a folder."""
    path = folder / RUN_FILE
    try:
        return Run(**json.loads(read_bytes(path)))
    except (ValueError, TypeError):
        raise UserError(f"{path}: is damaged or of another version; restore it or train again") from None


def complete_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints whose files are all as they were written, oldest first."""
    found = [path for path in (folder / CHECKPOINTS).glob("checkpoint-*") if _is_complete(path)]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def _run(
    folder: Path, run: Run, config: TrainConfig, sides: Sides, base: Base, checkpoint: Path | None, reporter: Reporter
) -> Run:
    device, dtype = place(config)
    if device.type == "cpu":
        _keep_freed_memory()
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
    with noting_interrupts(
        lambda: reporter.status("stopping after this step, with a checkpoint; Ctrl-C again stops at once"),
        terminate=True,
    ) as interrupt:
        trainer = _make_trainer(folder, run, config, model, tokenizer, train_side, eval_side)
        trainer.add_callback(_Watcher(run, folder, style, interrupt, reporter))
        run.lora_modules = sorted({name.rpartition(".")[2] for name in trainer.model.targeted_module_names})
        run.trainable_parameters = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        trained = f"{run.trainable_parameters:,} parameters in {', '.join(run.lora_modules)}"
        reporter.status(f"training {trained} on {len(train_side.examples)} records, {len(eval_side.examples)} for eval")
        run.status = "running"
        run.save(folder)
        with _readable_failures(folder, config):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        run.steps = trainer.state.global_step
        run.peak_memory_gib = round(_peak_memory_bytes(device) / 2**30, 2)
        if interrupt.requested and run.steps < trainer.state.max_steps:
            run.status = "interrupted"
        else:
            _publish(trainer, base, style, folder)
            saved = [point for point in run.eval_losses if point[0] > 0]
            run.best_step = min(saved, key=lambda point: point[1])[0]
            run.status = "finished"
        run.save(folder)
    return run


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


def _make_trainer(
    folder: Path,
    run: Run,
    config: TrainConfig,
    model: Any,
    tokenizer: Any,
    train_side: TokenizedSide,
    eval_side: TokenizedSide,
) -> "_Trainer":
    strategy = "steps" if config.eval_steps else "epoch"
    on_cpu = model.device.type == "cpu"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TRL and PEFT, about choices that are made on purpose here
        transformers.logging.set_verbosity_error()
        arguments = SFTConfig(
            output_dir=str(folder / CHECKPOINTS),
            num_train_epochs=config.epochs,
            max_steps=config.max_steps or -1,
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=config.batch_size,
            gradient_accumulation_steps=config.accumulation_steps,
            learning_rate=config.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=config.warmup_ratio,  # below 1 it is a part of all steps
            seed=config.seed,
            bf16=run.precision == "bf16",
            use_cpu=on_cpu,
            activation_checkpointing=config.gradient_checkpointing,
            # The examples come tokenized and with labels; TRL would tokenize, cut and filter them without a word.
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
            completion_only_loss=True,
            eval_strategy=strategy,
            eval_steps=config.eval_steps,
            eval_on_start=True,
            save_strategy=strategy,
            save_steps=config.eval_steps or 500,
            save_total_limit=2,  # the best and the last: with 1, the one of Ctrl-C would be removed
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            logging_steps=1,
            logging_nan_inf_filter=False,  # it would show the mean of the other steps for a NaN
            dataloader_pin_memory=not on_cpu,
            disable_tqdm=True,
            report_to=[],
        )
        lora = LoraConfig(
            r=config.lora_rank,
            lora_alpha=config.lora_alpha,
            lora_dropout=config.lora_dropout,
            target_modules=PHI_TARGETS if model.config.model_type == "phi" else "all-linear",
            task_type="CAUSAL_LM",
        )
        try:
            trainer = _Trainer(
                model=model,
                args=arguments,
                train_dataset=Dataset.from_list(train_side.examples),
                eval_dataset=Dataset.from_list(eval_side.examples),
                processing_class=tokenizer,
                peft_config=lora,
            )
        except ValueError as error:
            if "target modules" not in str(error).lower():
                raise
            raise UserError(f"{run.base}: has no layer that LoRA could be put on; take another base") from error
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


class _Trainer(SFTTrainer):  # type: ignore[misc]  # trl ships no types
    """SFTTrainer whose eval loss is a mean over tokens; Trainer's own is a mean over batches of unequal size."""

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        self._eval_nats, self._eval_tokens = 0.0, 0
        output = super().evaluation_loop(*args, **kwargs)
        output.metrics["eval_loss"] = self._eval_nats / self._eval_tokens
        return output

    def prediction_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        tokens = int((inputs["labels"][:, 1:] != IGNORED).sum())
        loss, logits, labels = super().prediction_step(model, inputs, *args, **kwargs)
        self._eval_nats += float(loss) * tokens
        self._eval_tokens += tokens
        return loss, logits, labels


class _Watcher(TrainerCallback):  # type: ignore[misc]
    """Keeps run.json and the reporter up to date, seals checkpoints, stops on request or on a loss that is NaN."""

    def __init__(self, run: Run, folder: Path, style: PromptStyle, interrupt: Interrupt, reporter: Reporter) -> None:
        self._run, self._folder, self._style = run, folder, style
        self._interrupt, self._reporter = interrupt, reporter
        self._progress = Progress(total_steps=0)
        self._step_start = 0.0
        self._tokens_before: float | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._progress.total_steps, self._progress.step = state.max_steps, state.global_step
        # A run that is resumed goes on from a checkpoint, and what came after it is done again.
        self._run.losses = [point for point in self._run.losses if point[0] <= state.global_step]
        self._run.eval_losses = [point for point in self._run.eval_losses if point[0] <= state.global_step]
        self._reporter.training_progress(self._progress)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._step_start = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._run.train_seconds += time.perf_counter() - self._step_start
        self._progress.step = state.global_step
        if state.global_step >= state.max_steps:
            control.should_evaluate = control.should_save = True  # whatever the rhythm, the last step counts
        self._stop_if_asked(control)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._interrupt.requested and state.global_step < state.max_steps:
            control.should_evaluate = control.should_save = False  # the checkpoint was written after the last step

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._stop_if_asked(control)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        logs = logs or {}
        if "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise UserError(
                    f"{self._folder}: the loss became {logs['loss']} at step {state.global_step};"
                    " train again with a lower --learning-rate, or with --precision float32"
                )
            self._progress.loss = logs["loss"]
            self._run.losses.append((state.global_step, logs["loss"]))
            self._count_tokens(logs)
        if "eval_loss" in logs:
            self._progress.eval_loss = logs["eval_loss"]
            if not self._run.eval_losses or self._run.eval_losses[-1][0] < state.global_step:
                self._run.eval_losses.append((state.global_step, logs["eval_loss"]))
        if "loss" in logs or "eval_loss" in logs:
            self._reporter.training_progress(self._progress)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        save_style(self._style, checkpoint)
        _seal(checkpoint)
        self._run.save(self._folder)

    def _stop_if_asked(self, control: TrainerControl) -> None:
        if self._interrupt.requested:
            control.should_save = control.should_training_stop = True

    def _count_tokens(self, logs: dict[str, float]) -> None:
        # TRL counts the tokens of the batches, padding left out; the first count of this process is its zero.
        if "num_tokens" in logs and self._tokens_before is None:
            self._tokens_before, self._run.train_seconds = logs["num_tokens"], 0.0
        elif "num_tokens" in logs and self._tokens_before is not None and self._run.train_seconds > 0:
            trained = logs["num_tokens"] - self._tokens_before
            self._run.tokens_per_second = round(trained / self._run.train_seconds, 1)
            self._progress.tokens_per_second = self._run.tokens_per_second


def _publish(trainer: "_Trainer", base: Base, style: PromptStyle, folder: Path) -> None:
    """Write the adapter whole: first beside its place, then each file in one step, its weights last."""
    staging = folder / ".adapter.tmp"
    shutil.rmtree(staging, ignore_errors=True)
    with _readable_failures(folder, None):
        trainer.model.save_pretrained(staging, save_embedding_layers=False)
    peft_config = staging / "adapter_config.json"
    settings = json.loads(peft_config.read_bytes())
    settings["base_model_name_or_path"] = base.source  # not the cache folder of this machine
    write_atomically(peft_config, json.dumps(settings, ensure_ascii=False, indent=2).encode("utf-8") + b"\n")
    save_style(style, staging)
    for name in (PROMPT_FILE, "adapter_config.json", ADAPTER_FILE):
        (staging / name).replace(folder / name)
    shutil.rmtree(staging)


def _seal(checkpoint: Path) -> None:
    """Write down, last of all, what a complete checkpoint holds: a save that was killed has no such file."""
    digests = {path.name: _sha256(path) for path in sorted(checkpoint.iterdir()) if path.name != COMPLETE_FILE}
    write_atomically(checkpoint / COMPLETE_FILE, json.dumps(digests, indent=2).encode("utf-8") + b"\n")


def _is_complete(checkpoint: Path) -> bool:
    try:
        digests = json.loads((checkpoint / COMPLETE_FILE).read_bytes())
        return all(_sha256(checkpoint / name) == digest for name, digest in digests.items())
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _readable_failures(folder: Path, config: TrainConfig | None) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        assert config is not None
        smaller = max(1, config.batch_size // 2)
        raise UserError(
            f"{folder}: the GPU's memory is full; train with --batch-size {smaller}"
            f" --accumulation-steps {config.accumulation_steps * 2}, or with --gradient-checkpointing"
        ) from None
    except (OSError, RuntimeError, SafetensorError) as error:
        # A full disk reaches us as three different errors, of which only one says so.
        if shutil.disk_usage(folder).free > 2**24 and "No space left" not in str(error):
            raise
        raise UserError(f"{folder}: the disk is full; make room, then go on with --resume {folder}") from error


def _keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next step, instead of giving it back and faulting it in again.

    Measured on two cores with the embedded model: 1.5 times as many tokens a second. No effect elsewhere.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        for option, value in ((_M_MMAP_THRESHOLD, 2**30), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 2**28)):
            library.mallopt(option, value)


def _peak_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
