"""A Parquet file of somebody else is read as far as Python knows its values, and else refused in one sentence."""

from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow.parquet import write_table

from curation.errors import UserError
from curation.exchange.parquet import read_parquet


@pytest.mark.parametrize(
    "column",
    [
        pyarrow.array([2**62], pyarrow.timestamp("us")),
        pyarrow.array([2**30], pyarrow.date32()),
        pyarrow.array([2**62], pyarrow.duration("s")),
    ],
    ids=["time", "date", "duration"],
)
def test_a_date_that_no_calendar_has_is_one_sentence(tmp_path: Path, column: Any) -> None:
    write_table(pyarrow.table({"x": column}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet: cannot be read as Parquet \(.*\); export it again"):
        list(read_parquet(tmp_path / "a.parquet"))


def test_two_columns_of_one_name_are_refused_rather_than_one_of_them_lost(tmp_path: Path) -> None:
    table = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["answer", "answer"])
    write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r'a\.parquet: two columns are called "answer"; give one another name'):
        list(read_parquet(tmp_path / "a.parquet"))
