"""The work on Ray Data, with two workers of this machine: what is found is what this process finds."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation import near, scan
from curation.dedup import find_doublets
from curation.engines import Processes
from curation.errors import UserError
from curation.likeness import NEAR
from curation.rules import choose

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own, about itself


@pytest.fixture(scope="module")
def workers() -> Iterator[object]:
    from curation.ray_engine import RayEngine

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


def test_ray_finds_what_one_process_finds(workers: scan.Engine, large: Path) -> None:
    chosen = choose(ignore=["script"])
    alone, far = (scan.scan_file(large, chosen, engine=engine) for engine in (Processes(1), workers))
    assert list(far.findings) == list(alone.findings)
    assert far.source.facts == alone.source.facts
    assert {"json", "near-duplicate"} <= {one.rule for one in far.findings}
    assert find_doublets(large, NEAR, engine=workers) == find_doublets(large, NEAR, engine=Processes(1))


def test_two_workers_do_the_work(workers: scan.Engine) -> None:
    assert ray.cluster_resources()["CPU"] == 2
    assert list(workers.map(str, range(5))) == ["0", "1", "2", "3", "4"]


def test_a_sentence_for_the_user_stays_one(workers: scan.Engine, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("{}\n", encoding="utf-8")
    records = scan.FileRecords(path, [1])
    with pytest.raises(UserError, match="was changed by another program meanwhile"):
        list(workers.map(scan.FileRecords.read, [records]))
