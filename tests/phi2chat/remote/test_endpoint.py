"""A conversation with a model behind a server: what is sent, what comes of the reply, and the command line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from loopback import HANG, Loopback, delta, http, piece, serving, stream

from curation.errors import UserError
from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.chatting.status_line import StatusLine
from phi2chat.config import ChatConfig, EndpointConfig
from phi2chat.inference.prompt import PromptStyle, encode_prompt, render_completion, render_prompt, save_style
from phi2chat.inference.recipes import StopReason
from phi2chat.remote.endpoint import NO_ENFORCE, NO_HISTORY, connect
from phi2chat.remote.server import Patience
from phi2chat.terminal.footer import describe_end
from phi2chat.terminal.interrupts import Interrupt

REPLY = stream(delta(reasoning_content="国会がある。"), delta("東京"), delta("です。", "stop"))
STYLED = "\n国会がある。\n\n### Answer:\n東京です。"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serving({"talk": REPLY}) as server:
        yield server


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """The folder of a run with the usual prompt style."""
    save_style(PromptStyle(), tmp_path)
    return tmp_path


def talk_to(server: Loopback, config: ChatConfig | None = None, **options: Any) -> Conversation:
    settings = EndpointConfig(endpoint=server.url("talk"), **{"model": "m", **options})
    return Conversation(connect(settings, Patience(read_seconds=60)), config or ChatConfig())


def ask(conversation: Conversation, question: str = "首都は？") -> Turn:
    for _ in conversation.ask(question):
        pass
    return conversation.turns[-1]


# What is sent


def test_the_settings_are_sent_with_the_question(server: Loopback) -> None:
    ask(talk_to(server, ChatConfig(temperature=0.7, top_p=0.9, seed=5, max_new_tokens=40)))
    (asked,) = server.asked
    assert asked.path == "/talk/v1/chat/completions"
    assert asked.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "首都は？"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 40,
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": 5,
    }


def test_earlier_turns_are_sent_as_messages_without_their_reasoning(server: Loopback) -> None:
    conversation = talk_to(server)
    ask(conversation, "首都は？\n一語で。 ")
    ask(conversation, "人口は？")
    assert server.asked[1].body["messages"] == [
        {"role": "user", "content": "首都は？\n一語で。"},
        {"role": "assistant", "content": "東京です。"},
        {"role": "user", "content": "人口は？"},
    ]


def test_with_a_style_earlier_turns_are_sent_as_they_were_trained(server: Loopback, run_dir: Path) -> None:
    server.answers["talk"] = stream(delta(STYLED, "stop"))
    conversation = talk_to(server, style=run_dir)
    first = ask(conversation)
    assert (first.reasoning, first.answer) == ("国会がある。", "東京です。")
    ask(conversation)
    assert server.asked[1].body["messages"][1] == {"role": "assistant", "content": STYLED.strip()}


def test_the_raw_way_sends_the_prompt_of_training(server: Loopback, run_dir: Path) -> None:
    server.answers["talk"] = stream(piece(STYLED, "stop"))
    turn = ask(talk_to(server, style=run_dir / "prompt.json", raw=True))
    (asked,) = server.asked
    assert asked.path == "/talk/v1/completions"
    assert asked.body["prompt"] == render_prompt(PromptStyle(), "首都は？")
    assert asked.body["stop"] == ["### Instruction:", "### Input:", "### Reasoning:"]
    assert "messages" not in asked.body
    assert (turn.reasoning, turn.answer, turn.stop) == ("国会がある。", "東京です。", StopReason.END_OF_TEXT)


@pytest.mark.parametrize("spelling", ["<|end|>", {"content": "<|end|>"}])
def test_the_raw_way_closes_earlier_turns_with_the_end_of_text(
    server: Loopback, run_dir: Path, spelling: object
) -> None:
    (run_dir / "tokenizer_config.json").write_text(json.dumps({"eos_token": spelling}), encoding="utf-8")
    server.answers["talk"] = stream(piece(STYLED, "stop"))
    conversation = talk_to(server, style=run_dir, raw=True)
    turns = [ask(conversation, question) for question in ("一", "二", "三")]
    style = PromptStyle()
    whole = [render_prompt(style, t.question) + render_completion(style, t.reasoning, t.answer) for t in turns[:2]]
    assert server.asked[2].body["prompt"] == f"{whole[0]}<|end|>{whole[1]}<|end|>{render_prompt(style, '三')}"
    assert conversation.turns[-1].notes == ()


def test_the_raw_prompt_of_a_conversation_has_the_tokens_of_training(
    server: Loopback, tiny_phi: Path, tiny_tokenizer: Any, tmp_path: Path
) -> None:
    save_style(PromptStyle(), tmp_path)
    (tmp_path / "tokenizer_config.json").write_bytes((tiny_phi / "tokenizer_config.json").read_bytes())
    server.answers["talk"] = stream(piece(STYLED, "stop"))
    conversation = talk_to(server, style=tmp_path, raw=True)
    for question in ("首都は？", "人口は？"):
        ask(conversation, question)
    style, (first, second) = PromptStyle(), conversation.turns
    history = [conversation_example(style, first)]
    wanted = encode_prompt(tiny_tokenizer, history, render_prompt(style, second.question))
    assert tiny_tokenizer(server.asked[1].body["prompt"])["input_ids"] == wanted


def conversation_example(style: PromptStyle, turn: Turn) -> Any:
    from phi2chat.inference.prompt import Example

    return Example(render_prompt(style, turn.question), render_completion(style, turn.reasoning, turn.answer))


def test_without_an_end_of_text_the_raw_way_leaves_earlier_turns_out_and_says_so_once(server: Loopback) -> None:
    server.answers["talk"] = stream(piece(STYLED, "stop"))
    conversation = talk_to(server, raw=True)
    assert [ask(conversation).notes for _ in range(3)] == [(), (NO_HISTORY,), ()]
    assert server.asked[2].body["prompt"] == render_prompt(PromptStyle(), "首都は？")


@pytest.mark.parametrize(("recipe", "tokens"), [("a", 300), ("b", 200)])
def test_recipes_bound_the_reply_and_say_once_what_cannot_be_known(server: Loopback, recipe: Any, tokens: int) -> None:
    conversation = talk_to(server, ChatConfig(recipe=recipe))
    note = f"recipe {recipe}: the tokens of the question are not known here, so that its {tokens} are the longest reply"
    assert [ask(conversation).notes for _ in range(2)] == [(note,), ()]
    assert [(asked.body["max_tokens"], len(asked.body["messages"])) for asked in server.asked] == [(tokens, 1)] * 2


# What comes of a reply


def test_tokens_are_named_for_what_they_are(server: Loopback, scripted_talk: Any) -> None:
    conversation = talk_to(server)
    talk = scripted_talk(conversation.model)
    talk.conversation = conversation
    turn = ask(conversation)
    assert (turn.tokens, turn.unit) == (3, "pieces")
    assert re.fullmatch(r"\[end of text; 3 pieces, [\d.]+ pieces/s; recipe chat\]", describe_end(turn))
    server.answers["talk"] = stream(delta("東京です。", "stop"), {"choices": [], "usage": {"completion_tokens": 7}})
    turn = ask(conversation)
    assert (turn.tokens, turn.unit, turn.context_tokens) == (7, "tokens", None)
    assert " 10 tokens and pieces, " in talk.enter("/stats")[0]


def test_what_a_conversation_takes_of_the_context_is_what_the_server_says_of_the_last_reply(server: Loopback) -> None:
    usage = {"prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37}
    server.answers["talk"] = stream(delta("東京です。", "stop"), {"choices": [], "usage": usage})
    conversation = talk_to(server)
    line = StatusLine(conversation)
    assert "context" not in line.render(120)
    assert ask(conversation).context_tokens == 37
    assert line.render(120).endswith("context 37")
    conversation.turns.pop()
    assert "context" not in line.render(120)


def test_a_reply_in_the_wrong_script_is_flagged(server: Loopback) -> None:
    server.answers["talk"] = stream(delta("首都は"), delta("这个城"), delta("市です。", "stop"))
    conversation = talk_to(server)
    pieces = list(conversation.ask("首都は？"))
    assert any(piece.wrong_language == "zh-Hans" for piece in pieces)
    assert conversation.turns[0].answer_spans


def test_that_enforce_is_not_possible_is_said_once(server: Loopback) -> None:
    conversation = talk_to(server, ChatConfig(guard="enforce"))
    reports = [ask(conversation).guard for _ in range(2)]
    assert [(report.mode, report.note) for report in reports] == [("flag", NO_ENFORCE), ("flag", "")]


def test_a_matched_stop_string_is_told_from_the_end_where_the_server_does(server: Loopback) -> None:
    server.answers["talk"] = stream(piece(STYLED, "stop", stop_reason="### Instruction:"))
    assert ask(talk_to(server, raw=True)).stop is StopReason.NEXT_QUESTION


def test_a_question_of_its_own_ends_the_reply_and_the_connection(server: Loopback) -> None:
    [begun] = stream(piece(f"{STYLED}\n\n### Instruction:\n次"), done=False)
    server.answers["talk"] = [begun, HANG]
    turn = ask(talk_to(server, raw=True))
    assert (turn.answer, turn.stop) == ("東京です。", StopReason.NEXT_QUESTION)
    assert server.asked[0].hung_up.wait(100)


def test_an_endless_stream_is_stopped(server: Loopback) -> None:
    [begun] = stream(delta("東京" * 100), done=False)
    body = begun.partition(b"\r\n\r\n")[2]
    server.answers["talk"] = [begun, *[body] * 500, HANG]
    turn = ask(talk_to(server, ChatConfig(max_new_tokens=10)))
    assert turn.stop is StopReason.BUDGET
    assert turn.notes == ("the server does not keep to max_tokens; the reply was stopped here",)
    assert len(turn.answer) < 2000
    assert server.asked[0].hung_up.wait(100)


def test_a_mark_in_the_middle_is_pointed_out(server: Loopback) -> None:
    server.answers["talk"] = stream(delta(STYLED, "stop"))
    assert ask(talk_to(server)).notes == (
        "### Answer: stands in the answer: what is before it may be reasoning; see --style",
    )


def test_a_cut_reply_is_saved_and_loaded_as_one(server: Loopback, scripted_talk: Any, tmp_path: Path) -> None:
    server.answers["talk"] = stream(delta("東京"), done=False)
    conversation = talk_to(server)
    talk = scripted_talk(conversation.model)
    talk.conversation = conversation
    turn = ask(conversation)
    talk.enter(f"/save {tmp_path / 'talk.json'}")
    conversation.turns.clear()
    talk.enter(f"/load {tmp_path / 'talk.json'}")
    (loaded,) = conversation.turns
    assert (loaded.stop, loaded.notes, loaded.unit) == (StopReason.CONNECTION_LOST, turn.notes, "pieces")
    assert "connection lost; 1 pieces" in describe_end(loaded)


# Ctrl-C


def test_an_interrupt_closes_the_connection_at_once_and_keeps_what_came(server: Loopback) -> None:
    [begun] = stream(delta("これは東京です。次の"), done=False)
    server.answers["talk"] = [begun, HANG]
    conversation, interrupt = talk_to(server), Interrupt()
    for _ in conversation.ask("首都は？", interrupt):
        interrupt.requested = True
    assert server.asked[0].hung_up.wait(100)
    (turn,) = conversation.turns
    assert (turn.stop, turn.answer) == (StopReason.INTERRUPTED, "これは東京です。次の")


def test_an_interrupt_before_anything_came_closes_the_connection_too(server: Loopback) -> None:
    conversation, interrupt = talk_to(server), Interrupt()

    def interrupt_once_asked(asked: Any) -> Any:
        interrupt.requested = True
        return [HANG]

    server.answers["talk"] = interrupt_once_asked
    assert list(conversation.ask("首都は？", interrupt)) == []
    assert server.asked[0].hung_up.wait(100)
    assert (conversation.turns[0].stop, conversation.turns[0].answer) == (StopReason.INTERRUPTED, "")


def test_ctrl_c_ends_ask_with_130_and_hangs_up(
    server: Loopback, clean_environment: dict[str, str], tmp_path: Path
) -> None:
    server.answers["talk"] = [HANG]
    command = [sys.executable, "-m", "phi2chat", "ask", "?", "--endpoint", server.url("talk"), "--model", "m"]
    process = subprocess.Popen(command, env=clean_environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not server.asked and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1].strip() == "phi2chat: interrupted"
    assert process.returncode == 130
    assert server.asked[0].hung_up.wait(100)


# The command line


def test_ask_answers_on_stdout_and_loads_no_library_of_models(phi2chat: Any, server: Loopback, tmp_path: Path) -> None:
    for name in ("torch", "transformers", "tokenizers", "huggingface_hub"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('{name} was imported')", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])
    server.answers["talk"] = lambda asked: http('{"data": [{"id": "only"}]}') if asked.body is None else REPLY
    done = phi2chat("ask", "首都は？", "--endpoint", server.url("talk"), PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (0, "東京です。\n"), done.stderr
    assert done.stderr.startswith("[reasoning]\n国会がある。\n")
    assert [asked.path for asked in server.asked] == ["/talk/v1/models", "/talk/v1/chat/completions"]
    assert server.asked[1].body["model"] == "only"


def test_ask_ends_with_1_where_a_reply_is_cut(phi2chat: Any, server: Loopback) -> None:
    server.answers["talk"] = stream(delta("東京"), done=False)
    options = ["--endpoint", server.url("talk"), "--model", "m"]
    done = phi2chat("ask", *options, "--json", stdin="一\n二\n")
    assert done.returncode == 1
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(reply["answer"], reply["stop"], len(reply["notes"])) for reply in replies] == [
        ("東京", "connection_lost", 1)
    ] * 2
    assert done.stderr == "phi2chat: 2 of 2 replies broke off and are not whole; see the notes, and ask again\n"


def test_a_failure_is_one_sentence_without_the_key_or_a_control_character(phi2chat: Any, server: Loopback) -> None:
    server.answers["talk"] = http(json.dumps({"error": "bad key sk-1234 \x1b]0;x\x07\u202e"}), "401 Unauthorized")
    options = ["--endpoint", server.url("talk"), "--model", "m"]
    done = phi2chat("ask", "?", *options, OPENAI_API_KEY="sk-1234")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"phi2chat: {server.url('talk')}/v1: answers 401 Unauthorized"
        " (bad key *** ^[]0;x^G<U+202E RLO>); check the key in OPENAI_API_KEY\n"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--endpoint", "http://h", "--base", "b"], "--base: is for a model that runs here; leave it out, or leave out --endpoint."),
        (["--endpoint", "http://h", "--adapter", "a", "--device", "cpu"], "--device, --adapter: is for a model that runs here; leave it out, or leave out --endpoint."),
        (["--model", "m"], "--model, --style and --raw are for a server; name it with --endpoint URL."),
        (["--raw"], "--model, --style and --raw are for a server; name it with --endpoint URL."),
    ],
)  # fmt: skip
def test_options_for_here_and_for_a_server_do_not_mix(phi2chat: Any, options: list[str], sentence: str) -> None:
    done = phi2chat("ask", "?", *options)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"Error: {sentence}")


def test_a_style_that_is_none_is_refused_before_anything_is_sent(server: Loopback, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no prompt.json; give the folder of a run, or of the model"):
        talk_to(server, style=tmp_path)
    (tmp_path / "prompt.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="is not a prompt style"):
        talk_to(server, style=tmp_path)
    assert server.asked == []


@pytest.mark.slow
def test_the_repl_goes_on_after_an_interrupt_and_a_failure(
    server: Loopback, clean_environment: dict[str, str], tmp_path: Path
) -> None:
    [begun] = stream(delta("これは東京です。次の"), done=False)
    answers = [[begun, HANG], http('{"error": "full"}', "500 No"), stream(delta("大阪"), done=False), REPLY]
    server.answers["talk"] = lambda asked: answers.pop(0)
    options = ["repl", "--endpoint", server.url("talk"), "--model", "m", "--no-history"]
    shell = pexpect.spawn(
        sys.executable,
        ["-m", "phi2chat", *options],
        env={**clean_environment, "TERM": "dumb", "NO_COLOR": "1"},
        cwd=str(tmp_path),
        encoding="utf-8",
        dimensions=(40, 200),
        timeout=60,
    )
    shell.expect("m at http://127.0.0.1")
    shell.send("一\r")
    shell.expect("東京")
    shell.sendintr()
    shell.expect("interrupted; 1 pieces")
    assert server.asked[0].hung_up.wait(100)
    shell.send("二\r")
    shell.expect(r"answers 500 No \(full\); look at the server's log")
    shell.send("三\r")
    shell.expect("connection lost; 1 pieces")
    shell.expect("! the reply is cut: http://127.0.0.1")
    shell.send("四\r")
    shell.expect("国会がある。")
    shell.expect("東京です。")
    shell.send("/stats\r")
    shell.expect("1 end of text, 1 interrupted, 1 connection lost")
    shell.send("/quit\r")
    shell.expect(pexpect.EOF)
    shell.close()
    assert shell.exitstatus == 0
