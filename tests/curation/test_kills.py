"""A writer that is killed in any system call, or whose calls fail, leaves each file as it was or as it was to be."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from operations import OPERATIONS, SOME
from promises import broken, steps, temporary, visible
from system_calls import count_calls, needs_strace, run_doomed

Result = Mapping[str, Any]
Case = tuple[str, str, Result]  # the call and which of them, the operation, what came of it
NAMES = list(OPERATIONS)
# All that change something, and those in which a change is stopped; the others are left to the slow test.
CHANGING = {"write", "fsync", "rename", "unlink", "flock", "openat", "chmod", "fchmod", "ftruncate"}
FAILING = {"write", "fsync", "rename", "openat", "close", "chmod", "fchmod", "ftruncate", "unlink", "flock"}


def every_point(counts: Mapping[str, Counter[str]], calls: set[str] | None) -> list[tuple[str, int, list[str]]]:
    """Each call that an operation makes, its first, its second and so on, with the operations that make so many."""
    points = []
    for call in sorted(set[str]().union(*counts.values())):
        for number in range(1, max(count[call] for count in counts.values()) + 1):
            if calls is None or call in calls:
                points.append((call, number, [name for name in counts if counts[name][call] >= number]))
    return points


def at_every_point(
    place: Path, effect: str, counts: Mapping[str, Counter[str]], calls: set[str] | None
) -> Iterator[Case]:
    """Every operation in which that happens to every call, to one call at a time."""
    points = every_point(counts, calls)
    runs = [
        (["-e", f"trace={call}", "-e", f"inject={call}:{effect}:when={number}"], names)
        for call, number, names in points
    ]
    for (call, number, _), results in zip(points, run_doomed(place, runs), strict=True):
        for name, result in results.items():
            yield f"{call} {number}", name, result


def harm(name: str, clean: Result, result: Result) -> Iterator[str]:
    """What is wrong with the files after an operation that came to no good end, or to one."""
    operation, now = OPERATIONS[name], result["files"]
    yield from broken(result["before"]["files"], clean["files"], now, result["told"] == "saved")
    for file in visible(now):
        if now[file] and result["modes"][file] != clean["modes"].get(file, result["before"]["modes"].get(file)):
            yield f"the permissions of {file} are {result['modes'][file]:o}"
    if result["links"] != clean["links"]:
        yield f"the links are {result['links']}"
    if operation.repeatable and visible(result["again"]["files"]) != visible(clean["files"]):
        yield f"done again, it leads elsewhere: {result['again']['told']}"
    file = operation.links.get(operation.file, operation.file)
    before = now.get(file, b"")
    newline = b"" if before.endswith(b"\n") or not before else b"\n"
    if result["next"]["files"].get(file) != before + newline + b'{"id": "next"}\n':
        yield f"the next record is not added: {result['next']['told']}"
    if result["undone"]["files"].get(file, b"") != before:
        yield f"the next record is not taken back: {result['undone']['told']}"


@pytest.mark.parametrize(
    ("names", "calls"),
    [(SOME, CHANGING), pytest.param(NAMES, None, marks=pytest.mark.slow)],
    ids=["changing calls", "every call"],
)
def test_a_kill_in_any_call_leaves_each_file_old_or_new_and_the_next_change_works(
    quick_folder: Path, names: list[str], calls: set[str] | None
) -> None:
    needs_strace()
    clean, counts = count_calls(quick_folder, names)
    assert {name: result["told"] for name, result in clean.items()} == dict.fromkeys(names, "saved")
    assert [name for name in names if visible(clean[name]["files"]) == visible(clean[name]["before"]["files"])] == []
    deaths, found = 0, []
    for call, name, result in at_every_point(quick_folder, "signal=KILL", counts, calls):
        deaths += result["told"] == ""
        found += [f"{name}, {call}: {what}" for what in harm(name, clean[name], result)]
    print(f"{deaths} kills")
    assert found == [], "\n".join(found)
    assert deaths == sum(len(names) for _, _, names in every_point(counts, calls))


def untruths(clean: Result, result: Result) -> Iterator[str]:
    """What is wrong with what a user is told after a call failed."""
    told, now = result["told"], visible(result["files"])
    if told != "saved" and not (told.startswith("refused: ") and "\n" not in told):
        yield f"it ends in {told}"
    if temporary(result["files"]):
        yield "a temporary file is left"
    if steps(result["before"]["files"]):  # what it changes first is what another command had begun
        return
    says_unchanged = ("nothing was" in told or "cannot be read" in told) and "move them again" not in told
    if says_unchanged and now != visible(result["before"]["files"]):
        yield f"something was changed: {told}"
    if told.startswith("refused: ") and not says_unchanged and now == visible(result["before"]["files"]):
        yield f"nothing was changed: {told}"


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (SOME, "ENOSPC"),
        pytest.param(NAMES, "ENOSPC", marks=pytest.mark.slow),
        pytest.param(NAMES, "EIO", marks=pytest.mark.slow),
    ],
    ids=["a full disk", "a full disk, every operation", "a broken disk, every operation"],
)
def test_a_call_that_fails_leaves_each_file_old_or_new_and_the_user_is_told_which(
    quick_folder: Path, names: list[str], error: str
) -> None:
    needs_strace()
    clean, counts = count_calls(quick_folder, names)
    failures, found = 0, []
    for call, name, result in at_every_point(quick_folder, f"error={error}", counts, FAILING):
        failures += result["told"] != "saved"
        found += [
            f"{name}, {call}: {what}" for what in [*harm(name, clean[name], result), *untruths(clean[name], result)]
        ]
    print(f"{failures} failures")
    assert found == [], "\n".join(found)
