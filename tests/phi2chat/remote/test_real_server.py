"""A server that is not ours, in a process of its own: `transformers serve` with a trained model, asked both ways."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.records import Record, read_dataset
from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.config import ChatConfig, EndpointConfig
from phi2chat.inference.recipes import StopReason
from phi2chat.remote.endpoint import connect
from phi2chat.terminal.interrupts import Interrupt

NEEDED = ("fastapi", "uvicorn", "openai")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, NEEDED)),
        reason="transformers[serving] is not installed, see the group dev",
    ),
]


@pytest.fixture(scope="module")
def served(
    answering_adapter: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The URL of a server, and the folder of the one model it has: a run, exported."""
    folder = tmp_path_factory.mktemp("served")
    model, log = folder / "model", folder / "server.log"
    export = [sys.executable, "-m", "phi2chat", "export", str(answering_adapter[0]), "--merged", "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH")]))}  # fmt: skip
    subprocess.run([*export, "--output-dir", str(model)], check=True, capture_output=True, env=environment)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
    options = ["serve", str(model), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", serve, *options], env=environment, stdout=output, stderr=output
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}", model
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text(encoding="utf-8", errors="replace"))


@pytest.fixture
def known(answering_adapter: tuple[Path, Path]) -> list[Record]:
    return [record for _, record in read_dataset(answering_adapter[1]).records()]


def conversation(served: tuple[str, Path], config: ChatConfig | None = None, **options: Any) -> Conversation:
    url, model = served
    settings = EndpointConfig(endpoint=url, model=str(model), style=model, **options)
    return Conversation(connect(settings), config or ChatConfig())


def ask(talk: Conversation, question: str) -> Turn:
    for _ in talk.ask(question):
        pass
    return talk.turns[-1]


@pytest.mark.parametrize("raw", [True, False], ids=["our-prompt", "messages"])
def test_a_served_model_answers_as_it_was_trained_to(served: tuple[str, Path], known: list[Record], raw: bool) -> None:
    for record in known:
        turn = ask(conversation(served, raw=raw), record.instruction)
        assert (turn.reasoning, turn.answer) == (record.reasoning, record.answer)
        assert (turn.stop, turn.unit, turn.notes) == (StopReason.END_OF_TEXT, "tokens", ())
        assert turn.tokens > 10


def test_both_ways_and_the_local_model_reply_alike_in_the_second_turn(
    served: tuple[str, Path], known: list[Record], answering_adapter: tuple[Path, Path]
) -> None:
    from phi2chat.config import ModelConfig
    from phi2chat.weights.models import load

    local = load(ModelConfig(adapter=answering_adapter[0], device="cpu"), lambda text: None)
    replies = []
    for talk in (conversation(served, raw=True), conversation(served), Conversation(local, ChatConfig())):
        turns = [ask(talk, record.instruction) for record in known[:2]]
        replies.append([(turn.reasoning, turn.answer, turn.stop) for turn in turns])
    assert replies[0] == replies[1] == replies[2]


def test_a_budget_is_kept_by_the_server_and_said(served: tuple[str, Path], known: list[Record]) -> None:
    turn = ask(conversation(served, ChatConfig(max_new_tokens=5), raw=True), known[0].instruction)
    assert (turn.stop, turn.tokens) == (StopReason.BUDGET, 5)


def test_an_interrupt_leaves_the_server_ready_for_the_next_question(
    served: tuple[str, Path], known: list[Record]
) -> None:
    talk, interrupt = conversation(served, raw=True), Interrupt()
    for _ in talk.ask(known[0].instruction, interrupt):
        interrupt.requested = True
    assert talk.turns[-1].stop is StopReason.INTERRUPTED
    talk.turns.clear()
    assert ask(talk, known[1].instruction).answer == known[1].answer


def test_another_model_than_the_served_one_is_refused_in_one_sentence(phi2chat: Any, served: tuple[str, Path]) -> None:
    done = phi2chat("ask", "?", "--endpoint", served[0], "--model", "other")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"phi2chat: {served[0]}/v1: answers 400 Bad Request (Server is pinned to ")
