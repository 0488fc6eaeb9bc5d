"""`phi2chat curate browse`: records reviewed one after the other on the whole terminal."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError

if TYPE_CHECKING:
    from phi2chat.review import Review


@click.command("browse")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--grep", metavar="PATTERN", help="Only records in which this regular expression is found, in any case.")
@click.option("--findings", is_flag=True, help="Only records that a rule finds something in.")
@click.option("--who", metavar="NAME", help="Sign what you accept: who and when stand in its provenance.")
def browse(file: Path, grep: str | None, findings: bool, who: str | None) -> None:
    """Review records on the whole terminal: the list, the record, and what the rules find in it.

    e edits, a accepts, r rejects, u undoes, g goes to the next finding, / searches, ? shows all keys.
    Every change is on the disk before the screen says saved.
    """
    if who is not None and not who.strip():
        raise click.UsageError("--who: give a name")
    for stream in (sys.stdin, sys.stdout):
        if stream is None or not stream.isatty():
            raise UserError(
                f"{file}: browse needs a terminal; `phi2chat curate list` and `curate show` do without one"
            )
    from phi2chat.background_check import BackgroundCheck
    from phi2chat.review import Review
    from phi2chat.review_screen import ReviewScreen
    from phi2chat.reviewed_file import ReviewedFile
    from phi2chat.screen import Screen

    review = Review(ReviewedFile(file), who, _filter(grep), findings)
    check = BackgroundCheck(file)
    screen = ReviewScreen(review, check)
    check.notify = screen.notify
    try:
        while (key := screen.run()) != "q":
            _edit(review, as_json=key == "E")
    finally:
        check.stop()
        for path in review.leave_drafts():
            Screen().note(f"what you wrote and did not save is in {path}", "warning")
