"""`curate list` and `curate show`."""

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi2chat.records.chosen import GREP, RECORD_IDS, choose, name_of, parse_conditions, where_option

if TYPE_CHECKING:
    from curation.records import Record
    from phi2chat.terminal.screen import Screen

FILE = click.argument("file", type=click.Path(path_type=Path))
TABLE_ROWS = 1000  # of which the widths of the columns are made; they are all that is in memory


@click.command("list")
@FILE
@GREP
@where_option
def list_(file: Path, grep: str | None, conditions: tuple[str, ...]) -> None:
    """List the records, their ids first: a table on a terminal, tab-separated lines elsewhere."""
    from curation.choosing import choose_by_conditions
    from phi2chat.terminal.safe_text import on_one_line, safe
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    chosen = choose_by_conditions(file, parse_conditions(grep, conditions))
    rows = (
        [
            on_one_line(name_of(line, record)),
            str(line.number),
            on_one_line(record.language),
            *(on_one_line(str(record.data.get(field, ""))) for field in ("instruction", "answer")),
        ]
        for line, record in chosen.lines()
    )
    if screen.out.is_terminal:
        while some := list(itertools.islice(rows, TABLE_ROWS)):
            screen.table(["id", "line", "lang", "instruction", "answer"], some)
    else:
        for row in rows:
            click.echo(safe("\t".join(row)))  # rich would turn the tabs into spaces
    shown = f"{len(chosen)} of {chosen.of_lines} records"
    screen.note(shown + (f"; {chosen.broken} lines are broken, see curate validate" if chosen.broken else ""))


@click.command("show")
@FILE
@RECORD_IDS
@where_option
def show(file: Path, record_ids: tuple[str, ...], conditions: tuple[str, ...]) -> None:
    """Show records whole, with what is wrong with them; line:N as ID is the record on line N."""
    from curation.rules import choose as choose_rules
    from curation.scan import scan_file
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    chosen = choose(file, record_ids, conditions)
    rules = choose_rules(ignore=["no-final-newline", "mixed-line-ends"])  # which are about the file
    numbers = frozenset(chosen.numbers)
    findings = [finding for finding in scan_file(file, rules).findings if finding.line in numbers]
    for place, (line, record) in enumerate(chosen.lines()):
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
