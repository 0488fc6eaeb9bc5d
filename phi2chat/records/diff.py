"""`curate diff`: what two files, or two states of one, say otherwise, record by record."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phi2chat.terminal.safe_text import on_one_line
from phi2chat.units import spell_count

if TYPE_CHECKING:
    from curation.diff import Changed, Differences, Placed
    from phi2chat.terminal.screen import Screen

CONTEXT = 30  # characters that are shown before and after a change
PATH = click.Path(path_type=Path)


@click.command("diff")
@click.argument("before", metavar="A", type=PATH)
@click.argument("after", metavar="[B]", type=PATH, required=False)
@click.option("--since", metavar="ENTRY|TIME", help="Compare A with what it was after this entry of its journal.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff(before: Path, after: Path | None, since: str | None, as_json: bool) -> None:
    """Name the records that were added, removed and changed from A to B, whatever their order.

    A record is known by its id; without one by its content, else by its question. What is gone stands between [- and
    -], what has come between {+ and +}.
    """
    from curation.diff import compare
    from curation.journal import versions
    from curation.records import open_to_read
    from phi2chat.records.undoing import entry_or_time
    from phi2chat.terminal.screen import Screen

    if (after is None) == (since is None):
        raise click.UsageError("Give two files, or one and --since.")
    with contextlib.ExitStack() as files:
        if since is not None:
            old, new = versions(before, entry_or_time("--since", since), files)
        else:
            assert after is not None
            old, new = (files.enter_context(open_to_read(path)) for path in (before, after))
        found = compare(after or before, old, new)
        if as_json:
            _print_json(found)
        else:
            _show(found, Screen())


def _show(found: "Differences", screen: "Screen") -> None:
    for line in found.removed:
        screen.say(f"- {line.name} (line {line.number}): {_first_words(line)}", "error")
    for line in found.added:
        screen.say(f"+ {line.name} (line {line.number}): {_first_words(line)}", "good")
    for change in found.changed:
        _show_change(change, screen)
    kinds = {"added": found.added, "removed": found.removed, "changed": found.changed}
    counts = [f"{len(lines):,} {kind}" for kind, lines in kinds.items() if lines]
    screen.note(f"{', '.join(counts) or 'no difference'}; {spell_count(found.same)} the same")


def _show_change(change: "Changed", screen: "Screen") -> None:
    from phi2chat.terminal.change_text import change_text
    from phi2chat.terminal.screen import safe_text

    screen.say(f"~ {change.after.name} (line {change.after.number})", "heading")
    for name, (old, new) in change.fields.items():
        line = safe_text(f"  {name}: ", "note") + change_text(old, new, CONTEXT)
        screen.out.print(line, soft_wrap=True)


def _first_words(line: "Placed") -> str:
    from curation.excerpts import excerpt

    text = line.data.get("instruction", "") if line.data else line.raw.decode("utf-8", "replace")
    return excerpt(on_one_line(str(text)), 60)


def _print_json(found: "Differences") -> None:
    """One object on one line, of which a member of a list is made at a time."""
    from phi2chat.terminal.safe_text import json_line

    lists: list[tuple[str, Iterable[dict[str, Any]]]] = [
        ("added", map(_line_to_json, found.added)),
        ("removed", map(_line_to_json, found.removed)),
        ("changed", map(_change_to_json, found.changed)),
    ]
    click.echo("{", nl=False)
    for name, members in lists:
        click.echo(json_line(name), nl=False)
        click.echo(": [", nl=False)
        for number, member in enumerate(members):
            if number:
                click.echo(", ", nl=False)
            click.echo(json_line(member), nl=False)
        click.echo("], ", nl=False)
    click.echo('"same": ', nl=False)
    click.echo(json_line(found.same), nl=False)
    click.echo("}")


def _change_to_json(change: "Changed") -> dict[str, Any]:
    from phi2chat.terminal.change_text import spell
    from phi2chat.terminal.differences import in_one

    return {
        "id": change.after.name,
        "line": change.after.number,
        "line_before": change.before.number,
        "fields": {
            name: {"before": old, "after": new, "runs": in_one(spell(old), spell(new))}
            for name, (old, new) in change.fields.items()
        },
    }


def _line_to_json(line: "Placed") -> dict[str, Any]:
    is_broken = line.data is None
    text = {"text": line.raw.decode("utf-8", "surrogateescape")} if is_broken else {"record": line.data}
    return {"id": line.name, "line": line.number, **text}
