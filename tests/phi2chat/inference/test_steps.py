"""Tokens come from the graphs at once, and from the fused step when it is compiled and says what they say."""

import importlib.util
from collections.abc import Sequence
from concurrent.futures import Future

import pytest
import torch
from transformers import PhiConfig, PhiForCausalLM

from phi2chat.inference.steps import Steps, alike, fused_step_of

VOCABULARY, KNOWN = 8, 6


def logits_after(position: int, token: int) -> torch.Tensor:
    return torch.arange(VOCABULARY) * 0.1 * position - token


class FakeGraphs:
    """Steps of any number of rows; `read` has the position of each."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def step(self, positions: int, tokens: torch.Tensor | int, highest: int) -> torch.Tensor:
        assert positions == highest
        self.read.append(positions)
        return logits_after(positions, int(tokens))[None]


class FakeFused:
    """A step that is `off` by so much; it is compiled when the test says so."""

    def __init__(self, off: float = 0.0, fails_in_capture: BaseException | None = None) -> None:
        self.off, self.fails_in_capture = off, fails_in_capture
        self.read: list[int] = []
        self.futures: list[Future[None]] = [Future(), Future()]

    def compile(self) -> Sequence[Future[None]]:
        return self.futures

    def capture(self) -> None:
        failure, self.fails_in_capture = self.fails_in_capture, None
        if failure is not None:
            raise failure

    def step(self, position: int, token: torch.Tensor | int) -> torch.Tensor:
        self.read.append(position)
        logits = logits_after(position, int(token)) + self.off * torch.tensor([0, 1] * 4)
        logits[KNOWN:] = torch.nan  # spare rows are no tokens
        return logits

    def is_compiled(self) -> None:
        for future in self.futures:
            future.set_result(None)


def right(steps: Steps, *positions: int) -> bool:
    """Whether the logits are right at each of these positions, and the choice of the token stays on its device."""
    token = torch.tensor(3)
    return all(
        torch.allclose(steps.step(position, token)[:KNOWN], logits_after(position, 3)[:KNOWN], atol=1e-3)
        for position in positions
    )


def test_the_graphs_write_until_all_kernels_are_compiled_and_then_the_fused_step_alone() -> None:
    graphs, fused = FakeGraphs(), FakeFused()
    steps = Steps(graphs, fused, KNOWN)
    fused.futures[0].set_result(None)
    assert right(steps, 10, 11) and not steps.is_fused
    assert fused.read == []
    fused.futures[1].set_result(None)
    assert right(steps, 12, 13, 14) and steps.is_fused
    assert (graphs.read, fused.read) == ([10, 11, 12], [12, 13, 14])  # one token is read by both, and compared


def test_a_fused_step_that_says_something_else_never_writes_and_leaves_nothing_behind() -> None:
    graphs, fused = FakeGraphs(), FakeFused(off=0.5)
    steps = Steps(graphs, fused, KNOWN)
    fused.is_compiled()
    assert right(steps, 10, 11, 12) and not steps.is_fused
    # What the fused step kept for the token at 10 is written over by the graphs.
    assert (graphs.read, fused.read) == ([10, 10, 11, 12], [10])


def test_where_a_kernel_cannot_be_compiled_the_graphs_go_on() -> None:
    graphs, fused = FakeGraphs(), FakeFused()
    steps = Steps(graphs, fused, KNOWN)
    fused.futures[0].set_exception(RuntimeError("Failed to find C compiler"))
    fused.futures[1].set_result(None)
    assert right(steps, 10, 11) and not steps.is_fused
    assert fused.read == []


def test_where_no_graph_of_it_can_be_made_the_others_go_on() -> None:
    graphs, fused = FakeGraphs(), FakeFused(fails_in_capture=torch.OutOfMemoryError())
    steps = Steps(graphs, fused, KNOWN)
    fused.is_compiled()
    assert right(steps, 10, 11) and not steps.is_fused


def test_a_change_over_that_is_interrupted_is_made_at_the_next_token() -> None:
    graphs, fused = FakeGraphs(), FakeFused(fails_in_capture=KeyboardInterrupt())
    steps = Steps(graphs, fused, KNOWN)
    fused.is_compiled()
    with pytest.raises(KeyboardInterrupt):
        steps.step(10, 3)
    assert right(steps, 10, 11) and steps.is_fused


def test_without_a_fused_step_the_graphs_write() -> None:
    assert right(Steps(FakeGraphs(), None, KNOWN), 10, 11)


@pytest.mark.skipif(importlib.util.find_spec("triton") is not None, reason="Triton is here")
def test_where_there_is_no_triton_there_is_no_fused_step() -> None:
    shape = {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    assert fused_step_of(PhiForCausalLM(PhiConfig(**shape, intermediate_size=32)).eval(), 64) is None


def test_readings_that_differ_by_rounding_are_alike() -> None:
    wanted = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert alike(wanted + 1e-5, wanted, torch.float32)
    assert alike(wanted + 3.0, wanted, torch.float32)  # the same probabilities
    assert not alike(wanted.roll(1), wanted, torch.bfloat16)
    assert alike(wanted.bfloat16(), wanted, torch.bfloat16)
    assert not alike(wanted.bfloat16(), wanted, torch.float32)
    assert not alike(torch.full_like(wanted, torch.nan), wanted, torch.bfloat16)
