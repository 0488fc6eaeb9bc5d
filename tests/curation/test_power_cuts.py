"""A power cut at any time leaves each file old or new, what is said to be saved is on the disk, and no fsync is idle."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from disk import FOLLOWED, UNKNOWN, Disk
from operations import OPERATIONS, SOME
from promises import Files, broken
from system_calls import Call, count_calls, needs_strace, record

TRACE = ["-xx", "-s", "1000000", "-e", f"trace={FOLLOWED},{UNKNOWN}"]


def losses(folder: Path, calls: Sequence[Call], old: Files, new: Files) -> set[str]:
    """The promises that are broken in some state that a disk may be in, after some of the calls or after all."""
    found: set[str] = set()
    disk = Disk(folder, old)
    for call in calls:
        disk.make(call)
        for files in disk.after_a_power_cut() if call.name not in ("lseek", "close") else ():
            found.update(broken(old, new, files, is_saved=False))
    for files in disk.after_a_power_cut():
        found.update(broken(old, new, files, is_saved=True))
    return found


def losses_of(place: Path, names: list[str], *options: str) -> dict[str, set[str]]:
    """The losses of each operation."""
    results, calls = record(place, [*TRACE, *options], names)
    assert {result["told"] for result in results.values()} == {"saved"}
    return {
        name: losses(place / name, calls[name], results[name]["before"]["files"], results[name]["files"])
        for name in names
    }


@pytest.mark.parametrize(
    "operations", [SOME, pytest.param(list(OPERATIONS), marks=pytest.mark.slow)], ids=["some", "every"]
)
def test_a_power_cut_at_any_time_loses_nothing_and_without_any_one_fsync_it_does(
    quick_folder: Path, operations: list[str]
) -> None:
    needs_strace()
    counts = count_calls(quick_folder, operations)[1]
    assert losses_of(quick_folder, operations) == {name: set() for name in operations}
    for number in range(1, max(count["fsync"] for count in counts.values()) + 1):
        names = [name for name in operations if counts[name]["fsync"] >= number]
        found = losses_of(quick_folder, names, "-e", f"inject=fsync:retval=0:when={number}")
        assert [name for name in names if not found[name]] == [], f"without fsync {number} nothing is lost"
