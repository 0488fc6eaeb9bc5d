"""Tokens become text while they come, and a byte that belongs to no character spoils no other one."""

import codecs
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from phi2chat.inference.decoding import TextDecoder

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
NAMES = ["<end>", *BYTES, "▁", "日", "本", "▁is", "#"]
STRIPPED = decoders.Sequence(
    [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)]
)
NOT_STRIPPED = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])


def tokenizer_with(decoder: Any) -> Any:
    """As Llama's, or as one whose texts keep their first blank."""
    vocabulary = {name: number for number, name in enumerate(NAMES)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True))
    tokenizer.decoder = decoder
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


TOKENIZERS = {"first blank left out": tokenizer_with(STRIPPED), "first blank kept": tokenizer_with(NOT_STRIPPED)}
LLAMA = TOKENIZERS["first blank left out"]


def ids_of(*pieces: str | int) -> list[int]:
    """The tokens of names, and of numbers, which are bytes."""
    return [NAMES.index(piece if isinstance(piece, str) else BYTES[piece]) for piece in pieces]


def steps(tokenizer: Any, ids: list[int]) -> list[str]:
    decoder = TextDecoder(tokenizer)
    return [decoder.step(token) for token in ids]


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["日", 0xE3, 0x81, 0x82, "本"], ["日", "", "", "あ", "本"]),
        ([0xE3, 0x81, 0x82, 0xFF, "本"], ["", "", "あ", "\ufffd", "本"]),
        ([0xE3, 0x81, 0x82, 0xE3, "本", "日"], ["", "", "あ", "", "\ufffd本", "日"]),
        ([0xE3, 0x81, 0xE3, 0x81, 0x82], ["", "", "\ufffd", "", "あ"]),
        ([0x81, 0x82, "本"], ["\ufffd", "\ufffd", "本"]),
        ([0xE3, 0x0A, "本"], ["", "\ufffd\n", "本"]),
        (["日", 0xE3, 0x81], ["日", "", ""]),
        ([0xE3, 0x81, "<end>", 0x82], ["", "", "", "あ"]),
        (["▁is", "▁is"], ["is", " is"]),
        ([0xE3, 0x81, 0x82, "▁is"], ["", "", "あ", " is"]),
        (["▁", 0xE3, 0x81, 0x82, "▁is"], ["", "", "", "あ", " is"]),
    ],
    ids=str,
)
def test_each_character_comes_when_it_is_whole_and_a_broken_one_is_one_mark(
    pieces: list[str | int], shown: list[str]
) -> None:
    assert steps(LLAMA, ids_of(*pieces)) == shown


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(pieces=st.lists(st.sampled_from(["▁", "日", "▁is", 0x20, 0x0A, "あ", "🗼", "é", "<end>"])))
def test_a_text_without_broken_characters_is_the_decoded_one(kind: str, pieces: list[Any]) -> None:
    """Characters that have no token come as their bytes."""
    ids = [
        token
        for piece in pieces
        for token in (ids_of(piece) if isinstance(piece, int) or piece in NAMES else ids_of(*piece.encode()))
    ]
    tokenizer = TOKENIZERS[kind]
    assert "".join(steps(tokenizer, ids)) == tokenizer.decode(ids, skip_special_tokens=True)


@given(content=st.binary(max_size=40))
def test_bytes_are_read_as_utf_8_has_them(content: bytes) -> None:
    """Python's own decoder, which has one mark for each broken beginning."""
    shown = "".join(steps(TOKENIZERS["first blank kept"], ids_of("日", *content, "本")))
    assert shown == "日" + codecs.decode(content, "utf-8", "replace") + "本"
