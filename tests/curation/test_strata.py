"""Every language and category on both sides, a floor for eval, and records that come later: nothing moves."""

import json
import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from curation.errors import UserError
from curation.records import Dataset, format_record, parse_dataset, read_dataset
from curation.split import SplitRule, family_of, read_split, split_by_rule, write_split
from curation.split_more import add_to_split
from curation.strata import Stratum, strata_of, stratum_of

# family, language, category
Kind = tuple[int, str, str]
KINDS = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["ja", "en"]), st.sampled_from(["", "math", "place"])),
    min_size=2,
    max_size=80,
)
PERCENTS = st.sampled_from([1.0, 10.0, 33.3, 50.0, 90.0])


def dataset_of(kinds: Sequence[Kind], path: Path = Path("x.jsonl"), start: int = 0) -> Dataset:
    rows = [
        {"id": f"id-{start + n}", "family": f"fact-{family}", "language": language, "category": category}
        for n, (family, language, category) in enumerate(kinds)
    ]
    return parse_dataset(path, b"".join(map(format_record, rows)))


def strata_in(dataset: Dataset) -> dict[str, Stratum]:
    counts = Counter((family_of(record).encode(), stratum_of(record)) for _, record in dataset.records())
    return {family.decode(): stratum for family, stratum in strata_of(counts).items()}


def sides_in(folder: Path) -> dict[str, str]:
    train, eval_ = read_split(folder)
    return {str(record.id): side for side, data in (("train", train), ("eval", eval_)) for _, record in data.records()}


@given(KINDS, PERCENTS, st.integers(0, 3))
def test_each_stratum_holds_out_its_share_rounded_up_or_down(kinds: list[Kind], percent: float, seed: int) -> None:
    dataset = dataset_of(kinds)
    strata = strata_in(dataset)
    assume(len(strata) > 1)
    split = split_by_rule(dataset, SplitRule(percent, seed, stratified=True))
    held = {family_of(line.record) for line in split.eval if line.record}
    trained = {family_of(line.record) for line in split.train if line.record}
    assert not held & trained
    assert sorted([*split.train, *split.eval], key=lambda line: line.number) == list(dataset.lines)
    assert held and trained
    members = defaultdict(list)
    for family, stratum in strata.items():
        members[stratum].append(family)
    off = 0
    for families in members.values():
        count, wanted = len(held.intersection(families)), percent / 100 * len(families)
        off += not math.floor(wanted) <= count <= math.ceil(wanted)
    assert off <= (len(held) == 1 or len(trained) == 1)  # the one that a side needs so as not to be empty


@given(KINDS, KINDS, PERCENTS, st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_nothing_moves_when_records_come(first: list[Kind], more: list[Kind], percent: float, floor: int) -> None:
    assume(len({family for family, _, _ in first}) > floor + 1)
    with tempfile.TemporaryDirectory() as name:
        again, added = Path(name) / "again", Path(name) / "added"
        dataset, whole = dataset_of(first), dataset_of([*first, *more])
        for folder in (again, added):
            write_split(dataset, folder, percent, 42, min_eval=floor)
        before = sides_in(again)
        assert len(before) == len(first)
        assert sum(side == "eval" for side in before.values()) >= floor
        write_split(whole, again, percent, 42, min_eval=floor)
        told = add_to_split(dataset_of(more, Path("more.jsonl"), len(first)), added)
        assert told.train + told.eval == len(more)
        for folder in (again, added):
            after = sides_in(folder)
            assert len(after) == len(first) + len(more)
            assert after.items() >= before.items()
            families = [{family_of(record) for _, record in data.records()} for data in read_split(folder)]
            assert not families[0] & families[1]


def test_what_is_added_comes_after_what_was_there_and_is_named_in_the_manifest(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    write_split(dataset_of([(n, "ja", "math") for n in range(20)]), folder, 20.0, 42)
    before = {side: (folder / f"{side}.jsonl").read_bytes() for side in ("train", "eval")}
    more = dataset_of([(n, "en", "place") for n in range(100, 130)], tmp_path / "more.jsonl", 100)
    told = add_to_split(more, folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest == told.manifest
    assert manifest["added"] == [{"input": "more.jsonl", "input_sha256": more.sha256, "records": 30}]
    assert (manifest["input"], manifest["families"]) == ("x.jsonl", 50)
    for side, content in before.items():
        assert (folder / f"{side}.jsonl").read_bytes().startswith(content)
    assert (told.eval, told.train, told.skipped) == (6, 24, 0)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert add_to_split(more, folder).skipped == 30
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_what_several_add_at_once_is_all_there(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    write_split(dataset_of([(n, "ja", "math") for n in range(20)]), folder, 20.0, 42)
    starts = range(100, 200, 10)
    more = [dataset_of([(n, "en", "place") for n in range(n, n + 10)], Path(f"{n}.jsonl"), n) for n in starts]
    with ThreadPoolExecutor(len(more)) as threads:
        told = list(threads.map(add_to_split, more, [folder] * len(more)))
    assert sum(one.train + one.eval for one in told) == 100
    assert len(sides_in(folder)) == 120


def test_an_id_that_the_split_has_with_another_content_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    write_split(dataset_of([(n, "ja", "math") for n in range(20)]), folder, 20.0, 42)
    files = {path.name: path.read_bytes() for path in folder.glob("[!.]*")}
    with pytest.raises(UserError, match=r'more\.jsonl:1: the id "id-3" stands in .*jsonl:\d+ with another content'):
        add_to_split(dataset_of([(3, "en", "math")], Path("more.jsonl"), 3), folder)
    assert {path.name: path.read_bytes() for path in folder.glob("[!.]*")} == files


def test_an_id_of_the_split_that_is_no_text_is_in_nobodys_way(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    odd = b'{"id": ["a"], "instruction": "?", "reasoning": "!", "answer": "."}\n{"id": "b", "instruction": "!"}\n'
    write_split(parse_dataset(Path("x.jsonl"), odd), folder, 20.0, 42)
    assert add_to_split(dataset_of([(3, "ja", "math")], Path("more.jsonl"), 3), folder).skipped == 0


def test_a_folder_that_was_split_by_a_rule_of_another_version_gets_no_records(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    manifest = write_split(dataset_of([(n, "ja", "math") for n in range(20)]), folder, 20.0, 42)
    (folder / "manifest.json").write_text(json.dumps({**manifest, "rule": "by the moon"}), encoding="utf-8")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match=r"manifest\.json: names a rule that is not known here"):
        add_to_split(dataset_of([(99, "ja", "math")], Path("more.jsonl"), 99), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_a_folder_without_a_manifest_gets_no_records(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no manifest\.json"):
        add_to_split(dataset_of([(1, "ja", "")]), tmp_path)


def test_splitting_the_file_again_does_not_lose_what_was_added(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    dataset = dataset_of([(n, "ja", "math") for n in range(20)])
    write_split(dataset, folder, 20.0, 42)
    add_to_split(dataset_of([(99, "ja", "math")], Path("more.jsonl"), 99), folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match=r"has records from more\.jsonl that x\.jsonl has not; add more with --add-to"):
        write_split(dataset, folder, 20.0, 42)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files


def test_a_split_with_added_records_that_was_torn_is_mended_by_splitting_all_of_them_again(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    dataset, more = dataset_of([(n, "ja", "math") for n in range(20)]), [(n, "en", "math") for n in range(50, 60)]
    write_split(dataset, folder, 20.0, 42)
    train = (folder / "train.jsonl").read_bytes()
    add_to_split(dataset_of(more, Path("more.jsonl"), 50), folder)
    (folder / "train.jsonl").write_bytes(train)  # as after a kill between two renames
    with pytest.raises(UserError, match="split again with `phi2chat curate split`"):
        add_to_split(dataset_of(more, Path("more.jsonl"), 50), folder)
    with pytest.raises(UserError, match="has records from more"):
        write_split(dataset, folder, 20.0, 42)
    whole = parse_dataset(
        Path("x.jsonl"), b"".join(line.raw for line in (*dataset.lines, *dataset_of(more, start=50).lines))
    )
    write_split(whole, folder, 20.0, 42)
    assert len(sides_in(folder)) == 30


def test_a_floor_that_cannot_be_reached_is_refused(tmp_path: Path) -> None:
    dataset = dataset_of([(n, "ja", "math") for n in range(5)])
    with pytest.raises(UserError, match="fewer than 5 records can be held out; add records of other families"):
        write_split(dataset, tmp_path / "split", 20.0, 42, min_eval=5)
    assert not (tmp_path / "split").exists()
    assert write_split(dataset, tmp_path / "split", 20.0, 42, min_eval=4)["eval"]["records"] == 4


def test_the_shipped_records_are_held_out_by_category(tmp_path: Path, ja_basics: Path) -> None:
    dataset = read_dataset(ja_basics)
    split = split_by_rule(dataset, SplitRule(20.0, 42, stratified=True))
    strata = strata_in(dataset)
    held = {family_of(line.record) for line in split.eval if line.record}
    for stratum in set(strata.values()):
        families = [family for family, one in strata.items() if one == stratum]
        assert abs(len(held.intersection(families)) - 0.2 * len(families)) < 1
