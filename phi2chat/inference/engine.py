"""A model that reads one conversation fast: its keys and values stay in place, and on a GPU a step is a CUDA graph."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.nn.functional import log_softmax

from curation.errors import UserError
from phi2chat.inference.generate import Chooser, common_beginning, context_tokens, full_memory
from phi2chat.inference.kept_attention import OVER_KEPT, forget_kept, has_kept, read_over_kept
from phi2chat.inference.step_graphs import StepGraphs, drop_row_kernels, use_row_kernels
from phi2chat.quiet import quiet_transformers

FIRST_LENGTH = 2048  # tokens that there is room for at first
# Mean difference of log probabilities to those of the plain model; bf16 rounds, float32 hardly does.
_TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 5e-2}
_ANY_TOKENS = (11, 7, 5, 3, 2, 13, 17, 19, 23, 6, 4, 9)


def make_engine(model: Any, known: int, compiles: bool = False) -> "Engine | None":
    """An engine for a model that knows `known` tokens; None where it would not read as the model itself does.

    `compiles` lets a thread compile the model on a GPU, for many replies to come.
    """
    before = model.config._attn_implementation
    if before == OVER_KEPT:  # of a copy of a model that has an engine
        before = "sdpa"
    ids = [token % known for token in _ANY_TOKENS]
    with torch.inference_mode(), quiet_transformers():
        try:
            plain = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0, -1, :known]
            model.set_attn_implementation(OVER_KEPT)
            engine = Engine(model, known, compiles)
            engine.read(ids[:-2])  # several at once, and one by one
            engine.read(ids[:-1])
            difference = log_softmax(engine.read(ids).float(), -1) - log_softmax(plain.float(), -1)
            if has_kept(model) and float(difference.abs().mean()) < _TOLERANCES[model.dtype]:
                return engine
        except Exception:  # any architecture may stand here, and any can be read the plain way
            pass
        if model.config._attn_implementation != before:
            model.set_attn_implementation(before)
        drop_row_kernels(model)
        forget_kept(model)
    return None


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
        drop_row_kernels(model)
        forget_kept(model)


class Engine:
    """Reads tokens and says what follows them; a beginning that it has read before it does not read again."""

    def __init__(self, model: Any, known: int, compiles: bool = False) -> None:
        self.model, self.known, self._compiles = model, known, compiles
        self._context = context_tokens(model)
        self._length = min(FIRST_LENGTH, self._context)
        self._ids: list[int] = []  # whose keys and values are kept
        self._on_gpu = model.device.type == "cuda"
        self._graphs: StepGraphs | None = None
        if self._on_gpu:
            use_row_kernels(model)

    def forget(self) -> None:
        """Take nothing for read any more; the buffers may be given back, or made anew, when this has returned."""
        self._ids = []
        if self._graphs is not None:
            self._graphs.close()
            self._graphs = None

    @torch.inference_mode()
    def read(self, ids: Sequence[int]) -> torch.Tensor:
        """Logits (vocab,) of what follows `ids`, of which only those are read that are new since the last call.

        They are good until the next call. Raises UserError where the GPU's memory is full.
        """
        self._make_room(len(ids))
        start = min(common_beginning(self._ids, ids), len(ids) - 1)
        self._ids = self._ids[:start]  # what stands behind is written over, also by a reading that is interrupted
        if self._on_gpu and start == len(ids) - 1 and start:
            logits = self._step(start, ids[-1])
        else:
            new, at = torch.tensor([ids[start:], range(start, len(ids))], device=self.model.device)[:, None]
            with self._readable_failures(len(ids)):
                logits = read_over_kept(self.model, new, at, len(ids), self._length)[0, -1]
        self._ids = list(ids)
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
            if self._graphs is None:
                self._graphs = StepGraphs(self.model, 1, self._length, self._compiles)
            return self._graphs.step(position, token, position)[0]

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
