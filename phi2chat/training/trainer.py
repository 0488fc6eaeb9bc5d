"""Examples -> TRL's SFTTrainer with a LoRA adapter -> adapter, prompt.json and run.json in the folder of the run."""

import contextlib
import dataclasses
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from curation.errors import UserError
from phi2chat import config as configs
from phi2chat.config import TrainConfig
from phi2chat.files import sha256_of
from phi2chat.inference.examples import Sides, read_sides
from phi2chat.inference.prompt import PROMPT_FILE, load_style
from phi2chat.quiet import quiet_transformers
from phi2chat.terminal.interrupts import Interrupt, noting_interrupts
from phi2chat.training.behaviour import MEASURED, Examiner, read_selecting_probes
from phi2chat.training.checkpoints import (
    choose_checkpoint,
    complete_checkpoints,
    publish_best,
    read_position,
    remove_unusable,
)
from phi2chat.training.failures import readable_failures, way_on
from phi2chat.training.prepare import Prepared, prepare
from phi2chat.training.processes import count, is_main, leave
from phi2chat.training.sampler import SAMPLES, Sampler, read_probes
from phi2chat.training.sft import make_trainer, require_trackers
from phi2chat.training.watcher import Reporter, Watcher
from phi2chat.weights.bases import Base, find_base
from phi2chat.weights.model_card import CARD, Subject, write_card
from phi2chat.weights.run import ADAPTER_CONFIG, ADAPTER_FILE, RUN_FILE, Run, read_git_state, read_run
from phi2chat.weights.snapshot import RECORDS_FILE, save_records

WRITTEN = (RUN_FILE, PROMPT_FILE, ADAPTER_CONFIG, ADAPTER_FILE, "loss.png", CARD, SAMPLES, RECORDS_FILE)
STOPPING = "stopping after this step, with a checkpoint; Ctrl-C again stops at once"


def train(data: Path, config: TrainConfig, reporter: Reporter) -> tuple[Path, Run]:
    """Fine-tune a LoRA adapter and write it, with run.json, to the folder of the run, which is returned.

    Loss is on the completion only; `eval_loss` is mean nats per completion token. The best checkpoint by eval loss
    becomes the adapter. After Ctrl-C the status of the run is "interrupted" and a checkpoint is there to resume.
    Raises UserError for whatever the user can mend.
    """
    folder = config.output_dir or Path("runs") / f"{data.stem}-{Path(config.base).name}"
    if is_main():
        _refuse_to_write_over(folder)
    if count() > 1:
        config = dataclasses.replace(config, gpus=count())
    sides = _read_all(data, config)
    _require_extras(config)
    base = find_base(config.base, reporter.status)
    run = Run(base.name, str(data), configs.to_json(dataclasses.replace(config, output_dir=folder)), sides.sha256)
    run.made = datetime.now(UTC).isoformat(timespec="seconds")
    run.git = read_git_state(Path.cwd())
    prepared = prepare(run, config, sides, base, reporter)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}); give another --output-dir") from None
    with _only_training_in(folder):
        if is_main():
            _refuse_to_write_over(folder)  # another training may have been here meanwhile
            remove_unusable(folder)
            save_records(folder, sides)
        _train(folder, run, config, prepared, None, reporter)
    return folder, run


def resume(folder: Path, reporter: Reporter, allow_changed_data: bool = False) -> tuple[Path, Run]:
    """Go on with an interrupted run from its newest whole checkpoint, with the settings it began with.

    On a CPU the run ends with the same adapter, bit for bit, as one that was never stopped. Where no checkpoint is
    whole, the run begins anew. Raises UserError for data that has changed, unless that is allowed.
    """
    read_run(folder)  # before a lock is made, in what may be no folder of ours
    with _only_training_in(folder):
        run = read_run(folder)
        if run.status == "finished":
            raise UserError(
                f"{folder}: this run has finished; chat with it, `phi2chat repl --adapter {shlex.quote(str(folder))}`"
            )
        config = configs.from_json(TrainConfig, run.config, where=str(folder / RUN_FILE))
        _require_extras(config)
        if count() != (config.gpus or 1):
            raise UserError(
                f"{folder}: this run began with {config.gpus or 1} processes, and these are {count()};"
                f" go on with `phi2chat train --resume {folder}`"
            )
        sides = _read_all(Path(run.data), config)
        changed = sorted(path for path in sides.sha256.keys() | run.sha256.keys() if _changed(path, sides, run))
        if changed and not allow_changed_data:
            raise UserError(
                f"{', '.join(changed)}: has changed since this run began; restore the file to resume, train again"
                " into another --output-dir, or go on with it as it is with --allow-changed-data"
            )
        run.config["output_dir"] = str(folder)  # it may have been moved
        base = find_base(run.base, reporter.status)
        checkpoint = choose_checkpoint(folder, reporter.note)
        position = read_position(checkpoint) if checkpoint else None
        if changed:
            run.data_changes.append({"step": position.step if position else 0, "sha256": run.sha256})
            run.sha256 = sides.sha256
            reporter.note(f"{', '.join(changed)}: has changed since this run began; run.json keeps both hashes")
            if is_main():
                save_records(folder, sides)
        if checkpoint and position and position.step >= position.total_steps:  # all but the end was done
            if is_main():
                _finish(run, folder, checkpoint, base)
        else:
            _train(folder, run, config, prepare(run, config, sides, base, reporter), checkpoint, reporter)
    return folder, run


def _read_all(data: Path, config: TrainConfig) -> Sides:
    """The sides, with the SHA-256 of the probes among those of the data where probes choose: both have to stay."""
    sides = read_sides(data, config)
    if config.probes is None or config.select_by not in MEASURED or not Path(config.probes).is_file():
        return sides
    return dataclasses.replace(sides, sha256={**sides.sha256, str(config.probes): sha256_of(Path(config.probes))})


def _require_extras(config: TrainConfig) -> None:
    """Find out before a model is looked for whether what was asked for besides the training can be done."""
    require_trackers(config)
    if config.sample_every and config.accelerate_config:
        raise UserError("--sample-every: asks one process, and --accelerate-config may share the model out; give one")
    if config.sample_file:
        read_probes(config.sample_file)
    read_selecting_probes(config)


def _train(
    folder: Path, run: Run, config: TrainConfig, prepared: Prepared, checkpoint: Path | None, reporter: Reporter
) -> None:
    with _noting_interrupts() as interrupt:
        with readable_failures(folder, config):
            trainer = make_trainer(folder, run, config, prepared, checkpoint is None, reporter)
        if probes := read_selecting_probes(config):
            trainer.examiner = Examiner(probes, prepared.tokenizer, prepared.style, interrupt)
            trainer.select_by = config.select_by
        trainer.add_callback(Watcher(run, folder, prepared.style, interrupt, reporter, prepared.loaded_at))
        if config.sample_every and is_main():
            tokenizer, style = prepared.tokenizer, prepared.style
            sampler = Sampler(prepared.probes, config.sample_every, folder, tokenizer, style, interrupt, reporter)
            trainer.add_callback(sampler)
        run.lora_modules = sorted({name.rpartition(".")[2] for name in trainer.model.targeted_module_names})
        run.trainable_parameters = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        trained = f"{run.trainable_parameters:,} parameters in {', '.join(run.lora_modules)}"
        reporter.note(f"training {trained}")
        reporter.note(f"on {len(prepared.train.examples)} records, with {len(prepared.eval.examples)} for eval")
        if count() > 1:
            records = count() * config.batch_size * config.accumulation_steps
            reporter.note(f"in {count()} processes of {config.batch_size} records, {records} a step")
        run.status = "running"
        if is_main():
            run.save(folder)
        try:
            with readable_failures(folder, config), quiet_transformers():
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
                run.status = "interrupted" if trainer.state.global_step < trainer.state.max_steps else "finished"
                if is_main() and run.status == "interrupted":
                    run.save(folder)
                elif is_main():
                    _finish(run, folder, _last_checkpoint(folder, trainer.state.global_step), prepared.base)
            leave()
        except BaseException as error:
            # Of several processes that are interrupted, the last ones meet what the first one left behind.
            is_interrupted = isinstance(error, KeyboardInterrupt) or (interrupt.requested and count() > 1)
            run.status = "interrupted" if is_interrupted else "failed"
            if is_main():
                remove_unusable(folder)
            with contextlib.suppress(UserError):  # a full disk has been reported already
                run.save(folder)
            if run.status == "interrupted":
                reporter.note(f"stopped at once; {way_on(folder)}")
            raise


def _noting_interrupts() -> contextlib.AbstractContextManager[Interrupt]:
    # The launcher of several processes sends Ctrl-C, whatever it was sent itself; SIGTERM is for those that a process
    # which has failed leaves behind.
    return noting_interrupts(STOPPING if is_main() else "", terminate=count() == 1)


def _finish(run: Run, folder: Path, checkpoint: Path, base: Base) -> None:
    run.status = "finished"
    position = read_position(checkpoint)
    run.steps, run.best_step = position.step, position.best_step
    if run.config.get("select_by") == "last":
        run.best_step = position.step
    subject = Subject(
        "adapter", folder.resolve().name, base.name, base.source, base.folder, load_style(checkpoint), run
    )
    publish_best(checkpoint, base.source, folder, card=write_card(subject))
    run.save(folder)


def _last_checkpoint(folder: Path, step: int) -> Path:
    checkpoints = complete_checkpoints(folder)
    if not checkpoints or read_position(checkpoints[-1]).step != step:
        raise UserError(f"{folder}: the last checkpoint is not as it was written; check the disk and {way_on(folder)}")
    return checkpoints[-1]


def _changed(path: str, sides: Sides, run: Run) -> bool:
    return sides.sha256.get(path) != run.sha256.get(path)


def _refuse_to_write_over(folder: Path) -> None:
    if complete_checkpoints(folder):
        raise UserError(
            f"{folder}: already holds a run; give another folder with --output-dir,"
            f" or go on with --resume {shlex.quote(str(folder))}"
        )
    left = {name for name in WRITTEN if (folder / name).exists()}
    # One that got to no checkpoint has nothing to lose.
    is_of_a_start = left <= {RUN_FILE, RECORDS_FILE, SAMPLES} and left != {SAMPLES}
    if left and (not is_of_a_start or (RUN_FILE in left and read_run(folder).status == "finished")):
        names = ", ".join(name for name in WRITTEN if name in left)
        raise UserError(f"{folder}: already holds {names}; give another folder with --output-dir")


@contextlib.contextmanager
def _only_training_in(folder: Path) -> Iterator[None]:
    if not is_main():
        yield
        return
    try:
        with FileLock(folder / ".train.lock", timeout=0):
            for name in WRITTEN:
                for left in folder.glob(f".{name}.*.tmp"):  # of a run that was killed while it wrote the file
                    left.unlink()
            yield
    except Timeout:
        raise UserError(f"{folder}: another training is writing there; give another --output-dir") from None
