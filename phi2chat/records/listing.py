"""`curate list` and `curate show`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi2chat.records.chosen import GREP, RECORD_IDS, choose, name_of, parse_conditions, where_option

if TYPE_CHECKING:
    from curation.records import Record
    from phi2chat.terminal.screen import Screen

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.command("list")
@FILE
@GREP
@where_option
def list_(file: Path, grep: str | None, conditions: tuple[str, ...]) -> None:
    """List the records, their ids first: a table on a terminal, tab-separated lines elsewhere."""
    from curation.records import read_dataset
    from curation.where import choose_records
    from phi2chat.terminal.safe_text import safe
    from phi2chat.terminal.screen import Screen

    parsed = parse_conditions(grep, conditions)
    screen = Screen()
    dataset = read_dataset(file)
    rows = [
        [
            one_line(name_of(line, record)),
            str(line.number),
            one_line(record.language),
            *(one_line(str(record.data.get(field, ""))) for field in ("instruction", "answer")),
        ]
        for line, record in choose_records(dataset, parsed)
    ]
    if screen.out.is_terminal:
        screen.table(["id", "line", "lang", "instruction", "answer"], rows)
    else:
        for row in rows:
            click.echo(safe("\t".join(row)))  # rich would turn the tabs into spaces
    shown = f"{len(rows)} of {len(dataset.lines)} records"
    screen.note(shown + (f"; {len(dataset.broken)} lines are broken, see curate validate" if dataset.broken else ""))


@click.command("show")
@FILE
@RECORD_IDS
@where_option
def show(file: Path, record_ids: tuple[str, ...], conditions: tuple[str, ...]) -> None:
    """Show records whole, with what is wrong with them; line:N as ID is the record on line N."""
    from curation.rules import check_dataset
    from curation.rules import choose as choose_rules
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    dataset, chosen = choose(file, record_ids, conditions)
    rules = choose_rules(ignore=["no-final-newline", "mixed-line-ends"])  # which are about the file
    findings = list(check_dataset(dataset, rules))
    for place, (line, record) in enumerate(chosen):
        if place:
            screen.out.print()
        _show(record, screen)
        screen.findings(finding for finding in findings if finding.line == line.number)


def _show(record: "Record", screen: "Screen") -> None:
    from curation.script import check
    from phi2chat.terminal.screen import marked

    languages = {"reasoning": record.reasoning_language, "answer": record.language}
    for field, value in record.data.items():
        screen.say(field, "heading")
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        spans = check(text, languages[field]).spans if field in languages else ()
        screen.out.print(marked(text, spans, "reasoning" if field == "reasoning" else ""), soft_wrap=True)


def one_line(text: str) -> str:
    """A text with its blanks and line ends as single blanks."""
    return " ".join(text.split())
