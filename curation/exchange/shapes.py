"""What the columns of a row mean: each shape fits rows by their columns, reads them, and writes a record as one.

A new shape is one entry of SHAPES.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from curation.exchange.fields import REASONING_NAMES, read_object, tidy
from curation.exchange.parts import put_together, take_apart, take_question_apart
from curation.exchange.rows import CARRIED, REJECTED, NoRecord, is_empty
from curation.records import KNOWN_FIELDS

Data = Mapping[str, Any]

_ROLES = {
    "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "model": "assistant",
    "bot": "assistant", "chatgpt": "assistant", "system": "system", "developer": "system",
}  # fmt: skip


_OF_A_TREE = ("message_tree_id", "tree_state", "origin")  # which say nothing of a record


@dataclass(frozen=True)
class Shape:
    """`used` are the columns that `read` takes apart; the others of a row are fields of their own name.

    `read` gives fields, and raises NoRecord where a row cannot become a record; `write` gives columns.
    """

    name: str
    used: tuple[str, ...]
    fits: Callable[[Data], bool]
    read: Callable[[Data], dict[str, Any]]
    write: Callable[[Data], dict[str, Any]]
    written: tuple[str, ...] = ("instruction", "reasoning", "answer")  # fields that `write` has a place for
    joins_input: bool = False  # the question ends with the input, which also has a column of its own


def read_row(shape: Shape, row: Data, reasoning_from: str | None = None) -> dict[str, Any]:
    """The fields of a row, taken apart and brought into a record's form; whether it is good is not looked at.

    Raises NoRecord.
    """
    data = {name: value for name, value in shape.read(row).items() if not is_empty(value)}
    for name, value in row.items():
        if name not in shape.used and name not in (CARRIED, REJECTED) and name not in data and not is_empty(value):
            data[name] = value
    if reasoning_from is not None:
        if is_empty(row.get(reasoning_from)):
            raise NoRecord(f'has nothing in the column "{reasoning_from}", where its reasoning should be')
        data["reasoning"] = row[reasoning_from]
        if reasoning_from not in KNOWN_FIELDS:
            data.pop(reasoning_from, None)
    _find_reasoning(data)
    if shape.joins_input:
        _find_input(data)
    tidy(data)
    fields, without = _carried(row.get(CARRIED))
    kept = {name: value for name, value in data.items() if name not in without} | fields
    return in_order(kept)


def in_order(data: Data) -> dict[str, Any]:
    """The fields of a record in the order in which records have them."""
    order = [name for name in KNOWN_FIELDS if name in data]
    return {name: data[name] for name in dict.fromkeys([*order, *data])}


def _carried(text: object) -> tuple[dict[str, Any], list[Any]]:
    """The fields that an export carried, and the names of those that the record has not. Raises NoRecord."""
    carried = {} if is_empty(text) else read_object(text)
    fields, without = (carried.get("fields", {}), carried.get("without", [])) if carried is not None else (None, None)
    if not isinstance(fields, dict) or not isinstance(without, list):
        raise NoRecord(f"its column {CARRIED} is not what `curate export` wrote")
    return fields, without


def write_row(shape: Shape, record: Data, as_cells: bool = False) -> dict[str, Any]:
    """A record as a row from which `read_row` gives the same record; `as_cells` makes every value a text.

    What the shape has no place for is JSON in the column CARRIED.
    """
    known = {name: record[name] for name in KNOWN_FIELDS if name in record and name not in shape.written}
    row = {**shape.write(record), **known}
    if "provenance" in row:  # objects of many shapes make one column in no format
        row["provenance"] = json.dumps(row["provenance"], ensure_ascii=False)
    if as_cells and "tags" in row:
        row["tags"] = ", ".join(row["tags"])
    back = read_row(shape, row)
    fields = {name: value for name, value in record.items() if name not in back or not _same(back[name], value)}
    without = [name for name in back if name not in record]
    carried = {name: value for name, value in (("fields", fields), ("without", without)) if value}
    return {**row, CARRIED: json.dumps(carried, ensure_ascii=False, allow_nan=False) if carried else ""}


def _same(first: object, second: object) -> bool:
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)  # by which 1 is not true, nor 1.0


def _find_reasoning(data: dict[str, Any]) -> None:
    """Take the reasoning from where others write it: a column of another name, or the answer itself."""
    other = next((name for name in REASONING_NAMES if not is_empty(data.get(name))), None)
    if is_empty(data.get("reasoning")) and other is not None:
        data["reasoning"] = data.pop(other)
    answer = data.get("answer")
    if is_empty(data.get("reasoning")) and isinstance(answer, str):
        reasoning, data["answer"] = take_apart(answer)
        if reasoning:
            data["reasoning"] = reasoning


def _find_input(data: dict[str, Any]) -> None:
    """Take the input away from the end of a question that holds both."""
    question, text = data.get("instruction"), data.get("input")
    if isinstance(question, str) and isinstance(text, str) and question.endswith(f"\n\n{text}"):
        data["instruction"] = question.removesuffix(f"\n\n{text}")


# Flat rows: a column for each field


def flat(name: str, columns: Mapping[str, str], needs: tuple[str, ...], without: tuple[str, ...] = ()) -> Shape:
    """A shape whose columns are the fields under other names; `columns` is field -> column."""

    def fits(row: Data) -> bool:
        return all(column in row for column in needs) and not any(column in row for column in without)

    def read(row: Data) -> dict[str, Any]:
        return {field: _only(row.get(column)) for field, column in columns.items()}

    def write(record: Data) -> dict[str, Any]:
        return {columns.get(field, field): record[field] for field in ("instruction", "reasoning", "answer")}

    return Shape(name, tuple(columns.values()), fits, read, write)


def _only(value: object) -> object:
    """What a list of one text holds, as s1K has its trajectories."""
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) else value


def mapped(columns: Mapping[str, str]) -> Shape:
    """The shape of a mapping that somebody gave."""
    return flat("columns", columns, tuple(columns[field] for field in ("instruction", "answer")))


def _of_columns(name: str, *columns: str) -> Shape:
    return flat(name, dict(zip(("instruction", "reasoning", "answer"), columns, strict=True)), columns)


def _read_alpaca(row: Data) -> dict[str, Any]:
    if isinstance(row.get("history"), list) and row["history"]:  # as LLaMA-Factory has them
        raise NoRecord("is the end of a conversation, which stands in history; a record is one question and one answer")
    return {"answer": row.get("output")}


def _write_alpaca(record: Data) -> dict[str, Any]:
    output = put_together(record["reasoning"], record["answer"])
    return {"instruction": record["instruction"], "input": record.get("input", ""), "output": output}


# Conversations


def _read_messages(row: Data) -> dict[str, Any]:
    turns = [*_turns(row.get("system"), "system"), *_all_turns(row["messages"], "role", "content")]
    return _single_turn(turns)


def _read_sharegpt(row: Data) -> dict[str, Any]:
    column = "conversations" if "conversations" in row else "conversation"
    turns = [*_turns(row.get("system"), "system"), *_all_turns(row[column], "from", "value")]
    return _single_turn(turns)


def _read_prompt_completion(row: Data) -> dict[str, Any]:
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, list) and isinstance(completion, list):
        return _single_turn(_all_turns([*prompt, *completion], "role", "content"))
    if not isinstance(prompt, str) or not isinstance(completion, str):
        raise NoRecord("its prompt and completion are neither both texts nor both messages")
    instruction, text = take_question_apart(prompt)
    return {"instruction": instruction, "input": text, "answer": completion}


def _turns(text: object, role: str) -> list[dict[str, Any]]:
    return [] if is_empty(text) else [{"role": role, "text": _text(text), "reasoning": ""}]


def _all_turns(messages: object, role_key: str, text_key: str) -> list[dict[str, Any]]:
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise NoRecord("its conversation is not a list of messages")
    turns = []
    for message in messages:
        # Some data sets write ShareGPT's keys under the other name, and the other way round.
        said = message.get(role_key) or message.get("role") or message.get("from")
        role = _ROLES.get(str(said).lower())
        if role is None:
            raise NoRecord(f"has a message of {said}, where a record has a question and an answer")
        if not is_empty(message.get("tool_calls")):
            raise NoRecord("calls a tool, which a record cannot")
        content = message.get(text_key)
        text = _text(message.get("content") if content is None else content)
        reasoning = next((message[name] for name in REASONING_NAMES if not is_empty(message.get(name))), "")
        turns.append({"role": role, "text": text, "reasoning": reasoning})
    return turns


def _text(content: object) -> str:
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        content = [part.get("text", "") for part in content]
        content = "".join(content) if all(isinstance(text, str) for text in content) else None
    if not isinstance(content, str):
        raise NoRecord("has a message that is not text alone")
    return content


def _single_turn(turns: list[dict[str, Any]]) -> dict[str, Any]:
    system = [turn["text"] for turn in turns if turn["role"] == "system"]
    talk = [turn for turn in turns if turn["role"] != "system"]
    if len(talk) > 2:
        raise NoRecord(f"is a conversation of {len(talk)} messages; a record is one question and one answer")
    if [turn["role"] for turn in talk] != ["user", "assistant"]:
        raise NoRecord("is not a question and its answer")
    question, reply = talk
    fields = {"instruction": question["text"], "answer": reply["text"], "reasoning": reply["reasoning"]}
    return {**fields, "system": "\n\n".join(system)}


def _question(record: Data) -> str:
    return "\n\n".join(filter(None, (record["instruction"], record.get("input", ""))))


def _write_messages(record: Data) -> dict[str, Any]:
    reply = {"role": "assistant", "content": record["answer"], "reasoning_content": record["reasoning"]}
    return {"messages": [{"role": "user", "content": _question(record)}, reply]}


def _write_sharegpt(record: Data) -> dict[str, Any]:
    reply = {"from": "gpt", "value": put_together(record["reasoning"], record["answer"])}
    return {"conversations": [{"from": "human", "value": _question(record)}, reply]}


def _write_prompt_completion(record: Data) -> dict[str, Any]:
    """The prompt that phi2chat trains and chats with, so that whoever trains on it elsewhere can chat here."""
    blocks = [f"### Instruction:\n{record['instruction'].strip()}"]
    if record.get("input", "").strip():
        blocks.append(f"### Input:\n{record['input'].strip()}")
    completion = f"\n{record['reasoning'].strip()}\n\n### Answer:\n{record['answer'].strip()}"
    return {"prompt": "\n\n".join([*blocks, "### Reasoning:"]), "completion": completion}


def _read_oasst(row: Data) -> dict[str, Any]:
    """The first question of a tree and the reply that its readers ranked best."""
    asked = row.get("prompt")
    if not isinstance(asked, dict):
        raise NoRecord("is one message of a conversation; import the file of the same set that has trees")
    found = asked.get("replies")
    replies = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    replies = [one for one in replies if one.get("role") == "assistant" and not one.get("deleted")]
    if not replies:
        raise NoRecord("is a question that nobody answered")
    best = min(replies, key=lambda one: rank if isinstance(rank := one.get("rank"), int) else len(replies))
    return {
        "instruction": _text(asked.get("text")), "answer": _text(best.get("text")), "language": asked.get("lang"),
    }  # fmt: skip


def _write_oasst(record: Data) -> dict[str, Any]:
    reply = {"text": put_together(record["reasoning"], record["answer"]), "role": "assistant"}
    return {"message_tree_id": "", "prompt": {"text": record["instruction"], "role": "prompter", "replies": [reply]}}


# In this order a row is offered to them.
SHAPES = {
    shape.name: shape
    for shape in (
        Shape(
            "messages",
            ("messages", "system"),
            lambda row: isinstance(row.get("messages"), list),
            _read_messages,
            _write_messages,
            joins_input=True,
        ),
        Shape(
            "sharegpt",
            ("conversations", "conversation", "system"),
            lambda row: isinstance(row.get("conversations", row.get("conversation")), list),
            _read_sharegpt,
            _write_sharegpt,
            joins_input=True,
        ),
        Shape(
            "prompt-completion",
            ("prompt", "completion"),
            lambda row: "prompt" in row and "completion" in row,
            _read_prompt_completion,
            _write_prompt_completion,
            ("instruction", "input", "reasoning", "answer"),
        ),
        flat("records", {}, ("instruction", "answer")),
        Shape(
            "alpaca",
            ("output",),
            lambda row: "instruction" in row and "output" in row,
            _read_alpaca,
            _write_alpaca,
            ("instruction", "input", "reasoning", "answer"),
        ),
        flat("dolly", {"input": "context", "answer": "response"}, ("instruction", "response")),
        flat("qa", {"instruction": "question"}, ("question", "answer")),
        _of_columns("s1k", "question", "thinking_trajectories", "attempt"),
        _of_columns("s1k-1.1", "question", "deepseek_thinking_trajectory", "deepseek_attempt"),
        _of_columns("openthoughts", "problem", "deepseek_reasoning", "deepseek_solution"),
        _of_columns("medical-o1", "Question", "Complex_CoT", "Response"),
        Shape("oasst", ("prompt", *_OF_A_TREE), lambda row: "message_tree_id" in row, _read_oasst, _write_oasst),
    )
}


def shape_of(row: Data) -> Shape | None:
    """The shape that a row has by its columns, or None."""
    return next((shape for shape in SHAPES.values() if shape.fits(row)), None)
