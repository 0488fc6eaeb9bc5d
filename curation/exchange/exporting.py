"""Records -> rows of another format, looked at before the first is written, so that a fault leaves nothing behind."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.atomic import replacing
from curation.errors import UserError
from curation.exchange.json_rows import write_array, write_lines
from curation.exchange.parquet import write_parquet
from curation.exchange.rows import CARRIED
from curation.exchange.shapes import SHAPES, Shape, write_row
from curation.exchange.sheets import MOST_ROWS, cell_fault, write_sheet
from curation.exchange.tables import write_table
from curation.records import KNOWN_FIELDS, parse_dataset, require_file
from curation.rules import OPINIONS, check_record

Row = dict[str, Any]
Write = Callable[[Path, Iterator[Row], Sequence[str]], str]


@dataclass(frozen=True)
class Format:
    """The shape of a row and how rows are written; `write` returns what there is to say about them."""

    shape: Shape
    write: Write
    as_cells: bool = False
    fault: Callable[[str], str] | None = None  # why it cannot hold a text
    most_rows: int | None = None


@dataclass(frozen=True)
class Exported:
    """How many records were written, which fields are carried in the column CARRIED, and what is to be said.

    `licenses` has "" where records name none.
    """

    records: int
    carried: tuple[str, ...]
    note: str
    licenses: tuple[str, ...]
    languages: tuple[str, ...]


@dataclass(frozen=True)
class _Plan:
    columns: tuple[str, ...]
    records: int
    carried: tuple[str, ...]
    licenses: tuple[str, ...]
    languages: tuple[str, ...]


def _as_json(path: Path, rows: Iterator[Row], _: Sequence[str]) -> str:
    (write_array if path.suffix == ".json" else write_lines)(path, rows)
    return ""


def _as_csv(path: Path, rows: Iterator[Row], columns: Sequence[str]) -> str:
    guarded = write_table(path, rows, columns, "\t" if path.suffix == ".tsv" else ",")
    cells = "1 cell that begins" if guarded == 1 else f"{guarded} cells that begin"
    what = f"{cells} like a formula got a ' in front, which `curate import` takes away again"
    return what if guarded else ""


def _as_sheet(path: Path, rows: Iterator[Row], columns: Sequence[str]) -> str:
    write_sheet(path, rows, columns)
    return ""


def _as_parquet(path: Path, rows: Iterator[Row], columns: Sequence[str]) -> str:
    write_parquet(path, rows, columns)
    return ""


FORMATS = {
    "messages": Format(SHAPES["messages"], _as_json),
    "prompt-completion": Format(SHAPES["prompt-completion"], _as_json),
    "alpaca": Format(SHAPES["alpaca"], _as_json),
    "sharegpt": Format(SHAPES["sharegpt"], _as_json),
    "csv": Format(SHAPES["records"], _as_csv, as_cells=True),
    "xlsx": Format(SHAPES["records"], _as_sheet, as_cells=True, fault=cell_fault, most_rows=MOST_ROWS - 1),
    "parquet": Format(SHAPES["records"], _as_parquet),
}


def export_file(source: Path, target: Path, form: Format) -> Exported:
    """Write the records of a JSONL file in another format, whole or not at all.

    Raises UserError for a line that is no record, and for a text that the format cannot hold.
    """
    plan = _look_through(source, form)
    rows = (
        {**_empty(plan.columns, form.as_cells), **write_row(form.shape, data, form.as_cells)}
        for _, data in read_records(source)
    )
    with replacing(target, ending=target.suffix) as staged:  # the writers go by the ending
        note = form.write(staged, rows, plan.columns)
    return Exported(plan.records, plan.carried, note, plan.licenses, plan.languages)


def read_records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The records of a JSONL file, a line at a time. Raises UserError for a line that is none."""
    require_file(path)
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            dataset = parse_dataset(path, raw)
            if dataset.broken:
                raise UserError(f"{path}:{number}: {dataset.broken[0].message}; mend it first")
            for _, record in dataset.records():
                yield number, record.data


def _look_through(path: Path, form: Format) -> _Plan:
    used: dict[str, None] = {}
    carried: dict[str, None] = {}
    licenses: dict[str, None] = {}
    languages: dict[str, None] = {}
    count = 0
    for number, data in read_records(path):
        if not _is_sound(data):
            faults = [f for f in check_record(path, dict(data)) if f.severity == "error" and f.rule not in OPINIONS]
            where = f"{path}:{number}: {faults[0].field}: {faults[0].message}"
            raise UserError(f"{where}; mend it, `phi2chat curate validate {path}` shows all")
        row = write_row(form.shape, data, form.as_cells)
        for column, value in row.items():
            if form.fault and isinstance(value, str) and (fault := form.fault(value)):
                raise UserError(f"{path}:{number}: {column} {fault}")
        used.update(dict.fromkeys(row))
        if row[CARRIED]:
            carried.update(dict.fromkeys(name for name in data if name not in KNOWN_FIELDS))
        licenses[str(data.get("license") or "")] = None
        languages.update(dict.fromkeys([str(data.get("language", "ja"))]))
        count += 1
    if not count:
        raise UserError(f"{path}: holds no record; add one with `phi2chat curate add {path}`")
    if form.most_rows is not None and count > form.most_rows:
        raise UserError(f"{path}: has {count:,} records and a sheet holds {form.most_rows:,}; export to parquet or csv")
    order = ("id", *KNOWN_FIELDS)
    columns = sorted(used, key=lambda name: (name == CARRIED, order.index(name) if name in order else -1))
    return _Plan(tuple(columns), count, tuple(carried), tuple(licenses), tuple(languages))


def _is_sound(data: Mapping[str, Any]) -> bool:
    """Whether each field is of its kind: what is written needs no more of the rules, and they take much longer."""
    texts = [data[name] for name in KNOWN_FIELDS if name in data and name not in ("tags", "provenance")]
    needed = [data.get(name) for name in ("instruction", "reasoning", "answer")]
    tags = data.get("tags", [])
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(text, str) and text.strip() for text in needed)
        and isinstance(tags, list)
        and all(isinstance(tag, str) for tag in tags)
        and isinstance(data.get("provenance", {}), dict)
    )


def _empty(columns: Sequence[str], as_cells: bool) -> Row:
    """A row of nothing: readers that look at the first rows alone then know every column and its type."""
    return {column: [] if column == "tags" and not as_cells else "" for column in columns}
