"""The one format: what is trained is what is asked, and a reply comes apart the same however it is cut."""

import dataclasses
import json
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.errors import UserError
from curation.records import Record, read_dataset
from phi2chat.config import ChatConfig
from phi2chat.inference.prompt import (
    PROMPT_FILE,
    Example,
    PromptStyle,
    SegmentParser,
    encode,
    encode_prompt,
    load_style,
    markers_in,
    render_completion,
    render_prompt,
    render_record,
    save_style,
)
from phi2chat.weights.models import LoadedModel

STYLE = PromptStyle()
RECORD = Record({"instruction": "日本の首都は？", "reasoning": "国会があるのは東京です。", "answer": "東京です。"})


# Rendering


def test_a_prompt_ends_on_the_marker_that_the_reply_begins_after() -> None:
    assert render_prompt(STYLE, " 日本の首都は？\n") == "### Instruction:\n日本の首都は？\n\n### Reasoning:"


def test_an_input_stands_between_instruction_and_reasoning() -> None:
    prompt = render_prompt(STYLE, "要約してください。", "長い文章\n")
    assert prompt == "### Instruction:\n要約してください。\n\n### Input:\n長い文章\n\n### Reasoning:"


def test_a_blank_input_is_none() -> None:
    assert render_prompt(STYLE, "質問", " \n") == render_prompt(STYLE, "質問")


def test_a_record_becomes_prompt_and_completion() -> None:
    assert render_record(STYLE, RECORD) == Example(
        "### Instruction:\n日本の首都は？\n\n### Reasoning:",
        "\n国会があるのは東京です。\n\n### Answer:\n東京です。",
    )


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("ふつうの文 ### です", None),
        ("### instruction:", None),
        ("前\n### Answer:\n後", "### Answer:"),
        ("a### Input:", "### Input:"),
    ],
)
def test_a_marker_in_a_text_is_found(text: str, marker: str | None) -> None:
    assert markers_in(STYLE, text) == marker


# Token ids


def test_a_completion_ends_in_end_of_text_and_the_loss_is_on_all_of_it(tiny_tokenizer: Any) -> None:
    encoded = encode(tiny_tokenizer, render_record(STYLE, RECORD))
    prompt = encode_prompt(tiny_tokenizer, [], render_prompt(STYLE, RECORD.instruction))
    completion = encoded.input_ids[len(prompt) :]
    assert encoded.input_ids[: len(prompt)] == prompt
    assert encoded.completion_mask == [0] * len(prompt) + [1] * len(completion)
    assert completion[-1] == tiny_tokenizer.eos_token_id
    assert tiny_tokenizer.decode(completion[:-1]) == render_record(STYLE, RECORD).completion


def test_the_chat_prompt_is_the_training_prompt(tiny_tokenizer: Any, scripted_logits: Any, ja_basics: Path) -> None:
    records = [record for _, record in read_dataset(ja_basics).records() if not record.input]
    assert len(records) > 200
    for record in records:
        model = scripted_logits([tiny_tokenizer.eos_token_id])
        chat = LoadedModel("tiny", model, tiny_tokenizer, STYLE, reading="plain")
        assert list(chat.stream([], record.instruction, ChatConfig())) == []
        trained = encode(tiny_tokenizer, render_record(STYLE, record))
        assert model.read[0] == trained.input_ids[: trained.completion_mask.index(1)]


def test_an_earlier_turn_is_read_as_the_record_it_would_be(tiny_tokenizer: Any) -> None:
    turn = render_record(STYLE, RECORD)
    prompt = render_prompt(STYLE, "では、フランスは？")
    ids = encode_prompt(tiny_tokenizer, [turn], prompt)
    assert ids == encode(tiny_tokenizer, turn).input_ids + encode_prompt(tiny_tokenizer, [], prompt)


def test_a_tokenizer_that_begins_texts_with_a_token_does_so_once(tiny_phi: Path) -> None:
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_phi)
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    begin = tokenizer.bos_token_id
    tokenizer._tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", begin)])
    turn = render_record(STYLE, RECORD)
    for ids in (encode(tokenizer, turn).input_ids, encode_prompt(tokenizer, [turn, turn], turn.prompt)):
        assert ids[0] == begin
        assert begin not in ids[1:]


def test_end_of_text_in_a_text_never_becomes_the_token(tiny_tokenizer: Any) -> None:
    text = "前<|endoftext|>後"
    end = tiny_tokenizer.eos_token_id
    assert tiny_tokenizer(text)["input_ids"].count(end) == 1  # what would happen to it otherwise
    assert end not in encode_prompt(tiny_tokenizer, [], render_prompt(STYLE, text, text))
    record = Record({"instruction": text, "reasoning": text, "answer": text})
    encoded = encode(tiny_tokenizer, render_record(STYLE, record))
    assert encoded.input_ids.index(end) == len(encoded.input_ids) - 1
    assert tiny_tokenizer.decode(encoded.input_ids[:-1]).count(text) == 3


# Taking a reply apart


def segments_of(pieces: list[str]) -> tuple[list[tuple[str, str]], bool]:
    """The parts with their whole texts, and whether the model went on to a question of its own."""
    parser = SegmentParser(STYLE)
    segments = [segment for piece in pieces for segment in parser.feed(piece)] + parser.close()
    grouped = groupby(segments, key=lambda segment: segment.kind)
    return [(kind, "".join(segment.text for segment in run)) for kind, run in grouped], parser.finished


@pytest.mark.parametrize(
    ("reply", "parts", "finished"),
    [
        ("\n理由\n\n### Answer:\n答え", [("reasoning", "理由"), ("answer", "答え")], False),
        ("\n理由だけ", [("reasoning", "理由だけ")], False),
        ("\n### Answer:\n答え\n", [("answer", "答え")], False),
        ("理由\n### Answer:\n\n", [("reasoning", "理由")], False),
        ("", [], False),
        ("一\n\n二\n### Answer:\n三\n\n四", [("reasoning", "一\n\n二"), ("answer", "三\n\n四")], False),
        ("理由 ### Ans 続き", [("reasoning", "理由 ### Ans 続き")], False),
        ("理由 ### Ans", [("reasoning", "理由 ### Ans")], False),
        ("理由\n### Answer:\n答え\n\n### Instruction:\n次は", [("reasoning", "理由"), ("answer", "答え")], True),
        ("理由\n### Answer:\n答え\n### Answer:\nもう一度", [("reasoning", "理由"), ("answer", "答え")], True),
        ("理由\n### Reasoning:\nまた理由", [("reasoning", "理由")], True),
        ("理由\n### Input:\n入力", [("reasoning", "理由")], True),
    ],
)
def test_a_reply_comes_apart(reply: str, parts: list[tuple[str, str]], finished: bool) -> None:
    assert segments_of([reply]) == (parts, finished)


def test_what_comes_after_a_question_of_its_own_is_dropped() -> None:
    assert segments_of(["理由\n### Instruction:", "次の質問"]) == ([("reasoning", "理由")], True)


def test_text_is_handed_on_as_soon_as_it_can_be_no_marker() -> None:
    parser = SegmentParser(STYLE)
    handed_on = ["".join(s.text for s in parser.feed(piece)) for piece in ("\n理", "由", "\n\n###", " Ans", "を")]
    assert handed_on == ["理", "由", "", "", "\n\n### Ansを"]


FRAGMENTS = ["#", "##", "### ", "### Answer:", "### Answer", ":", "### Instruction:", "### Reasoning:", "### Input:"]
FRAGMENTS += ["\n", " ", "\u3000", "答え", "A", "### Ans### Answer:"]


@given(
    fragments=st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=12), cuts=st.sets(st.integers(0, 80))
)
@example(fragments=["a### Answer:", "b\n"], cuts=set(range(80)))
def test_no_cut_of_a_stream_changes_its_parts(fragments: list[str], cuts: set[int]) -> None:
    text = "".join(fragments)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert "".join(pieces) == text
    assert segments_of(pieces) == segments_of([text])


@given(reasoning=st.text(min_size=1), answer=st.text(min_size=1))
def test_a_trained_completion_comes_apart_into_its_record(reasoning: str, answer: str) -> None:
    parts, finished = segments_of(list(render_completion(STYLE, reasoning, answer)))
    wanted = [("reasoning", reasoning.strip()), ("answer", answer.strip())]
    assert parts == [part for part in wanted if part[1]]
    assert not finished


ANSWERS = PromptStyle(reasoning="")


@given(answer=st.text(min_size=1), cuts=st.sets(st.integers(0, 80)))
def test_without_a_marker_for_the_reasoning_a_reply_is_the_answer_alone(answer: str, cuts: set[int]) -> None:
    assert render_prompt(ANSWERS, "問い", "入力") == "### Instruction:\n問い\n\n### Input:\n入力\n\n### Answer:"
    text = render_completion(ANSWERS, "理由", answer)
    parser = SegmentParser(ANSWERS)
    segments = [segment for piece in text for segment in parser.feed(piece)] + parser.close()
    assert {segment.kind for segment in segments} <= {"answer"}
    assert "".join(segment.text for segment in segments) == answer.strip()


# prompt.json


def test_a_style_that_is_saved_comes_back(tmp_path: Path) -> None:
    style = PromptStyle("### 指示:", "### 入力:", "### 推論:", "### 回答:")
    for saved in (ANSWERS, style):
        save_style(saved, tmp_path)
        assert load_style(tmp_path) == saved
    assert json.loads((tmp_path / PROMPT_FILE).read_text("utf-8"))["reasoning"] == "### 推論:"


MARKERS = dataclasses.asdict(PromptStyle())


def markers(**changes: object) -> bytes:
    return json.dumps({**MARKERS, **changes}).encode()


def test_a_style_holds_exactly_the_markers(tmp_path: Path) -> None:
    (tmp_path / PROMPT_FILE).write_bytes(markers())
    assert load_style(tmp_path) == PromptStyle()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        markers(reasoning=3),
        markers(answer=" "),
        markers(answer=""),
        markers(reasoning=" "),
        markers(answers="### Answer:"),
        json.dumps({name: marker for name, marker in MARKERS.items() if name != "input"}).encode(),
    ],
    ids=str,
)
def test_a_damaged_style_is_named_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / PROMPT_FILE).write_bytes(content)
    with pytest.raises(UserError) as raised:
        load_style(tmp_path)
    wanted = f"{tmp_path / PROMPT_FILE}: is not a prompt style; train the adapter again or restore the file"
    assert str(raised.value) == wanted


def test_a_missing_style_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"prompt\.json: no such file"):
        load_style(tmp_path)
