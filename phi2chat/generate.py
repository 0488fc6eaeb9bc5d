"""A loaded model -> a stream of text, token by token, and why it stopped."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from tokenizers.decoders import DecodeStream
from transformers import DynamicCache
from transformers.generation.logits_process import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from curation.errors import UserError
from phi2chat.config import ChatConfig
from phi2chat.recipes import RECIPES, StopReason, new_token_budget

LOOP_TOKENS = 24  # a loop is this many tokens at least,
SMALLEST_TEMPERATURE = 1e-3  # below, probabilities overflow, and the likeliest token is all that is left
LOOP_REPEATS = 3  # made of one piece this many times


class TokenStream:
    """The text of a reply, a piece for every token that completes a character.

    Iterating runs the model; afterwards `stop` says why it ended and `tokens` and `seconds` what it took. A character
    that is spread over several tokens comes out whole: nothing is shown that more tokens could change.
    """

    def __init__(self, model: Any, tokenizer: Any, prompt_ids: Sequence[int], config: ChatConfig, context_tokens: int):
        recipe = RECIPES[config.recipe]
        self._model, self._tokenizer, self._config = model, tokenizer, config
        self._prompt_ids = list(prompt_ids)
        self._budget = new_token_budget(recipe, len(self._prompt_ids), config.max_new_tokens, context_tokens)
        self.ids: list[int] = []
        self.stop = StopReason.INTERRUPTED
        self.seconds = 0.0

    @property
    def tokens(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        start = time.perf_counter()
        decoder = DecodeStream(skip_special_tokens=True)
        shown = ""
        for token in self._next_tokens():
            self.ids.append(token)
            self.seconds = time.perf_counter() - start
            piece = decoder.step(self._tokenizer.backend_tokenizer, token)
            if piece:
                shown += piece
                yield piece
            if is_loop(self.ids):
                self.stop = StopReason.REPETITION
                break
        # What the decoder still holds is the first bytes of a character that never came.
        rest = self._tokenizer.decode(self.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if rest.startswith(shown) and (rest := rest[len(shown) :].rstrip("\ufffd")):
            yield rest

    @torch.inference_mode()
    def _next_tokens(self) -> Iterator[int]:
        device = self._model.device
        choose = _Chooser(self._config, device)
        end = _end_tokens(self._model, self._tokenizer)
        known = len(self._tokenizer)  # a model may have more rows than its tokenizer has tokens
        cache = DynamicCache(config=self._model.config)
        step = torch.tensor([self._prompt_ids], device=device)  # (1, prompt)
        for _ in range(self._budget):
            try:
                output = self._model(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1)
            except torch.OutOfMemoryError:
                taken = len(self._prompt_ids) + self.tokens
                raise UserError(
                    f"the GPU's memory is full at {taken} tokens; forget the conversation with /reset, or use recipe b"
                ) from None
            token = choose(output.logits[0, -1, :known])  # (vocab,)
            if token in end:
                self.stop = StopReason.END_OF_TEXT
                return
            yield token
            step = torch.tensor([[token]], device=device)  # (1, 1)
        self.stop = StopReason.BUDGET


class _Chooser:
    """Greedy at temperature 0, otherwise a seeded sample."""

    def __init__(self, config: ChatConfig, device: torch.device):
        self._greedy = config.temperature < SMALLEST_TEMPERATURE
        if not self._greedy:
            self._random = torch.Generator(device=device).manual_seed(config.seed)
            self._warpers = LogitsProcessorList([TemperatureLogitsWarper(config.temperature)])
            if config.top_p < 1:
                self._warpers.append(TopPLogitsWarper(config.top_p))

    def __call__(self, logits: torch.Tensor) -> int:
        if self._greedy:
            return int(logits.argmax())
        scores = self._warpers(None, logits.float()[None])  # (1, vocab)
        return int(torch.multinomial(scores.softmax(-1)[0], 1, generator=self._random))


def is_loop(ids: Sequence[int]) -> bool:
    """Whether the end of a reply is one piece again and again."""
    for period in range(1, len(ids) // LOOP_REPEATS + 1):
        span = max(LOOP_TOKENS, LOOP_REPEATS * period)
        if span <= len(ids) and all(ids[-i] == ids[-i - period] for i in range(1, span - period + 1)):
            return True
    return False


def _end_tokens(model: Any, tokenizer: Any) -> set[int]:
    configured = model.generation_config.eos_token_id
    several = configured if isinstance(configured, list) else [configured]
    return {token for token in [*several, tokenizer.eos_token_id] if isinstance(token, int)}
