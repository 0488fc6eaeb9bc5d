"""One step of a model, for one new token in each row, as CUDA graphs: no Python between its kernels."""

from collections.abc import Iterator
from typing import Any

import torch

from phi2chat.inference.kept_attention import read_over_kept

SHORTEST_REACH = 256


class StepGraphs:
    """Steps of a model whose keys and values are kept for `length` tokens.

    There is a graph for `shortest` positions and for each doubling, made when it is needed. It takes any model that
    attends over kept keys and values, compiles nothing, and is ready at once.
    """

    def __init__(self, model: Any, rows: int, length: int, shortest: int = SHORTEST_REACH) -> None:
        self._model, self._length, self._shortest = model, length, shortest
        self._token = torch.zeros(rows, 1, dtype=torch.int64, device=model.device)
        self._at = torch.full_like(self._token, length)  # a place that no conversation comes to
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, torch.Tensor]] = {}

    def step(self, positions: int | torch.Tensor, tokens: int | torch.Tensor, highest: int) -> torch.Tensor:
        """Logits (rows, vocab) after a token in each row, at positions up to `highest`; good until the next step."""
        for static, given in ((self._at, positions), (self._token, tokens)):
            if isinstance(given, int):
                static.fill_(given)
            else:
                static.copy_(given.reshape(static.shape))
        reach = next(reach for reach in self._reaches() if reach > highest)
        if reach not in self._graphs:
            self._graphs[reach] = self._capture(reach)
        graph, logits = self._graphs[reach]
        graph.replay()
        return logits

    def _reaches(self) -> Iterator[int]:
        reach = self._shortest
        while reach < self._length:
            yield reach
            reach *= 2
        yield self._length

    def _capture(self, reach: int) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
        self._forward(reach)  # what is made at a first call cannot be made in a capture
        graph = torch.cuda.CUDAGraph()
        pool = next((graph.pool() for graph, _ in self._graphs.values()), None)  # one runs at a time
        # Of this thread alone: others may load kernels onto the GPU meanwhile, see FusedStep.compile.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            logits = self._forward(reach)
        return graph, logits

    def _forward(self, reach: int) -> torch.Tensor:
        return read_over_kept(self._model, self._token, self._at, reach, self._length)[:, -1]
