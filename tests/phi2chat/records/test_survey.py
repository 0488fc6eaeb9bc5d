"""`phi2chat curate stats` and `curate check-split` as a user meets them."""

import io
import json
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from phi2chat.records.charts import draw_bars
from phi2chat.terminal.screen import SafeConsole, Screen

Phi2Chat = Callable[..., "subprocess.CompletedProcess[str]"]

TOKYO = {
    "id": "a",
    "instruction": "日本の首都は？",
    "reasoning": "国会があります。",
    "answer": "東京です。",
    "category": "地理",
}
PARIS = {"id": "b", "instruction": "フランスの首都は？", "reasoning": "考えます。", "answer": "首都是巴黎。"}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_counts_of_files_of_any_format_come_together(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", TOKYO, PARIS)
    (tmp_path / "b.csv").write_text("instruction,output,language\nCapital?,Tokyo.,en\n")
    done = phi2chat("curate", "stats", "a.jsonl", "b.csv", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["records"] == 3
    assert found["languages"] == {"ja": 2, "en": 1}
    assert found["categories"] == {"": 2, "地理": 1}
    assert found["characters"]["answer"] == {"min": 5, "median": 6, "mean": 5.7, "90%": 6, "max": 6}
    assert found["tokens"] == {}
    assert found["wrong_script"] == ["a.jsonl:2: answer"]
    assert found["again"] == {"ids": 0, "questions": 0, "records": 0}


@pytest.mark.parametrize("width", [80, 40])
def test_the_bars_of_a_terminal_keep_to_its_width(phi2chat: Phi2Chat, tmp_path: Path, width: int) -> None:
    long = {**TOKYO, "id": "c", "category": "とても長い分類の名前で端末の幅の半分よりも長いもの\x1b[31m"}
    write(tmp_path / "a.jsonl", TOKYO, PARIS, long)
    done = phi2chat("curate", "stats", "a.jsonl", COLUMNS=str(width))
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert max(map(cell_len, done.stdout.splitlines())) == width
    assert "地理" in done.stdout and "(none)" in done.stdout


@pytest.mark.parametrize("width", [80, 40, 12])
def test_bars_begin_in_one_column_whatever_the_width_of_their_labels(width: int) -> None:
    out = io.StringIO()
    Screen(out=SafeConsole(file=out, width=width)).bars(
        [("日本語", 1000), ("en", 500), ("한국어と日本語の長い名前", 1), ("x", 0)]
    )
    lines = out.getvalue().splitlines()
    assert {cell_len(line.partition("█")[0]) for line in lines if "█" in line} == {cell_len(lines[0].partition("█")[0])}
    bars = [line.count("█") for line in lines]
    assert (bars[0], bars[2:]) == (max(bars), [1, 0])
    assert cell_len(lines[0]) == width


def test_the_picture_is_a_png_and_says_when_no_font_has_the_labels(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", TOKYO)
    done = phi2chat("curate", "stats", "a.jsonl", "--png", "s.png")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "drew s.png")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    content, is_complete = draw_bars({"languages": [("ja", 2), ("$x$ _ ^ \\", 1)], "none": [("", 0)]})
    assert is_complete
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height > 300) == (1008, True)


def test_tokens_are_counted_by_the_tokenizer_that_is_named(phi2chat: Phi2Chat, tmp_path: Path, tiny_phi: Path) -> None:
    write(tmp_path / "a.jsonl", TOKYO)
    found = json.loads(phi2chat("curate", "stats", "a.jsonl", "--json", "--tokenizer", tiny_phi).stdout)
    assert set(found["tokens"]) == {"instruction", "reasoning", "answer"}
    assert 0 < found["tokens"]["answer"]["max"] <= 3 * len(TOKYO["answer"])


def test_two_sides_that_share_nothing_are_good(phi2chat: Phi2Chat, ja_basics: Path) -> None:
    folder = ja_basics.with_suffix("")
    done = phi2chat("curate", "check-split", folder / "train.jsonl", folder / "eval.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("299 train and 28 eval records: nothing leaks\n")


def test_what_leaks_is_named_by_line_on_sides_that_others_made(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", PARIS, {**TOKYO, "family": "13"})
    rows = [
        {"instruction": "日本の首都は?", "output": "京都です。", "family": "13"},
        {"instruction": "1+1は？", "output": "2です。"},
    ]
    (tmp_path / "eval.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    done = phi2chat("curate", "check-split", "train.jsonl", "eval.json")
    assert done.returncode == 1
    assert done.stdout.splitlines()[:3] == [
        'eval.json: item 1: "13" is on the train side too: train.jsonl:2 [same-family]',
        "eval.json: item 1: asks the same: train.jsonl:2 [same-question]",
        "eval.json: item 1: asks the same and answers otherwise: train.jsonl:2 [contradiction]",
    ]
    assert done.stdout.endswith(
        "2 train and 2 eval records: 1 of the eval side leaks (1 same-family, 1 same-question, 1 contradiction)\n"
    )
    found = json.loads(phi2chat("curate", "check-split", "train.jsonl", "eval.json", "--json").stdout)
    assert (found["leaking_records"], len(found["leaks"])) == (1, 3)
    assert found["category"] == {"train": {"(none)": 1, "地理": 1}, "eval": {"(none)": 2}}


def test_a_row_that_cannot_be_read_is_named_and_not_left_out(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", TOKYO, {"chosen": "x"})
    sentence = (
        "phi2chat: a.jsonl: line 2: has none of the known shapes; its columns are chosen; mend it, or bring it in by"
    )
    for arguments in (["stats", "a.jsonl"], ["check-split", "a.jsonl", "a.jsonl"]):
        done = phi2chat("curate", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(sentence)
