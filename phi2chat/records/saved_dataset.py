"""A folder that `datasets.save_to_disk` wrote, as rows; the library that wrote it reads it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from curation.errors import UserError, first_line
from curation.exchange.rows import Row, Source, plain


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder is one, by the files that only it has."""
    return (path / "state.json").is_file() or (path / "dataset_dict.json").is_file()


def open_saved_dataset(path: Path) -> Source:
    """Its rows, split by split. Raises UserError where it is damaged."""
    from datasets import DatasetDict, load_from_disk

    try:
        loaded = load_from_disk(str(path))
    except Exception as error:  # pyarrow's, the library's own and Python's, as the damage falls
        raise UserError(f"{path}: cannot be read as a saved dataset ({first_line(error)}); save it again") from None
    splits = dict(loaded) if isinstance(loaded, DatasetDict) else {"": loaded}

    def rows() -> Iterator[Row]:
        for name, split in splits.items():
            for number, data in enumerate(split, start=1):
                row = Row(f"row {number}", plain(data))
                yield dataclasses.replace(row, place=f"{name} {row.place}") if name else row

    return Source(path, f"a saved dataset of {len(splits)} splits" if len(splits) > 1 else "a saved dataset", rows)
