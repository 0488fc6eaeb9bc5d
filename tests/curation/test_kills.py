"""A writer that is killed in any system call, or whose calls fail, leaves each file as it was or as it was to be."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from operations import OPERATIONS, Operation
from system_calls import count_calls, needs_strace, run_doomed

Case = tuple[str, int, str, dict[str, Any]]  # the call, which of them, the operation, what came of it


def latin(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: content.decode("latin-1") for name, content in files.items()}


def every_point(counts: Mapping[str, Counter[str]], calls: set[str] | None) -> list[tuple[str, int, list[str]]]:
    """Each call that an operation makes, its first, its second and so on, with the operations that make so many."""
    points = []
    for call in sorted(set[str]().union(*counts.values())):
        for number in range(1, max(count[call] for count in counts.values()) + 1):
            if calls is None or call in calls:
                points.append((call, number, [name for name in counts if counts[name][call] >= number]))
    return points


def at_every_point(place: Path, effect: str, names: list[str], calls: set[str] | None = None) -> Iterator[Case]:
    """Every operation in which that happens to every call, to one call at a time."""
    _, counts = count_calls(place, names)
    points = every_point(counts, calls)
    runs = [
        (["-e", f"trace={call}", "-e", f"inject={call}:{effect}:when={number}"], names)
        for call, number, names in points
    ]
    for (call, number, _), results in zip(points, run_doomed(place, runs), strict=True):
        for name, result in results.items():
            yield call, number, name, result


def harm(operation: Operation, clean: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """What is wrong with the files after an operation that came to no good end, or to one."""
    found = []
    old, new = latin(operation.before), clean["files"]
    for name in sorted(old.keys() | new.keys() | result["files"].keys()):
        linked = operation.links.get(name, name)  # a link shows what it leads to
        is_old = result["files"].get(name) == old.get(linked)
        is_new = result["files"].get(name) == new.get(name)
        if not (is_old or is_new):
            found.append(f"{name} is neither old nor new: {result['files'].get(name)!r}")
        if result["told"] == "saved" and not is_new:
            found.append(f"{name} is not what was said to be saved")
    if {clean["modes"].get(name, mode) for name, mode in result["modes"].items()} != set(result["modes"].values()):
        found.append(f"the permissions are {result['modes']}")
    if result["links"] != clean["links"]:
        found.append(f"the links are {result['links']}")
    before, after = result["files"].get(operation.file, ""), result["next"]["files"].get(operation.file)
    newline = "" if before.endswith("\n") or not before else "\n"
    if after != f'{before}{newline}{{"id": "next"}}\n':
        found.append(f"the next record was not added: {result['next']['told']}")
    return found


FAST = {"write", "fsync", "rename", "unlink", "flock", "openat", "chmod"}


@pytest.mark.parametrize("calls", [FAST, pytest.param(None, marks=pytest.mark.slow)], ids=["changing", "every"])
def test_a_kill_in_any_call_leaves_each_file_old_or_new_and_the_next_change_works(
    tmp_path: Path, calls: set[str] | None
) -> None:
    needs_strace()
    clean, counts = count_calls(tmp_path, list(OPERATIONS))
    assert {name: result["told"] for name, result in clean.items()} == dict.fromkeys(OPERATIONS, "saved")
    assert all(clean[name]["files"] != latin(OPERATIONS[name].before) for name in OPERATIONS)
    deaths, found = 0, []
    for call, number, name, result in at_every_point(tmp_path, "signal=KILL", list(OPERATIONS), calls):
        deaths += result["told"] == ""
        found += [f"{name}, {call} {number}: {what}" for what in harm(OPERATIONS[name], clean[name], result)]
    print(f"{deaths} kills")
    assert found == []
    assert deaths == sum(len(names) for _, _, names in every_point(counts, calls))


def broken_promises(operation: Operation, clean: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """What is wrong after a call failed: with the files, and with what the user is told about them."""
    found, told = harm(operation, clean, result), result["told"]
    is_unchanged = result["files"] == latin(operation.before)
    if told != "saved" and not (told.startswith("refused: ") and told.count("\n") == 0):
        found.append(f"it ends in {told}")
    if "nothing was" in told and not is_unchanged:
        found.append(f"it is told that nothing was changed: {told}")
    if told.startswith("refused: ") and "nothing was" not in told and is_unchanged:
        found.append(f"it is not told that nothing was changed: {told}")
    if result["temporary"]:
        found.append("a temporary file is left")
    return found


FAILING = {"write", "fsync", "rename", "openat", "close", "chmod"}


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_a_call_that_fails_leaves_each_file_old_or_new_and_the_user_is_told_which(tmp_path: Path, error: str) -> None:
    needs_strace()
    clean, _ = count_calls(tmp_path, list(OPERATIONS))
    found = []
    for call, number, name, result in at_every_point(tmp_path, f"error={error}", list(OPERATIONS), FAILING):
        found += [f"{name}, {call} {number}: {what}" for what in broken_promises(OPERATIONS[name], clean[name], result)]
    print(found)
    assert found == []
