"""The work on Ray Data, with two workers of this machine: what is found is what this process finds."""

import json
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from curation import near, scan
from curation.dedup import find_doublets
from curation.engines import Processes
from curation.errors import UserError
from curation.facts import KINDS
from curation.likeness import NEAR
from curation.ray_engine import RayEngine, call_on_worker
from curation.rules import choose


def on_ray(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.slow(pytest.mark.filterwarnings("ignore")(test))  # Ray's own, about itself


@pytest.fixture(scope="module")
def workers() -> Iterator[object]:
    ray = pytest.importorskip("ray")
    yield RayEngine(jobs=2)
    ray.shutdown()


@pytest.fixture
def large(tmp_path: Path, ja_basics: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(scan, "CHUNK_BYTES", 20_000)
    monkeypatch.setattr(near, "EXACT_TEXTS", 10)
    monkeypatch.setattr(near, "_BATCH", 100)
    rows = [json.loads(line) for line in ja_basics.read_text(encoding="utf-8").splitlines()]
    again = [
        {**row, "id": f"again-{number}", "family": f"again-{number}",
         "instruction": row["instruction"].replace("ですか", "でしょうか")}
        for number, row in enumerate(rows[::3])
    ]  # fmt: skip
    lines = [json.dumps(row, ensure_ascii=False) for row in [*rows, *again]]
    lines[7] = "{"
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@on_ray
def test_ray_finds_what_one_process_finds(workers: scan.Engine, large: Path) -> None:
    chosen = choose(ignore=["script"])
    alone, far = (scan.scan_file(large, chosen, engine=engine) for engine in (Processes(1), workers))
    assert list(far.findings) == list(alone.findings)
    assert far.source.facts == alone.source.facts
    assert {"json", "near-duplicate"} <= {one.rule for one in far.findings}
    assert find_doublets(large, NEAR, engine=workers) == find_doublets(large, NEAR, engine=Processes(1))


@on_ray
def test_two_workers_do_the_work(workers: scan.Engine) -> None:
    assert pytest.importorskip("ray").cluster_resources()["CPU"] == 2
    assert list(workers.map(str, range(5))) == ["0", "1", "2", "3", "4"]


@on_ray
def test_a_sentence_for_the_user_stays_one(workers: scan.Engine, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("{}\n", encoding="utf-8")
    records = scan.FileRecords(path, [1])
    with pytest.raises(UserError, match="was changed by another program meanwhile"):
        list(workers.map(scan.FileRecords.read, [records]))


def test_a_worker_hands_back_what_a_task_gave_or_its_error_as_it_was(tmp_path: Path) -> None:
    """Without Ray, which only carries the bytes there and back."""

    def on_worker(function: Callable[[object], object], task: object) -> tuple[object, Exception | None]:
        (result,) = call_on_worker({"task": [pickle.dumps(task)]}, pickle.dumps(function))["result"]
        found: tuple[object, Exception | None] = pickle.loads(result)
        return found

    path = tmp_path / "x.jsonl"
    path.write_text("{}\n", encoding="utf-8")
    (chunk,) = scan.chunks_of(path)
    checked, error = on_worker(partial(scan.check_chunk, path, choose(), frozenset(KINDS)), chunk)
    assert error is None
    assert checked.findings == scan.check_chunk(path, choose(), frozenset(KINDS), chunk).findings != []
    result, error = on_worker(scan.FileRecords.read, scan.FileRecords(path, [1]))
    assert (result, type(error)) == (None, UserError)
    assert "was changed by another program meanwhile" in str(error)
