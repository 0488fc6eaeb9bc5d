"""Records -> what the trainer reads: the two sides, checked against each other, as token ids and labels."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.errors import UserError
from curation.records import Dataset, Finding, Line, Record, read_dataset
from curation.rules import OPINIONS, check_dataset, choose
from curation.split import family_of, read_split, split_by_family
from phi2chat.config import TrainConfig
from phi2chat.inference.prompt import PromptStyle, Tokenizer, encode, markers_in, render_record

IGNORED = -100  # a label without loss, as torch's cross-entropy has it


@dataclass(frozen=True)
class Row:
    """A record and where it stands."""

    path: Path
    line: int
    record: Record


@dataclass(frozen=True)
class Sides:
    """The rows of both sides, the SHA-256 of every file they come from, and what is wrong with the files.

    A line that breaks the contract of a record is a finding and no row.
    """

    train: tuple[Row, ...]
    eval: tuple[Row, ...]
    sha256: dict[str, str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class TokenizedSide:
    """One side as the trainer reads it: a dict of `input_ids` and `labels` for each of `rows`; what is left out."""

    examples: list[dict[str, list[int]]]
    rows: list[Row]
    dropped: list[Row]
    findings: list[Finding]

    @property
    def tokens(self) -> int:
        return sum(len(example["input_ids"]) for example in self.examples)

    @property
    def trained_tokens(self) -> int:
        return sum(label != IGNORED for example in self.examples for label in example["labels"])

    @property
    def longest(self) -> int:
        return max((len(example["input_ids"]) for example in self.examples), default=0)


def read_sides(data: Path, config: TrainConfig) -> Sides:
    """The train and eval records of a file, of a file and its eval file, or of a folder that `curate split` wrote.

    Raises UserError for a file that cannot be read, holds no record or cannot be split; what is wrong with single
    records is found, all of it: lines that break the contract, texts in a wrong script, families on both sides.
    Languages that are left out are not trained on; the eval side keeps them, so that runs can be compared.
    """
    sides = _read_sides(data, config)
    if config.leave_out is None:
        return sides
    kept = tuple(row for row in sides.train if not _is_one_of(row.record.language, config.leave_out))
    if not kept:
        raise UserError(f"--leave-out {config.leave_out}: leaves no record of {data} to train on; leave out fewer")
    return dataclasses.replace(sides, train=kept)


def _is_one_of(language: str, tags: str) -> bool:
    return any(f"{language.lower()}-".startswith(f"{tag.lower()}-") for tag in tags.split(","))


def _read_sides(data: Path, config: TrainConfig) -> Sides:
    if data.is_dir():
        if config.eval_file:
            raise UserError(f"{data}: is a split with an eval side of its own; leave out --eval-file")
        train, eval_ = read_split(data)
    elif config.eval_file:
        train, eval_ = read_dataset(data), read_dataset(config.eval_file)
    else:
        whole, findings = _usable(read_dataset(data))
        split = split_by_family(whole, config.eval_percent, config.seed)
        sha256 = {str(data): whole.sha256}
        return Sides(_rows(whole, split.train), _rows(whole, split.eval), sha256, tuple(findings))
    train, train_findings = _usable(train)
    eval_, eval_findings = _usable(eval_)
    train_rows, eval_rows = _rows(train, train.lines), _rows(eval_, eval_.lines)
    found = (*train_findings, *eval_findings, *_find_leaks(train_rows, eval_rows))
    return Sides(train_rows, eval_rows, {str(side.path): side.sha256 for side in (train, eval_)}, found)


def style_of(config: TrainConfig) -> PromptStyle:
    """The format that a run is trained in."""
    return PromptStyle() if config.reasoning else PromptStyle(reasoning="")


def tokenize(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    style: PromptStyle,
    max_length: int,
    drop_overlong: bool,
    with_prompt: bool = False,
) -> TokenizedSide:
    """Token ids and labels of every row that is not longer than `max_length`, and a finding for each that is.

    Nothing is ever cut: the end of a long row is its answer. There is loss on the completion, and, where it is asked
    for, on the prompt.
    """
    side = TokenizedSide([], [], [], [])
    for row in rows:
        side.findings.extend(_find_markers(row, style))
        encoded = encode(tokenizer, render_record(style, row.record))
        length = len(encoded.input_ids)
        if length > max_length:
            side.dropped.append(row)
            asked = length - sum(encoded.completion_mask)
            of_it = f", of which the question is {asked:,}" if asked >= max_length else ""
            way_out = "shorten it, raise --max-length, or leave such records out with --overlong drop"
            side.findings.append(
                finding_at(
                    row,
                    "",
                    f"{length} tokens{of_it}, more than the {max_length} of --max-length; "
                    + ("it is left out" if drop_overlong else way_out),
                    "too-long",
                    is_error=not drop_overlong,
                )
            )
            continue
        pairs = zip(encoded.input_ids, encoded.completion_mask, strict=True)
        labels = [token if wanted or with_prompt else IGNORED for token, wanted in pairs]
        side.examples.append({"input_ids": encoded.input_ids, "labels": labels})
        side.rows.append(row)
    return side


def finding_at(row: Row, field: str, message: str, rule: str, is_error: bool) -> Finding:
    """A finding about a whole row, or about a field of it."""
    return Finding(row.path, row.line, 1, field, message, rule, "error" if is_error else "warning")


def _usable(dataset: Dataset) -> tuple[Dataset, list[Finding]]:
    """The dataset without the records that break the contract, and what matters to training of all that is found."""
    # Leaks, near duplicates and markers are looked for on both sides together.
    rules = choose(
        ["form", "contract", "script", "duplicate"], ["unknown-field", "no-final-newline", "mixed-line-ends"]
    )
    found = check_dataset(dataset, rules)
    broken = {finding.line for finding in found if finding.severity == "error" and finding.rule not in OPINIONS}
    lines = tuple(dataclasses.replace(line, record=None) if line.number in broken else line for line in dataset.lines)
    usable = dataclasses.replace(dataset, lines=lines)
    # What a text says is the author's business: it is shown, and trained on.
    found = [dataclasses.replace(one, severity="warning") if one.rule in OPINIONS else one for one in found]
    if not any(True for _ in usable.records()):
        if broken:
            more = f" (and {len(broken) - 1} more lines)" if len(broken) > 1 else ""
            raise UserError(f"{found[0]}{more}; mend it, `phi2chat curate validate {dataset.path}` shows all")
        raise UserError(f"{dataset.path}: holds no record; add one with `phi2chat curate add {dataset.path}`")
    return usable, found


def _rows(dataset: Dataset, lines: Sequence[Line]) -> tuple[Row, ...]:
    return tuple(Row(dataset.path, line.number, line.record) for line in lines if line.record is not None)


def _find_markers(row: Row, style: PromptStyle) -> Iterator[Finding]:
    for field in ("instruction", "input", "reasoning", "answer"):
        if marker := markers_in(style, getattr(row.record, field)):
            yield finding_at(row, field, f'holds "{marker}", which marks a part of a prompt; reword it', "marker", True)


def _find_leaks(train: Sequence[Row], eval_: Sequence[Row]) -> Iterator[Finding]:
    trained = {family_of(row.record): row for row in train}
    for row in eval_:
        if twin := trained.get(family_of(row.record)):
            message = (
                f'the family "{family_of(row.record)}" also stands in {twin.path}:{twin.line};'
                " split again with `phi2chat curate split`, so that eval asks what was not trained"
            )
            yield finding_at(row, "", message, "leak", True)
