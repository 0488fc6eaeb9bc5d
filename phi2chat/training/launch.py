"""One training in several processes: started through accelerate's launcher, stopped together, with one ending to tell.

The command calls `launch`, which starts the same command once for every process. Each of these runs it within
`telling_the_launcher`, and how one ends is written to a folder that the launcher made and reads.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import click

from curation.errors import UserError, first_line
from phi2chat.config import TrainConfig
from phi2chat.training.processes import count, is_main, rank

_ENDINGS = "PHI2CHAT_ENDINGS"  # in the environment: the folder in which a process writes how it ended
_KINDS = ("NO", "MULTI_CPU", "MULTI_GPU", "FSDP", "DEEPSPEED")  # of accelerate's configurations, those that work here
_ON_GPUS = ("FSDP", "DEEPSPEED")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STOPPED = 130


def is_to_launch(config: TrainConfig) -> bool:
    """Whether the settings ask for processes that are still to be started."""
    return count() == 1 and _ENDINGS not in os.environ and ((config.gpus or 1) > 1 or bool(config.accelerate_config))


def launch(config: TrainConfig, show: Callable[[str], None]) -> None:
    """Run this command line again as one training in several processes, until all of them have ended.

    Ctrl-C, SIGTERM and SIGHUP reach all of them as Ctrl-C, and at the third all are killed. `show` gets the traceback
    of a bug. Raises UserError for what a process found wrong and for what cannot be started, KeyboardInterrupt where
    they were stopped at once, and click's Exit where they have told the user all there is to tell.
    """
    arguments = _arguments(config)
    from accelerate.utils import patch_environment

    for name in ("torch.distributed", "accelerate"):  # what they say of failures, the endings say in one sentence
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="phi2chat-") as folder:
        # Torch would tell, in lines of its own, how connections end when a process does.
        with patch_environment(**{_ENDINGS: folder, "TORCH_CPP_LOG_LEVEL": "ERROR"}):
            failed, interrupts = _run(arguments)
        endings = [json.loads(path.read_bytes()) for path in sorted(Path(folder).iterdir())]
    _tell(endings, failed, interrupts, show)


def _arguments(config: TrainConfig) -> list[str]:
    """Of `accelerate launch`. Raises UserError for what cannot be started."""
    arguments = ["--num_machines", "1", "--num_cpu_threads_per_process"]
    arguments += [os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // (config.gpus or 1)))]
    if config.accelerate_config:
        arguments += _of_file(config.accelerate_config, config)
    else:
        _require_gpus(config.gpus or 1, config)
        arguments += ["--multi_gpu", "--num_processes", str(config.gpus), "--main_process_port", "0"]
        # Named, so that a default configuration of the user's does not decide them.
        arguments += ["--gpu_ids", "all", "--mixed_precision", "no", "--dynamo_backend", "no"]
    return [*arguments, "--module", "phi2chat", *sys.argv[1:]]


def _of_file(path: Path, config: TrainConfig) -> list[str]:
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.utils import is_deepspeed_available

    if not path.is_file():
        raise UserError(f"{path}: no such file; write one with `accelerate config --config_file {path}`")
    try:
        settings = load_config_from_file(str(path))
        kind = str(getattr(settings.distributed_type, "value", settings.distributed_type))
        processes, machines = config.gpus or int(settings.num_processes), int(settings.num_machines)
    except Exception as error:  # a library reads a file that is not ours
        raise UserError(
            f"{path}: is no configuration of accelerate ({first_line(error)});"
            " write one with `accelerate config --config_file`"
        ) from error
    if kind not in _KINDS:
        raise UserError(f"{path}: distributed_type: {kind} is not supported; take one of {', '.join(_KINDS)}")
    if machines > 1:
        raise UserError(f"{path}: num_machines: {machines} machines are not supported; take GPUs of one")
    if processes < 2:
        raise UserError(f"{path}: num_processes: {processes} is one process; write 2 or more, or give --gpus")
    if kind in _ON_GPUS and config.device == "cpu":
        raise UserError(f"{path}: distributed_type: {kind} works on GPUs alone; leave out --device cpu")
    if kind == "DEEPSPEED" and not is_deepspeed_available():
        raise UserError(f"{path}: asks for DeepSpeed, which is not installed; `pip install deepspeed`, or take FSDP")
    _require_gpus(processes, config)
    arguments = ["--config_file", str(path), "--num_processes", str(processes)]
    if settings.main_process_port is None:
        arguments += ["--main_process_port", "0"]
    if kind == "FSDP":  # a checkpoint has the adapter whole, so that it can be talked to
        arguments += ["--fsdp_state_dict_type", "FULL_STATE_DICT"]
    return arguments if kind in _ON_GPUS else [*arguments, "--multi_gpu"]


def _require_gpus(wanted: int, config: TrainConfig) -> None:
    import torch

    if config.device == "cpu":
        return
    there = torch.cuda.device_count()
    if there == 0:
        raise UserError(
            f"--gpus {wanted}: torch sees no GPU; `phi2chat doctor` says why, or train in {wanted} processes"
            " with --device cpu"
        )
    if wanted > there:
        raise UserError(f"--gpus {wanted}: torch sees {there}; give a smaller number")


def _run(arguments: list[str]) -> tuple[BaseException | None, int]:
    """Start the processes and wait for them: why the launcher failed, if it did, and how often it was interrupted."""
    import psutil
    from accelerate.commands.launch import launch_command, launch_command_parser

    parsed = launch_command_parser().parse_args(arguments)
    errors: list[BaseException] = []
    interrupts = 0

    def start() -> None:
        try:
            launch_command(parsed)
        except (Exception, SystemExit) as error:  # the endings say why; where they do not, this does
            errors.append(error)

    def pass_on(signum: int, frame: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += 1
        for process in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGINT if interrupts < 3 else signal.SIGKILL)

    # In a thread, for there torch leaves signals alone: in the main one it would kill what has not stopped in time.
    thread = threading.Thread(target=start, daemon=True)
    before = [signal.signal(signum, pass_on) for signum in _SIGNALS]
    try:
        thread.start()
        thread.join()
    finally:
        for signum, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(signum, handler)
    return (errors[0] if errors else None), interrupts


def _tell(
    endings: list[dict[str, Any]], failed: BaseException | None, interrupts: int, show: Callable[[str], None]
) -> None:
    killed = _killed(failed, {ending["rank"] for ending in endings})
    if killed and not interrupts:  # the others met only what that left behind
        raise UserError(killed) from failed
    if not endings:
        if interrupts:  # before the processes could note it, or three times
            raise KeyboardInterrupt
        if failed:
            raise failed
        return
    first = endings[0]
    if first["os_error"]:
        raise OSError(*first["os_error"])
    if first["sentence"]:
        raise UserError(first["sentence"])
    if first["traceback"]:
        show(first["traceback"])
    if first["code"] == _STOPPED and not first["told"]:
        raise KeyboardInterrupt
    raise click.exceptions.Exit(first["code"])


def _killed(failed: BaseException | None, told: set[int]) -> str:
    """A sentence on the process that ended without a word, if one did."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    failures = failed.failures if isinstance(failed, ChildFailedError) else {}
    for number, failure in failures.items():
        if number not in told:
            code = failure.exitcode
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
            return f"process {number} {how}, which ends all; if memory ran out, train with a smaller --batch-size"
    return ""


@contextlib.contextmanager
def telling_the_launcher() -> Iterator[None]:
    """Within, errors and exits of a process that `launch` started are written down for it; elsewhere they pass.

    What libraries print is heard of the main process alone.
    """
    folder = os.environ.get(_ENDINGS)
    if not folder:
        yield
        return
    if not is_main():
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)

    def write(code: int, sentence: str = "", bug: str = "", told: bool = False, os_error: tuple[Any, ...] = ()) -> None:
        ending = {"rank": rank(), "code": code, "sentence": sentence, "traceback": bug, "told": told}
        ending["os_error"] = os_error
        # A name of the time, so that they sort; written elsewhere, for a name stands for a whole file.
        unfinished = Path(f"{folder}.{rank()}")
        unfinished.write_text(json.dumps(ending), encoding="utf-8")
        unfinished.replace(Path(folder) / f"{time.time_ns():020}-{rank()}")

    try:
        yield
    except click.exceptions.Exit as end:
        # Code 0 to torch, which otherwise would end the processes that are still writing.
        write(end.exit_code, told=True)
        raise click.exceptions.Exit(0) from None
    except KeyboardInterrupt:
        write(_STOPPED)
        raise click.exceptions.Exit(_STOPPED) from None
    except UserError as error:
        write(1, sentence=str(error))
        raise click.exceptions.Exit(1) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the front door has a sentence for some
            write(1, os_error=(error.errno, error.strerror, error.filename))
            raise click.exceptions.Exit(1) from None
        write(1, bug="".join(traceback.format_exception(error)))
        raise click.exceptions.Exit(1) from None
