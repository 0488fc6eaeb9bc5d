"""The models of an evaluation: named and checked before any is loaded, then opened one after the other.

A base is loaded once for all of its adapters; what is not needed any more is given back before the next one comes.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Protocol

from curation.errors import UserError
from phi2chat.config import DEFAULT_BASE, DeviceConfig, EndpointConfig, ModelConfig
from phi2chat.evaluation.results import ModelRow
from phi2chat.weights.run import ADAPTER_FILE, read_run, run_dir_of

if TYPE_CHECKING:
    from phi2chat.chatting.chat import Model
    from phi2chat.weights.models import LoadedModel

Progress = Callable[[str], None]


class Status(Protocol):
    """Says what is under way, and how far it is."""

    def __call__(self, text: str, done: int = 0, total: int | None = None) -> None: ...


def name_models(
    base: str | None, adapters: Sequence[Path], with_base: bool, endpoint: str | None, served: Sequence[str]
) -> list[ModelRow]:
    """A row for each model that was asked for, with the base first.

    Raises UserError where an adapter is missing or does not say its base, or where one model is named twice.
    """
    rows = [_row_of_adapter(adapter, base) for adapter in adapters]
    if with_base or (not rows and endpoint is None):
        bases = list(dict.fromkeys(row.base for row in rows)) or [base or DEFAULT_BASE]
        rows = [*(ModelRow(str(name), "base", base=name) for name in bases), *rows]
    rows = [replace(row, label=label) for row, label in zip(rows, _short([row.label for row in rows]), strict=True)]
    if endpoint is not None:
        names = served or [""]
        rows += [
            ModelRow(f"{name or 'model'} at {endpoint}", "endpoint", endpoint=endpoint, server=name) for name in names
        ]
    labels = [row.label for row in rows]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise UserError(f"{twice[0]}: is named twice; name each model once")
    return rows


def require_unchanged(rows: Sequence[ModelRow]) -> None:
    """Raise UserError where an adapter is not the one that its row was made of."""
    for row in rows:
        if row.adapter is not None and _sha256(Path(row.adapter)) != row.adapter_sha256:
            raise UserError(f"{row.adapter}: has changed since the evaluation began; evaluate it anew")


def open_models(
    rows: Sequence[ModelRow], device: DeviceConfig, endpoint: EndpointConfig, progress: Progress
) -> Iterator[tuple[ModelRow, "Model"]]:
    """Each model, ready to reply until the next one is asked for. Raises UserError where one cannot be had."""
    loaded: LoadedModel | None = None
    loaded_base: str | None = None
    for row in rows:
        if row.kind == "endpoint":
            from phi2chat.remote.endpoint import connect

            yield row, connect(replace(endpoint, endpoint=row.endpoint, model=row.server or None), progress=progress)
            continue
        if loaded is None or loaded_base != row.base:
            from phi2chat.weights.models import load

            loaded = None  # makes room
            # The base is asked in the style of its first adapter, as the chat asks it for /compare.
            first = next((other.adapter for other in rows if other.base == row.base and other.adapter), None)
            settings = {
                name: value for name, value in vars(device).items() if name in DeviceConfig.__dataclass_fields__
            }
            wanted = ModelConfig(base=row.base, adapter=Path(first) if first else None, **settings)
            loaded, loaded_base = load(wanted, progress), row.base
        yield row, _variant(loaded, row)


def _variant(loaded: "LoadedModel", row: ModelRow) -> "LoadedModel":
    if row.adapter is None:
        return loaded.without_adapter() if loaded.adapter else loaded
    adapter = Path(row.adapter)
    return loaded if loaded.adapter == adapter else loaded.with_adapter(adapter)


def _short(names: Sequence[str]) -> list[str]:
    """The ends of names and paths, as long as it takes to tell them apart; a name that is there twice stays so."""
    parts = [PurePath(name).parts for name in names]
    different = len(set(parts))
    for length in range(1, max(map(len, parts), default=0) + 1):
        ends = [str(PurePath(*one[-length:])) for one in parts]
        if len(set(ends)) == different:
            return ends
    return list(names)


def _row_of_adapter(adapter: Path, base: str | None) -> ModelRow:
    from phi2chat.weights.adapters import base_of, recorded_base_of

    recorded_base_of(adapter)  # says what is missing, also where the base is named
    run_dir = run_dir_of(adapter)
    return ModelRow(
        label=str(adapter),
        kind="adapter",
        base=base or base_of(adapter),
        adapter=str(adapter),
        adapter_sha256=_sha256(adapter),
        run=str(run_dir) if run_dir else None,
        eval_loss=_eval_loss(adapter, run_dir) if run_dir else None,
    )


def _eval_loss(adapter: Path, run_dir: Path) -> float | None:
    """The eval loss that a run kept for its adapter, or for the checkpoint that was given."""
    try:
        run = read_run(run_dir)
    except UserError:  # of another version, which is no reason not to ask its adapter
        return None
    step = run.best_step
    if adapter.resolve() != run_dir.resolve() and (number := re.search(r"\d+$", adapter.name)):
        step = int(number[0])
    return dict(run.eval_losses).get(step) if step is not None else None


def _sha256(adapter: Path) -> str:
    path = adapter / ADAPTER_FILE
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError(f"{adapter}: has no {ADAPTER_FILE}; give the folder that `train` wrote") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None


def describe_place(model: object) -> str:
    """The device and the numbers that a model runs in here; empty for a server's."""
    if not hasattr(model, "tokenizer"):
        return ""
    from phi2chat.weights.models import LoadedModel, spell_device, spell_dtype

    assert isinstance(model, LoadedModel)
    return f"{spell_device(model.model.device)}, {spell_dtype(model.model.dtype)}"
