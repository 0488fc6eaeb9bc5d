"""`phi2chat curate`: write, check, show, correct and split the records of a JSONL file. Imports no torch."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.command_group import CommandGroup
from phi2chat.records.bulk import mv, retag, rm
from phi2chat.records.chosen import RECORD_IDS, choose, name_of, where_option
from phi2chat.records.dedup import dedup
from phi2chat.records.diff import diff
from phi2chat.records.entry import (
    edit_in_editor,
    fill_in_form,
    has_terminal,
    pasteable,
    read_record_on_stdin,
    refuse_faults,
)
from phi2chat.records.exchange import export, import_
from phi2chat.records.listing import FILE, list_, show
from phi2chat.records.split import split
from phi2chat.records.survey import check_split, stats
from phi2chat.records.undoing import log, restore, undo
from phi2chat.records.validate import validate
from phi2chat.reviewing.browse import browse

if TYPE_CHECKING:
    from phi2chat.terminal.screen import Screen

ANY_SCRIPT = click.option("--any-script", is_flag=True, help="Accept a text in the wrong script for its language.")
TEXT_FIELDS = ("instruction", "input", "reasoning", "answer", "language", "reasoning_language",
               "family", "category", "source", "license", "note")  # fmt: skip


@click.group("curate", cls=CommandGroup)
def command() -> None:
    """Write, check, show, correct and split records, and exchange them with other formats."""


for _command in (browse, list_, show, rm, mv, retag, diff, log, undo, restore):
    command.add_command(_command)
command.add_command(import_)
command.add_command(export)
command.add_command(stats)
command.add_command(check_split)
command.add_command(split)
command.add_command(validate)
command.add_command(dedup)


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
    from phi2chat.terminal.screen import Screen

    if not file.absolute().parent.is_dir():
        raise UserError(f"{file}: its folder does not exist; make it first")
    given: dict[str, Any] = {"id": record_id, **fields, "tags": list(tags) or None}
    given = {name: value for name, value in given.items() if value is not None}
    screen = Screen()
    if any(name not in ("id", "tags") for name in given):
        data = given
    elif has_terminal():
        from phi2chat.terminal.form import FIELDS

        data = fill_in_form(file, given, FIELDS, any_script, screen)
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
    _help = f"The {_field.replace('_', ' ')} of the record."
    add = click.option(_flag, _field, help=_help if _field != "input" else "A text that the instruction is about.")(add)


@command.command("edit")
@FILE
@RECORD_IDS
@where_option
@click.option("--form", "use_form", is_flag=True, help="Use the form even where $EDITOR is set.")
@ANY_SCRIPT
def edit(
    file: Path, record_ids: tuple[str, ...], conditions: tuple[str, ...], use_form: bool, any_script: bool
) -> None:
    """Correct records in $EDITOR, or in the form where none is set, one after the other, each saved at once.

    All other lines keep their bytes.
    """
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    chosen = choose(file, record_ids, conditions)
    for name in dict.fromkeys(record_ids) or [name_of(line, record) for line, record in chosen.lines()]:
        _edit(file, name, use_form, any_script, screen)


def _edit(file: Path, record_id: str, use_form: bool, any_script: bool, screen: "Screen") -> None:
    from curation.choosing import seek
    from curation.diff import changed_fields
    from curation.records import edit_line
    from curation.store import Note, change_lines
    from phi2chat.terminal.editor import has_editor

    sought = seek(file, record_id)
    line, record = sought.line, sought.record
    if has_editor() and not use_form:
        data = edit_in_editor(file, record.data, sought.others, any_script, screen)
    else:
        from phi2chat.terminal.form import FIELDS

        if not has_terminal():
            raise UserError(f"{file}: there is no terminal to show the form in; set $EDITOR")
        fields = [field for field in FIELDS if field in record.data or field in FIELDS[:4]]
        data = fill_in_form(file, record.data, fields, any_script, screen)
    changed = changed_fields(record.data, data)  # to Python, true is 1
    if not changed:
        screen.say("nothing was changed", "note")
        return
    try:
        new = edit_line(line.raw, data)
        change_lines(file, sought.sha256, lambda number, raw: new if number == line.number else raw, Note("edit"))
    except UserError:
        screen.note(
            "not saved; the record was: " + pasteable(json.dumps(data, ensure_ascii=False)), "warning", wrap=False
        )
        raise
    screen.say(f"changed {', '.join(changed)} of {record_id}", "good")
