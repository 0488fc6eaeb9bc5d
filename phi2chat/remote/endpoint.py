"""A model behind an OpenAI-compatible server (vLLM, llama-server, Ollama, `transformers serve`), to talk to like any.

Two ways to ask, for what was trained is a prompt. By default the server gets messages and writes the prompt; with --raw
it gets our own prompt, as in training, which is the way for an adapter that vLLM serves. With --style a reply is in a
trained style and begins with its reasoning; without, it is an answer, after a reasoning if the server marks one.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from curation.errors import UserError
from phi2chat.config import ChatConfig, EndpointConfig
from phi2chat.inference.guard import GuardReport
from phi2chat.inference.prompt import PROMPT_FILE, Example, PromptStyle, load_style, render_prompt
from phi2chat.inference.recipes import RECIPES, StopReason
from phi2chat.remote.chunks import MESSAGES_STYLE, ReplyReader, ReportedError, UnreadableError
from phi2chat.remote.server import Patience, Server, ServerError
from phi2chat.weights.end_of_text import TOKENIZER_FILE, find_end_of_text

SLICE_SECONDS = 0.1  # how long a Ctrl-C may wait
LINGER_SECONDS = 2  # for the count of tokens, after the reply has ended
LONGEST_TOKEN = 64  # characters; a reply of more than so many for each token does not keep to its budget

NO_ENFORCE = "enforce is not possible with --endpoint, which gives no probabilities; it is flagged"
NO_HISTORY = (
    "earlier turns are left out: --raw needs the model's end-of-text token to close them;"
    f" name its run with --style, and where its base is not here, put its {TOKENIZER_FILE} there"
)

Item = TypeVar("Item")


@dataclass
class EndpointModel:
    """A model of a server. `style` is how its replies are taken apart; `end_of_text` is known for --raw alone."""

    server: Server
    model: str
    trained_style: PromptStyle | None = None
    raw: bool = False
    end_of_text: str | None = None
    _said: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return f"{self.model} at {self.server.address}"

    @property
    def short_name(self) -> str:
        """The name for where there is no room for the server's."""
        return self.model

    @property
    def style(self) -> PromptStyle:
        return self.trained_style or MESSAGES_STYLE

    def stream(self, history: Sequence[Example], question: str, config: ChatConfig) -> "EndpointStream":
        """A reply to a question after the earlier turns; nothing is sent before it is read."""
        recipe, notes = RECIPES[config.recipe], []
        if recipe.total_tokens:
            notes.append(
                f"recipe {recipe.name}: the tokens of the question are not known here,"
                f" so that its {recipe.total_tokens} are the longest reply"
            )
        body: dict[str, Any] = {
            "model": self.model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": recipe.total_tokens or config.max_new_tokens,
            "temperature": config.temperature,
            "top_p": config.top_p,
            "seed": config.seed,
        }
        if self.raw:
            if history and self.end_of_text is None:
                notes.append(NO_HISTORY)
            path = "completions"
            body |= {"prompt": self._prompt(history, question), "stop": self._stop_strings()}
        else:
            path, body["messages"] = "chat/completions", self._messages(history, question)
        guard = GuardReport(config.guard)
        if config.guard == "enforce":
            guard = GuardReport("flag", note=NO_ENFORCE if self._is_news(NO_ENFORCE) else "")
        news = tuple(note for note in notes if self._is_news(note))
        return EndpointStream(self.server, path, body, ReplyReader(self.trained_style), guard, news)

    def _messages(self, history: Sequence[Example], question: str) -> list[dict[str, str]]:
        """The conversation as messages; reasoning is part of an earlier reply only where it was in training."""
        before, after = render_prompt(self.style, "").split("\n", 1)
        messages = []
        for turn in history:
            asked = turn.prompt.removeprefix(f"{before}\n").removesuffix(after)
            reply = turn.completion if self.trained_style else turn.completion.partition(self.style.answer)[2]
            messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": reply.strip()}]
        return [*messages, {"role": "user", "content": question.strip()}]

    def _prompt(self, history: Sequence[Example], question: str) -> str:
        """The prompt of training, after the earlier turns, as `prompt.encode_prompt` has it in tokens."""
        end = self.end_of_text
        earlier = "" if end is None else "".join(f"{turn.prompt}{turn.completion}{end}" for turn in history)
        return earlier + render_prompt(self.style, question)

    def _stop_strings(self) -> list[str]:
        """The markers that only a question of the model's own begins with."""
        return list(filter(None, [self.style.instruction, self.style.input, self.style.reasoning]))

    def _is_news(self, note: str) -> bool:
        is_new = note not in self._said
        self._said.add(note)
        return is_new


class EndpointStream:
    """A reply on its way from a server, as text in the model's style; empty pieces come while there is nothing new.

    Iterating asks. A failure before any text raises UserError; after some, the reply ends there, and `stop` and `notes`
    say why. `unit` is what `tokens` counts: the events that brought text, where the server does not count. Where
    iterating stops, the connection is closed.
    """

    def __init__(
        self,
        server: Server,
        path: str,
        body: dict[str, Any],
        reader: ReplyReader,
        guard: GuardReport,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._server, self._path, self._body, self._reader = server, path, body, reader
        self.guard, self.notes = guard, notes
        self.stop = StopReason.INTERRUPTED
        self.seconds = 0.0

    @property
    def tokens(self) -> int:
        return self._reader.pieces if self._reader.tokens is None else self._reader.tokens

    @property
    def context_tokens(self) -> int | None:
        """What the prompt and the reply take of the model's context, where the server says so."""
        return self._reader.context_tokens

    @property
    def unit(self) -> Literal["tokens", "pieces"]:
        return "pieces" if self._reader.tokens is None else "tokens"

    def __iter__(self) -> Iterator[str]:
        reader, start = self._reader, time.perf_counter()
        failure: ServerError | None = None
        try:
            for text in self._texts():
                if text:
                    self.seconds = time.perf_counter() - start
                yield text
        except ServerError as error:
            failure = error
        yield reader.close()
        if failure and not reader.characters:
            raise failure
        if failure and reader.finish_reason is None:
            self.stop = failure.stop
            self.notes += (f"the reply is cut: {failure}",)
        elif self.stop is StopReason.INTERRUPTED:
            self._end()

    def _texts(self) -> Iterator[str]:
        reader, most = self._reader, LONGEST_TOKEN * int(self._body["max_tokens"])
        lingering = 0.0
        for event in in_slices(self._server.events(self._path, self._body), SLICE_SECONDS):
            yield "" if event is None else self._read(event)
            if reader.characters > most:
                self.stop = StopReason.BUDGET
                self.notes += ("the server does not keep to max_tokens; the reply was stopped here",)
                return
            lingering = lingering + SLICE_SECONDS if event is None and reader.finish_reason else 0
            if reader.done or lingering > LINGER_SECONDS:
                return
        if not reader.finish_reason:
            what = "ended the stream before the reply was finished"
            raise self._server.failure(what, "look at the server's log, or ask again", StopReason.CONNECTION_LOST)

    def _read(self, event: str) -> str:
        try:
            return self._reader.feed(event)
        except UnreadableError as error:
            remedy = "see whether it is OpenAI-compatible, or look at its log"
            raise self._server.failure(f"the server {error}", remedy) from None
        except ReportedError as error:
            said = self._server.quote(str(error))
            raise self._server.failure(f"reports an error ({said})", "look at the server's log") from None

    def _end(self) -> None:
        """Say why a reply ended that came whole."""
        reader = self._reader
        if not reader.is_reply:
            remedy = "see whether it is OpenAI-compatible"
            raise self._server.failure("sends a stream that holds no reply", remedy)
        match reader.finish_reason:
            case "stop":
                self.stop = StopReason.NEXT_QUESTION if reader.hit_stop_string else StopReason.END_OF_TEXT
            case "length":
                self.stop = StopReason.BUDGET
            case None:
                self.stop = StopReason.SERVER_STOP
                self.notes += ("the server does not say why the reply ended",)
            case reason:
                self.stop = StopReason.SERVER_STOP
                self.notes += (f"the server says why the reply ended: {self._server.quote(reason)}",)
        if mark := reader.stray_mark:
            self.notes += (f"{mark} stands in the answer: what is before it may be reasoning; see --style",)


def connect(
    config: EndpointConfig, patience: Patience | None = None, progress: Callable[[str], None] = lambda _: None
) -> EndpointModel:
    """The model that the settings name, or a server's only one; `progress` is told what is waited for.

    Raises UserError where that cannot be told, or the style cannot be read.
    """
    assert config.endpoint is not None
    server = Server(config.endpoint, patience, progress)
    style, end_of_text = PromptStyle() if config.raw else None, None
    if config.style is not None:
        folder = _folder_of_style(config.style)
        style, end_of_text = load_style(folder), find_end_of_text(folder) if config.raw else None
    model = config.model
    if model is None:
        names = next(names for names in in_slices(server.model_names(), SLICE_SECONDS) if names is not None)
        if len(names) != 1:
            shown = ", ".join(map(server.quote, names[:20])) or "none"
            raise server.failure(f"has {len(names)} models ({shown})", "name one with --model")
        model = names[0]
    return EndpointModel(server, model, style, config.raw, end_of_text)


def _folder_of_style(path: Path) -> Path:
    """The folder of a run or a model, from its path or from that of its prompt.json."""
    folder = path.parent if path.name == PROMPT_FILE else path
    if not (folder / PROMPT_FILE).is_file():
        raise UserError(f"{path}: has no {PROMPT_FILE}; give the folder of a run, or of the model that was served")
    return folder


def in_slices(source: AsyncGenerator[Item], seconds: float) -> Iterator[Item | None]:
    """What an asynchronous source yields, and None whenever nothing has come for so long.

    A caller that stops, at a None or elsewhere, ends the source at once, wherever that is waiting.
    """
    loop = asyncio.new_event_loop()
    waiting: asyncio.Task[Item] | None = None
    try:
        while True:
            waiting = waiting or loop.create_task(_next_of(source))
            loop.run_until_complete(asyncio.wait({waiting}, timeout=seconds))
            item = None
            if waiting.done():
                finished, waiting = waiting, None
                try:
                    item = finished.result()
                except StopAsyncIteration:
                    return
            yield item
    finally:
        if tasks := asyncio.all_tasks(loop):
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(source.aclose())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _next_of(source: AsyncGenerator[Item]) -> Item:
    return await anext(source)
