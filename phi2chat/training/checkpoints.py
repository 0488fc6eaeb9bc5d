"""Checkpoints that can be told whole from torn: sealed last of all, checked before one is used, old ones removed after.

A checkpoint has all that a run needs to go on and to end: the best adapter so far is in it too.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from curation.atomic import fsync, write_all, write_atomically
from curation.errors import UserError
from phi2chat.files import sha256_of
from phi2chat.inference.prompt import PROMPT_FILE
from phi2chat.training.processes import is_main
from phi2chat.weights.model_card import CARD
from phi2chat.weights.run import ADAPTER_CONFIG, ADAPTER_FILE, CHECKPOINTS

COMPLETE_FILE = "complete.json"
BEST_FILE = "best.safetensors"  # the adapter with the lowest eval loss so far, where it is not that of the checkpoint
TRAINER_STATE = "trainer_state.json"
# In every one; what Trainer names the rest depends on how many processes there are, and on who shares the model out.
PARTS = {ADAPTER_FILE, ADAPTER_CONFIG, PROMPT_FILE, TRAINER_STATE}
KEPT = 2  # where the newest is damaged one day, there is another
_UNFINISHED = "was not written to its end"


@dataclass(frozen=True)
class Position:
    """Where in its run a checkpoint stands, in steps; `best_step` is None before the first evaluation."""

    step: int
    total_steps: int
    best_step: int | None


def complete_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run whose files are all as they were written, oldest first."""
    return [path for path in _checkpoints(folder / CHECKPOINTS) if not find_fault(path)]


def find_fault(checkpoint: Path) -> str | None:
    """What keeps a checkpoint from being used: a file that is damaged or missing, or no end. None for a whole one."""
    try:
        manifest = (checkpoint / COMPLETE_FILE).read_bytes()
        digests = json.loads(manifest)["files"]
        if manifest != _manifest(digests) or not PARTS.issubset(digests):
            return f"{COMPLETE_FILE} is damaged"
    except FileNotFoundError:
        return _UNFINISHED
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{COMPLETE_FILE} is damaged"
    except OSError as error:
        return f"{COMPLETE_FILE} cannot be read ({error.strerror})"
    for name, digest in digests.items():
        try:
            if sha256_of(checkpoint / name) != digest:
                return f"{name} is damaged"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return None


def choose_checkpoint(folder: Path, say: Callable[[str], None]) -> Path | None:
    """The newest whole checkpoint, None where there is none; `say` hears which, and why a newer one was passed over.

    Those that cannot be used are removed, for the run will write them again.
    """
    checkpoints = _checkpoints(folder / CHECKPOINTS)
    faults = {path: fault for path in checkpoints if (fault := find_fault(path))}
    chosen = next((path for path in reversed(checkpoints) if path not in faults), None)
    way_on = f"going on from {chosen.name}" if chosen else "beginning anew, for there is no whole checkpoint"
    passed_over = [path for path in faults if not chosen or _step(path) > _step(chosen)]
    for path in passed_over:
        say(f"{path}: {faults[path]}; {way_on}")
    if not passed_over:
        say(way_on)
    for path in faults if is_main() else ():
        _remove(path)
    return chosen


def read_position(checkpoint: Path) -> Position:
    """Where a whole checkpoint stands."""
    state = json.loads((checkpoint / TRAINER_STATE).read_bytes())
    return Position(state["global_step"], state["max_steps"], state["best_global_step"])


def finish_checkpoint(checkpoint: Path) -> None:
    """Make a whole checkpoint of what the trainer has just written, and remove those that are not needed any more.

    In this order, so that there is a whole one at every moment; each file is on the disk before the seal is.
    """
    _keep_best(checkpoint)
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != COMPLETE_FILE)
    for path in (*files, checkpoint, checkpoint.parent, checkpoint.parent.parent):
        fsync(path)
    digests = {path.relative_to(checkpoint).as_posix(): sha256_of(path) for path in files}
    write_atomically(checkpoint / COMPLETE_FILE, _manifest(digests))
    sealed = [path for path in _checkpoints(checkpoint.parent) if (path / COMPLETE_FILE).exists()]
    for path in _checkpoints(checkpoint.parent):
        if path not in sealed[-KEPT:]:
            _remove(path)


def _remove(checkpoint: Path) -> None:
    """Remove a checkpoint, its seal first: one whose removal is cut off is never taken for a damaged one."""
    (checkpoint / COMPLETE_FILE).unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)


def remove_unusable(folder: Path) -> None:
    """Remove the checkpoints of a run that are not whole, such as what a save that failed left."""
    for path in _checkpoints(folder / CHECKPOINTS):
        if find_fault(path):
            _remove(path)


def publish_best(checkpoint: Path, base_source: str, folder: Path, card: str) -> None:
    """Write the best adapter of a whole checkpoint and its model card to the folder of its run, the weights last."""
    settings = json.loads((checkpoint / ADAPTER_CONFIG).read_bytes())
    settings["base_model_name_or_path"] = base_source  # not the cache folder of this machine
    best = checkpoint / BEST_FILE
    write_all(
        {
            folder / CARD: card.encode("utf-8"),
            folder / PROMPT_FILE: (checkpoint / PROMPT_FILE).read_bytes(),
            folder / ADAPTER_CONFIG: json.dumps(settings, ensure_ascii=False, indent=2).encode("utf-8") + b"\n",
            folder / ADAPTER_FILE: (best if best.exists() else checkpoint / ADAPTER_FILE).read_bytes(),
        }
    )


def _keep_best(checkpoint: Path) -> None:
    """Copy the best adapter so far into a checkpoint that is not itself the best, from the one before it."""
    position = read_position(checkpoint)
    (checkpoint / BEST_FILE).unlink(missing_ok=True)
    if position.best_step in (None, position.step):
        return
    for earlier in reversed(_checkpoints(checkpoint.parent)):
        if earlier != checkpoint and not find_fault(earlier) and read_position(earlier).best_step == position.best_step:
            best = earlier / (ADAPTER_FILE if position.best_step == _step(earlier) else BEST_FILE)
            shutil.copyfile(best, checkpoint / BEST_FILE)
            return
    raise UserError(
        f"{checkpoint.parent}: the checkpoint before {checkpoint.name} is damaged, and the best adapter with it;"
        " check the disk, and train again"
    )


def _checkpoints(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    return sorted(found, key=_step)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _manifest(digests: dict[str, str]) -> bytes:
    own = hashlib.sha256(json.dumps(digests).encode()).hexdigest()  # else a flipped bit here would blame another file
    return json.dumps({"files": digests, "sha256": own}, indent=2).encode() + b"\n"
