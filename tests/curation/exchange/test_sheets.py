"""A workbook of somebody else is read as far as it is one, and else refused in one sentence."""

import datetime
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
        assert [row.data for row in read_all(path)] == [{"question": "q", "answer": "#VALUE!"}]
    assert said == []
