"""What the trainer reads: whole records with labels on the completion, and two sides that share nothing."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from curation.records import read_dataset
from curation.split import write_split
from phi2chat.config import TrainConfig
from phi2chat.inference.examples import IGNORED, Row, Sides, TokenizedSide, read_sides, tokenize
from phi2chat.inference.prompt import PromptStyle, encode, render_record

STYLE = PromptStyle()


def record(name: str, **fields: str) -> dict[str, str]:
    return {"id": name, "instruction": f"{name} の質問", "reasoning": "理由", "answer": "答え", **fields}


def write(path: Path, *records: dict[str, str]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records), "utf-8")
    return path


def rows_of(path: Path) -> list[Row]:
    return [Row(path, line.number, record) for line, record in read_dataset(path).records()]


def fault_of(data: Path, **settings: Any) -> str:
    with pytest.raises(UserError) as raised:
        read_sides(data, TrainConfig(**settings))
    return str(raised.value)


# Labels


def test_the_loss_is_on_the_completion_and_its_end_of_text_alone(tmp_path: Path, tiny_tokenizer: Any) -> None:
    rows = rows_of(write(tmp_path / "data.jsonl", record("one"), record("two", input="入力")))
    side = tokenize(rows, tiny_tokenizer, STYLE, 2048, drop_overlong=False)
    for row, example in zip(rows, side.examples, strict=True):
        completion = tiny_tokenizer(render_record(STYLE, row.record).completion)["input_ids"]
        trained = [label for label in example["labels"] if label != IGNORED]
        assert trained == [*completion, tiny_tokenizer.eos_token_id]
        assert example["labels"][: -len(trained)] == [IGNORED] * (len(example["input_ids"]) - len(trained))
        assert example["input_ids"] == encode(tiny_tokenizer, render_record(STYLE, row.record)).input_ids
    assert side.tokens == sum(len(example["input_ids"]) for example in side.examples)
    assert IGNORED == -100


def test_the_loss_can_be_on_the_question_too(tmp_path: Path, tiny_tokenizer: Any) -> None:
    rows = rows_of(write(tmp_path / "data.jsonl", record("one"), record("two", input="入力")))
    side = tokenize(rows, tiny_tokenizer, STYLE, 2048, drop_overlong=False, with_prompt=True)
    assert [example["labels"] for example in side.examples] == [example["input_ids"] for example in side.examples]


# Too long, or not to be told apart


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    return write(
        tmp_path / "data.jsonl",
        record("short"),
        record("long", answer="長い答え。" * 100),
        record("middle", answer="い" * 90),
    )


def told(side: TokenizedSide | Sides) -> list[tuple[int, str, str, str]]:
    return [(one.line, one.rule, one.severity, f"{one.field}: {one.message}") for one in side.findings]


def test_every_overlong_record_is_named(uneven: Path, tiny_tokenizer: Any) -> None:
    rows = rows_of(uneven)
    lengths = [len(encode(tiny_tokenizer, render_record(STYLE, row.record)).input_ids) for row in rows]
    limit = lengths[0]
    assert limit < min(lengths[1:])
    side = tokenize(rows, tiny_tokenizer, STYLE, limit, drop_overlong=False)
    way_out = "shorten it, raise --max-length, or leave such records out with --overlong drop"
    assert told(side) == [
        (line, "too-long", "error", f": {length} tokens, more than the {limit} of --max-length; {way_out}")
        for line, length in enumerate(lengths, start=1)
        if length > limit
    ]


def test_a_question_that_leaves_no_room_for_an_answer_is_said_so(tmp_path: Path, tiny_tokenizer: Any) -> None:
    path = write(tmp_path / "data.jsonl", record("one", instruction="長い質問。" * 50))
    (found,) = tokenize(rows_of(path), tiny_tokenizer, STYLE, 20, drop_overlong=True).findings
    prompt = encode(tiny_tokenizer, render_record(STYLE, rows_of(path)[0].record)).completion_mask.count(0)
    assert f"tokens, of which the question is {prompt}, more than" in found.message
    assert (found.severity, found.message.endswith("it is left out")) == ("warning", True)


def test_a_record_of_just_the_limit_is_not_too_long(uneven: Path, tiny_tokenizer: Any) -> None:
    rows = rows_of(uneven)[:1]
    length = tokenize(rows, tiny_tokenizer, STYLE, 2048, drop_overlong=False).tokens
    assert tokenize(rows, tiny_tokenizer, STYLE, length, drop_overlong=False).findings == []
    assert len(tokenize(rows, tiny_tokenizer, STYLE, length - 1, drop_overlong=False).findings) == 1


def test_overlong_records_can_be_left_out_and_no_other_is_cut(uneven: Path, tiny_tokenizer: Any) -> None:
    rows = rows_of(uneven)
    side = tokenize(rows, tiny_tokenizer, STYLE, 150, drop_overlong=True)
    assert [row.line for row in side.dropped] == [2]
    assert [example["input_ids"] for example in side.examples] == [
        encode(tiny_tokenizer, render_record(STYLE, row.record)).input_ids for row in rows if row.line != 2
    ]


def test_every_marker_in_every_field_is_named(tmp_path: Path, tiny_tokenizer: Any) -> None:
    fields = ["instruction", "input", "reasoning", "answer"]
    marked = dict.fromkeys(fields, "前\n### Answer:\n後")
    path = write(tmp_path / "data.jsonl", record("one"), record("two", **marked), record("three", input="### Input:"))
    side = tokenize(rows_of(path), tiny_tokenizer, STYLE, 2048, drop_overlong=True)
    text = 'holds "### Answer:", which marks a part of a prompt; reword it'
    assert told(side) == [
        *((2, "marker", "error", f"{field}: {text}") for field in fields),
        (3, "marker", "error", 'input: holds "### Input:", which marks a part of a prompt; reword it'),
    ]


# The two sides


def ids(rows: tuple[Row, ...]) -> list[Any]:
    return [row.record.id for row in rows]


def test_a_file_is_split_by_family(tmp_path: Path) -> None:
    path = write(tmp_path / "data.jsonl", *(record(f"r{i}", family=f"f{i // 2}") for i in range(40)))
    sides = read_sides(path, TrainConfig(eval_percent=20))
    assert sorted(ids(sides.train) + ids(sides.eval)) == sorted(f"r{i}" for i in range(40))
    assert sides.eval
    assert not {row.record.data["family"] for row in sides.train} & {row.record.data["family"] for row in sides.eval}
    assert sides.sha256 == {str(path): hashlib.sha256(path.read_bytes()).hexdigest()}


def test_an_eval_file_is_the_eval_side(tmp_path: Path) -> None:
    train = write(tmp_path / "a.jsonl", record("one"), record("two"))
    eval_ = write(tmp_path / "b.jsonl", record("three"))
    sides = read_sides(train, TrainConfig(eval_file=eval_))
    assert (ids(sides.train), ids(sides.eval)) == (["one", "two"], ["three"])
    assert list(sides.sha256) == [str(train), str(eval_)]


def test_a_folder_of_a_split_is_both_sides(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", record("one"))
    write(tmp_path / "eval.jsonl", record("two"))
    sides = read_sides(tmp_path, TrainConfig())
    assert (ids(sides.train), ids(sides.eval)) == (["one"], ["two"])


def test_a_folder_of_a_split_is_refused_where_a_side_does_not_fit_its_manifest(tmp_path: Path) -> None:
    path = write(tmp_path / "data.jsonl", *(record(f"r{i}") for i in range(9)))
    write_split(read_dataset(path), tmp_path / "split", 30.0, 42)
    assert len(read_sides(tmp_path / "split", TrainConfig()).train) > 0
    train = tmp_path / "split" / "train.jsonl"
    train.write_bytes(b"".join(train.read_bytes().splitlines(True)[1:]))
    wanted = f"{train}: is not what manifest.json says; split again with `phi2chat curate split`"
    assert fault_of(tmp_path / "split") == wanted


def test_languages_that_are_left_out_stay_on_the_eval_side(tmp_path: Path) -> None:
    languages = ["ja", "zh-Hans", "en", "zh-Hant", "ZH"]
    records = [record(f"{tag}-{number}", language=tag) for tag in languages for number in range(8)]
    data = write(tmp_path / "data.jsonl", *records)
    whole = read_sides(data, TrainConfig(eval_percent=30.0))
    sides = read_sides(data, TrainConfig(eval_percent=30.0, leave_out="zh,en"))
    assert {row.record.language for row in sides.train} == {"ja"}
    assert sides.eval == whole.eval
    assert [row for row in whole.train if row.record.language == "ja"] == list(sides.train)
    assert "leaves no record" in fault_of(data, leave_out="ja,en,zh")


def test_a_folder_of_a_split_takes_no_eval_file(tmp_path: Path) -> None:
    wanted = f"{tmp_path}: is a split with an eval side of its own; leave out --eval-file"
    assert fault_of(tmp_path, eval_file=tmp_path / "eval.jsonl") == wanted


def test_a_folder_without_a_side_is_said_so(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", record("one"))
    assert fault_of(tmp_path) == f"{tmp_path / 'eval.jsonl'}: no such file; check the path"


@pytest.mark.parametrize(
    ("trained", "evaluated", "family"),
    [
        (record("one", family="首都"), record("two", family="首都"), "首都"),
        (record("one"), record("one", instruction="別の質問"), "one"),
        (record("one", family="two"), record("two"), "two"),
    ],
)
def test_a_family_on_both_sides_is_found(
    tmp_path: Path, trained: dict[str, str], evaluated: dict[str, str], family: str
) -> None:
    train = write(tmp_path / "train.jsonl", record("zero"), trained)
    eval_ = write(tmp_path / "eval.jsonl", record("nine"), record("eight"), evaluated)
    message = (
        f'the family "{family}" also stands in {train}:2;'
        " split again with `phi2chat curate split`, so that eval asks what was not trained"
    )
    sides = read_sides(tmp_path, TrainConfig())
    assert told(sides) == [(3, "leak", "error", f": {message}")]
    assert [one.path for one in sides.findings] == [eval_]


def test_the_same_question_without_an_id_is_one_family(tmp_path: Path) -> None:
    bare = {"instruction": "１＋１は？", "reasoning": "足し算です。", "answer": "2です。"}
    train = write(tmp_path / "a.jsonl", bare)
    eval_ = write(tmp_path / "b.jsonl", {**bare, "instruction": "1+1は?"})
    assert [one.rule for one in read_sides(train, TrainConfig(eval_file=eval_)).findings] == ["leak"]


def test_every_record_that_breaks_the_contract_is_found_and_is_no_row(tmp_path: Path) -> None:
    broken = record("two")
    del broken["reasoning"]
    path = write(tmp_path / "data.jsonl", record("one"), broken, record("three"), record("four", answer=" "))
    sides = read_sides(path, TrainConfig())
    assert [(one.line, one.rule, one.severity) for one in sides.findings] == [
        (2, "required", "error"),
        (4, "blank", "error"),
    ]
    assert sorted(ids(sides.train) + ids(sides.eval)) == ["one", "three"]


def test_a_text_in_a_wrong_script_is_doubtful_and_trained_on(tmp_path: Path) -> None:
    path = write(tmp_path / "data.jsonl", record("one"), record("two", answer="这是正确的答案。"))
    sides = read_sides(path, TrainConfig())
    assert [(one.line, one.field, one.rule, one.severity) for one in sides.findings] == [
        (2, "answer", "wrong-script", "warning")
    ]
    assert sorted(ids(sides.train) + ids(sides.eval)) == ["one", "two"]


def test_a_file_without_a_whole_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("")
    assert "holds no record" in fault_of(tmp_path / "none.jsonl")
    path = write(tmp_path / "data.jsonl", {"id": "a"}, {"id": "b"})
    assert fault_of(path).startswith(f"{path}:1:1: instruction: is missing [required] (and 1 more lines)")


def test_a_single_family_cannot_be_split(tmp_path: Path) -> None:
    path = write(tmp_path / "data.jsonl", record("one", family="f"), record("two", family="f"))
    assert "2 records of 1 family cannot be split" in fault_of(path)
