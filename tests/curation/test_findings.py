"""Findings in the order of the file, wherever they wait."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation import findings as room
from curation.errors import UserError
from curation.findings import AllFindings, Findings
from curation.records import Finding

PATH = Path("x.jsonl")
RUNS = st.lists(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), max_size=40).map(sorted), max_size=4)


@given(RUNS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_runs_are_merged_whether_they_are_held_or_on_the_disk(
    monkeypatch: pytest.MonkeyPatch, runs: list[list[tuple[int, int]]]
) -> None:
    monkeypatch.setattr(room, "HELD", 7)
    monkeypatch.setattr(room, "_AT_A_TIME", 3)
    made = [
        [Finding(PATH, line, column, "", f"run {number}", "json", subject=f"{line}") for line, column in run]
        for number, run in enumerate(runs)
    ]
    found = Findings()
    for run in made:
        found.add(iter(run))
    expected = sorted((one for run in made for one in run), key=lambda one: (one.line, one.column))
    assert list(found) == list(found) == expected
    assert [one.subject for one in found] == [one.subject for one in expected]
    assert len(found) == len(expected)
    assert list(AllFindings([found, found])) == [*expected, *expected]
    assert all(one in found for one in expected)


def test_a_full_disk_is_told_as_what_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    many = (Finding(PATH, line, 1, "", "a sentence", "json") for line in range(room.HELD))
    with pytest.raises(UserError, match="no room in the folder of temporary files .*set TMPDIR to another"):
        Findings().add(many)
