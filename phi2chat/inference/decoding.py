"""Tokens to text while they come: each character as soon as it is whole, and a broken one as U+FFFD."""

import codecs
from collections.abc import Mapping, Set
from functools import lru_cache
from typing import Any

from tokenizers.decoders import DecodeStream

from phi2chat.inference.automaton import BYTE_TOKEN, decoder_steps

_ASCII = range(0x80)


class TextDecoder:
    """Reads the tokens of one text.

    What tokenizers decodes in a stream ends in an error where a byte that no character has follows a whole one: it
    decodes bytes that stand together all at once, so that one spoils the others. So bytes beyond ASCII are read here.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._bytes, self._silent = _bytes_and_silent(tokenizer)
        self._stream = DecodeStream(skip_special_tokens=True)
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._has_begun = False

    def step(self, token: int) -> str:
        """The text that is certain with a token. A character whose last bytes never come is in none."""
        byte = self._bytes.get(token)
        if byte is None or byte[0] in _ASCII:
            if token in self._silent:
                return ""
            self._has_begun = True
            return self._characters.decode(b"", final=True) + self._text_of(token)
        if not self._has_begun:  # a blank is left out at the beginning of a text, which is over now
            self._has_begun = True
            for letter in (other for other, value in self._bytes.items() if value == b"A"):
                self._text_of(letter)
        return self._characters.decode(byte)

    def _text_of(self, token: int) -> str:
        return self._stream.step(self._backend, token) or ""


@lru_cache(maxsize=4)
def _bytes_and_silent(tokenizer: Any) -> tuple[Mapping[int, bytes], Set[int]]:
    """The tokens that are a byte each, by id, and those that are no text; none where bytes have no tokens so named."""
    if "ByteFallback" not in decoder_steps(tokenizer.backend_tokenizer.decoder):
        return {}, frozenset()
    named = ((BYTE_TOKEN.fullmatch(text), token) for text, token in tokenizer.get_vocab().items())
    silent = {token for token, added in tokenizer.backend_tokenizer.get_added_tokens_decoder().items() if added.special}
    return {token: bytes([int(byte[1], 16)]) for byte, token in named if byte}, silent
