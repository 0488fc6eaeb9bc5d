"""Which records a command is about: by their ids, or by `--where`; and the question before many of them go."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.records.entry import has_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from curation.choosing import Chosen
    from curation.records import Line, Record
    from curation.where import Condition

RECORD_IDS = click.argument("record_ids", metavar="[ID]...", nargs=-1)
GREP = click.option(
    "--grep", metavar="PATTERN", help="Only records in which this regular expression is found, in any case."
)
YES = click.option("--yes", is_flag=True, help="Do not ask.")


def where_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option --where, which may be given several times."""
    option = click.option(
        "--where",
        "conditions",
        multiple=True,
        metavar="EXPR",
        help="Only records with language=ja, category!=math, tags=geo, answer~REGEX, len(answer)>200, line<=100 ...;"
        " several must all hold.",
    )
    return option(command)


def parse_conditions(grep: str | None, conditions: Sequence[str]) -> "list[Condition]":
    """What --grep and --where say, as far as they are given. Raises UserError where one makes no sense."""
    from curation.where import parse_condition, parse_grep

    return [*([] if grep is None else [parse_grep(grep)]), *map(parse_condition, conditions)]


def choose(file: "Path", record_ids: Sequence[str], conditions: Sequence[str]) -> "Chosen":
    """The records of a file with these ids, each once, or for which all conditions hold; UserError for none."""
    from curation.choosing import choose_by_conditions, choose_by_ids

    if bool(record_ids) == bool(conditions):
        raise click.UsageError("Give either ids or --where.")
    if record_ids:
        return choose_by_ids(file, record_ids)
    chosen = choose_by_conditions(file, parse_conditions(None, conditions))
    if not chosen:
        raise UserError(f"{file}: no record is like that; `phi2chat curate list --where` tries it")
    return chosen


def name_of(line: "Line", record: "Record") -> str:
    """By which a record can be named on the command line: its id, or its line."""
    return record.id if isinstance(record.id, str) and record.id else f"line:{line.number}"


def require_agreement(file: object, question: str, yes: bool, nothing: str) -> None:
    """Ask on the terminal, unless the answer is known. Raises UserError where it is no, or nobody can be asked.

    `nothing` says what then did not happen.
    """
    from phi2chat.terminal.safe_text import safe

    try:
        agreed = yes or (sys.stdin is not None and click.confirm(safe(question), err=True))
    except click.Abort:
        if has_terminal():  # Ctrl-C
            raise
        raise UserError(f"{file}: {nothing}; where there is no terminal to ask in, say --yes") from None
    if not agreed:
        raise UserError(f"{file}: {nothing}")
