"""One step of a Phi or of a Llama for one new token, in three to five kernels a layer, captured as one CUDA graph.

To write a token takes as long as to read all weights from the GPU's memory, if nothing waits in between. Phi reads
attention and MLP side by side, so that q, k, v and fc1 are one kernel, and dense and fc2 another.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby
from threading import Lock
from typing import Any

import torch
import triton

from phi2chat.background import begin
from phi2chat.inference.layer_parts import Activation, Layer, is_rms, parts_of
from phi2chat.inference.step_kernels import (
    GELU,
    GELU_TANH,
    LAYER_NORM,
    NO_ACTIVATION,
    RMS_NORM,
    SILU,
    add_products,
    attend,
    project,
)

_ACTIVATIONS: dict[Activation, Any] = {"gelu": GELU, "gelu_tanh": GELU_TANH, "silu": SILU}
_COMPILED_ALONE = {id(kernel): Lock() for kernel in (project, attend, add_products)}
_MOST_MATRICES = 4  # that one kernel projects with
_ALIGNED = 16  # elements between matrices, so that a kernel reads 16 bytes at a time
_STARTS_EARLY_FROM = 9  # the compute capability of Hopper


@dataclass(frozen=True)
class Tuning:
    """How the work is cut up: what was fastest for Phi-2 in bf16 on an H100, of about twenty ways that were tried.

    A program reads a few `rows` of weights, so many `columns` at a time: many small programs keep the memory busy to
    the end. The positions of a head are shared out among `splits` programs, for Phi-2 has fewer heads than a GPU has
    processors, and a long conversation would wait for them.
    """

    rows: int = 4
    columns: int = 1024
    out_rows: int = 2
    out_columns: int = 2048
    positions: int = 32
    splits: int = 16
    warps: int = 4


@dataclass(frozen=True)
class Launch:
    """A kernel with all that it is given."""

    kernel: Any
    grid: tuple[int, ...]
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    def __call__(self) -> None:
        """Run it."""
        self.kernel[self.grid](*self.arguments, **self.options)

    def without_memory(self) -> "Launch":
        """The same for the compiler alone: it holds no tensor, but what the compiler asks of one."""
        arguments = tuple(_Pointer.of(value) if isinstance(value, torch.Tensor) else value for value in self.arguments)
        return Launch(self.kernel, self.grid, arguments, self.options)

    def compile(self) -> None:
        """Have it ready on the GPU, where it is not; nothing runs."""
        compiled = self.kernel.warmup(*self.arguments, grid=self.grid, **self.options)
        compiled.run  # noqa: B018  # to ask for it loads it, which else the first launch does


@dataclass(frozen=True)
class _Pointer:
    """A tensor's type and address, which says how it is aligned."""

    dtype: torch.dtype
    address: int

    @staticmethod
    def of(tensor: torch.Tensor) -> "_Pointer":
        return _Pointer(tensor.dtype, tensor.data_ptr())

    def data_ptr(self) -> int:
        return self.address


class FusedStep:
    """Reads one token after those whose keys and values are kept, for `length` tokens; good for any position.

    It reads the weights, and the kept keys and values, where they are when it is made, and is good as long as they
    stay there. Raises NotImplementedError for a model that it cannot read.
    """

    def __init__(self, model: Any, length: int, tuning: Tuning | None = None) -> None:
        self._tuning = tuning or Tuning()
        parts = parts_of(model)
        device = model.device
        self._starts_early = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= _STARTS_EARLY_FROM
        self._token = torch.zeros(1, dtype=torch.int64, device=device)
        self._at = torch.full_like(self._token, length)  # a place that no conversation comes to
        self._embedding = parts.embedding.weight
        # One for each layer, so that nothing is written that a kernel which started early may have seen before.
        states = 1 + sum(1 if layer.gate is None else 2 for layer in parts.layers)
        self._hidden = self._embedding.new_empty(states, self._embedding.shape[1])
        positions = torch.arange(length + 1, device=device).clamp(max=length - 1)
        cosines, sines = parts.rotary(self._hidden, positions[None])
        self._angles = cosines[0].contiguous(), sines[0].contiguous()  # (length + 1, rotary), scaled as it may be
        attention, heads = parts.layers[0].attention, _heads(parts.layers[0])
        padded = triton.next_power_of_2(attention.head_dim)
        self._partial = torch.empty(heads, self._tuning.splits, padded + 2, device=device)
        self._arrived = torch.zeros(heads, dtype=torch.int32, device=device)
        self._launches: list[Launch] = []
        last = 0
        for layer in parts.layers:
            last = (self._beside if layer.gate is None else self._behind)(layer, last)
        self._logits = self._project(self._hidden[last], parts.last_norm, [parts.head])
        self._replay: Callable[[], None] = self._run

    def compile(self) -> Sequence[Future[None]]:
        """Begin to compile what is not compiled yet, in threads that hold no memory of the model.

        There is one for each kernel, for what a kernel keeps of its variants is not made for several; those of other
        models wait for it.
        """
        launches = sorted((launch.without_memory() for launch in self._launches), key=lambda one: id(one.kernel))
        groups = [list(group) for _, group in groupby(launches, key=lambda one: id(one.kernel))]
        return [begin("kernels", partial(_compile, group)) for group in groups]

    def capture(self) -> None:
        """Make one CUDA graph of all kernels. Where they are not compiled, that is waited for."""
        self._run()  # what is made at a first call cannot be made in a capture
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._run()
        self._replay = graph.replay

    def step(self, position: int, token: torch.Tensor | int) -> torch.Tensor:
        """Logits (vocab,) after a token at a position; good until the next step."""
        self._at.fill_(position)
        if isinstance(token, int):
            self._token.fill_(token)
        else:
            self._token.copy_(token.reshape(1))
        self._replay()
        return self._logits

    def _run(self) -> None:
        torch.index_select(self._embedding, 0, self._token, out=self._hidden[:1])
        for launch in self._launches:
            launch()

    def _beside(self, layer: Layer, number: int) -> int:
        """A layer whose MLP reads what attention reads, from a state to the next."""
        before, after = self._hidden[number], self._hidden[number + 1]
        linears = [layer.queries, layer.keys, layer.values, layer.up]
        projected = self._project(before, layer.norm, linears, layer.activation)
        inner = projected[sum(linear.out_features for linear in linears[:3]) :]
        self._add_products(before, [(layer.out, self._attend(layer, projected)), (layer.down, inner)], after)
        return number + 1

    def _behind(self, layer: Layer, number: int) -> int:
        """A layer whose MLP reads what attention has written, from a state to the next but one."""
        before, middle, after = self._hidden[number : number + 3]
        projected = self._project(before, layer.norm, [layer.queries, layer.keys, layer.values])
        self._add_products(before, [(layer.out, self._attend(layer, projected))], middle)
        inner = self._project(middle, layer.mlp_norm, [layer.gate], layer.activation, layer.up)
        self._add_products(middle, [(layer.down, inner)], after)
        return number + 2

    def _project(
        self,
        hidden: torch.Tensor,
        norm: Any,
        linears: Sequence[Any],
        activation: Activation | None = None,
        factors: Any = None,
    ) -> torch.Tensor:
        """What the linears give for a state, one behind the other; the activation is that of the last."""
        first, tuning = linears[0], self._tuning
        columns, rows = first.in_features, [linear.out_features for linear in linears]
        if any(count % tuning.rows for count in rows[:-1]):
            raise NotImplementedError(f"matrices whose rows are no multiple of {tuning.rows}")
        none = [0] * (_MOST_MATRICES - len(rows))
        distances = [*none, *(_distance(first, linear) for linear in linears)][1:]
        starts = [*none, *accumulate(rows[:-1], initial=0)][1:]  # of each matrix but one that begins at 0 anyway
        kind = RMS_NORM if is_rms(norm) else LAYER_NORM
        shift, epsilon = (norm.weight, norm.variance_epsilon) if is_rms(norm) else (norm.bias, norm.eps)
        output = hidden.new_empty(sum(rows))
        to_factors = 0 if factors is None else _distance(first, factors)
        bias = torch.cat([_bias(linear) for linear in linears])
        self._launch(
            project,
            (triton.cdiv(sum(rows), tuning.rows),),
            *(hidden, norm.weight, shift, epsilon, first.weight, *distances, to_factors, *starts, sum(rows), bias),
            output,
            COLUMNS=columns,
            PADDED=triton.next_power_of_2(columns),
            NORM=kind.value,
            ACTIVATION=(NO_ACTIVATION if activation is None else _ACTIVATIONS[activation]).value,
            HAS_FACTORS=factors is not None,
            ROWS_AT_ONCE=tuning.rows,
            COLUMNS_AT_ONCE=tuning.columns,
        )
        return output

    def _attend(self, layer: Layer, projected: torch.Tensor) -> torch.Tensor:
        """What attention gives for queries, keys and values, one behind the other."""
        sizes = [linear.out_features for linear in (layer.queries, layer.keys, layer.values)]
        query, key, value = torch.split(projected[: sum(sizes)], sizes)
        keys, values = layer.attention.kept_keys, layer.attention.kept_values  # (1, heads, length + 1, head size)
        heads, head_size = _heads(layer), layer.attention.head_dim
        output = torch.empty_like(query)
        self._launch(
            attend,
            (heads, self._tuning.splits),
            *(query, key, value, keys, values, *self._angles, self._at, self._partial, self._arrived, output),
            *(keys.stride(1), layer.attention.scaling),
            HEAD=head_size,
            PADDED=triton.next_power_of_2(head_size),
            ROTARY=self._angles[0].shape[1],
            GROUPS=heads // keys.shape[1],
            SPLITS=self._tuning.splits,
            POSITIONS_AT_ONCE=self._tuning.positions,
        )
        return output

    def _add_products(
        self, hidden: torch.Tensor, products: Sequence[tuple[Any, torch.Tensor]], output: torch.Tensor
    ) -> None:
        """Write a state and what one or two linears give for their inputs to the next state."""
        (linear, given), (other, other_given) = products[0], products[-1]
        bias = _bias(linear) if len(products) == 1 else _bias(linear).float() + _bias(other).float()
        self._launch(
            add_products,
            (triton.cdiv(linear.out_features, self._tuning.out_rows),),
            *(hidden, linear.weight, given, other.weight, other_given, bias, output, linear.out_features),
            COLUMNS=linear.in_features,
            OTHER_COLUMNS=0 if len(products) == 1 else other.in_features,
            ROWS_AT_ONCE=self._tuning.out_rows,
            COLUMNS_AT_ONCE=self._tuning.out_columns,
        )

    def _launch(self, kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
        early = {"STARTS_EARLY": self._starts_early, "launch_pdl": self._starts_early}
        options = {**constants, **early, "num_warps": self._tuning.warps}
        self._launches.append(Launch(kernel, grid, arguments, options))


def _compile(launches: Sequence[Launch]) -> None:
    """Compile what is launched of one kernel."""
    with _COMPILED_ALONE[id(launches[0].kernel)]:
        for launch in launches:
            launch.compile()


def _heads(layer: Layer) -> int:
    return int(layer.queries.out_features // layer.attention.head_dim)


def _distance(first: Any, other: Any) -> int:
    """From one linear's weights to another's, in elements."""
    distance, rest = divmod(other.weight.data_ptr() - first.weight.data_ptr(), first.weight.element_size() * _ALIGNED)
    if rest:
        raise NotImplementedError(f"weights that do not stand at a multiple of {_ALIGNED} elements")
    return int(distance) * _ALIGNED


def _bias(linear: Any) -> torch.Tensor:
    bias = linear.weight.new_zeros(linear.out_features) if linear.bias is None else linear.bias.detach()
    assert isinstance(bias, torch.Tensor)
    return bias
