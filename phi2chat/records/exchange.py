"""`phi2chat curate import` and `curate export`: records out of the formats of others, and into them."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.errors import UserError
from phi2chat.option_types import LanguageTag
from phi2chat.terminal.interrupts import ending_as_interrupt
from phi2chat.units import spell_count

if TYPE_CHECKING:
    from curation.exchange.exporting import Exported
    from curation.exchange.importing import Imported, Tell
    from curation.exchange.rows import Row, Source
    from curation.exchange.shapes import Shape
    from curation.exchange.sources import Survey
    from phi2chat.terminal.screen import Screen

SHAPES = (
    "records", "alpaca", "dolly", "prompt-completion", "messages", "sharegpt", "qa", "s1k", "s1k-1.1", "openthoughts",
    "medical-o1", "oasst",
)  # fmt: skip
ENDINGS = {"csv": (".csv", ".tsv"), "xlsx": (".xlsx",), "parquet": (".parquet",)}
FORMATS = ("messages", "prompt-completion", "alpaca", "sharegpt", "llama-factory", "csv", "xlsx", "parquet", "hf")
SHOWN_REJECTS = 20
PATH = click.Path(path_type=Path)


@click.command("import")
@click.argument("file", type=PATH)
@click.option("--into", "target", required=True, type=PATH, help="The JSONL file to add to; made where there is none.")
@click.option("--format", "shape_name", type=click.Choice(SHAPES), help="What the columns are, where it is not clear.")
@click.option("--map", "mapping", metavar="FIELD=COLUMN,...", help="Which column is which field of a record.")
@click.option("--reasoning-from", metavar="COLUMN", help="Take the reasoning from this column.")
@click.option("--language", type=LanguageTag(), help="The language of rows that name none: en, zh-Hans; by default ja.")
@click.option("--drafts", is_flag=True, help="Bring in rows without reasoning, too; it is left to be written.")
@click.option("--rejects", type=PATH, help="Write the rows that could not be brought in to this new JSONL file.")
@click.option("--sheet", help="The sheet of a workbook; by default its first.")
@click.option("--encoding", help="The encoding of a CSV file; by default it is detected.")
@click.option("--update", is_flag=True, help="Change records whose id is there already, where the row says otherwise.")
@click.option("--any-script", is_flag=True, help="Accept a text in the wrong script for its language.")
def import_(
    file: Path,
    target: Path,
    shape_name: str | None,
    mapping: str | None,
    reasoning_from: str | None,
    language: str | None,
    drafts: bool,
    rejects: Path | None,
    sheet: str | None,
    encoding: str | None,
    update: bool,
    any_script: bool,
) -> None:
    """Add the records of FILE: xlsx, csv, tsv, json, jsonl, parquet, or a folder of save_to_disk.

    Columns of Alpaca, Dolly, ShareGPT, messages, prompt/completion, question/answer, s1K, OpenThoughts and the trees of
    OASST are known. Rows that are there already are not added again, and rows that cannot be records are named.

    \b
    phi2chat curate import sheet.xlsx --into my.jsonl
    phi2chat curate import sheet.csv --into my.jsonl --map instruction=質問,reasoning=理由,answer=回答
    """
    from curation.atomic import target_of
    from curation.exchange.importing import import_rows
    from curation.exchange.sources import survey
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    if shape_name and mapping:
        raise click.UsageError("Give --format or --map, not both.")
    if not target.absolute().parent.is_dir():
        raise UserError(f"{target}: its folder does not exist; make it first")
    if rejects is not None and (os.path.lexists(rejects) or target_of(rejects) == target_of(target)):
        raise UserError(f"{rejects}: already exists; give another file with --rejects")
    if rejects is not None and rejects.suffix.lower() in (".csv", ".tsv", ".xlsx", ".parquet"):
        raise UserError(
            f"{rejects}: rejected rows are written as JSONL; give --rejects {rejects.with_suffix('.jsonl')}"
        )
    source = _open(file, encoding, sheet)
    looked = survey(source)
    if reasoning_from is not None and reasoning_from not in looked.columns:
        raise UserError(f'{file}: has no column "{reasoning_from}"; its columns are {", ".join(looked.columns)}')
    screen.note(f"{file}: {source.kind}, {spell_count(looked.rows, 'row')}: {_spell_shapes(looked)}")
    for note in source.notes:
        screen.note(note)
    shape = _choose_shape(file, looked, shape_name, mapping, screen)
    with ending_as_interrupt(), _rejecting(rejects, screen) as reject:
        done = import_rows(source, target, shape, reject, reasoning_from, any_script, update, language, drafts)
    _report(done, target, rejects, screen)


def _open(file: Path, encoding: str | None, sheet: str | None) -> "Source":
    from curation.exchange.sources import open_source
    from phi2chat.records.saved_dataset import is_saved_dataset, open_saved_dataset

    return open_saved_dataset(file) if is_saved_dataset(file) else open_source(file, encoding, sheet)


def _choose_shape(
    file: Path, looked: "Survey", name: str | None, mapping: str | None, screen: "Screen"
) -> "Shape | None":
    """The shape for all rows, or None where each row has its own."""
    from curation.exchange.shapes import SHAPES as KNOWN
    from curation.exchange.shapes import mapped
    from phi2chat.records.sheet_columns import choose_columns

    if name is not None:
        return KNOWN[name]
    if mapping is None and any(shape in KNOWN for shape in looked.shapes):
        return None
    return mapped(choose_columns(file, looked, mapping, screen))


@contextlib.contextmanager
def _rejecting(path: Path | None, screen: "Screen") -> "Iterator[Tell]":
    """What hears of rejected rows: the screen of the first, and the file of all, which comes whole or not at all."""
    from curation.atomic import replacing
    from curation.exchange.importing import rejected_row

    shown = 0

    def show(row: "Row", reason: str) -> None:
        nonlocal shown
        shown += 1
        if shown <= SHOWN_REJECTS:
            screen.note(f"{row.place}: {reason}", "warning")

    if path is None:
        yield show
        return
    with replacing(path) as staged, staged.open("w", encoding="utf-8", errors="replace") as file:

        def keep(row: "Row", reason: str) -> None:
            show(row, reason)
            file.write(json.dumps(rejected_row(row, reason), ensure_ascii=False) + "\n")

        yield keep
        if not shown:
            staged.unlink()


def _report(done: "Imported", target: Path, rejects: Path | None, screen: "Screen") -> None:
    rejected = done.rejected.total()
    if rejected > SHOWN_REJECTS:
        way = "" if rejects else "; --rejects FILE keeps them all"
        screen.note(f"... and {spell_count(rejected - SHOWN_REJECTS, 'more row', 'more rows')}{way}", "warning")
    if rejected:
        reasons = "; ".join(f"{count} {reason}" for reason, count in done.rejected.most_common())
        screen.note(f"not brought in: {spell_count(rejected, 'row')} ({reasons})", "warning")
    if any("wrong-script" in reason for reason in done.rejected):
        screen.note(
            "texts are in the language that their row names, else in Japanese;"
            " --language names another for all that name none, --any-script accepts any"
        )
    if rejected and rejects:
        screen.note(f"they are in {rejects}; mend them there and import that file")
    if done.renamed:
        screen.note(
            f"{spell_count(done.renamed, 'id')} could not be kept and were made anew: an id is 1 to 64 of A-Za-z0-9._-"
        )
    if done.unknown:
        names = ", ".join(f"{name} ({count})" for name, count in done.unknown.most_common())
        screen.note(f"kept as they are, though they are no fields of a record: {names}")
    if not done.added + done.changed + done.there:
        raise UserError(f"{target}: nothing was added, for no row could be brought in; see the reasons above")
    if done.drafts:
        left = "record has" if done.drafts == 1 else "records have"
        screen.note(
            f"{done.drafts:,} {left} no reasoning yet, and cannot be trained on before;"
            f" in `phi2chat curate browse {target}`, g goes to the next and e writes it",
            "warning",
        )
    if done.shapes["oasst"]:
        screen.note("of each tree came the first question, and of its replies the one that was ranked best")
    changed = f"; changed {done.changed:,}" if done.changed else ""
    there = f"; {spell_count(done.there, 'was', 'were')} there already" if done.there else ""
    screen.say(f"added {spell_count(done.added, 'record')} to {target}{changed}{there}", "good")


@click.command("export")
@click.argument("data", type=PATH)
@click.argument("output", metavar="OUT", type=PATH)
@click.option("--format", "name", type=click.Choice(FORMATS), required=True, help="Which; see below.")
def export(data: Path, output: Path, name: str) -> None:
    """Write the records of DATA in another format to OUT, which is new.

    \b
    messages           JSONL of conversations, the reasoning as reasoning_content
    prompt-completion  JSONL with the prompt that phi2chat trains with, for TRL
    alpaca, sharegpt   JSONL, or one array where OUT ends in .json; reasoning in <think>
    llama-factory      a folder with an Alpaca file and dataset_info.json
    csv, xlsx          a table; where OUT ends in .tsv with tabs
    parquet            one file
    hf                 a folder with Parquet and a card, for the Hugging Face hub

    `curate import` reads each of them back into the same records. DATA may be a folder that `curate split` wrote,
    for hf and llama-factory, which then have both sides.
    """
    from curation.exchange.exporting import FORMATS as FILES
    from curation.exchange.exporting import export_file
    from curation.exchange.folders import FOLDERS, export_hugging_face, export_llama_factory
    from phi2chat.terminal.screen import Screen
    from phi2chat.whole_folder import written_whole

    if os.path.lexists(output):
        raise UserError(f"{output}: already exists; give another name")
    _require_ending(output, name)
    if data.is_dir() and name not in FOLDERS:
        raise UserError(f"{data}: is a folder, and {name} is one file; give {data / 'train.jsonl'} or another of it")
    with ending_as_interrupt():
        if name in FOLDERS:
            write = export_hugging_face if name == "hf" else export_llama_factory
            with written_whole(output) as staging:
                done = write(_sides(data), staging, _dataset_name(data))
        else:
            done = export_file(data, output, FILES[name])
    _tell(done, output, name, Screen())


def _require_ending(output: Path, name: str) -> None:
    """Programs go by the ending, so one that belongs to another format would make a file that none of them opens."""
    belongs_to = next((known for known, endings in ENDINGS.items() if output.suffix.lower() in endings), name)
    if belongs_to != name:
        raise UserError(
            f"{output}: ends as {belongs_to} does; give --format {belongs_to}, or another ending for {name}"
        )


def _sides(data: Path) -> dict[str, Path]:
    if not data.is_dir():
        return {"train": data}
    sides = {side: data / f"{side}.jsonl" for side in ("train", "eval") if (data / f"{side}.jsonl").is_file()}
    if not sides:
        raise UserError(
            f"{data}: has no train.jsonl; give a JSONL file, or a folder that `phi2chat curate split` wrote"
        )
    return sides


def _dataset_name(data: Path) -> str:
    from curation.atomic import target_of

    return target_of(data).name.removesuffix(".jsonl")


def _tell(done: "Exported", output: Path, name: str, screen: "Screen") -> None:
    if done.note:
        screen.note(done.note)
    if done.carried:
        screen.note(f"kept as JSON in the column phi2chat: {', '.join(done.carried)}")
    screen.say(f"wrote {spell_count(done.records, 'record')} to {output} as {name}", "good")


def _spell_shapes(looked: "Survey") -> str:
    names = {"": "in none of the known formats", "broken": "broken"}
    shapes = looked.shapes.most_common()
    if len(shapes) == 1:
        return names.get(shapes[0][0], shapes[0][0])
    return ", ".join(f"{count} {names.get(shape, shape)}" for shape, count in shapes)
