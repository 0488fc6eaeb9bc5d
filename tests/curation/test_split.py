"""The split: a record's side depends on its family alone, and stays when others come."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from hypothesis import assume, given
from hypothesis import strategies as st

from curation.errors import UserError
from curation.record_file import RecordFile
from curation.records import Dataset, Line, Record, format_record, parse_dataset
from curation.split import RULE, Side, Split, read_split, split_by_family, write_split
from curation.split_more import add_to_split

# A record as its id and its family; few names, so that families meet ids and one another.
KEYS = st.tuples(st.integers(0, 99).map("id-{}".format), st.none() | st.integers(0, 9).map("fact-{}".format))
PERCENTS = st.sampled_from([0.1, 10.0, 33.3, 50.0, 90.0, 99.9])
Key = tuple[str, str | None]


def dataset_of(keys: Sequence[Key]) -> Dataset:
    records = [{"id": id, **({"family": family} if family else {})} for id, family in keys]
    return parse_dataset(Path("x.jsonl"), b"".join(format_record(record) for record in records))


def ids(lines: Sequence[Line]) -> list[str]:
    return [str(line.record.id) for line in lines if line.record]


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, without locks."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def families(lines: Sequence[Line]) -> set[str]:
    return {str(line.record.data.get("family", line.record.id)) for line in lines if line.record}


def sides(split: Split) -> dict[str, str]:
    return dict.fromkeys(ids(split.train), "train") | dict.fromkeys(ids(split.eval), "eval")


@given(st.lists(KEYS, min_size=2, unique_by=lambda key: key[0]), PERCENTS, st.integers(0, 5))
def test_every_record_is_on_one_side_and_no_family_on_both(keys: list[Key], percent: float, seed: int) -> None:
    assume(len({family or id for id, family in keys}) > 1)
    split = split_by_family(dataset_of(keys), percent, seed)
    assert sorted(ids(split.train) + ids(split.eval)) == sorted(id for id, _ in keys)
    assert families(split.train).isdisjoint(families(split.eval))
    assert split.train and split.eval
    for lines in (split.train, split.eval):
        assert [line.number for line in lines] == sorted(line.number for line in lines)


@given(st.lists(KEYS, min_size=3, unique_by=lambda key: key[0]), PERCENTS, st.integers(0, 5), st.data())
def test_adding_a_record_moves_no_other_between_sides(
    keys: list[Key], percent: float, seed: int, data: st.DataObject
) -> None:
    new = keys.pop(data.draw(st.integers(0, len(keys) - 1)))
    assume(len({family or id for id, family in keys}) > 1)
    before = split_by_family(dataset_of(keys), percent, seed)
    keys.insert(data.draw(st.integers(0, len(keys))), new)
    after = split_by_family(dataset_of(keys), percent, seed, pins=before.pins)
    assert {id: side for id, side in sides(after).items() if id != new[0]} == sides(before)


@given(st.lists(KEYS, min_size=2, unique_by=lambda key: key[0]), PERCENTS, st.data())
def test_a_pin_is_honoured_and_remembered(keys: list[Key], percent: float, data: st.DataObject) -> None:
    names = sorted({family or id for id, family in keys})
    assume(len(names) > 2)
    pinned = data.draw(st.sampled_from(names))
    side: Side = data.draw(st.sampled_from(["train", "eval"]))
    unpinned = split_by_family(dataset_of(keys), percent, 42)
    alone = families(getattr(unpinned, "train" if side == "eval" else "eval")) == {pinned}
    assume(not alone)  # then the other side needs a new family, which may only be this one
    split = split_by_family(dataset_of(keys), percent, 42, pins={"gone": "eval", pinned: side})
    assert pinned in families(split.train if side == "train" else split.eval)
    assert split.pins[pinned] == side
    assert "gone" not in split.pins


def test_the_rule_is_the_one_that_the_manifest_names() -> None:
    keys: list[Key] = [(f"id-{n}", None) for n in range(200)]
    split = split_by_family(dataset_of(keys), 25.0, 7)
    expected = [id for id, _ in keys if int.from_bytes(hashlib.sha256(f"7\n{id}".encode()).digest()[:8], "big") < 2**62]
    assert ids(split.eval) == expected
    assert 30 < len(expected) < 70
    assert split.pins == {}


def test_another_seed_holds_out_others() -> None:
    dataset = dataset_of([(f"id-{n}", None) for n in range(50)])
    assert ids(split_by_family(dataset, 20.0, 1).eval) != ids(split_by_family(dataset, 20.0, 2).eval)


def test_records_without_an_id_are_one_family_where_they_ask_the_same() -> None:
    lines = [
        '{"instruction": "ＡＢＣとは？", "answer": "1"}',
        '{"instruction": "ABCとは？", "answer": "2"}',
        '{"instruction": "ABCとは？", "input": "別", "answer": "3"}',
    ]
    dataset = parse_dataset(Path("x.jsonl"), "\n".join(lines).encode())
    split = split_by_family(dataset, 50.0, 42)
    assert sorted([len(split.train), len(split.eval)]) == [1, 2]


@pytest.mark.parametrize(
    ("keys", "count"),
    [([], "0 records of 0 family"), ([("a", None)], "1 records of 1 family"), ([("a", "b"), ("b", None)], "2 records")],
)
def test_fewer_than_two_families_are_refused(keys: list[Key], count: str) -> None:
    with pytest.raises(UserError, match=rf"x\.jsonl: {count}.* cannot be split; add records of another family"):
        split_by_family(dataset_of(keys), 10.0, 42)


# -- files -----------------------------------------------------------------------------------------------------------


def dataset_at(path: Path, keys: Sequence[Key]) -> Dataset:
    content = b"".join(line.raw for line in dataset_of(keys).lines)
    return parse_dataset(path, content)


def test_the_manifest_states_what_was_split_and_how(tmp_path: Path) -> None:
    content = b'{"id":"a",  "x":1.10}\r\n{"id": "b"}\n{"id": "c", "family": "a"}'
    dataset = parse_dataset(tmp_path / "x.jsonl", content)
    folder = tmp_path / "new" / "split"
    manifest = write_split(dataset, folder, 50.0, 0)
    train, eval_ = (folder / "train.jsonl").read_bytes(), (folder / "eval.jsonl").read_bytes()
    with_a, with_b = b'{"id":"a",  "x":1.10}\r\n{"id": "c", "family": "a"}\n', b'{"id": "b"}\n'
    assert {train, eval_} == {with_a, with_b}
    assert manifest == json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest == {
        "input": "x.jsonl",
        "input_path": "../../x.jsonl",  # it stands neither beside the folder nor in it
        "input_sha256": hashlib.sha256(content).hexdigest(),
        "rule": RULE,
        "seed": 0,
        "eval_percent": 50.0,
        "stratified_by": ["language", "category"],
        "min_eval": 0,
        "pinned_families": manifest["pinned_families"],
        "families": 2,
        "train": {"records": train.count(b"\n"), "sha256": hashlib.sha256(train).hexdigest()},
        "eval": {"records": eval_.count(b"\n"), "sha256": hashlib.sha256(eval_).hexdigest()},
    }
    assert sorted(contents(folder)) == ["eval.jsonl", "manifest.json", "train.jsonl"]


def test_a_family_that_was_held_out_by_need_stays_there_when_the_file_grows(tmp_path: Path) -> None:
    few: list[Key] = [(f"id-{n}", None) for n in range(3)]
    many: list[Key] = [(f"id-{n}", None) for n in range(2000)]
    first = write_split(dataset_at(tmp_path / "x.jsonl", few), tmp_path / "split", 1.0, 42)
    (held_out,) = first["pinned_families"]
    assert first["pinned_families"] == {held_out: "eval"}
    second = write_split(dataset_at(tmp_path / "x.jsonl", many), tmp_path / "split", 1.0, 42)
    assert second["pinned_families"].items() >= first["pinned_families"].items()
    assert second["eval"]["records"] > 1
    assert f'"{held_out}"'.encode() in (tmp_path / "split" / "eval.jsonl").read_bytes()


@pytest.mark.parametrize(("percent", "seed"), [(0.2, 42), (0.1, 43)])
def test_another_rule_forgets_the_pins_of_the_last(tmp_path: Path, percent: float, seed: int) -> None:
    few: list[Key] = [(f"id-{n}", None) for n in range(3)]
    folder = tmp_path / "split"
    write_split(dataset_at(tmp_path / "x.jsonl", few), folder, 0.1, 42)
    again = write_split(dataset_at(tmp_path / "x.jsonl", few), folder, percent, seed)
    fresh = write_split(dataset_at(tmp_path / "x.jsonl", few), tmp_path / "fresh", percent, seed)
    assert again == fresh


MANIFEST_OF_NOTHING: dict[str, object] = {
    "rule": RULE,
    "seed": 42,
    "eval_percent": 10.0,
    "pinned_families": {},
    "families": 0,
    "train": {"records": 0, "sha256": hashlib.sha256(b"").hexdigest()},
    "eval": {"records": 0, "sha256": hashlib.sha256(b"").hexdigest()},
}


def test_a_split_reads_back_as_it_was_written(tmp_path: Path) -> None:
    keys: list[Key] = [(f"id-{n}", None) for n in range(9)]
    dataset = dataset_at(tmp_path / "x.jsonl", keys)
    write_split(dataset, tmp_path / "split", 30.0, 42)
    train, eval_ = read_split(tmp_path / "split")
    expected = split_by_family(dataset, 30.0, 42)
    assert (ids(train.lines), ids(eval_.lines)) == (ids(expected.train), ids(expected.eval))


@pytest.mark.parametrize("side", ["train", "eval"])
def test_a_side_that_is_not_what_the_manifest_says_is_refused(tmp_path: Path, side: str) -> None:
    write_split(dataset_at(tmp_path / "x.jsonl", [(f"id-{n}", None) for n in range(9)]), tmp_path / "split", 30.0, 42)
    path = tmp_path / "split" / f"{side}.jsonl"
    path.write_bytes(path.read_bytes() + b'{"id": "by hand"}\n')
    with pytest.raises(UserError) as raised:
        read_split(tmp_path / "split")
    assert str(raised.value) == f"{path}: is not what manifest.json says; split again with `phi2chat curate split`"


def test_a_folder_without_a_manifest_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_bytes(b'{"id": "a"}\n')
    (tmp_path / "eval.jsonl").write_bytes(b'{"id": "b"}\n')
    train, eval_ = read_split(tmp_path)
    assert (ids(train.lines), ids(eval_.lines)) == (["a"], ["b"])


@pytest.mark.parametrize("side", ["train", "eval"])
def test_a_split_that_was_stopped_halfway_is_known_for_what_it_is_and_mended_by_the_next(
    tmp_path: Path, side: str
) -> None:
    folder = tmp_path / "split"
    few, many = ([(f"id-{n}", None) for n in range(count)] for count in (9, 40))
    write_split(dataset_at(tmp_path / "x.jsonl", few), folder, 30.0, 42)
    path = folder / f"{side}.jsonl"
    content = path.read_bytes()
    write_split(dataset_at(tmp_path / "x.jsonl", many), folder, 30.0, 42)
    path.write_bytes(content)  # as it was before the second split, which replaces one file after the other
    with pytest.raises(UserError, match=r"is not what manifest\.json says; split again"):
        read_split(folder)
    write_split(dataset_at(tmp_path / "x.jsonl", many), folder, 30.0, 42)
    assert sorted(ids(sum((dataset.lines for dataset in read_split(folder)), ()))) == sorted(id for id, _ in many)


@pytest.mark.parametrize(
    "manifest",
    [b"", b"{", b"[]", b"{}", b"\xff"]
    + [
        json.dumps({**MANIFEST_OF_NOTHING, **changes}).encode()
        for changes in (
            {"pinned_families": 1},
            {"pinned_families": {"id-1": "test"}},
            {"pinned_families": {"id-1": ["eval"]}},
            {"train": None},
            {"eval": {"records": 1}},
            {"eval": {"records": 1, "sha256": 5}},
            {"eval": {"records": "1", "sha256": ""}},
            {"min_eval": "5"},
            {"min_eval": -1},
            {"eval_percent": "10"},
            {"eval_percent": None},
            {"eval_percent": -5},
            {"seed": [42]},
            {"stratified_by": "language"},
            {"added": {}},
            {"added": [1]},
        )
    ]
    + [
        json.dumps({name: value for name, value in MANIFEST_OF_NOTHING.items() if name != left_out}).encode()
        for left_out in MANIFEST_OF_NOTHING
    ],
)
def test_a_folder_with_something_else_as_manifest_is_left_alone(tmp_path: Path, manifest: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(manifest)
    keys: list[Key] = [(f"id-{n}", None) for n in range(9)]
    with pytest.raises(UserError, match=r"manifest\.json: is not a manifest of a split; remove it or give another"):
        write_split(dataset_at(tmp_path / "x.jsonl", keys), tmp_path, 10.0, 42)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    assert (tmp_path / "manifest.json").read_bytes() == manifest


@pytest.mark.parametrize("side", ["train", "eval"])
def test_a_split_never_writes_over_the_file_that_it_splits(tmp_path: Path, side: str) -> None:
    path = tmp_path / f"{side}.jsonl"
    dataset = dataset_at(path, [(f"id-{n}", None) for n in range(9)])
    path.write_bytes(b"".join(line.raw for line in dataset.lines))
    with pytest.raises(UserError, match="would be overwritten by its own split; give another --output-dir"):
        write_split(dataset, tmp_path / ".." / tmp_path.name, 10.0, 42)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"".join(line.raw for line in dataset.lines)


def test_a_side_that_is_a_loop_of_links_is_told_apart_from_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    write_split(dataset_at(tmp_path / "x.jsonl", [("a", None), ("b", None)]), folder, 50.0, 42)
    (folder / "train.jsonl").unlink()
    (folder / "train.jsonl").symlink_to("train.jsonl")
    with pytest.raises(UserError, match=r"train\.jsonl: "):
        read_split(folder)
    write_split(dataset_at(tmp_path / "x.jsonl", [("a", None), ("b", None)]), folder, 50.0, 42)
    read_split(folder)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    keys: list[Key] = [("a", None), ("b", None)]
    with pytest.raises(UserError, match=r"file: cannot be made \(File exists\); give another --output-dir"):
        write_split(dataset_at(tmp_path / "x.jsonl", keys), tmp_path / "file", 10.0, 42)


def numbered_at(path: Path, answer: str) -> RecordFile:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(format_record({"id": f"r{n}", "instruction": "?", "answer": answer}) for n in range(30)))
    return RecordFile(path)


def test_a_split_of_another_file_is_not_written_over_and_that_of_a_renamed_one_is(tmp_path: Path) -> None:
    folder = tmp_path / "split"
    write_split(numbered_at(tmp_path / "x.jsonl", "東京です。"), folder, 10.0, 42)
    before = contents(folder)
    with pytest.raises(
        UserError, match=r"split: has records from x\.jsonl that .*y\.jsonl has not; remove that folder"
    ):
        write_split(numbered_at(tmp_path / "y.jsonl", "京都です。"), folder, 10.0, 42)
    assert contents(folder) == before
    assert write_split(numbered_at(tmp_path / "y.jsonl", "東京です。"), folder, 10.0, 42)["input"] == "y.jsonl"
    write_split(numbered_at(tmp_path / "y.jsonl", "京都です。"), folder, 10.0, 42)  # it was edited, and is still that


@pytest.mark.parametrize("folder", ["a/x", "split", "a/split"])
def test_a_file_of_the_same_name_in_another_folder_is_another_file(tmp_path: Path, folder: str) -> None:
    write_split(numbered_at(tmp_path / "a" / "x.jsonl", "東京です。"), tmp_path / folder, 10.0, 42)
    with pytest.raises(UserError, match=r"has records from x\.jsonl that .*b/x\.jsonl has not"):
        write_split(numbered_at(tmp_path / "b" / "x.jsonl", "京都です。"), tmp_path / folder, 10.0, 42)
    (tmp_path / "link.jsonl").symlink_to("a/x.jsonl")
    numbered_at(tmp_path / "a" / "x.jsonl", "京都です。")
    write_split(RecordFile(tmp_path / "link.jsonl"), tmp_path / folder, 10.0, 42)  # by another name the same one
    numbered_at(tmp_path / "a" / "x.jsonl", "大阪です。")
    write_split(RecordFile(tmp_path / "a" / "x.jsonl"), tmp_path / folder, 10.0, 42)


def test_a_file_that_changes_while_it_is_split_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    source, folder = numbered_at(tmp_path / "x.jsonl", "東京です。"), tmp_path / "split"
    write_split(source, folder, 10.0, 42)
    before = contents(folder)
    numbered_at(source.path, "京都です。")
    with pytest.raises(UserError, match=r"x\.jsonl: was changed by another program meanwhile"):
        write_split(source, folder, 10.0, 42)
    assert contents(folder) == before


def write_records(path: Path, name: str) -> None:
    path.write_bytes(b"".join(format_record({"id": f"{name}-{n}"}) for n in range(9)))


class GrowingFile(RecordFile):
    """A file to which another program adds a line as soon as it was read once."""

    def records(self) -> Iterator[tuple[Line, Record]]:
        yield from super().records()
        self.path.write_bytes(self.path.read_bytes() + format_record({"id": "late"}))


def test_a_file_that_grows_while_it_is_split_is_not_split(tmp_path: Path) -> None:
    path, folder = tmp_path / "x.jsonl", tmp_path / "split"
    write_records(path, "id")
    with pytest.raises(UserError, match=r"x\.jsonl: was changed by another program meanwhile"):
        write_split(GrowingFile(path), folder, 30.0, 42)
    assert contents(folder) == {}
    write_split(RecordFile(path), folder, 30.0, 42)
    before = contents(folder)
    write_records(path, "new")
    with pytest.raises(UserError, match=r"x\.jsonl: was changed by another program meanwhile"):
        add_to_split(GrowingFile(path), folder)
    assert contents(folder) == before


class LockedOut(RecordFile):
    """A file of whose split it is found out, when it is read, that it cannot be added to."""

    def records(self) -> Iterator[tuple[Line, Record]]:
        lock = FileLock(self.path.parent / "split" / ".manifest.json.lock", timeout=0)
        with pytest.raises(Timeout):
            lock.acquire()
        yield from super().records()


def test_nobody_adds_to_a_split_while_it_is_made_again(tmp_path: Path) -> None:
    write_records(tmp_path / "x.jsonl", "id")
    write_split(RecordFile(tmp_path / "x.jsonl"), tmp_path / "split", 30.0, 42)
    write_split(LockedOut(tmp_path / "x.jsonl"), tmp_path / "split", 30.0, 42)
