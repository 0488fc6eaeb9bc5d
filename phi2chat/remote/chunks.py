"""What a server streams, event by event -> the text of a reply in a prompt style, why it ended, and what it took.

Known forms: the chunks of `/v1/chat/completions` (reasoning as `reasoning_content` or `reasoning`, or between marks in
the content) and of `/v1/completions`. Nothing is read here from a network, so that every form is tested as it is.
"""

import codecs
import json
from typing import Any, TypeGuard

from phi2chat.inference.prompt import PromptStyle
from phi2chat.terminal.safe_text import on_one_line

# Parts of a reply that comes as messages. Unicode keeps these characters out of all text, so that nothing a model
# writes is taken for a marker, and no marker is waited for.
MESSAGES_STYLE = PromptStyle("\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3")
_NOT_FOR_TEXT = dict.fromkeys(range(0xFDD0, 0xFDF0), "\ufffd")

OWN_STYLE = PromptStyle()
# What reasoning stands between where a server leaves it in the content, if the content begins with it.
REASONING_MARKS = {"<think>": "</think>", OWN_STYLE.reasoning: OWN_STYLE.answer}
DONE = "[DONE]"
_MOST_TOKENS = 2**31  # of any model; a conversation saved with a larger number could not be loaded


class UnreadableError(Exception):
    """What came is in no known form; its text goes on after "the server"."""


class ReportedError(Exception):
    """The server itself says, in the stream, that it failed; its text is what it says."""


class ReplyReader:
    """Takes a reply from its events.

    With a `style` of ours the text is passed on as it is, and begins with the reasoning; without one it becomes text
    in MESSAGES_STYLE. `finish_reason` is the server's, None while there is none; `done` is true after the last event.
    `tokens` is what the server counted, None where it did not; `pieces` the events that brought text. Of several
    choices only the first is read; reasoning that comes after the answer has begun is left out.
    """

    def __init__(self, style: PromptStyle | None) -> None:
        self._answer_marker = (style or MESSAGES_STYLE).answer
        self._as_messages = style is None
        self._part = "reasoning"
        self._held = ""  # content whose part is not certain yet
        self._closing: str | None = None  # the mark that ends the reasoning, once one has begun it
        # Halves of a character may come in two events, each as an escape of its own.
        self._utf16 = codecs.getincrementaldecoder("utf-16-le")("replace")
        self._text = ""
        self.finish_reason: str | None = None
        self.hit_stop_string = False
        self.done = False
        self.is_reply = False
        self.tokens: int | None = None
        self.context_tokens: int | None = None  # of the prompt and the reply
        self.pieces = self.characters = 0

    def feed(self, data: str) -> str:
        """The text that an event brings. Raises UnreadableError or ReportedError."""
        if data.strip() == DONE:
            self.done = True
        if self.done or not data.strip():  # an event without data keeps a connection open
            return ""
        chunk = _parse(data)
        self._count(chunk.get("usage"))
        choices = chunk.get("choices")
        if choices is None:
            return ""
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise UnreadableError("sends choices that are none")
        text = ""
        for choice in choices:
            if choice.get("index") in (0, None):
                text += self._read(choice)
                self.is_reply = True
        text = self._whole(text)
        self.pieces += bool(text)
        self.characters += len(text)
        self._text += text
        return text

    def close(self) -> str:
        """What was still waiting for more."""
        held, self._held = self._held, ""
        if held.strip() and self._closing is None and self._as_messages and self._part == "reasoning":
            held = self._answer_marker + held
        rest = self._whole(held, final=True)
        self._text += rest
        return rest

    @property
    def stray_mark(self) -> str | None:
        """A mark of reasoning in the middle of what was taken for an answer."""
        if not self._as_messages:
            return None
        answer = self._text.partition(self._answer_marker)[2]
        return next((mark for mark in REASONING_MARKS.values() if mark in answer), None)

    def _read(self, choice: dict[str, Any]) -> str:
        if reason := choice.get("finish_reason"):  # "" stands in every chunk of some servers
            self.finish_reason = str(reason)
        self.hit_stop_string = isinstance(choice.get("stop_reason"), str)  # of vLLM, which tells the two apart
        delta = choice.get("delta") or choice.get("message") or {}  # a gateway may send the reply in one piece
        if not isinstance(delta, dict):
            raise UnreadableError("sends a delta that is none")
        reasoning = _text_of(delta, "reasoning_content") or _text_of(delta, "reasoning")
        content = _text_of(delta, "content") or _text_of(delta, "refusal") or _text_of(choice, "text")
        return self._reasoning(reasoning) + (self._content(content) if content else "")

    def _reasoning(self, text: str) -> str:
        return text.translate(_NOT_FOR_TEXT) if self._part == "reasoning" else ""

    def _content(self, text: str) -> str:
        if not self._as_messages:
            return text
        text = text.translate(_NOT_FOR_TEXT)
        if self._part == "answer":
            return text
        self._held += text
        if self._closing is None:
            begun = self._held.lstrip()
            opening = next((mark for mark in REASONING_MARKS if begun.startswith(mark)), None)
            if opening is None:
                undecided = any(mark.startswith(begun) for mark in REASONING_MARKS)
                return "" if undecided else self._begin_answer(self._held)
            self._closing, self._held = REASONING_MARKS[opening], begun[len(opening) :]
        reasoning, found, rest = self._held.partition(self._closing)
        if found:
            return reasoning + self._begin_answer(rest)
        certain = len(self._held) - _overlap(self._held, self._closing)
        reasoning, self._held = self._held[:certain], self._held[certain:]
        return reasoning

    def _begin_answer(self, text: str) -> str:
        self._part, self._held = "answer", ""
        return self._answer_marker + text

    def _whole(self, text: str, final: bool = False) -> str:
        return self._utf16.decode(text.encode("utf-16-le", "surrogatepass"), final)

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        read, written = (usage.get(key) for key in ("prompt_tokens", "completion_tokens"))
        if _is_count(written):
            self.tokens = written
            if _is_count(read):
                self.context_tokens = read + written


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= _MOST_TOKENS


def error_message(body: str) -> str:
    """What the body of an error says, on one line; "" for a page or an unknown form."""
    try:
        said = _message_in(json.loads(body))
    except (ValueError, RecursionError):
        said = "" if body.lstrip().startswith("<") else body
    return on_one_line(said.replace("\r\n", "\n"))


def _parse(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        raise UnreadableError("sends what is no JSON") from None
    if not isinstance(chunk, dict):
        raise UnreadableError("sends JSON that is no part of a reply")
    if chunk.get("error") or chunk.get("object") == "error":
        raise ReportedError(error_message(data))
    return chunk


def _message_in(values: object) -> str:
    if isinstance(values, str):
        return values
    if isinstance(values, list):
        return "; ".join(filter(None, map(_message_in, values)))
    if isinstance(values, dict):
        # OpenAI, vLLM and llama.cpp; Ollama; FastAPI, whose list of faults has msg
        return next(filter(None, (_message_in(values.get(key)) for key in ("error", "message", "detail", "msg"))), "")
    return ""


def _text_of(values: dict[str, Any], key: str) -> str:
    text = values.get(key)
    if text is not None and not isinstance(text, str):
        raise UnreadableError(f"sends a {key} that is no text")
    return text or ""


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of a text may be the beginning of a mark."""
    return next((length for length in range(len(mark) - 1, 0, -1) if text.endswith(mark[:length])), 0)
