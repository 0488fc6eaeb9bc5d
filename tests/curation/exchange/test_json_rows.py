"""JSON is read piece by piece, and the pieces do not show."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import UserError
from curation.exchange.json_rows import read_array, read_lines


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=60_000) | st.integers(), max_size=3)), st.booleans()
)
@settings(max_examples=25, deadline=None)
def test_an_array_of_any_size_and_layout_gives_its_objects(
    tmp_path_factory: pytest.TempPathFactory, rows: list[object], wide: bool
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(rows, ensure_ascii=wide, indent=3 if wide else None), encoding="utf-8", errors="replace")
    expected = json.loads(path.read_text(encoding="utf-8"))
    assert [row.data for row in read_array(path)] == expected


@pytest.mark.parametrize("text", ["[", "[{}", "[{},", "[{} {}]", "[{}] x", '[{"a": "b'])
def test_an_array_that_is_cut_or_broken_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json: the array is broken or cut \(.*\); mend it or export it again"):
        list(read_array(tmp_path / "a.json"))


def test_an_array_that_is_nested_too_deeply_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"a\.json: the array is nested too deeply; give one of rows"):
        list(read_array(tmp_path / "a.json"))


def test_broken_lines_are_rows_with_a_fault_and_blank_ones_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n{"a": NaN}\n[1]\n{"a": "\xff"}\n')
    assert [(row.place, row.fault) for row in read_lines(tmp_path / "a.jsonl")] == [
        ("line 1", ""),
        ("line 3", "not JSON: NaN is not a JSON value"),
        ("line 4", "a line must hold a JSON object, not an array"),
        ("line 5", "byte 0xff is not UTF-8; save the file as UTF-8"),
    ]
