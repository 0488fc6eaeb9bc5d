"""The events of a server become the text of a reply, however they are cut; what is in no known form is said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import delta, piece

from phi2chat.inference.prompt import PromptStyle, SegmentParser
from phi2chat.remote.chunks import MESSAGES_STYLE, ReplyReader, ReportedError, UnreadableError, error_message

STYLE = PromptStyle()


def parts(*chunks: object, style: PromptStyle | None = None) -> tuple[str, str]:
    """The reasoning and the answer that come of these chunks."""
    reader, parser = ReplyReader(style), SegmentParser(style or MESSAGES_STYLE)
    texts = [reader.feed(chunk if isinstance(chunk, str) else json.dumps(chunk)) for chunk in chunks]
    segments = [segment for text in [*texts, reader.close()] for segment in parser.feed(text)] + parser.close()
    found = {kind: "".join(s.text for s in segments if s.kind == kind) for kind in ("reasoning", "answer")}
    return found["reasoning"], found["answer"]


@pytest.mark.parametrize(
    ("chunks", "reasoning", "answer"),
    [
        ([delta("東京"), delta("です。")], "", "東京です。"),
        ([delta(reasoning_content="国会が"), delta(reasoning_content="ある。"), delta("東京")], "国会がある。", "東京"),
        ([delta(reasoning="国会がある。"), delta("東京")], "国会がある。", "東京"),
        (
            [delta("", reasoning_content="国会"), delta("\n\n", reasoning_content="がある"), delta("東京")],
            "国会がある",
            "東京",
        ),
        ([delta("<think>\n国会がある。\n</think>\n\n東京")], "国会がある。", "東京"),
        ([delta("\n### Reasoning:\n国会がある。\n\n### Answer:\n東京")], "国会がある。", "東京"),
        ([delta("<think>国会がある")], "国会がある", ""),
        ([delta("<think></think>東京")], "", "東京"),
        ([delta("<thi")], "", "<thi"),
        ([delta("<think more>東京")], "", "<think more>東京"),
        ([delta("東京<think>と大阪</think>")], "", "東京<think>と大阪</think>"),
        ([delta("### Instruction:\nが始まりの印です")], "", "### Instruction:\nが始まりの印です"),
        ([delta("東京"), delta(reasoning_content="後から")], "", "東京"),
        ([delta(reasoning_content="a\ufdd3b"), delta("c\ufdd0d\ufdd3e")], "a\ufffdb", "c\ufffdd\ufffde"),
        ([delta(refusal="できません。")], "", "できません。"),
        ([{"choices": [{"message": {"reasoning": "国会がある。", "content": "東京"}}]}], "国会がある。", "東京"),
        ([delta("東京"), "", " \n", delta("です。")], "", "東京です。"),
        ([delta()], "", ""),
    ],
)
def test_messages_become_a_reasoning_and_an_answer(chunks: list[Any], reasoning: str, answer: str) -> None:
    assert parts(*chunks) == (reasoning, answer)


@given(st.lists(st.integers(0, 60), max_size=12), st.sampled_from(["<think>", "\n### Reasoning:\n", ""]))
def test_how_content_is_cut_into_events_changes_nothing(cuts: list[int], opening: str) -> None:
    closing = {"<think>": "</think>", "": ""}.get(opening, "### Answer:")
    text = f"{opening}国会がある。<thin> ### An{closing}\n東京</thi です。🗼"
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    cut = [delta(text[start:end]) for start, end in zip(places, places[1:], strict=False)]
    assert parts(*cut) == parts(delta(text))


def test_a_trained_style_is_passed_on_as_it_is() -> None:
    reply = "\n国会がある。\n\n### Answer:\n東京"
    assert parts(delta(reply), style=STYLE) == ("国会がある。", "東京")
    assert parts(*[piece(char) for char in reply], style=STYLE) == ("国会がある。", "東京")


def test_a_character_in_two_halves_is_made_whole_and_a_lone_half_is_not_passed_on() -> None:
    halves = [json.dumps(delta(half)).replace("HALF", half) for half in ("\ud83d", "\uddfc")]
    assert parts(*halves) == ("", "\U0001f5fc")
    assert parts(halves[0], delta("東京"), halves[0]) == ("", "\ufffd東京\ufffd")


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        ({"choices": []}, ""),
        ({}, ""),
        ({"type": "ping"}, ""),
        ({"choices": None}, ""),
        ({"choices": [{}]}, ""),
        ({"choices": [{"delta": None, "finish_reason": None}]}, ""),
        ({"choices": [{"delta": {"role": "assistant", "content": None}}]}, ""),
        ({"choices": [{"delta": {"content": "a"}}]}, "a"),
        ({"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]}, "a"),
        ({"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}]}, ""),
        ({"choices": [{"delta": {"content": "a", "tool_calls": [{"x": 1}]}}], "new": [1]}, "a"),
    ],
)
def test_what_is_missing_or_new_is_no_fault(chunk: Any, text: str) -> None:
    assert parts(chunk) == ("", text)


@pytest.mark.parametrize(
    "data",
    ["{", "東京", "[1]", "null", '"text"', "NaN", "[" * 100_000, '{"choices": {}}', '{"choices": [1]}']
    + [json.dumps({"choices": [{"delta": value}]}) for value in ("text", [1], {"content": 1}, {"content": ["a"]})]
    + [json.dumps({"choices": [{"text": {"a": 1}}]}), '{"choices": [{"delta": {"reasoning": true}}]}'],
)
def test_what_is_in_no_known_form_is_refused(data: str) -> None:
    with pytest.raises(UnreadableError):
        ReplyReader(None).feed(data)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "out of memory", "code": 500}}, "out of memory"),
        ({"error": "model not found"}, "model not found"),
        ({"object": "error", "message": "too long"}, "too long"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"loc": ["body"], "msg": "field required"}, {"msg": "too short"}]}, "field required; too short"),
        ({"other": 1}, ""),
        ([], ""),
        (None, ""),
        ("plain", "plain"),
    ],
)
def test_what_an_error_says_is_found(body: object, said: str) -> None:
    assert error_message(json.dumps(body)) == said


def test_an_error_is_one_line_and_no_page() -> None:
    assert error_message("upstream\r\n  failed\n") == "upstream failed"
    assert error_message("good\rbad\x1c") == "good\rbad\x1c", "these are for whoever shows it to make visible"
    assert error_message(" <!DOCTYPE html><h1>502</h1>") == ""
    assert error_message("") == ""


@pytest.mark.parametrize(
    "chunk", [{"error": {"message": "full"}}, {"error": "full"}, {"object": "error", "message": "full"}]
)
def test_an_error_within_the_stream_is_raised(chunk: Any) -> None:
    with pytest.raises(ReportedError, match="^full$"):
        ReplyReader(None).feed(json.dumps(chunk))


def test_an_error_that_is_null_is_none() -> None:
    assert parts({**delta("東京"), "error": None}) == ("", "東京")


def test_tokens_are_the_servers_and_pieces_are_counted() -> None:
    reader = ReplyReader(None)
    for chunk in (delta(role="assistant"), delta("東"), delta("京"), delta(reason="stop")):
        reader.feed(json.dumps(chunk))
    assert (reader.pieces, reader.tokens, reader.finish_reason, reader.done) == (2, None, "stop", False)
    counts = (7, "x", -1, True, 10**30)  # of which the first is one
    for usage in (None, [], *({"prompt_tokens": -1, "completion_tokens": count} for count in counts)):
        reader.feed(json.dumps({"choices": [], "usage": usage}))
    assert (reader.tokens, reader.context_tokens) == (7, None)
    reader.feed(json.dumps({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 7}}))
    reader.feed(" [DONE]")
    assert (reader.pieces, reader.tokens, reader.context_tokens, reader.done) == (2, 7, 27, True)


@pytest.mark.parametrize("mark", ["</think>", "### Answer:"])
def test_a_mark_in_the_middle_of_an_answer_is_noticed(mark: str) -> None:
    reader = ReplyReader(None)
    reader.feed(json.dumps(delta(f"考える。{mark}東京")))
    assert reader.stray_mark == mark
    other = ReplyReader(None)
    other.feed(json.dumps(delta("<think>考える。</think>東京")))
    assert other.stray_mark is None
