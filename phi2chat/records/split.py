"""`phi2chat curate split`: a train and an eval side, and later records added to them. Imports no torch."""

import re
from pathlib import Path
from typing import Any

import click

from curation.errors import UserError

PATH = click.Path(path_type=Path)


@click.command("split")
@click.argument("file", type=PATH)
@click.option(
    "--eval",
    "eval_percent",
    default="10%",
    show_default=True,
    metavar="SHARE",
    help="Part of the families to hold out: 10%, 10 or 0.1.",
)
@click.option("--output-dir", type=PATH, help="Where to write; by default FILE without .jsonl.")
@click.option("--seed", type=click.IntRange(0), default=42, show_default=True, help="Another seed holds out others.")
@click.option("--min-eval", type=click.IntRange(1), metavar="N", help="Hold out so many records at least.")
@click.option("--add-to", type=PATH, metavar="FOLDER", help="Add the records to this split, as it was asked for.")
@click.pass_context
def split(
    ctx: click.Context,
    file: Path,
    eval_percent: str,
    output_dir: Path | None,
    seed: int,
    min_eval: int | None,
    add_to: Path | None,
) -> None:
    """Write train.jsonl, eval.jsonl and a manifest.

    Of every language and category the same share of families is held out. A family is never on both sides, and a record
    stays on its side when others are added.
    """
    from curation.file_contract import require_contract_of
    from curation.record_file import RecordFile
    from curation.split import write_split
    from phi2chat.terminal.screen import Screen

    percent = _percent(eval_percent)
    if add_to is not None:
        for name in ("eval_percent", "output_dir", "seed", "min_eval"):
            if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
                raise click.UsageError("--add-to: the split in that folder says how; leave the other options out")
    source = RecordFile(file)
    require_contract_of(source)
    if add_to is not None:
        from curation.split_more import add_to_split

        added = add_to_split(source, add_to)
        there = f"; {added.skipped} were there" if added.skipped else ""
        now = _told(added.manifest, add_to)
        Screen().say(f"added {added.train} train and {added.eval} eval records{there}; now {now}")
        return
    folder = output_dir or file.with_suffix("")
    if folder == file:
        raise UserError(f"{file}: has no ending to leave out; name the folder with --output-dir")
    Screen().say(_told(write_split(source, folder, percent, seed, min_eval=min_eval or 0), folder))


def _told(manifest: dict[str, Any], folder: Path) -> str:
    train, eval_ = manifest["train"]["records"], manifest["eval"]["records"]
    share = 100 * eval_ / (train + eval_)
    return f"{train} train and {eval_} eval records ({share:.1f} %) of {manifest['families']} families in {folder}"


def _percent(text: str) -> float:
    number = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(%?)\s*", text)
    value = float(number[1]) if number else 0.0
    if number and not number[2] and value < 1:  # a share
        value = round(100 * value, 10)
    if not 0 < value < 100:
        raise click.UsageError(f"--eval {text}: give a part of the families such as 10% or 0.1")
    return value
