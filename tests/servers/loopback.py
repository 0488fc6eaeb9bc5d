"""A server on this machine that answers each path with bytes as they are written down, and notes what it was asked."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

# What is done on a connection, one after the other: send bytes, wait so many seconds, or one of these two.
HANG, RESET = "hang", "reset"
Step = bytes | float | str
Answer = Sequence[Step] | Callable[["Asked"], Sequence[Step]]


@dataclass
class Asked:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: Any
    hung_up: threading.Event = field(default_factory=threading.Event)  # set when the other side closes before the end


class Loopback:
    """Answers `/NAME/v1/...` with `answers[NAME]`; what is `b""` sends nothing and closes."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self.asked: list[Asked] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def url(self, name: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=[connection], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                asked = _read(connection)
                if asked is None:
                    return
                self.asked.append(asked)
                answer = self.answers[asked.path.split("/")[1]]
            except OSError:  # the other side went away
                return
            try:
                for step in answer(asked) if callable(answer) else answer:
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    elif isinstance(step, float):
                        self._over.wait(step)
                    elif step == RESET:  # closed with what was not read yet, so that the other side gets an error
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
                    else:
                        self._wait_for_the_end(connection, asked)
            except OSError:
                asked.hung_up.set()

    def _wait_for_the_end(self, connection: socket.socket, asked: Asked) -> None:
        connection.settimeout(0.05)
        while not self._over.is_set():
            try:
                if not connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            return
        asked.hung_up.set()


def _read(connection: socket.socket) -> Asked | None:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return None
        received += piece
        if received[:1] == b"\x16":  # a TLS hello, to which a plain server says what it says to any nonsense
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return None
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Asked(first.split(" ")[1], headers, json.loads(body) if body else None)


@contextmanager
def serving(answers: dict[str, Answer]) -> Iterator[Loopback]:
    """A server while it is needed."""
    server = Loopback(answers)
    try:
        yield server
    finally:
        server.close()


def http(body: bytes | str = b"", status: str = "200 OK", **headers: str) -> list[Step]:
    """A whole answer; its body is JSON unless a header says otherwise."""
    content = body.encode() if isinstance(body, str) else body
    given = {"content_type": "application/json", "content_length": str(len(content)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    return [f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + content]


def stream(*events: object, done: bool = True, line_end: str = "\n", **headers: str) -> list[Step]:
    """An answer that streams events and ends with the connection."""
    datas = [event if isinstance(event, str) else json.dumps(event, ensure_ascii=False) for event in events]
    body = "".join(f"data: {data}{line_end * 2}" for data in [*datas, *(["[DONE]"] if done else [])])
    given = {"content_type": "text/event-stream", "connection": "close", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    return [f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body.encode()]


def delta(content: object = None, reason: str | None = None, **fields: object) -> dict[str, Any]:
    """A chunk of /v1/chat/completions."""
    text = {} if content is None else {"content": content}
    return {"choices": [{"index": 0, "delta": {**text, **fields}, "finish_reason": reason}]}


def piece(text: str, reason: str | None = None, **fields: object) -> dict[str, Any]:
    """A chunk of /v1/completions."""
    return {"choices": [{"index": 0, "text": text, "finish_reason": reason, **fields}]}
