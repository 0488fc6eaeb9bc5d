"""Saves into a file beside other processes that do: FILE, a name for its records, how many saves.

Every other save adds a record, the others count up in the first one of this process. What is refused is tried again.
Prints how often that was.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from curation.errors import UserError
from curation.records import read_dataset
from curation.store import append_record, replace_record


def count_up(path: Path, name: str) -> None:
    dataset = read_dataset(path)
    line, record = dataset.find(name)
    replace_record(dataset, line, {**record.data, "count": record.data["count"] + 1})


def insist(save: Callable[[], object]) -> int:
    """Save, and return how often that was refused for the sake of another process."""
    refused = 0
    while True:
        try:
            save()
            return refused
        except UserError as error:
            if "another program" not in str(error):
                raise
            refused += 1


def main() -> None:
    path, name, saves = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    refused = insist(lambda: append_record(path, {"id": name, "count": 1}))
    for number in range(2, saves + 1):
        if number % 2:
            refused += insist(lambda number=number: append_record(path, {"id": f"{name}-{number}"}))
        else:
            refused += insist(lambda: count_up(path, name))
    print(refused)


if __name__ == "__main__":
    main()
