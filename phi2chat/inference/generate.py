"""A loaded model -> a stream of text, token by token, and why it stopped."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol

import torch
from transformers import DynamicCache

from curation.errors import UserError
from phi2chat.config import ChatConfig
from phi2chat.inference.chooser import Chooser
from phi2chat.inference.decoding import TextDecoder
from phi2chat.inference.guard import NOT_POSSIBLE, Guard, GuardReport, make_guard
from phi2chat.inference.loops import LoopFinder
from phi2chat.inference.prompt import PromptStyle, SegmentParser
from phi2chat.inference.recipes import RECIPES, StopReason, new_token_budget

DEFAULT_STYLE = PromptStyle()


class TokenStream:
    """The text of a reply, a piece for every token that completes a character.

    Iterating runs the model; afterwards `stop` says why it ended, `tokens` and `seconds` what it took, and `guard`
    what the guard did. A character that is spread over several tokens comes out whole: nothing is shown that more
    tokens could change. Where the guard enforces, a piece comes when it is certain to stay, and may be empty.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        prompt_ids: Sequence[int],
        config: ChatConfig,
        context_tokens: int,
        style: PromptStyle = DEFAULT_STYLE,
        asked: str = "",
        reader: "Reader | None" = None,
    ):
        recipe = RECIPES[config.recipe]
        self._tokenizer, self._config, self._device = tokenizer, config, model.device
        # A model may have more rows than its tokenizer has tokens.
        self._reader = reader or CachedReader(model, len(tokenizer))
        self._prompt_ids = list(prompt_ids)
        self._budget = new_token_budget(recipe, len(self._prompt_ids), config.max_new_tokens, context_tokens)
        self._end = end_tokens(model, tokenizer)
        self._style, self._loops = style, LoopFinder()
        self._guard = make_guard(tokenizer, style, config, self._end, asked) if config.guard == "enforce" else None
        self._written: tuple[Sequence[int], float] | None = None
        self.ids: list[int] = []
        self.stop = StopReason.INTERRUPTED
        self.seconds = 0.0

    @property
    def prompt_ids(self) -> Sequence[int]:
        """The tokens of the prompt."""
        return self._prompt_ids

    @property
    def budget(self) -> int:
        """How many tokens the reply may have."""
        return self._budget

    def take_written(self, ids: Sequence[int], seconds: float) -> None:
        """Stream these tokens, which were written ahead and took so long, instead of running the model."""
        self._written = (ids, seconds)

    @property
    def tokens(self) -> int:
        return len(self.ids)

    @property
    def unit(self) -> Literal["tokens"]:
        return "tokens"

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    @property
    def guard(self) -> GuardReport:
        """What the guard has done so far."""
        if self._guard is not None:
            return self._guard.report
        if self._config.guard == "enforce":
            return GuardReport("flag", note=NOT_POSSIBLE)
        return GuardReport(self._config.guard)

    def is_over(self, ids: Sequence[int]) -> bool:
        """Whether the reply ends with the last of `ids`; to be asked after each token of a reply written ahead."""
        return ids[-1] in self._end or len(ids) == self._budget or self._loops.finds(ids)

    def __iter__(self) -> Iterator[str]:
        if self._guard is not None:
            return self._guarded_pieces(self._guard)
        return self._free_pieces() if self._written is None else self._written_pieces(self._written[1])

    def _written_pieces(self, seconds: float) -> Iterator[str]:
        """What was written ahead, at once, for nobody waits for a token of it."""
        ids = list(self._next_tokens())
        text = self._decode(ids)
        if "\ufffd" in text:  # what is made of bytes that are no character depends on when they come
            text = "".join(self._free_pieces())
        parser = SegmentParser(self._style)
        parser.feed(text)
        if parser.finished:  # with a question of its own, and `tokens` has those that were read until then
            self.ids = []
            yield from self._free_pieces()
        elif ids:
            self.ids, self.seconds = ids, seconds
            yield text

    def _free_pieces(self) -> Iterator[str]:
        start = time.perf_counter()
        decoder = TextDecoder(self._tokenizer)
        shown = ""
        for token in self._next_tokens():
            self.ids.append(token)
            self.seconds = self._written[1] if self._written else time.perf_counter() - start
            if piece := decoder.step(token):
                shown += piece
                yield piece
        # What the decoder still holds is the first bytes of a character that never came.
        rest = self._decode(self.ids)
        if rest.startswith(shown) and (rest := rest[len(shown) :].rstrip("\ufffd")):
            yield rest

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def _next_tokens(self) -> Iterator[int]:
        loops, ids = LoopFinder(), list[int]()
        for token in self._all_tokens():
            if token in self._end:
                self.stop = StopReason.END_OF_TEXT
                return
            ids.append(token)
            yield token
            if loops.finds(ids):
                self.stop = StopReason.REPETITION
                return
        self.stop = StopReason.BUDGET

    def _all_tokens(self) -> Iterable[int]:
        if self._written is not None:
            return self._written[0]
        return self._reader.write(self._prompt_ids, Chooser(self._config, self._device), self._budget)

    @torch.inference_mode()
    def _guarded_pieces(self, guard: Guard) -> Iterator[str]:
        start = time.perf_counter()
        choose = Chooser(self._config, self._device)
        while True:
            # The model's own choices, the next of which a GPU makes while the guard looks at one, until one is refused.
            own = self._reader.write([*self._prompt_ids, *guard.ids], choose, self._budget - len(guard.ids))
            for count, chosen in enumerate(own, start=choose.made + 1):
                refused = not guard.passes(chosen)
                token = self._choose_another(chosen, choose, count, guard) if refused else chosen
                stop, went_back = self._take(token, guard)
                self.ids, self.seconds = guard.ids, time.perf_counter() - start
                if stop:
                    self.stop = stop
                yield guard.release()
                if stop:
                    return
                if refused or went_back:  # what the model went on with does not follow any more
                    choose.go_back_to(count)
                    break

    def _choose_another(self, refused: int, choose: Chooser, count: int, guard: Guard) -> int | None:
        """What comes instead of the choice of this count; None where the character should be begun anew."""
        choose.go_back_to(count)
        if guard.automaton.step(guard.state, refused) is None:
            guard.changed_steps += 1
            if guard.would_rather_begin_anew:
                return None
        choose.go_back_to(count - 1)
        return choose.guarded(self._reader.read([*self._prompt_ids, *guard.ids]), guard)

    def _take(self, token: int | None, guard: Guard) -> tuple[StopReason | None, bool]:
        """Let the guard have a token, or None where none may come; why the reply ends, and whether it went back."""
        if token is None and guard.state:
            guard.begin_anew()
            return None, True
        stop: StopReason | None = None
        if token is None or token in self._end:
            stop = StopReason.END_OF_TEXT
        else:
            guard.take(token)
            if self._loops.finds(guard.ids):
                stop = StopReason.REPETITION
            elif len(guard.ids) == self._budget:
                stop = StopReason.BUDGET
        if stop:
            guard.close()
        went_back = guard.step_back() is not None
        return None if went_back else stop, went_back


class Reader(Protocol):
    """A model that reads: logits (vocab,) after some tokens, or one chosen token after the other."""

    def read(self, ids: Sequence[int]) -> torch.Tensor: ...
    def write(self, ids: Sequence[int], choose: Chooser, budget: int) -> Iterator[int]: ...


class CachedReader:
    """Any causal language model, read with transformers' own cache, which is kept as long as the beginning stays."""

    def __init__(self, model: Any, known: int) -> None:
        self._model, self._known = model, known
        self.forget()

    def forget(self) -> None:
        """Take nothing for read any more."""
        self._cache: DynamicCache | None = None
        self._ids: list[int] = []
        self._logits: torch.Tensor | None = None  # of what follows them

    @torch.inference_mode()
    def read(self, ids: Sequence[int]) -> torch.Tensor:
        """Logits (vocab,) of what follows `ids`, of which only those are read that are new since the last call.

        Raises UserError where the GPU's memory is full.
        """
        if self._logits is not None and self._ids == list(ids):
            return self._logits
        # Kept again when all is read: whatever interrupts may leave it cut, or some layers ahead of others.
        cache, known = self._cache, self._ids
        self.forget()
        start = min(common_beginning(known, ids), len(ids) - 1)
        if cache is not None and start < len(known):
            try:
                cache.crop(start - len(known))  # less than 0: so many go
            except (RuntimeError, ValueError, NotImplementedError):  # a sliding window has no way back
                cache = None
        if cache is None:
            cache, start = DynamicCache(config=self._model.config), 0
        step = torch.tensor([ids[start:]], device=self._model.device)  # (1, new)
        try:
            output = self._model(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1)
        except torch.OutOfMemoryError:
            raise UserError(full_memory(len(ids))) from None
        self._cache, self._ids, self._logits = cache, list(ids), output.logits[0, -1, : self._known]
        return self._logits

    def write(self, ids: Sequence[int], choose: Chooser, budget: int) -> Iterator[int]:
        """Up to `budget` tokens, each chosen after those before it."""
        written: list[int] = []
        for _ in range(budget):
            written.append(int(choose(self.read([*ids, *written]))))
            yield written[-1]


def common_beginning(known: Sequence[int], ids: Sequence[int]) -> int:
    """How many tokens two sequences have in common from their beginning."""
    shorter = min(len(known), len(ids))
    return next((index for index in range(shorter) if known[index] != ids[index]), shorter)


def context_tokens(model: Any) -> int:
    """How many tokens a model can read and write together."""
    return int(getattr(model.config, "max_position_embeddings", None) or 2048)


def full_memory(tokens: int, way_out: str = "forget the conversation with /reset, or use recipe b") -> str:
    """What to say where a GPU has no more memory for a conversation."""
    return f"the GPU's memory is full at {tokens} tokens; {way_out}"


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a reply: those of the model's generation settings, and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    several = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*several, tokenizer.eos_token_id] if isinstance(token, int))
