"""The set ja-reasoning: what its card promises, counted; its sums and dates, computed again; its recipe, run."""

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from curation.leaks import find_leaks
from curation.records import Dataset, Record, read_dataset
from curation.rules import check_dataset
from curation.split import family_of, split_by_family, write_split
from ja_reasoning.compose import compose
from ja_reasoning.kinds import Kind, Question, RecipeError, read_kinds
from ja_reasoning.rows import rows_of
from ja_reasoning.rows.letters import to_kanji
from ja_reasoning.sides import write_set

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "datasets" / "ja-reasoning"
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")
needs_babel = pytest.mark.skipif(
    importlib.util.find_spec("babel") is None,
    reason="Babel is not installed; pip install -r ja_reasoning/requirements.txt",
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return read_dataset(FOLDER / "all.jsonl")


@pytest.fixture(scope="module")
def records(dataset: Dataset) -> list[Record]:
    return [record for _, record in dataset.records()]


def languages_by_family(records: list[Record]) -> dict[str, set[str]]:
    """Of each family, the languages in which all of a record is: question, reasoning and answer."""
    languages = defaultdict(set)
    for record in records:
        if record.language == record.reasoning_language:
            languages[family_of(record)].add(record.language)
    return languages


# -- the records -----------------------------------------------------------------------------------------------------


def test_the_set_has_no_finding_at_all(dataset: Dataset) -> None:
    assert [str(finding) for finding in check_dataset(dataset)] == []


def test_there_are_as_many_records_and_kinds_as_promised(records: list[Record]) -> None:
    assert len(records) >= 3000
    assert len({record.data["category"] for record in records}) >= 25
    translations = [record for record in records if str(record.data["category"]).startswith("translate-")]
    assert len(translations) >= 500


def test_every_record_says_where_it_comes_from_and_may_be_passed_on(records: list[Record]) -> None:
    for record in records:
        assert record.id and record.data["family"]
        assert record.data["license"] == "MIT"
        assert record.data["source"] in {"phi2chat", "CLDR", "phi2chat,CLDR"}


def test_no_wording_of_a_question_or_of_a_reasoning_makes_up_more_than_three_percent(records: list[Record]) -> None:
    wordings = Counter(tag for record in records for tag in record.data["tags"] if not tag.startswith("kind:"))
    assert max(wordings.values()) <= 0.03 * len(records)
    assert len(wordings) > 300


def test_no_wording_hides_from_the_count(records: list[Record]) -> None:
    """Records of a kind that share a wording have its tag: without one, no two reasonings begin alike."""
    openings = Counter(
        (record.data["tags"][0], record.reasoning[:12])
        for record in records
        if not any(tag.startswith(("reasoning:", "question:")) for tag in record.data["tags"])
    )
    assert max(openings.values()) <= 3


def test_three_hundred_facts_are_told_in_three_languages(records: list[Record]) -> None:
    told = [languages for languages in languages_by_family(records).values() if languages >= {"ja", "en", "zh-Hans"}]
    assert len(told) >= 300
    assert f"{len(told)} families are told whole in Japanese, English and Chinese" in CARD


def test_pairs_differ_in_the_language_that_is_asked_for_alone(records: list[Record]) -> None:
    pairs = [record for record in records if record.data["category"] == "answer-language"]
    assert {(record.reasoning_language, record.language) for record in pairs} == {
        ("ja", "en"), ("ja", "zh-Hans"), ("en", "ja"), ("zh-Hans", "ja"),
    }  # fmt: skip
    languages = languages_by_family(records)
    assert all(record.reasoning_language in languages[family_of(record)] for record in pairs)
    asked = {"en": "英語", "zh-Hans": "中国語"}
    for record in pairs:
        if record.reasoning_language == "ja":
            assert asked[record.language] in record.instruction


def test_a_reasoning_has_two_to_six_sentences(records: list[Record]) -> None:
    for record in records:
        text = re.sub("「[^」]*」", "…", record.reasoning)
        sentences = len(re.findall(r"[。？！]|[.?!](?=\s|$)", text))
        assert 2 <= sentences <= 6, record.id


def test_answers_are_as_long_as_people_want_them(records: list[Record]) -> None:
    lengths = [len(record.answer) for record in records]
    assert min(lengths) == 1
    assert max(lengths) >= 80


# -- the review ------------------------------------------------------------------------------------------------------


def reviews() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / "review.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_review_is_of_the_records_as_they_are(dataset: Dataset) -> None:
    digests = {record.id: hashlib.sha256(line.raw.strip()).hexdigest()[:16] for line, record in dataset.records()}
    for review in reviews():
        assert digests.get(review["id"]) == review.get("after", review)["content"], review["id"]
    drawn = [(review["seed"], review["id"]) for review in reviews()]
    assert len(set(drawn)) == len(drawn) >= 300


def test_a_verdict_says_what_is_wrong_and_nothing_is_wrong_any_more() -> None:
    for review in reviews():
        for reading in (review, review.get("after", review)):
            is_right = reading["truth"] and reading["grammar"] and reading["reasoning"]
            assert reading["verdict"] == ("right" if is_right else "wrong"), review["id"]
            assert is_right or reading["note"], review["id"]
        assert review.get("after", review)["verdict"] == "right", review["id"]


def test_the_card_counts_the_verdicts() -> None:
    assert f"a reader's verdicts on {len(reviews())} of them" in CARD
    for seed in {review["seed"] for review in reviews()}:
        read = [review for review in reviews() if review["seed"] == seed]
        right = [review for review in read if review["verdict"] == "right"]
        noted = sum("note" in review for review in right)
        again = sum("after" in review for review in read)
        assert f"| {seed} | {len(read)} | {len(right)} | {noted} | {again} |" in CARD


# -- computed again --------------------------------------------------------------------------------------------------


def test_every_equation_holds(records: list[Record]) -> None:
    checked = 0
    number = r"\d+(?:\.\d+)?"
    term = rf"{number}(?:[+×÷-]{number})+"
    for record in records:
        text = re.sub(r" ([+×÷=-]) ", r"\1", record.reasoning)
        for left, right, rest in re.findall(rf"(?<![\d.+×÷-])({term})=({number})(あまり\d+)?", text):
            value = eval(left.replace("×", "*").replace("÷", "//" if rest else "/"))
            assert value == pytest.approx(float(right)), (record.id, left, right)
            if rest:
                dividend, divisor = left.split("÷")
                assert int(dividend) % int(divisor) == int(rest.removeprefix("あまり"))
            checked += 1
    assert checked > 2000


def test_every_day_near_a_change_of_era_is_in_the_era_of_the_law(records: list[Record]) -> None:
    begins = {"大正": date(1912, 7, 30), "昭和": date(1926, 12, 25), "平成": date(1989, 1, 8), "令和": date(2019, 5, 1)}
    days = [record for record in records if family_of(record).startswith("era-day-")]
    assert len(days) > 35
    for record in days:
        day = date.fromisoformat(family_of(record).removeprefix("era-day-"))
        era = max((begin, name) for name, begin in {**begins, "明治": date(1868, 10, 23)}.items() if begin <= day)[1]
        assert era in record.answer, record.id
        year = day.year - {**begins, "明治": date(1868, 1, 1)}[era].year + 1
        if era + "です" not in record.answer:
            assert f"{era}{'元' if year == 1 else year}年" in record.answer, record.id


def test_leap_years_are_those_of_the_calendar(records: list[Record]) -> None:
    for record in records:
        if record.data["category"] == "leap-year":
            year = int(family_of(record).removeprefix("leap-"))
            is_leap = (date(year, 3, 1) - date(year, 2, 28)).days == 2
            assert ("うるう年ではありません" in record.answer or "平年" in record.answer or "28" in record.answer
                    or "365" in record.answer) is not is_leap, record.id  # fmt: skip


@pytest.mark.parametrize(
    ("number", "kanji"),
    [(10, "十"), (21, "二十一"), (108, "百八"), (1005, "千五"), (3210, "三千二百十"), (250_000, "二十五万")],
)
def test_numbers_are_written_in_kanji_as_in_japan(number: int, kanji: str) -> None:
    assert to_kanji(number) == kanji


# -- the split -------------------------------------------------------------------------------------------------------


def test_the_split_is_what_the_product_makes_today(dataset: Dataset, tmp_path: Path) -> None:
    """It has grown: what was there keeps its side. So the rule places each family or the manifest names it."""
    shipped = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    names = ("train.jsonl", "eval.jsonl", "manifest.json")
    for name in ("all.jsonl", *names):
        shutil.copy(FOLDER / name, tmp_path)
    assert (
        write_split(read_dataset(tmp_path / "all.jsonl"), tmp_path, shipped["eval_percent"], shipped["seed"]) == shipped
    )
    for name in names:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name
    by_rule = split_by_family(dataset, shipped["eval_percent"], shipped["seed"], shipped["pinned_families"])
    assert b"".join(line.raw for line in by_rule.eval) == (FOLDER / "eval.jsonl").read_bytes()


def test_the_train_side_gives_nothing_of_the_eval_side_away() -> None:
    train, held_out = (
        [(record.id or "", record.data) for _, record in read_dataset(FOLDER / f"{side}.jsonl").records()]
        for side in ("train", "eval")
    )
    assert len(held_out) > 300
    assert find_leaks(train, held_out) == []


# -- the recipe ------------------------------------------------------------------------------------------------------


@needs_babel
def test_the_recipe_makes_the_same_bytes() -> None:
    made = "".join(record.to_line() for record in compose(read_kinds(), rows_of))
    assert made.encode() == (FOLDER / "all.jsonl").read_bytes()


def test_what_needs_no_babel_is_the_same_everywhere_and_on_the_same_side(dataset: Dataset, tmp_path: Path) -> None:
    kinds = [kind for kind in read_kinds() if "CLDR" not in kind.options.get("source", "")]
    records = [*compose(kinds, rows_of)]
    made = {record.to_line().encode() for record in records}
    shipped = {line.raw for line, record in dataset.records() if record.data["source"] == "phi2chat"}
    assert made == shipped
    manifest = write_set(records, tmp_path)
    assert sum(manifest[side]["records"] for side in ("train", "eval")) == len(records)
    for side in ("train", "eval"):
        kept = [line for line in (FOLDER / f"{side}.jsonl").read_bytes().splitlines(keepends=True) if line in made]
        assert (tmp_path / f"{side}.jsonl").read_bytes() == b"".join(kept)


@needs_babel
@pytest.mark.slow
def test_a_language_can_be_left_out_and_moves_no_other_record(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ja_reasoning", "--without", "zh-Hans", "--output", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for side in ("train", "eval"):
        lines = (FOLDER / f"{side}.jsonl").read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if b'"language": "zh-Hans"' not in line]
        assert (tmp_path / f"{side}.jsonl").read_bytes() == b"".join(kept)


def test_wordings_are_used_in_turn() -> None:
    kind = Kind("k", {}, [Question("{x}？", "", "{x}。"), Question("{x}は？", "", "{x}。")], ["{x}。一。", "{x}。二。"])
    kind.rows = [{"x": str(number)} for number in range(20)]
    made = list(compose([kind], rows_of))
    assert Counter(tag for record in made for tag in record.tags) == {
        "kind:k": 20, "question:k.1": 10, "question:k.2": 10, "reasoning:k.1": 10, "reasoning:k.2": 10,
    }  # fmt: skip
    assert made == list(compose([kind], rows_of))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[k]\n: a | b\n- 1", "k.txt:3: 1 cells for 2 columns"),
        ("[k]\nbla", "k.txt:2: begins with none of"),
        ("[k]\n? a", "k.txt:2: begins with none of"),
    ],
)
def test_a_text_that_cannot_be_read_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "k.txt").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=re.escape(message)):
        read_kinds(tmp_path)


def test_a_kind_may_ask_in_other_words_and_reason_like_another() -> None:
    first = Kind("k", {}, [Question("{x}ですか。", "", "{x}。")], ["{x}。一。"], [{"x": "1"}])
    second = Kind("k.casual", {"rows": "k", "like": "k"}, [Question("{x}？", "", "{x}。")])
    asked, again = compose([first, second], rows_of)
    assert (again.id, again.family, again.reasoning) == ("k-001-casual", asked.family, asked.reasoning)
    assert again.tags == ("kind:k.casual", "question:k.casual.1", "reasoning:k.1")
    with pytest.raises(RecipeError, match="k.casual: reasons like k, which is no kind"):
        list(compose([second], rows_of))


def test_a_slot_that_no_row_fills_is_named() -> None:
    kind = Kind("k", {}, [Question("{nothing}", "", "a")], ["b"], [{"x": "1"}])
    with pytest.raises(RecipeError, match="k: row k-001 has no 'nothing'"):
        list(compose([kind], rows_of))


# -- the card --------------------------------------------------------------------------------------------------------


def test_the_sentences_of_the_card_count_what_is_there(records: list[Record]) -> None:
    manifest = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    train, held_out = manifest["train"]["records"], manifest["eval"]["records"]
    kinds = len({record.data["category"] for record in records})
    assert f"全{len(records):,}件" in CARD
    assert f"`all.jsonl` holds {len(records):,} records of {kinds} kinds" in CARD
    assert f"{train:,} records to train on and {held_out:,} held out, of {manifest['families']:,} families" in CARD


def test_the_table_of_the_card_is_right(records: list[Record]) -> None:
    by_category: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_category[str(record.data["category"])].append(record)
        by_category["all"].append(record)
    expected = {}
    for name, group in by_category.items():
        languages = Counter(record.language for record in group)
        families = len({family_of(record) for record in group})
        expected[name] = (len(group), languages["ja"], languages["en"], languages["zh-Hans"], families)
    rows = re.findall(r"^\| ([a-z-]+) \|((?: \d+ \|){5})$", CARD, re.MULTILINE)
    assert {name: tuple(map(int, re.findall(r"\d+", cells))) for name, cells in rows} == expected
