"""`phi2chat curate`: write, check, show, correct and split the records of a JSONL file. Imports no torch."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError

if TYPE_CHECKING:
    from curation.records import Dataset, Finding, Line
    from phi2chat.screen import Screen

FILE = click.argument("file", type=click.Path(path_type=Path))
RECORD_ID = click.argument("record_id", metavar="ID")
TEXT_FIELDS = ("instruction", "input", "reasoning", "answer", "language", "reasoning_language",
               "family", "category", "source", "license", "note")  # fmt: skip


@click.group("curate")
def command() -> None:
    """Write, check, show, correct and split records."""


@command.command("validate")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def validate(ctx: click.Context, files: tuple[Path, ...], output: str) -> None:
    """Name every problem of every file: path:line:column: field: message [rule].

    Exit code 0: no errors, 1: errors, 2: wrong usage.
    """
    from curation.records import read_dataset
    from curation.rules import check_dataset

    findings: list[Finding] = []
    unreadable: list[str] = []
    records = 0
    for path in files:
        try:
            dataset = read_dataset(path)
        except UserError as error:
            unreadable.append(str(error))
            continue
        records += len(dataset.lines)
        findings += check_dataset(dataset)
    errors = sum(finding.severity == "error" for finding in findings) + len(unreadable)
    warnings = len(findings) + len(unreadable) - errors
    if output == "json":
        _print_findings_as_json(findings, unreadable, records)
    else:
        from phi2chat.screen import Screen

        screen = Screen()
        for sentence in unreadable:
            screen.say(sentence, "error")
        screen.findings(findings)
        style = "error" if errors else "good"
        screen.say(f"{records} records in {len(files)} files: {errors} errors, {warnings} warnings", style)
    ctx.exit(1 if errors else 0)


def _print_findings_as_json(findings: "list[Finding]", unreadable: list[str], records: int) -> None:
    rows = [
        {"path": str(f.path), "line": f.line, "column": f.column, "field": f.field,
         "message": f.message, "rule": f.rule, "severity": f.severity}
        for f in findings
    ]  # fmt: skip
    rows += [{"message": sentence, "rule": "file", "severity": "error"} for sentence in unreadable]
    print(json.dumps({"records": records, "findings": rows}))


@command.command("list")
@FILE
@click.option("--grep", metavar="PATTERN", help="Only records in which this regular expression is found, in any case.")
def list_(file: Path, grep: str | None) -> None:
    """List the records: a table on a terminal, tab-separated lines elsewhere."""
    from curation.records import read_dataset
    from phi2chat.screen import Screen

    try:
        pattern = re.compile(grep or "", re.IGNORECASE)
    except re.error as error:
        raise UserError(
            f"--grep {grep}: is not a regular expression ({error}); put a \\ before its special characters"
        ) from None
    screen = Screen()
    dataset = read_dataset(file)
    rows = [
        [
            str(line.number),
            *(_one_line(str(record.data.get(field, ""))) for field in ("id", "language", "instruction", "answer")),
        ]
        for line, record in dataset.records()
        if any(pattern.search(str(value)) for value in record.data.values())
    ]
    if screen.out.is_terminal:
        screen.table(["line", "id", "lang", "instruction", "answer"], rows)
    else:
        for row in rows:
            screen.say("\t".join(row))
    shown = f"{len(rows)} of {len(dataset.lines)} records"
    screen.note(shown + (f"; {len(dataset.broken)} lines are broken, see curate validate" if dataset.broken else ""))


@command.command("show")
@FILE
@RECORD_ID
def show(file: Path, record_id: str) -> None:
    """Show one record whole, with what is wrong with it."""
    from curation.records import read_dataset
    from curation.rules import check_dataset
    from curation.script import check
    from phi2chat.screen import Screen, marked

    screen = Screen()
    dataset = read_dataset(file)
    line, record = dataset.find(record_id)
    languages = {"reasoning": record.reasoning_language, "answer": record.language}
    for field, value in record.data.items():
        screen.say(field, "heading")
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        spans = check(text, languages[field]).spans if field in languages else ()
        screen.out.print(marked(text, spans, "reasoning" if field == "reasoning" else ""), soft_wrap=True)
    screen.findings(finding for finding in check_dataset(dataset) if finding.line == line.number)


@command.command("add")
@FILE
@click.option("--id", "record_id", help="Id of the record; made for you by default.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
def add(file: Path, record_id: str | None, tags: tuple[str, ...], **fields: str | None) -> None:
    """Add a record: by form, by flags, or as one JSON object on stdin.

    It is checked before it is written, and it gets an id.
    """
    from curation.store import append_record
    from phi2chat.screen import Screen

    if not file.resolve().parent.is_dir():
        raise UserError(f"{file}: its folder does not exist; make it first")
    given: dict[str, Any] = {"id": record_id, **fields, "tags": list(tags) or None}
    given = {name: value for name, value in given.items() if value is not None}
    screen = Screen()
    if any(name not in ("id", "tags") for name in given):
        data = given
    elif sys.stdin is not None and sys.stdin.isatty():
        from phi2chat.form import HELP, fill_form

        screen.note(HELP)
        data = fill_form(given)
    else:
        data = {**_record_on_stdin(), **given}
    _refuse_faults(file, data, screen)
    try:
        new = append_record(file, data)
    except UserError:
        screen.note("not saved; the record was: " + json.dumps(data, ensure_ascii=False), "warning")
        raise
    screen.say(f"added {new} to {file}", "good")


for _field in reversed(TEXT_FIELDS):
    _flag = "--" + _field.replace("_", "-")
    add = click.option(_flag, _field, help=f"The {_field.replace('_', ' ')} of the record.")(add)


@command.command("edit")
@FILE
@RECORD_ID
@click.option("--form", "use_form", is_flag=True, help="Use the form even where $EDITOR is set.")
def edit(file: Path, record_id: str, use_form: bool) -> None:
    """Correct a record in $EDITOR, or in the form where none is set. All other lines keep their bytes."""
    from curation.records import read_dataset
    from curation.store import replace_record
    from phi2chat.editor import has_editor
    from phi2chat.screen import Screen

    screen = Screen()
    dataset = read_dataset(file)
    line, record = dataset.find(record_id)
    if has_editor() and not use_form:
        data = _edit_in_editor(file, record.data, _taken_ids(dataset, line), screen)
    else:
        from phi2chat.form import FIELDS, HELP, fill_form

        screen.note(HELP)
        data = fill_form(record.data, [field for field in FIELDS if field in record.data or field in FIELDS[:4]])
        _refuse_faults(file, data, screen)
    if data == record.data:
        screen.say("nothing was changed", "note")
        return
    try:
        replace_record(dataset, line, data)
    except UserError:
        screen.note("not saved; the record was: " + json.dumps(data, ensure_ascii=False), "warning")
        raise
    changed = [field for field in {**record.data, **data} if record.data.get(field) != data.get(field)]
    screen.say(f"changed {', '.join(changed)} of {record_id}", "good")


@command.command("rm")
@FILE
@RECORD_ID
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(file: Path, record_id: str, yes: bool) -> None:
    """Remove a record; it is printed, so that `curate add` can bring it back."""
    from curation.records import read_dataset
    from curation.store import remove_record
    from phi2chat.safe_text import safe
    from phi2chat.screen import Screen

    dataset = read_dataset(file)
    line, record = dataset.find(record_id)
    question = f'remove {record_id}, "{_one_line(str(record.data.get("instruction", "")))}"?'
    if not yes and not click.confirm(safe(question), err=True):
        raise UserError(f"{file}: nothing was removed")
    remove_record(dataset, line)
    Screen().say(line.raw.decode("utf-8").rstrip("\r\n"))


@command.command("split")
@FILE
@click.option(
    "--eval", "eval_percent", required=True, metavar="PERCENT", help="Part of the families to hold out, as in 10%."
)
@click.option("--output-dir", type=click.Path(path_type=Path), help="Where to write; by default FILE without .jsonl.")
@click.option("--seed", type=click.IntRange(0), default=42, show_default=True, help="Another seed holds out others.")
def split(file: Path, eval_percent: str, output_dir: Path | None, seed: int) -> None:
    """Write train.jsonl, eval.jsonl and a manifest.

    A record stays on its side when others are added, and a family is never on both sides.
    """
    from curation.records import read_dataset
    from curation.rules import require_contract
    from curation.split import write_split
    from phi2chat.screen import Screen

    percent = _percent(eval_percent)
    dataset = read_dataset(file)
    require_contract(dataset)
    folder = output_dir or file.with_suffix("")
    if folder == file:
        raise UserError(f"{file}: has no ending to leave out; name the folder with --output-dir")
    manifest = write_split(dataset, folder, percent, seed)
    train, eval_ = manifest["train"]["records"], manifest["eval"]["records"]
    share = 100 * eval_ / (train + eval_)
    Screen().say(
        f"{train} train and {eval_} eval records ({share:.1f} %) of {manifest['families']} families in {folder}"
    )


def _percent(text: str) -> float:
    number = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%?\s*", text)
    value = float(number[1]) if number else 0.0
    if not 0 < value < 100 or (value < 1 and "%" not in text):
        raise click.UsageError(f"--eval {text}: give a part of the families such as 10%")
    return value


def _record_on_stdin() -> dict[str, Any]:
    from curation.records import parse_dataset

    content = sys.stdin.buffer.read() if sys.stdin is not None else b""
    dataset = parse_dataset(Path("stdin"), b" ".join(content.splitlines()) if _is_one_object(content) else content)
    if dataset.broken:
        raise UserError(f"{dataset.broken[0]}; give one JSON object on stdin, or flags, see --help")
    records = list(dataset.records())
    if len(records) != 1:
        raise UserError(f"stdin: holds {len(records)} records; give one JSON object on stdin, or flags, see --help")
    return dict(records[0][1].data)


def _is_one_object(content: bytes) -> bool:
    """Whether it is an object written over several lines, whose line ends are then only layout."""
    try:
        return isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        return False


def _refuse_faults(file: Path, data: Mapping[str, Any], screen: "Screen") -> None:
    from curation.rules import check_record

    findings = [finding for finding in check_record(file, dict(data)) if finding.severity == "error"]
    if findings:
        for finding in findings:
            screen.note(f"{finding.field}: {finding.message} [{finding.rule}]", "error")
        screen.note(json.dumps(dict(data), ensure_ascii=False))
        raise UserError(f"{file}: the record was not written; mend {findings[0].field} and try again")


def _edit_in_editor(
    file: Path, before: Mapping[str, Any], taken: Mapping[str, int], screen: "Screen"
) -> dict[str, Any]:
    from curation.rules import check_record
    from phi2chat.editor import edit_text, from_text, to_text

    text = to_text(before)
    while True:
        text = edit_text(text)
        try:
            data = from_text(before, text)
            faults = [f"{f.field}: {f.message}" for f in check_record(file, data) if f.severity == "error"]
            if data.get("id") in taken:
                faults.append(f'id: "{data["id"]}" is used on line {taken[data["id"]]}')
        except UserError as error:
            faults = [str(error)]
        if not faults:
            return data
        for fault in faults:
            screen.note(fault, "error")
        if not (sys.stdin is not None and sys.stdin.isatty()) or not click.confirm(
            "edit again?", default=True, err=True
        ):
            screen.note(text)
            raise UserError(f"{file}: nothing was changed; your text stands above")


def _taken_ids(dataset: "Dataset", line: "Line") -> dict[str, int]:
    return {str(record.id): other.number for other, record in dataset.records() if other.number != line.number}


def _one_line(text: str) -> str:
    return " ".join(text.split())
