"""Records -> what the trainer reads: the two sides, checked against each other, as token ids and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.errors import UserError
from curation.records import Dataset, Line, Record, read_dataset
from curation.rules import require_contract
from curation.split import family_of, read_split, split_by_family
from phi2chat.config import TrainConfig
from phi2chat.prompt import PromptStyle, Tokenizer, encode, markers_in, render_record

IGNORED = -100  # a label without loss, as torch's cross-entropy has it


@dataclass(frozen=True)
class Row:
    """A record and where it stands."""

    path: Path
    line: int
    record: Record


@dataclass(frozen=True)
class Sides:
    """The rows of both sides, and the SHA-256 of every file they come from."""

    train: tuple[Row, ...]
    eval: tuple[Row, ...]
    sha256: dict[str, str]


@dataclass(frozen=True)
class TokenizedSide:
    """One side as the trainer reads it: a dict of `input_ids` and `labels` a record, and the rows left out."""

    examples: list[dict[str, list[int]]]
    dropped: list[Row]

    @property
    def tokens(self) -> int:
        return sum(len(example["input_ids"]) for example in self.examples)


def read_sides(data: Path, config: TrainConfig) -> Sides:
    """The train and eval records of a file, of a file and its eval file, or of a folder that `curate split` wrote.

    Raises UserError for a record that breaks the contract and for a family that stands on both sides.
    """
    if data.is_dir():
        if config.eval_file:
            raise UserError(f"{data}: is a split with an eval side of its own; leave out --eval-file")
        train, eval_ = read_split(data)
    elif config.eval_file:
        train, eval_ = read_dataset(data), read_dataset(config.eval_file)
    else:
        whole = read_dataset(data)
        require_contract(whole)
        split = split_by_family(whole, config.eval_percent, config.seed)
        return Sides(_rows(whole, split.train), _rows(whole, split.eval), {str(data): whole.sha256})
    require_contract(train)
    require_contract(eval_)
    sides = Sides(
        _rows(train, train.lines), _rows(eval_, eval_.lines), {str(side.path): side.sha256 for side in (train, eval_)}
    )
    _refuse_leaks(sides)
    return sides


def tokenize(
    rows: Sequence[Row], tokenizer: Tokenizer, style: PromptStyle, max_length: int, drop_overlong: bool
) -> TokenizedSide:
    """Token ids and labels of every row. Raises UserError for a row longer than `max_length`, unless they are dropped.

    Nothing is ever cut: the end of a long row is its answer.
    """
    examples: list[dict[str, list[int]]] = []
    overlong: list[tuple[Row, int]] = []
    for row in rows:
        for field in ("instruction", "input", "reasoning", "answer"):
            if marker := markers_in(style, getattr(row.record, field)):
                raise UserError(
                    f'{row.path}:{row.line}: {field}: holds "{marker}", which marks a part of a prompt; reword it'
                )
        encoded = encode(tokenizer, render_record(style, row.record))
        if len(encoded.input_ids) > max_length:
            overlong.append((row, len(encoded.input_ids)))
            continue
        pairs = zip(encoded.input_ids, encoded.completion_mask, strict=True)
        labels = [token if wanted else IGNORED for token, wanted in pairs]
        examples.append({"input_ids": encoded.input_ids, "labels": labels})
    if overlong and not drop_overlong:
        row, length = overlong[0]
        more = f" ({len(overlong) - 1} more records are too long)" if len(overlong) > 1 else ""
        raise UserError(
            f"{row.path}:{row.line}: {length} tokens, more than the {max_length} of --max-length{more};"
            " shorten it, raise --max-length, or leave such records out with --overlong drop"
        )
    return TokenizedSide(examples, [row for row, _ in overlong])


def _rows(dataset: Dataset, lines: Sequence[Line]) -> tuple[Row, ...]:
    return tuple(Row(dataset.path, line.number, line.record) for line in lines if line.record is not None)


def _refuse_leaks(sides: Sides) -> None:
    trained = {family_of(row.record): row for row in sides.train}
    for row in sides.eval:
        twin = trained.get(family_of(row.record))
        if twin:
            raise UserError(
                f'{row.path}:{row.line}: the family "{family_of(row.record)}" also stands in {twin.path}:{twin.line};'
                " split again with `phi2chat curate split`, so that eval asks what was not trained"
            )
