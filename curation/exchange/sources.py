"""Which container a file is, by its bytes and not by its name; and its rows."""

import codecs
import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from curation.errors import UserError, first_line
from curation.exchange.json_rows import read_array, read_lines
from curation.exchange.kept_rows import Kept
from curation.exchange.parquet import read_parquet
from curation.exchange.rows import REJECTED, NoRecord, Row, Source
from curation.exchange.shapes import read_row, shape_of
from curation.exchange.sheets import Workbook
from curation.exchange.tables import NAMES, detect_delimiter, detect_encoding, read_table, require_encoding

SHOWN_ROWS = 3  # of a preview

_ZIP, _OLD_EXCEL, _PARQUET = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1"
_GZIP = b"\x1f\x8b"
_DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons"}


@dataclass(frozen=True)
class Survey:
    """What all rows of a source say about it: how many have which shape (`""`: none that is known)."""

    columns: tuple[str, ...]
    preview: tuple[Row, ...]
    shapes: Counter[str]
    rows: int


def open_source(path: Path, encoding: str | None = None, sheet: str | None = None) -> Source:
    """The rows of a file. Raises UserError where it is no file, or of no kind that can be read."""
    with _reading(path):
        source = _open(path, encoding, sheet)
    return replace(source, rows=lambda: _rows(source))


def _rows(source: Source) -> Iterator[Row]:
    with _reading(source.path):
        yield from source.rows()


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What the disk says of the file that is read is said of it, and not of the one that is written meanwhile."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise UserError(f"{path}: cannot be read ({reason}); check the path and its permissions") from None


def _open(path: Path, encoding: str | None, sheet: str | None) -> Source:
    if path.is_dir():
        files = sorted(file.name for file in path.iterdir() if not file.name.startswith("."))
        raise UserError(f"{path}: is a folder; give one of its files: {', '.join(files[:10]) or 'it has none'}")
    if path.exists() and not path.is_file():
        raise UserError(f"{path}: is not a regular file; save it as one first, for it is read twice")
    try:
        with path.open("rb") as file:
            head = file.read(2**16)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    if head.startswith(_OLD_EXCEL):
        raise UserError(f"{path}: is an old or an encrypted Excel file; save it as .xlsx without a password")
    if head.startswith(_GZIP):
        raise UserError(f"{path}: is compressed; unpack it first, as with gunzip")
    if head.startswith(_ZIP):
        return _open_workbook(path, sheet)
    if head.startswith(_PARQUET):
        return Source(path, "Parquet", lambda: read_parquet(path))
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not start:
        raise UserError(f"{path}: is empty; give a file with rows")
    is_table = path.suffix.lower() in (".csv", ".tsv")
    if not is_table and start[:1] in (b"{", b"["):
        if start.startswith(b"{"):
            return Source(path, "JSON lines", lambda: read_lines(path))
        return Source(path, "a JSON array", lambda: read_array(path))
    if not is_table and b"\0" in head and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"{path}: is no kind of file that can be read; give xlsx, csv, tsv, json, jsonl or parquet")
    chosen = require_encoding(path, encoding) if encoding else detect_encoding(path)
    delimiter = detect_delimiter(path, chosen)
    kind = f"a table with {_DELIMITERS[delimiter]} in {NAMES.get(chosen, chosen)}"
    return Source(path, kind, lambda: read_table(path, chosen, delimiter))


def _open_workbook(path: Path, sheet: str | None) -> Source:
    workbook = Workbook(path)
    names = workbook.names
    chosen = sheet or names[0]
    if chosen not in names:
        raise UserError(f'{path}: has no sheet "{chosen}"; its sheets are {", ".join(names)}')
    others = [name for name in names if name != chosen]
    notes = (f"not read: {', '.join(others)}; --sheet reads another",) if others and not sheet else ()
    return Source(path, f"the sheet {chosen}", Kept(lambda: workbook.read(chosen)).rows, notes)


def survey(source: Source) -> Survey:
    """Look at every row. Raises UserError where there is none, or none that can be read."""
    columns: dict[str, None] = {}
    preview: list[Row] = []
    shapes: Counter[str] = Counter()
    fault = ""
    for row in source.rows():
        if row.fault:
            shapes["broken"] += 1
            fault = fault or row.fault
            continue
        columns.update(dict.fromkeys(name for name in row.data if name != REJECTED))
        if len(preview) < SHOWN_ROWS:
            preview.append(row)
        shape = shape_of(row.data)
        shapes[shape.name if shape else ""] += 1
    if not shapes:
        raise UserError(f"{source.path}: has no row; give a file with rows")
    if not columns:
        raise UserError(
            f"{source.path}: none of its rows can be read ({fault}); is it JSON lines, an array or a table?"
        )
    return Survey(tuple(columns), tuple(preview), shapes, shapes.total())


def read_loosely(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """The place and the fields of each row of a file in any shape that is known, whatever they say.

    Raises UserError for a row that cannot be read, for what is left out would be missing from every count.
    """
    for row in open_source(path).rows():
        shape = shape_of(row.data)
        if row.fault or shape is None:
            reason = row.fault or f"has none of the known shapes; its columns are {', '.join(row.data)}"
            raise UserError(f"{path}: {row.place}: {reason}; mend it, or bring it in by `phi2chat curate import`")
        try:
            yield row.place, read_row(shape, row.data)
        except NoRecord as reason:
            raise UserError(f"{path}: {row.place}: {reason}; leave it out") from None
