"""A run keeps the records that it was trained on."""

from pathlib import Path

import pytest
from made_rounds import record

from curation.errors import UserError
from phi2chat.inference.examples import Row, Sides
from phi2chat.weights.snapshot import RECORDS_FILE, read_records, save_records

HERE = Path("my.jsonl")


def test_what_was_trained_on_is_read_again(tmp_path: Path) -> None:
    train, eval_ = record("a", "首都は？\u2028𠮷", tags=["x"]), record("b", "海は？", note=None)
    sides = Sides((Row(HERE, 1, train),), (Row(HERE, 2, eval_),), {}, ())
    assert read_records(tmp_path) is None
    save_records(tmp_path, sides)
    first = (tmp_path / RECORDS_FILE).read_bytes()
    kept = read_records(tmp_path)
    assert kept is not None
    assert [one.data for one in kept.train] == [train.data]
    assert [one.data for one in kept.eval] == [eval_.data]
    save_records(tmp_path, sides)
    assert (tmp_path / RECORDS_FILE).read_bytes() == first


@pytest.mark.parametrize("content", [b"", b"no gzip", b"cut"])
def test_a_damaged_one_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    save_records(tmp_path, Sides((Row(HERE, 1, record("a", "首都は？")),), (), {}, ()))
    path = tmp_path / RECORDS_FILE
    path.write_bytes(path.read_bytes()[:-9] if content == b"cut" else content)
    if content == b"":
        path.write_bytes(b"\x1f\x8b")
    with pytest.raises(UserError, match="is damaged"):
        read_records(tmp_path)
