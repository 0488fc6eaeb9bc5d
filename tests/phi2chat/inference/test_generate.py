"""The stream of a reply: the tokens that transformers would choose, whole characters, and a reason for every end."""

from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.config import ChatConfig, ModelConfig
from phi2chat.inference.generate import TokenStream
from phi2chat.inference.prompt import encode_prompt, render_prompt
from phi2chat.inference.recipes import StopReason
from phi2chat.weights.models import LoadedModel, load

QUESTIONS = ["日本の首都はどこですか。", "What is 12 + 30?", "🗼"]


@pytest.fixture(scope="module")
def tiny(tiny_phi: Path) -> LoadedModel:
    return load(ModelConfig(base=str(tiny_phi), device="cpu"), print)


def ids_of(tokenizer: Any, *texts: str) -> list[int]:
    """Ids of texts that are one token each."""
    ids = [tokenizer(text)["input_ids"] for text in texts]
    assert all(len(one) == 1 for one in ids)
    return [one[0] for one in ids]


def byte_ids(tokenizer: Any, content: bytes) -> list[int]:
    """A token for each byte, whatever longer tokens there are."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return [tokenizer.convert_tokens_to_ids(bytes_to_unicode()[byte]) for byte in content]


def endless(tokenizer: Any, length: int = 600) -> list[int]:
    """Ids without a loop in them."""
    return [1 + (index * index * 7 + index) % (len(tokenizer) - 2) for index in range(length)]


# What is chosen


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("recipe", ["chat", "a", "b"])
def test_a_greedy_reply_is_that_of_generate_token_for_token(tiny: LoadedModel, recipe: str, question: str) -> None:
    import torch

    stream = tiny.stream([], question, ChatConfig(recipe=recipe, max_new_tokens=60))
    list(stream)
    prompt = encode_prompt(tiny.tokenizer, [], render_prompt(tiny.style, question))
    ids = torch.tensor([prompt])  # (1, prompt)
    # Beyond our own end, which may be a loop, generate goes on.
    reference = tiny.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=len(stream.ids), min_new_tokens=0
    )
    assert len(stream.ids) >= 24
    assert stream.ids == reference[0, len(prompt) :].tolist()


def test_a_seed_gives_the_same_sample_again_and_another_seed_another(tiny: LoadedModel) -> None:
    def sample(seed: int) -> list[int]:
        stream = tiny.stream([], QUESTIONS[0], ChatConfig(temperature=1.0, seed=seed, max_new_tokens=40))
        list(stream)
        return stream.ids

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_with_a_small_top_p_the_likeliest_token_is_chosen(tiny: LoadedModel) -> None:
    greedy = tiny.stream([], QUESTIONS[0], ChatConfig(max_new_tokens=20))
    sampled = tiny.stream([], QUESTIONS[0], ChatConfig(temperature=1.0, top_p=0.0001, max_new_tokens=20))
    assert list(greedy) == list(sampled)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_row_beyond_the_tokenizer_is_never_chosen(
    tiny_tokenizer: Any, scripted_logits: Any, temperature: float
) -> None:
    known = len(tiny_tokenizer)
    wanted = ids_of(tiny_tokenizer, "の", "は")
    model = scripted_logits([[known + 3, wanted[0]], [1023, known, wanted[1]], 0])
    stream = TokenStream(model, tiny_tokenizer, [5], ChatConfig(temperature=temperature), 2048)
    assert list(stream) == ["の", "は"]
    assert stream.ids == wanted


def test_each_step_feeds_the_last_token_alone(tiny_tokenizer: Any, scripted_logits: Any) -> None:
    model = scripted_logits([7, 8, 0])
    list(TokenStream(model, tiny_tokenizer, [5, 6], ChatConfig(), 2048))
    assert model.read == [[5, 6], [7], [8]]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_mask_would_change_nothing_for_a_single_prompt(tiny: LoadedModel, question: str) -> None:
    import torch

    ids = torch.tensor([encode_prompt(tiny.tokenizer, [], render_prompt(tiny.style, question))])  # (1, prompt)
    with torch.inference_mode():
        with_mask, without = (
            tiny.model(input_ids=ids, **mask).logits for mask in ({"attention_mask": torch.ones_like(ids)}, {})
        )
    assert torch.allclose(with_mask, without, atol=1e-5)


# What is shown


def pieces(tokenizer: Any, model: Any, **settings: Any) -> list[str]:
    return list(TokenStream(model, tokenizer, [5], ChatConfig(**settings), 2048))


def test_kana_come_token_by_token(tiny_tokenizer: Any, scripted_logits: Any) -> None:
    ids = ids_of(tiny_tokenizer, "の", "は", "です", "。", "か")
    assert pieces(tiny_tokenizer, scripted_logits([*ids, 0])) == ["の", "は", "です", "。", "か"]


def test_a_character_that_is_spread_over_tokens_comes_out_whole(tiny_tokenizer: Any, scripted_logits: Any) -> None:
    first, last = ids_of(tiny_tokenizer, "の", "は")
    ids = [first, *byte_ids(tiny_tokenizer, "🗼鬱".encode()), last, 0]
    assert pieces(tiny_tokenizer, scripted_logits(ids)) == ["の", "🗼", "鬱", "は"]


def test_the_first_bytes_of_a_character_that_never_came_are_not_shown(
    tiny_tokenizer: Any, scripted_logits: Any
) -> None:
    (first,) = ids_of(tiny_tokenizer, "の")
    ids = [first, *byte_ids(tiny_tokenizer, "🗼".encode()[:3]), 0]
    assert pieces(tiny_tokenizer, scripted_logits(ids)) == ["の"]


def test_a_stray_byte_in_the_middle_is_a_replacement_character(tiny_tokenizer: Any, scripted_logits: Any) -> None:
    first, last = ids_of(tiny_tokenizer, "の", "は")
    ids = [first, *byte_ids(tiny_tokenizer, b"\xf0"), last, 0]
    assert "".join(pieces(tiny_tokenizer, scripted_logits(ids))) == "の\ufffdは"


def test_text_before_an_unfinished_character_is_shown(tiny_tokenizer: Any, scripted_logits: Any) -> None:
    stray, first_bytes = byte_ids(tiny_tokenizer, b"A"), byte_ids(tiny_tokenizer, b"\xe6\x9d")
    assert "".join(pieces(tiny_tokenizer, scripted_logits([*stray, *first_bytes, 0]))) == "A"


# Why it ends


@pytest.mark.parametrize(
    ("settings", "prompt_tokens", "tokens"),
    [
        ({"recipe": "a"}, 30, 270),
        ({"recipe": "b"}, 30, 170),
        ({"recipe": "b"}, 199, 1),
        ({"max_new_tokens": 17}, 30, 17),
        ({"max_new_tokens": 512}, 30, 512),
    ],
)
def test_the_budget_is_used_to_the_last_token_and_no_further(
    tiny_tokenizer: Any, scripted_logits: Any, settings: dict[str, Any], prompt_tokens: int, tokens: int
) -> None:
    model = scripted_logits(endless(tiny_tokenizer))
    stream = TokenStream(model, tiny_tokenizer, [5] * prompt_tokens, ChatConfig(**settings), 2048)
    list(stream)
    assert (stream.stop, stream.tokens, len(model.read)) == (StopReason.BUDGET, tokens, tokens)


def test_end_of_text_on_the_last_token_of_the_budget_is_an_end_of_text(
    tiny_tokenizer: Any, scripted_logits: Any
) -> None:
    stream = TokenStream(scripted_logits([7, 8, 0]), tiny_tokenizer, [5], ChatConfig(max_new_tokens=3), 2048)
    list(stream)
    assert (stream.stop, stream.ids) == (StopReason.END_OF_TEXT, [7, 8])


@pytest.mark.parametrize("configured", [9, [3, 9], None])
def test_the_end_of_the_tokenizer_and_of_the_model_both_end_a_reply(
    tiny_tokenizer: Any, scripted_logits: Any, configured: object
) -> None:
    end = tiny_tokenizer.eos_token_id if configured is None else 9
    stream = TokenStream(scripted_logits([7, end], eos_token_id=configured), tiny_tokenizer, [5], ChatConfig(), 2048)
    list(stream)
    assert (stream.stop, stream.ids) == (StopReason.END_OF_TEXT, [7])


def test_a_loop_ends_a_reply(tiny_tokenizer: Any, scripted_logits: Any) -> None:
    model = scripted_logits([11, 12, *[7, 8, 9] * 40])
    stream = TokenStream(model, tiny_tokenizer, [5], ChatConfig(), 2048)
    list(stream)
    assert (stream.stop, stream.tokens) == (StopReason.REPETITION, 26)


def test_a_reply_that_is_left_early_was_interrupted(tiny_tokenizer: Any, scripted_logits: Any) -> None:
    stream = TokenStream(scripted_logits(endless(tiny_tokenizer)), tiny_tokenizer, [5], ChatConfig(), 2048)
    next(iter(stream))
    assert stream.stop is StopReason.INTERRUPTED


def test_a_prompt_without_room_is_refused_before_the_model_runs(tiny_tokenizer: Any, scripted_logits: Any) -> None:
    model = scripted_logits([7])
    with pytest.raises(UserError, match="takes 200 tokens of the 200"):
        TokenStream(model, tiny_tokenizer, [5] * 200, ChatConfig(recipe="b"), 2048)
    assert model.read == []
