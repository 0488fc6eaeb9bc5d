"""What a run leaves behind: run.json, and checkpoints that can be told whole from torn."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curation.errors import UserError
from curation.records import read_bytes
from curation.store import write_atomically
from phi2chat import __version__

RUN_FILE = "run.json"
ADAPTER_FILE = "adapter_model.safetensors"
CHECKPOINTS = "checkpoints"
COMPLETE_FILE = "complete.json"
TRAINER_STATE = "trainer_state.json"  # what Trainer writes last


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
    tokens_per_second: float = 0.0
    peak_memory_gib: float = 0.0

    def save(self, folder: Path) -> None:
        """Write run.json."""
        content = json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=2)
        write_atomically(folder / RUN_FILE, content.encode("utf-8") + b"\n")


def read_run(folder: Path) -> Run:
    """The run.json of a folder."""
    path = folder / RUN_FILE
    try:
        run = Run(**json.loads(read_bytes(path)))
        kinds = ((run.base, str), (run.data, str), (run.config, dict), (run.sha256, dict))
        if not all(isinstance(value, kind) for value, kind in kinds) or "\0" in run.data:
            raise ValueError("not what save wrote")
        run.losses = [(int(step), float(loss)) for step, loss in run.losses]
        run.eval_losses = [(int(step), float(loss)) for step, loss in run.eval_losses]
        return run
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise UserError(f"{path}: is damaged or of another version; restore it or train again") from None


def complete_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints whose files are all as they were written, oldest first."""
    found = [path for path in (folder / CHECKPOINTS).glob("checkpoint-*") if _is_complete(path)]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def seal_checkpoint(checkpoint: Path) -> None:
    """Write down, last of all, what a complete checkpoint holds: a save that was killed has no such file."""
    files = (path for path in sorted(checkpoint.rglob("*")) if path.is_file() and path.name != COMPLETE_FILE)
    digests = {path.relative_to(checkpoint).as_posix(): _sha256(path) for path in files}
    write_atomically(checkpoint / COMPLETE_FILE, json.dumps(digests, indent=2).encode("utf-8") + b"\n")


def _is_complete(checkpoint: Path) -> bool:
    try:
        digests = json.loads((checkpoint / COMPLETE_FILE).read_bytes())
        step = checkpoint.name.rpartition("-")[2]
        if not step.isdecimal() or not {ADAPTER_FILE, TRAINER_STATE}.issubset(digests):
            return False
        return all(_sha256(checkpoint / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
