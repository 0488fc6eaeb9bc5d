"""`curate rm`, `curate mv` and `curate retag`: one record or many, in one write and one entry of the journal."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phi2chat.records.chosen import RECORD_IDS, YES, choose, name_of, require_agreement, where_option
from phi2chat.records.entry import pasteable
from phi2chat.records.listing import FILE
from phi2chat.terminal.safe_text import on_one_line
from phi2chat.units import spell_count

if TYPE_CHECKING:
    from curation.choosing import Chosen


@click.command("rm")
@FILE
@RECORD_IDS
@where_option
@YES
def rm(file: Path, record_ids: tuple[str, ...], conditions: tuple[str, ...], yes: bool) -> None:
    """Remove records; they are printed, so that `curate add` can bring them back, as `curate undo` can."""
    from curation.bulk import remove
    from phi2chat.terminal.screen import Screen

    chosen = choose(file, record_ids, conditions)
    require_agreement(file, f"remove {_describe(chosen)}?", yes, "nothing was removed")
    screen = Screen()
    # First, for it may be all that is left of them.
    for line, _ in chosen.lines():
        screen.say(pasteable(line.raw.decode("utf-8").rstrip("\r\n")), wrap=False)
    screen.out.file.flush()
    remove(chosen)


@click.command("mv")
@FILE
@RECORD_IDS
@where_option
@click.option("--to", "other", type=click.Path(path_type=Path), required=True, help="The file that gets them.")
@YES
def mv(file: Path, record_ids: tuple[str, ...], conditions: tuple[str, ...], other: Path, yes: bool) -> None:
    """Move records to the end of another file, which is made where there is none.

    They are in the other file before they are gone from this one. If that is interrupted, move them again.
    """
    from curation.bulk import move_records
    from phi2chat.terminal.screen import Screen

    chosen = choose(file, record_ids, conditions)
    require_agreement(file, f"move {_describe(chosen)} to {other}?", yes or bool(record_ids), "nothing was moved")
    moved = move_records(chosen, other)
    there = f"; {moved.there:,} were there already" if moved.there else ""
    Screen().say(f"moved {spell_count(moved.records)} from {file} to {other}{there}", "good")


@click.command("retag")
@FILE
@RECORD_IDS
@where_option
@click.option("--add", metavar="TAG", multiple=True, help="A tag to add; may be given several times.")
@click.option("--remove", metavar="TAG", multiple=True, help="A tag to take away; may be given several times.")
@click.option("--category", help='The category to set; "" takes it away, here and below.')
@click.option("--family", help="The family to set.")
@click.option("--source", help="The source to set.")
@click.option("--license", help="The license to set.")
def retag(
    file: Path,
    record_ids: tuple[str, ...],
    conditions: tuple[str, ...],
    add: tuple[str, ...],
    remove: tuple[str, ...],
    **labels: str | None,
) -> None:
    """Change the tags and labels of records. The texts are never touched."""
    from curation.bulk import retag as retag_records
    from phi2chat.terminal.screen import Screen

    given = {name: value for name, value in labels.items() if value is not None}
    if not (add or remove or given):
        raise click.UsageError("Say what to change: --add, --remove, --category, --family, --source or --license.")
    if both := sorted(set(add) & set(remove)):
        raise click.UsageError(f"Give {both[0]} to --add or to --remove, not to both.")
    chosen = choose(file, record_ids, conditions)
    changed = retag_records(chosen, add, remove, given)
    same = f"; {len(chosen) - changed:,} were so already" if changed < len(chosen) else ""
    Screen().say(f"retagged {spell_count(changed)} of {file}{same}", "good")


def _describe(chosen: "Chosen") -> str:
    if len(chosen) != 1:
        return spell_count(len(chosen))
    line, record = next(chosen.lines())
    return f'{name_of(line, record)}, "{on_one_line(str(record.data.get("instruction", "")))}"'
