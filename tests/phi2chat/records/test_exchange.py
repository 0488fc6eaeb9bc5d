"""`phi2chat curate import` and `curate export` as a user meets them, and the readers of other programs."""

import codecs
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from curation.errors import UserError
from curation.exchange.shapes import SHAPES
from phi2chat import cli
from phi2chat.inference.prompt import PromptStyle, render_record
from phi2chat.records.exchange import SHAPES as NAMES_OF_SHAPES

Phi2Chat = Callable[..., "subprocess.CompletedProcess[str]"]

TOKYO = {"id": "tokyo", "instruction": "日本の首都は？", "reasoning": "国会があります。", "answer": "東京です。"}
SUM = {
    "id": "sum",
    "instruction": "1+1は？",
    "reasoning": "=1+1",
    "answer": "-2ではなく2です。",
    "tags": ["a"],
    "x": 1.1,
}
PARIS = {
    "id": "paris", "instruction": "日本語にしてください。", "input": "Paris is the capital.", "reasoning": "訳します。",
    "answer": "パリは首都です。", "license": "MIT", "category": "訳", "provenance": {"round": 2},
}  # fmt: skip
RECORDS = [TOKYO, SUM, PARIS]


def transcript(done: "subprocess.CompletedProcess[str]") -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def visible(folder: Path) -> list[str]:
    return sorted(
        path.name for path in folder.iterdir() if not path.name.endswith((".lock", ".journal")) and path.name != "state"
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "data.jsonl", RECORDS)


def sheet(path: Path, *rows: list[object]) -> Path:
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    workbook.save(path)
    return path


# -- import: the seed's sheet ----------------------------------------------------------------------------------------


def test_a_sheet_with_seq_numbers_becomes_families_and_languages(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    header = ["seq", "instruction", "input", "output", "reasoning", "language", "category"]
    sheet(
        tmp_path / "seed.xlsx", header,
        ["13JA", "日本の首都は？", None, "東京です。", "国会があります。", None, "地理"],
        ["13EN", "What is the capital of Japan?", None, "Tokyo.", "The government sits there.", "English", "地理"],
        ["13ZH", "日本的首都是哪里？", None, "东京。", "日本政府在东京。", "中国語", "地理"],
    )  # fmt: skip
    done = phi2chat("curate", "import", "seed.xlsx", "--into", "my.jsonl")
    assert transcript(done) == (0, "added 3 records to my.jsonl\n", "seed.xlsx: the sheet Sheet, 3 rows: alpaca\n")
    rows = read(tmp_path / "my.jsonl")
    assert [(row["id"], row["family"], row["language"]) for row in rows] == [
        ("13JA", "13", "ja"), ("13EN", "13", "en"), ("13ZH", "13", "zh"),
    ]  # fmt: skip
    assert rows[0] == {
        "id": "13JA", "instruction": "日本の首都は？", "reasoning": "国会があります。", "answer": "東京です。", "language": "ja",
        "family": "13", "category": "地理",
    }  # fmt: skip
    again = phi2chat("curate", "import", "seed.xlsx", "--into", "my.jsonl")
    assert again.stdout == "added 0 records to my.jsonl; 3 were there already\n"
    assert read(tmp_path / "my.jsonl") == rows


def test_columns_are_named_once_and_remembered(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    sheet(
        tmp_path / "a.xlsx", ["No", "質問", "回答", "考え方"], [1, "日本の首都は？", "東京です。", "国会があります。"]
    )
    sheet(tmp_path / "b.xlsx", ["No", "質問", "回答", "考え方"], [2, "1+1は？", "2です。", "足します。"])
    asked = phi2chat("curate", "import", "a.xlsx", "--into", "my.jsonl")
    mapping = "instruction=質問,reasoning=考え方,answer=回答"
    assert transcript(asked) == (
        1,
        "",
        "a.xlsx: the sheet Sheet, 1 row: in none of the known formats\n"
        f"phi2chat: a.xlsx: say which column is which field, as in --map {mapping}; its columns are No, 質問, 回答, 考え方\n",
    )
    assert phi2chat("curate", "import", "a.xlsx", "--into", "my.jsonl", "--map", mapping).returncode == 0
    second = phi2chat("curate", "import", "b.xlsx", "--into", "my.jsonl")
    assert second.returncode == 0
    assert f"columns as the last time: {mapping}; --map decides otherwise\n" in second.stderr
    assert "no fields of a record: No (1)\n" in second.stderr
    assert [(row["instruction"], row["No"]) for row in read(tmp_path / "my.jsonl")] == [
        ("日本の首都は？", "1"), ("1+1は？", "2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ("instruction", "--map instruction: is not a list such as instruction=質問,answer=回答"),
        ("anser=a", "--map anser=a: anser is not a field of a record; did you mean answer?"),
        ("instruction=q,answer=z", 'a.csv: has no column "z" for answer; its columns are q, a'),
        ("instruction=q", "a.csv: no column is given for answer; name it with --map"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(
    phi2chat: Phi2Chat, tmp_path: Path, mapping: str, sentence: str
) -> None:
    (tmp_path / "a.csv").write_text("q,a\n1,2\n")
    done = phi2chat("curate", "import", "a.csv", "--into", "my.jsonl", "--map", mapping)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"phi2chat: {sentence}")
    assert visible(tmp_path) == ["a.csv"]


@pytest.mark.slow
def test_columns_are_asked_for_on_a_terminal_with_a_preview(clean_environment: dict[str, str], tmp_path: Path) -> None:
    import pexpect

    sheet(tmp_path / "a.xlsx", ["問", "答", "根拠"], ["日本の首都は？", "東京です。", "国会があります。"])
    child = pexpect.spawn(
        sys.executable, ["-m", "phi2chat", "curate", "import", "a.xlsx", "--into", "my.jsonl"], cwd=str(tmp_path),
        env={**clean_environment, "TERM": "xterm"}, encoding="utf-8", dimensions=(40, 100), timeout=30,
    )  # fmt: skip
    child.expect("日本の首都は？")
    for field, typed in [("instruction", ""), ("input", ""), ("reasoning", "9"), ("reasoning", "3"), ("answer", "答"),
                         ("language", ""), ("category", ""), ("family", ""), ("id", "")]:  # fmt: skip
        child.expect(rf"{field} \[.*\]: ")
        child.sendline(typed)
    child.expect("added 1 record to my.jsonl")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert read(tmp_path / "my.jsonl")[0]["reasoning"] == "国会があります。"


# -- import: what cannot come in -------------------------------------------------------------------------------------


def test_what_is_not_brought_in_is_named_kept_and_can_be_mended(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    user, reply = {"role": "user", "content": "日本の首都は？"}, {"role": "assistant", "content": "東京です。"}
    thought = {**reply, "reasoning_content": "国会があります。"}
    rows: list[dict[str, Any]] = [
        {"messages": [user, thought]},
        {"messages": [user, thought, user, thought]},
        {"messages": [user, reply]},
        {"messages": [user, {**thought, "content": "这是东京。"}]},
        {"messages": [user, {**thought, "content": [{"type": "image"}]}]},
        {"instruction": "1+1は？", "output": "<think>足します。</think>2です。"},
        {"chosen": "a", "rejected": "b"},
    ]  # fmt: skip
    write(tmp_path / "chat.jsonl", rows)
    with (tmp_path / "chat.jsonl").open("a") as file:
        file.write('\n{"messages": \n')
    done = phi2chat("curate", "import", "chat.jsonl", "--into", "my.jsonl", "--rejects", "rejects.jsonl")
    assert transcript(done) == (
        0,
        "added 2 records to my.jsonl\n",
        "chat.jsonl: JSON lines, 8 rows: 5 messages, 1 alpaca, 1 in none of the known formats, 1 broken\n"
        "line 2: is a conversation of 4 messages; a record is one question and one answer\n"
        "line 3: has no reasoning, which a record needs; --reasoning-from names a column for it, --drafts leaves it to be written [required]\n"
        'line 4: answer: "这是东京" is Simplified Chinese where language is ja [wrong-script]\n'
        "line 5: has a message that is not text alone\n"
        f"line 7: has none of the shapes {', '.join(SHAPES)}; its columns are chosen, rejected\n"
        "line 9: not JSON: expecting value\n"
        "not brought in: 6 rows (1 is a conversation of N messages; 1 required; 1 answer: wrong-script; "
        f"1 has a message that is not text alone; 1 has none of the shapes {', '.join(SHAPES)}; 1 not JSON)\n"
        "texts are in the language that their row names, else in Japanese; --language names another for all that name "
        "none, --any-script accepts any\n"
        "they are in rejects.jsonl; mend them there and import that file\n",
    )
    rejects = read(tmp_path / "rejects.jsonl")
    assert [row["phi2chat_rejected"].partition(":")[0] for row in rejects] == [f"line {n}" for n in (2, 3, 4, 5, 7, 9)]
    rejects[1]["messages"][1]["thinking"] = "国会があります。"
    rejects[1]["messages"][0]["content"] = "首都は？"
    write(tmp_path / "mended.jsonl", rejects[1:2])
    assert phi2chat("curate", "import", "mended.jsonl", "--into", "my.jsonl").stdout == "added 1 record to my.jsonl\n"
    assert "phi2chat_rejected" not in read(tmp_path / "my.jsonl")[-1]


def test_rows_without_reasoning_take_it_from_a_column_that_is_named(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    (tmp_path / "dolly.csv").write_text(
        "instruction,context,response,note\n首都は？,日本,東京です。,国会があります。\n", "utf-8"
    )
    refused = phi2chat("curate", "import", "dolly.csv", "--into", "my.jsonl")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "row 2: has no reasoning" in refused.stderr
    assert "phi2chat: my.jsonl: nothing was added, for no row could be brought in" in refused.stderr
    assert visible(tmp_path) == ["dolly.csv"]
    done = phi2chat("curate", "import", "dolly.csv", "--into", "my.jsonl", "--reasoning-from", "note")
    assert done.returncode == 0
    (row,) = read(tmp_path / "my.jsonl")
    assert (row["input"], row["reasoning"], row["answer"]) == ("日本", "国会があります。", "東京です。")


def test_rows_without_reasoning_come_in_as_drafts_and_keep_what_is_written_to_them(
    phi2chat: Phi2Chat, tmp_path: Path
) -> None:
    row = {"id": "a", "instruction": "Name a fish.", "context": "", "response": "Tope."}
    write(tmp_path / "dolly.jsonl", [row])
    bring_in = ("curate", "import", "dolly.jsonl", "--into", "my.jsonl", "--language", "en", "--drafts")
    done = phi2chat(*bring_in)
    assert transcript(done) == (
        0,
        "added 1 record to my.jsonl\n",
        "dolly.jsonl: JSON lines, 1 row: dolly\n"
        "1 record has no reasoning yet, and cannot be trained on before; in `phi2chat curate browse my.jsonl`, g goes "
        "to the next and e writes it\n",
    )
    draft = {"id": "a", "instruction": "Name a fish.", "reasoning": "", "answer": "Tope.", "language": "en"}
    assert read(tmp_path / "my.jsonl") == [draft]
    assert "reasoning: is blank [blank]" in phi2chat("curate", "validate", "my.jsonl").stdout
    write(tmp_path / "my.jsonl", [{**draft, "reasoning": "A tope is a shark."}])
    write(tmp_path / "dolly.jsonl", [{**row, "response": "The tope."}])
    assert phi2chat(*bring_in, "--update").returncode == 0
    assert read(tmp_path / "my.jsonl") == [{**draft, "reasoning": "A tope is a shark.", "answer": "The tope."}]


def test_the_language_of_rows_is_a_tag_that_the_guard_could_know(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    write(tmp_path / "qa.jsonl", [{"question": "首都は？", "answer": "東京です。", "cot": "国会があります。"}])
    done = phi2chat("curate", "import", "qa.jsonl", "--into", "my.jsonl", "--language", "japanese")
    assert done.returncode == 2
    assert "'japanese' is not a language tag such as ja, en or zh-Hans" in done.stderr
    assert not (tmp_path / "my.jsonl").exists()


def test_every_shape_can_be_named() -> None:
    assert set(NAMES_OF_SHAPES) == set(SHAPES)


def test_of_a_tree_its_question_and_best_reply_come_in_and_single_messages_are_named(
    phi2chat: Phi2Chat, tmp_path: Path
) -> None:
    replies = [
        {"text": text, "role": "assistant", "rank": rank} for rank, text in ((1, "京都です。"), (0, "東京です。"))
    ]
    asked = {"text": "首都は？", "role": "prompter", "lang": "ja", "replies": replies}
    rows = [
        {"message_tree_id": "x", "prompt": asked},
        {"message_tree_id": "y", "prompt": {**asked, "replies": []}},
        {"message_tree_id": "x", "text": "首都は？", "role": "prompter"},
    ]
    write(tmp_path / "trees.jsonl", rows)
    done = phi2chat("curate", "import", "trees.jsonl", "--into", "my.jsonl", "--drafts")
    assert "line 2: is a question that nobody answered\nline 3: is one message of a conversation" in done.stderr
    assert "the one that was ranked best" in done.stderr
    assert [(row["instruction"], row["answer"]) for row in read(tmp_path / "my.jsonl")] == [("首都は？", "東京です。")]


def test_an_edited_row_is_refused_and_changes_its_record_with_update(
    phi2chat: Phi2Chat, data: Path, tmp_path: Path
) -> None:
    before = data.read_bytes().splitlines()
    assert phi2chat("curate", "export", "data.jsonl", "out.xlsx", "--format", "xlsx").returncode == 0
    workbook = openpyxl.load_workbook(tmp_path / "out.xlsx")
    rows = workbook.active
    column = [cell.value for cell in rows[1]].index("answer") + 1
    rows.cell(2, column).value = "今は東京です。"
    workbook.save(tmp_path / "edited.xlsx")
    refused = phi2chat("curate", "import", "edited.xlsx", "--into", "data.jsonl")
    assert refused.stdout == "added 0 records to data.jsonl; 2 were there already\n"
    assert 'id: "tokyo" is on line 1 of the dataset with other content; --update changes it there' in refused.stderr
    assert data.read_bytes().splitlines() == before
    done = phi2chat("curate", "import", "edited.xlsx", "--into", "data.jsonl", "--update")
    assert transcript(done)[:2] == (0, "added 0 records to data.jsonl; changed 1; 2 were there already\n")
    assert read(data) == [{**TOKYO, "answer": "今は東京です。"}, SUM, PARIS]
    assert data.read_bytes().splitlines()[1:] == before[1:]


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("cp932", "CP932 (Shift_JIS)"),
        ("euc_jp", "EUC-JP"),
        ("utf-16", "UTF-16"),
    ],
)
def test_the_encoding_of_a_table_is_found_and_said(
    phi2chat: Phi2Chat, tmp_path: Path, encoding: str, name: str
) -> None:
    rows = "instruction,output,reasoning\r\n日本の首都は？,東京です。,国会があります。\r\n"
    (tmp_path / "a.csv").write_bytes(rows.encode(encoding))
    done = phi2chat("curate", "import", "a.csv", "--into", "my.jsonl")
    assert transcript(done)[2] == f"a.csv: a table with commas in {name}, 1 row: alpaca\n"
    assert read(tmp_path / "my.jsonl")[0]["answer"] == "東京です。"


@pytest.mark.parametrize(
    ("name", "content", "options", "sentence"),
    [
        ("a.csv", b"q,a\n\xff\xff,1\n", [], "a.csv: is neither UTF-8 nor CP932 nor EUC-JP; name its encoding with --encoding"),
        ("a.csv", "q,a\nあ,1\n".encode(), ["--encoding", "x"], "--encoding x: is not an encoding such as utf-8 or cp932"),
        ("a.csv", "q,a\nあ,1\n".encode(), ["--encoding", "ascii"], "a.csv: byte 5 is not ascii; leave --encoding out, or name another"),
        ("a.csv", b"q,q\n1,2\n", [], 'a.csv: two columns are called "q"; give one another name'),
        ("a.csv", b'q,a\n"1,2\n', [], "a.csv:2: is not a table (unexpected end of data); mend the quotation marks"),
        ("a.csv", b"q,a\n", [], "a.csv: has no row; give a file with rows"),
        ("a.json", b'[{"a": 1}, {"a"', [], "a.json: the array is broken or cut"),
        ("a.json", b" ", [], "a.json: is empty; give a file with rows"),
        ("a.xls", b"\xd0\xcf\x11\xe0xx", [], "a.xls: is an old or an encrypted Excel file; save it as .xlsx without a password"),
        ("a.xlsx", b"PK\x03\x04xxxx", [], "a.xlsx: is not a sheet that can be read"),
        ("a.parquet", b"PAR1xxxx", [], "a.parquet: cannot be read as Parquet"),
        ("a.jsonl", b'{\n  "data": []\n}\n', [], "a.jsonl: none of its rows can be read (not JSON: "),
        ("a.bin", b"\x00\x01", [], "a.bin: is no kind of file that can be read; give xlsx, csv, tsv, json, jsonl or parquet"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(
    phi2chat: Phi2Chat, tmp_path: Path, name: str, content: bytes, options: list[str], sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    done = phi2chat("curate", "import", name, "--into", "my.jsonl", *options)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"phi2chat: {sentence}")
    assert visible(tmp_path) == [name]


def test_files_that_are_in_the_way_are_left_alone(data: Path, tmp_path: Path) -> None:
    before = data.read_bytes()
    for arguments, sentence in [
        (["import", "data.jsonl", "--into", "data.jsonl"], "data.jsonl: is the file that is read; give another with --into"),
        (["import", "data.jsonl", "--into", "x.jsonl", "--rejects", "data.jsonl"], "data.jsonl: already exists; give another file with --rejects"),
        (["import", "data.jsonl", "--into", "no/x.jsonl"], "no/x.jsonl: its folder does not exist; make it first"),
        (["import", "no.csv", "--into", "x.jsonl"], "no.csv: no such file; check the path"),
        (["import", ".", "--into", "x.jsonl"], ".: is a folder; give one of its files: data.jsonl"),
        (["export", "data.jsonl", "data.jsonl", "--format", "csv"], "data.jsonl: already exists; give another name"),
        (["export", "no.jsonl", "x.csv", "--format", "csv"], "no.jsonl: no such file; check the path"),
        (["export", ".", "x.csv", "--format", "csv"], ".: is a folder, and csv is one file; give train.jsonl or another of it"),
        (["export", "data.jsonl", "x.xlsx", "--format", "csv"], "x.xlsx: ends as xlsx does; give --format xlsx, or another ending for csv"),
        (["export", "data.jsonl", "x.csv", "--format", "hf"], "x.csv: ends as csv does; give --format csv, or another ending for hf"),
        (["import", "data.jsonl", "--into", "x.jsonl", "--rejects", "r.xlsx"], "r.xlsx: rejected rows are written as JSONL; give --rejects r.jsonl"),
        (["export", ".", "x", "--format", "hf"], ".: has no train.jsonl; give a JSONL file, or a folder that `phi2chat curate split` wrote"),
    ]:  # fmt: skip
        with contextlib.chdir(tmp_path), pytest.raises(UserError) as refused:
            cli.phi2chat.main(["curate", *arguments], standalone_mode=False)
        assert str(refused.value) == sentence
    assert (data.read_bytes(), visible(tmp_path)) == (before, ["data.jsonl"])


@pytest.mark.skipif(os.name != "posix", reason="it is ended by a signal")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_import_that_is_stopped_leaves_the_dataset_as_it_was(
    clean_environment: dict[str, str], data: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    before = data.read_bytes()
    many = [{"instruction": f"{n}は？", "output": f"{n}です。", "reasoning": "考えます。"} for n in range(20_000)]
    write(tmp_path / "many.jsonl", many)
    argv = [
        sys.executable,
        "-m",
        "phi2chat",
        "curate",
        "import",
        "many.jsonl",
        "--into",
        "data.jsonl",
        "--rejects",
        "r.jsonl",
    ]
    run = subprocess.Popen(
        argv, cwd=tmp_path, env=clean_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stderr is not None
    assert "20,000 rows" in run.stderr.readline()  # they were looked at, and now they are brought in
    while not list(tmp_path.glob(".data.jsonl.*.tmp")):
        assert run.poll() is None
    run.send_signal(ending)
    assert run.wait(timeout=60) == 130
    run.communicate()
    assert data.read_bytes() == before
    assert visible(tmp_path) == ["data.jsonl", "many.jsonl"]


# -- export ----------------------------------------------------------------------------------------------------------


def test_what_a_spreadsheet_would_compute_stays_text(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    done = phi2chat("curate", "export", "data.jsonl", "out.csv", "--format", "csv")
    assert transcript(done) == (
        0,
        "wrote 3 records to out.csv as csv\n",
        "2 cells that begin like a formula got a ' in front, which `curate import` takes away again\n"
        "kept as JSON in the column phi2chat: x\n",
    )
    content = (tmp_path / "out.csv").read_bytes()
    assert content.startswith(codecs.BOM_UTF8)
    assert "sum,1+1は？,,'=1+1,'-2ではなく2です。" in content.decode("utf-8-sig")
    assert phi2chat("curate", "export", "data.jsonl", "out.xlsx", "--format", "xlsx").returncode == 0
    cells = [cell for row in openpyxl.load_workbook(tmp_path / "out.xlsx").active.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells if cell.value is not None} == {"s"}
    assert "=1+1" in [cell.value for cell in cells]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("a\u0001b", "answer holds U+0001, which no sheet can; take it out, or export to parquet"),
        ("あ" * 32_768, "answer has 32,768 characters where a cell holds 32,767; export to parquet or csv"),
        ("😀" * 16_384, "answer has 32,768 characters where a cell holds 32,767; export to parquet or csv"),
        ("\ud800", "half of a surrogate pair, which is no character; mend it first"),
    ],
)
def test_what_no_cell_can_hold_is_named_and_nothing_is_written(
    phi2chat: Phi2Chat, tmp_path: Path, answer: str, sentence: str
) -> None:
    line = json.dumps(TOKYO) + "\n" + json.dumps({**TOKYO, "id": "b", "answer": answer}) + "\n"
    (tmp_path / "data.jsonl").write_text(line)
    done = phi2chat("curate", "export", "data.jsonl", "out.xlsx", "--format", "xlsx")
    assert transcript(done) == (1, "", f"phi2chat: data.jsonl:2: {sentence}\n")
    assert visible(tmp_path) == ["data.jsonl"]


def test_a_line_that_is_no_record_is_named_and_nothing_is_written(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    write(tmp_path / "data.jsonl", [TOKYO, {"id": "b", "instruction": "x", "reasoning": "y"}])
    done = phi2chat("curate", "export", "data.jsonl", "out", "--format", "hf")
    assert done.stderr == (
        "phi2chat: data.jsonl:2: answer: is missing; mend it, `phi2chat curate validate data.jsonl` shows all\n"
    )
    assert visible(tmp_path) == ["data.jsonl"]


def test_cells_without_a_value_are_listed_by_row_and_the_other_rows_come_in(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (
        ["instruction", "reasoning", "answer"],
        ["一足す一は？", "数えます。", "=1+1"],
        ["首都は？", "国会。", "東京。"],
    ):
        book.active.append(row)
    book.active["B4"] = "#REF!"  # which openpyxl writes as an error
    book.save(tmp_path / "a.xlsx")
    done = phi2chat("curate", "import", "a.xlsx", "--into", "data.jsonl", "--rejects", "rejects.jsonl")
    assert done.stderr.splitlines()[1:] == [
        "row 2: has a cell without a value: C2 has no result of =1+1;"
        " open the sheet in a spreadsheet program and save it, which works it out",
        "row 4: has a cell without a value: B4 is the error #REF!; mend it in the sheet, or write its value there",
        "not brought in: 2 rows (2 has a cell without a value)",
        "they are in rejects.jsonl; mend them there and import that file",
    ]
    assert [row["answer"] for row in read(tmp_path / "data.jsonl")] == ["東京。"]
    assert [row.get("answer") for row in read(tmp_path / "rejects.jsonl")] == ["=1+1", ""]


def test_a_disk_that_is_full_leaves_nothing(clean_environment: dict[str, str], data: Path, tmp_path: Path) -> None:
    pytest.importorskip("resource")
    write(data, [{**TOKYO, "id": f"r{n}", "answer": "東京です。" * 200} for n in range(50)])
    for name in ("messages", "csv", "parquet", "xlsx", "hf"):
        code = (
            "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
            f" sys.argv = ['phi2chat', 'curate', 'export', 'data.jsonl', 'out', '--format', '{name}'];"
            " from phi2chat.cli import main; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=clean_environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
        assert visible(tmp_path) == ["data.jsonl"]


def test_the_prompt_of_an_export_is_that_of_training(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    from curation.records import read_dataset

    phi2chat("curate", "export", "data.jsonl", "out.jsonl", "--format", "prompt-completion")
    examples = [render_record(PromptStyle(), record) for _, record in read_dataset(data).records()]
    rows = read(tmp_path / "out.jsonl")
    assert [(row["prompt"], row["completion"]) for row in rows] == [(one.prompt, one.completion) for one in examples]


# -- the readers of other programs -----------------------------------------------------------------------------------


def test_every_format_is_read_by_hugging_face_datasets(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    import datasets

    def load(kind: str, path: str, **options: Any) -> Any:
        return datasets.load_dataset(
            kind, **options, data_files=str(tmp_path / path), split="train", cache_dir=str(tmp_path / "cache")
        )

    for name, kind, path in [
        ("messages", "json", "m.jsonl"), ("sharegpt", "json", "s.json"), ("alpaca", "json", "a.json"),
        ("prompt-completion", "json", "p.jsonl"), ("csv", "csv", "c.csv"), ("parquet", "parquet", "p.parquet"),
    ]:  # fmt: skip
        assert phi2chat("curate", "export", "data.jsonl", path, "--format", name).returncode == 0
        loaded = load(kind, path)
        assert loaded["id"][:] == ["tokyo", "sum", "paris"], name
    assert load("json", "m.jsonl")[0]["messages"][1] == {
        "role": "assistant", "content": "東京です。", "reasoning_content": "国会があります。",
    }  # fmt: skip
    assert load("json", "a.json")[0]["output"] == "<think>\n国会があります。\n</think>\n\n東京です。"
    assert load("parquet", "p.parquet")["tags"][:] == [[], ["a"], []]


def test_a_split_becomes_a_dataset_of_the_hub_with_both_sides(
    phi2chat: Phi2Chat, ja_basics: Path, tmp_path: Path
) -> None:
    import datasets

    done = phi2chat("curate", "export", ja_basics.with_suffix(""), "out", "--format", "hf")
    assert transcript(done) == (0, "wrote 327 records to out as hf\n", "")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {side: len(rows) for side, rows in loaded.items()} == {"train": 299, "eval": 28}
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\npretty_name: ja-basics\nlicense: mit\nlanguage:\n- en\n- ja\n")
    assert "| eval | 28 |" in card


def test_llama_factory_finds_its_file_by_dataset_info(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    assert phi2chat("curate", "export", "data.jsonl", "out", "--format", "llama-factory").returncode == 0
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text(encoding="utf-8"))
    assert info == {
        "data": {
            "file_name": "data.json",
            "formatting": "alpaca",
            "columns": {"prompt": "instruction", "query": "input", "response": "output"},
        }
    }
    rows = json.loads((tmp_path / "out" / "data.json").read_text(encoding="utf-8"))
    assert rows[2]["input"] == "Paris is the capital."
    assert phi2chat("curate", "import", "out/data.json", "--into", "back.jsonl").returncode == 0
    assert read(tmp_path / "back.jsonl") == RECORDS


def test_the_rows_are_what_the_loaders_of_other_trainers_ask_for(
    phi2chat: Phi2Chat, data: Path, tmp_path: Path
) -> None:
    """As read in the loaders of LLaMA-Factory 0.9.5, axolotl 0.19.0 and unsloth 2026.10."""
    (tmp_path / "データ.jsonl").write_bytes(data.read_bytes())
    for name, out in (("llama-factory", "lf"), ("sharegpt", "s.jsonl"), ("messages", "m.jsonl"), ("alpaca", "a.json")):
        assert phi2chat("curate", "export", "データ.jsonl", out, "--format", name).returncode == 0
    # LLaMA-Factory opens it in the encoding of its system, and takes the columns and the kind of file from it.
    info = json.loads((tmp_path / "lf" / "dataset_info.json").read_bytes().decode("ascii"))
    assert (tmp_path / "lf" / info["データ"]["file_name"]).suffix == ".json"
    alpaca = json.loads((tmp_path / "lf" / info["データ"]["file_name"]).read_text(encoding="utf-8"))
    assert alpaca == json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    for row, record in zip(alpaca, RECORDS, strict=True):
        assert all(type(row[column]) is str for column in info["データ"]["columns"].values())  # null would be no text
        # The marks, with their line ends, that LLaMA-Factory's templates and unsloth's take the reasoning by.
        assert row["output"] == f"<think>\n{record['reasoning']}\n</think>\n\n{record['answer']}"
    for row in read(tmp_path / "s.jsonl"):  # turn about, an even number, two members each, all of them texts
        assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"]
        assert all(turn.keys() == {"from", "value"} and type(turn["value"]) is str for turn in row["conversations"])
    for row, record in zip(read(tmp_path / "m.jsonl"), RECORDS, strict=True):  # axolotl's defaults
        assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
        assert row["messages"][1]["reasoning_content"] == record["reasoning"]
        assert row["messages"][1]["content"] == record["answer"]


def test_a_folder_of_save_to_disk_is_brought_in(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    import datasets

    rows = [
        {"instruction": "日本の首都は？", "output": "東京です。", "thinking": "国会があります。", "score": float("nan")}
    ]
    sides = datasets.DatasetDict({"train": datasets.Dataset.from_list(rows), "test": datasets.Dataset.from_list(rows)})
    sides.save_to_disk(str(tmp_path / "saved"))
    done = phi2chat("curate", "import", "saved", "--into", "my.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "added 1 record to my.jsonl; 1 was there already\n"
    assert "saved: a saved dataset of 2 splits, 2 rows: alpaca\n" in done.stderr
    assert read(tmp_path / "my.jsonl")[0]["reasoning"] == "国会があります。"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of TRL, about an option of transformers
def test_trl_trains_on_what_is_exported_for_it(phi2chat: Phi2Chat, data: Path, tmp_path: Path, tiny_phi: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    import datasets

    phi2chat("curate", "export", "data.jsonl", "out.jsonl", "--format", "prompt-completion")
    rows = datasets.load_dataset(
        "json", data_files=str(tmp_path / "out.jsonl"), split="train", cache_dir=str(tmp_path / "c")
    )
    tokenizer = AutoTokenizer.from_pretrained(tiny_phi)
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(tiny_phi),
        args=SFTConfig(output_dir=str(tmp_path / "run"), report_to=[], use_cpu=True, dataloader_pin_memory=False),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    first = trainer.train_dataset[0]
    kept = [token for token, label in zip(first["input_ids"], first["labels"], strict=True) if label != -100]
    assert tokenizer.decode(kept) == "\n国会があります。\n\n### Answer:\n東京です。<|endoftext|>"


@pytest.mark.slow
def test_what_a_sheet_says_cannot_steer_the_terminal(clean_environment: dict[str, str], tmp_path: Path) -> None:
    import pexpect

    (tmp_path / "a.csv").write_bytes("質\x1b[31m問,回\x07答\x9b\n問い\x1b]0;x\x07,答え\x1b[2J\n".encode())
    child = pexpect.spawn(
        sys.executable, ["-m", "phi2chat", "curate", "import", "a.csv", "--into", "my.jsonl"], cwd=str(tmp_path),
        env={**clean_environment, "TERM": "xterm", "NO_COLOR": "1"}, encoding="utf-8", dimensions=(40, 100), timeout=30,
    )  # fmt: skip
    child.expect(r"instruction \[-\]: ")
    assert "^[" in child.before
    for steering in ("\x1b[31m", "\x1b]0;", "\x1b[2J", "\x07", "\x9b"):
        assert steering not in child.before
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert visible(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("name", ["hf", "llama-factory"])
def test_a_loop_of_links_that_is_exported_is_one_sentence(phi2chat: Phi2Chat, tmp_path: Path, name: str) -> None:
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    done = phi2chat("curate", "export", "loop.jsonl", "out", "--format", name)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("phi2chat: loop.jsonl: Too many levels of symbolic links")
    assert not (tmp_path / "out").exists()


def test_a_loop_of_links_holds_nothing_and_so_is_imported_into(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    write(tmp_path / "records.jsonl", RECORDS)
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    assert phi2chat("curate", "import", "records.jsonl", "--into", "loop.jsonl").returncode == 0
    assert read(tmp_path / "loop.jsonl") == RECORDS
