"""A line by both ways of reading it: what the fast one gives is what the exact one gives, or nothing."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.lines import MAX_BYTES, BadLine, parse_exactly, parse_line, parse_plain, split_lines

TEXTS = st.text(st.characters(exclude_categories=[]), max_size=6)
# Pieces that make a line nearly right: keys that stand twice, constants, escapes, brackets, blanks, bytes.
PIECES = st.sampled_from([
    b'"a"', b'"b"', b'"\\u0061"', b'"\\""', b'"\\u0022"', b'"\\\\"', b'"\\ud83d\\ude00"', b'"\\ud83d"', b'"\xe3\x81\x82"', b'"x',
    b"{", b"}", b"[", b"]", b":", b":", b",", b",", b" ", b"\r", b"\n", b"NaN", b"-Infinity", b"1e999", b"1", b"0.10", b"null",
    b"true", b"\xff", b"\xef\xbb\xbf", b"\x00", b"\x0c", b"9" * 400, b"9" * 4400, b"[" * 101 + b"]" * 101,
])  # fmt: skip


@st.composite
def near_lines(draw: st.DrawFn) -> bytes:
    """Objects as a writer would make them, some with a member too many and some with a few bytes changed."""
    values = TEXTS | st.lists(TEXTS, max_size=3) | st.integers() | st.none() | st.dictionaries(TEXTS, TEXTS, max_size=2)
    members = draw(st.lists(st.tuples(st.sampled_from(["a", "b", 'c"']) | TEXTS, values), max_size=5))
    ascii_only = draw(st.booleans())
    written = [json.dumps({key: value}, ensure_ascii=ascii_only)[1:-1] for key, value in members]
    line = ("{" + ", ".join(written) + "}").encode("utf-8", "surrogatepass")
    if draw(st.booleans()):
        place = draw(st.integers(0, len(line)))
        line = line[:place] + draw(PIECES) + line[place + draw(st.integers(0, 2)) :]
    return line + draw(st.sampled_from([b"\n", b"\r\n", b""]))


def outcome(parse: Any, raw: bytes) -> str:
    try:
        return json.dumps(parse(raw))
    except BadLine as bad:
        return f"{bad.column}: {bad.message} [{bad.rule}]"


@given(near_lines() | st.lists(PIECES, max_size=12).map(b"".join) | st.binary(max_size=12))
@example(b'{"a": "x", "a": "y"}')
@example(b'{"a": {"a": 1, "a": 2}, "a": "x"}')
@example(b'{"a": "\\u0022", "b": "", "b": "\\""}')
@settings(deadline=None, max_examples=400)
def test_the_fast_way_finds_what_the_exact_one_finds(raw: bytes) -> None:
    assert outcome(parse_line, raw) == outcome(parse_exactly, raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"instruction": "a", "reasoning": "\\"b\\"", "answer": "c\\\\", "tags": ["d", "\\u3042"]}\n',
        '{"instruction": "日本の首都は？", "reasoning": "国会です。", "answer": "東京です。"}\r\n'.encode(),
    ],
)
def test_a_record_of_texts_takes_the_fast_way(raw: bytes) -> None:
    assert parse_plain(raw) == json.loads(raw)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b'{"a": "x', '7: not JSON: unterminated string starting at this column; the file ends within this line'),
        (b'{"a": 1', "8: not JSON: expecting ',' delimiter; the file ends within this line"),
        (b'{"a": nul}', "7: not JSON: expecting value"),
        (b'{"a": 1\n', "8: not JSON: expecting ',' delimiter"),
    ],
)  # fmt: skip
def test_a_last_line_that_was_cut_off_is_called_that(raw: bytes, fault: str) -> None:
    assert outcome(parse_line, raw) == f"{fault} [json]"


@pytest.mark.parametrize("text", ["あ" * 5_000_000, "[" * 100_000, '{"a":' * 100_000, '\\"' * 1_000_000])
def test_a_long_or_deep_line_is_read_or_refused_in_a_sentence(text: str) -> None:
    assert parse_line(f'{{"a": "{text.replace(chr(34), "") if chr(92) not in text else text}"}}\n'.encode())
    assert outcome(parse_line, text.encode()).endswith("[json]")


def test_a_line_is_read_up_to_its_longest_and_refused_beyond_it() -> None:
    longest = b'{"answer": "' + b"x" * (MAX_BYTES - 14) + b'"}'
    assert len(parse_line(longest)["answer"]) == MAX_BYTES - 14
    with pytest.raises(BadLine) as caught:
        parse_line(longest + b"\n")
    assert caught.value.message == (
        "the line has 16,777,217 bytes, and may have 16,777,216; is the end of a line missing in it?"
    )


@given(st.lists(st.binary(max_size=8) | st.sampled_from([b"\n", b"\r\n", "\u2028".encode(), b"\x85", b"\r"])))
def test_lines_end_at_line_feeds_only_and_lose_no_byte(chunks: list[bytes]) -> None:
    content = b"".join(chunks)
    lines = split_lines(content)
    assert b"".join(lines) == content
    assert [line.count(b"\n") for line in lines[:-1]] == [1] * len(lines[:-1])
