"""`phi2chat curate` as a user meets it: whole transcripts of a subprocess, and the form at a pipe."""

import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from curation.errors import UserError
from phi2chat.records.entry import fill_in_form, pasteable
from phi2chat.terminal.form import FIELDS, fill_form
from phi2chat.terminal.screen import Screen

Phi2Chat = Callable[..., "subprocess.CompletedProcess[str]"]

TOKYO = '{"id": "tokyo", "instruction": "日本の首都は？", "reasoning": "国会があります。", "answer": "東京です。"}\n'
SUM = '{"id":"sum",  "instruction":"1+1は？", "reasoning":"1の次は2です。", "answer":"2です。", "x":1.10}\r\n'
PARIS = '{"id": "paris", "instruction": "Capital of France?", "reasoning": "It is Paris.", "answer": "Paris.", "language": "en"}\n'
# Every way in which a text could steer a terminal, and rich's own markup.
EVIL = "あ\x1b[31m\x07\x9b2J\x7f\u202e\u200b\U000e0041[bold]い[/bold]"
EVIL_SHOWN = "あ^[[31m^G<9B>2J^?<U+202E RLO><U+200B ZWSP><TAG A>[bold]い[/bold]"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file of three records, one of them written in a style of its own."""
    path = tmp_path / "data.jsonl"
    path.write_text(TOKYO + SUM + PARIS, encoding="utf-8", newline="")
    return path


def transcript(done: "subprocess.CompletedProcess[str]") -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def steers(text: str) -> list[str]:
    """The characters of a text that could steer a terminal."""
    return [char for char in text if unicodedata.category(char) in ("Cc", "Cf") and char not in "\n\t"]


# -- add -------------------------------------------------------------------------------------------------------------


def test_a_record_is_added_by_flags(phi2chat: Phi2Chat, data: Path) -> None:
    flags = ["--instruction", "「水」を英語で", "--reasoning", "水はwaterです。", "--answer", "water"]
    more = ["--language", "en", "--reasoning-language", "ja", "--tag", "a", "--tag", "b", "--id", "water"]
    done = phi2chat("curate", "add", "data.jsonl", *flags, *more)
    assert transcript(done) == (0, "added water to data.jsonl\n", "")
    assert text_of(data) == TOKYO + SUM + PARIS + (
        '{"id": "water", "instruction": "「水」を英語で", "reasoning": "水はwaterです。", "answer": "water", '
        '"language": "en", "reasoning_language": "ja", "tags": ["a", "b"]}\n'
    )


def test_a_record_on_stdin_makes_the_file_and_gets_an_id(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    record = {"instruction": "日本の\n首都は？", "reasoning": "国会があります。", "answer": "東京です。", "x": [1.5]}
    done = phi2chat("curate", "add", "new.jsonl", stdin=json.dumps(record, indent=2))
    added = json.loads(text_of(tmp_path / "new.jsonl"))
    assert added == {"id": added["id"], **record}
    assert transcript(done) == (0, f"added {added['id']} to new.jsonl\n", "")


def test_a_flag_goes_before_what_stands_on_stdin(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    assert phi2chat("curate", "add", "new.jsonl", "--id", "other", "--tag", "t", stdin=TOKYO).returncode == 0
    assert json.loads(text_of(tmp_path / "new.jsonl")) == {**json.loads(TOKYO), "id": "other", "tags": ["t"]}


@pytest.mark.parametrize(
    ("stdin", "sentence"),
    [
        ("", "stdin: holds 0 records; give one JSON object on stdin, or flags, see --help"),
        (TOKYO * 2, "stdin: holds 2 records; give one JSON object on stdin, or flags, see --help"),
        ("東京", "stdin:1:1: not JSON: expecting value [json]; give one JSON object on stdin, or flags, see --help"),
        ("[1]", "stdin:1:1: a line must hold a JSON object, not an array [json]; give one JSON object on stdin, or"),
        ('{"x": 1e999}', "stdin:1:1: not JSON: the number 1e999 is too large [json]; give one JSON object on stdin"),
        ("[" * 9999, "stdin:1:1: nested too deeply [json]; give one JSON object on stdin, or flags, see --help"),
    ],
)  # fmt: skip
def test_what_is_not_one_object_on_stdin_is_refused(phi2chat: Phi2Chat, data: Path, stdin: str, sentence: str) -> None:
    code, out, err = transcript(phi2chat("curate", "add", "data.jsonl", stdin=stdin))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"phi2chat: {sentence}")
    assert text_of(data) == TOKYO + SUM + PARIS


def test_a_record_with_faults_is_not_written_and_not_lost(phi2chat: Phi2Chat, data: Path) -> None:
    done = phi2chat("curate", "add", "data.jsonl", "--instruction", " ", "--answer", "这是东京。")
    assert transcript(done) == (
        1,
        "",
        "reasoning: is missing [required]\n"
        "instruction: is blank [blank]\n"
        'answer: "这是东京" is Simplified Chinese where language is ja [wrong-script]\n'
        '{"instruction": " ", "answer": "这是东京。"}\n'
        "phi2chat: data.jsonl: the record was not written; mend reasoning, instruction and answer and try again\n",
    )
    assert text_of(data) == TOKYO + SUM + PARIS


def test_a_taken_id_is_refused_and_the_record_is_printed(phi2chat: Phi2Chat, data: Path) -> None:
    done = phi2chat("curate", "add", "data.jsonl", stdin=SUM.replace("2です。", "2です。\x7f\u202e"))
    assert transcript(done) == (
        1,
        "",
        'not saved; the record was: {"id": "sum", "instruction": "1+1は？", "reasoning": "1の次は2です。\\u007f\\u202e", '
        '"answer": "2です。\\u007f\\u202e", "x": 1.1}\n'
        'phi2chat: data.jsonl:2: the id "sum" is taken; give another with --id\n',
    )
    assert text_of(data) == TOKYO + SUM + PARIS


def test_a_byte_of_another_encoding_on_the_command_line_is_explained(
    clean_environment: dict[str, str], tmp_path: Path
) -> None:
    argv: list[Any] = [sys.executable, "-m", "phi2chat", "curate", "add", "new.jsonl", "--instruction", b"caf\xe9"]
    argv += ["--reasoning", "考えます。", "--answer", "答えです。"]
    done = subprocess.run(argv, cwd=tmp_path, env=clean_environment, capture_output=True, encoding="utf-8", timeout=60)
    assert transcript(done) == (
        1,
        "",
        "phi2chat: 'caf\\udce9': holds a byte that is not UTF-8; set the terminal to UTF-8 and type it again\n",
    )
    assert list(tmp_path.glob("*.jsonl")) == []


def test_a_missing_folder_is_named_before_anything_is_asked(phi2chat: Phi2Chat) -> None:
    done = phi2chat("curate", "add", "nowhere/new.jsonl", "--instruction", "x")
    assert transcript(done) == (1, "", "phi2chat: nowhere/new.jsonl: its folder does not exist; make it first\n")


# -- the form --------------------------------------------------------------------------------------------------------

END, ESCAPE_ENTER, DROP, UP, BACK = "\x04", "\x1b\r", "\x03", "\x1b[A", "\x1b[Z"


def type_into_form(keys: str, start: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    with create_pipe_input() as pipe:
        # A form that still asks is dropped, where it would wait for ever.
        pipe.send_bytes((keys + DROP).encode("utf-8", "surrogateescape"))
        return fill_form(start or {}, **options, input=pipe, output=DummyOutput())


def test_the_form_asks_field_by_field_and_leaves_out_what_is_empty() -> None:
    typed = type_into_form(
        f"日本の首都は？{END}{END}国会があります。{ESCAPE_ENTER}東京です。{END}{END}{END} {END}地理{END}"
    )
    assert typed == {
        "instruction": "日本の首都は？",
        "reasoning": "国会があります。",
        "answer": "東京です。",
        "category": "地理",
    }


def test_enter_and_a_paste_make_lines_in_a_field() -> None:
    paste = "\x1b[200~三行目\r\n四行目\x1b[201~"
    typed = type_into_form(f"一行目\r二行目\r{paste}{END}", fields=["instruction"])
    assert typed == {"instruction": "一行目\n二行目\n三行目\n四行目"}


def test_the_up_key_brings_no_other_field_in_the_place_of_this_one() -> None:
    typed = type_into_form(f"考え{END}{UP}{UP}{END}", {"answer": "答え"}, fields=["reasoning", "answer"])
    assert typed == {"reasoning": "考え", "answer": "答え"}


def test_shift_tab_goes_back_to_the_field_before_and_keeps_what_was_typed() -> None:
    keys = f"質問{END}考え{BACK}{BACK}です{END}る{END}答え{END}"
    typed = type_into_form(keys, fields=["instruction", "reasoning", "answer"])
    assert typed == {"instruction": "質問です", "reasoning": "考える", "answer": "答え"}


def test_a_required_field_cannot_be_left_blank() -> None:
    assert type_into_form(f"{END} {END}答え{END}", fields=["answer"]) == {"answer": " 答え"}


def test_a_field_that_breaks_a_rule_cannot_be_left() -> None:
    backspaces = "\x7f" * 3
    assert type_into_form(f"日本語{END}{backspaces}ja{END}", fields=["language"]) == {"language": "ja"}


def test_a_byte_of_another_encoding_cannot_be_left_in_a_field() -> None:
    assert type_into_form(f"caf\udce9{END}\x7f{END}", fields=["instruction"]) == {"instruction": "caf"}


def test_a_field_begins_with_what_the_record_says_and_emptying_it_removes_it() -> None:
    start = {"id": "a", "instruction": "問", "input": "文", "note": "メモ"}
    assert type_into_form(f"い{END}\x7f{END}", start, fields=["instruction", "input"]) == {
        "id": "a",
        "instruction": "問い",
        "note": "メモ",
    }
    assert start["input"] == "文"


def test_the_form_can_be_dropped() -> None:
    with pytest.raises(KeyboardInterrupt):
        type_into_form("問い")


TRANSLATION = f"訳して。{END}傘です。{END}「傘」は英語で言えます。{END}It is an umbrella.{END}"


def add_in_form(keys: str, answers: Sequence[bool]) -> tuple[list[str], Mapping[str, Any] | UserError]:
    """What was asked after each try, and the record or why there is none."""
    left, asked = list(answers), []

    def confirms(question: str) -> bool:
        asked.append(question)
        return left.pop(0)

    with create_pipe_input() as pipe:
        pipe.send_text(keys + DROP)
        options = {"input": pipe, "output": DummyOutput()}
        try:
            return asked, fill_in_form(Path("x"), {}, FIELDS[:4], False, Screen(), confirms, **options)
        except UserError as error:
            return asked, error


def test_a_record_with_a_fault_comes_back_in_the_form_with_the_languages_to_name() -> None:
    again = END * 4 + f"en{END}ja{END}{END}{END}"
    assert add_in_form(TRANSLATION + again, [True]) == (
        ["mend it in the form?"],
        {
            "instruction": "訳して。",
            "input": "傘です。",
            "reasoning": "「傘」は英語で言えます。",
            "answer": "It is an umbrella.",
            "language": "en",
            "reasoning_language": "ja",
        },
    )


def test_a_record_that_is_not_mended_in_the_form_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    _, error = add_in_form(TRANSLATION, [False])
    assert str(error) == "x: the record was not written; mend answer, or give its language, and try again"
    assert '"answer": "It is an umbrella."}' in capsys.readouterr().err


@pytest.mark.slow
def test_a_record_is_added_by_form_in_a_terminal(clean_environment: dict[str, str], tmp_path: Path) -> None:
    import pexpect

    child = pexpect.spawn(
        sys.executable,
        ["-m", "phi2chat", "curate", "add", "new.jsonl", "--id", "tokyo"],
        cwd=str(tmp_path),
        env={**clean_environment, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
        encoding="utf-8",
        dimensions=(24, 80),
        timeout=30,
    )
    answers = ["日本の首都は？", "", "国会があります。", "東京です。", "", "", "", ""]
    for prompt, answer in zip(FIELDS, answers, strict=True):
        child.expect(prompt + r"( \(optional[^)]*\))?:")
        child.send(answer + END)
    child.expect("added tokyo to new.jsonl")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert text_of(tmp_path / "new.jsonl") == TOKYO


# -- validate --------------------------------------------------------------------------------------------------------


def test_a_clean_file_is_good(phi2chat: Phi2Chat, ja_basics: Path) -> None:
    done = phi2chat("curate", "validate", ja_basics)
    assert transcript(done) == (0, "327 records in 1 file: 0 errors, 0 warnings\n", "")


def test_every_problem_of_every_file_comes_in_one_run(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_bytes(TOKYO.encode() * 2 + b'{"a"\n\xff\n')
    done = phi2chat("curate", "validate", "bad.jsonl", "data.jsonl", "nothing.jsonl", ".")
    assert transcript(done) == (
        1,
        "nothing.jsonl: no such file; check the path\n"
        ".: is not a regular file; give another\n"
        'bad.jsonl:2:8: id: "tokyo" was already used on line 1 [duplicate-id]\n'
        "bad.jsonl:2:32: instruction: the same question stands on line 1 [duplicate-question]\n"
        "bad.jsonl:3:5: not JSON: expecting ':' delimiter [json]\n"
        "bad.jsonl:4:1: byte 0xff is not UTF-8; save the file as UTF-8 [utf-8]\n"
        "data.jsonl:2:1: ends in CR LF as 1 of 3 lines do, the others in LF; --fix makes all LF [mixed-line-ends]\n"
        "data.jsonl:2:83: x: is not a field of a record; it is kept as it is [unknown-field]\n"
        "7 records in 4 files: 5 errors, 3 warnings\n",
        "",
    )


def test_a_warning_alone_is_no_failure(phi2chat: Phi2Chat, data: Path) -> None:
    assert phi2chat("curate", "validate", "data.jsonl").returncode == 0


def test_findings_are_given_as_json(phi2chat: Phi2Chat, data: Path) -> None:
    done = phi2chat("curate", "validate", "--select", "contract", "--format", "json", "data.jsonl", "nothing.jsonl")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.isascii()
    assert json.loads(done.stdout) == {
        "records": 3,
        "findings": [
            {
                "path": "data.jsonl",
                "line": 2,
                "column": 83,
                "end_column": None,
                "field": "x",
                "message": "is not a field of a record; it is kept as it is",
                "rule": "unknown-field",
                "severity": "warning",
            },
            {"message": "nothing.jsonl: no such file; check the path", "rule": "file", "severity": "error"},
        ],
    }


def test_a_finding_about_a_stretch_of_text_has_its_end_in_json(phi2chat: Phi2Chat, data: Path) -> None:
    data.write_text(TOKYO.replace("東京です。", "首都は东京です。"), encoding="utf-8")
    done = phi2chat("curate", "validate", "--format", "json", "data.jsonl")
    (finding,) = json.loads(done.stdout)["findings"]
    line = text_of(data)
    assert (finding["rule"], finding["field"]) == ("wrong-script", "answer")
    assert line[finding["column"] - 1 : finding["end_column"] - 1] == "东京"


@pytest.mark.parametrize(
    "argv",
    [
        ["validate"],
        ["validate", "--format", "xml", "data.jsonl"],
        ["validate", "--strict", "data.jsonl"],
        ["nothing"],
        ["list"],
        ["show", "data.jsonl"],
        ["split", "data.jsonl", "--eval", "0"],
        ["split", "data.jsonl", "--eval", "100%"],
        ["split", "data.jsonl", "--eval", "a tenth"],
        ["split", "data.jsonl", "--eval", "10%", "--seed", "-1"],
        ["split", "data.jsonl", "--add-to", "data", "--eval", "10%"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_the_way_to_help(phi2chat: Phi2Chat, argv: list[str]) -> None:
    code, out, err = transcript(phi2chat("curate", *argv))
    assert (code, out) == (2, "")
    assert err.startswith("Usage: phi2chat curate")
    assert "--help' for help." in err


# -- list and show ---------------------------------------------------------------------------------------------------


def test_a_list_is_tab_separated_in_a_pipe(phi2chat: Phi2Chat, data: Path) -> None:
    assert transcript(phi2chat("curate", "list", "data.jsonl")) == (
        0,
        "tokyo\t1\tja\t日本の首都は？\t東京です。\n"
        "sum\t2\tja\t1+1は？\t2です。\n"
        "paris\t3\ten\tCapital of France?\tParis.\n",
        "3 of 3 records\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "lines"), [("首都", "1"), ("CAPITAL", "3"), (r"^\d", "2"), (r"\+1", "2"), ("です", "12"), ("Berlin", "")]
)  # fmt: skip
def test_a_list_can_be_searched_in_every_field(phi2chat: Phi2Chat, data: Path, pattern: str, lines: str) -> None:
    done = phi2chat("curate", "list", "data.jsonl", "--grep", pattern)
    assert "".join(line.split("\t")[1] for line in done.stdout.splitlines()) == lines
    assert (done.returncode, done.stderr) == (0, f"{len(lines)} of 3 records\n")


@pytest.mark.parametrize(("pattern", "count"), [("^tree", 1), ('"kind": "spec', 1), ("'tree'", 0), (r"\[", 0)])
def test_lists_are_searched_item_by_item_and_objects_as_they_are_written(
    phi2chat: Phi2Chat, data: Path, pattern: str, count: int
) -> None:
    data.write_text('{"id": "a", "tags": ["oak", "tree"], "provenance": {"kind": "species"}}\n', encoding="utf-8")
    done = phi2chat("curate", "list", "data.jsonl", "--grep", pattern)
    assert (done.returncode, done.stderr) == (0, f"{count} of 1 records\n")


def test_a_pattern_that_is_none_is_explained(phi2chat: Phi2Chat, data: Path) -> None:
    code, out, err = transcript(phi2chat("curate", "list", "data.jsonl", "--grep", "（("))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("phi2chat: --grep （(: is not a regular expression (")


def test_a_list_of_a_broken_file_shows_what_can_be_read(phi2chat: Phi2Chat, data: Path) -> None:
    data.write_bytes(b'\xff\n{"id": ["a"], "answer": null}\n' + PARIS.encode())
    assert transcript(phi2chat("curate", "list", "data.jsonl")) == (
        0,
        "line:2\t2\tja\t\tNone\nparis\t3\ten\tCapital of France?\tParis.\n",
        "2 of 3 records; 1 lines are broken, see curate validate\n",
    )


def test_the_columns_of_the_table_stand_below_one_another_in_japanese(
    clean_environment: dict[str, str], data: Path
) -> None:
    from rich.cells import cell_len

    code = (
        "from rich.console import Console; from phi2chat.terminal.screen import SafeConsole, Screen; import sys\n"
        "console = SafeConsole(width=60, force_terminal=False, no_color=True)\n"
        "Screen(console).table(['id', 'instruction'], [['a', '日本の首都は？'], ['b', 'Capital?'], ['c', 'ｶﾅと漢字' * 9]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment, capture_output=True, encoding="utf-8", timeout=60
    )
    lines = done.stdout.splitlines()
    assert len(lines) > 6
    assert {cell_len(line) for line in lines} == {cell_len(lines[0])}


def test_a_record_is_shown_whole_with_its_findings(phi2chat: Phi2Chat, data: Path) -> None:
    assert transcript(phi2chat("curate", "show", "data.jsonl", "sum")) == (
        0,
        "id\nsum\ninstruction\n1+1は？\nreasoning\n1の次は2です。\nanswer\n2です。\nx\n1.1\n"
        "data.jsonl:2:83: x: is not a field of a record; it is kept as it is [unknown-field]\n",
        "",
    )


def test_a_record_can_be_named_by_its_line(phi2chat: Phi2Chat, data: Path, editor: Any) -> None:
    nameless = TOKYO.replace('"id": "tokyo", ', "")
    data.write_text(nameless + SUM + PARIS, encoding="utf-8", newline="")
    shown = phi2chat("curate", "show", "data.jsonl", "line:1")
    assert shown.stdout == "instruction\n日本の首都は？\nreasoning\n国会があります。\nanswer\n東京です。\n"
    done = phi2chat("curate", "edit", "data.jsonl", "line:1", VISUAL=editor('sed -i "s/東京/京都/" "$1"'))
    assert transcript(done) == (0, "changed answer of line:1\n", "")
    assert text_of(data) == nameless.replace("東京", "京都") + SUM + PARIS
    assert phi2chat("curate", "rm", "data.jsonl", "line:1", "--yes").returncode == 0
    assert text_of(data) == SUM + PARIS


def test_a_line_that_is_not_there_is_named(phi2chat: Phi2Chat, data: Path) -> None:
    assert transcript(phi2chat("curate", "show", "data.jsonl", "line:4")) == (
        1,
        "",
        'phi2chat: data.jsonl: no record has the id "line:4"; `phi2chat curate list` shows the ids\n',
    )


@pytest.mark.parametrize("command", ["show", "edit", "rm"])
def test_an_id_that_is_not_there_is_named(phi2chat: Phi2Chat, data: Path, command: str) -> None:
    assert transcript(phi2chat("curate", command, "data.jsonl", "大阪")) == (
        1,
        "",
        'phi2chat: data.jsonl: no record has the id "大阪"; `phi2chat curate list` shows the ids\n',
    )


@pytest.mark.parametrize("argv", [["list"], ["show", "evil"], ["validate"], ["rm", "evil", "--yes"], ["rm", "evil"]])
def test_no_control_character_of_a_record_reaches_the_terminal(phi2chat: Phi2Chat, data: Path, argv: list[str]) -> None:
    record = {"id": "evil", "instruction": EVIL, "reasoning": EVIL, "answer": EVIL, "language": EVIL, EVIL: EVIL}
    data.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    done = phi2chat("curate", argv[0], "data.jsonl", *argv[1:], stdin="n\n")
    assert steers(done.stdout + done.stderr) == []
    assert EVIL_SHOWN in done.stdout + done.stderr or argv == ["rm", "evil", "--yes"]


def test_no_control_character_of_a_file_name_reaches_the_terminal(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    name = "あ\x1b[31m\u202e.jsonl"
    (tmp_path / name).write_text("{}\n")
    for argv in (["validate", name], ["list", "no" + name], ["add", name, "--answer", "x"]):
        done = phi2chat("curate", *argv)
        assert done.returncode == 1
        assert steers(done.stdout + done.stderr) == []


# -- edit ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def editor(tmp_path: Path) -> Callable[[str], str]:
    """Make a value for $EDITOR from the shell commands that it runs on the file "$1"."""

    def make(commands: str) -> str:
        (tmp_path / "editor.sh").write_text(commands, encoding="utf-8")
        return f"sh '{tmp_path / 'editor.sh'}'"

    return make


def test_an_edit_changes_one_field_and_no_other_byte(phi2chat: Phi2Chat, data: Path, editor: Any) -> None:
    done = phi2chat("curate", "edit", "data.jsonl", "sum", EDITOR=editor('sed -i "s/2です/二です/" "$1"'), VISUAL="")
    assert transcript(done) == (0, "changed reasoning, answer of sum\n", "")
    assert text_of(data) == TOKYO + SUM.replace("2です", "二です") + PARIS


def test_an_edit_can_add_and_remove_fields(phi2chat: Phi2Chat, data: Path, editor: Any) -> None:
    command = editor('sed -i "/^language/d; s/ Paris.$/ パリ。/" "$1"; printf "note: |\\n  一\\n  二\\n" >> "$1"')
    done = phi2chat("curate", "edit", "data.jsonl", "paris", VISUAL=command)
    assert transcript(done) == (0, "changed reasoning, answer, language, note of paris\n", "")
    edited = '"reasoning": "It is パリ。", "answer": "パリ。", "note": "一\\n二"}\n'
    assert text_of(data) == TOKYO + SUM + PARIS[: PARIS.index('"reasoning"')] + edited


def test_leaving_the_editor_without_saving_changes_nothing(phi2chat: Phi2Chat, data: Path) -> None:
    before = data.stat()
    done = phi2chat("curate", "edit", "data.jsonl", "sum", VISUAL="true")
    assert transcript(done) == (0, "nothing was changed\n", "")
    assert data.stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("commands", "fault"),
    [
        ('sed -i "s/^answer: .*/answer: /" "$1"', "answer: is blank"),
        ('sed -i "/^answer/d" "$1"', "answer: is missing"),
        ('sed -i "s/^id: .*/id: paris/" "$1"', 'id: "paris" is used on line 3'),
        ('sed -i "s/^id: .*/id: [a]/" "$1"', "id: must be a string, not an array"),
        ('sed -i "s/^answer: .*/answer: 注: これ/" "$1"', "line 6, column 10: mapping values are not allowed here;"),
        ('echo "# 消した" > "$1"', "the fields are gone; each stands on a line as `answer: ...`"),
        ('printf "answer: caf\\351\\n" > "$1"', "line 1, column 12: U+DCE9 is no character of a text; take it out"),
    ],
)
def test_an_edit_with_a_fault_is_explained_and_the_typed_text_is_printed(
    phi2chat: Phi2Chat, data: Path, editor: Any, tmp_path: Path, commands: str, fault: str
) -> None:
    command = editor(f'{commands}; cp "$1" "{tmp_path}/typed"')
    code, out, err = transcript(phi2chat("curate", "edit", "data.jsonl", "tokyo", VISUAL=command))
    typed = (tmp_path / "typed").read_bytes().decode("utf-8", "surrogateescape").replace("\udce9", "\\udce9")
    assert (code, out) == (1, "")
    assert err.startswith(fault)
    assert err.endswith(f"\n{typed}\nphi2chat: data.jsonl: nothing was changed; your text stands above\n")
    assert text_of(data) == TOKYO + SUM + PARIS


def test_an_edit_does_not_write_over_a_change_made_meanwhile(phi2chat: Phi2Chat, data: Path, editor: Any) -> None:
    command = editor(f'sed -i "s/東京/京都/" "$1"; echo "{{}}" >> "{data}"')
    assert transcript(phi2chat("curate", "edit", "data.jsonl", "tokyo", VISUAL=command)) == (
        1,
        "",
        f"not saved; the record was: {TOKYO.replace('東京', '京都')}"
        "phi2chat: data.jsonl: was changed by another program meanwhile; nothing was written, try again\n",
    )
    assert text_of(data) == TOKYO + SUM + PARIS + "{}\n"


def test_a_text_in_the_wrong_script_can_be_accepted(phi2chat: Phi2Chat, data: Path, editor: Any) -> None:
    record = [
        "--instruction",
        "中国語で「首都」は？",
        "--reasoning",
        "首都です。",
        "--answer",
        "这是首都。",
        "--id",
        "zh",
    ]
    assert phi2chat("curate", "add", "data.jsonl", *record).returncode == 1
    done = phi2chat("curate", "add", "data.jsonl", *record, "--any-script")
    assert transcript(done) == (0, "added zh to data.jsonl\n", "")
    added = text_of(data).removeprefix(TOKYO + SUM + PARIS)
    assert json.loads(added)["answer"] == "这是首都。"
    changed = editor('sed -i "s/首都。/城市。/" "$1"')
    refused = phi2chat("curate", "edit", "data.jsonl", "zh", VISUAL=changed)
    assert refused.returncode == 1
    assert 'answer: "这是城市" is Simplified Chinese' in refused.stderr
    done = phi2chat("curate", "edit", "data.jsonl", "zh", "--any-script", VISUAL=changed)
    assert transcript(done) == (0, "changed answer of zh\n", "")
    assert text_of(data) == TOKYO + SUM + PARIS + added.replace("首都。", "城市。")


def test_any_script_accepts_no_other_fault(phi2chat: Phi2Chat, data: Path) -> None:
    done = phi2chat("curate", "add", "data.jsonl", "--instruction", "?", "--answer", "这是首都。", "--any-script")
    assert done.returncode == 1
    assert done.stderr.startswith("reasoning: is missing [required]\n")
    assert "wrong-script" not in done.stderr


def test_ctrl_c_at_edit_again_prints_the_text_that_was_typed(
    clean_environment: dict[str, str], data: Path, editor: Any
) -> None:
    import pexpect

    child = pexpect.spawn(
        sys.executable,
        ["-m", "phi2chat", "curate", "edit", "data.jsonl", "tokyo"],
        cwd=str(data.parent),
        env={**clean_environment, "TERM": "dumb", "VISUAL": editor('echo "note: 大事なメモ" >> "$1"; sed -i "/^id/d; s/^answer: .*/answer: /" "$1"')},
        encoding="utf-8",
        dimensions=(24, 200),
        timeout=30,
    )  # fmt: skip
    child.expect_exact("edit again? [Y/n]: ")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    assert "note: 大事なメモ" in child.before
    assert "nothing was changed; your text stands above" in child.before
    assert "Traceback" not in child.before
    assert text_of(data) == TOKYO + SUM + PARIS


def test_an_editor_that_is_not_there_is_named(phi2chat: Phi2Chat, data: Path) -> None:
    assert transcript(phi2chat("curate", "edit", "data.jsonl", "sum", VISUAL="/nowhere/vi")) == (
        1,
        "",
        "phi2chat: $EDITOR (/nowhere/vi) cannot be run ([Errno 2] No such file or directory: '/nowhere/vi'); "
        "set it to an editor you have\n",
    )


@pytest.mark.parametrize("flags", [{"VISUAL": "", "EDITOR": ""}, {"VISUAL": "true"}], ids=["no editor", "--form"])
def test_the_form_asks_for_a_terminal(phi2chat: Phi2Chat, data: Path, flags: dict[str, str]) -> None:
    form = ["--form"] if flags["VISUAL"] else []
    assert transcript(phi2chat("curate", "edit", "data.jsonl", "sum", *form, **flags)) == (
        1,
        "",
        "phi2chat: data.jsonl: there is no terminal to show the form in; set $EDITOR\n",
    )


# -- rm --------------------------------------------------------------------------------------------------------------


def test_a_removed_record_is_printed_so_that_add_brings_it_back(phi2chat: Phi2Chat, data: Path) -> None:
    removed = phi2chat("curate", "rm", "data.jsonl", "sum", "--yes")
    assert transcript(removed) == (0, SUM.replace("\r", ""), "")
    assert text_of(data) == TOKYO + PARIS
    added = phi2chat("curate", "add", "data.jsonl", stdin=removed.stdout)
    assert transcript(added) == (0, "added sum to data.jsonl\n", "")
    assert json.loads(text_of(data).splitlines()[2]) == json.loads(SUM)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_record_that_could_not_be_printed_is_not_removed(clean_environment: dict[str, str], data: Path) -> None:
    with open("/dev/full", "w") as full:
        argv = [sys.executable, "-m", "phi2chat", "curate", "rm", "data.jsonl", "sum", "--yes"]
        done = subprocess.run(
            argv, cwd=data.parent, env=clean_environment, stdout=full, stderr=subprocess.PIPE, encoding="utf-8"
        )
    assert done.returncode == 1
    assert "disk is full" in done.stderr
    assert text_of(data) == TOKYO + SUM + PARIS


@given(
    st.dictionaries(st.text(), st.text() | st.text("\x7f\u202e\u200b\U000e0041\u3164\u2028\ufe0f\u200d漢\U0001f469"))
)
@example({"answer": EVIL})
def test_a_printed_record_reads_back_as_the_same(record: dict[str, str]) -> None:
    printed = pasteable(json.dumps(record, ensure_ascii=False))
    assert json.loads(printed) == record
    assert not set(printed) & set("\x7f\u202e\u200b\U000e0041\u2028")


@pytest.mark.parametrize(
    ("stdin", "sentence"),
    [
        ("n\n", "nothing was removed"),
        ("\n", "nothing was removed"),
        ("", "nothing was removed; where there is no terminal to ask in, say --yes"),
    ],
    ids=["no", "enter", "no terminal"],
)
def test_nothing_is_removed_without_a_yes(phi2chat: Phi2Chat, data: Path, stdin: str, sentence: str) -> None:
    code, out, err = transcript(phi2chat("curate", "rm", "data.jsonl", "tokyo", stdin=stdin))
    assert (code, out) == (1, "")
    assert err.startswith('remove tokyo, "日本の首都は？"? [y/N]: ')
    assert err.endswith(f"phi2chat: data.jsonl: {sentence}\n")
    assert text_of(data) == TOKYO + SUM + PARIS


# -- split -----------------------------------------------------------------------------------------------------------


def test_a_tenth_is_held_out_where_nothing_else_is_said(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    assert phi2chat("curate", "split", "data.jsonl").returncode == 0
    assert json.loads(text_of(tmp_path / "data" / "manifest.json"))["eval_percent"] == 10


def test_a_file_is_split_into_a_folder_of_its_name(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    done = phi2chat("curate", "split", "data.jsonl", "--eval", "30%")
    train, held_out = text_of(tmp_path / "data" / "train.jsonl"), text_of(tmp_path / "data" / "eval.jsonl")
    assert transcript(done) == (0, "2 train and 1 eval records (33.3 %) of 3 families in data\n", "")
    assert sorted((train + held_out).split("\n")) == sorted((TOKYO + SUM + PARIS).split("\n"))
    assert held_out.count("\n") == 1
    assert text_of(data) == TOKYO + SUM + PARIS


@pytest.mark.parametrize("share", ["30%", "30", "0.3", ".3", "0.30 "])
def test_a_share_and_a_percentage_hold_out_the_same(phi2chat: Phi2Chat, data: Path, tmp_path: Path, share: str) -> None:
    assert phi2chat("curate", "split", "data.jsonl", "--eval", share).returncode == 0
    assert json.loads(text_of(tmp_path / "data" / "manifest.json"))["eval_percent"] == 30


def test_records_are_added_to_a_split(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    assert phi2chat("curate", "split", "data.jsonl", "--min-eval", "2").returncode == 0
    before = text_of(tmp_path / "data" / "eval.jsonl")
    assert before.count("\n") == 2
    (tmp_path / "more.jsonl").write_text(SUM + SUM.replace("sum", "other", 1), encoding="utf-8")
    done = phi2chat("curate", "split", "more.jsonl", "--add-to", "data")
    assert transcript(done)[0] == 0
    assert "1 were there; now " in done.stdout
    assert text_of(tmp_path / "data" / "eval.jsonl").startswith(before)


@pytest.mark.parametrize(
    ("content", "argv", "sentence"),
    [
        ("", [], "data.jsonl: holds no record; add one with `phi2chat curate add data.jsonl`"),
        (
            TOKYO * 2,
            [],
            'data.jsonl:2:8: id: "tokyo" was already used on line 1 [duplicate-id]; mend it,'
            " `phi2chat curate validate data.jsonl` shows all",
        ),
        (
            TOKYO,
            [],
            "data.jsonl: 1 records of 1 family cannot be split; add records of another family, or give a separate eval file",
        ),
        (
            TOKYO + SUM,
            ["--output-dir", "data.jsonl"],
            "data.jsonl: has no ending to leave out; name the folder with --output-dir",
        ),
        (
            TOKYO + SUM,
            ["--output-dir", "/dev/null"],
            "/dev/null: cannot be made (File exists); give another --output-dir",
        ),
    ],
    ids=["empty", "broken", "one", "itself", "no folder"],
)
def test_a_file_that_cannot_be_split_is_refused_in_one_sentence(
    phi2chat: Phi2Chat, data: Path, tmp_path: Path, content: str, argv: list[str], sentence: str
) -> None:
    data.write_text(content, encoding="utf-8")
    done = phi2chat("curate", "split", "data.jsonl", "--eval", "10%", *argv)
    assert transcript(done) == (1, "", f"phi2chat: {sentence}\n")
    assert os.listdir(tmp_path) == ["data.jsonl"]  # noqa: PTH208
