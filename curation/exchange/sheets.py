"""Excel sheets (.xlsx) in and out, by openpyxl; every cell is written as text, so that none becomes a formula."""

import contextlib
import os
import re
import warnings
import weakref
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from curation.errors import UserError, first_line
from curation.exchange.rows import Row, plain
from curation.exchange.sheet_cells import fault_of, read_cells
from curation.exchange.tables import make_row, read_header

# Where lxml is installed, openpyxl writes by it, and a full disk is an error of lxml's own.
os.environ.setdefault("OPENPYXL_LXML", "False")

MOST_CHARS, MOST_ROWS = 32_767, 1_048_576
# A part that unpacks to so many bytes, and to so many times what it was, is made to fill the memory.
_BOMB_BYTES, _BOMB_RATIO = 2**26, 100

_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# A sheet's XML has no carriage return; it writes one as _x000D_, and so what looks like that is escaped as well.
_ESCAPED = re.compile(r"_x((?![dD][89A-Fa-f])[0-9A-Fa-f]{4})_")  # but half of a surrogate pair is no character
_TO_ESCAPE = re.compile(r"\r|_(?=x[0-9A-Fa-f]{4}_)")


class Workbook:
    """The sheets of a workbook by their `names`. Raises UserError where it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._workbook = _open(path)  # once: where a sheet does not say how large it is, openpyxl reads it to its end
        weakref.finalize(self, self._workbook.close)
        self.names = [sheet.title for sheet in self._workbook.worksheets]
        if not self.names:
            raise UserError(f"{path}: has no sheet with cells; give another file")

    def read(self, name: str) -> Iterator[Row]:
        """The rows of a sheet below its header, the first row that is not empty; numbers and dates as text."""
        return _read_sheet(self.path, self._workbook[name])


def _read_sheet(path: Path, sheet: Any) -> Iterator[Row]:
    try:
        header: list[str] = []
        for number, values in read_cells(sheet):
            if number > MOST_ROWS:
                raise UserError(f"{path}: has a row beyond {MOST_ROWS:,}, the last of a sheet; save it again as .xlsx")
            fault = fault_of(number, values)
            cells = [_to_text(value) for value in values]
            if not any(cells):
                continue
            if header:
                row = make_row(number, header, cells)
                yield replace(row, fault=fault) if fault else row
            elif fault:
                raise UserError(f"{path}: the row of column names {fault}")
            else:
                header = read_header(path, cells)
        if not header:
            read_header(path, [])
    except UserError:
        raise
    except Exception as error:  # openpyxl's, the XML's, the ZIP's and Python's, as the damage falls
        raise UserError(f"{path}: the sheet cannot be read ({first_line(error)}); save it again as .xlsx") from None


def cell_fault(text: str) -> str:
    """Why no cell can hold this text, or nothing."""
    if illegal := _ILLEGAL.search(text):
        return f"holds U+{ord(illegal[0]):04X}, which no sheet can; take it out, or export to parquet"
    units = len(_escape(text).encode("utf-16-le")) // 2
    if units > MOST_CHARS:
        return f"has {units:,} characters where a cell holds {MOST_CHARS:,}; export to parquet or csv"
    return ""


def write_sheet(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A workbook with one sheet, of texts in which `cell_fault` finds none."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("records")
    sheet.freeze_panes = "A2"

    row_cells = [WriteOnlyCell(sheet) for _ in columns]  # for every row: it is written when it is appended
    for cell in row_cells:
        cell.number_format = "@"  # it stays text when somebody edits it

    def append(values: Iterable[str]) -> None:
        for cell, value in zip(row_cells, values, strict=True):
            cell.value = value
            cell.data_type = "s"  # also of what looks like a formula or an error
        sheet.append(row_cells)

    try:
        append(columns)
        for row in rows:
            append(_escape(str(row[column])) for column in columns)
        workbook.save(path)
    except BaseException:
        with contextlib.suppress(OSError):  # what it still holds would be written, and fail, when it is collected
            sheet._writer.xf.close()
        raise


def _escape(text: str) -> str:
    return _TO_ESCAPE.sub(lambda sign: "_x000D_" if sign[0] == "\r" else "_x005F_", text)


def _to_text(value: object) -> str:
    if isinstance(value, str):
        return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), value)
    if isinstance(value, bool):
        return str(value).upper()  # as the sheet shows it
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    found = plain(value)
    return "" if found is None else str(found)


def _open(path: Path) -> Any:
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(path) as file:
            for part in file.infolist():
                if part.file_size > max(_BOMB_BYTES, _BOMB_RATIO * part.compress_size):
                    raise UserError(f"{path}: {part.filename} unpacks to {part.file_size:,} bytes; give another file")
        # Of what it does not read: charts, validations, styles; and, row by row, of dates that are none.
        warnings.filterwarnings("ignore", module=r"openpyxl\.")
        return load_workbook(path, read_only=True, data_only=True)
    except UserError:
        raise
    except Exception as error:  # as above
        raise UserError(
            f"{path}: is not a sheet that can be read ({first_line(error)}); save it again as .xlsx"
        ) from None
