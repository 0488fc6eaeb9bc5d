"""The shipped records: whole, split as the product splits today, and counted right on their card."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from curation.judging import expectation_of, judge
from curation.probes import is_probe_file, scan_probes
from curation.records import Dataset, Record, read_dataset
from curation.rules import check_dataset, choose
from curation.scan import scan_file
from curation.split import family_of, write_split
from phi2chat.evaluation.translations import references_of

FOLDER = Path(__file__).parents[1] / "datasets"
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return read_dataset(FOLDER / "ja-basics.jsonl")


@pytest.fixture(scope="module")
def records(dataset: Dataset) -> list[Record]:
    return [record for _, record in dataset.records()]


def test_no_python_file_hides_the_hugging_face_package() -> None:
    assert [path.name for path in FOLDER.rglob("*.py*")] == []


@pytest.mark.parametrize("name", ["ja-basics.jsonl", "ja-basics/train.jsonl", "ja-basics/eval.jsonl"])
def test_the_shipped_records_have_no_finding(name: str) -> None:
    assert [str(finding) for finding in check_dataset(read_dataset(FOLDER / name))] == []


def test_the_shipped_records_are_complete(records: list[Record]) -> None:
    assert len(records) >= 240
    for record in records:
        assert record.id and record.data["family"] and record.data["category"]
        assert record.data["license"] == "MIT"
    questions = Counter((record.instruction, record.input) for record in records)
    assert [question for question, times in questions.items() if times > 1] == []


def test_some_facts_are_told_in_japanese_and_in_english(records: list[Record]) -> None:
    languages: dict[str, set[str]] = {}
    for record in records:
        languages.setdefault(family_of(record), set()).add(record.language)
    both = sum(told >= {"ja", "en"} for told in languages.values())
    assert f"\n{both} families have answers in both languages" in CARD
    assert both > 0


def test_the_shipped_split_is_what_the_product_makes_today(dataset: Dataset, tmp_path: Path) -> None:
    shipped = json.loads((FOLDER / "ja-basics" / "manifest.json").read_text(encoding="utf-8"))
    made = write_split(dataset, tmp_path, shipped["eval_percent"], shipped["seed"], stratified=False)
    assert {name: made[name] for name in shipped} == shipped
    for name in ("train.jsonl", "eval.jsonl"):
        assert (tmp_path / name).read_bytes() == (FOLDER / "ja-basics" / name).read_bytes(), name
    assert sorted(path.name for path in (FOLDER / "ja-basics").iterdir() if not path.name.startswith(".")) == [
        "eval.jsonl",
        "manifest.json",
        "train.jsonl",
    ]


def test_no_family_of_the_shipped_split_is_on_both_sides() -> None:
    train, held_out = (
        {family_of(record) for _, record in read_dataset(FOLDER / "ja-basics" / f"{side}.jsonl").records()}
        for side in ("train", "eval")
    )
    assert train and held_out
    assert train.isdisjoint(held_out)


# -- the probes --------------------------------------------------------------------------------------------------------

PROBES = FOLDER / "probes" / "ja-basics.jsonl"


def trained_on() -> list[Path]:
    """All files of records; a review is of records and has none."""
    paths = (path for path in FOLDER.rglob("*.jsonl") if path.name != "review.jsonl")
    return [path for path in paths if "probes" not in path.relative_to(FOLDER).parts]


def test_no_probe_is_or_is_near_a_shipped_record_and_none_has_a_finding() -> None:
    others = [scan_file(path, frozenset({"leak", "near-leak"})).source for path in trained_on()]
    assert len(others) >= 3
    assert [str(finding) for finding in scan_probes(PROBES, choose(), others).findings] == []


def test_a_probe_file_is_known_as_one_and_a_dataset_is_not() -> None:
    assert is_probe_file(PROBES)
    assert [path for path in trained_on() if is_probe_file(path)] == []


def test_the_card_counts_the_probes_right() -> None:
    by_kind: dict[str, list[Record]] = {}
    for _, probe in read_dataset(PROBES).records():
        for kind in (str(probe.data["category"]), "every kind"):
            by_kind.setdefault(kind, []).append(probe)
    counted = {}
    for kind, group in by_kind.items():
        languages = Counter(probe.language for probe in group)
        read_only = sum(expectation_of(probe.data) is None for probe in group)
        counted[kind] = (len(group), languages["ja"], languages["en"], languages["zh-Hans"], read_only)
    rows = re.findall(r"^\| ([a-z -]+) \|((?: \d+ \|){5})$", CARD, re.MULTILINE)
    assert {name: tuple(map(int, re.findall(r"\d+", cells))) for name, cells in rows} == counted
    assert len(by_kind["every kind"]) >= 120
    assert f"`probes/ja-basics.jsonl` holds {len(by_kind['every kind'])} probes" in CARD


def test_every_good_answer_of_a_probe_is_right_and_no_other_kind_of_answer_is() -> None:
    for _, probe in read_dataset(PROBES).records():
        expected = expectation_of(probe.data)
        if expected is not None:
            for reference in references_of(probe.data):
                assert judge(reference, expected, probe.instruction).verdict == "right", (probe.id, reference)
            for wrong in ("", "はい。", "Yes.", "猫です。", "999999"):
                assert judge(wrong, expected, probe.instruction).verdict == "wrong", (probe.id, wrong)


# -- the card --------------------------------------------------------------------------------------------------------


def count(records: list[Record]) -> tuple[int, ...]:
    """A row of the card's table: records, answers in ja, answers in en, families."""
    languages = Counter(record.language for record in records)
    return len(records), languages["ja"], languages["en"], len({family_of(record) for record in records})


def test_the_table_of_the_card_is_right(records: list[Record]) -> None:
    by_category: dict[str, list[Record]] = {}
    for record in records:
        by_category.setdefault(str(record.data["category"]), []).append(record)
    expected = {name: count(group) for name, group in by_category.items()} | {"all": count(records)}
    rows = re.findall(r"^\| ([a-z-]+) \|((?: \d+ \|){4})$", CARD, re.MULTILINE)
    assert {name: tuple(map(int, re.findall(r"\d+", cells))) for name, cells in rows} == expected


def test_the_sentences_of_the_card_count_right(records: list[Record]) -> None:
    reasoning = Counter(record.reasoning_language for record in records)
    other = sum(record.reasoning_language != record.language for record in records)
    with_input = sum("input" in record.data for record in records)
    singles = sum(size == 1 for size in Counter(map(family_of, records)).values())
    sizes = sorted(
        len(record.instruction) + len(record.input) + len(record.reasoning) + len(record.answer) for record in records
    )
    for sentence in (
        f"質問の{len(records)}件があり",
        f"`ja-basics.jsonl` holds {len(records)} short records.",
        f"{sizes[0]} to {sizes[-1]} characters long, {sizes[len(sizes) // 2]} in the median",
        f"The reasoning is Japanese in {reasoning['ja']} records and English in {reasoning['en']}; "
        f"in {other} it is not in the language of the answer.",
        f"{with_input} records have an `input`, and {singles} families have a single record.",
    ):
        assert sentence in CARD


def test_the_card_names_every_field_that_is_used(records: list[Record]) -> None:
    used = {field for record in records for field in record.data}
    assert set(re.findall(r"`(\w+)`", CARD.partition("## Fields")[2].partition("\n## ")[0])) >= used
