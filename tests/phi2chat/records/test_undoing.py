"""`curate log`, `undo`, `restore` and `diff`, `mv`, `retag` and `--where` as a user meets them."""

import json
import re
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

Phi2Chat = Callable[..., "subprocess.CompletedProcess[str]"]

TOKYO = '{"id": "tokyo", "instruction": "日本の首都は？", "reasoning": "国会があります。", "answer": "東京です。"}\n'
SUM = '{"id":"sum",  "instruction":"1+1は？", "reasoning":"1の次は2です。", "answer":"2です。", "x":1.10}\r\n'
PARIS = '{"id": "paris", "instruction": "Capital of France?", "reasoning": "It is Paris.", "answer": "Paris.", "language": "en"}\n'
EVIL = "\x1b[31m\x07\x9b2J\u202e"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text(TOKYO + SUM + PARIS, encoding="utf-8", newline="")
    return path


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def transcript(done: "subprocess.CompletedProcess[str]") -> tuple[int, str, str]:
    return done.returncode, re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", done.stdout), done.stderr


def test_a_day_of_corrections_can_be_read_and_taken_back(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    edited = phi2chat("curate", "edit", "data.jsonl", "tokyo", VISUAL="sed -i s/国会/国の役所/")
    assert edited.returncode == 0
    assert transcript(phi2chat("curate", "retag", "data.jsonl", "--where", "language=ja", "--add", "geo")) == (
        0,
        "retagged 2 records of data.jsonl\n",
        "",
    )
    after_two = text_of(data)
    assert phi2chat("curate", "rm", "data.jsonl", "paris", "--yes").returncode == 0
    assert transcript(phi2chat("curate", "mv", "data.jsonl", "sum", "--to", "other.jsonl")) == (
        0,
        "moved 1 record from data.jsonl to other.jsonl\n",
        "",
    )
    assert transcript(phi2chat("curate", "log", "data.jsonl")) == (
        0,
        "4\tTIME\tmv\tsum\tto other.jsonl\n"
        "3\tTIME\trm\tparis\t[-Capital of France?-]\n"
        "2\tTIME\tretag\ttokyo, sum\t2 changed\n"
        "1\tTIME\tedit\ttokyo\treasoning: 国[-会-]{+の役所+}があります。\n",
        "4 of 4 entries\n",
    )
    assert transcript(phi2chat("curate", "undo", "data.jsonl")) == (
        0,
        "undid mv of sum in data.jsonl (entry 4)\n",
        "the move to other.jsonl is undone here alone: they are there too; `phi2chat curate undo other.jsonl` goes on\n",
    )
    assert phi2chat("curate", "undo", "other.jsonl").returncode == 0
    assert text_of(tmp_path / "other.jsonl") == ""
    assert transcript(phi2chat("curate", "undo", "data.jsonl", "2")) == (
        0,
        "undid rm of paris in data.jsonl (entry 3)\nundid retag of tokyo, sum in data.jsonl (entry 2)\n",
        "",
    )
    assert text_of(data) == TOKYO.replace("国会", "国の役所") + SUM + PARIS
    assert transcript(phi2chat("curate", "undo", "data.jsonl", "--redo"))[:2] == (
        0,
        "did again what entry 6 of data.jsonl had undone\n",
    )
    assert transcript(phi2chat("curate", "restore", "data.jsonl", "--at", "2", "--output", "two.jsonl")) == (
        0,
        "wrote two.jsonl\n",
        "",
    )
    assert text_of(tmp_path / "two.jsonl") == after_two
    assert phi2chat("curate", "restore", "data.jsonl", "--at", "0").stdout == (
        "data.jsonl is as it was before the first entry\n"
    )
    assert text_of(data) == TOKYO + SUM + PARIS
    done = phi2chat("curate", "log", "data.jsonl", "-n", "2")
    assert transcript(done)[1:] == (
        "8\tTIME\trestore\ttokyo, sum, paris\tas before the first entry\n7\tTIME\tredo\ttokyo, sum, paris\twhat entry 6 undid\n",
        "2 of 8 entries; -n 8 shows 6 more\n",
    )


def test_a_log_as_json_has_every_byte_that_was_changed(phi2chat: Phi2Chat, data: Path) -> None:
    phi2chat("curate", "retag", "data.jsonl", "sum", "--category", "算数")
    data.write_bytes(data.read_bytes() + b"\xff\n")
    phi2chat("curate", "rm", "data.jsonl", "sum", "--yes")
    done = phi2chat("curate", "log", "data.jsonl", "--json")
    assert done.stdout.isascii()
    removed, outside, retagged = map(json.loads, done.stdout.splitlines())
    assert retagged["changes"] == [{"line": 2, "old": SUM, "new": SUM.replace("1.10}", '1.10,  "category": "算数"}')}]
    assert (outside["number"], outside["command"]) == (0, "another program")
    assert [change["new"] for change in removed["changes"]] == [""]


def test_two_files_are_compared_to_the_word_and_the_character(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    other = TOKYO.replace("東京です。", "日本の首都は東京です。") + PARIS.replace("It is Paris.", "It must be Paris.")
    (tmp_path / "other.jsonl").write_text(other + '{"id": "new", "instruction": "新しい問い"}\n', encoding="utf-8")
    assert transcript(phi2chat("curate", "diff", "data.jsonl", "other.jsonl")) == (
        0,
        "- sum (line 2): 1+1は？\n"
        "+ new (line 3): 新しい問い\n"
        "~ tokyo (line 1)\n"
        "  answer: {+日本の首都は+}東京です。\n"
        "~ paris (line 2)\n"
        "  reasoning: It [-is-]{+must be+} Paris.\n",
        "1 added, 1 removed, 2 changed; 0 records the same\n",
    )
    found = json.loads(phi2chat("curate", "diff", "data.jsonl", "other.jsonl", "--json").stdout)
    assert [line["id"] for line in found["added"] + found["removed"]] == ["new", "sum"]
    assert found["changed"][1]["fields"]["reasoning"]["runs"] == [
        [" ", "It "],
        ["-", "is"],
        ["+", "must be"],
        [" ", " Paris."],
    ]
    for change in found["changed"]:
        for field in change["fields"].values():
            for sign, side in (("-", "before"), ("+", "after")):
                assert "".join(text for kind, text in field["runs"] if kind in (sign, " ")) == field[side]


def test_a_file_is_compared_with_what_it_was(phi2chat: Phi2Chat, data: Path) -> None:
    phi2chat("curate", "retag", "data.jsonl", "tokyo", "--category", "geo")
    assert transcript(phi2chat("curate", "diff", "data.jsonl", "--since", "0")) == (
        0,
        "~ tokyo (line 1)\n  category: {+geo+}\n",
        "1 changed; 2 records the same\n",
    )
    assert transcript(phi2chat("curate", "diff", "data.jsonl", "data.jsonl")) == (
        0,
        "",
        "no difference; 3 records the same\n",
    )


def test_records_are_listed_shown_and_edited_by_a_condition(phi2chat: Phi2Chat, data: Path) -> None:
    listed = phi2chat("curate", "list", "data.jsonl", "--where", "language=ja", "--where", "len(answer)<=4")
    assert transcript(listed) == (0, "sum\t2\tja\t1+1は？\t2です。\n", "1 of 3 records\n")
    shown = phi2chat("curate", "show", "data.jsonl", "--where", "line!=2")
    assert shown.stdout.count("instruction\n") == 2
    edited = phi2chat("curate", "edit", "data.jsonl", "--where", "language=ja", VISUAL="sed -i s/です。/である。/")
    assert transcript(edited) == (0, "changed answer of tokyo\nchanged reasoning, answer of sum\n", "")
    assert text_of(data) == (TOKYO + SUM).replace("です。", "である。") + PARIS


def test_many_are_not_removed_or_moved_by_a_condition_without_a_yes(phi2chat: Phi2Chat, data: Path) -> None:
    for argv in (["rm"], ["mv", "--to", "other.jsonl"]):
        done = phi2chat("curate", argv[0], "data.jsonl", "--where", "language=ja", *argv[1:], stdin="n\n")
        assert done.returncode == 1
        assert re.match(r"(remove|move) 2 records( to other.jsonl)?\? \[y/N\]: ", done.stderr)
        assert text_of(data) == TOKYO + SUM + PARIS
    done = phi2chat("curate", "rm", "data.jsonl", "--where", "language=ja", "--yes")
    assert transcript(done) == (0, TOKYO + SUM.replace("\r", ""), "")
    assert text_of(data) == PARIS
    assert phi2chat("curate", "undo", "data.jsonl").returncode == 0
    assert text_of(data) == TOKYO + SUM + PARIS


def test_a_blank_line_that_was_taken_out_is_told_without_a_name(phi2chat: Phi2Chat, data: Path) -> None:
    data.write_bytes(b"\n" + TOKYO.encode())
    assert phi2chat("curate", "validate", "data.jsonl", "--fix").returncode == 0
    assert phi2chat("curate", "log", "data.jsonl").stdout.endswith("\tfix\t\t1 removed\n")
    assert transcript(phi2chat("curate", "undo", "data.jsonl")) == (0, "undid fix in data.jsonl (entry 1)\n", "")


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["log", "nothing.jsonl"], "nothing.jsonl: no such file; check the path"),
        (["undo", "nothing.jsonl"], "nothing.jsonl: no such file; check the path"),
        (["undo", "data.jsonl"], "data.jsonl: there is nothing to undo; `phi2chat curate log` shows what was done"),
        (["undo", "data.jsonl", "--redo"], "data.jsonl: there is nothing to redo; `phi2chat curate log` shows what was done"),
        (["restore", "data.jsonl", "--at", "1"], "data.jsonl: has no journal, so what it was is not known"),
        (["diff", "data.jsonl", "--since", "9" * 5000], "--since 999"),
        (["restore", "data.jsonl", "--at", "昨日"], "--at 昨日: give the number of an entry, or a time such as 2026-11-23T12:00"),
        (["restore", "data.jsonl", "--at", "1", "--output", "data.jsonl"], "data.jsonl: already exists; give another name"),
        (["diff", "data.jsonl", "nothing.jsonl"], "nothing.jsonl: no such file; check the path"),
        (["rm", "data.jsonl", "--where", "language=fr"], "data.jsonl: no record is like that; `phi2chat curate list --where` tries it"),
        (["list", "data.jsonl", "--where", "answer~("], "--where answer~(: column 9: this is no regular expression (missing )"),
        (["mv", "data.jsonl", "sum", "--to", "data.jsonl"], "data.jsonl: is the file that they are in; give another with --to"),
        (["mv", "data.jsonl", "sum", "--to", "nowhere/x.jsonl"], "nowhere/x.jsonl: its folder cannot be written, or does not exist"),
        (["retag", "data.jsonl", "sum", "--family", " "], "data.jsonl: family: "),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_not_possible_is_said_in_one_sentence(
    phi2chat: Phi2Chat, data: Path, argv: list[str], sentence: str
) -> None:
    code, out, err = transcript(phi2chat("curate", *argv))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"phi2chat: {sentence}")
    assert text_of(data) == TOKYO + SUM + PARIS


@pytest.mark.parametrize(
    "argv",
    [
        ["rm", "data.jsonl"],
        ["rm", "data.jsonl", "sum", "--where", "id=sum"],
        ["mv", "data.jsonl", "sum"],
        ["retag", "data.jsonl", "sum"],
        ["retag", "data.jsonl", "sum", "--add", "a", "--remove", "a"],
        ["diff", "data.jsonl"],
        ["diff", "data.jsonl", "data.jsonl", "--since", "1"],
        ["undo", "data.jsonl", "0"],
        ["undo", "data.jsonl", "2", "--redo"],
        ["undo", "data.jsonl", "2", "--to", "1"],
        ["log", "data.jsonl", "-n", "0"],
        ["restore", "data.jsonl"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(phi2chat: Phi2Chat, data: Path, argv: list[str]) -> None:
    done = phi2chat("curate", *argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: phi2chat curate")


@pytest.mark.parametrize(
    "argv", [["log", "data.jsonl"], ["diff", "data.jsonl", "--since", "0"], ["undo", "data.jsonl"]]
)
def test_no_control_character_of_a_record_reaches_the_terminal(phi2chat: Phi2Chat, data: Path, argv: list[str]) -> None:
    record = {"id": "evil" + EVIL, "instruction": EVIL, "answer": EVIL, EVIL: EVIL}
    data.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    assert phi2chat("curate", "retag", "data.jsonl", "line:1", "--source", EVIL).returncode == 0
    done = phi2chat("curate", *argv)
    assert done.returncode == 0
    shown = done.stdout + done.stderr
    assert [char for char in shown if unicodedata.category(char) in ("Cc", "Cf") and char not in "\n\t"] == []


def test_an_id_with_a_line_end_makes_no_line_of_its_own(phi2chat: Phi2Chat, data: Path) -> None:
    data.write_text(json.dumps({"id": "a\n9\tb", "instruction": "?"}) + "\n", encoding="utf-8")
    assert phi2chat("curate", "retag", "data.jsonl", "line:1", "--add", "t").returncode == 0
    assert phi2chat("curate", "log", "data.jsonl").stdout.splitlines()[0].split("\t")[2:4] == ["retag", "a 9 b"]
    assert phi2chat("curate", "undo", "data.jsonl").stdout == "undid retag of a 9 b in data.jsonl (entry 1)\n"
