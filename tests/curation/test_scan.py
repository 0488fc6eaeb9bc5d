"""A file in chunks, and in processes: the same is found as in memory, line by line and column by column."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation import scan
from curation.engines import Processes
from curation.errors import UserError
from curation.records import KNOWN_FIELDS, parse_dataset, read_dataset
from curation.rules import check_dataset, choose
from curation.rules.contract import _validator, keeps_contract

JAPANESE = '{"id": "a", "instruction": "日本の首都は？", "reasoning": "国会です。", "answer": "东京です、", "x": 1}'
LINES = st.sampled_from(
    [
        JAPANESE.encode(), JAPANESE.replace("日本", "韓国").encode(), b'{"instruction": "a", "answer": 5}', b"", b"{", b"\xff",
        b'{"a": NaN}', b'{"instruction": "a?", "reasoning": "b", "answer": "c {d}"}', b"\xef\xbb\xbf{}", b"{}\r", b'{"id": "a"}',
    ]
)  # fmt: skip


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "CHUNK_BYTES", 50)


@given(st.lists(LINES, max_size=12), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_chunks_find_what_the_whole_finds(tmp_path: Path, small_chunks: None, lines: list[bytes], ended: bool) -> None:
    content = b"\n".join(lines) + (b"\n" if ended else b"")
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    found = scan.scan_file(path, choose())
    assert list(found.findings) == check_dataset(parse_dataset(path, content))
    assert found.lines == len(parse_dataset(path, content).lines)


def test_processes_find_what_one_finds(tmp_path: Path, ja_basics: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "CHUNK_BYTES", 20_000)
    monkeypatch.setattr(scan, "_SMALL_BYTES", 0)
    path = tmp_path / "x.jsonl"
    lines = ja_basics.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:200], b"{\n", *lines[100:], b"\r\n", b'{"id": "a"}']))
    chosen = choose(ignore=["script"])
    alone, together = (scan.scan_file(path, chosen, engine=Processes(jobs)) for jobs in (1, 2))
    assert list(together.findings) == list(alone.findings) == check_dataset(read_dataset(path), chosen)
    assert together.source.facts == alone.source.facts
    assert {"duplicate-id", "json", "mixed-line-ends", "no-final-newline"} <= {one.rule for one in alone.findings}


def test_a_file_that_changes_meanwhile_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(JAPANESE + "\n", encoding="utf-8")
    source = scan.scan_file(path, choose()).source
    path.write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="was changed by another program meanwhile"):
        source.entry(0)


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.sampled_from(["ja", "zh-Hans", "a\n", " ", "\u3000"])
)


@given(
    st.dictionaries(
        st.sampled_from([*KNOWN_FIELDS, "other"]),
        VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(st.text(max_size=2), VALUES, max_size=1),
    ),
    st.booleans(),
)
@settings(deadline=None, max_examples=400)
def test_the_fast_contract_is_that_of_the_schema(data: dict[str, object], whole: bool) -> None:
    if whole:
        data = {"instruction": "a", "reasoning": "b", "answer": "c", **data}
    assert keeps_contract(data) == _validator().is_valid(data)


def test_the_facts_of_a_record_take_24_to_56_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(JAPANESE.replace("日本", f"{n}") + "\n" for n in range(50)), encoding="utf-8")
    for rules, size in (("duplicate-id", 24), ("near-duplicate", 32), ("set", 56)):
        facts = scan.scan_file(path, choose([rules])).source.facts
        arrays = [facts.lines, facts.offsets, *facts.digests.values()]
        assert sum(len(one) * one.itemsize for one in arrays) == 50 * size
    assert len(scan.scan_file(path, choose(["form", "contract"])).source.facts.lines) == 0


def test_near_duplicates_of_many_are_those_of_few(monkeypatch: pytest.MonkeyPatch, ja_basics: Path) -> None:
    from curation import near

    texts = [json.loads(line)["instruction"] for line in ja_basics.read_text(encoding="utf-8").splitlines()]
    texts += [text.replace("ですか", "でしょうか").replace("何と", "なんと") for text in texts[::2]]
    random.Random(1).shuffle(texts)
    exact = near.find_near(texts)
    across = near.find_near(texts, across=200)
    monkeypatch.setattr(near, "EXACT_TEXTS", 10)
    many = near.find_near(texts)
    assert many == near.find_near(texts)
    assert len(exact) > 100
    assert set(many) <= set(exact) and len(many) >= 0.97 * len(exact)
    assert all(pair.first < 200 <= pair.second for pair in across)
    assert len(near.find_near(texts, across=200)) >= 0.97 * len(across)


def test_near_duplicates_are_the_same_however_few_pairs_are_held(
    monkeypatch: pytest.MonkeyPatch, ja_basics: Path
) -> None:
    from curation import minhash, near

    texts = [json.loads(line)["instruction"] for line in ja_basics.read_text(encoding="utf-8").splitlines()]
    texts += [text.replace("ですか", "でしょうか") for text in texts] + [
        f"{text[:9]}{n}は？" for n, text in enumerate(texts)
    ]
    monkeypatch.setattr(near, "EXACT_TEXTS", 10)
    monkeypatch.setattr(minhash, "_NEIGHBOURS", 3)
    monkeypatch.setattr(minhash, "_CANDIDATES", 2)
    whole = near.find_near(texts, 0.3)
    monkeypatch.setattr(minhash, "_AT_A_TIME", 37)
    monkeypatch.setattr(minhash, "_COMPARED_PAIRS", 11)
    monkeypatch.setattr(minhash, "_SORTED_TEXTS", 60)
    monkeypatch.setattr(minhash, "_HELD_PAIRS", 50)
    parts = near.find_near(texts, 0.3)
    assert parts == whole and len(whole) > 100
    assert parts.crowded == whole.crowded
