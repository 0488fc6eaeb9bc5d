"""A power cut at any time leaves each file old or new, what is said to be saved is on the disk, and no fsync is idle."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from disk import FOLLOWED, UNKNOWN, Disk
from operations import OPERATIONS
from system_calls import Call, count_calls, needs_strace, record

TRACE = ["-xx", "-s", "1000000", "-e", f"trace={FOLLOWED},{UNKNOWN}"]


def losses(folder: Path, calls: Sequence[Call], old: Mapping[str, bytes], new: Mapping[str, bytes]) -> set[str]:
    """What is wrong in some state that a disk may be in, after some of the calls or after all."""
    found: set[str] = set()
    disk = Disk(folder, old)
    for call in calls:
        disk.make(call)
        for files in disk.after_a_power_cut():
            for name in old.keys() | new.keys():
                if files.get(name) not in (old.get(name), new.get(name)):
                    found.add(f"{name} is neither old nor new")
    for files in disk.after_a_power_cut():  # it was said to be saved
        for name in new:
            if files.get(name) != new[name]:
                found.add(f"{name} is said to be saved, and is not")
    return found


def see(place: Path, names: list[str], *options: str) -> dict[str, set[str]]:
    """The losses of each operation."""
    results, calls = record(place, [*TRACE, *options], names)
    found = {}
    for name in names:
        new = {
            file: content.encode("latin-1")
            for file, content in results[name]["files"].items()
            if file not in OPERATIONS[name].links
        }
        assert results[name]["told"] == "saved"
        found[name] = losses(place / name, calls[name], OPERATIONS[name].before, new)
    return found


def test_a_power_cut_at_any_time_loses_nothing_and_without_any_one_fsync_it_does(tmp_path: Path) -> None:
    needs_strace()
    counts = count_calls(tmp_path, list(OPERATIONS))[1]
    assert see(tmp_path, list(OPERATIONS)) == {name: set() for name in OPERATIONS}
    for number in range(1, max(count["fsync"] for count in counts.values()) + 1):
        names = [name for name in OPERATIONS if counts[name]["fsync"] >= number]
        found = see(tmp_path, names, "-e", f"inject=fsync:retval=0:when={number}")
        assert {name for name in names if not found[name]} == set(), f"without fsync {number} nothing is lost"
