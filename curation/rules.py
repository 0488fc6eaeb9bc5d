"""What a dataset is checked for: one small function a rule, all findings collected, in the order of the file."""

import difflib
import json
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from curation.errors import UserError
from curation.records import (
    KNOWN_FIELDS,
    Dataset,
    Finding,
    Line,
    Record,
    column_of,
    columns_of,
    format_record,
    is_utf8,
    json_type,
    parse_dataset,
)
from curation.script import Span, check
from curation.script.languages import primary_subtag

# Rules that judge what a text says; a record that breaks one can still be read, split and trained on.
OPINIONS = {"wrong-script"}

_SHOWN_CHARS = 30
_QUESTION_END = re.compile(r"[：\n]|:(?!//|\d)")  # not that of an address or of a time of day


def check_dataset(dataset: Dataset) -> list[Finding]:
    """Every finding of every rule, sorted by line and column."""
    findings = list(dataset.broken)
    for line, record in dataset.records():
        findings += _check_schema(dataset.path, line, record)
        findings += _check_unknown_fields(dataset.path, line, record)
        findings += _check_scripts(dataset.path, line, record)
    findings += _check_duplicate_ids(dataset)
    findings += _check_duplicate_questions(dataset)
    return sorted(findings, key=lambda finding: (finding.line, finding.column))


def check_record(path: Path, data: dict[str, Any]) -> list[Finding]:
    """The findings of a record that is not in a file yet, as the only line of `path`."""
    message = "holds a byte that is not UTF-8; set the terminal to UTF-8 and type it again"
    findings = [Finding(path, 1, 1, field, message, "utf-8") for field in data if not is_utf8(data[field])]
    return findings or check_dataset(parse_dataset(path, format_record(data)))


def require_contract(dataset: Dataset) -> None:
    """Raise UserError unless every line is a record; what its fields say is not judged here."""
    faults = [f for f in check_dataset(dataset) if f.severity == "error" and f.rule not in OPINIONS]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise UserError(f"{faults[0]}{more}; mend it, `phi2chat curate validate {dataset.path}` shows all")
    if not any(True for _ in dataset.records()):
        raise UserError(f"{dataset.path}: holds no record; add one with `phi2chat curate add {dataset.path}`")


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(files("curation").joinpath("record.schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema)


def _check_schema(path: Path, line: Line, record: Record) -> Iterator[Finding]:
    for error in _validator().iter_errors(record.data):
        if error.validator == "required":
            assert isinstance(error.validator_value, list)
            missing = next(field for field in error.validator_value if f"'{field}' is a required" in error.message)
            yield Finding(path, line.number, 1, missing, "is missing", "required")
        else:
            field = str(error.absolute_path[0])
            where = field + "".join(f"[{part}]" for part in list(error.absolute_path)[1:])
            message, rule = _explain(field, error)
            yield Finding(path, line.number, column_of(line.raw, field), where, message, rule)


def _explain(field: str, error: ValidationError) -> tuple[str, str]:
    if error.validator == "type":
        wanted = {"string": "a string", "array": "a list of strings", "object": "an object"}[str(error.validator_value)]
        return f"must be {wanted}, not {json_type(error.instance)}", "type"
    if error.validator_value == "\\S":
        return "is blank", "blank"
    if field == "id":
        return "must be 1 to 64 of A-Z a-z 0-9 . _ -", "id"
    return f'"{error.instance}" is not a language tag such as ja, en or zh-Hans', "language-tag"


def _check_unknown_fields(path: Path, line: Line, record: Record) -> Iterator[Finding]:
    for field in record.data:
        if field not in KNOWN_FIELDS:
            near = difflib.get_close_matches(field.casefold(), KNOWN_FIELDS, n=1, cutoff=0.8)
            hint = f'; did you mean "{near[0]}"?' if near else "; it is kept as it is"
            column = column_of(line.raw, field)
            yield Finding(
                path, line.number, column, field, f"is not a field of a record{hint}", "unknown-field", "warning"
            )


def _check_scripts(path: Path, line: Line, record: Record) -> Iterator[Finding]:
    """A finding for each run that is not in the language of its field; `input` is source text, in any language."""
    for field, tag_field in (("reasoning", "reasoning_language"), ("answer", "language")):
        text = record.data.get(field)
        language = getattr(record, tag_field)
        if isinstance(text, str):
            asked = "\n".join(filter(None, (str(record.data.get("instruction", "")), record.input)))
            for span in check(text, language, asked).spans:
                yield _point_at(path, line, field, span, f"{tag_field} is {language}")
    instruction = record.data.get("instruction")
    if isinstance(instruction, str):
        language, spans = _find_mixed_in(instruction, (record.language, record.reasoning_language))
        for span in spans:
            hint = "; put it in 「」 if it is quoted"
            yield _point_at(path, line, "instruction", span, f"the rest of the instruction is {language}", hint)


def _point_at(path: Path, line: Line, field: str, span: Span, where: str, hint: str = "") -> Finding:
    column, end_column = columns_of(line.raw, field, span.start, span.end)
    text = span.text if len(span.text) <= _SHOWN_CHARS else span.text[: _SHOWN_CHARS - 1] + "…"
    message = f'"{" ".join(text.split())}" is {span.name} where {where}{hint}'
    return Finding(path, line.number, column, field, message, "wrong-script", end_column=end_column)


def _find_mixed_in(instruction: str, own: tuple[str, str]) -> tuple[str, list[Span]]:
    """The language that an instruction is in, and the runs of it that are in none it may hold.

    An instruction may be in any language, whatever its answer is in, so it is compared with itself: with kana it is
    Japanese, with Hangul Korean, with neither Chinese. A question in an alphabet may name words of any script, the
    record's `own` languages may be mixed in (`Please answer in English.`), and what follows a colon or a line end is
    source text.
    """
    asked = _QUESTION_END.split(instruction, 1)[0]
    kana, hangul, han = (len(re.findall(letters, asked)) for letters in ("[ぁ-ゖァ-ヺ]", "[가-힣]", "[一-鿿]"))
    language = "ko" if hangul > kana else "ja" if kana else "zh"
    if 2 * (kana + hangul + han) < sum(map(str.isalpha, asked)):
        return language, []
    mixed_in = {primary_subtag(tag) for tag in own}
    return language, [span for span in check(asked, language).spans if primary_subtag(span.language) not in mixed_in]


def _check_duplicate_ids(dataset: Dataset) -> Iterator[Finding]:
    first_line: dict[str, int] = {}
    for line, record in dataset.records():
        if isinstance(record.id, str):
            first = first_line.setdefault(record.id, line.number)
            if first != line.number:
                column = column_of(line.raw, "id")
                message = f'"{record.id}" was already used on line {first}'
                yield Finding(dataset.path, line.number, column, "id", message, "duplicate-id")


def _check_duplicate_questions(dataset: Dataset) -> Iterator[Finding]:
    first_line: dict[tuple[str, ...], int] = {}
    for line, record in dataset.records():
        instruction = record.data.get("instruction")
        if isinstance(instruction, str) and instruction.strip():
            texts = (instruction, record.input, record.language)
            question = tuple(unicodedata.normalize("NFKC", text.strip()) for text in texts)
            first = first_line.setdefault(question, line.number)
            if first != line.number:
                column = column_of(line.raw, "instruction")
                message = f"the same question stands on line {first}"
                yield Finding(
                    dataset.path, line.number, column, "instruction", message, "duplicate-question", "warning"
                )
