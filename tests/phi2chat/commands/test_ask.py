"""`phi2chat ask`: the answer on stdout, all else on stderr, in a pipe as on a terminal."""

import dataclasses
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from curation.records import Record, read_dataset
from curation.script import Span
from phi2chat.chatting.chat import Conversation
from phi2chat.commands.ask import answer
from phi2chat.config import ChatConfig
from phi2chat.inference.recipes import StopReason
from phi2chat.terminal.screen import SafeConsole, Screen

TOKYO = ["\n这是首都。", "\n\n### Answer:\n", "東京です。"]
FOOTER = (
    "[end of text; 3 tokens, 2.0 tokens/s; recipe chat]\n! reasoning: Simplified Chinese: 这是首都; 这 (CJK-8FD9)\n"
)
SPAN = {
    "start": 0,
    "end": 4,
    "text": "这是首都",
    "language": "zh-Hans",
    "confidence": 1.0,
    "reason": "characters that Japanese does not use: 这",
}
DAMAGES = r"Traceback|Warning|\x1b"


def ask(model: Any, **options: Any) -> tuple[str, str]:
    """What one question brings to stdout and to stderr."""
    out, err = io.StringIO(), io.StringIO()
    answer(Conversation(model, ChatConfig()), "首都は？", False, Screen(SafeConsole(file=out), SafeConsole(file=err)))
    return out.getvalue(), err.getvalue()


# One reply


def test_the_answer_is_all_that_stdout_gets(scripted_model: Any) -> None:
    assert ask(scripted_model(TOKYO)) == ("東京です。\n", f"[reasoning]\n这是首都。\n\n{FOOTER}\n")


def test_a_reply_without_an_answer_leaves_stdout_empty(scripted_model: Any) -> None:
    out, err = ask(scripted_model(["\n理由だけ"], stop=StopReason.BUDGET))
    assert (out, err) == (
        "",
        "[reasoning]\n理由だけ\n[budget; no answer came; 1 tokens, 2.0 tokens/s; recipe chat]\n\n",
    )


def test_an_answer_without_reasoning_begins_at_once(scripted_model: Any) -> None:
    out, err = ask(scripted_model(["\n### Answer:\n東京です。"]))
    assert (out, err) == ("東京です。\n", "[end of text; 1 tokens, 2.0 tokens/s; recipe chat]\n\n")


def test_json_has_the_parts_the_spans_and_the_reason(scripted_model: Any, capsys: pytest.CaptureFixture[str]) -> None:
    answer(Conversation(scripted_model(TOKYO), ChatConfig()), "首都は？", True, Screen())
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "question": "首都は？",
        "reasoning": "这是首都。",
        "answer": "東京です。",
        "stop": "end_of_text",
        "tokens": 3,
        "seconds": 1.5,
        "recipe": "chat",
        "lang": "ja",
        "reasoning_lang": "ja",
        "guard": {"mode": "flag", "step_backs": 0, "changed_steps": 0, "spent": False, "note": ""},
        "unit": "tokens",
        "notes": [],
        "context_tokens": None,
        "origin": {
            "model": "scripted",
            "base": None,
            "adapter": None,
            "adapter_sha256": None,
            "temperature": 0.0,
            "top_p": 1.0,
            "seed": 0,
        },
        "flagged": True,
        "reasoning_spans": [SPAN],
        "answer_spans": [],
    }


def test_a_span_in_json_has_every_field_of_a_span() -> None:
    assert list(SPAN) == [field.name for field in dataclasses.fields(Span)]


def test_json_is_a_line_of_printable_ascii(scripted_model: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = scripted_model(["\n\x1b[2J\x7f\u2028\x9b\n\n### Answer:\nはい\x07い"])
    answer(Conversation(model, ChatConfig()), "?", True, Screen())
    out = capsys.readouterr().out
    assert re.fullmatch(r"[ -~]+\n", out)
    assert json.loads(out)["answer"] == "はい\x07い"


# The command


@pytest.fixture
def known(answering_adapter: tuple[Path, Path]) -> list[Record]:
    return [record for _, record in read_dataset(answering_adapter[1]).records()]


@pytest.fixture
def flags(answering_adapter: tuple[Path, Path]) -> list[str]:
    return ["--adapter", str(answering_adapter[0]), "--device", "cpu"]


def test_a_question_is_answered_without_a_terminal(phi2chat: Any, known: list[Record], flags: list[str]) -> None:
    done = phi2chat("ask", known[0].instruction, *flags)
    assert (done.returncode, done.stdout) == (0, f"{known[0].answer}\n")
    assert known[0].reasoning in done.stderr
    assert "[end of text; " in done.stderr
    assert not re.search(DAMAGES, done.stderr)


def test_questions_on_stdin_are_answered_a_line_each(phi2chat: Any, known: list[Record], flags: list[str]) -> None:
    stdin = f"{known[0].instruction}\r\n\n  \n{known[1].instruction}"
    done = phi2chat("ask", *flags, "--json", stdin=stdin)
    assert done.returncode == 0
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(reply["question"], reply["answer"], reply["stop"]) for reply in replies] == [
        (record.instruction, record.answer, "end_of_text") for record in known[:2]
    ]


def test_a_reader_that_goes_away_is_no_fault(
    known: list[Record], flags: list[str], clean_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "questions.txt").write_text(f"{known[0].instruction}\n" * 3, "utf-8")
    words = [sys.executable, "-m", "phi2chat", "ask", *flags]
    script = '"$@" < questions.txt | head -1; echo "${PIPESTATUS[0]}"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        capture_output=True,
        cwd=tmp_path,
        env=clean_environment,
        encoding="utf-8",
        timeout=100,
    )
    assert done.stdout == f"{known[0].answer}\n0\n"
    assert not re.search("Traceback|BrokenPipe|Exception", done.stderr)


@pytest.mark.parametrize(("arguments", "stdin"), [([], ""), ([], " \n\n"), (["  "], ""), ([""], "")])
def test_no_question_is_a_mistake_of_usage(phi2chat: Any, arguments: list[str], stdin: str) -> None:
    done = phi2chat("ask", *arguments, stdin=stdin)
    assert (done.returncode, done.stdout) == (2, "")
    wanted = 'Error: There is no question: give one as in `phi2chat ask "..."`, or one a line on stdin.'
    assert done.stderr.splitlines()[-1] == wanted


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--recipe", "c"], 2, "Error: Invalid value for '--recipe': 'c' is not one of 'a', 'b', 'chat'."),
        (
            ["--lang", "日本語"],
            2,
            "Error: Invalid value for '--lang': '日本語' is not a language tag such as ja, en or zh-Hans",
        ),
        (
            ["--base", "./missing"],
            1,
            "phi2chat: ./missing: is no model folder; give a local folder with --base DIR,"
            " or try the embedded model with --base smollm2-135m",
        ),
    ],
)
def test_a_value_that_cannot_be_is_refused(phi2chat: Any, arguments: list[str], code: int, sentence: str) -> None:
    done = phi2chat("ask", "?", *arguments)
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (code, "", sentence)


def on_a_terminal(arguments: list[str], environment: dict[str, str]) -> tuple[str, int]:
    """What a terminal of 80 columns is sent, and the exit code."""
    shell = pexpect.spawn(
        sys.executable,
        ["-m", "phi2chat", *arguments],
        env=environment,
        encoding="utf-8",
        dimensions=(24, 80),
        timeout=100,
    )
    shell.expect(pexpect.EOF)
    shell.close()
    return shell.before, shell.exitstatus


def test_no_color_takes_the_colours_away(
    known: list[Record], flags: list[str], clean_environment: dict[str, str]
) -> None:
    environment = {**clean_environment, "TERM": "xterm-256color", "NO_COLOR": "1"}
    sent, code = on_a_terminal(["ask", known[0].instruction, *flags], environment)
    assert code == 0
    assert known[0].answer in sent
    colours = {number for codes in re.findall(r"\x1b\[([\d;]*)m", sent) for number in codes.split(";")}
    assert colours <= {"", "0", "1", "2", "3", "7"}  # reset, bold, dim, italic, reverse


def test_a_dumb_terminal_gets_plain_lines(
    known: list[Record], flags: list[str], clean_environment: dict[str, str]
) -> None:
    sent, code = on_a_terminal(["ask", known[0].instruction, *flags], {**clean_environment, "TERM": "dumb"})
    assert code == 0
    assert f"\r\n{known[0].answer}\r\n" in sent
    assert "\x1b" not in sent
