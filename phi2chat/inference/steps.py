"""The steps of a conversation on a GPU: CUDA graphs of the model at once, and a fused step when it is compiled."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Protocol

import torch
from torch.nn.functional import log_softmax

from phi2chat.inference.step_graphs import StepGraphs

# Mean difference of log probabilities to those of the model as it is; bf16 rounds, float32 hardly does.
_TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 5e-2}


class Graphs(Protocol):
    """Steps that are right and ready, for rows of tokens; `StepGraphs` are."""

    def step(self, positions: int, tokens: torch.Tensor | int, highest: int) -> torch.Tensor: ...


class Fused(Protocol):
    """A faster step for one token, which is to be compiled first; `FusedStep` is."""

    def compile(self) -> Sequence[Future[None]]: ...
    def capture(self) -> None: ...
    def step(self, position: int, token: torch.Tensor | int) -> torch.Tensor: ...


class Steps:
    """Reads one token after the other: with the graphs, until the fused step is compiled and does as they do."""

    def __init__(self, graphs: Graphs, fused: Fused | None, known: int) -> None:
        self._graphs: Graphs | None = graphs
        self._fused, self._known, self.is_fused = fused, known, False
        self._compiling = [] if fused is None else fused.compile()

    def step(self, position: int, token: torch.Tensor | int) -> torch.Tensor:
        """Logits (vocab,) after a token at a position; good until the next step."""
        if self._graphs is None:
            assert self._fused is not None
            return self._fused.step(position, token)
        logits = self._graphs.step(position, token, position)[0]
        if self._fused is not None and all(future.done() for future in self._compiling):
            if self._does_as(logits, position, token):
                self._graphs, self.is_fused = None, True
            else:
                self._fused = None
                # The fused step has kept keys and values of its own for this token: those of the model are kept again.
                logits = self._graphs.step(position, token, position)[0]
        return logits

    def _does_as(self, wanted: torch.Tensor, position: int, token: torch.Tensor | int) -> bool:
        """Whether the fused step can be used, and says the same of the same token, which it reads once more."""
        assert self._fused is not None
        try:
            for future in self._compiling:
                future.result()
            self._fused.capture()
            found = self._fused.step(position, token)
            return alike(found[: self._known], wanted[: self._known], wanted.dtype)
        except Exception:  # Triton, a C compiler or the GPU may lack something, and each says so in its own way
            return False


def steps_of(model: Any, known: int, length: int) -> Steps:
    """The steps of a model whose keys and values are kept for `length` tokens, of which it knows `known`."""
    # One graph for all positions: to look at places without a token costs one row little, and to capture another graph,
    # while kernels are compiled, holds up the reply for a second.
    return Steps(StepGraphs(model, 1, length, shortest=length), fused_step_of(model, length), known)


def alike(logits: torch.Tensor, wanted: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether two readings (vocab,) of the same tokens differ by no more than a model in `dtype` rounds."""
    difference = log_softmax(logits.float(), -1) - log_softmax(wanted.float(), -1)
    return float(difference.abs().mean()) < _TOLERANCES[dtype]


def fused_step_of(model: Any, length: int) -> Fused | None:
    """The fused step of a model, not compiled yet; None where it is of another kind, or there is no Triton."""
    try:
        from phi2chat.inference.fused_step import FusedStep

        return FusedStep(model, length)
    except Exception:  # of Triton and of transformers any version may stand here, and the graphs are right, too
        return None
