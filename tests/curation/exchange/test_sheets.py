"""A workbook of somebody else is read as far as it is one, and else refused in one sentence."""

import datetime
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from curation.errors import UserError
from curation.exchange.rows import Row
from curation.exchange.sheets import Workbook

SHEET = "xl/worksheets/sheet1.xml"


def workbook(path: Path, *rows: list[str]) -> Path:
    book = openpyxl.Workbook()
    for row in [["question", "answer"], *rows]:
        book.active.append(row)
    book.save(path)
    return path


def damage(path: Path, member: str, change: Callable[[bytes], bytes]) -> None:
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in content.items():
            file.writestr(name, change(data) if name == member else data)


def read_all(path: Path) -> list[Row]:
    book = Workbook(path)
    return list(book.read(book.names[0]))


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("[Content_Types].xml", lambda _: b"<x/>"),
        ("xl/workbook.xml", lambda data: data[:-9]),
        (SHEET, lambda data: data[:-60]),
        (SHEET, lambda data: data.replace(b'r="A2"', b'r="-"')),
    ],
    ids=["no-parts", "cut-workbook", "cut-sheet", "no-cell"],
)
def test_a_damaged_workbook_is_one_sentence(tmp_path: Path, member: str, change: Callable[[bytes], bytes]) -> None:
    path = workbook(tmp_path / "a.xlsx", ["q", "a"])
    damage(path, member, change)
    with pytest.raises(UserError, match=r"a\.xlsx: .*; save it again as \.xlsx"):
        read_all(path)


def test_a_row_that_no_sheet_has_is_refused_rather_than_counted_up_to(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["q", "a"])
    damage(path, SHEET, lambda data: data.replace(b'<row r="2"', b'<row r="99999999"').replace(b'2"', b'99999999"'))
    with pytest.raises(UserError, match=r"a\.xlsx: has a row beyond 1,048,576"):
        read_all(path)


def test_a_small_file_that_unpacks_to_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["q", "a"])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/media/image1.bin", bytes(2**26 + 1))
    with pytest.raises(UserError, match=r"a\.xlsx: xl/media/image1\.bin unpacks to 67,108,865 bytes"):
        Workbook(path)


def test_half_of_a_surrogate_pair_stays_as_it_is_spelled(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["_xD800_", "_x0041_"])
    assert [row.data for row in read_all(path)] == [{"question": "_xD800_", "answer": "A"}]


def test_a_date_that_no_calendar_has_is_read_without_a_word_of_the_library(
    tmp_path: Path,
) -> None:
    path = workbook(tmp_path / "a.xlsx", ["q", "2020-01-01"])
    book = openpyxl.load_workbook(path)
    book.active["B2"] = datetime.date(2020, 1, 1)
    book.save(path)
    damage(path, SHEET, lambda data: data.replace(b"<v>43831</v>", b"<v>99999999999</v>"))
    with warnings.catch_warnings(record=True, action="default") as said:
        (row,) = read_all(path)
    assert row.fault == ("has a cell without a value: B2 is a date that no calendar has, #VALUE!; mend it in the sheet")
    assert said == []


@pytest.mark.parametrize("error", ["#VALUE!", "#REF!", "#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!"])
def test_an_error_in_a_cell_is_told_from_a_text_that_looks_like_one(tmp_path: Path, error: str) -> None:
    path = workbook(tmp_path / "a.xlsx", ["what does it say?", "E"], ["T", error])
    book = openpyxl.load_workbook(path)
    book.active["B3"].data_type = "s"
    book.save(path)
    cell = f'<c r="B2" t="e"><v>{error}</v></c>'.encode()
    damage(path, SHEET, lambda data: re.sub(rb'<c r="B2".*?</c>', cell, data))
    wrong, right = read_all(path)
    assert wrong.fault == (
        f"has a cell without a value: B2 is the error {error}; mend it in the sheet, or write its value there"
    )
    assert (wrong.data["answer"], right.data["answer"], right.fault) == (error, error, "")


def test_every_cell_without_a_value_is_named(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["=1+1", "=A1&A1"], ["=", "b"])
    formula, text = read_all(path)
    assert formula.fault == (
        "has a cell without a value: A2 has no result of =1+1, B2 has no result of =A1&A1;"
        " open the sheet in a spreadsheet program and save it, which works it out"
    )
    assert (text.data, text.fault) == ({"question": "=", "answer": "b"}, "")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (b'<c r="B2" t="str"><f>A1</f><v>kept</v></c>', "kept"),
        (b'<c r="B2" t="str"><f>A1</f><v></v></c>', ""),  # a formula whose result is no text at all
        (b'<c r="B2"><f>1+1</f><v>2</v></c>', "2"),
        (b'<c r="B2" t="b"><f>1=1</f><v>1</v></c>', "TRUE"),
        (b'<c r="B2" s="0"/>', ""),
        (b'<c r="B2" t="e"></c>', ""),  # an error that is none
    ],
)
def test_a_formula_with_its_result_is_that_result(tmp_path: Path, cell: bytes, value: str) -> None:
    path = workbook(tmp_path / "a.xlsx", ["q", "a"])
    damage(path, SHEET, lambda data: re.sub(rb'<c r="B2".*?</c>', cell, data))
    (row,) = read_all(path)
    assert (row.data, row.fault) == ({"question": "q", "answer": value}, "")


def test_a_column_whose_name_is_an_error_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["q", "a"])
    cell = b'<c r="B1" t="e"><v>#REF!</v></c>'
    damage(path, SHEET, lambda data: re.sub(rb'<c r="B1".*?</c>', cell, data))
    with pytest.raises(UserError, match=r"the row of column names has a cell without a value: B1 is the error #REF!"):
        read_all(path)


def test_rows_that_the_sheet_leaves_out_keep_the_others_numbers(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", ["", ""], ["q", "a"])
    damage(path, SHEET, lambda data: re.sub(rb'<row r="2".*?</row>', b"", data))
    assert [row.place for row in read_all(path)] == ["row 3"]
