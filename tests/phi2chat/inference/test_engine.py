"""The engine reads as the model itself does: the same tokens, no beginning twice, and where it cannot, the plain way."""

from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
import torch
from made_models import random_model

from curation.errors import UserError
from phi2chat.config import ChatConfig
from phi2chat.inference.chooser import Chooser
from phi2chat.inference.engine import FIRST_LENGTH, Engine, make_engine
from phi2chat.inference.generate import CachedReader
from phi2chat.inference.kept_attention import forget_kept, has_kept, read_over_kept

VOCABULARY = 320
SHAPE = {"vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = {**SHAPE, "intermediate_size": 128}
PROMPT = [5 + 37 * number % 300 for number in range(24)]


def phi(**more: Any) -> Any:
    return random_model("phi", **WIDE, **more)


def llama() -> Any:
    """With two heads of queries to one of keys."""
    return random_model("llama", **WIDE, num_key_value_heads=2)


def mistral(window: int) -> Any:
    shape = {**WIDE, "num_key_value_heads": 2, "max_position_embeddings": 32_768}
    return random_model("mistral", **shape, sliding_window=window)


def llama4() -> Any:
    """Only its mask knows that it attends within chunks."""
    shape = {**WIDE, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size_mlp": 128, "num_local_experts": 2}
    return random_model("llama4_text", **shape, attention_chunk_size=16, max_position_embeddings=4096)


OTHERS = {
    "llama 4": llama4,
    "mistral with a short window": lambda: mistral(8),
    "mistral with a window shorter than its context": lambda: mistral(2 * FIRST_LENGTH),
    "mistral with a long window": lambda: mistral(32_768),
    "gemma 2": lambda: random_model("gemma2", **WIDE, num_key_value_heads=2, head_dim=16),
    "gpt 2": lambda: random_model("gpt2", vocab_size=VOCABULARY, n_embd=64, n_layer=2, n_head=4),
    "neox": lambda: random_model("gpt_neox", **WIDE),
    "opt": lambda: random_model("opt", **SHAPE, ffn_dim=128, word_embed_proj_dim=64),
    "bloom": lambda: random_model("bloom", vocab_size=VOCABULARY, hidden_size=64, n_layer=2, n_head=4),
}


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    torch.manual_seed(0)
    yield


def engine_of(model: Any) -> Engine:
    engine = make_engine(model.eval(), VOCABULARY)
    assert engine is not None
    return engine


def generate(model: Any, ids: list[int], new: int) -> list[int]:
    prompt = torch.tensor([ids])
    length = {"max_new_tokens": new, "min_new_tokens": new}
    output = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, **length)
    return list(output[0, len(ids) :].tolist())


def greedy() -> Chooser:
    return Chooser(ChatConfig(temperature=0.0), torch.device("cpu"))


@pytest.mark.parametrize("make", [phi, llama])
def test_greedy_tokens_are_those_of_generate(make: Any) -> None:
    model = make().eval()
    wanted = generate(model, PROMPT, 60)
    assert list(engine_of(model).write(PROMPT, greedy(), 60)) == wanted


@pytest.mark.parametrize("kind", OTHERS)
def test_any_model_is_read_one_way_or_the_other(kind: str) -> None:
    model = OTHERS[kind]().eval()
    wanted, before = generate(model, PROMPT, 30), model.config._attn_implementation
    engine = make_engine(model, VOCABULARY)
    reader = engine or CachedReader(model, VOCABULARY)
    assert list(reader.write(PROMPT, greedy(), 30)) == wanted
    assert (engine is None) == (model.config._attn_implementation == before)
    assert has_kept(model) == (engine is not None)


def test_what_attends_to_less_or_otherwise_is_left_to_the_plain_way() -> None:
    kinds = {kind: make_engine(OTHERS[kind]().eval(), VOCABULARY) is not None for kind in OTHERS}
    assert not kinds["mistral with a short window"]
    assert not kinds["mistral with a window shorter than its context"]
    assert not kinds["gemma 2"]
    assert not kinds["llama 4"]
    assert kinds["mistral with a long window"]


@pytest.mark.parametrize("reader_of", [engine_of, lambda model: CachedReader(model.eval(), VOCABULARY)])
def test_of_a_conversation_only_what_is_new_is_read(reader_of: Any) -> None:
    model = phi()
    reader = reader_of(model)
    read: list[int] = []
    model.get_input_embeddings().register_forward_hook(lambda module, given, output: read.append(given[0].numel()))
    first = PROMPT[:20]
    reply = list(reader.write(first, greedy(), 5))
    assert read == [20, 1, 1, 1, 1]
    read.clear()
    follow_up = [*first, *reply, 7, 8, 9]
    logits = reader.read(follow_up)
    assert read == [4]  # the reply's last token was written, and not read yet
    torch.testing.assert_close(reader.read(follow_up), logits)
    assert read == [4]  # what follows is asked again where a guard refuses a token
    other = [*first[:10], 99, *first[11:]]
    reader.read(other)
    assert read == [4, 10]
    with torch.inference_mode():
        plain = model(input_ids=torch.tensor([follow_up])).logits[0, -1]
    torch.testing.assert_close(reader.read(follow_up), plain, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(logits.shape, plain.shape)


def test_a_long_conversation_is_given_room() -> None:
    model = phi(max_position_embeddings=4096)
    engine = engine_of(model)
    short = engine.read(PROMPT).clone()
    ids = [5 + 37 * number % 300 for number in range(FIRST_LENGTH + 10)]
    with torch.inference_mode():
        plain = model(input_ids=torch.tensor([ids])).logits[0, -1]
    torch.testing.assert_close(engine.read(ids), plain, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(engine.read(PROMPT), short, atol=1e-4, rtol=1e-4)


def test_engines_of_one_model_do_not_mix_up_what_they_have_read() -> None:
    model = phi().eval()
    wanted, other_wanted = generate(model, PROMPT, 10), generate(model, PROMPT[3:], 10)
    one, other = engine_of(model), engine_of(model)
    for _ in range(2):
        assert list(one.write(PROMPT, greedy(), 10)) == wanted
        assert list(other.write(PROMPT[3:], greedy(), 10)) == other_wanted
    forget_kept(model)
    assert list(one.write(PROMPT, greedy(), 10)) == wanted


def interrupt(*given: Any) -> NoReturn:
    raise KeyboardInterrupt


class InterruptedIds(list[int]):
    """Tokens that are compared, and then not read, for Ctrl-C comes between."""

    def __getitem__(self, key: Any) -> Any:
        return interrupt() if isinstance(key, slice) else super().__getitem__(key)


@pytest.mark.parametrize("reader_of", [engine_of, lambda model: CachedReader(model.eval(), VOCABULARY)])
def test_after_a_reading_that_was_interrupted_the_conversation_before_is_still_read_right(reader_of: Any) -> None:
    model = phi()
    reader = reader_of(model)
    expected = reader.read(PROMPT).clone()
    other = [*PROMPT[:4], *reversed(PROMPT[4:])]
    with model.model.layers[1].register_forward_pre_hook(interrupt), pytest.raises(KeyboardInterrupt):
        reader.read(other)
    torch.testing.assert_close(reader.read(PROMPT), expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(KeyboardInterrupt):
        reader.read(InterruptedIds(other))
    torch.testing.assert_close(reader.read(PROMPT), expected, atol=1e-4, rtol=1e-4)


def test_where_the_memory_is_full_it_is_given_back_and_a_short_conversation_has_room() -> None:
    model = phi(max_position_embeddings=4 * FIRST_LENGTH)
    engine = engine_of(model)
    expected = engine.read(PROMPT).clone()

    def fill(*given: Any) -> None:
        raise torch.OutOfMemoryError

    long = [5] * (FIRST_LENGTH + 1)
    with (
        model.model.layers[1].register_forward_pre_hook(fill),
        pytest.raises(UserError, match=f"the GPU's memory is full at {len(long)} tokens; forget the conversation"),
    ):
        engine.read(long)
    assert not has_kept(model)
    torch.testing.assert_close(engine.read(PROMPT), expected, atol=1e-4, rtol=1e-4)
    assert model.model.layers[0].self_attn.kept_keys.shape[2] == FIRST_LENGTH + 1


def test_the_place_beyond_all_positions_can_be_read_where_positions_are_learned() -> None:
    model = OTHERS["gpt 2"]().eval()
    engine_of(model)
    length = model.config.max_position_embeddings
    with torch.inference_mode():  # as a graph is captured
        assert read_over_kept(model, torch.tensor([[5]]), torch.tensor([[length]]), 256, length).isfinite().all()


def test_the_model_itself_can_still_be_called_as_before() -> None:
    model = phi().eval()
    ids = torch.tensor([PROMPT])
    with torch.inference_mode():
        before = model(input_ids=ids).logits
        engine_of(model)
        torch.testing.assert_close(model(input_ids=ids).logits, before)
