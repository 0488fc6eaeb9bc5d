"""What a row of each known shape means, and what in it is reasoning."""

from typing import Any

import pytest

from curation.exchange.fields import guess_columns, read_mapping
from curation.exchange.parts import take_apart, take_question_apart
from curation.exchange.rows import NoRecord
from curation.exchange.shapes import SHAPES, mapped, read_row, shape_of

QUESTION, REPLY = {"role": "user", "content": "首都は？"}, {"role": "assistant", "content": "東京です。"}
THOUGHT = {"role": "assistant", "content": "<think>\n国会があります。\n</think>\n\n東京です。"}
FIELDS = {"instruction": "首都は？", "reasoning": "国会があります。", "answer": "東京です。"}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("messages", {"messages": [QUESTION, THOUGHT]}),
        ("messages", {"messages": [QUESTION, {**REPLY, "reasoning_content": "国会があります。"}]}),
        ("messages", {"messages": [QUESTION, {**REPLY, "thinking": "国会があります。", "tool_calls": None}]}),
        ("messages", {"messages": [{**QUESTION, "content": [{"type": "text", "text": "首都は？"}]}, THOUGHT]}),
        ("sharegpt", {"conversations": [{"from": "human", "value": "首都は？"}, {"from": "gpt", "value": THOUGHT["content"]}]}),
        ("sharegpt", {"conversations": [QUESTION, THOUGHT]}),
        ("prompt-completion", {"prompt": [QUESTION], "completion": [THOUGHT]}),
        ("prompt-completion", {"prompt": "首都は？", "completion": THOUGHT["content"]}),
        ("prompt-completion", {"prompt": "### Instruction:\n首都は？\n\n### Reasoning:", "completion": "\n国会があります。\n\n### Answer:\n東京です。"}),
        ("alpaca", {"instruction": "首都は？", "input": "", "output": THOUGHT["content"]}),
        ("alpaca", {"instruction": "首都は？", "input": None, "output": "東京です。", "rationale": "国会があります。"}),
        ("dolly", {"instruction": "首都は？", "context": "", "response": "東京です。", "reasoning": "国会があります。"}),
        ("qa", {"question": "首都は？", "answer": "東京です。", "cot": "国会があります。"}),
        ("s1k", {"question": "首都は？", "thinking_trajectories": ["国会があります。"], "attempt": "東京です。"}),
        ("s1k-1.1", {"question": "首都は？", "deepseek_thinking_trajectory": "国会があります。", "deepseek_attempt": "東京です。"}),
        ("openthoughts", {"problem": "首都は？", "deepseek_reasoning": "国会があります。", "deepseek_solution": "東京です。"}),
        ("medical-o1", {"Question": "首都は？", "Complex_CoT": "国会があります。", "Response": "東京です。"}),
        ("records", FIELDS),
    ],
)  # fmt: skip
def test_each_shape_gives_the_same_fields(name: str, row: dict[str, Any]) -> None:
    shape = shape_of(row)
    assert shape is not None and shape.name == name
    assert read_row(shape, row) == FIELDS


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (
            [QUESTION, REPLY, QUESTION, REPLY],
            "is a conversation of 4 messages; a record is one question and one answer",
        ),
        ([QUESTION], "is not a question and its answer"),
        ([REPLY, QUESTION], "is not a question and its answer"),
        (
            [QUESTION, {"role": "tool", "content": "x"}],
            "has a message of tool, where a record has a question and an answer",
        ),
        ([QUESTION, {**REPLY, "tool_calls": [{}]}], "calls a tool, which a record cannot"),
        ([QUESTION, {"role": "assistant", "content": None}], "has a message that is not text alone"),
        (["x"], "its conversation is not a list of messages"),
        ([{**QUESTION, "content": [{"type": "text", "text": 1}]}, REPLY], "has a message that is not text alone"),
    ],
)
def test_what_is_not_one_question_and_one_answer_is_refused(messages: list[Any], reason: str) -> None:
    with pytest.raises(NoRecord) as refused:
        read_row(SHAPES["messages"], {"messages": messages})
    assert str(refused.value) == reason


def test_a_question_that_holds_its_input_loses_it_only_where_the_shape_puts_it_there() -> None:
    both = {**FIELDS, "instruction": "訳して。\n\nTokyo", "input": "Tokyo"}
    assert read_row(SHAPES["records"], both) == both
    row = {"messages": [{"role": "user", "content": both["instruction"]}, THOUGHT], "input": "Tokyo"}
    assert read_row(SHAPES["messages"], row) == {**both, "instruction": "訳して。"}


def test_a_system_prompt_is_kept_and_not_taken_for_a_turn() -> None:
    row = {"messages": [{"role": "system", "content": "親切に。"}, QUESTION, THOUGHT], "id": 7}
    assert read_row(SHAPES["messages"], row) == {"id": "7", **FIELDS, "system": "親切に。"}


def test_the_end_of_a_conversation_is_refused_where_its_beginning_stands_in_another_column() -> None:
    row = {
        "instruction": "それは何人？",
        "input": "",
        "output": THOUGHT["content"],
        "history": [["首都は？", "東京です。"]],
    }
    with pytest.raises(NoRecord, match="is the end of a conversation, which stands in history"):
        read_row(SHAPES["alpaca"], row)
    assert read_row(SHAPES["alpaca"], {**row, "history": []})["answer"] == "東京です。"


def test_a_system_prompt_that_is_no_text_is_refused() -> None:
    with pytest.raises(NoRecord, match="has a message that is not text alone"):
        read_row(SHAPES["messages"], {"messages": [QUESTION, THOUGHT], "system": {"text": "親切に。"}})


@pytest.mark.parametrize(
    "carried",
    ["x", "[]", '{"fields": 3}', '{"without": "id"}', '{"fields": {"n": NaN}}', '{"fields": ' + "[" * 100_000, {}],
    ids=["text", "array", "number", "name", "not-json", "deep", "object"],
)
def test_a_column_of_ours_that_is_damaged_is_refused(carried: object) -> None:
    with pytest.raises(NoRecord, match="its column phi2chat is not what `curate export` wrote"):
        read_row(SHAPES["records"], {**FIELDS, "phi2chat": carried})


def test_tags_that_are_nested_too_deeply_stay_text() -> None:
    assert read_row(SHAPES["records"], {**FIELDS, "tags": "[" * 100_000})["tags"] == ["[" * 100_000]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<think>a</think>b", ("a", "b")),
        ("<think>\n\n</think>\n\nb", ("", "b")),
        ("a\n</think>\nb", ("a", "b")),
        ("<think>a</think><answer>b</answer>", ("a", "b")),
        ("<|reasoning|>a<|response|>b<|endoftext|>", ("a", "b")),
        ("<|reasoning|>a\n\nb", ("a", "b")),
        (
            "<|begin_of_thought|>\n\na\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nb\n\n<|end_of_solution|>",
            ("a", "b"),
        ),
        ("### Reasoning:\na\n\n### Answer:\nb", ("a", "b")),
        ("### 推論：\na\n### 回答：\nb", ("a", "b")),
        ("a\n### Response: b", ("a", "b")),
        ("### Reasoning\na\n\n### Answer\nb", ("a", "b")),
        ("## 思考\na\n## 答え\nb\n## 例\nc", ("a", "b\n## 例\nc")),
        ("a\n### Answer\nb", ("", "a\n### Answer\nb")),
        ("x < y and y > z", ("", "x < y and y > z")),
        ("# 見出し\n### 例\nb", ("", "# 見出し\n### 例\nb")),
        ("48/2 = 24\n48+24 = 72\n#### 72", ("48/2 = 24\n48+24 = 72", "72")),
        ("#### 72", ("", "#### 72")),
        ("\n#### 72", ("", "\n#### 72")),
        ("a\n#### 例\nb", ("", "a\n#### 例\nb")),
        ("a\n#### 例\nb\n#### 72", ("", "a\n#### 例\nb\n#### 72")),
        ("a\n####72", ("", "a\n####72")),
        ("<think>never closed", ("", "<think>never closed")),
    ],
)
def test_reasoning_is_taken_out_of_an_answer_by_its_marks(text: str, parts: tuple[str, str]) -> None:
    assert take_apart(text) == parts


@pytest.mark.parametrize("blank", ["\n", " ", " \n", "\u3000"])
def test_a_long_run_of_blanks_does_not_take_the_square_of_its_length(blank: str) -> None:
    blanks = blank * 200_000  # which would take many minutes
    for text in (blanks, f"{blanks}a", f"a{blanks}b", f"<|reasoning|>{blanks}a<|response|>{blanks}b{blanks}"):
        reasoning, answer = take_apart(text)
        assert (reasoning, answer) == ("a", "b") if "<" in text else ("", text)
    assert take_question_apart(f"{blanks}### Instruction:{blanks}a{blanks}### b") == (f"a{blanks}### b", "")


def test_a_question_and_its_input_are_taken_out_of_a_prompt() -> None:
    assert take_question_apart("### Instruction:\na\n\n### Input:\nb\n\n### Reasoning:") == ("a", "b")
    assert take_question_apart("a ### Instruction: b") == ("a ### Instruction: b", "")


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        ({"seq": "13JA"}, {"id": "13JA", "family": "13", "language": "ja"}),
        ({"seq": "13-en"}, {"id": "13-en", "family": "13", "language": "en"}),
        ({"seq": "13 ZH"}, {"family": "13", "language": "zh"}),
        ({"seq": "13JP", "language": "Japanese"}, {"id": "13JP", "family": "13", "language": "ja"}),
        ({"seq": 13}, {"family": "13"}),
        ({"seq": "third"}, {"seq": "third"}),
        ({"seq": "13JA", "id": "x", "family": "y"}, {"id": "x", "family": "y", "language": "ja"}),
        ({"language": "中文", "tags": "a, b", "category": 3}, {"language": "zh", "tags": ["a", "b"], "category": "3"}),
    ],
)
def test_numbers_languages_and_tags_of_sheets_become_fields(row: dict[str, Any], fields: dict[str, Any]) -> None:
    assert read_row(SHAPES["records"], {**FIELDS, **row}) == {**FIELDS, **fields}


def test_columns_are_guessed_by_their_english_and_japanese_names() -> None:
    columns = ["No", "質問", "回答", "理由", "Language"]
    mapping = {"instruction": "質問", "reasoning": "理由", "answer": "回答", "language": "Language"}
    assert guess_columns(columns) == mapping
    assert guess_columns(["problem", "thought", "solution"]) == {
        "instruction": "problem", "reasoning": "thought", "answer": "solution",
    }  # fmt: skip
    row = {"No": 1, "質問": "首都は？", "回答": "東京です。", "理由": "国会があります。", "Language": "JA"}
    assert read_row(mapped(mapping), row) == {**FIELDS, "language": "ja", "No": 1}
    assert read_mapping("instruction=質問, answer = 回答") == {"instruction": "質問", "answer": "回答"}


def test_reasoning_from_another_column_goes_before_what_is_marked() -> None:
    row = {"instruction": "首都は？", "output": "東京です。", "why": "国会があります。"}
    assert read_row(SHAPES["alpaca"], row, "why") == FIELDS
    with pytest.raises(NoRecord, match='has nothing in the column "why"'):
        read_row(SHAPES["alpaca"], {**row, "why": ""}, "why")
