"""Trains, kills itself at a given point, and resumes: a process of its own, which forks once it has imported torch.

Reads JSON from stdin: the data and settings of the run, and for every case its folder and the deaths of the processes
that come one after the other; after them one comes that lives. Writes a line of JSON a case. How a process can die:

  {"step": 3}                after step 3, when its loss is known
  {"before": "os.rmdir x"}   before Python first changes the folder of the run in a way whose journal line begins so
  {"change": 40}             before the 40th such change
  {"size": 9000, "from": 3}  after step 3, in the write that makes a file larger than that, also from C++ and Rust

Between two processes a file in the folder of the run can come to harm: {"flip": path}, or truncate, empty or remove.
"""

import json
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from phi2chat.config import TrainConfig, from_json
from phi2chat.training.sft import make_trainer
from phi2chat.training.trainer import resume, train
from phi2chat.training.watcher import Progress

assert make_trainer  # imported before the forks, with trl and all
CHANGES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir"}


def flip(path: Path) -> None:
    """Flip a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


HARMS: dict[str, Callable[[Path], object]] = {
    "flip": flip,
    "truncate": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "remove": lambda path: path.unlink(),
}


class Doomed:
    """A Reporter that writes down what it hears and which batches are read, and dies where it is told to."""

    def __init__(self, folder: Path, journal: Path, death: dict[str, Any]) -> None:
        self._folder, self._death, self._changes = folder, death, 0
        self._reads_batches = False
        self._journal = journal
        torch.nn.modules.module.register_module_forward_pre_hook(self._see_batch)
        sys.addaudithook(self._see_change)

    def status(self, text: str) -> None:
        self._write("said", text)

    note = status

    def training_progress(self, progress: Progress) -> None:
        if not self._reads_batches:  # no step since the last report
            return
        self._reads_batches = False
        self._write("step", progress.step)
        if progress.step == self._death.get("step"):
            os.kill(os.getpid(), signal.SIGKILL)
        if progress.step == self._death.get("from"):
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._death["size"], resource.RLIM_INFINITY))

    def _see_batch(self, module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, torch.nn.Embedding) and module.training and not inputs[0].is_meta:  # the estimate's are
            self._reads_batches = True
            self._write("batch", inputs[0].tolist())

    def _see_change(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in CHANGES or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        path = os.fsdecode(arguments[0])
        if Path(path).is_absolute() and not path.startswith(f"{self._folder}/"):
            return  # a relative one comes from the removal of a tree, which goes by file descriptors
        change = f"{event} {path.removeprefix(f'{self._folder}/')}"
        self._changes += 1
        self._write("change", change)
        if self._changes == self._death.get("change") or change.startswith(self._death.get("before", "\0")):
            os.kill(os.getpid(), signal.SIGKILL)

    def _write(self, kind: str, what: object) -> None:
        write_down(self._journal, kind, what)


def write_down(journal: Path, kind: str, what: object) -> None:
    """Add a line to the journal, which stands outside of the folder of the run."""
    with journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps([kind, what]) + "\n")


def live(folder: Path, journal: Path, death: dict[str, Any], data: Path, config: TrainConfig) -> None:
    """Train, or go on with the run that is there, until death."""
    reporter = Doomed(folder, journal, death)
    if (folder / "run.json").exists():
        resume(folder, reporter)
    else:
        train(data, config, reporter)


def in_a_child(work: Callable[[], object]) -> int:
    """Do it in a fork, and return the wait status."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def live_and_die(order: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """A case, with the wait statuses of its processes."""
    folder, journal = Path(case["place"]) / "run", Path(case["place"]) / "journal.jsonl"
    folder.parent.mkdir(parents=True, exist_ok=True)
    config = from_json(TrainConfig, {**order["config"], "output_dir": str(folder)}, "the test")
    codes = []
    for death in [*case["deaths"], {}]:
        if harm := HARMS.keys() & death.keys():
            HARMS[harm.pop()](folder / next(iter(death.values())))
            continue
        write_down(journal, "process", len(codes))
        codes.append(in_a_child(partial(live, folder, journal, death, Path(order["data"]), config)))
    return {**case, "codes": codes}


def main() -> None:
    torch.set_num_threads(1)  # no threads before a fork
    order = json.load(sys.stdin)
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        for case in pool.imap(partial(live_and_die, order), order["cases"]):
            print(json.dumps(case), flush=True)


if __name__ == "__main__":
    main()
