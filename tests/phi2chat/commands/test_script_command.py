"""`phi2chat script` as a user meets it: whole transcripts of a subprocess, and the runs of a stream."""

import json
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.script import Piece, StreamChecker, check, describe_run
from curation.script.confusion import INSTALL, is_installed
from phi2chat.commands.script import Counts, find_runs

Phi2Chat = Callable[..., "subprocess.CompletedProcess[str]"]

TEXT = "首都は東京です。\n  这是什么？ はい\r\n「谢谢」はお礼です。도쿄입니다。"
FOUND = "text.txt:2:3: Simplified Chinese: 这是什么 ({})\ntext.txt:3:11: Korean: 도쿄입니다 ({})\n"
REASONS = [span.reason for span in check(TEXT).spans]
SUMMARY = "2 foreign runs in 1 of 1 file: 9 of 25 letters\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_bytes(TEXT.encode())
    return path


def transcript(done: "subprocess.CompletedProcess[str]") -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


# Checking


def test_every_foreign_run_is_named_with_its_place_and_reason(phi2chat: Phi2Chat, text: Path) -> None:
    assert transcript(phi2chat("script", "check", "text.txt")) == (1, FOUND.format(*REASONS), SUMMARY)


def test_standard_input_is_a_file_called_stdin(phi2chat: Phi2Chat) -> None:
    found = FOUND.format(*REASONS).replace("text.txt", "stdin")
    assert transcript(phi2chat("script", "check", "-", stdin=TEXT)) == (1, found, SUMMARY)


def test_nothing_foreign_is_exit_code_0(phi2chat: Phi2Chat, text: Path) -> None:
    good = (0, "", "nothing foreign in 1 file: 7 letters\n")
    assert transcript(phi2chat("script", "check", "-", stdin="首都は東京です。\n")) == good
    assert transcript(phi2chat("script", "check", "-")) == (0, "", "nothing foreign in 1 file: 0 letters\n")


def test_the_expected_language_is_asked_for(phi2chat: Phi2Chat) -> None:
    code, out, _ = transcript(phi2chat("script", "check", "-", "--expect", "en", stdin="It is 東京です。"))
    assert (code, out.startswith("stdin:1:7: Japanese: 東京です")) == (1, True)
    assert phi2chat("script", "check", "-", "--expect", "zh-Hans", stdin="这是什么？").returncode == 0


def test_a_language_that_is_not_known_is_said(phi2chat: Phi2Chat) -> None:
    warning = (
        "--expect sw is no language that the guard knows, such as ja, en, zh-Hans or ko; nothing is foreign to it\n"
    )
    done = phi2chat("script", "check", "-", "--expect", "sw", stdin="这是什么？")
    assert transcript(done) == (0, "", f"{warning}nothing foreign in 1 file: 4 letters\n")
    assert warning in phi2chat("script", "rates", "-", "--expect", "sw", stdin=REPLIES).stderr


def test_several_files_are_read_though_one_cannot_be(phi2chat: Phi2Chat, text: Path) -> None:
    done = phi2chat("script", "check", "missing.txt", ".", "text.txt", "-", stdin="这是")
    found = FOUND.format(*REASONS) + f"stdin:1:1: Simplified Chinese: 这是 ({check('这是').spans[0].reason})\n"
    faults = (
        "phi2chat: missing.txt: no such file; check the path\n"
        "phi2chat: .: is a folder; give a file, or - for standard input\n"
    )
    assert transcript(done) == (1, found, f"{faults}3 foreign runs in 2 of 4 files: 11 of 27 letters\n")


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["plain", "json"])
@pytest.mark.parametrize(
    ("content", "byte", "offset"),
    [
        (b"\xff", "0xff", 0),
        ("東京です。".encode() + b"\x80", "0x80", 15),
        ("東京で".encode()[:-1], "0xe3", 6),
        (b"\xef\xbb\xbfabc\xe3(", "0xe3", 6),
        ("あ".encode() * 30_000 + "東京".encode("cp932"), "0x93", 90_000),
    ],
)
def test_what_is_not_utf_8_is_named_with_its_byte(
    phi2chat: Phi2Chat, tmp_path: Path, content: bytes, byte: str, offset: int, flags: list[str]
) -> None:
    (tmp_path / "x.txt").write_bytes(content)
    sentence = f"phi2chat: x.txt: byte {byte} at offset {offset} is not UTF-8; save the file as UTF-8\n"
    assert transcript(phi2chat("script", "check", "x.txt", *flags)) == (1, "", sentence)


@pytest.mark.parametrize("arguments", [[], ["text.txt", "--expect", "日本語"], ["text.txt", "--jsonl"]])
def test_wrong_usage_is_exit_code_2(phi2chat: Phi2Chat, text: Path, arguments: list[str]) -> None:
    done = phi2chat("script", "check", *arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_json_is_an_object_a_file(phi2chat: Phi2Chat, text: Path) -> None:
    code, out, err = transcript(phi2chat("script", "check", "text.txt", "-", "--json", stdin="東京\x7f"))
    assert (code, err) == (1, "2 foreign runs in 1 of 2 files: 9 of 27 letters\n")
    assert out.isascii() and "\x7f" not in out
    first, second = map(json.loads, out.splitlines())
    spans = [
        {key: span[key] for key in ("start", "end", "line", "column", "text", "language")} for span in first["spans"]
    ]
    assert spans == [
        {"start": 11, "end": 15, "line": 2, "column": 3, "text": "这是什么", "language": "zh-Hans"},
        {"start": 31, "end": 36, "line": 3, "column": 11, "text": "도쿄입니다", "language": "ko"},
    ]
    assert [span["reason"] for span in first["spans"]] == REASONS
    assert {**first, "spans": 2} == {
        "file": "text.txt",
        "expected_language": "ja",
        "flagged": True,
        "letters": 25,
        "foreign_letters": 9,
        "spans": 2,
    }
    assert (second["file"], second["flagged"], second["letters"], second["spans"]) == ("stdin", False, 2, [])


def test_what_could_steer_a_terminal_is_shown(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    (tmp_path / "a\x1b[31m.txt").write_text("这是\u202e什\x1b[2J么\x9b。", "utf-8")
    code, out, err = transcript(phi2chat("script", "check", "a\x1b[31m.txt", FORCE_COLOR=""))
    assert code == 1
    assert out.startswith("a^[[31m.txt:1:1: Simplified Chinese: 这是")
    assert not {"\x1b", "\x9b", "\u202e"} & set(out + err)


def test_a_run_is_named_while_the_pipe_is_still_open(clean_environment: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "phi2chat", "script", "check", "-"]
    pipes: dict[str, Any] = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    with subprocess.Popen(argv, env=clean_environment, **pipes) as process:
        assert process.stdin is not None and process.stdout is not None
        chinese = "这是什么？\nはい。".encode()
        for cut in (chinese[:4], chinese[4:]):  # within a character
            process.stdin.write(cut)
            process.stdin.flush()
        assert process.stdout.readline().decode().startswith("stdin:1:1: Simplified Chinese: 这是什么")
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(60) == 1


def test_a_reader_that_goes_away_is_no_fault(clean_environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("这是什么？\n" * 20_000, "utf-8")
    script = '"$@" | head -1; echo "${PIPESTATUS[0]}"'
    argv = ["bash", "-c", script, "bash", sys.executable, "-m", "phi2chat", "script", "check", "x.txt"]
    done = subprocess.run(argv, capture_output=True, cwd=tmp_path, env=clean_environment, encoding="utf-8", timeout=100)
    assert done.stdout.startswith("x.txt:1:1: Simplified Chinese: 这是什么")
    assert (done.stdout.splitlines()[1:], done.stderr) == (["0"], "")


def test_ctrl_c_is_exit_code_130(clean_environment: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "phi2chat", "script", "check", "-"]
    pipes: dict[str, Any] = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    with subprocess.Popen(argv, env=clean_environment, **pipes) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write("这是什么？\n".encode())
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b"\nphi2chat: interrupted\n"


def test_the_example_of_the_guide_prints_what_it_shows(clean_environment: dict[str, str], tmp_path: Path) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "script.md").read_text("utf-8")
    command, shown = re.findall(r"^```console\n\$ (.*)\n((?:.*\n)*?)```$", guide, re.MULTILINE)[0]
    run = command.replace("phi2chat", f"{sys.executable} -m phi2chat") + " 2>&1"
    done = subprocess.run(["bash", "-c", run], capture_output=True, cwd=tmp_path, env=clean_environment, timeout=100)
    assert done.stdout.decode() == shown


# The runs of a stream


def runs(pieces: list[tuple[str, str | None]]) -> list[tuple[int, int, str, str]]:
    found = find_runs([Piece(text, language) for text, language in pieces], Counts())
    return [(run.line, run.column, run.text, run.language) for run in found]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([("東京\n ", None), ("这", "zh-Hans"), ("是", "zh-Hans")], [(2, 2, "这是", "zh-Hans")]),
        ([("北京", "zh"), ("这", "zh-Hans"), ("是", "zh")], [(1, 1, "北京这是", "zh-Hans")]),
        ([("这", "zh-Hans"), ("這", "zh-Hant")], [(1, 1, "这", "zh-Hans"), (1, 2, "這", "zh-Hant")]),
        ([("这", "zh-Hans"), ("\n", None), ("这", "zh-Hans")], [(1, 1, "这", "zh-Hans"), (2, 1, "这", "zh-Hans")]),
        ([("𠮷\r\n\u2028", None), ("서울", "ko"), ("Tokyo it is", "en")], [(2, 2, "서울", "ko"), (2, 4, "Tokyo it is", "en")]),
    ],
)  # fmt: skip
def test_neighbours_of_one_language_are_one_run(
    pieces: list[tuple[str, str | None]], expected: list[tuple[int, int, str, str]]
) -> None:
    assert runs(pieces) == expected


def test_of_an_endless_run_only_the_beginning_is_kept() -> None:
    counts = Counts()
    (run,) = find_runs((Piece("这是", "zh-Hans") for _ in range(10_000)), counts)
    assert (run.text, counts.foreign_letters) == ("这是" * 100, 20_000)


PARTS = [
    "東京は",
    "这是什么",
    "？",
    "\n",
    "「谢谢」",
    "です。",
    "서울은 ",
    "It is not the answer. ",
    "日本的首都是",
    " ",
    "```",
]


@given(st.lists(st.sampled_from(PARTS), max_size=12), st.randoms(use_true_random=False))
def test_a_stream_has_the_runs_that_the_whole_text_has(parts: list[str], chance: random.Random) -> None:
    text = "".join(parts)
    cuts = sorted(chance.sample(range(len(text) + 1), k=min(3, len(text))))
    checker = StreamChecker("ja")
    pieces = [p for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) for p in checker.feed(text[a:b])]
    counts = Counts()
    found = list(find_runs(pieces + checker.close(), counts))
    spans = check(text, "ja").spans
    before = [text[: span.start] for span in spans]
    assert [(run.line, run.column, run.text) for run in found] == [
        (head.count("\n") + 1, len(head) - head.rfind("\n"), span.text)
        for head, span in zip(before, spans, strict=True)
    ]
    assert [describe_run(run.text, run.language, 0).language for run in found] == [span.language for span in spans]
    assert counts.runs == len(spans)


# Rates

REPLIES = (
    '{"answer": "首都は东京です。", "reasoning": "国会があります。", "language": "ja"}\n'
    '{"answer": "It is Tokyo. 東京です。", "language": "en"}\n'
    '{"answer": "東京です。"}\n'
)


def part(measured: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in measured["parts"][name].items() if key not in {"lpr", "lpr_texts", "wpr", "wpr_texts", "lcpr"}}  # fmt: skip


def test_rates_of_a_file_are_one_object(phi2chat: Phi2Chat, tmp_path: Path) -> None:
    (tmp_path / "replies.jsonl").write_text(REPLIES, "utf-8")
    done = phi2chat("script", "rates", "replies.jsonl", "--json")
    assert done.returncode == 0
    measured = json.loads(done.stdout)
    assert (measured["file"], measured["replies"], measured["flagged"]) == ("replies.jsonl", 3, 2)
    assert part(measured, "answer") == {
        "texts": 3,
        "flagged": 2,
        "slip_rate": pytest.approx(2 / 3),
        "letters": 24,
        "foreign_letters": 6,
        "foreign_letter_rate": 0.25,
        "spans": 2,
        "spans_per_1000_letters": pytest.approx(2000 / 24),
        "by_language": {"zh-Hans": {"spans": 1, "letters": 2}, "ja": {"spans": 1, "letters": 4}},
    }
    assert (part(measured, "reasoning")["texts"], part(measured, "reasoning")["flagged"]) == (1, 0)
    assert ("lpr" in measured["parts"]["answer"]) == is_installed()


def test_rates_are_a_table_for_people(phi2chat: Phi2Chat) -> None:
    code, out, err = transcript(phi2chat("script", "rates", "-", "--expect", "ja", stdin=REPLIES))
    assert code == 0
    rows = [[cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in out.splitlines()]
    ours = [
        ["", "answer", "reasoning"],
        ["slip rate", "66.7 % (2 of 3 texts)", "0.0 % (0 of 1 text)"],
        ["foreign letters", "25.0 % (6 of 24)", "0.0 % (0 of 7)"],
        ["spans per 1,000 letters", "83.33", "0.00"],
        ["Japanese", "1 span, 4 letters", "0 spans, 0 letters"],
        ["Simplified Chinese", "1 span, 2 letters", "0 spans, 0 letters"],
    ]
    assert [row for row in rows if len(row) == 3][: len(ours)] == ours
    assert out.endswith("foreign runs in 2 of 3 replies (66.7 %)\n")
    assert any(row[0] == "line pass rate (LPR)" for row in rows) == is_installed()
    assert (INSTALL in err) == (not is_installed())


def test_without_the_extra_the_table_says_how_to_get_it(clean_environment: dict[str, str], tmp_path: Path) -> None:
    hidden = "import importlib.util as u; u.find_spec = lambda name: None; "
    argv = [sys.executable, "-c", hidden + "from phi2chat.cli import main; main()", "script", "rates", "-"]
    done = subprocess.run(
        argv, input=REPLIES, capture_output=True, env=clean_environment, encoding="utf-8", timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert "slip rate" in done.stdout and "LPR" not in done.stdout
    assert done.stderr == f"for the rates of the Language Confusion Benchmark too: {INSTALL}\n"


def test_a_file_that_holds_no_replies_is_refused_with_its_place(phi2chat: Phi2Chat, text: Path) -> None:
    done = phi2chat("script", "rates", "text.txt")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("phi2chat: text.txt:1:1: not JSON: expecting value [json]; each line must be")
    assert (
        phi2chat("script", "rates", "missing.jsonl").stderr == "phi2chat: missing.jsonl: no such file; check the path\n"
    )
