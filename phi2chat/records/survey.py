"""`phi2chat curate stats` and `curate check-split`: what a dataset is made of, and what two sides share."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.terminal.safe_text import json_line
from phi2chat.units import spell_count

if TYPE_CHECKING:
    from curation.leaks import Entry, Leak
    from curation.statistics import Statistics
    from phi2chat.terminal.screen import Screen

PATH = click.Path(path_type=Path)
SHOWN_BARS = 20
SHOWN_PLACES = 10
NO_CATEGORY = "(none)"
LENGTHS = ("min", "median", "90%", "max")  # which fit 40 columns
SHOWN_AS = {"instruction": "question"}  # with its input


@click.command("stats")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--png", type=PATH, help="Also draw the counts into this file.")
@click.option(
    "--tokenizer", metavar="NAME", help="Also count tokens, as the base of this name, folder or hub name does."
)
def stats(files: tuple[Path, ...], as_json: bool, png: Path | None, tokenizer: str | None) -> None:
    """Count the records of FILES by language, category, length and script, and what stands there twice.

    FILES may be of any format that `curate import` knows by itself.
    """
    from curation.exchange.sources import read_loosely
    from curation.statistics import Counting
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    counting = Counting(_token_counter(tokenizer, screen) if tokenizer else None)
    for path in files:
        for place, data in read_loosely(path):
            counting.add(_where(path, place), data)
    counts = counting.finish()
    if not counts.records:
        raise UserError(f"{', '.join(map(str, files))}: no record; give a file with records")
    if png is not None:
        _draw(counts, png, screen)
    if as_json:
        print(json_line(_to_json(counts)))
    else:
        _show(counts, len(files), screen)


def _token_counter(name: str, screen: "Screen") -> Callable[[str], int]:
    from phi2chat.weights.bases import find_base
    from phi2chat.weights.models import load_tokenizer

    tokenizer = load_tokenizer(find_base(name, screen.status, with_weights=False))
    screen.end_progress()
    return lambda text: len(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def _charts(counts: "Statistics") -> dict[str, list[tuple[str, int]]]:
    from curation.statistics import histogram

    charts = {
        "languages": counts.languages.most_common(),
        "categories": [(name or NO_CATEGORY, count) for name, count in counts.categories.most_common()],
        "letters by script": counts.scripts.most_common(),
        "characters a record": histogram(counts.totals(counts.lengths)),
    }
    if counts.tokens["answer"]:
        charts["tokens a record"] = histogram(counts.totals(counts.tokens))
    return {title: bars for title, bars in charts.items() if bars}


def _show(counts: "Statistics", files: int, screen: "Screen") -> None:
    from curation.statistics import describe_lengths

    screen.say(f"{spell_count(counts.records, 'record')} in {spell_count(files, 'file')}")
    for title, bars in _charts(counts).items():
        screen.heading(title)
        screen.bars(bars[:SHOWN_BARS])
        if len(bars) > SHOWN_BARS:
            screen.say(f"... and {len(bars) - SHOWN_BARS} more", "note")
    for unit, lengths in (("characters", counts.lengths), ("tokens", counts.tokens)):
        if lengths["answer"]:
            screen.heading(unit)
            described = {SHOWN_AS.get(name, name): describe_lengths(lengths[name]) for name in lengths}
            rows = [[name, *(f"{row[column]:,g}" for column in LENGTHS)] for name, row in described.items()]
            screen.table(["", *LENGTHS], rows)
    screen.heading("again, after the first")
    again = ((counts.same_ids, "id"), (counts.same_questions, "question"), (counts.same_records, "record"))
    screen.say(", ".join(spell_count(number, noun) for number, noun in again))
    screen.heading("in the wrong script")
    screen.say(spell_count(len(counts.wrong_script), "text"), "warning" if counts.wrong_script else "good")
    for place in counts.wrong_script[:SHOWN_PLACES]:
        screen.say(f"  {place}")
    if len(counts.wrong_script) > SHOWN_PLACES:
        screen.say("  ... `phi2chat curate validate` names all of them", "note")


def _draw(counts: "Statistics", png: Path, screen: "Screen") -> None:
    from curation.atomic import write_atomically
    from phi2chat.records.charts import draw_bars

    content, is_complete = draw_bars(_charts(counts))
    write_atomically(png, content)
    if not is_complete:
        screen.note(f"{png}: no font with Japanese was found, so labels are code points; install Noto Sans CJK JP")
    screen.note(f"drew {png}")


def _to_json(counts: "Statistics") -> dict[str, Any]:
    from curation.statistics import describe_lengths

    return {
        "records": counts.records,
        "languages": dict(counts.languages.most_common()),
        "categories": dict(counts.categories.most_common()),
        "letters_by_script": dict(counts.scripts.most_common()),
        "characters": {name: describe_lengths(lengths) for name, lengths in counts.lengths.items()},
        "tokens": {name: describe_lengths(lengths) for name, lengths in counts.tokens.items() if lengths},
        "wrong_script": counts.wrong_script,
        "again": {"ids": counts.same_ids, "questions": counts.same_questions, "records": counts.same_records},
    }


@click.command("check-split")
@click.argument("train", type=PATH)
@click.argument("eval_file", metavar="EVAL", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_context
def check_split(ctx: click.Context, train: Path, eval_file: Path, as_json: bool) -> None:
    """Name what TRAIN gives away of EVAL: the same ids, families and questions, and nearly the same ones.

    Both may be of any format that `curate import` knows by itself, and of any maker. Exit code 1 if anything leaks.
    """
    from curation.exchange.sources import read_loosely
    from curation.leaks import find_leaks
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    files = {"train": train, "eval": eval_file}
    defaults = {"language": "ja", "category": NO_CATEGORY}
    counted: dict[str, dict[str, Counter[str]]] = {field: {side: Counter() for side in files} for field in defaults}

    def rows(side: str) -> "Iterator[Entry]":
        for place, data in read_loosely(files[side]):
            for field, default in defaults.items():
                counted[field][side][str(data.get(field, default))] += 1
            yield _where(files[side], place), data

    leaks = find_leaks(rows("train"), rows("eval"))
    sizes = {side: counted["language"][side].total() for side in files}
    for side, path in files.items():
        if not sizes[side]:
            raise UserError(f"{path}: holds no record; give a file with records")
    leaking = len({leak.eval for leak in leaks})
    if as_json:
        found = [{"rule": one.rule, "eval": one.eval, "train": one.train, "message": one.message} for one in leaks]
        print(json_line({"leaking_records": leaking, "leaks": found, **counted}))
    else:
        _show_leaks(leaks, screen)
        _compare(counted, screen)
        told = f"{leaking:,} of the eval side {'leaks' if leaking == 1 else 'leak'}"
        kinds = Counter(leak.rule for leak in leaks).most_common()
        what = f" ({', '.join(f'{count} {rule}' for rule, count in kinds)})" if kinds else ""
        size = f"{sizes['train']:,} train and {spell_count(sizes['eval'], 'eval record')}"
        screen.say(f"{size}: {told}{what}" if leaks else f"{size}: nothing leaks",
                   "error" if leaks else "good")  # fmt: skip
    ctx.exit(1 if leaks else 0)


def _show_leaks(leaks: "list[Leak]", screen: "Screen") -> None:
    for leak in leaks:
        screen.say(f"{leak.eval}: {leak.message}: {leak.train} [{leak.rule}]", "error")


def _compare(counted: Mapping[str, Mapping[str, Counter[str]]], screen: "Screen") -> None:
    for field, sides in counted.items():
        names = [name for name, _ in (sides["train"] + sides["eval"]).most_common()]
        rows = [[name, f"{sides['train'][name]:,}", f"{sides['eval'][name]:,}"] for name in names]
        screen.table([field, "train", "eval"], rows)


def _where(path: Path, place: str) -> str:
    """A place as editors and `grep` know it, where the file has lines."""
    number = place.removeprefix("line ")
    return f"{path}:{number}" if number != place else f"{path}: {place}"
