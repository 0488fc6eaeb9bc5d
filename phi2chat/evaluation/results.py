"""What an evaluation leaves behind: a line for each reply in results.jsonl, and evaluation.json with what decided it.

A cell is one reply: one probe, asked of one model, by one recipe, once. Cells are written as they come, so that an
evaluation that is cut short has all but the last; `read_evaluation` reads what is there.

>>> evaluation = read_evaluation(Path("evaluations/2026-01-31-120000"))  # doctest: +SKIP
>>> [cell.answer for cell in evaluation.cells if cell.verdict == "wrong"]  # doctest: +SKIP
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from filelock import FileLock, Timeout

from curation.atomic import write_atomically
from curation.errors import UserError, first_line
from curation.records import read_bytes
from curation.script import Span
from curation.script.confusion import Outcome
from phi2chat.config import ChatConfig, EvaluateConfig, from_json
from phi2chat.evaluation.seen import Seen

RESULTS_FILE = "results.jsonl"
EVALUATION_FILE = "evaluation.json"
LOCK_FILE = ".evaluate.lock"
REPORT_FILE = "report.html"
FORMAT = 1

Verdict = Literal["right", "wrong", "unjudged"]
Kind = Literal["base", "adapter", "endpoint"]
Key = tuple[str, str, str, int]  # probe, model, recipe, sample: what no two cells of an evaluation share

Read = TypeVar("Read")


@dataclass(frozen=True)
class Cell:
    """One reply and what is to be said of it.

    `model` is the label of a `ModelRow`, `probe` an id of `Evaluation.probes`. `probe_digest` and `prompt_digest` are
    the first 16 hex digits of SHA-256: of the probe's content, whatever its spelling, and of the prompt that the model
    read. `why` says in a sentence what the verdict rests on. `language_ok` holds where no span is in a wrong script;
    spans count code points of `reasoning` and `answer`. `stop` is the name of a `recipes.StopReason` in lower case, or
    "not_asked" where the prompt left no room for a reply. `form` holds where a reasoning came (unless the model
    was trained without), then an answer, then the end of the text by the model's own will. `unit` is what `tokens`
    counts: a server may count its events alone.
    `seconds` is the reply's share of the time of its batch. `char_f1`, `chrf` and `bleu` (0 to 100) are there where
    the probe has references, or is a record whose answer is neither right nor wrong; the latter two with sacrebleu.
    `confusion` is what the Language Confusion Benchmark says of the answer, with its packages.
    """

    probe: str
    probe_digest: str
    category: str
    model: str
    base: str | None
    adapter: str | None
    adapter_sha256: str | None
    run: str | None
    recipe: str
    sample: int
    seed: int
    prompt_digest: str
    language: str
    reasoning_language: str
    reasoning: str
    answer: str
    verdict: Verdict
    why: str
    language_ok: bool
    reasoning_spans: tuple[Span, ...]
    answer_spans: tuple[Span, ...]
    stop: str
    form: bool
    tokens: int
    seconds: float
    unit: Literal["tokens", "pieces"] = "tokens"
    notes: tuple[str, ...] = ()
    chrf: float | None = None
    bleu: float | None = None
    char_f1: float | None = None
    confusion: Outcome | None = None

    @property
    def key(self) -> Key:
        return self.probe, self.model, self.recipe, self.sample


@dataclass(frozen=True)
class ModelRow:
    """A model that was asked. `label` is unique, and the first model is the one that others are compared with.

    `base` and `adapter` are as the user named them; `base` is None for an endpoint, whose model is named in `server`.
    `adapter_sha256` is of adapter_model.safetensors. `run` is the folder of the run that the adapter comes from, and
    `eval_loss` the one that this run kept, in nats per token. `seen` counts the probes that it was trained on; None
    where that is not known. `chosen_by` is the number of probes by which its run chose it among its checkpoints.
    """

    label: str
    kind: Kind
    base: str | None = None
    adapter: str | None = None
    adapter_sha256: str | None = None
    run: str | None = None
    endpoint: str | None = None
    server: str | None = None
    eval_loss: float | None = None
    seen: Seen | None = None
    chosen_by: int = 0


@dataclass(frozen=True)
class ProbeFile:
    """A file of probes as it was read."""

    path: str
    sha256: str
    probes: int


@dataclass(frozen=True)
class Evaluation:
    """Everything that decided an evaluation, and its cells, in the order written.

    `probes` are the JSON objects of the probes by id, in the order asked. `status` is "running" until the last cell is
    there. `settings` are those of `config.EvaluateConfig` and of the sampling. `made` and `finished` are in UTC, as
    ISO 8601. `totals` has what `scores.summarize` and `scores.compare`
    make of the cells, as `summaries` and `differences`, for programs; it is empty while replies are missing.
    """

    probe_files: tuple[ProbeFile, ...]
    probes: dict[str, dict[str, Any]]
    models: tuple[ModelRow, ...]
    recipes: tuple[str, ...]
    settings: dict[str, Any]
    versions: dict[str, str]
    device: str
    made: str
    finished: str | None = None
    status: Literal["running", "done"] = "running"
    totals: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT
    cells: tuple[Cell, ...] = field(default=(), compare=False)

    @property
    def samples(self) -> int:
        """How often each model was asked each probe by each recipe."""
        return int(self.settings.get("samples", 1))

    @property
    def wanted(self) -> int:
        """How many cells there are when all is done."""
        return len(self.probes) * len(self.models) * len(self.recipes) * self.samples

    def model(self, label: str) -> ModelRow:
        """The model of a label."""
        return next(row for row in self.models if row.label == label)

    def save(self, folder: Path) -> None:
        """Write evaluation.json; the cells have a file of their own."""
        values = {name: value for name, value in dataclasses.asdict(self).items() if name != "cells"}
        content = json.dumps(values, ensure_ascii=False, indent=2)
        write_atomically(folder / EVALUATION_FILE, content.encode("utf-8") + b"\n")


def read_evaluation(folder: Path) -> Evaluation:
    """The evaluation in a folder, also one that was cut short.

    Raises UserError where a file is missing, damaged, of another version, or holds what was not asked for. A last line
    without its end is what a crash leaves, and is left out.
    """
    path = folder / EVALUATION_FILE
    evaluation = _decode(read_bytes(path), Evaluation, str(path))
    if evaluation.format != FORMAT:
        raise UserError(f"{path}: is of format {evaluation.format}, and this phi2chat reads {FORMAT}; evaluate again")
    for kind in (ChatConfig, EvaluateConfig):
        own = {one.name for one in dataclasses.fields(kind)}
        from_json(kind, {name: value for name, value in evaluation.settings.items() if name in own}, str(path))
    results = folder / RESULTS_FILE
    cells: dict[Key, Cell] = {}
    if results.exists():
        labels = {row.label for row in evaluation.models}
        for number, line in enumerate(_whole_lines(results), start=1):
            cell = _decode(line, Cell, f"{results}:{number}")
            if not (
                cell.probe in evaluation.probes
                and cell.model in labels
                and cell.recipe in evaluation.recipes
                and 0 <= cell.sample < evaluation.samples
            ):
                raise UserError(f"{results}:{number}: is a reply that this evaluation did not ask for; take it out")
            cells.setdefault(cell.key, cell)
    return dataclasses.replace(evaluation, cells=tuple(cells.values()))


@contextlib.contextmanager
def writing_alone(folder: Path) -> Iterator[None]:
    """Let no other evaluation write into a folder meanwhile. Raises UserError where one does."""
    try:
        with FileLock(folder / LOCK_FILE, timeout=0):
            yield
    except Timeout:
        raise UserError(f"{folder}: another evaluation is writing there; wait for it, or stop it") from None


def append_cells(folder: Path, cells: Iterable[Cell]) -> None:
    """Add cells to results.jsonl, on the disk when this returns; a torn last line of a crash is taken away first."""
    path = folder / RESULTS_FILE
    lines = b"".join(
        json.dumps(dataclasses.asdict(cell), ensure_ascii=False).encode("utf-8", "replace") + b"\n" for cell in cells
    )
    try:
        with path.open("ab") as file:
            if path.stat().st_size and not _ends_whole(path):
                file.truncate(sum(map(len, _whole_lines(path))))
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); make room, and go on with --resume") from None


def to_json(evaluation: Evaluation) -> Mapping[str, Any]:
    """The evaluation with its cells as plain JSON values."""
    return dataclasses.asdict(evaluation)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _whole_lines(path: Path) -> list[bytes]:
    return [line for line in read_bytes(path).splitlines(keepends=True) if line.endswith(b"\n")]


def _decode(content: bytes, kind: type[Read], where: str) -> Read:
    try:
        return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors
        raise UserError(f"{where}: is damaged ({first_line(error)}); restore it, or evaluate again") from None
