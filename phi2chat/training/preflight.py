"""What would make a training wrong, or doubtful, found before it: every record by file and line, nothing loaded."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from curation.errors import UserError
from curation.near import find_near
from curation.records import Finding
from curation.split import family_of
from phi2chat.config import TrainConfig
from phi2chat.inference.examples import IGNORED, Row, Sides, TokenizedSide, finding_at, tokenize
from phi2chat.inference.prompt import PromptStyle

SHOWN_FINDINGS = 20
FEW_EVAL_RECORDS = 8  # below, the eval loss of one record decides which checkpoint is the best
MANY_UNKNOWN = 0.1  # of the trained tokens
RULE_SAME = "duplicate-question"  # of curation.rules: questions that are the same to the letter


@dataclass(frozen=True)
class Remark:
    """Something about the data or the base as a whole, which has no line."""

    message: str
    rule: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.message} [{self.rule}]"


@dataclass(frozen=True)
class Preflight:
    """Both sides as they would be trained on, and what was found: of single records, and of the whole."""

    train: TokenizedSide
    eval: TokenizedSide
    max_length: int
    findings: list[Finding]
    remarks: list[Remark]

    @property
    def all_found(self) -> list[Finding | Remark]:
        """What was found, errors first."""
        return sorted([*self.remarks, *self.findings], key=lambda one: one.severity != "error")

    @property
    def errors(self) -> int:
        return sum(one.severity == "error" for one in self.all_found)


def inspect(sides: Sides, outline: Any, tokenizer: Any, config: TrainConfig, style: PromptStyle) -> Preflight:
    """Tokenize both sides with the real tokenizer and look at every record. `outline` needs no weights."""
    positions = getattr(outline.config, "max_position_embeddings", None) or config.max_length
    max_length = min(config.max_length, positions)
    drop = config.overlong == "drop"
    train = tokenize(sides.train, tokenizer, style, max_length, drop, with_prompt=config.loss_on == "sequence")
    eval_ = tokenize(sides.eval, tokenizer, style, max_length, drop)  # in one way, so that runs can be compared
    unknown = [finding for side in (train, eval_) for finding in _find_unknown(side, tokenizer)]
    findings = [
        *sides.findings,
        *train.findings,
        *eval_.findings,
        *(finding for side in (train, eval_) for finding in find_untrainable(side, tokenizer.eos_token_id)),
        *unknown,
        *_find_near_questions(sides, {(one.path, one.line) for one in sides.findings if one.rule == RULE_SAME}),
    ]
    order = {path: number for number, path in enumerate(sides.sha256)}
    findings.sort(key=lambda one: (order.get(str(one.path), len(order)), one.line, one.column))
    remarks = [
        *_look_at_sides(train, eval_, max_length if drop else None),
        *_look_at_tokenizer(outline, tokenizer, train, eval_),
    ]
    if positions < config.max_length and train.dropped + eval_.dropped:
        message = f"the base reads {positions:,} tokens at most, whatever --max-length says"
        remarks.append(Remark(message, "positions", "warning"))
    return Preflight(train, eval_, max_length, findings, remarks)


def tell(preflight: Preflight, note: Callable[[str], None]) -> None:
    """Say what was found, a line each, in short where there is much of it."""
    found = preflight.all_found
    if not found:
        note(f"checked {len(preflight.train.rows) + len(preflight.eval.rows)} records: nothing found")
    for one in found[:SHOWN_FINDINGS]:
        note(str(one))
    if len(found) > SHOWN_FINDINGS:
        note(f"... and {len(found) - SHOWN_FINDINGS} more; the same command with `--check | less` shows all")


def require_trainable(preflight: Preflight) -> None:
    """Raise UserError if anything found would make the training wrong: the first of it, and how to see all."""
    if preflight.errors:
        more = f" (and {preflight.errors - 1} more)" if preflight.errors > 1 else ""
        raise UserError(f"{preflight.all_found[0]}{more}; the same command with --check shows all")


def find_untrainable(side: TokenizedSide, eos_token_id: int) -> Iterator[Finding]:
    """The examples that train on nothing, or on an answer that never ends."""
    for row, example in zip(side.rows, side.examples, strict=True):
        trained = [label for label in example["labels"] if label != IGNORED]
        if not [label for label in trained if label != eos_token_id]:
            message = "nothing of it would be trained on; give it a reasoning and an answer"
            yield finding_at(row, "", message, "nothing-trained", True)
        elif trained[-1] != eos_token_id:
            message = "its answer would not end with the end of text, and the model would not learn to stop"
            yield finding_at(row, "answer", message, "no-end", True)


def _find_unknown(side: TokenizedSide, tokenizer: Any) -> Iterator[Finding]:
    unknown = tokenizer.unk_token_id
    if unknown is None:
        return
    for row, example in zip(side.rows, side.examples, strict=True):
        text = example["input_ids"][:-1]  # the last is the end of text, which may be the same token
        count = text[1:].count(unknown) + (text[:1] == [unknown] != [tokenizer.bos_token_id])
        if count:
            message = f"{count} of {len(text)} tokens are {tokenizer.unk_token}, for which the base has no characters"
            yield finding_at(row, "", message, "unknown-token", False)


def _find_near_questions(sides: Sides, found_before: set[tuple[Path, int]]) -> Iterator[Finding]:
    """Nearly the same question in another family: across the sides a leak, on one side a doublet."""
    rows = [*sides.train, *sides.eval]
    trained = len(sides.train)
    for pair in find_near([f"{row.record.instruction}\n{row.record.input}" for row in rows]):
        first, second = rows[pair.first], rows[pair.second]
        if family_of(first.record) == family_of(second.record):
            continue
        alike = "the same as" if pair.likeness == 1 else f"{pair.likeness:.2f} like"
        where = f"{first.path}:{first.line}"
        if pair.first < trained <= pair.second:
            message = f"{alike} {where}, which is trained on; give both one family, and split again"
            yield finding_at(second, "instruction", message, "near-leak", False)
        elif first.record.language == second.record.language and (second.path, second.line) not in found_before:
            message = f"{alike} {where}; if they ask the same, give both one family"
            yield finding_at(second, "instruction", message, "near-duplicate", False)


def _look_at_sides(train: TokenizedSide, eval_: TokenizedSide, limit: int | None) -> Iterator[Remark]:
    for name, side in (("train", train), ("eval", eval_)):
        if limit and not side.examples:
            message = f"every record of one side is longer than {limit} tokens ({name}); shorten them"
            yield Remark(message, "empty-side")
    if 0 < len(eval_.examples) < FEW_EVAL_RECORDS:
        few = f"records to eval on: {len(eval_.examples)}"
        message = f"{few}, so few that chance decides which checkpoint is the best; hold out more"
        yield Remark(message, "small-eval", "warning")


def _look_at_tokenizer(outline: Any, tokenizer: Any, train: TokenizedSide, eval_: TokenizedSide) -> Iterator[Remark]:
    examples = [*train.examples, *eval_.examples]
    rows = outline.get_input_embeddings().num_embeddings
    largest = max((max(example["input_ids"]) for example in examples), default=0)
    if largest >= rows:
        yield Remark(f"the tokenizer writes token {largest}, and the model has {rows}; take another base", "vocabulary")
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        yield Remark("the base pads with its end of text, which would not be learned; take another base", "padding")
    trained = [label for example in examples for label in example["labels"][:-1] if label != IGNORED]
    share = trained.count(tokenizer.unk_token_id) / len(trained) if trained else 0
    if share > MANY_UNKNOWN:
        message = f"{share:.0%} of the trained tokens are {tokenizer.unk_token}: the base cannot write this text"
        yield Remark(f"{message}; take another base", "unknown-tokens")


def characters_per_token(rows: Sequence[Row], tokenizer: Any) -> dict[str, float]:
    """How many characters of the records' own reasoning and answers a token holds, for each language."""
    characters: defaultdict[str, int] = defaultdict(int)
    tokens: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        for language, text in (
            (row.record.reasoning_language, row.record.reasoning),
            (row.record.language, row.record.answer),
        ):
            characters[language] += len(text)
            tokens[language] += len(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])
    by_size = sorted(characters, key=lambda language: (-characters[language], language))
    return {language: characters[language] / tokens[language] for language in by_size if tokens[language]}


def typical_example(side: TokenizedSide) -> tuple[Row, dict[str, list[int]]]:
    """The example of median length: it shows the form as most records have it, and fits a screen."""
    lengths = [len(example["input_ids"]) for example in side.examples]
    middle = sorted(range(len(lengths)), key=lambda place: (lengths[place], place))[len(lengths) // 2]
    return side.rows[middle], side.examples[middle]
