"""A model that reads one conversation fast: its keys and values stay in place, and on a GPU a step is a CUDA graph."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from curation.errors import UserError
from phi2chat.inference.chooser import Chooser
from phi2chat.inference.generate import common_beginning, context_tokens, full_memory
from phi2chat.inference.kept_attention import OVER_KEPT, forget_kept, has_kept, read_over_kept, take_kept
from phi2chat.inference.steps import Steps, alike, steps_of
from phi2chat.quiet import quiet_transformers

FIRST_LENGTH = 2048  # tokens that there is room for at first
_WINDOWS = {"sliding_attention": "sliding_window", "chunked_attention": "attention_chunk_size"}
_ANY_TOKENS = (11, 7, 5, 3, 2, 13, 17, 19, 23, 6, 4, 9)


def make_engine(model: Any, known: int) -> "Engine | None":
    """An engine for a model that knows `known` tokens; None where it would not read as the model itself does."""
    if _has_window(model):
        return None
    before = model.config._attn_implementation
    if before == OVER_KEPT:  # of a copy of a model that has an engine
        before = "sdpa"
    ids = [token % known for token in _ANY_TOKENS]
    with torch.inference_mode(), quiet_transformers():
        try:
            plain = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0, -1, :known]
            model.set_attn_implementation(OVER_KEPT)
            engine = Engine(model, known)
            engine.read(ids[:-2])  # several at once, and one by one
            engine.read(ids[:-1])
            if alike(engine.read(ids), plain, model.dtype) and has_kept(model):
                return engine
        except Exception:  # any architecture may stand here, and any can be read the plain way
            pass
        if model.config._attn_implementation != before:
            model.set_attn_implementation(before)
        forget_kept(model)
    return None


def _has_window(model: Any) -> bool:
    """Whether a layer attends to less than a conversation can come to; some models say so to their mask alone."""
    config = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None) or ("sliding_attention",)  # where none are named, a window is of all
    windows = [getattr(config, name, None) for kind, name in _WINDOWS.items() if kind in kinds]
    return any(window is not None and window < context_tokens(model) for window in windows)


@contextlib.contextmanager
def giving_back(model: Any) -> Iterator[None]:
    """Within, an engine may be made of a model that is trained; after, the model is as it was."""
    before = model.config._attn_implementation
    try:
        yield
    finally:
        if model.config._attn_implementation != before:
            with quiet_transformers():
                model.set_attn_implementation(before)
        forget_kept(model)


class Engine:
    """Reads tokens and says what follows them; a beginning that it has read before it does not read again."""

    def __init__(self, model: Any, known: int) -> None:
        self.model, self.known = model, known
        self._context = context_tokens(model)
        self._length = min(FIRST_LENGTH, self._context)
        self._ids: list[int] = []  # whose keys and values are kept
        self._logits: torch.Tensor | None = None  # of what follows them, where they are not written over by a next step
        self._mark = object()  # on the model while its buffers are this engine's; a copy of the model has a copy of it
        self._on_gpu = model.device.type == "cuda"
        self._steps: Steps | None = None

    @property
    def is_fused(self) -> bool:
        """Whether tokens come from kernels made for such a model, and not from the model as it is written."""
        return self._steps is not None and self._steps.is_fused

    def forget(self) -> None:
        """Take nothing for read any more; the buffers may be given back, or made anew, when this has returned."""
        self._ids, self._logits = [], None
        self._steps = None

    @torch.inference_mode()
    def read(self, ids: Sequence[int]) -> torch.Tensor:
        """Logits (vocab,) of what follows `ids`, of which only those are read that are new since the last call.

        They are good until the next call. Raises UserError where the GPU's memory is full.
        """
        self._make_room(len(ids))
        if not take_kept(self.model, self._mark):  # another engine has read with this model meanwhile
            self.forget()
        if self._logits is not None and self._ids == list(ids):
            return self._logits
        start, self._logits = min(common_beginning(self._ids, ids), len(ids) - 1), None
        self._ids = self._ids[:start]  # what stands behind is written over, also by a reading that is interrupted
        if self._on_gpu and start == len(ids) - 1 and start:
            logits = self._step(start, ids[-1])
        else:
            new, at = torch.tensor([ids[start:], range(start, len(ids))], device=self.model.device)[:, None]
            with self._readable_failures(len(ids)):
                logits = read_over_kept(self.model, new, at, len(ids), self._length)[0, -1]
        self._ids = list(ids)
        if not self._on_gpu:
            self._logits = logits[: self.known]
        return logits[: self.known]

    @torch.inference_mode()
    def write(self, ids: Sequence[int], choose: Chooser, budget: int) -> Iterator[int]:
        """Up to `budget` tokens, each chosen after those before it; on a GPU the next is under way meanwhile."""
        self._make_room(len(ids) + budget)
        token, so_far = choose(self.read(ids)), list(ids)
        for number in range(budget):
            is_last = number + 1 == budget
            if not self._on_gpu:
                so_far.append(int(token))
                yield so_far[-1]
                token = token if is_last else choose(self.read(so_far))
                continue
            on_host = torch.empty((), dtype=torch.int64, pin_memory=True)
            on_host.copy_(token, non_blocking=True)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record()
            if not is_last:
                token = choose(self._step(len(ids) + number, token)[: self.known])
            arrived.synchronize()
            written = int(on_host)
            if not is_last:  # the last one is read when something follows it
                self._ids.append(written)
            yield written

    def _step(self, position: int, token: torch.Tensor | int) -> torch.Tensor:
        with self._readable_failures(position + 1):
            if self._steps is None:
                self._steps = steps_of(self.model, self.known, self._length)
            return self._steps.step(position, token)

    @contextlib.contextmanager
    def _readable_failures(self, tokens: int) -> Iterator[None]:
        """Where the memory is full within, all of it that is ours is given back, so that a shorter one has room."""
        try:
            yield
        except torch.OutOfMemoryError:
            self.forget()
            forget_kept(self.model)
            self._length = min(FIRST_LENGTH, self._context)
            raise UserError(full_memory(tokens)) from None

    def _make_room(self, tokens: int) -> None:
        if tokens > self._length:
            length = self._length
            while tokens > length:
                length *= 2
            self.forget()
            self._length = max(tokens, min(length, self._context))
