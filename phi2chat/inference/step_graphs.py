"""One step of a model, for one new token in each row, as CUDA graphs: no Python between its kernels.

To write a token takes as long as to read all weights from the GPU's memory, if nothing waits in between. The first
graphs are of the model as it is written; meanwhile one of its layers is compiled, in a thread, and serves for all.
"""

import contextlib
import importlib
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from phi2chat.inference.kept_attention import read_over_kept
from phi2chat.training.speed import is_of_the_compiler, layers_of

_SHORTEST_REACH = 256
_SWITCH_SECONDS = 0.0002
_USUAL_SWITCH_SECONDS = sys.getswitchinterval()
_ALONE_ON_GPU = threading.Lock()  # what one thread does there would spoil what another one captures


def import_compiler() -> None:
    """Import in a thread what will compile, which takes seconds, while weights are read."""

    def run() -> None:
        with contextlib.suppress(ImportError):
            importlib.import_module("torch._inductor.compile_fx")

    threading.Thread(target=run, daemon=True).start()


class StepGraphs:
    """Steps of a model whose keys and values are kept for `length` tokens; there is a graph for each power of two.

    Where it `compiles`, all are captured before that, for what a thread does on the GPU would spoil a capture.
    """

    def __init__(self, model: Any, rows: int, length: int, compiles: bool) -> None:
        self._model, self._length = model, length
        self._token = torch.zeros(rows, 1, dtype=torch.int64, device=model.device)
        self._at = torch.full_like(self._token, length)  # a place that no conversation comes to
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, torch.Tensor]] = {}
        self._compiled: _CompiledLayer | None = None
        if compiles:
            for reach in self._reaches():
                self._graphs[reach] = self._capture(reach)
            self._compiled = _CompiledLayer(model, self._forward)
        self.is_compiled = False

    def step(self, positions: int | torch.Tensor, tokens: int | torch.Tensor, highest: int) -> torch.Tensor:
        """Logits (rows, vocab) after a token in each row, at positions up to `highest`; good until the next step."""
        for static, given in ((self._at, positions), (self._token, tokens)):
            if isinstance(given, int):
                static.fill_(given)
            else:
                static.copy_(given.reshape(static.shape))
        if self._compiled is not None and self._compiled.is_ready and not self.is_compiled:
            self._graphs.clear()
            self.is_compiled = True
        reach = next(reach for reach in self._reaches() if reach > highest)
        if reach not in self._graphs:
            try:
                self._graphs[reach] = self._capture(reach)
            except Exception as error:
                if not self.is_compiled or not is_of_the_compiler(error):
                    raise
                self._compiled, self.is_compiled = None, False  # the model as it is written is right, too
                self._graphs[reach] = self._capture(reach)
        graph, logits = self._graphs[reach]
        graph.replay()
        return logits

    def close(self) -> None:
        """Wait for the compiler, which still works with the buffers that these graphs do."""
        if self._compiled is not None:
            self._compiled.wait()

    def _reaches(self) -> Iterator[int]:
        reach = _SHORTEST_REACH
        while reach < self._length:
            yield reach
            reach *= 2
        yield self._length

    def _capture(self, reach: int) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
        is_compiled = self._compiled is not None and self._compiled.is_ready
        with self._compiled.in_use() if self._compiled and is_compiled else contextlib.nullcontext():
            self._forward(reach)  # what is made at a first call cannot be made in a capture
            graph = torch.cuda.CUDAGraph()
            pool = next((graph.pool() for graph, _ in self._graphs.values()), None)  # one runs at a time
            with _ALONE_ON_GPU, torch.cuda.graph(graph, pool=pool):
                logits = self._forward(reach)
        return graph, logits

    def _forward(self, reach: int = _SHORTEST_REACH) -> torch.Tensor:
        return read_over_kept(self._model, self._token, self._at, reach, self._length)[:, -1]


class _CompiledLayer:
    """The code of one layer for one new token, compiled in a thread for all layers."""

    def __init__(self, model: Any, step: Any) -> None:
        self._layers = layers_of(model)
        self.is_ready = False
        self._thread: threading.Thread | None = None
        if not self._layers:
            return
        given: list[Any] = []
        with self._layers[0].register_forward_pre_hook(lambda *inputs: given.append(inputs[1:]), with_kwargs=True):
            step()
        self._thread = threading.Thread(target=self._compile, args=given[0], daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when nothing is compiled any more."""
        if self._thread is not None:
            self._thread.join()

    def _compile(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # The compiler holds Python's lock, which else is given back to whoever writes tokens 5 ms later each time.
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            # Without a compiler the graphs stay as they are, and right; any library may be what is missing or fails.
            with _ALONE_ON_GPU, contextlib.suppress(Exception), torch.inference_mode():
                self._compile_layer(args, kwargs)
        finally:
            sys.setswitchinterval(_USUAL_SWITCH_SECONDS)

    def _compile_layer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # Copies, for the next step changes them, and a place that no conversation comes to.
        args = tuple(value.clone() if isinstance(value, torch.Tensor) else value for value in args)
        kwargs = {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in kwargs.items()}
        kwargs["write_at"].fill_(kwargs["kept_size"][1])
        self._run = torch.compile(_call)
        torch._dynamo.maybe_mark_dynamic(kwargs["visible"], 3)
        for layer in self._layers[:2]:
            self._run(layer, *args, **kwargs)
        torch.cuda.synchronize()
        self.is_ready = True

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Within, the layers run as compiled."""
        for layer in self._layers:
            layer._compiled_call_impl = partial(self._run, layer)
        try:
            yield
        finally:
            for layer in self._layers:
                layer._compiled_call_impl = None


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    return layer.forward(*args, **kwargs)


def use_row_kernels(model: Any) -> None:
    """Let the model's linear layers read one row with a kernel made for it, where Triton is there."""
    try:
        from phi2chat.inference.row_linear import RowLinear
    except ImportError:
        return
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = RowLinear


def drop_row_kernels(model: Any) -> None:
    """Take `use_row_kernels` back."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and type(module).__name__ == "RowLinear":
            module.__class__ = torch.nn.Linear
