"""What was said to be saved is there: after kills at random moments, and where several programs save at once."""

import json
from pathlib import Path

import pytest
from programs import start

from curation.records import read_dataset


@pytest.mark.parametrize("kills", [20, pytest.param(1000, marks=pytest.mark.slow)])
def test_kills_at_random_moments_lose_nothing_that_was_said_to_be_saved(tmp_path: Path, kills: int) -> None:
    with start("random_kills.py", tmp_path / "x.jsonl", kills, "seed") as program:
        told = json.loads(program.communicate()[0])
    print(told["kills"], "kills,", told["saved"], "saved")
    assert told["wrong"] == []
    assert told["kills"] == kills
    assert told["saved"] > kills


@pytest.mark.parametrize(("processes", "saves"), [(4, 25), pytest.param(8, 500, marks=pytest.mark.slow)])
def test_programs_that_save_at_once_lose_no_save_of_one_another(tmp_path: Path, processes: int, saves: int) -> None:
    path = tmp_path / "x.jsonl"
    names = [f"writer{number}" for number in range(processes)]
    programs = [start("writer.py", path, name, saves) for name in names]
    refused = [int(program.communicate()[0]) for program in programs]
    print(sum(refused), "refused and tried again")
    dataset = read_dataset(path)
    assert dataset.broken == ()
    found = {record.id: record.data.get("count") for _, record in dataset.records()}
    assert len(found) == len(dataset.lines)
    added = {f"{name}-{number}": None for name in names for number in range(3, saves + 1, 2)}
    assert found == {**dict.fromkeys(names, 1 + saves // 2), **added}
