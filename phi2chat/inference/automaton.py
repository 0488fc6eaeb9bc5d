"""Which tokens may come next, so that a text holds allowed characters only: an automaton over the bytes of tokens.

A byte-level tokenizer may spread one character over three tokens. A state is therefore the bytes of a character that
is not finished; from it a token passes if all characters that it finishes are allowed, and if the bytes it leaves
unfinished can still become one that is. A single byte always leads on from every state there is, or to its end.
"""

import codecs
import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from curation.script import allowed_characters

State = bytes
EMPTY: State = b""
BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")  # as SentencePiece writes a byte that no other token has
_CONTINUATION = range(0x80, 0xC0)


class Automaton:
    """The tokens that may follow in each state; `alphabet` None allows every character of Unicode.

    `spelling` has the bytes of each token by its id, None for one that never passes; a token of `ends` passes where
    no character is unfinished, and leads back there.
    """

    def __init__(self, spelling: Sequence[bytes | None], alphabet: frozenset[str] | None, ends: frozenset[int]) -> None:
        self.spelling = spelling
        self._alphabet, self._ends = alphabet, ends
        self._unfinished = _unfinished(alphabet, {piece for piece in spelling if piece and len(piece) == 1})
        self._continuing = [token for token, piece in enumerate(spelling) if piece and piece[0] in _CONTINUATION]
        self._masks: dict[State, bytearray] = {}
        self._counts: dict[State, int] = {}

    def step(self, state: State, token: int) -> State | None:
        """The state after a token, None where it may not come."""
        if token in self._ends:
            return EMPTY if state == EMPTY else None
        piece = self.spelling[token] if token < len(self.spelling) else None
        return self.read(state, piece) if piece else None

    def read(self, state: State, content: bytes) -> State | None:
        """The state after some bytes, None where they may not come."""
        try:
            text, used = codecs.utf_8_decode(state + content, "strict", False)
        except UnicodeDecodeError:
            return None
        rest = (state + content)[used:]
        if rest and rest not in self._unfinished:
            return None
        return rest if self._alphabet is None or self._alphabet.issuperset(text) else None

    def mask(self, state: State) -> bytearray:
        """A byte for each token, 1 where it may come in this state. Made once."""
        if state not in self._masks:
            made = bytearray(len(self.spelling))
            # Whatever begins a character of its own cannot finish another.
            for token in self._continuing if state else range(len(self.spelling)):
                made[token] = self.step(state, token) is not None
            self._masks[state], self._counts[state] = made, sum(made)
        return self._masks[state]

    def count(self, state: State) -> int:
        """How many tokens may come in this state."""
        self.mask(state)
        return self._counts[state]


def _unfinished(alphabet: frozenset[str] | None, single: set[bytes]) -> frozenset[State]:
    """The beginnings of characters that single bytes can finish, so that no state is a dead end."""
    # Where all is allowed, one character stands for the 64 that differ in their last byte.
    everything = (chr(code) for code in range(0x80, 0x110000, 64) if not 0xD800 <= code < 0xE000)
    found: set[State] = set()
    for char in everything if alphabet is None else alphabet:
        content = char.encode()
        for length in range(len(content) - 1, 0, -1):
            if content[length : length + 1] not in single:
                break
            found.add(content[:length])
    return frozenset(found)


@lru_cache(maxsize=16)
def automaton_of(tokenizer: Any, language: str, ends: frozenset[int], markers: str = "") -> Automaton | None:
    """The automaton of a fast tokenizer and a language, made once; None if the tokens' bytes cannot be told.

    `markers` are characters that the format of replies needs, whatever the language.
    """
    spelling = spell_tokens(tokenizer)
    if spelling is None:
        return None
    alphabet = allowed_characters(language)
    return Automaton(spelling, alphabet if alphabet is None else alphabet | set(markers), ends)


@lru_cache(maxsize=4)
def spell_tokens(tokenizer: Any) -> Sequence[bytes | None] | None:
    """The bytes that each token adds to a text, by id, None for a special token or an id without one.

    Known are byte-level tokenizers (as of GPT-2) and those in SentencePiece's way; for any other it is None.
    """
    backend = tokenizer.backend_tokenizer
    spell = _spelling_of(backend.decoder)
    if spell is None:
        return None
    special = set(tokenizer.all_special_ids)
    special |= {token for token, added in backend.get_added_tokens_decoder().items() if added.special}
    spelled: list[bytes | None] = [None] * len(tokenizer)
    for text, token in tokenizer.get_vocab().items():
        if token < len(spelled) and token not in special:
            spelled[token] = spell(text)
    return spelled


def decoder_steps(decoder: Any) -> dict[str, Any]:
    """The steps of a tokenizer's decoder by their kind, as tokenizer.json has them; none where it has no decoder."""
    if decoder is None:
        return {}
    declared = json.loads(decoder.__getstate__())
    return {step["type"]: step for step in declared.get("decoders", [declared])}


def _spelling_of(decoder: Any) -> Callable[[str], bytes] | None:
    """How the decoder of a tokenizer turns a token into bytes."""
    steps = decoder_steps(decoder)
    if not steps:
        return None
    # For a byte-level GGUF transformers 5.17 puts the steps of SentencePiece first; they find nothing to do there.
    if "ByteLevel" in steps and steps.keys() <= {"ByteFallback", "Fuse", "Replace", "ByteLevel"}:
        return _spell_byte_level
    if not steps.keys() <= {"Metaspace", "Replace", "ByteFallback", "Fuse", "Strip"}:
        return None
    replace, metaspace = steps.get("Replace"), steps.get("Metaspace")
    if replace and replace["content"] == " ":
        blank = replace["pattern"].get("String")
    else:
        blank = metaspace["replacement"] if metaspace and not replace else None
    if blank is None:
        return None
    has_bytes = "ByteFallback" in steps

    def spell(token: str) -> bytes:
        if has_bytes and (byte := BYTE_TOKEN.fullmatch(token)):
            return bytes([int(byte[1], 16)])
        return token.replace(blank, " ").encode("utf-8", "replace")

    return spell


def _byte_level_alphabet() -> dict[int, int]:
    # `bytes_to_unicode` of GPT-2's encoder.py: a byte that can be seen is itself, the others follow from U+0100 on.
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    unseen = sorted(set(range(256)) - set(seen))
    return {byte: byte for byte in seen} | {0x100 + index: byte for index, byte in enumerate(unseen)}


_BYTES = _byte_level_alphabet()
_BYTE_CHARACTERS = frozenset(map(chr, _BYTES))


def _spell_byte_level(token: str) -> bytes:
    # A token added later, such as Phi-2's runs of blanks, is written as it is.
    if _BYTE_CHARACTERS.issuperset(token):
        return token.translate(_BYTES).encode("latin-1")
    return token.encode("utf-8", "replace")
