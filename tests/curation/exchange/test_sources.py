"""What is wrong with the file that is read is said of that file, whatever is written meanwhile."""

import sys
from pathlib import Path

import pytest

from curation.errors import UserError
from curation.exchange.importing import import_rows
from curation.exchange.sources import open_source

ROW = '{"instruction": "首都は？", "reasoning": "国会。", "answer": "東京。"}\n'
ROWS = {"a.jsonl": ROW, "a.json": f"[{ROW}]", "a.csv": "instruction,reasoning,answer\n首都は？,国会。,東京。\n"}


@pytest.mark.parametrize("name", ROWS)
def test_a_file_that_can_be_read_no_more_is_named_and_not_the_one_that_is_written(tmp_path: Path, name: str) -> None:
    path, target = tmp_path / name, tmp_path / "data.jsonl"
    path.write_text(ROWS[name], encoding="utf-8")
    source = open_source(path)
    path.unlink()
    with pytest.raises(UserError) as raised:
        import_rows(source, target, None, lambda row, reason: None)
    assert str(raised.value) == (
        f"{path}: cannot be read (No such file or directory); check the path and its permissions"
    )
    assert not target.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="there is no file here that a disk would refuse to read")
def test_a_disk_that_cannot_read_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"/proc/self/mem: cannot be read \(Input/output error\)"):
        open_source(Path("/proc/self/mem"))
