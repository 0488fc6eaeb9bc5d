"""`phi2chat curate browse`: records reviewed one after the other on the whole terminal."""

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.records.chosen import GREP, parse_conditions, where_option

if TYPE_CHECKING:
    from phi2chat.reviewing.review import Review
    from phi2chat.reviewing.review_item import Item


@click.command("browse")
@click.argument("file", type=click.Path(path_type=Path))
@GREP
@where_option
@click.option("--findings", is_flag=True, help="Only records that a rule finds something in.")
@click.option("--who", metavar="NAME", help="Sign what you accept: who and when stand in its provenance.")
def browse(file: Path, grep: str | None, conditions: tuple[str, ...], findings: bool, who: str | None) -> None:
    """Review records on the whole terminal: the list, the record, and what the rules find in it.

    e edits, a accepts, r rejects, u undoes, g goes to the next finding, / searches, ? shows all keys.
    Every change is on the disk before the screen says saved.
    """
    if who is not None and not who.strip():
        raise click.UsageError("--who: give a name")
    from prompt_toolkit.utils import is_dumb_terminal

    if is_dumb_terminal() or any(stream is None or not stream.isatty() for stream in (sys.stdin, sys.stdout)):
        raise UserError(f"{file}: browse needs a terminal; `phi2chat curate list` and `curate show` do without one")
    from phi2chat.reviewing.background_check import BackgroundCheck
    from phi2chat.reviewing.review import Review
    from phi2chat.reviewing.review_edit import leave_drafts
    from phi2chat.reviewing.review_screen import ReviewScreen
    from phi2chat.reviewing.reviewed_file import ReviewedFile

    review = Review(ReviewedFile(file), who, _filter(file, grep, conditions), findings)
    check = BackgroundCheck(file)
    screen = ReviewScreen(review, check)
    check.notify = screen.notify
    try:
        while (key := screen.run()) != "q":
            _edit(review, as_json=key == "E")
    finally:
        check.stop()
        _leave(leave_drafts(review))


def _leave(drafts: Sequence[Path]) -> None:
    from phi2chat.terminal.screen import Screen

    with contextlib.suppress(OSError):  # the terminal may be closed
        for path in drafts:
            Screen().note(f"what you wrote and did not save is in {path}", "warning")


def _filter(file: Path, grep: str | None, conditions: Sequence[str]) -> "Callable[[Item], bool] | None":
    """What lets a line through; None where all are let through."""
    from curation.choosing import choose_by_conditions
    from curation.records import Line, Record

    if grep is None and not conditions:
        return None
    parsed = parse_conditions(grep, conditions)
    if conditions:
        choose_by_conditions(file, parsed)  # refuses a field that no record has

    def wants(item: "Item") -> bool:
        if item.data is None and conditions:
            return False
        # A broken line has no fields to choose it by, but what stands in it can be searched.
        record = Record({"": item.raw.decode("utf-8", "replace")} if item.data is None else item.data)
        return all(condition.holds(Line(item.number, item.raw, record), record) for condition in parsed)

    return wants


def _edit(review: "Review", as_json: bool) -> None:
    from phi2chat.reviewing.review_edit import edit
    from phi2chat.terminal.editor import edit_text, has_editor
    from phi2chat.terminal.interrupts import ending_as_interrupt

    with ending_as_interrupt():
        edit(review, edit_text if has_editor() else None, _fill, as_json)


def _fill(data: Mapping[str, Any]) -> dict[str, Any]:
    from phi2chat.terminal.form import FIELDS, fill_form, help_of
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    screen.heading(str(data.get("id", "")))  # apart from the form of the record that was edited before
    screen.note(help_of(keeps=False))
    return fill_form(data, [field for field in FIELDS if field in data or field in FIELDS[:4]])
