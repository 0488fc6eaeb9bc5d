"""Out and in again gives the same records, whatever they hold, in every format that is written."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from curation.exchange.exporting import FORMATS, export_file
from curation.exchange.importing import import_rows
from curation.exchange.sheets import cell_fault
from curation.exchange.sources import open_source
from curation.records import KNOWN_FIELDS, format_record

ENDINGS = {"csv": ".csv", "xlsx": ".xlsx", "parquet": ".parquet"}
# Whatever has a meaning in one of the formats stands in texts as well.
TRICKY = [
    "=1+1", "'=1", "''-x", "-東京", "@a", "＝和", "\ttab", "a\r\nb\rc", "_x000D_", "_x005F_", "<think>a</think>b",
    "a</think>b", "a\n#### b", "<|reasoning|>a<|response|>b", "### Reasoning:\na\n\n### Answer:\nb", "### Instruction:\nq",
    "### Answer:", "[1]", '["a"]', '{"a": 1}', "null", "NULL", "NaN", "1.0", "true", "#N/A", ' "q" ', "a,b;c\td",
    "\u2028", "\u0085", "\ufeff", "\u3000", "a\n\nb", "😀", "髙﨑𠮟", "13JA",
]  # fmt: skip
text = st.one_of(
    st.sampled_from(TRICKY),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.lists(st.sampled_from([*TRICKY, "東京です。", "\n\n", " "]), max_size=3).map("".join),
)
said = text.filter(str.strip)
tag = st.sampled_from(["ja", "en", "zh-Hans", "JA", "fr", "ja-JP"])
value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=3,
)
known = st.fixed_dictionaries(
    {"instruction": said, "reasoning": said, "answer": said},
    optional={
        "input": text, "language": tag, "reasoning_language": tag, "family": said, "category": said,
        "tags": st.lists(said, max_size=3), "source": said, "license": said, "note": text,
        "provenance": st.dictionaries(text, value, max_size=2),
    },
)  # fmt: skip
names = st.sampled_from(["seq", "messages", "prompt", "completion", "output", "response", "phi2chat", "thinking", "x"])
unknown = (names | said).filter(lambda name: name not in KNOWN_FIELDS)  # Hypothesis draws words of the code, too
records = st.lists(
    st.builds(lambda fields, more: {**more, **fields}, known, st.dictionaries(unknown, value, max_size=2)),
    min_size=1,
    max_size=3,
).map(lambda rows: [{"id": f"r{number}", **row} for number, row in enumerate(rows)])


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(format_record(row) for row in rows))
    return path


def read(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def out_and_in(name: str, rows: list[dict[str, Any]], ending: str) -> tuple[list[Mapping[str, Any]], list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder) / "a.jsonl", rows)
        target = Path(folder) / f"out{ending}"
        export_file(source, target, FORMATS[name])
        rejected: list[str] = []
        back = Path(folder) / "b.jsonl"
        # Scripts are judged elsewhere; here only the bytes count.
        import_rows(
            open_source(target), back, None, lambda row, why: rejected.append(f"{row.place}: {why}"), None, True
        )
        return read(back) if back.exists() else [], rejected


@pytest.mark.parametrize("name", FORMATS)
@given(rows=records)
@example(rows=[{"id": "a", "instruction": "=1+1", "reasoning": "'=1", "answer": "-\r\n", "input": "", "seq": "13JA"}])
@example(rows=[{"id": "a", "instruction": "q\n\nx", "reasoning": "r", "answer": "<think>a</think>b", "input": "x"}])
@example(rows=[{"id": "a", "instruction": " q ", "reasoning": "r\n", "answer": "a", "tags": [], "messages": None}])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))  # each example waits for the disk
def test_out_and_in_again_gives_the_same_records(name: str, rows: list[dict[str, Any]]) -> None:
    if name == "xlsx":
        rows = json.loads(json.dumps(rows), object_hook=without_what_no_sheet_holds)
    back, rejected = out_and_in(name, rows, ENDINGS.get(name, ".jsonl"))
    assert rejected == []
    assert [json.dumps(row, sort_keys=True) for row in back] == [json.dumps(row, sort_keys=True) for row in rows]


def without_what_no_sheet_holds(value: dict[str, Any]) -> dict[str, Any]:
    def mend(item: Any) -> Any:
        if isinstance(item, str):
            return "".join(char for char in item if not cell_fault(char)) or "x"
        return [mend(part) for part in item] if isinstance(item, list) else item

    return {mend(name): mend(item) for name, item in value.items()}


@pytest.mark.parametrize("name", ["messages", "alpaca", "sharegpt", "prompt-completion"])
def test_a_json_array_and_tabs_are_read_back_too(name: str, ja_basics: Path, tmp_path: Path) -> None:
    rows = [dict(row) for row in read(ja_basics)][:20]
    assert out_and_in(name, rows, ".json") == (rows, [])
    assert out_and_in("csv", rows, ".tsv") == (rows, [])
