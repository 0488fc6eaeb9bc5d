"""Standard tasks: models handed to EleutherAI's lm-evaluation-harness, where that is installed, and what it found."""

import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from curation.errors import UserError
from curation.records import read_bytes
from phi2chat.config import DeviceConfig
from phi2chat.evaluation.contenders import Progress
from phi2chat.evaluation.results import ModelRow
from phi2chat.terminal.interrupts import noting_interrupts
from phi2chat.terminal.safe_text import safe

PACKAGE = "lm_eval"
FOLDER = "lm-eval"


@dataclass(frozen=True)
class TaskScore:
    """A figure of a task as the harness names it, such as acc or exact_match, and its standard error if it has one."""

    model: str
    task: str
    metric: str
    value: float
    error: float | None


def require_harness(rows: Sequence[ModelRow]) -> None:
    """Raise UserError where the harness is missing, or a model is one that it cannot be handed."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise UserError('--lm-eval: needs lm-evaluation-harness; run `pip install "lm_eval[hf]"`')
    if served := [row.label for row in rows if row.kind == "endpoint"]:
        raise UserError(f"--lm-eval: {served[0]} is a server's; run lm_eval itself with its model local-completions")


def run_harness(
    rows: Sequence[ModelRow], tasks: str, folder: Path, device: DeviceConfig, batch_size: int, progress: Progress
) -> list[TaskScore]:
    """Let the harness ask every model its tasks, one model after the other; its files stay in the folder.

    Raises UserError where it fails; what it says is on stderr by then.
    """
    from phi2chat.weights.bases import find_base
    from phi2chat.weights.models import place, spell_dtype

    where, dtype = place(device)
    scores: list[TaskScore] = []
    for number, row in enumerate(rows, start=1):
        assert row.base is not None
        progress(f"lm-evaluation-harness: {row.label}, {tasks}")
        model = {"pretrained": str(find_base(row.base, progress).folder),
                 "dtype": "bfloat16" if spell_dtype(dtype) == "bf16" else "float32"}  # fmt: skip
        if row.adapter is not None:
            model["peft"] = row.adapter
        output = folder / FOLDER / f"{number}.json"
        command = [sys.executable, "-m", PACKAGE, "run", "--model", "hf", "--model_args", json.dumps(model)]
        command += ["--tasks", tasks, "--device", str(where), "--batch_size", str(batch_size)]
        with (
            noting_interrupts(),
            subprocess.Popen(
                [*command, "--output_path", str(output)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as harness,
        ):
            assert harness.stdout is not None
            _pass_on(harness.stdout)
            code = harness.wait()
        if code < 0:
            raise KeyboardInterrupt
        files = sorted(output.parent.glob(f"{number}_*.json"))
        if code or not files:
            raise UserError(
                f"--lm-eval {tasks}: lm-evaluation-harness stopped with exit code {code}; it says why above"
            )
        scores += _read(files[-1], row.label)
    return scores


def _pass_on(said: IO[bytes]) -> None:
    """Print on stderr what the harness says, made visible; its bars still redraw their line."""
    with io.TextIOWrapper(said, encoding="utf-8", errors="replace", newline="") as lines:  # \r ends a line here, too
        for line in lines:
            text = line.rstrip("\r\n")
            print(safe(text), end=line[len(text) :], file=sys.stderr, flush=True)


def _read(file: Path, label: str) -> Iterator[TaskScore]:
    try:
        results = json.loads(read_bytes(file))["results"]
        for task, figures in results.items():
            for name, value in figures.items():
                metric, _, variant = name.partition(",")
                if (
                    metric.endswith("_stderr")
                    or isinstance(value, bool)
                    or not isinstance(value, int | float)
                    or not variant
                ):
                    continue
                error = figures.get(f"{metric}_stderr,{variant}")
                yield TaskScore(label, task, metric if variant == "none" else f"{metric} ({variant})", float(value),
                                float(error) if isinstance(error, int | float) else None)  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{file}: is not what lm-evaluation-harness writes; another version of it may do") from None
