"""CSV and TSV in and out, in the encodings that Japanese spreadsheets write."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.errors import UserError
from curation.exchange.rows import CARRIED, Row, require_unlike

# In this order: hiragana in CP932 is never EUC-JP, while most of EUC-JP would be read as CP932 without a complaint.
ENCODINGS = ("utf-8-sig", "euc_jp", "cp932")
NAMES = {"utf-8-sig": "UTF-8", "euc_jp": "EUC-JP", "cp932": "CP932 (Shift_JIS)", "utf-16": "UTF-16"}

_CHUNK = 2**20
_NO_LETTERS = "\x80\xa0\uf8f1\uf8f2\uf8f3"  # what Python makes of bytes that CP932 has no character for
# What a spreadsheet takes for a formula; the full-width signs too, where its language is Japanese.
_FORMULA = re.compile(r"[=+\-@\t\r＝＋－＠]")
_GUARDED = re.compile(r"'+[=+\-@\t\r＝＋－＠]")


def detect_encoding(path: Path) -> str:
    """The first encoding that all of the file can be read in. Raises UserError where none is."""
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
    for encoding in ENCODINGS:
        if _fault(path, encoding, _NO_LETTERS if encoding == "cp932" else "") is None:
            return encoding
    raise UserError(f"{path}: is neither UTF-8 nor CP932 nor EUC-JP; name its encoding with --encoding")


def require_encoding(path: Path, encoding: str) -> str:
    """Python's name of the encoding. Raises UserError where it is none, or where the file is not in it."""
    try:
        name = codecs.lookup(encoding).name
        b"".decode(name)
    except LookupError:
        raise UserError(f"--encoding {encoding}: is not an encoding such as utf-8 or cp932") from None
    name = "utf-8-sig" if name == "utf-8" else "cp932" if name == "shift_jis" else name
    fault = _fault(path, name)
    if fault is not None:
        raise UserError(f"{path}: byte {fault + 1:,} is not {encoding}; leave --encoding out, or name another")
    return name


def _fault(path: Path, encoding: str, refused: str = "") -> int | None:
    """Where the first byte stands that cannot be decoded, or the chunk in which it gives a refused character."""
    decoder = codecs.getincrementaldecoder(encoding)()
    read = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if any(char in refused for char in set(decoder.decode(chunk))):
                    return read
                read += len(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return max(read + error.start, 0)
    except UnicodeError:  # of UTF-16 without its mark
        return 0
    return None


def detect_delimiter(path: Path, encoding: str) -> str:
    """The sign that stands between most cells of the first line."""
    with path.open(encoding=encoding, newline="") as file:
        header = file.readline()
    return max((",", "\t", ";"), key=header.count)


def read_table(path: Path, encoding: str, delimiter: str) -> Iterator[Row]:
    """The rows below the header, numbered as a spreadsheet does. Raises UserError where the table is broken."""
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            header = read_header(path, next(reader, []))
            ours = CARRIED in header
            for number, cells in enumerate(reader, start=2):
                if any(cells):
                    yield make_row(number, header, [_unguard(cell) for cell in cells] if ours else cells)
        except csv.Error as error:
            raise UserError(f"{path}:{reader.line_num}: is not a table ({error}); mend the quotation marks") from None


def read_header(path: Path, cells: Sequence[Any]) -> list[str]:
    """The names of the columns. Raises UserError where there is none, or one stands twice."""
    header = [str(cell if cell is not None else "").strip() for cell in cells]
    while header and not header[-1]:
        header.pop()
    if not header:
        raise UserError(f"{path}: has no header; write the names of the columns in its first row")
    named = [name or f"column {number}" for number, name in enumerate(header, start=1)]
    require_unlike(path, named)
    return named


def make_row(number: int, header: Sequence[str], cells: Sequence[Any]) -> Row:
    """The cells under their columns; a row that is wider than its header says so."""
    data = dict(zip(header, [*cells, *[""] * len(header)], strict=False))
    more = [cell for cell in cells[len(header) :] if cell not in ("", None)]
    fault = f"has {len(cells)} cells under {len(header)} column names" if more else ""
    return Row(f"row {number}", {**data, "more cells": [str(cell) for cell in more]} if more else data, fault)


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], delimiter: str = ",") -> int:
    """A table in UTF-8 with the mark that Excel needs; how many cells got a ' lest they be taken for a formula."""
    guarded = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        for row in rows:
            cells = [str(row[column]) for column in columns]
            guarded += sum(bool(_FORMULA.match(cell)) for cell in cells)
            writer.writerow([_guard(cell) for cell in cells])
    return guarded


def _guard(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) or _GUARDED.match(cell) else cell


def _unguard(cell: str) -> str:
    return cell[1:] if _GUARDED.match(cell) else cell
