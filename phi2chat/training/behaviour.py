"""How a model in training answers probes: what a checkpoint can be chosen by beside its eval loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from curation.errors import UserError
from curation.records import Record
from phi2chat.config import ChatConfig, TrainConfig
from phi2chat.evaluation.asking import Way, ask_probes, read_probe_files
from phi2chat.evaluation.results import Cell, ModelRow
from phi2chat.evaluation.scores import MEASURES, Measure
from phi2chat.inference.engine import giving_back
from phi2chat.inference.prompt import PromptStyle
from phi2chat.terminal.interrupts import Interrupt
from phi2chat.training.sampler import training_untouched
from phi2chat.training.speed import uncompiled
from phi2chat.weights.models import LoadedModel

REPLY_TOKENS = 200
BATCH_SIZE = 32
# Of checkpoints whose behaviour is the same the one with the lower eval loss is taken.
LOSS_WEIGHT = 1e-4
MEASURED: Mapping[str, Measure] = {"probe-score": "score", "script-pass": "script"}


@dataclass(frozen=True)
class Behaviour:
    """The shares of the replies that are right, of those that are judged, and that are in the right script."""

    probe_score: float
    script_pass: float


class Examiner:
    """Asks the probes of a run, greedily, and leaves the training as if nothing had been asked."""

    def __init__(self, probes: Mapping[str, Record], tokenizer: Any, style: PromptStyle, interrupt: Interrupt) -> None:
        self._probes, self._tokenizer, self._style, self._interrupt = probes, tokenizer, style, interrupt

    def examine(self, model: Any) -> Behaviour | None:
        """What the model's replies are like; None where Ctrl-C was pressed before all were there."""
        base = model.get_base_model()
        row, way = ModelRow("", "adapter"), Way("chat", 0, ChatConfig(max_new_tokens=REPLY_TOKENS))
        cells: list[Cell] = []
        with training_untouched(model), uncompiled(base), giving_back(base):
            asked = LoadedModel("", base, self._tokenizer, self._style)
            for batch in ask_probes(asked, row, self._probes, way, BATCH_SIZE, done=()):
                cells += batch
                if self._interrupt.requested:
                    return None
        return Behaviour(_share("score", cells), _share("script", cells))


def read_selecting_probes(config: TrainConfig) -> dict[str, Record]:
    """The probes of the settings, none where there are none.

    Raises UserError where a checkpoint cannot be chosen by them: none are given, or none is judged.
    """
    if config.probes is None:
        if config.select_by in MEASURED:
            raise UserError(f"--select-by {config.select_by}: needs probes to ask; name a file with --probes")
        return {}
    if config.accelerate_config:
        raise UserError("--probes: each process asks its own model, and --accelerate-config may share it out; give one")
    _, probes = read_probe_files([Path(config.probes)])
    from curation.judging import expectation_of

    if not any(expectation_of(record.data) for record in probes.values()):
        raise UserError(f"{config.probes}: says of no question what its answer has to be; give probes that do")
    return probes


def _share(measure: Measure, cells: list[Cell]) -> float:
    return fmean([outcome for cell in cells if (outcome := MEASURES[measure](cell)) is not None] or [False])
