"""`phi2chat curate dedup`: name the records that ask nearly the same as others, and write a file without them."""

from pathlib import Path

import click

from curation.errors import UserError
from phi2chat.records.many_cores import ENGINE, JOBS, choose_engine

PATH = click.Path(path_type=Path)


@click.command("dedup")
@click.argument("file", type=PATH)
@click.option("--output", type=PATH, metavar="FILE", help="Write the records that stay to this new file.")
@click.option("--yes", is_flag=True, help="Remove them from FILE itself; they are printed.")
@click.option(
    "--threshold",
    type=click.FloatRange(0.3, 1),
    default=0.55,
    show_default=True,
    help="How alike two questions are at least; 1 is the same but for width, case, blanks and punctuation. Of more"
    " than 5,000 records, some are missed below 0.5.",
)
@click.option(
    "--keep",
    type=click.Choice(["first", "longest"]),
    default="first",
    show_default=True,
    help="Which of those that are alike stays: the first, or that with most to learn from.",
)
@ENGINE
@JOBS
def dedup(file: Path, output: Path | None, yes: bool, threshold: float, keep: str, engine: str, jobs: int) -> None:
    """Name the records of FILE that ask nearly the same as another that stays; without more, nothing is written.

    Compared are questions of one language. Those of one family stay, but for copies that differ at most in the id, and
    so do two that are answered differently.
    """
    if output is not None and yes:
        raise click.UsageError("--output and --yes: give one of them")
    from curation.dedup import find_doublets, remove, write_without
    from curation.records import Finding
    from phi2chat.records.entry import pasteable
    from phi2chat.terminal.safe_text import on_one_line
    from phi2chat.terminal.screen import Screen

    if output is not None and (output.exists() or output.is_symlink()):
        raise UserError(f"{output}: already exists; give another name, or --yes to remove them from {file} itself")
    screen = Screen()
    found = find_doublets(file, threshold, "longest" if keep == "longest" else "first", choose_engine(engine, jobs))
    if yes:
        removed = remove(file, found.found)
        for line in removed:
            screen.say(pasteable(line.decode("utf-8").rstrip("\r\n")), wrap=False)
    else:
        screen.findings(
            Finding(
                file, one.line, 1, "instruction",
                f'{"the same as" if one.likeness == 1 else f"{one.likeness:.2f} like"} line {one.kept_line}:'
                f" {on_one_line(one.question)}",
                "near-duplicate", "warning",
            )
            for one in found.found
        )  # fmt: skip
    if output is not None:
        write_without(file, found.found, output)
    if found.contradictions:
        screen.note(f"{found.contradictions:,} more ask the same and are answered differently; they stay")
    if found.crowded:
        screen.note(f"{found.crowded:,} are worded as so many others that not each was held against each")
    stay = f"{found.lines - len(found.found):,} of {found.lines:,} records"
    if yes or output is not None:
        screen.say(f"{stay} are in {output or file}", "good")
    else:
        screen.say(f"{stay} would stay; --output FILE writes them, --yes removes the others", "good")
