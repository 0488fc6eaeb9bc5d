"""`curate log`, `curate undo` and `curate restore`: what the journal of a data file is for."""

import contextlib
import itertools
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.records.listing import FILE
from phi2chat.terminal.safe_text import on_one_line
from phi2chat.units import spell_count

if TYPE_CHECKING:
    from rich.text import Text

    from curation.hunks import Hunk
    from curation.journal import Change, History
    from curation.journal_file import Entry
    from phi2chat.terminal.screen import Screen

SHOWN_ENTRIES = 20
SHOWN_IDS = 3
CONTEXT = 8  # characters that are shown before and after a change
SHOWN_CHARS = 30  # of what was changed


@click.command("log")
@FILE
@click.option("-n", "number", type=click.IntRange(1), help=f"How many entries, the latest; {SHOWN_ENTRIES} by default.")
@click.option("--json", "as_json", is_flag=True, help="Print each entry as a line of JSON, with all that it changed.")
def log(file: Path, number: int | None, as_json: bool) -> None:
    """Show what was done to a file, the latest first: when, by which command, and to which records."""
    from curation.journal import read_history
    from curation.records import require_file
    from phi2chat.terminal.safe_text import json_line, safe
    from phi2chat.terminal.screen import Screen

    require_file(file)
    history = read_history(file)
    shown = history.entries[-number if number else None if as_json else -SHOWN_ENTRIES :][::-1]
    if as_json:
        for entry in shown:
            click.echo(json_line(_to_json(history, entry)))
        return
    screen = Screen()
    rows = [_row(history, entry) for entry in shown]
    if screen.out.is_terminal:
        screen.table(["entry", "when", "command", "records", "change"], rows)
    else:
        for row in rows:
            click.echo(safe("\t".join(str(cell) for cell in row)))
    left_out = len(history.entries) - len(shown)
    more = f"; -n {len(history.entries)} shows {left_out:,} more" if left_out else ""
    damaged = f"; {spell_count(history.journal.damaged, 'line')} of the journal could not be read" * (
        history.journal.damaged > 0
    )
    screen.note(f"{len(shown):,} of {len(history.entries):,} entries{more}{damaged}")


@click.command("undo")
@FILE
@click.argument("number", metavar="[N]", type=click.IntRange(1), required=False)
@click.option("--to", "entry", type=click.IntRange(0), help="Undo all that came after this entry; 0 undoes all.")
@click.option("--redo", "is_redo", is_flag=True, help="Bring back what the last undo took back.")
def undo(file: Path, number: int | None, entry: int | None, is_redo: bool) -> None:
    """Take the last change of a file back, or the last N; each undo goes one further back.

    An undo is a change too: `curate log` shows it, and --redo takes it back.
    """
    from curation import journal
    from curation.records import require_file
    from phi2chat.terminal.screen import Screen

    if sum((number is not None, entry is not None, is_redo)) > 1:
        raise click.UsageError("Give one of N, --to and --redo.")
    require_file(file)
    screen = Screen()
    if is_redo:
        (undone,) = journal.redo(file).about
        screen.say(f"did again what entry {undone.number} of {file} had undone", "good")
        return
    change = journal.undo(file, number or 1) if entry is None else journal.undo_to(file, entry)
    _tell(change, file, screen)


def _tell(change: "Change", file: Path, screen: "Screen") -> None:
    for entry in change.about:
        of = f" of {_spell_ids(entry)}" if entry.ids else ""  # blank lines have no name
        screen.say(f"undid {entry.command}{of} in {file} (entry {entry.number})", "good")
        if entry.command == "mv":
            way, _, other = entry.about.partition(" ")
            left = "they are there too" if way == "to" else "they are not put back there"
            screen.note(f"the move {entry.about} is undone here alone: {left}; `phi2chat curate undo {other}` goes on")


@click.command("restore")
@FILE
@click.option("--at", metavar="ENTRY|TIME", required=True, help="As it was after this entry (0: before all), or then.")
@click.option("--output", type=click.Path(path_type=Path), help="Write it to this new file, and leave FILE as it is.")
def restore(file: Path, at: str, output: Path | None) -> None:
    """Make a file what it was after an entry of its journal, or at a time such as 2026-11-23T12:00."""
    from curation import journal
    from curation.atomic import replacing
    from curation.hunks import blocks_of
    from curation.records import require_file, told_as_reading
    from phi2chat.terminal.screen import Screen

    moment = entry_or_time("--at", at)
    require_file(file)
    if output is None:
        change = journal.restore(file, moment)
        same = "" if change.entry else ", which it is already"
        Screen().say(f"{file} is as it was {_spell(change.about)}{same}", "good")
        return
    if output.exists() or output.is_symlink():
        raise UserError(f"{output}: already exists; give another name")
    with contextlib.ExitStack() as files:
        then, _ = journal.versions(file, moment, files)

        def blocks() -> Iterator[bytes]:  # by itself, so that what cannot be read is not said of what is written
            with told_as_reading(file):
                yield from blocks_of(then, 0)

        with replacing(output) as staged, staged.open("wb") as new:
            new.writelines(blocks())
    Screen().say(f"wrote {output}", "good")


def _spell(about: "tuple[Entry, ...]") -> str:
    return f"after entry {about[0].number}" if about else "before the first entry"


def entry_or_time(option: str, text: str) -> int | datetime:
    """What the user means by an entry's number or a time, which is local where it names no zone."""
    try:
        if text.isascii() and text.isdigit():
            return int(text)  # a ValueError for more digits than Python reads
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise UserError(f"{option} {text}: give the number of an entry, or a time such as 2026-11-23T12:00") from None


def _row(history: "History", entry: "Entry") -> "list[str | Text]":
    when = datetime.fromisoformat(entry.time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if not entry.number:
        return ["", "", entry.command, "", "changed the file after the entry below"]
    state = f" ({entry.state})" if entry.state != "done" else ""
    return [str(entry.number), when, entry.command + state, _spell_ids(entry), _summary(history, entry)]


def _spell_ids(entry: "Entry") -> str:
    total = entry.added + entry.changed + entry.removed
    more = total - min(len(entry.ids), SHOWN_IDS)
    return ", ".join(map(on_one_line, entry.ids[:SHOWN_IDS])) + (
        f" and {more:,} more" if more > 0 and total > 1 else ""
    )


def _summary(history: "History", entry: "Entry") -> "Text":
    """What an entry has changed, in a few words."""
    from phi2chat.terminal.screen import safe_text

    if entry.undoes or entry.redoes or entry.about:
        numbers = ", ".join(map(str, entry.undoes or [entry.redoes]))
        return safe_text(entry.about or (f"entry {numbers}" if entry.undoes else f"what entry {numbers} undid"))
    if entry.added + entry.changed + entry.removed == 1:
        shown = _one_change(history.journal.hunks(entry))
        if shown:
            return shown
    kinds = {"added": entry.added, "changed": entry.changed, "removed": entry.removed}
    return safe_text(", ".join(f"{number:,} {kind}" for kind, number in kinds.items() if number))


def _one_change(found: "Iterator[Hunk]") -> "Text | None":
    from rich.text import Text

    from curation.diff import changed_fields
    from curation.lines import BadLine, parse_line
    from phi2chat.terminal.change_text import change_text, spell
    from phi2chat.terminal.screen import safe_text

    hunks = list(itertools.islice(found, 2))
    if len(hunks) != 1 or hunks[0].new is None:
        return None
    try:
        before, after = (parse_line(raw) if raw.strip() else {} for raw in (hunks[0].old, hunks[0].new))
    except BadLine:
        return None
    is_edit = before and after
    fields = changed_fields(before, after) if is_edit else {"": (_question(before), _question(after))}
    shown = Text()
    for name, (old, new) in fields.items():
        change = change_text(on_one_line(spell(old)), on_one_line(spell(new)), CONTEXT, SHOWN_CHARS)
        shown += Text("; " if shown else "") + safe_text(f"{name}: " if name else "") + change
    return shown


def _question(data: dict[str, Any]) -> str:
    return str(data.get("instruction", ""))


def _to_json(history: "History", entry: "Entry") -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.structs.asdict(entry)
    hunks = history.journal.hunks(entry) if entry.number else []
    found["changes"] = [
        {
            "line": hunk.line,
            "old": hunk.old.decode("utf-8", "surrogateescape"),
            "new": None if hunk.new is None else hunk.new.decode("utf-8", "surrogateescape"),
        }
        for hunk in hunks
    ]
    return found
