"""What a model was trained on, and which side of it a new record would stand on."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.atomic import target_of
from curation.errors import UserError
from curation.manifest import MANIFEST, read_manifest
from curation.records import Dataset, Line, Record, format_record, parse_dataset, read_dataset
from curation.split import plan_split, rule_of, split_by_family
from phi2chat.config import TrainConfig
from phi2chat.inference.examples import Row
from phi2chat.weights.run import Run

TRAIN_FILE = "train.jsonl"  # of a folder that `curate split` wrote


@dataclass(frozen=True)
class Neighbours:
    """The other records that a training reads beside a new one, and whether the new one would be held out.

    `split` is the folder that `curate split` wrote of the file, which does not have the new one yet.
    """

    train: tuple[Row, ...]
    eval: tuple[Row, ...]
    held_out: bool = False
    split: Path | None = None


def file_to_correct(run: Run) -> Path | None:
    """The file that the training records of a run are kept in, if it is still there.

    Of a split it is the file that was split: a record that is added to one side is no part of it.
    """
    data = Path(run.data)
    if data.is_dir():
        source = _source_of_split(data)
        data = source if source else data / TRAIN_FILE
    return data if data.is_file() else None


def refuse_side_of_split(file: Path) -> None:
    """Raise UserError for a file that `curate split` wrote, which it would write over."""
    if file.name in (TRAIN_FILE, "eval.jsonl") and (source := _source_of_split(file.parent)):
        raise UserError(f"{file}: is a side that `curate split` wrote; give the file that it split, {source}")


def read_train_side(run: Run) -> tuple[tuple[Row, ...], bool]:
    """The records that a run was trained on, as its file is now, and whether that has changed since.

    Raises UserError where it cannot be read.
    """
    data = Path(run.data)
    dataset = read_dataset(data / TRAIN_FILE if data.is_dir() else data)
    changed = run.sha256.get(str(dataset.path), dataset.sha256) != dataset.sha256
    if data.is_dir() or run.config.get("eval_file"):
        return rows_of(dataset), changed
    whole = dataclasses.replace(dataset, lines=tuple(line for line in dataset.lines if _is_whole(line)))
    return rows_of(whole, split_by_family(whole, *_rule(run)).train), changed


def neighbours(file: Path, data: Mapping[str, Any], run: Run | None, replaces: str | None = None) -> Neighbours:
    """The sides that a training on a file would have with a record added, or put in the place of the id `replaces`.

    They are those of the run's eval file, of the split beside the file, or by the rule of `train`.
    Raises UserError where a file cannot be read.
    """
    dataset = read_dataset(file) if file.exists() else parse_dataset(file, b"")
    others = [line for line in dataset.lines if _is_whole(line) and (replaces is None or _id_of(line) != replaces)]
    trained_on = Path(run.data) if run else None
    run = run if trained_on and _is_same(trained_on, file) else None
    eval_file = run.config.get("eval_file") if run else None
    if isinstance(eval_file, str):
        return Neighbours(rows_of(dataset, others), rows_of(read_dataset(Path(eval_file))))
    new = Line(len(dataset.lines) + 1, format_record(data), Record(data))
    whole = Dataset(file, "", (*others, new), ())
    folder = _split_of(file, trained_on)
    try:
        if folder:
            split = plan_split(whole, folder, rule_of(read_manifest(folder / MANIFEST)))
        else:
            split = split_by_family(whole, *_rule(run))
    except UserError:  # too few families for two sides
        return Neighbours(rows_of(dataset, others), ())
    train, eval_ = (rows_of(dataset, [line for line in side if line is not new]) for side in (split.train, split.eval))
    return Neighbours(train, eval_, any(line is new for line in split.eval), folder)


def _rule(run: Run | None) -> tuple[float, int]:
    usual = TrainConfig()
    config = run.config if run else {}
    percent, seed = config.get("eval_percent"), config.get("seed")
    return (
        percent if isinstance(percent, int | float) else usual.eval_percent,
        seed if isinstance(seed, int) else usual.seed,
    )


def _source_of_split(folder: Path) -> Path | None:
    """The file that a folder is the split of; None where it is none."""
    try:
        return folder.parent / str(read_manifest(folder / MANIFEST)["input"])
    except (UserError, KeyError):  # no manifest, or that of something else
        return None


def _split_of(file: Path, trained_on: Path | None) -> Path | None:
    for folder in (trained_on, file.with_suffix("")):
        source = _source_of_split(folder) if folder else None
        if source and _is_same(source, file):
            return folder
    return None


def _is_same(first: Path, second: Path) -> bool:
    return target_of(first) == target_of(second)


def _is_whole(line: Line) -> bool:
    """Whether a line keeps the contract as far as a training reads it; a line that does not is left out of it."""
    texts = [line.record.data.get(field) for field in ("instruction", "reasoning", "answer")] if line.record else [None]
    return all(isinstance(text, str) and text.strip() for text in texts)


def _id_of(line: Line) -> str | None:
    return line.record.id if line.record else None


def rows_of(dataset: Dataset, lines: Sequence[Line] | None = None) -> tuple[Row, ...]:
    """The records of a file, or of some of its lines, that a training could read."""
    chosen = dataset.lines if lines is None else lines
    return tuple(Row(dataset.path, line.number, line.record) for line in chosen if line.record and _is_whole(line))
