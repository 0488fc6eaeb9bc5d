"""The cells of a sheet as openpyxl reads them, and those without a value: errors, and formulas that nobody worked out.

A program that writes a formula leaves its result to the next one that opens the sheet; openpyxl says nothing of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NoValue:
    """What stands in a cell that has no value: an error such as #REF!, or a formula; and what to do about it."""

    shown: str
    what: str
    way: str

    def __str__(self) -> str:
        return self.shown


def read_cells(sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    """The number of each row of a read-only worksheet that has cells, and their values; a `NoValue` where none is."""
    from openpyxl.worksheet._reader import FORMULA_TAG, VALUE_TAG, WorkSheetParser

    class Parser(WorkSheetParser):  # type: ignore[misc]
        """Cells with what the usual parser makes text of, or nothing."""

        def parse_cell(self, element: Any) -> dict[str, Any]:
            cell: dict[str, Any] = super().parse_cell(element)
            if cell["data_type"] == "e" and cell["value"] is not None:
                cell["value"] = _error(str(cell["value"]), is_date=element.get("t") != "e")
            elif cell["value"] is None:
                formula = element.find(FORMULA_TAG)
                # "" is a value, too: a text without characters.
                if formula is not None and (element.get("t") != "str" or element.find(VALUE_TAG) is None):
                    cell["value"] = _formula(f"={formula.text or ''}")
            return cell

    workbook = sheet.parent
    with sheet._get_source() as source:
        parser = Parser(
            source,
            sheet._shared_strings,
            data_only=True,
            epoch=workbook.epoch,
            date_formats=workbook._date_formats,
            timedelta_formats=workbook._timedelta_formats,
        )
        for number, row in parser.parse():
            cells = [None] * max((cell["column"] for cell in row), default=0)
            for cell in row:
                cells[cell["column"] - 1] = cell["value"]
            yield number, cells


def fault_of(number: int, cells: list[Any]) -> str:
    """Why a row with such cells cannot be brought in, each of them named as the sheet does; or nothing."""
    found = [(place, cell) for place, cell in enumerate(cells, start=1) if isinstance(cell, NoValue)]
    if not found:
        return ""
    from openpyxl.utils import get_column_letter

    named = ", ".join(f"{get_column_letter(place)}{number} {cell.what} {cell.shown}" for place, cell in found)
    return f"has a cell without a value: {named}; {found[0][1].way}"


def _error(shown: str, is_date: bool) -> NoValue:
    if is_date:
        return NoValue(shown, "is a date that no calendar has,", "mend it in the sheet")
    return NoValue(shown, "is the error", "mend it in the sheet, or write its value there")


def _formula(shown: str) -> NoValue:
    return NoValue(shown, "has no result of", "open the sheet in a spreadsheet program and save it, which works it out")
