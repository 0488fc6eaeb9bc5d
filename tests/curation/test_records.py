"""JSONL bytes and records: every fault has its place, and no byte changes that was not edited."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import UserError
from curation.records import (
    Dataset,
    Finding,
    Record,
    column_of,
    edit_line,
    format_record,
    members,
    parse_dataset,
    read_bytes,
    read_dataset,
)


def parse(content: bytes) -> Dataset:
    return parse_dataset(Path("x.jsonl"), content)


def faults(content: bytes) -> list[str]:
    return [str(finding) for finding in parse(content).broken]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(b'{"a": nul}\n', "1:7: not JSON: expecting value [json]", id="bad JSON"),
        pytest.param('{"答え": nul}\n'.encode(), "1:8: not JSON: expecting value [json]", id="columns are code points"),
        pytest.param(b'{"a" 1}\n', "1:6: not JSON: expecting ':' delimiter [json]", id="no colon"),
        pytest.param(b'{"a": 1\n', "1:8: not JSON: expecting ',' delimiter [json]", id="no closing brace"),
        pytest.param(b'{"a": 1\r\n', "1:8: not JSON: expecting ',' delimiter [json]", id="no closing brace, CRLF"),
        pytest.param(b'{"a": "x\n', "1:7: not JSON: unterminated string starting at this column [json]", id="no quote"),
        pytest.param(b'{"a":"\x01"}\n', "1:7: not JSON: invalid control character at this column [json]", id="control"),
        pytest.param(b'{"a": 1} {"b": 2}\n', "1:10: not JSON: extra data [json]", id="two objects"),
        pytest.param(b'{"a": 1}\r{"b": 2}\n', "1:10: not JSON: extra data [json]", id="CR is no line ending"),
        pytest.param(b'{"a": "\xe6\x9d\xb1\xff"}\n', "1:9: byte 0xff is not UTF-8; save the file as UTF-8 [utf-8]"),
        pytest.param(b'{"a": "\xe6\x9d', "1:8: byte 0xe6 is not UTF-8; save the file as UTF-8 [utf-8]", id="cut"),
        pytest.param('{"a": "東"}'.encode("cp932"), "1:8: byte 0x93 is not UTF-8; save the file as UTF-8 [utf-8]"),
        pytest.param(
            b'\xef\xbb\xbf{"a": 1}\n', "1:1: begins with a byte order mark; `curate validate --fix` removes it [bom]"
        ),
        pytest.param(b"\n", "1:1: the line is blank; `curate validate --fix` removes it [blank-line]", id="empty line"),
        pytest.param(
            b' \t\r\n{"a": 1}\n',
            "1:1: the line is blank; `curate validate --fix` removes it [blank-line]",
            id="spaces only",
        ),
        pytest.param(
            b'{"a": 1}\n\n',
            "2:1: the line is blank; `curate validate --fix` removes it [blank-line]",
            id="empty second line",
        ),
        pytest.param(b'{"a": 1, "a": 2}\n', '1:1: not JSON: the key "a" stands twice in one object [json]'),
        pytest.param(
            b'{"p": {"a": 1, "\\u0061": 2}}\n', '1:1: not JSON: the key "a" stands twice in one object [json]'
        ),
        pytest.param(b'{"a": NaN}\n', "1:1: not JSON: NaN is not a JSON value [json]"),
        pytest.param(b'{"a": -Infinity}\n', "1:1: not JSON: -Infinity is not a JSON value [json]"),
        pytest.param(b'{"a": 1e999}\n', "1:1: not JSON: the number 1e999 is too large [json]"),
        pytest.param(b'{"a": "\\ud83d\\ude00", "b": -1e400}\n', "1:1: not JSON: the number -1e400 is too large [json]"),
        pytest.param(
            b'{"a": ' + b"9" * 5000 + b"}\n", "1:1: not JSON: a number of 5,000 digits is too long [json]", id="digits"
        ),
        pytest.param(b'{"a": "\\ud83d"}\n', "1:1: half of a surrogate pair, which is no character [surrogate]"),
        pytest.param(b'{"a": "\\uDE00\\uD83D"}\n', "1:1: half of a surrogate pair, which is no character [surrogate]"),
        pytest.param(b'{"\\ud83d": 1}\n', "1:1: half of a surrogate pair, which is no character [surrogate]"),
        pytest.param(
            b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}\n", "1:1: nested too deeply [json]", id="101 levels deep"
        ),
        pytest.param(b"[" * 100_000 + b"\n", "1:1: nested too deeply [json]", id="100,000 levels deep"),
        pytest.param(b"[1]\n", "1:1: a line must hold a JSON object, not an array [json]"),
        pytest.param(b"null\n", "1:1: a line must hold a JSON object, not null [json]"),
        pytest.param(b"true\n", "1:1: a line must hold a JSON object, not a boolean [json]"),
        pytest.param(b"1.5\n", "1:1: a line must hold a JSON object, not a number [json]"),
        pytest.param(b'"a"\n', "1:1: a line must hold a JSON object, not a string [json]"),
    ],
)
def test_a_broken_line_is_named_with_its_place(content: bytes, fault: str) -> None:
    assert faults(content) == [f"x.jsonl:{fault}"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"a": 1}',
        b'{"a": 1}\r\n',
        b" {\t}  \n",
        '{"a": "x\u2028y\u2029z\x85"}\n'.encode(),
        '{"a": "\ufeff"}\n'.encode(),
        b'{"a": "\\ud83d\\ude00"}\n',
        b'{"a": "\\\\ud800"}\n',
        b'{"a": ' + b"9" * 4300 + b"}\n",
        b'{"a": ' + b"[" * 99 + b"]" * 99 + b"}\n",
    ],
    ids=["empty", "no newline", "CRLF", "no member", "U+2028", "BOM inside", "pair", "backslash", "digits", "deep"],
)
def test_an_unusual_line_is_no_fault(content: bytes) -> None:
    assert faults(content) == []
    assert len(parse(content).lines) == bool(content)


def test_a_broken_line_does_not_hide_the_others() -> None:
    dataset = parse(b'{"a": 1}\n{"a": \n\xff\n{"a": 2}')
    assert [(line.number, record.data) for line, record in dataset.records()] == [(1, {"a": 1}), (4, {"a": 2})]
    assert [(finding.line, finding.rule) for finding in dataset.broken] == [(2, "json"), (3, "utf-8")]


@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([b'{"a": 1}', b"\r", b"\n", b"\n\n"]))))
def test_a_file_of_any_bytes_is_read_without_losing_one(chunks: list[bytes]) -> None:
    content = b"\n".join(chunks)
    dataset = parse(content)
    assert b"".join(line.raw for line in dataset.lines) == content
    assert [line.number for line in dataset.lines] == list(range(1, len(dataset.lines) + 1))
    assert {line.number for line in dataset.lines if line.record is None} == {f.line for f in dataset.broken}


# -- editing ---------------------------------------------------------------------------------------------------------

SPACES = st.text(" \t", max_size=2)
SPELLED_NUMBERS = st.sampled_from(["1.10", "1E5", "-0", "-0.0", "1e-7", "100000000000000000000001", "0.1", "7"])
SPELLED_STRINGS = st.builds(json.dumps, st.text(max_size=8), ensure_ascii=st.booleans())
SPELLED_VALUES = st.recursive(
    SPELLED_NUMBERS | SPELLED_STRINGS | st.sampled_from(["null", "true", "false", '"\\/"', '"\\u3042"', "[ ]", "{\t}"]),
    lambda values: (
        st.lists(values, max_size=3).map(lambda items: f"[{' ,'.join(items)}]")
        | values.map(lambda value: f'{{ "k" :{value}}}')
    ),
    max_leaves=4,
)
NEW_VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@st.composite
def written_lines(draw: st.DrawFn) -> str:
    """A JSON object as somebody might write it: any spacing, any spelling, any line ending."""
    keys = draw(st.lists(SPELLED_STRINGS, max_size=4, unique_by=json.loads))
    between = [draw(SPACES) + key + draw(SPACES) + ":" + draw(SPACES) + draw(SPELLED_VALUES) for key in keys]
    inside = ",".join(member + draw(SPACES) for member in between)
    ending = draw(st.sampled_from(["\n", "\r\n", ""]))
    return draw(SPACES) + "{" + draw(SPACES) + inside + "}" + draw(SPACES) + ending


def texts_of_members(line: str) -> dict[str, str]:
    return {member.key: line[member.start : member.end] for member in members(line)}


def exactly(value: object) -> str:
    """Tells 1, 1.0 and true apart, which are equal in Python."""
    return json.dumps(value, sort_keys=True)


@given(written_lines(), st.data())
@settings(deadline=None)
def test_an_edited_line_holds_what_was_asked_and_keeps_the_text_of_every_other_member(line: str, data: Any) -> None:
    old = json.loads(line)
    removed = data.draw(st.sets(st.sampled_from(sorted(old)))) if old else set()
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(old)) if old else st.text(), NEW_VALUES))
    added = data.draw(st.dictionaries(st.text(max_size=3), NEW_VALUES, max_size=2))
    asked = {**{key: value for key, value in old.items() if key not in removed}, **changed, **added}

    new = edit_line(line.encode(), asked).decode()

    assert exactly(json.loads(new)) == exactly(asked)
    before, after = texts_of_members(line), texts_of_members(new)
    untouched = [key for key in old if key in asked and exactly(old[key]) == exactly(asked[key])]
    assert {key: after[key] for key in untouched} == {key: before[key] for key in untouched}
    assert [key for key in after if key in old] == [key for key in old if key in asked]
    assert new[: new.index("{")] == line[: line.index("{")]
    assert new[new.rindex("}") :] == line[line.rindex("}") :]


@given(written_lines())
def test_a_line_edited_to_what_it_says_keeps_its_bytes(line: str) -> None:
    raw = line.encode()
    if members(line):  # the spaces inside an empty object are nobody's
        assert edit_line(raw, json.loads(line)) == raw


@pytest.mark.parametrize(
    ("line", "data", "edited"),
    [
        ('{"a": 1.10, "b": 1E5, "c": "x"}\n', {"a": 1.1, "b": 1e5, "c": "y"}, '{"a": 1.10, "b": 1E5, "c": "y"}\n'),
        ('{"a": 1, "b": 2}\n', {"a": 1.0, "b": 2}, '{"a": 1.0, "b": 2}\n'),
        ('{"a": 1, "b": 2}\n', {"a": True, "b": 2}, '{"a": true, "b": 2}\n'),
        ('{"a":1,"b":2}\r\n', {"a": 1, "b": 3, "c": 4}, '{"a":1,"b":3,"c": 4}\r\n'),
        ('{ "a" : 1,"b": 2 ,  "c": 3 }', {"a": 9, "b": 2, "c": 3}, '{ "a" : 9,"b": 2 ,  "c": 3 }'),
        ('{"a": 1,  "b": 2,"c": 3}\n', {"a": 1, "c": 3}, '{"a": 1,"c": 3}\n'),
        ('{"a": 1, "b": 2}\n', {"b": 2}, '{"b": 2}\n'),
        ('{"a": 1}\n', {}, "{}\n"),
        ("{}\n", {"a": 1, "b": 2}, '{"a": 1, "b": 2}\n'),
        ('{"a": "\\u3042"}\n', {"a": "い"}, '{"a": "\\u3044"}\n'),
        ('{"a": "\\u3042", "b": "う"}\n', {"a": "い", "b": "う"}, '{"a": "い", "b": "う"}\n'),
        ('{"a": "\\/", "b": 1}\n', {"a": "/", "b": 2}, '{"a": "\\/", "b": 2}\n'),
        ('{"p": {"x": 1,"y":[ 2 ]}, "b": 1}\n', {"p": {"x": 1, "y": [2]}, "b": 2}, '{"p": {"x": 1,"y":[ 2 ]}, "b": 2}\n'),
    ],
)  # fmt: skip
def test_an_edit_changes_only_what_it_names(line: str, data: dict[str, Any], edited: str) -> None:
    assert edit_line(line.encode(), data).decode() == edited


@given(st.dictionaries(st.text(), st.recursive(NEW_VALUES, lambda values: st.lists(values, max_size=2), max_leaves=4)))
def test_a_formatted_record_reads_back_as_the_same(data: dict[str, Any]) -> None:
    dataset = parse(format_record(data))
    assert [exactly(record.data) for _, record in dataset.records()] == [exactly(data)]


@given(written_lines())
def test_the_column_of_a_field_is_where_its_value_begins(line: str) -> None:
    for key, value in json.loads(line).items():
        column = column_of(line.encode(), key)
        assert exactly(json.JSONDecoder().raw_decode(line, column - 1)[0]) == exactly(value)
    assert column_of(line.encode(), "a key that no line has") == 1


def test_a_finding_in_each_of_many_fields_is_placed_without_reading_the_line_each_time() -> None:
    line = json.dumps({f"f{n}": "あ" for n in range(20_000)}).encode()  # hours, if it were
    assert [line[column_of(line, f"f{n}") - 1 :][:8] for n in range(20_000)] == [b'"\\u3042"'] * 20_000


# -- records and files -----------------------------------------------------------------------------------------------


def test_a_record_has_the_defaults_of_the_contract() -> None:
    record = Record({"instruction": "問い", "reasoning": "考え", "answer": "答え"})
    assert (record.id, record.input, record.language, record.reasoning_language) == (None, "", "ja", "ja")
    assert Record({"language": "en"}).reasoning_language == "en"
    assert Record({"language": "en", "reasoning_language": "ja"}).reasoning_language == "ja"


def test_a_finding_without_a_field_is_shown_without_one() -> None:
    assert str(Finding(Path("x.jsonl"), 3, 7, "", "is bad", "rule")) == "x.jsonl:3:7: is bad [rule]"
    assert str(Finding(Path("x.jsonl"), 3, 7, "id", "is bad", "rule")) == "x.jsonl:3:7: id: is bad [rule]"


def test_a_record_is_found_by_its_id() -> None:
    line, record = parse(b'{"id": "a"}\n{"id": "b"}\n').find("b")
    assert (line.number, record.id) == (2, "b")


@pytest.mark.parametrize(
    ("record_id", "message"),
    [
        ("c", 'x.jsonl: no record has the id "c"; `phi2chat curate list` shows the ids'),
        ("a", 'x.jsonl: lines 1, 3 share the id "a"; give them ids of their own first'),
    ],
)
def test_an_id_that_no_one_record_has_is_refused(record_id: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse(b'{"id": "a"}\n{"id": "b"}\n{"id": "a"}\n').find(record_id)
    assert str(error.value) == message


def test_a_dataset_carries_the_hash_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"abc")
    assert read_dataset(path).sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_what_is_no_readable_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path / "nothing", "no such file; check the path"),
        (tmp_path, "is not a regular file; give another"),
        (tmp_path / "pipe", "is not a regular file; give another"),
        (tmp_path / ("n" * 300), "cannot be read (File name too long); check the path and its permissions"),
    ):
        with pytest.raises(UserError) as error:
            read_bytes(path)
        assert str(error.value) == f"{path}: {message}"
