"""Whatever a server does ends in the right reply or in one sentence, without the key and without a control character."""

import gzip
import io
import json
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from loopback import HANG, RESET, Answer, Loopback, delta, http, piece, serving, stream

from curation.errors import UserError
from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.commands.ask import answer
from phi2chat.config import ChatConfig, EndpointConfig
from phi2chat.inference.recipes import StopReason
from phi2chat.remote.endpoint import connect
from phi2chat.remote.server import Patience
from phi2chat.terminal.interrupts import Interrupt
from phi2chat.terminal.safe_text import safe
from phi2chat.terminal.screen import SafeConsole, Screen

KEY = "sk-canary-5f1d"
PATIENT = Patience(
    read_seconds=60, again_seconds=(0.01, 0.02), longest_again_seconds=1, loading_seconds=60, loading_again_seconds=0.01
)
HURRIED = Patience(read_seconds=1, loading_seconds=0.05, loading_again_seconds=0.01)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LOADING = http(
    '{"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}', "503 Service Unavailable"
)
HTML = "<html><h1>\x1b[2J502</h1></html>"
LOG, LOG_OR_AGAIN, LOG_OR_LATER = (
    "look at the server's log",
    "look at the server's log, or ask again",
    "look at the server's log, or ask again later",
)
COMPATIBLE = "see whether it is OpenAI-compatible, or look at its log"
REFUSED = "change what it names, with --model or a setting"
FIND = "check --model and the URL, which often ends in /v1"
STREAMING = "give the URL of an OpenAI-compatible server, which often ends in /v1"
TOKYO = json.dumps(delta("東京"), ensure_ascii=False).encode()


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def event(content: object) -> bytes:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


# What a server may do and the reply is right all the same: its answer, why it stopped, and what is noted

WHOLE = stream(delta(role="assistant"), delta("東京"), delta("です。"), delta(reason="stop"))
END, LENGTH = StopReason.END_OF_TEXT, StopReason.BUDGET
RIGHT: dict[str, tuple[Answer, StopReason, str]] = {
    "whole": (WHOLE, END, ""),
    "without-done": (stream(delta("東京です。", "stop"), done=False), END, ""),
    "length": (stream(delta("東京です。", "length")), LENGTH, ""),
    "finish-in-an-event-of-its-own": (stream(delta("東京です。"), {"choices": [{"finish_reason": "length"}]}), LENGTH, ""),
    "usage-last": (stream(delta("東京です。", "stop"), {"choices": [], "usage": {"completion_tokens": 4}}), END, ""),
    "usage-in-each": (stream(*({**one, "usage": {"completion_tokens": 2}} for one in (delta("東京"), delta("です。", "stop")))), END, ""),
    "roles-in-each": (stream(delta("東京", role="assistant"), delta("です。", "stop", role="assistant")), END, ""),
    "reasons-that-are-none": (stream(delta("東京", ""), delta("です。", "stop")), END, ""),
    "a-whole-message": (stream({"choices": [{"message": {"content": "東京です。"}, "finish_reason": "stop"}]}), END, ""),
    "events-without-data": ([HEAD + b"\r\ndata:\n\ndata: \n\n" + event(delta("東京です。", "stop"))], END, ""),
    "http-1.0": ([b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event(delta("東京です。", "stop"))], END, ""),
    "continue": ([b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"\r\n" + event(delta("東京です。", "stop"))], END, ""),
    "header-byte-by-byte": (
        [*(part for byte in HEAD for part in (bytes([byte]), 0.0005)), b"\r\n" + event(delta("東京です。", "stop"))], END, ""
    ),
    "error-after-the-reason": (stream(delta("東京です。", "stop"), {"error": "too late"}), END, ""),
    "content-filter": (
        stream(delta("東京です。", "content_filter")),
        StopReason.SERVER_STOP,
        "the server says why the reply ended: content_filter",
    ),
    "done-alone": (stream(delta("東京です。")), StopReason.SERVER_STOP, "the server does not say why the reply ended"),
    "carriage-returns": (stream(delta("東京です。"), delta(reason="stop"), line_end="\r\n"), END, ""),
    "old-line-ends": (stream(delta("東京です。"), delta(reason="stop"), line_end="\r"), END, ""),
    "byte-order-mark": ([HEAD + b"\r\n\xef\xbb\xbf" + event(delta("東京です。", "stop"))], END, ""),
    "byte-order-mark-and-charset": (
        [HEAD.replace(b"stream", b"stream; charset=shift_jis") + b"\r\n\xef\xbb\xbf" + event(delta("東京です。", "stop"))],
        END,
        "",
    ),
    "comments": ([HEAD + b"\r\n: ping\n\n:\n\n" + event(delta("東京です。", "stop")) + b": ping\n\ndata: [DONE]\n\n"], END, ""),
    "data-over-several-lines": (
        [HEAD + b"\r\n" + 'data: {"choices": [{"delta":\ndata:  {"content": "東京です。"},\ndata: "finish_reason": "stop"}]}\n\n'.encode()],
        END,
        "",
    ),
    "event-lines": ([HEAD + b"\r\nevent: message\nid: 1\nretry: 5\n" + event(delta("東京です。", "stop"))], END, ""),
    "no-blank-after-the-colon": ([HEAD + b"\r\n" + event(delta("東京です。", "stop")).replace(b"data: ", b"data:")], END, ""),
    "two-choices": (
        stream({"choices": [{"index": 1, "delta": {"content": "x"}}, *delta("東京です。", "stop")["choices"]]}),
        END,
        "",
    ),
    "null-delta": (stream({"choices": [{"delta": None}]}, delta("東京です。", "stop")), END, ""),
    "null-content": (stream({"choices": [{"delta": {"content": None}}]}, delta("東京です。", "stop")), END, ""),
    "empty-choices": (stream({"choices": []}, delta("東京です。", "stop")), END, ""),
    "missing-fields": (stream({}, {"choices": [{}]}, delta("東京です。", "stop")), END, ""),
    "unknown-events": (stream({"type": "ping"}, delta("東京です。", "stop")), END, ""),
    "gzip": (
        [HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(event(delta("東京です。", "stop")))],
        END,
        "",
    ),
    "chunked": ([CHUNKED + chunk(event(delta("東京です。", "stop"))) + b"0\r\n\r\n"], END, ""),
    "byte-by-byte": (
        [HEAD + b"\r\n", *(part for byte in event(delta("東京です。", "stop")) for part in (bytes([byte]), 0.0005))],
        END,
        "",
    ),
    "open-after-the-end": ([HEAD + b"\r\n" + event(delta("東京です。", "stop")) + b"data: [DONE]\n\n", HANG], END, ""),
    "reset-after-the-reason": ([HEAD + b"\r\n" + event(delta("東京です。", "stop")), 0.3, RESET], END, ""),
    "line-separator-in-the-text": (stream(delta("東京です。\u2028", "stop")), END, ""),
    "busy-at-first": (
        lambda asked: http(status="503 Service Unavailable") if is_first(asked) else WHOLE, END, ""
    ),
    "loading-its-model-at-first": (lambda asked: LOADING if asked_so_far(asked) < 9 else WHOLE, END, ""),
    "rate-limited-at-first": (
        lambda asked: http(status="429 Too Many Requests", retry_after="0") if is_first(asked) else WHOLE, END, ""
    ),
    "takes-no-stream-options": (
        lambda asked: http('{"detail": "stream_options: extra field"}', "422 Unprocessable") if "stream_options" in asked.body else WHOLE,
        END,
        "",
    ),
    "takes-no-seed-nor-stream-options": (
        lambda asked: next((http(f'{{"error": "{f} is unknown"}}', "400 Bad Request") for f in ("seed", "stream_options") if f in asked.body), WHOLE),
        END,
        "",
    ),
}  # fmt: skip
SEEN: Counter[str] = Counter()


def asked_so_far(asked: Any) -> int:
    """How often this was asked before."""
    SEEN[asked.path] += 1
    return SEEN[asked.path] - 1


def is_first(asked: Any) -> bool:
    return not asked_so_far(asked)


# What ends before any text: the sentence after the address

FAULTS: dict[str, tuple[Answer, str]] = {
    "bad-request": (http('{"error": {"message": "max_tokens is too large"}}', "400 Bad Request"), f"answers 400 Bad Request (max_tokens is too large); {REFUSED}"),
    "unauthorized": (http(f'{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}', "401 Unauthorized"), "answers 401 Unauthorized (Incorrect API key provided: ***); check the key in OPENAI_API_KEY"),
    "forbidden": (http('{"detail": "no"}', "403 Forbidden"), "answers 403 Forbidden (no); check the key in OPENAI_API_KEY"),
    "not-found": (http('{"error": "model \\"x\\" not found"}', "404 Not Found"), f'answers 404 Not Found (model "x" not found); {FIND}'),
    "not-found-and-empty": (http(b"", "404 Not Found"), f"answers 404 Not Found; {FIND}"),
    "unprocessable": (http('{"detail": [{"msg": "Field required"}]}', "422 Unprocessable Entity"), f"answers 422 Unprocessable Entity (Field required); {REFUSED}"),
    "rate-limited": (http(b"", "429 Too Many Requests"), "answers 429 Too Many Requests; wait, and ask again"),
    "rate-limited-for-long": (http(b"", "429 Too Many Requests", retry_after="3600"), "answers 429 Too Many Requests and wants to be left alone (Retry-After: 3600); wait, and ask again"),
    "rate-limited-until-a-date": (http(b"", "429 Too Many Requests", retry_after="Wed, 21 Oct 2015"), "answers 429 Too Many Requests and wants to be left alone (Retry-After: Wed, 21 Oct 2015); wait, and ask again"),
    "internal-error": (http('{"error": {"message": "CUDA out of memory"}}', "500 Internal Server Error"), f"answers 500 Internal Server Error (CUDA out of memory); {LOG_OR_LATER}"),
    "internal-error-in-html": (http(HTML, "500 Oops", content_type="text/html"), f"answers 500 Oops; {LOG_OR_LATER}"),
    "bad-gateway": (http(HTML, "502 Bad Gateway", content_type="text/html"), f"answers 502 Bad Gateway; {LOG_OR_LATER}"),
    "unavailable": (http("no\n  slot is free", "503 Service Unavailable", content_type="text/plain"), f"answers 503 Service Unavailable (no slot is free); {LOG_OR_LATER}"),
    "loading-its-model-for-long": (LOADING, "is still loading its model after 0.05 seconds (Loading model); look at its log, or wait and ask again"),
    "error-while-it-loaded-its-model": (http('{"error": "error loading model"}', "503 No"), f"answers 503 No (error loading model); {LOG_OR_LATER}"),
    "teapot-without-a-phrase": (http(b"", "418 "), f"answers 418; {LOG_OR_LATER}"),
    "error-of-another-shape": (http('{"x": [1, {"y": null}]}', "500 No"), f"answers 500 No; {LOG_OR_LATER}"),
    "error-body-cut": (["".join(map(bytes.decode, http('{"error": "a', "500 No", content_length="999"))).encode()], f'answers 500 No ({{"error": "a); {LOG_OR_LATER}'),
    "huge-error-page": (http("<p>" + "x" * 10**7, "500 No"), f"answers 500 No; {LOG_OR_LATER}"),
    "huge-error-text": (http("x" * 10**7, "500 No"), f"answers 500 No ({'x' * 300}); {LOG_OR_LATER}"),
    "endless-error-page": ([b"HTTP/1.1 500 No\r\n\r\n", *([b"x" * 10**5] * 2000)], f"answers 500 No ({'x' * 300}); {LOG_OR_LATER}"),
    "steers-the-terminal": (http(json.dumps({"error": "\x1b]0;a\x07\u202e\x9b2J\r\nb"}), "500 No"), f"answers 500 No (\x1b]0;a\x07\u202e\x9b2J b); {LOG_OR_LATER}"),
    "phrase-steers-the-terminal": (http(b"", "500 \x80\x1bNo"), f"answers 500 \x1bNo; {LOG_OR_LATER}"),
    "redirect": (http(b"", "307 Temporary Redirect", location="http://other.invalid/v1"), "answers 307 Temporary Redirect and points to http://other.invalid/v1; give that with --endpoint if you trust it"),
    "redirect-to-nowhere": (http(b"", "302 Found"), "answers 302 Found and points to nowhere; give that with --endpoint if you trust it"),
    "page": (http(HTML, content_type="text/html; charset=utf-8"), f"answers with text/html and no stream; {STREAMING}"),
    "json": (http(json.dumps({"choices": [{"message": {"content": "東京"}}]})), f"answers with application/json and no stream; {STREAMING}"),
    "error-with-200": (http('{"error": {"message": "no such model"}}'), f"answers with application/json and no stream (no such model); {STREAMING}"),
    "empty": ([b"HTTP/1.1 200 OK\r\n\r\n"], f"answers with no content type and no stream; {STREAMING}"),
    "no-content": ([b"HTTP/1.1 204 No Content\r\n\r\n"], f"answers 204 No Content; {LOG_OR_LATER}"),
    "nothing-streamed": (stream(done=False), f"ended the stream before the reply was finished; {LOG_OR_AGAIN}"),
    "done-and-no-reply": (stream(), "sends a stream that holds no reply; see whether it is OpenAI-compatible"),
    "another-shape": (stream({"id": "x", "output": "東京"}), "sends a stream that holds no reply; see whether it is OpenAI-compatible"),
    "roles-alone": (stream(delta(role="assistant"), done=False), f"ended the stream before the reply was finished; {LOG_OR_AGAIN}"),
    "no-json": (stream("東京"), f"the server sends what is no JSON; {COMPATIBLE}"),
    "json-list": (stream([1]), f"the server sends JSON that is no part of a reply; {COMPATIBLE}"),
    "choices-of-another-kind": (stream({"choices": "東京"}), f"the server sends choices that are none; {COMPATIBLE}"),
    "delta-of-another-kind": (stream({"choices": [{"delta": "東京"}]}), f"the server sends a delta that is none; {COMPATIBLE}"),
    "content-of-another-kind": (stream({"choices": [{"delta": {"content": {"a": 1}}}]}), f"the server sends a content that is no text; {COMPATIBLE}"),
    "nested-deeply": (stream("[" * 100_000), f"the server sends what is no JSON; {COMPATIBLE}"),
    "error-in-the-stream": (stream({"error": {"message": "CUDA error", "code": 500}}), f"reports an error (CUDA error); {LOG}"),
    "error-event": ([HEAD + b'\r\nevent: error\ndata: {"message": "too long"}\n\n'], f"reports an error (too long); {LOG}"),
    "large-event": ([HEAD + b"\r\n" + event(delta("x" * 10**7))], f"sends an event of more than 1 MiB; {LOG}"),
    "endless-event": ([HEAD + b"\r\ndata: ", *([b"x" * 10**5] * 2000)], f"sends an event of more than 1 MiB; {LOG}"),
    "gzip-broken": ([HEAD + b"Content-Encoding: gzip\r\n\r\nno gzip at all"], f"sends what cannot be decompressed; {LOG_OR_AGAIN}"),
    "chunks-broken": ([CHUNKED + b"zz\r\nno length\r\n"], "the connection was lost (illegal chunk header"),
    "cut-before-any-text": ([HEAD + b"Content-Length: 999\r\n\r\n: ping\n\n"], "the connection was lost (peer closed connection without sending complete message body"),
    "closed-at-once": ([b""], "does not answer in HTTP (Server disconnected without sending a response.); check the address"),
    "reset-at-once": ([RESET], "the connection was lost ("),
    "another-protocol": ([b"SSH-2.0-OpenSSH_9.6\r\n"], "does not answer in HTTP ("),
    "header-cut": ([b"HTTP/1.1 200 OK\r\nContent-Ty"], "does not answer in HTTP ("),
    "endless-header": ([b"HTTP/1.1 200 OK\r\n", *([b"x: " + b"y" * 1000 + b"\r\n"] * 2000)], "the connection was lost ("),
    "redirect-to-itself": (lambda asked: http(b"", "302 Found", location=asked.path), "answers 302 Found and points to /fault-redirect-to-itself/v1/chat/completions; give that with --endpoint if you trust it"),
    "no-utf-8-in-an-error": (http(b'{"error": "\xff full"}', "500 No"), f"answers 500 No (\ufffd full); {LOG_OR_LATER}"),
    "gzip-bomb": ([HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"data: " + b"x" * 10**8)], f"sends an event of more than 1 MiB; {LOG}"),
    "gzip-bomb-in-an-error": (http(gzip.compress(b"x" * 10**8), "500 No", content_encoding="gzip"), f"answers 500 No ({'x' * 300}); {LOG_OR_LATER}"),
    "lines-of-json": (http('{"message": {"content": "東京"}, "done": true}', content_type="application/x-ndjson"), f"answers with application/x-ndjson and no stream; {STREAMING}"),
    "another-upgrade": ([b"HTTP/1.1 101 Switching Protocols\r\n\r\n"], "the connection was lost ("),
    "length-that-is-none": ([HEAD + b"Content-Length: -5\r\n\r\n"], "the connection was lost (bad Content-Length)"),
    "lengths-that-differ": ([HEAD + b"Content-Length: 5\r\nContent-Length: 9\r\n\r\n"], "the connection was lost (conflicting Content-Length headers)"),
    "length-within-the-first-event": ([HEAD + b"Content-Length: 30\r\n\r\n" + event(delta("東京です。", "stop"))], f"ended the stream before the reply was finished; {LOG_OR_AGAIN}"),
    "zero-in-a-header": ([b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n"], "the connection was lost (illegal header line"),
    "usage-alone": (stream({"choices": [], "usage": {"completion_tokens": 1}}), "sends a stream that holds no reply; see whether it is OpenAI-compatible"),
    "another-api": (stream({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "東京"}}), "sends a stream that holds no reply; see whether it is OpenAI-compatible"),
    "index-of-5000-digits": (stream('{"choices": [{"index": ' + "9" * 5000 + "}]}"), f"the server sends what is no JSON; {COMPATIBLE}"),
    "silent": ([HANG], f"has sent nothing for 1 seconds; {LOG_OR_AGAIN}"),
    "silent-after-the-header": ([HEAD + b"\r\n", HANG], f"has sent nothing for 1 seconds; {LOG_OR_AGAIN}"),
}  # fmt: skip

# What ends within the reply: what is kept of it, why it stopped, and the note after the address

LOST, FAILED = StopReason.CONNECTION_LOST, StopReason.SERVER_ERROR
BEGUN = HEAD + b"\r\n" + event(delta("東京")) + event(delta("です。"))
CUT: dict[str, tuple[Answer, StopReason, str]] = {
    "without-an-end": (stream(delta("東京"), delta("です。"), done=False), LOST, f"ended the stream before the reply was finished; {LOG_OR_AGAIN}"),
    "in-an-event": ([BEGUN + b"data: {"], LOST, f"ended the stream before the reply was finished; {LOG_OR_AGAIN}"),
    "in-a-whole-line": ([BEGUN + event(delta("大阪", "stop"))[:-2]], LOST, f"ended the stream before the reply was finished; {LOG_OR_AGAIN}"),
    "in-the-end-itself": ([BEGUN + b"data: [DONE"], LOST, f"ended the stream before the reply was finished; {LOG_OR_AGAIN}"),
    "in-a-character": ([BEGUN + b'data: {"choices": [{"delta": {"content": "\xe6\x9d'], LOST, f"ended the stream before the reply was finished; {LOG_OR_AGAIN}"),
    "in-a-character-of-chunks": ([CHUNKED + chunk(BEGUN.partition(b"\r\n\r\n")[2]) + b"5\r\n\xe6\x9d"], LOST, "the connection was lost (peer closed connection without sending complete message body"),
    "short-of-its-length": ([HEAD + b"Content-Length: 9999\r\n\r\n" + BEGUN.partition(b"\r\n\r\n")[2]], LOST, "the connection was lost (peer closed connection without sending complete message body"),
    "reset": ([BEGUN, 0.3, RESET], LOST, "the connection was lost ("),
    "chunks-break": ([CHUNKED + chunk(BEGUN.partition(b"\r\n\r\n")[2]) + b"zz\r\n"], LOST, "the connection was lost (illegal chunk header"),
    "silence": ([BEGUN, HANG], LOST, f"has sent nothing for 1 seconds; {LOG_OR_AGAIN}"),
    "json-breaks": (stream(delta("東京です。"), '{"choices": [{"delta'), FAILED, f"the server sends what is no JSON; {COMPATIBLE}"),
    "error": (stream(delta("東京です。"), {"error": {"message": "worker died \x1b[2J"}}), FAILED, f"reports an error (worker died \x1b[2J); {LOG}"),
    "large-event": ([BEGUN + event(delta("x" * 10**7))], FAILED, f"sends an event of more than 1 MiB; {LOG}"),
    "reasons-that-are-none": (stream(delta("東京", ""), delta("です。", ""), done=False), LOST, f"ended the stream before the reply was finished; {LOG_OR_AGAIN}"),
    "gzip-cut": ([HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(event(delta("東京です。")) + event({"x": secrets.token_hex(5000)}) + event(delta("次", "stop")), mtime=0)[:3000]], LOST, f"ended the stream before the reply was finished; {LOG_OR_AGAIN}"),
    "gzip-breaks": ([HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(BEGUN.partition(b"\r\n\r\n")[2]), 0.05, b"no gzip"], LOST, "ended the stream before"),
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    answers = {f"{group}-{name}": case[0] for group, cases in (("right", RIGHT), ("fault", FAULTS), ("cut", CUT)) for name, case in cases.items()}  # fmt: skip
    with serving(answers) as server:
        yield server


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(url: str, patience: Patience = PATIENT, **options: Any) -> tuple[Turn | None, str, str]:
    """The turn, what it brought to stdout, and the sentence it ended with; the terminal was sent nothing unsafe."""
    out, err, sentence = io.StringIO(), io.StringIO(), ""
    turn = None
    try:
        conversation = Conversation(
            connect(EndpointConfig(endpoint=url, **{"model": "m", **options}), patience), ChatConfig()
        )
        turn = answer(conversation, "首都は？", False, Screen(SafeConsole(file=out), SafeConsole(file=err)))
    except UserError as error:
        sentence = str(error)
    assert KEY not in out.getvalue() + err.getvalue() + sentence
    assert "\n" not in sentence
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202a-\u202e]", out.getvalue() + err.getvalue() + safe(sentence)
    )
    return turn, out.getvalue(), sentence


def test_no_case_was_left_out() -> None:
    assert (len(RIGHT), len(FAULTS), len(CUT)) == (41, 67, 16)


@pytest.mark.parametrize("name", RIGHT)
def test_a_reply_is_right_however_it_is_sent(server: Loopback, name: str) -> None:
    turn, out, sentence = ask(server.url(f"right-{name}"))
    assert turn is not None, sentence
    assert (turn.answer.rstrip("\u2028"), turn.stop, turn.notes) == (
        "東京です。",
        *RIGHT[name][1:2],
        tuple(filter(None, RIGHT[name][2:])),
    )
    assert out.startswith("東京です。")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_before_any_text_is_one_sentence(server: Loopback, name: str) -> None:
    turn, out, sentence = ask(
        server.url(f"fault-{name}"), HURRIED if name.startswith(("silent", "loading")) else PATIENT
    )
    assert (turn, out) == (None, "")
    wanted = f"{server.url(f'fault-{name}')}/v1: {FAULTS[name][1]}"
    if wanted.endswith("(") or ";" not in wanted:
        assert sentence.startswith(wanted) and sentence.count("; ") >= 1
    else:
        assert sentence == wanted


@pytest.mark.parametrize("name", CUT)
def test_what_came_of_a_reply_that_breaks_off_is_kept_and_marked(server: Loopback, name: str) -> None:
    turn, out, _ = ask(server.url(f"cut-{name}"), HURRIED if name == "silence" else PATIENT)
    _, stop, note = CUT[name]
    assert turn is not None
    assert (turn.answer, turn.stop, turn.stop.is_cut) == ("東京です。", stop, True)
    assert out == "東京です。\n"
    assert turn.notes[0].startswith(f"the reply is cut: {server.url(f'cut-{name}')}/v1: {note}")


def test_a_stream_cut_at_any_byte_is_never_taken_for_a_whole_one(server: Loopback) -> None:
    (whole,) = stream(delta("東京"), delta("です。", "stop"))
    assert isinstance(whole, bytes)
    head = whole.index(b"\r\n\r\n") + 4
    said = whole.index(b'"stop"')  # the reply is whole once the end of its event has come
    end = whole.index(b"\n\n", said) + 2
    for size in range(head, len(whole), 3):
        server.answers["bytes"] = [whole[:size]]
        turn, _, sentence = ask(server.url("bytes"))
        if turn is None:
            assert "ended the stream before" in sentence
        else:
            assert turn.stop is (END if size >= end else LOST), whole[:size]


BODIES = {
    b"": "",
    b"no": " (no)",
    b'{"error": {"message": "no"}}': " (no)",
    b'{"error": "no"}': " (no)",
    b'{"object": "error", "message": "no"}': " (no)",
    b'{"detail": [{"msg": "no"}]}': " (no)",
    b'{"error": {"message": "n': ' ({"error": {"message": "n)',
    b'["no"]': " (no)",
    b"null": "",
    b"<!DOCTYPE html><p>no": "",
    b"\xff\xfe": " (\ufffd\ufffd)",
}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529])
def test_whatever_the_body_of_a_refusal_is_it_is_one_sentence(server: Loopback, status: int) -> None:
    for body, reason in BODIES.items():
        server.answers["refusal"] = http(body, f"{status} No")
        turn, out, sentence = ask(server.url("refusal"))
        assert (turn, out) == (None, "")
        assert sentence.startswith(f"{server.url('refusal')}/v1: answers {status} No{reason}; ")


KANJI = "".join(map(chr, range(0x4E00, 0x4E00 + 2000))) + "ひらがなとカタカナ。" * 100


def test_3000_characters_whose_bytes_come_one_by_one_are_whole_and_none_waits(server: Loopback) -> None:
    assert len(KANJI) == 3000
    chars = [delta(KANJI[start : start + 30]) for start in range(0, 3000, 30)]
    (whole,) = stream(*chars, delta("。", "stop"))
    assert isinstance(whole, bytes)
    server.answers["bytes"] = [CHUNKED + b"".join(chunk(bytes([byte])) for byte in whole.partition(b"\r\n\r\n")[2])]
    conversation = Conversation(connect(EndpointConfig(endpoint=server.url("bytes"), model="m"), PATIENT), ChatConfig())
    pieces = [piece.text for piece in conversation.ask("?") if piece.text]
    assert "".join(pieces) == f"{KANJI}。"
    assert len(pieces) >= len(chars), "an event was held until a later one came"


# Where nothing answers


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:9", "http://127.0.0.1:9/v1: refuses the connection; start the server, or check the port"),
        ("http://[::1]:9", "http://[::1]:9/v1: "),
        ("http://a..b", "http://a..b/v1: cannot be reached, "),
        (f"http://{'a' * 70}.b", f"http://{'a' * 70}.b/v1: cannot be reached, "),
        ("http://no-such-host.invalid", "http://no-such-host.invalid/v1: cannot be reached, "),
    ],
)
def test_a_server_that_is_not_there_is_said(url: str, sentence: str) -> None:
    assert ask(url)[2].startswith(sentence)


def test_tls_to_a_plain_port_is_said(server: Loopback) -> None:
    sentence = ask(server.url("right-whole", "https"))[2]
    assert "does not speak TLS" in sentence and sentence.endswith("; try http:// instead of https://")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_a_certificate_that_nobody_vouches_for_is_said(tmp_path: Path) -> None:
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"]  # fmt: skip
    subprocess.run(["openssl", *made], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with answering_once(lambda connection: context.wrap_socket(connection, server_side=True)) as port:
        sentence = ask(f"https://127.0.0.1:{port}")[2]
    assert "its certificate cannot be trusted (" in sentence and "SSL_CERT_FILE" in sentence


def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering_once(lambda connection: connection.sendall(b"HTTP/1.1 407 Proxy\r\n\r\n")) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        sentence = ask("https://server.invalid")[2]
    assert sentence.startswith("https://server.invalid/v1: the proxy refuses (407 Proxy); check HTTP_PROXY")


@contextmanager
def answering_once(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """The port of a server that does so with its first connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


# The key


def test_the_key_is_sent_to_the_address_alone(server: Loopback) -> None:
    with serving({"v1": WHOLE}) as other:
        server.answers["away"] = http(
            b"", "307 Temporary Redirect", location=f"http://127.0.0.1:{other.port}/v1/chat/completions"
        )
        ask(server.url("away"))
        assert server.asked[-1].headers["authorization"] == f"Bearer {KEY}"
        assert other.asked == []


def test_without_a_key_none_is_sent_and_a_refusal_says_where_it_goes(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    server.answers["closed"] = http(b"", "401 Unauthorized")
    assert ask(server.url("closed"))[2].endswith("answers 401 Unauthorized; set OPENAI_API_KEY to a key of this server")
    assert "authorization" not in server.asked[-1].headers


@pytest.mark.parametrize("before", range(290, 302))
def test_a_key_is_not_shown_in_part_where_a_long_error_is_cut(server: Loopback, before: int) -> None:
    server.answers["long"] = http(json.dumps({"error": "x" * before + KEY + "y" * 50}), "500 No")
    assert KEY[:3] not in ask(server.url("long"))[2]


@pytest.mark.parametrize("place", ["phrase", "location", "type", "stream", "finish", "model", "wait"])
def test_a_key_that_a_server_repeats_is_shown_nowhere(server: Loopback, place: str) -> None:
    server.answers["echo"] = {
        "phrase": http(b"", f"500 {KEY}"),
        "location": http(b"", "302 Found", location=f"http://h/{KEY}"),
        "type": http(b"", content_type=KEY),
        "stream": stream(delta("東京"), {"error": {"message": KEY}}),
        "finish": stream(delta("東京", KEY)),
        "model": http(json.dumps({"data": [{"id": KEY}, {"id": "b"}]})),
        "wait": http(b"", "429 Too Many", retry_after=KEY),
    }[place]
    turn, _, sentence = ask(server.url("echo"), **({"model": None} if place == "model" else {}))
    assert "***" in (sentence or str(turn and turn.notes))


def test_a_word_that_stands_for_no_key_is_left_in_a_sentence(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    server.answers["exact"] = http('{"error": "x is next"}', "500 No")
    assert "(x is next)" in ask(server.url("exact"))[2]


def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nHost: other")
    assert ask("http://h")[2] == "OPENAI_API_KEY: holds a character that no key has; set it again"


# Proxies


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "nonsense://x", "socks5://127.0.0.1:9", "::::"])
def test_a_server_on_this_machine_is_asked_without_a_proxy(
    server: Loopback, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("ALL_PROXY", proxy)
    turn, _, _ = ask(server.url("right-whole"))
    assert turn is not None and turn.answer == "東京です。"


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    sentence = ask("http://server.invalid")[2]
    assert "refuses the connection (asked through the proxy of the environment; NO_PROXY" in sentence


@pytest.mark.parametrize("proxy", ["nonsense://user:secret@x", "socks5://user:secret@x:1", "http://u:secret@h:port"])
def test_a_proxy_that_cannot_be_used_is_said_without_its_password(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    sentence = ask("http://server.invalid")[2]
    assert (
        sentence.startswith("the proxy of the environment is no URL of one; ")
        or "needs the package socksio" in sentence
    )
    assert "secret" not in sentence


def test_certificates_that_are_not_there_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    assert ask("https://server.invalid")[2].endswith("; check SSL_CERT_FILE")


# Asking again


def test_a_busy_server_is_asked_three_times_and_no_more(server: Loopback) -> None:
    server.answers["busy"] = http(b"", "503 Service Unavailable")
    ask(server.url("busy"))
    assert sum(asked.path.startswith("/busy/") for asked in server.asked) == 3


@pytest.mark.parametrize("status", ["400 Bad Request", "500 Internal Server Error", "502 Bad Gateway"])
def test_other_failures_are_not_asked_again(server: Loopback, status: str) -> None:
    server.answers["failing"] = http(b"", status)
    before = len(server.asked)
    ask(server.url("failing"))
    assert len(server.asked) == before + 1


def test_a_reply_that_has_begun_is_not_asked_for_again(server: Loopback) -> None:
    server.answers["once"] = [BEGUN, RESET]
    before = len(server.asked)
    ask(server.url("once"))
    assert len(server.asked) == before + 1


def test_while_a_server_loads_its_model_that_is_said_and_it_is_asked_until_it_has(server: Loopback) -> None:
    said: list[str] = []
    answers = [LOADING, LOADING, http('{"data": [{"id": "only"}]}'), LOADING, WHOLE]
    server.answers["loading"] = lambda asked: answers.pop(0)
    url = server.url("loading")
    model = connect(EndpointConfig(endpoint=url), PATIENT, said.append)
    conversation = Conversation(model, ChatConfig())
    assert "".join(piece.text for piece in conversation.ask("?")) == "東京です。"
    waits = f"the model is being loaded, Ctrl-C stops waiting: {url}/v1"
    goes_on = f"the model is loaded, and is asked: {url}/v1"
    assert said == [waits, waits, goes_on, waits, goes_on]


def test_ctrl_c_stops_waiting_for_a_model_that_loads(server: Loopback) -> None:
    server.answers["loading"] = LOADING
    conversation, interrupt = (
        Conversation(connect(EndpointConfig(endpoint=server.url("loading"), model="m")), ChatConfig()),
        Interrupt(),
    )
    interrupt.requested = True
    assert list(conversation.ask("?", interrupt)) == []
    assert conversation.turns[-1].stop is StopReason.INTERRUPTED


# The names of models


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"data": [{"id": "a"}, {"id": "b\x1b"}]}, "has 2 models (a, b\x1b); name one with --model"),
        ({"data": []}, "has 0 models (none); name one with --model"),
        ({"data": [{"id": 1}]}, "lists no models at /models; name one with --model"),
        ({"models": ["a"]}, "lists no models at /models; name one with --model"),
        ([], "lists no models at /models; name one with --model"),
    ],
)
def test_without_one_model_they_are_listed(server: Loopback, body: object, sentence: str) -> None:
    server.answers["listing"] = http(json.dumps(body))
    with pytest.raises(UserError) as error:
        connect(EndpointConfig(endpoint=server.url("listing")), PATIENT)
    assert str(error.value) == f"{server.url('listing')}/v1: {sentence}"


def test_a_server_that_cannot_list_its_models_can_be_told_one(server: Loopback) -> None:
    server.answers["listing"] = http("no cache", "500 No")
    with pytest.raises(UserError, match=r"answers 500 No \(no cache\); .* or name a model with --model$"):
        connect(EndpointConfig(endpoint=server.url("listing")), PATIENT)


def test_the_only_model_is_taken(server: Loopback) -> None:
    server.answers["listing"] = http('{"data": [{"id": "only"}]}')
    assert (
        connect(EndpointConfig(endpoint=server.url("listing")), PATIENT).name == f"only at {server.url('listing')}/v1"
    )


def test_the_raw_way_streams_texts_too(server: Loopback) -> None:
    server.answers["raw"] = stream(piece("\n国会がある。\n\n### Answer:\n東京"), piece("です。", "stop"))
    turn, _, _ = ask(server.url("raw"), raw=True)
    assert turn is not None
    assert (turn.reasoning, turn.answer, turn.stop) == ("国会がある。", "東京です。", END)
