"""The real REPL with the real embedded model in a real terminal."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

pytestmark = pytest.mark.slow

CTRL_C, CTRL_D, UP, TAB = "\x03", "\x04", "\x1b[A", "\t"
TIMEOUT_SECONDS = 100  # enough for the first use, which converts the model
READY = "Ctrl-D leaves"
PROMPT = "»"


@pytest.fixture(params=[80, 40])
def terminal(
    request: pytest.FixtureRequest, clean_environment: dict[str, str], tmp_path: Path
) -> Iterator[pexpect.spawn]:
    """`phi2chat repl` in a terminal of 24 lines, at its first prompt; its editor is the script that a test writes."""
    editor = {"VISUAL": f"{shlex.quote(sys.executable)} {shlex.quote(str(tmp_path / 'editor.py'))}"}
    shell = pexpect.spawn(
        sys.executable,
        [
            "-m",
            "phi2chat",
            "repl",
            "--base",
            "smollm2-135m",
            "--data",
            "mine.jsonl",
            "--device",
            "cpu",
            "--max-new-tokens",
            "200",
        ],
        # A real terminal tells its cursor's position when it is asked; pexpect does not.
        env={**clean_environment, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", **editor},
        cwd=str(tmp_path),
        encoding="utf-8",
        dimensions=(24, request.param),
        timeout=TIMEOUT_SECONDS,
    )
    shell.expect(READY)
    shell.expect(PROMPT)
    yield shell
    shell.close(force=True)


def text(sent: str) -> str:
    """What was sent without the codes for colours and the cursor."""
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>])", "", sent)


def leave(shell: pexpect.spawn, keys: str) -> int:
    shell.send(keys)
    shell.expect(pexpect.EOF)
    shell.close()
    return shell.exitstatus


def test_a_question_is_answered_with_the_reason_for_its_end(terminal: pexpect.spawn) -> None:
    terminal.send("/set max_new_tokens 20\r")
    terminal.expect("seed = 0")
    terminal.expect(PROMPT)
    terminal.send("日本の首都はどこですか。\r")
    terminal.expect(r"\[(budget|repetition|end of text)[^\]]*; \d+ tokens, [\d.]+ tokens/s; recipe chat\]")
    reply = text(terminal.before)
    assert "日本の首都はどこですか。" in reply
    assert "Traceback" not in reply
    terminal.expect(PROMPT)
    assert leave(terminal, "/quit\r") == 0


def test_ctrl_c_keeps_what_came_of_a_reply_and_asks_on(terminal: pexpect.spawn) -> None:
    terminal.send("Count from one to one hundred, one number a line.\r")
    terminal.expect(r"\[reasoning\]")
    terminal.send(CTRL_C)
    terminal.expect(r"\[interrupted; [^\]]*\d+ tokens, ")
    terminal.expect(PROMPT)
    terminal.send("/stats\r")
    terminal.expect("1 interrupted")
    terminal.expect(PROMPT)
    terminal.send(CTRL_C)
    terminal.expect("Ctrl-D or /quit leaves")
    terminal.expect(PROMPT)
    assert leave(terminal, CTRL_D) == 0


def test_keys_bring_questions_back_and_complete_commands(terminal: pexpect.spawn) -> None:
    terminal.send("/lang en\r")
    terminal.expect("lang is en")
    terminal.expect(PROMPT)
    terminal.send(UP)
    terminal.expect("/lang en")
    terminal.send("\r")
    terminal.expect("lang is en")
    terminal.expect(PROMPT)
    terminal.send("/sta" + TAB)
    terminal.expect("ts")  # which is all that is drawn where /sta stands already
    terminal.send("\r")
    terminal.expect(r"replies +0, 0 tokens")
    terminal.expect(PROMPT)
    assert leave(terminal, "/quit\r") == 0


def test_a_reply_is_fixed_in_the_editor_and_taken_back(terminal: pexpect.spawn, tmp_path: Path) -> None:
    (tmp_path / "editor.py").write_text(
        "import sys\n"
        "text = 'instruction: 日本の首都は？\\nreasoning: 国会は東京にあります。\\nanswer: 東京です。\\nlanguage: ja\\n'\n"
        "open(sys.argv[1], 'w', encoding='utf-8').write(text)\n",
        encoding="utf-8",
    )
    for sent, shown in (
        ("/set max_new_tokens 5", "seed = 0"),
        ("/data", "records go to mine.jsonl, a new file"),
        ("日本の首都は？", r"recipe chat\]"),
        ("/fix", r"answer.*\+ 東京です。.*saved afb780fa48 to mine.jsonl"),
        ("/fixes", "afb780fa48"),
        ("/why 1", r"1\.00  afb780fa48  mine.jsonl:1"),
    ):
        terminal.send(sent + "\r")
        terminal.expect(shown)
        terminal.expect(PROMPT)
    record = json.loads((tmp_path / "mine.jsonl").read_text("utf-8"))
    assert (record["answer"], record["provenance"]["base"]) == ("東京です。", "smollm2-135m")
    terminal.send("/fixes undo\r")
    terminal.expect("took afb780fa48 out of mine.jsonl")
    terminal.expect(PROMPT)
    assert (tmp_path / "mine.jsonl").read_bytes() == b""
    assert leave(terminal, "/quit\r") == 0
