"""Parquet in and out, by pyarrow; a thousand rows at a time."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.errors import UserError, first_line
from curation.exchange.rows import Row, plain, require_unlike

_BATCH_ROWS = 1000


def read_parquet(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file, from 1. Raises UserError where it is damaged, or two columns have one name."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            require_unlike(path, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(_BATCH_ROWS):
                for data in batch.to_pylist():
                    number += 1
                    yield Row(f"row {number}", plain(data))
    # A date that no calendar has is an OverflowError or a ValueError.
    except (pyarrow.ArrowException, ValueError, OverflowError, OSError) as error:
        raise UserError(f"{path}: cannot be read as Parquet ({first_line(error)}); export it again") from None


def write_parquet(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A Parquet file of texts; `tags` is a list of texts."""
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    text = pyarrow.string()
    schema = pyarrow.schema([(name, pyarrow.list_(text) if name == "tags" else text) for name in columns])
    iterator = iter(rows)
    with ParquetWriter(path, schema) as writer:
        while batch := list(itertools.islice(iterator, _BATCH_ROWS)):
            writer.write_table(pyarrow.Table.from_pylist([dict(row) for row in batch], schema))
