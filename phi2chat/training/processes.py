"""One training in several processes: which of them this is, and what all have counted together.

The launcher tells every process its number in the environment. Where there is one process, nothing here costs anything.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def is_main() -> bool:
    """Whether this is the one that shows progress and writes the files of the run."""
    return rank() == 0


def take_own_gpu() -> None:
    """Make "cuda" mean the GPU of this process."""
    import torch

    if count() > 1:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


def add_up(number: float) -> float:
    """The sum of the numbers that all processes call this with; each waits for the others."""
    if count() == 1:
        return number
    import torch

    device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
    total = torch.tensor(number, dtype=torch.float64, device=device)
    torch.distributed.all_reduce(total)
    return float(total)


def begin_alike(weights: "Iterable[torch.nn.Parameter]") -> None:
    """Give all processes the weights of the first."""
    import torch

    for weight in weights:
        torch.distributed.broadcast(weight.data, 0)


def average_gradients(weights: "Iterable[torch.nn.Parameter]") -> None:
    """Make the gradients the mean of those of all processes, in one exchange.

    An adapter's gradients are few, so that one exchange of them all at the end of a step takes less time than
    DistributedDataParallel's, which happen while it is computed, and its hooks at every weight.
    """
    import torch

    trained = [weight for weight in weights if weight.grad is not None]
    together = torch.cat([weight.grad.flatten() for weight in trained])  # type: ignore[union-attr]
    torch.distributed.all_reduce(together)
    together /= count()
    means = torch.split(together, [weight.numel() for weight in trained])
    for weight, mean in zip(trained, means, strict=True):
        weight.grad = mean.view_as(weight)


def wait_for_all() -> None:
    """Return when all processes have come here."""
    add_up(0)


def leave() -> None:
    """Take leave of the others, when all work that they share is done."""
    import torch

    if count() > 1 and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
