"""From the bytes that a model writes to the characters that a terminal shows: whole, and each as soon as it is whole."""

import io
import random
from collections.abc import Sequence
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from phi2chat.chatting.chat import Conversation
from phi2chat.commands.ask import answer
from phi2chat.config import ChatConfig
from phi2chat.inference.generate import TokenStream
from phi2chat.inference.prompt import Example, PromptStyle
from phi2chat.terminal.screen import SafeConsole, Screen

MARKER = "\n### Answer:\n"
PART = 250  # characters in a reply


def japanese(count: int) -> str:
    """Kana, kanji of all kinds and what else Japanese is written with, in a fixed disorder."""
    chance = random.Random(3)
    kana = [chr(code) for code in [*range(0x3041, 0x3097), *range(0x30A1, 0x30FB), *range(0xFF66, 0xFF9E)]]
    kanji = [chr(code) for code in range(0x4E00, 0x9FA0)]
    others = [
        "、",
        "。",
        "「",
        "」",
        "ー",
        "々",
        "①",
        "A",
        "7",
        "𠮷",
        "葛\U000e0100",
        "か\u3099",
        "👩\u200d💻",
        "❤\ufe0f",
        "～",
        "\u3000",
    ]
    text = "".join(chance.choice(chance.choice([kana, kanji, others])) for _ in range(count))
    return text[:count].strip("\u3000")


TEXT = japanese(3000)
PARTS = [TEXT[start : start + PART].strip("\u3000") or "あ" for start in range(0, len(TEXT), PART)]


@pytest.fixture(scope="module")
def byte_tokenizer() -> Any:
    """A byte-level BPE without merges: a token is a byte, so that every character is cut at every byte."""
    alphabet = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bpe = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(alphabet)}, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=alphabet[0], bos_token=alphabet[0])


class ByteModel:
    """A chat.Model that writes given texts byte by byte, through the real decoding."""

    name, style = "bytes", PromptStyle()

    def __init__(self, tokenizer: Any, scripted_logits: Any, texts: Sequence[str]) -> None:
        self._tokenizer, self._logits, self._texts = tokenizer, scripted_logits, list(texts)
        self.stream_: TokenStream

    def stream(self, history: Sequence[Example], question: str, config: ChatConfig) -> TokenStream:
        ids = self._tokenizer(self._texts.pop(0), add_special_tokens=False)["input_ids"]
        logits = self._logits([*ids, 0], rows=len(self._tokenizer))
        self.stream_ = TokenStream(logits, self._tokenizer, [1], config, 4096)
        return self.stream_


CONFIG = ChatConfig(guard="off", max_new_tokens=4000, recipe="chat")


def whole(content: bytes) -> str:
    """The characters of which all bytes are there."""
    return content.decode("utf-8", errors="ignore")


def test_the_terminal_shows_each_character_as_soon_as_it_is_whole(byte_tokenizer: Any, scripted_logits: Any) -> None:
    model = ByteModel(byte_tokenizer, scripted_logits, [MARKER + text for text in PARTS])
    talking = Conversation(model, CONFIG)
    for text in PARTS:
        shown = io.StringIO()
        screen = Screen(SafeConsole(file=shown, width=80), SafeConsole(file=io.StringIO()))
        for piece in talking.ask("?"):
            assert len(piece.text.strip()) == 1
            screen.piece(piece, label=False)
            came = whole((MARKER + text).encode()[: model.stream_.tokens])[len(MARKER) :]
            # A space may belong to the next marker, and it waits until it does not.
            assert shown.getvalue().rstrip() == came.rstrip()
        assert shown.getvalue() == text
        assert talking.turns.pop().answer == text


def test_ask_prints_the_text_and_nothing_else(byte_tokenizer: Any, scripted_logits: Any) -> None:
    model = ByteModel(byte_tokenizer, scripted_logits, [MARKER + text for text in PARTS])
    for text in PARTS:
        out = io.StringIO()
        screen = Screen(SafeConsole(file=out, width=80), SafeConsole(file=io.StringIO()))
        config = ChatConfig(max_new_tokens=4000)  # the guard flags, and may wait for the next character
        answer(Conversation(model, config), "?", False, screen)
        assert out.getvalue() == text + "\n"
