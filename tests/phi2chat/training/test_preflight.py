"""What is found before a training: every record by file and line, and what the sides and the base are as a whole."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.errors import UserError
from curation.records import Record
from phi2chat.config import TrainConfig
from phi2chat.inference.examples import IGNORED, Row, TokenizedSide, read_sides
from phi2chat.inference.prompt import PromptStyle
from phi2chat.training.preflight import (
    SHOWN_FINDINGS,
    Preflight,
    characters_per_token,
    find_untrainable,
    inspect,
    require_trainable,
    tell,
    typical_example,
)
from phi2chat.weights.bases import find_base
from phi2chat.weights.models import load_outline

WORDS = [
    "犬",
    "猫",
    "鳥",
    "馬",
    "牛",
    "魚",
    "虫",
    "花",
    "木",
    "石",
    "山",
    "川",
    "海",
    "空",
    "雨",
    "雪",
    "風",
    "火",
    "水",
    "土",
]


def record(name: str, **fields: str) -> dict[str, str]:
    return {"id": name, "instruction": f"{name} の質問", "reasoning": "理由です。", "answer": "答えです。", **fields}


def write(path: Path, *records: dict[str, str]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records), "utf-8")
    return path


def eval_records(count: int = 8) -> list[dict[str, str]]:
    return [record(f"e{i}", instruction=f"{WORDS[i]}は動物ですか。") for i in range(count)]


@pytest.fixture(scope="session")
def outline(tiny_phi: Path) -> tuple[Any, Any]:
    """The tiny Phi without weights, and its tokenizer."""
    return load_outline(find_base(str(tiny_phi), print), torch.float32)


@pytest.fixture
def look(outline: tuple[Any, Any], tmp_path: Path) -> Any:
    """Inspect these train and eval records."""

    def inspected(train: list[dict[str, str]], eval_: list[dict[str, str]] | None = None, **config: Any) -> Preflight:
        path = write(tmp_path / "train.jsonl", *train)
        eval_path = write(tmp_path / "eval.jsonl", *(eval_records() if eval_ is None else eval_))
        settings = TrainConfig(eval_file=eval_path, **config)
        return inspect(read_sides(path, settings), *outline, settings, PromptStyle())

    return inspected


def told(preflight: Preflight) -> list[tuple[str, int, str, str]]:
    return [(one.path.name, one.line, one.rule, one.severity) for one in preflight.findings]


def test_good_records_have_no_finding(look: Any) -> None:
    found = look([record("one"), record("two", instruction="別のことを聞く")])
    assert (found.all_found, found.errors) == ([], 0)
    assert [len(found.train.examples), len(found.eval.examples)] == [2, 8]


def test_all_that_is_wrong_is_found_at_once_by_file_and_line(look: Any) -> None:
    train = [
        record("t0", instruction="日本の首都はどこですか？"),
        record("t1", answer="長い" * 200),
        record("t2", reasoning="### Answer:\nです", answer="### Input:"),
        record("t3", answer="这是正确的答案。"),
        record("t4", instruction="月曜日の次の日は", family="曜日"),
        record("t5", answer=" "),
        record("t6", instruction="日本の首都はどこでしょうか。"),
    ]
    eval_ = [
        *eval_records(8),
        record("e8", instruction="火曜日の前の日は", family="曜日"),
        record("e9", instruction="日本の首都は、どこですか?"),
    ]
    found = look(train, eval_, max_length=150)
    assert told(found) == [
        ("train.jsonl", 2, "too-long", "error"),
        ("train.jsonl", 3, "marker", "error"),
        ("train.jsonl", 3, "marker", "error"),
        ("train.jsonl", 4, "wrong-script", "warning"),
        ("train.jsonl", 6, "blank", "error"),
        ("train.jsonl", 7, "near-duplicate", "warning"),
        ("eval.jsonl", 9, "leak", "error"),
        ("eval.jsonl", 10, "near-leak", "warning"),
    ]
    assert found.errors == 5
    assert [one.severity for one in found.all_found] == ["error"] * 5 + ["warning"] * 3


FAULTS = {
    "too-long": {"answer": "長い" * 200},
    "marker": {"answer": "### Answer:"},
    "wrong-script": {"answer": "这是正确的答案。"},
    "required": {"answer": None},
}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from([None, *FAULTS]), min_size=1, max_size=12).filter(lambda kinds: None in kinds))
def test_a_finding_names_the_line_of_its_record_and_no_other(look: Any, kinds: list[str | None]) -> None:
    train = []
    for number, kind in enumerate(kinds):
        fields = {**record(f"t{number}", instruction=f"{WORDS[number]}とは何"), **FAULTS.get(kind or "", {})}
        train.append({name: value for name, value in fields.items() if value is not None})
    found = look(train, max_length=150)
    assert [(one.path.name, one.line, one.rule) for one in found.findings] == [
        ("train.jsonl", line, kind) for line, kind in enumerate(kinds, start=1) if kind
    ]


def test_what_is_too_long_is_only_doubtful_where_it_is_left_out(look: Any) -> None:
    found = look([record("t0"), record("t1", answer="長い" * 200)], max_length=150, overlong="drop")
    assert told(found) == [("train.jsonl", 2, "too-long", "warning")]
    assert [row.line for row in found.train.dropped] == [2]


def test_a_side_that_is_left_out_whole_is_an_error(look: Any) -> None:
    found = look([record("t0", answer="長い" * 200)], max_length=150, overlong="drop")
    assert [(one.rule, one.severity) for one in found.remarks] == [("empty-side", "error")]


@pytest.mark.parametrize(("count", "rules"), [(7, ["small-eval"]), (8, [])])
def test_few_eval_records_are_doubtful(look: Any, count: int, rules: list[str]) -> None:
    found = look([record("t0")], eval_records(count))
    assert ([one.rule for one in found.remarks], found.errors) == (rules, 0)


def test_the_base_cannot_read_more_than_it_was_made_for(look: Any) -> None:
    found = look([record("t0"), record("t1", answer="。あ" * 2000)], max_length=10_000)
    assert [(one.rule, one.severity) for one in found.remarks] == [("positions", "warning")]
    assert "2,048" in found.remarks[0].message
    assert told(found) == [("train.jsonl", 2, "too-long", "error")]


def test_translations_and_rephrasings_of_one_family_on_one_side_are_fine(look: Any) -> None:
    same = [record(f"t{i}", instruction="日本の首都はどこですか" + "？" * i, family="首都") for i in range(3)]
    assert look(same).findings == []


def test_a_doublet_that_is_the_same_to_the_letter_is_named_once(look: Any) -> None:
    same = [record(f"t{i}", instruction="日本の首都はどこですか") for i in range(2)]
    assert told(look(same)) == [("train.jsonl", 2, "duplicate-question", "warning")]


# What the product's own encoding never makes, and another might


def side_of(*labels: list[int]) -> TokenizedSide:
    rows = [Row(Path("x.jsonl"), line, Record(record(f"r{line}"))) for line in range(1, len(labels) + 1)]
    return TokenizedSide([{"input_ids": [5] * len(one), "labels": one} for one in labels], rows, [], [])


def test_an_example_that_trains_on_nothing_or_never_ends_is_found() -> None:
    side = side_of([IGNORED, 7, 0], [IGNORED, IGNORED], [IGNORED, 0], [IGNORED, 7])
    assert [(one.line, one.rule) for one in find_untrainable(side, eos_token_id=0)] == [
        (2, "nothing-trained"),
        (3, "nothing-trained"),
        (4, "no-end"),
    ]


class LatinTokenizer:
    """Has a token for each ASCII character, and the unknown token for any other."""

    eos_token_id, pad_token_id, unk_token_id, bos_token_id, unk_token = 1, 2, 3, None, "<unk>"

    def __call__(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [ord(char) if char.isascii() else self.unk_token_id for char in text]}


def shape(rows: int) -> Any:
    return SimpleNamespace(
        config=SimpleNamespace(max_position_embeddings=2048),
        get_input_embeddings=lambda: SimpleNamespace(num_embeddings=rows),
    )


def test_a_base_that_cannot_write_the_text_is_an_error(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl", record("t0", instruction="1", reasoning="yes", answer="no", language="en"), record("t1")
    )
    config = TrainConfig(eval_file=write(tmp_path / "b.jsonl", *eval_records()))
    found = inspect(read_sides(path, config), shape(128), LatinTokenizer(), config, PromptStyle())
    assert {(one.path.name, one.line) for one in found.findings if one.rule == "unknown-token"} == {
        ("a.jsonl", 2),
        *(("b.jsonl", line) for line in range(1, 9)),
    }
    assert [(one.rule, one.severity) for one in found.remarks] == [("unknown-tokens", "error")]


def test_a_token_that_the_model_has_no_row_for_and_a_pad_that_ends_are_errors(tmp_path: Path) -> None:
    english = {"reasoning": "yes", "answer": "no", "language": "en"}
    path = write(tmp_path / "a.jsonl", *(record(f"t{i}", instruction=f"{i}", **english) for i in range(40)))
    config = TrainConfig(eval_percent=50)
    tokenizer = LatinTokenizer()
    tokenizer.pad_token_id = tokenizer.eos_token_id
    found = inspect(read_sides(path, config), shape(100), tokenizer, config, PromptStyle())
    assert [(one.rule, one.severity) for one in found.remarks] == [("vocabulary", "error"), ("padding", "error")]


# What is said


def test_much_is_said_in_short_and_errors_first(look: Any) -> None:
    train = [record(f"t{i}", answer="这是正确的答案。", instruction=f"{WORDS[i]}とは何") for i in range(20)]
    found = look([*train, record("t20", answer="### Answer:")])
    lines: list[str] = []
    tell(found, lines.append)
    assert len(lines) == SHOWN_FINDINGS + 1
    assert lines[0].endswith("[marker]")
    assert lines[-1] == "... and 1 more; the same command with `--check | less` shows all"
    with pytest.raises(UserError) as raised:
        require_trainable(found)
    assert str(raised.value) == f"{found.all_found[0]}; the same command with --check shows all"


def test_nothing_is_said_in_one_line(look: Any) -> None:
    lines: list[str] = []
    found = look([record("t0")])
    tell(found, lines.append)
    require_trainable(found)
    assert lines == ["checked 9 records: nothing found"]


# What is told of the text


def test_characters_per_token_are_counted_for_each_language_apart(outline: tuple[Any, Any]) -> None:
    _, tokenizer = outline
    texts = {"ja": "日本の首都は東京です。", "en": "Tokyo is the capital."}
    rows = [
        Row(
            Path("x"),
            1,
            Record(
                {
                    **record("a"),
                    "reasoning": texts["ja"],
                    "answer": texts["en"],
                    "language": "en",
                    "reasoning_language": "ja",
                }
            ),
        )
    ]
    assert characters_per_token(rows, tokenizer) == {
        language: len(text) / len(tokenizer(text)["input_ids"])
        for language, text in sorted(texts.items(), reverse=False)
    }


def test_the_typical_example_is_of_median_length() -> None:
    side = side_of([1] * 9, [1] * 2, [1] * 5)
    row, example = typical_example(side)
    assert (row.line, len(example["labels"])) == (3, 5)
