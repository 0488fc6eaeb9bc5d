"""What a run leaves behind: run.json, with everything that decided it and what came of it."""

import dataclasses
import json
import subprocess
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curation.atomic import write_atomically
from curation.errors import UserError
from curation.records import read_bytes
from phi2chat import __version__

RUN_FILE = "run.json"
ADAPTER_FILE = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
CHECKPOINTS = "checkpoints"
CURVES = ("losses", "eval_losses", "learning_rates", "grad_norms", "probe_scores", "script_passes")

Curve = list[tuple[int, float]]  # by step


@dataclass
class Run:
    """What run.json holds: everything that decides a run, and what came of it.

    `git` is the commit that the user's folder was at, and whether files had been changed since. `data_changes` has
    the step and the former SHA-256 of the data, for each time that the run went on with data that had changed.
    """

    base: str
    data: str
    config: dict[str, Any]
    sha256: dict[str, str]
    status: str = "running"
    made: str = ""  # when it began, in UTC as ISO 8601
    phi2chat: str = __version__
    versions: dict[str, str] = field(default_factory=dict)
    git: dict[str, Any] | None = None
    data_changes: list[dict[str, Any]] = field(default_factory=list)
    device: str = ""
    precision: str = ""
    lora_modules: list[str] = field(default_factory=list)
    trainable_parameters: int = 0
    records: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)  # of the train records' answers
    dropped: list[str] = field(default_factory=list)
    losses: Curve = field(default_factory=list)
    eval_losses: Curve = field(default_factory=list)
    learning_rates: Curve = field(default_factory=list)
    grad_norms: Curve = field(default_factory=list)
    probe_scores: Curve = field(default_factory=list)  # of --probes
    script_passes: Curve = field(default_factory=list)
    best_step: int | None = None
    steps: int = 0
    first_step_seconds: float = 0.0  # from the moment that the base was loaded
    tokens_per_second: float = 0.0
    peak_memory_gib: float = 0.0

    @property
    def chosen_as(self) -> str:
        """What the step that was kept is among all: the last, or the best by what it was chosen by."""
        by = str(self.config.get("select_by", "eval-loss"))
        return {"last": "last", "eval-loss": "best"}.get(by, f"best by {by}")

    def save(self, folder: Path) -> None:
        """Write run.json."""
        content = json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=2)
        write_atomically(folder / RUN_FILE, content.encode("utf-8") + b"\n")


def read_run(folder: Path) -> Run:
    """The run.json of a folder."""
    path = folder / RUN_FILE
    try:
        run = Run(**json.loads(read_bytes(path)))
        if not all(_fits(value, _TYPES[name]) for name, value in vars(run).items()) or "\0" in run.data:
            raise ValueError("not what save wrote")
        for name in CURVES:
            setattr(run, name, [(int(step), float(value)) for step, value in getattr(run, name)])
        return run
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise UserError(f"{path}: is damaged or of another version; restore it or train again") from None


def run_dir_of(adapter: Path) -> Path | None:
    """The folder of the run that an adapter, or a checkpoint of one, comes from; None where it is somebody else's."""
    folders = (adapter, adapter.resolve().parent.parent)
    return next((folder for folder in folders if (folder / RUN_FILE).exists()), None)


def run_of(adapter: Path) -> Run | None:
    """The run of `run_dir_of`. Raises UserError for a run.json that is damaged."""
    folder = run_dir_of(adapter)
    return read_run(folder) if folder else None


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value that JSON holds is of the type of a field; in `Any` is whatever there is."""
    outer, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
    if outer is types.UnionType:
        return any(_fits(value, one) for one in inner)
    if outer is dict:
        return isinstance(value, dict) and all(_fits(one, inner[1]) for one in value.values())
    if outer is list:
        return isinstance(value, list) and all(_fits(one, inner[0]) for one in value)
    if outer is tuple:  # which JSON writes as a list
        pairs = isinstance(value, list) and len(value) == len(inner)
        return pairs and all(_fits(one, of) for one, of in zip(value, inner, strict=True))
    wanted: Any = {float: (int, float), Any: object}.get(outer, outer)
    return isinstance(value, wanted) and (wanted is object or not isinstance(value, bool))


_TYPES = typing.get_type_hints(Run)


def read_git_state(folder: Path) -> dict[str, Any] | None:
    """The commit that a folder is at, and whether a file that git knows has changed since; None outside of git."""
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return None if commit is None or changes is None else {"commit": commit, "dirty": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    # Git only looks here: it takes no lock, and starts no program that the repository names.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip()
