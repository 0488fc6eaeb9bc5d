"""A reply that was written ahead is the one that would have been streamed: text, tokens, and why it stopped."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.config import ChatConfig
from phi2chat.inference.generate import TokenStream
from phi2chat.inference.prompt import PromptStyle

BUDGET = 120
TEXTS = ["東", "京", "です", "。", " it", " is", "#", "##", "###", " Answer", ":", " Instruction", "\n", " "]
MODEL = SimpleNamespace(device=torch.device("cpu"), generation_config=SimpleNamespace(eos_token_id=0))
STYLES = [PromptStyle(), PromptStyle(reasoning="")]


def byte_level() -> Any:
    """As Phi's: its tokens are bytes in disguise."""
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={name: number for number, name in enumerate(["<end>", *bytes_])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


def with_byte_fallback() -> Any:
    """As Llama 2's: blanks are marks, a byte alone has a name, and the first blank of a text is left out."""
    names = ["<end>", *(f"<0x{byte:02X}>" for byte in range(256)), *(text.replace(" ", "▁") for text in TEXTS)]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True))
    replace, strip = decoders.Replace("▁", " "), decoders.Strip(content=" ", left=1)
    tokenizer.decoder = decoders.Sequence([replace, decoders.ByteFallback(), decoders.Fuse(), strip])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


TOKENIZERS = {"byte level": byte_level(), "byte fallback": with_byte_fallback()}


class Scripted:
    """A model whose reply is known: streamed token by token, or written ahead."""

    name = "scripted"

    def __init__(self, tokenizer: Any, style: PromptStyle, ids: Sequence[int], ahead: bool) -> None:
        self.style, self._tokenizer, self._ids, self._ahead = style, tokenizer, ids, ahead

    def stream(self, history: Any, question: str, config: ChatConfig) -> TokenStream:
        stream = TokenStream(MODEL, self._tokenizer, [1], config, 4096, self.style, question, self)
        if self._ahead:
            written = list[int]()
            for token in self._ids[: stream.budget]:
                written.append(token)
                if stream.is_over(written):
                    break
            stream.take_written(written, 0.0)
        return stream

    def read(self, ids: Sequence[int]) -> torch.Tensor:
        raise NotImplementedError

    def write(self, ids: Sequence[int], choose: Any, budget: int) -> Iterator[int]:
        return iter(self._ids[:budget])


def turn_of(model: Scripted) -> Turn:
    conversation = Conversation(model, ChatConfig(recipe="chat", max_new_tokens=BUDGET))
    pieces = list(conversation.ask("?"))
    (turn,) = conversation.turns
    assert "".join(piece.text for piece in pieces) == turn.reasoning + turn.answer
    turn.__dict__["seconds"] = 0.0
    return turn


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", TOKENIZERS)
@given(data=st.data())
def test_a_reply_written_ahead_is_the_one_that_is_streamed(kind: str, style: PromptStyle, data: Any) -> None:
    tokenizer = TOKENIZERS[kind]
    tokens = st.integers(0, 256).map(lambda token: [token])  # bytes that are no character
    texts = st.sampled_from([*TEXTS, "\n### Answer:\n", "\n### Instruction:\n", "東京 is です。", "🗼é"]).map(
        lambda text: list(tokenizer(text, add_special_tokens=False)["input_ids"])
    )
    repeated = st.tuples(st.one_of(tokens, texts), st.sampled_from([1, 1, 1, 2, 30]))
    pieces = data.draw(st.lists(repeated, max_size=12))
    ids = [token for piece, times in pieces for token in piece * times]
    assert turn_of(Scripted(tokenizer, style, ids, ahead=True)) == turn_of(Scripted(tokenizer, style, ids, ahead=False))


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_reply_written_ahead_is_one_piece_and_its_tokens_end_where_a_question_of_its_own_begins(kind: str) -> None:
    def ids_of(text: str) -> list[int]:
        return list(TOKENIZERS[kind](text, add_special_tokens=False)["input_ids"])

    said, its_own = ids_of("です\n### Answer:\n東京"), ids_of("\n### Instruction:")
    stream = Scripted(TOKENIZERS[kind], STYLES[0], said, ahead=True).stream([], "?", ChatConfig())
    assert list(stream) == ["です\n### Answer:\n東京"]
    turn = turn_of(Scripted(TOKENIZERS[kind], STYLES[0], [*said, *its_own, *said], ahead=True))
    assert (turn.answer, turn.stop.name, turn.tokens) == ("東京", "NEXT_QUESTION", len(said) + len(its_own))
