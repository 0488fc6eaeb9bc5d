"""A server that speaks OpenAI's HTTP: its address, the key, the events of a reply, and every failure as one sentence.

By httpx2 (BSD-3-Clause), which comes with huggingface_hub and reads server-sent events itself. Importing it takes 0.1 s
and importing `openai` 0.7 s; `openai` stands on httpx2 too, adds 30 MB, ends a stream that was cut as it ends a whole
one, and follows redirects. Here the caller sees each event, and a body that breaks off is an error.

No redirect is followed, so the key goes to the address that was given and to no other.
"""

import asyncio
import json
import os
import re
import ssl
import time
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from curation.errors import UserError, first_line
from phi2chat.inference.recipes import StopReason
from phi2chat.remote.address import KEY_VARIABLE, find_address, is_loopback
from phi2chat.remote.chunks import error_message
from phi2chat.terminal.safe_text import on_one_line

LONGEST_BODY = 4 * 1024**2  # bytes of an error or a list of models that are read
LONGEST_QUOTE = 300  # characters
SHORTEST_SECRET = 4  # characters; what is shorter stands for no key, and for other things in a sentence
BUSY = (429, 503)
# With 503, of llama-server, and of the servers of Hugging Face
LOADING = re.compile(
    r"(?<!error )\bloading (the )?model\b|\bmodel\b.{,200}\bis (currently |still )?loading\b", re.IGNORECASE
)
LATER = "look at the server's log, or ask again later"
PROXIES = "check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or name the host in NO_PROXY"
WANTED_FIELDS = ("stream_options", "seed")  # which a server may refuse, and a reply does without


@dataclass(frozen=True)
class Patience:
    """How long to wait: for a connection, the next byte, before a busy server is asked again, and while one loads."""

    connect_seconds: float = 10
    read_seconds: float = 300  # a long prompt, or a model that has yet to be loaded
    again_seconds: tuple[float, ...] = (1, 3)
    longest_again_seconds: float = 30  # that a server may ask for
    loading_seconds: float = 600  # in which it is asked again and again
    loading_again_seconds: float = 1


class ServerError(UserError):
    """A reply that could not be had, or not all of it; `stop` is why it ended, if some of it has come."""

    def __init__(self, sentence: str, stop: StopReason = StopReason.SERVER_ERROR) -> None:
        super().__init__(sentence)
        self.stop = stop


class Server:
    """An OpenAI-compatible server. `address` ends where the names of the endpoints begin, as in http://host:8000/v1.

    `progress` is told what is waited for while a server loads its model. Raises UserError for a URL that cannot be one,
    or holds a secret.
    """

    def __init__(
        self, url: str, patience: Patience | None = None, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self.address = find_address(url)
        self._host = httpx2.URL(self.address).host
        self._patience, self._progress = patience or Patience(), progress
        self._is_loading = False
        self._key = os.environ.get(KEY_VARIABLE, "").strip()
        if not re.fullmatch(r"[!-~]*", self._key):
            raise UserError(f"{KEY_VARIABLE}: holds a character that no key has; set it again")

    async def model_names(self) -> AsyncGenerator[list[str]]:
        """The names of its models, once. Raises ServerError."""
        since, wait = time.monotonic(), None
        while True:
            with self._failures():
                async with self._client() as client, client.stream("GET", f"{self.address}/models") as response:
                    wait = await self._time_to_load(response, since)
                    if wait is None:
                        await self._refuse(response, "look at the server's log, or name a model with --model")
                        body = await _beginning(response)
                        break
            await asyncio.sleep(wait)
        try:
            names = [model["id"] for model in json.loads(body)["data"]]
            if not all(isinstance(name, str) for name in names):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self.failure("lists no models at /models", "name one with --model") from None
        yield names

    async def events(self, path: str, body: dict[str, Any]) -> AsyncGenerator[str]:
        """The data of each event that answers a request. Raises ServerError; a stream that is cut is an error too.

        A server that is busy is asked again, as is one that loads its model or refuses a field which is only wanted.
        """
        waits, since = iter(self._patience.again_seconds), time.monotonic()
        body = dict(body)
        async with self._open() as client:
            while True:
                with self._failures():
                    async with client.sse(f"{self.address}/{path}", method="POST", json=body) as source:
                        wait = await self._time_to_load(source.response, since)
                        if wait is None:
                            wait = await self._time_to_wait(source.response, waits, body)
                        if wait is None:
                            await self._refuse(source.response)
                            async for data in self._read(source):
                                yield data
                            return
                await asyncio.sleep(wait)

    def failure(self, what: str, remedy: str, stop: StopReason = StopReason.SERVER_ERROR) -> ServerError:
        """An error that says where, what and what to do."""
        return ServerError(f"{self.address}: {what}; {remedy}", stop)

    def quote(self, said: str) -> str:
        """As much of what a server says as fits a sentence, without the key, which servers like to repeat."""
        hidden = said.replace(self._key, "***") if len(self._key) >= SHORTEST_SECRET else said
        return on_one_line(hidden[:LONGEST_QUOTE])

    def _reason(self, body: str) -> str:
        """What the body of an error says, in parentheses, if it says anything."""
        said = self.quote(error_message(body))
        return f" ({said})" if said else ""

    # -- asking --------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[httpx2.AsyncClient]:
        with self._failures():
            client = self._client()
        async with client:
            yield client

    def _client(self) -> httpx2.AsyncClient:
        headers = {"Accept-Encoding": "identity", "User-Agent": "phi2chat"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        seconds = self._patience
        timeout = httpx2.Timeout(seconds.read_seconds, connect=seconds.connect_seconds)
        is_here = is_loopback(self._host)
        try:
            # A proxy cannot reach what runs on this machine, and reading the certificates takes 0.1 s.
            verify = httpx2.create_ssl_context() if self.address.startswith("https:") or not is_here else False
            return httpx2.AsyncClient(
                headers=headers,
                timeout=timeout,
                trust_env=not is_here,
                verify=verify,
                # A connection that the server is about to close would fail the request that is sent again.
                limits=httpx2.Limits(max_keepalive_connections=0),
            )
        except (OSError, ssl.SSLError) as error:
            raise UserError(f"the certificates cannot be read ({first_line(error)}); check SSL_CERT_FILE") from None
        except ImportError:
            raise UserError(f"a SOCKS proxy needs the package socksio; install it, or {PROXIES}") from None
        except (ValueError, httpx2.InvalidURL):  # whose message may quote a password
            raise UserError(f"the proxy of the environment is no URL of one; {PROXIES}") from None

    async def _time_to_load(self, response: httpx2.Response, since: float) -> float | None:
        """Seconds after which a server that loads its model should be asked again, None where none is loaded."""
        if response.status_code != 503 or not LOADING.search(error_message(await _beginning(response))):
            if self._is_loading:
                self._is_loading = False
                self._progress(f"the model is loaded, and is asked: {self.address}")
            return None
        patience = self._patience
        if time.monotonic() >= since + patience.loading_seconds:
            what = f"is still loading its model after {patience.loading_seconds:g} seconds"
            raise self.failure(
                f"{what}{self._reason(await _beginning(response))}", "look at its log, or wait and ask again"
            )
        self._is_loading = True
        # A narrow terminal cuts the end of it.
        self._progress(f"the model is being loaded, Ctrl-C stops waiting: {self.address}")
        return patience.loading_again_seconds

    async def _time_to_wait(
        self, response: httpx2.Response, waits: Iterator[float], body: dict[str, Any]
    ) -> float | None:
        """Seconds after which the request should be sent again, None if never; a refused field is taken out of it."""
        if response.status_code in (400, 422):
            said = error_message(await _beginning(response))
            refused = [field for field in WANTED_FIELDS if field in body and field in said]
            for field in refused:
                del body[field]
            return 0 if refused else None
        if response.status_code in BUSY and (wait := next(waits, None)) is not None:
            asked = response.headers.get("retry-after", "")
            wait = max(wait, float(asked)) if asked.isascii() and asked.isdigit() else wait
            return wait if wait <= self._patience.longest_again_seconds else None
        return None

    async def _read(self, source: httpx2.EventSource) -> AsyncIterator[str]:
        response = source.response
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            reason = self._reason(await _beginning(response)) if kind == "application/json" else ""
            what = f"answers with {self.quote(kind) or 'no content type'} and no stream{reason}"
            raise self.failure(what, "give the URL of an OpenAI-compatible server, which often ends in /v1")
        response.encoding = "utf-8-sig"  # whatever the header says; a byte order mark is no part of the first line
        async for event in source:
            if event.event == "error":
                raise self.failure(f"reports an error{self._reason(event.data)}", "look at the server's log")
            yield event.data

    # -- what may go wrong ---------------------------------------------------------------------------------------

    async def _refuse(self, response: httpx2.Response, remedy: str = LATER) -> None:
        """Raise ServerError unless the answer is a good one; `remedy` is for what has none of its own."""
        status = response.status_code
        if status == 200:
            return
        phrase = self.quote(response.reason_phrase)
        what = f"answers {status} {phrase}".rstrip() + self._reason(await _beginning(response))
        if 300 <= status < 400:
            where = self.quote(response.headers.get("location", "")) or "nowhere"
            raise self.failure(f"{what} and points to {where}", "give that with --endpoint if you trust it")
        if status in (401, 403) and not self._key:
            raise self.failure(what, f"set {KEY_VARIABLE} to a key of this server")
        if status == 429 and (seconds := self.quote(response.headers.get("retry-after", ""))):
            raise self.failure(f"{what} and wants to be left alone (Retry-After: {seconds})", "wait, and ask again")
        remedies = {
            400: "change what it names, with --model or a setting",
            401: f"check the key in {KEY_VARIABLE}",
            403: f"check the key in {KEY_VARIABLE}",
            404: "check --model and the URL, which often ends in /v1",
            422: "change what it names, with --model or a setting",
            429: "wait, and ask again",
        }
        raise self.failure(what, remedies.get(status, remedy))

    def _goes_through_a_proxy(self) -> bool:
        proxies = urllib.request.getproxies().keys() - {"no"}
        return bool(proxies) and not is_loopback(self._host) and not urllib.request.proxy_bypass(self._host)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except httpx2.HTTPError as error:
            raise self._explain(error) from None
        except UnicodeError:  # of the look-up of a name with a part that is empty or too long
            raise self.failure("cannot be reached, its host name is none", "check the address") from None

    def _explain(self, error: httpx2.HTTPError) -> ServerError:
        seconds, lost = self._patience, StopReason.CONNECTION_LOST
        causes = list(_causes(error))
        of_system = next((cause for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
        said = self.quote((of_system.strerror if of_system else None) or str(error) or type(error).__name__)
        through = ""
        if self._goes_through_a_proxy():
            through = " (asked through the proxy of the environment; NO_PROXY names hosts to go to without it)"
        if isinstance(error, httpx2.ConnectTimeout):
            what = f"cannot be reached within {seconds.connect_seconds:g} seconds{through}"
            return self.failure(what, "check the address")
        if isinstance(error, httpx2.TimeoutException):
            what = f"has sent nothing for {seconds.read_seconds:g} seconds"
            return self.failure(what, "look at the server's log, or ask again", lost)
        if isinstance(error, httpx2.ProxyError):
            return self.failure(f"the proxy refuses ({said})", PROXIES)
        if isinstance(error, httpx2.SSEError):
            return self.failure("sends an event of more than 1 MiB", "look at the server's log")
        if isinstance(error, httpx2.DecodingError):
            return self.failure("sends what cannot be decompressed", "look at the server's log, or ask again", lost)
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            remedy = "check the address, or name the file of its authority's certificate in SSL_CERT_FILE"
            return self.failure(f"its certificate cannot be trusted ({said})", remedy)
        if any(isinstance(cause, ssl.SSLError) for cause in causes):
            return self.failure(f"does not speak TLS ({said})", "try http:// instead of https://")
        if isinstance(error, httpx2.ConnectError):
            if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
                return self.failure(f"refuses the connection{through}", "start the server, or check the port")
            return self.failure(f"cannot be reached, {said}{through}", "check the address")
        if isinstance(error, httpx2.ProtocolError) and _never_answered(said):
            return self.failure(f"does not answer in HTTP ({said})", "check the address")
        return self.failure(f"the connection was lost ({said})", "look at the server's log, or ask again", lost)


async def _beginning(response: httpx2.Response) -> str:
    """As much of a body as is looked at, also where it breaks off; the second time it is the same."""
    kept = response.extensions.get("beginning")
    if kept is None:
        kept = b""
        try:
            async for piece in response.aiter_bytes():
                kept += piece
                if len(kept) >= LONGEST_BODY:
                    break
        except httpx2.HTTPError:
            pass
        response.extensions["beginning"] = kept
    return bytes(kept[:LONGEST_BODY]).decode("utf-8-sig", "replace")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            yield from cause.exceptions
        cause = cause.__cause__ or cause.__context__


def _never_answered(said: str) -> bool:
    return said.startswith("illegal status line") or "without sending a response" in said
