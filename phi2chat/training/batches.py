"""Examples -> a batch without padding: the records of a step stand end to end in one row, and none sees another.

Several processes share a step out, and where its records do not fill it, blank ones do: they have no loss, so that the
curves are those of one process with larger batches. By itself accelerate would train and evaluate some records twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import Sampler

from phi2chat.inference.examples import IGNORED


def lay_end_to_end(examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The examples of a step (`input_ids` and `labels` each, best as arrays) as one row of T tokens, in their order.

    `input_ids`, `position_ids` and `labels` are (1, T), positions begin at 0 with every record. `cu_seq_lens_q` and
    `cu_seq_lens_k` (records + 1) say where records begin, `max_length_q` and `max_length_k` how long the longest is:
    the names under which transformers hands them to its attention functions. `logits_to_keep` (N) are the positions
    that predict a token with a loss, `targets` (N) those tokens: whoever makes the batch knows them without asking
    the GPU, and no logits are made for prompts.
    """
    lengths = torch.tensor([len(example["input_ids"]) for example in examples])
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    labels = torch.from_numpy(np.concatenate([example["labels"] for example in examples]))
    labels[starts[:-1]] = IGNORED  # what stands before a record's first token is another record
    logits_to_keep = (labels[1:] != IGNORED).nonzero().flatten()
    boundaries, longest = starts.to(torch.int32), int(lengths.max())
    return {
        "input_ids": torch.from_numpy(np.concatenate([example["input_ids"] for example in examples]))[None],
        "position_ids": torch.cat([torch.arange(length) for length in lengths.tolist()])[None],
        "labels": labels[None],
        "cu_seq_lens_q": boundaries,
        "cu_seq_lens_k": boundaries,
        "max_length_q": longest,
        "max_length_k": longest,
        "logits_to_keep": logits_to_keep,
        "targets": labels[1:][logits_to_keep],
    }


def fill_up(examples: Sequence[dict[str, list[int]]], step: int) -> list[dict[str, list[int]]]:
    """The examples and as many blank ones as make their number a multiple of `step`."""
    return [*examples, *[blank_like(examples[0])] * (-len(examples) % step)]


def blank_like(example: dict[str, list[int]]) -> dict[str, list[int]]:
    """An example without loss, of two tokens: for a batch of one token layers would be compiled once more."""
    return {"input_ids": example["input_ids"][:2], "labels": [IGNORED] * 2}


class WholeSteps(Sampler[int]):
    """The order in which one process goes through the records, then their number as the index of a blank one.

    `lengths` are those of the records in tokens. A step is one batch for each of the processes, and an epoch whole
    steps. Within a step the order is such that every batch has about as many tokens, for a process that has fewer waits
    for the others, and the loss of a step is the same however its records are dealt out.
    """

    def __init__(
        self, lengths: Sequence[int], processes: int, batch_size: int, seed: int, epoch: Callable[[], int]
    ) -> None:
        self._lengths, self._processes, self._batch_size = [*lengths, 0], processes, batch_size
        self._seed, self._epoch = seed, epoch

    def __len__(self) -> int:
        records = len(self._lengths) - 1
        return records + -records % (self._processes * self._batch_size)

    def __iter__(self) -> Iterator[int]:
        blank, step = len(self._lengths) - 1, self._processes * self._batch_size
        # The class that accelerate puts in for one process; here it would not be told the epoch of a resumed run.
        shuffled = SeedableRandomSampler(range(blank), data_seed=self._seed)
        shuffled.set_epoch(self._epoch())
        order = [*shuffled, *[blank] * (len(self) - blank)]
        for start in range(0, len(order), step):
            yield from self._deal(order[start : start + step])

    def _deal(self, records: Sequence[int]) -> Iterator[int]:
        batches: list[list[int]] = [[] for _ in range(self._processes)]
        for record in sorted(records, key=lambda record: -self._lengths[record]):
            open_ones = [batch for batch in batches if len(batch) < self._batch_size]
            min(open_ones, key=lambda batch: sum(self._lengths[other] for other in batch)).append(record)
        return chain.from_iterable(batches)
