"""The sums of ja-reasoning: every comparison, carry, borrow and line of the table that is said in one, computed again."""

import re
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from curation.records import Record, read_dataset
from curation.split import family_of
from ja_reasoning.rows.digits import add_steps, multiply_steps, subtract_steps
from ja_reasoning.rows.division import divide_steps

FOLDER = Path(__file__).parents[1] / "datasets" / "ja-reasoning"
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [record for _, record in read_dataset(FOLDER / "all.jsonl").records()]


def test_the_answer_to_a_sum_is_taken_from_the_last_sentence(records: list[Record]) -> None:
    kinds = ("add", "subtract", "multiply", "table", "divide", "mixed")
    sums = [r for r in records if r.data["tags"][0].removeprefix("kind:").partition(".")[0] in kinds]
    assert len(sums) > 1500
    for record in sums:
        *_, last = re.findall(r"[^。]+|[^.]+(?:\. |\.$)", record.reasoning.strip("。."))
        assert re.findall(r"= ?(\d+)", last)[-1] in re.findall(r"\d+", record.answer), record.id


def test_what_is_said_to_be_less_or_more_is(records: list[Record]) -> None:
    said = Counter[str]()
    for record in records:
        text = record.reasoning
        for one, two, same, which, how in re.findall(
            r"(\d+)と(\d+)を比べると(?:(同じ)|(\d+)のほうが(小さい|大きい))", text
        ) + re.findall(r"(\d+)和(\d+)相比，(?:(一样大)|(\d+)(小|大))", text):
            other = one if which == two else two
            assert (one == two) if same else (which in (one, two) and one != two), record.id
            assert same or (int(which) < int(other)) is how.startswith("小"), record.id
            said[how or same] += 1
        for one, two, which, how in re.findall(r"ones (\d) and (\d), (?:neither is less|(\d) is (less|greater))", text):
            assert (which == one and (one < two) is (how == "less")) if how else one == two, record.id
            said[how] += 1
        reached = re.findall(r"(\d+)(?:は10以上|满10)", text)
        below = re.findall(r"(\d+)(?:は10より小さい|不满10)", text)
        assert all(int(number) >= 10 for number in reached) and all(int(number) < 10 for number in below), record.id
        said["ten"] += len(reached)
        said["below ten"] += len(below)
        for number, ten in re.findall(r"= (\d+), which is (10 or more)?", text):
            assert (int(number) >= 10) is bool(ten), record.id
    assert (
        min(
            said[how]
            for how in ("同じ", "小さい", "大きい", "一样大", "小", "大", "", "less", "greater", "ten", "below ten")
        )
        > 2
    )


def test_a_number_is_what_its_places_make(records: list[Record]) -> None:
    forms = [
        r"10が(?P<tens>\d+)個と1が(?P<ones>\d+)個(?:なので\d+[^=]*=|で)(?P<number>\d+)",
        r"(?P<number>\d+)は10が(?P<tens>\d+)個と1が(?P<ones>\d+)個",
        r"(?P<tens>\d+) tens? and (?P<ones>\d+) ones? make (?P<number>\d+)",
        r"(?P<number>\d+) is (?P<tens>\d+) tens? and (?P<ones>\d+) ones?",
        r"(?P<tens>\d+)个十和(?P<ones>\d+)个一是(?P<number>\d+)",
        r"(?P<number>\d+)是(?P<tens>\d+)个十和(?P<ones>\d+)个一",
    ]
    for form in forms:
        made = [(record, match) for record in records for match in re.finditer(form, record.reasoning)]
        assert len(made) > 50, form
        for record, match in made:
            assert int(match["number"]) == 10 * int(match["tens"]) + int(match["ones"]), record.id


def test_the_table_is_gone_through_up_to_the_first_line_that_reaches_the_dividend(records: list[Record]) -> None:
    walks = 0
    for record in records:
        for said, end, number in re.findall(
            r"((?:\d×\d+=\d+、?)+)で(ちょうど)?(\d+)(?:です|な|を超え)", record.reasoning
        ):
            *before, last = (int(line) for line in re.findall(r"=(\d+)", said))
            assert all(line < int(number) for line in before), record.id
            assert last == int(number) if end else last > int(number), record.id
            walks += 1
    assert walks > 900


def test_a_sum_is_its_places_put_side_by_side() -> None:
    def places(steps: dict[str, str]) -> int:
        ones, tens = (int(re.findall(r"\d+", steps[name].rpartition("=")[2])[0]) for name in ("ones", "tens"))
        return 10 * tens + ones % 10

    for a, b in product(range(3, 200), range(2, 100)):
        assert places(add_steps(a, b)) == a + b
        steps = subtract_steps(a + b, b)
        assert places(steps) == a
        borrows = (a + b) % 10 < b % 10
        words = {
            "ones": "借りて",
            "tens": "1貸した",
            "ones_en": "borrow 1",
            "tens_en": "lent 1",
            "ones_zh": "借1",
            "tens_zh": "借走了1",
        }
        assert all((word in steps[name]) is borrows for name, word in words.items()), (a, b)
        carries = a % 10 + b % 10 >= 10
        words = {
            "ones": "繰り上がります",
            "tens": "1を足して",
            "ones_en": "carry 1",
            "tens_en": "1 carried",
            "ones_zh": "进1",
            "tens_zh": "进的1",
        }
        assert all((word in add_steps(a, b)[name]) is carries for name, word in words.items()), (a, b)
    for a, b in product(range(11, 100), range(2, 10)):
        assert places(multiply_steps(a, b)) == a * b


def test_a_division_says_its_quotient_and_its_rest() -> None:
    for b, c in product(range(2, 10), range(2, 10)):
        for rest in range(1, b):
            steps = divide_steps(b * c + rest, b)
            assert f"{b}×{c}={b * c}" in steps and steps.endswith(f"={rest}です"), (b, c, rest)
    for b in range(2, 10):
        for c in range(2, 99 // b + 1):
            *_, last = re.findall(rf"{b}×(\d+)=|商は0", divide_steps(b * c, b))
            assert int(last or 0) == c % 10 if c > 9 else int(last) == c, (b, c)


def test_each_pair_of_ones_is_taught(records: list[Record]) -> None:
    ones = {kind: Counter((a % 10, b % 10) for a, b in numbers_of(records, kind)) for kind in ("add", "subtract")}
    for one, two in product(range(10), repeat=2):
        assert ones["subtract"][one, two] >= (7 if one < two else 2), (one, two)
        assert ones["add"][one, two] >= 2, (one, two)


def numbers_of(records: list[Record], kind: str) -> list[list[int]]:
    return [
        [int(number) for number in family_of(record).split("-")[1:]]
        for record in records
        if record.data["tags"][0] == f"kind:{kind}"
    ]


def test_the_card_counts_the_sums_by_operation(records: list[Record]) -> None:
    kinds = Counter(str(record.data["tags"][0]).removeprefix("kind:") for record in records)
    names = {
        "addition": "add", "three numbers": "add3", "subtraction": "subtract", "multiplication": "multiply",
        "multiplication table": "table", "division": "divide", "division with a rest": "remainder",
        "two operations": "mixed",
    }  # fmt: skip
    for operation, kind in names.items():
        row = re.search(rf"^  \| {operation} \| [^|]+ \| (\d+)([^|]*)\|", CARD, re.MULTILINE)
        assert row and int(row[1]) == kinds[kind], operation
        assert ("twice" in row[2]) is (kinds[f"{kind}.again"] == kinds[kind]), operation
