"""`phi2chat curate`: write, check, show, correct and split the records of a JSONL file. Imports no torch."""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.dedup import dedup
from phi2chat.entry import edit_in_editor, has_terminal, pasteable, read_record_on_stdin, refuse_faults
from phi2chat.exchange import export, import_
from phi2chat.split import split
from phi2chat.survey import check_split, stats
from phi2chat.validate import validate

if TYPE_CHECKING:
    from curation.records import Dataset, Line

FILE = click.argument("file", type=click.Path(path_type=Path))
RECORD_ID = click.argument("record_id", metavar="ID")
ANY_SCRIPT = click.option("--any-script", is_flag=True, help="Accept a text in the wrong script for its language.")
TEXT_FIELDS = ("instruction", "input", "reasoning", "answer", "language", "reasoning_language",
               "family", "category", "source", "license", "note")  # fmt: skip


@click.group("curate")
def command() -> None:
    """Write, check, show, correct and split records, and exchange them with other formats."""


command.add_command(import_)
command.add_command(export)
command.add_command(stats)
command.add_command(check_split)
command.add_command(split)
command.add_command(validate)
command.add_command(dedup)


@command.command("list")
@FILE
@click.option("--grep", metavar="PATTERN", help="Only records in which this regular expression is found, in any case.")
def list_(file: Path, grep: str | None) -> None:
    """List the records: a table on a terminal, tab-separated lines elsewhere."""
    from curation.records import read_dataset
    from phi2chat.safe_text import safe
    from phi2chat.screen import Screen

    try:
        pattern = re.compile(grep or "", re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
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
            click.echo(safe("\t".join(row)))  # rich would turn the tabs into spaces
    shown = f"{len(rows)} of {len(dataset.lines)} records"
    screen.note(shown + (f"; {len(dataset.broken)} lines are broken, see curate validate" if dataset.broken else ""))


@command.command("show")
@FILE
@RECORD_ID
def show(file: Path, record_id: str) -> None:
    """Show one record whole, with what is wrong with it; line:N as ID is the record on line N."""
    from curation.records import read_dataset
    from curation.rules import check_dataset, choose
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
    rules = choose(ignore=["no-final-newline", "mixed-line-ends"])  # which are about the file
    screen.findings(finding for finding in check_dataset(dataset, rules) if finding.line == line.number)


@command.command("add")
@FILE
@click.option("--id", "record_id", help="Id of the record; made for you by default.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
@ANY_SCRIPT
def add(file: Path, record_id: str | None, tags: tuple[str, ...], any_script: bool, **fields: str | None) -> None:
    """Add a record: by form, by flags, or as one JSON object on stdin.

    It is checked before it is written, and it gets an id.
    """
    from curation.store import append_record
    from phi2chat.screen import Screen

    if not file.absolute().parent.is_dir():
        raise UserError(f"{file}: its folder does not exist; make it first")
    given: dict[str, Any] = {"id": record_id, **fields, "tags": list(tags) or None}
    given = {name: value for name, value in given.items() if value is not None}
    screen = Screen()
    if any(name not in ("id", "tags") for name in given):
        data = given
    elif has_terminal():
        from phi2chat.form import HELP, fill_form

        screen.note(HELP)
        data = fill_form(given)
    else:
        data = {**read_record_on_stdin(), **given}
    refuse_faults(file, data, any_script, screen)
    try:
        new = append_record(file, data)
    except UserError:
        screen.note(
            "not saved; the record was: " + pasteable(json.dumps(data, ensure_ascii=False)), "warning", wrap=False
        )
        raise
    screen.say(f"added {new} to {file}", "good")


for _field in TEXT_FIELDS:
    _flag = "--" + _field.replace("_", "-")
    add = click.option(_flag, _field, help=f"The {_field.replace('_', ' ')} of the record.")(add)


@command.command("edit")
@FILE
@RECORD_ID
@click.option("--form", "use_form", is_flag=True, help="Use the form even where $EDITOR is set.")
@ANY_SCRIPT
def edit(file: Path, record_id: str, use_form: bool, any_script: bool) -> None:
    """Correct a record in $EDITOR, or in the form where none is set. All other lines keep their bytes."""
    from curation.records import read_dataset
    from curation.store import replace_record
    from phi2chat.editor import has_editor
    from phi2chat.screen import Screen

    screen = Screen()
    dataset = read_dataset(file)
    line, record = dataset.find(record_id)
    if has_editor() and not use_form:
        data = edit_in_editor(file, record.data, _taken_ids(dataset, line), any_script, screen)
    else:
        from phi2chat.form import FIELDS, HELP, fill_form

        if not has_terminal():
            raise UserError(f"{file}: there is no terminal to show the form in; set $EDITOR")
        screen.note(HELP)
        data = fill_form(record.data, [field for field in FIELDS if field in record.data or field in FIELDS[:4]])
        refuse_faults(file, data, any_script, screen)
    if data == record.data:
        screen.say("nothing was changed", "note")
        return
    try:
        replace_record(dataset, line, data)
    except UserError:
        screen.note(
            "not saved; the record was: " + pasteable(json.dumps(data, ensure_ascii=False)), "warning", wrap=False
        )
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
    try:
        agreed = yes or (sys.stdin is not None and click.confirm(safe(question), err=True))
    except click.Abort:
        if has_terminal():  # Ctrl-C
            raise
        raise UserError(f"{file}: nothing was removed; where there is no terminal to ask in, say --yes") from None
    if not agreed:
        raise UserError(f"{file}: nothing was removed")
    screen = Screen()
    # First, for it may be all that is left of it.
    screen.say(pasteable(line.raw.decode("utf-8").rstrip("\r\n")), wrap=False)
    screen.out.file.flush()
    remove_record(dataset, line)


def _taken_ids(dataset: "Dataset", line: "Line") -> dict[str, int]:
    others = [(other, record) for other, record in dataset.records() if other.number != line.number]
    return {record.id: other.number for other, record in others if isinstance(record.id, str)}


def _one_line(text: str) -> str:
    return " ".join(text.split())
