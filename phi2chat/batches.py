"""Examples -> a batch without padding: the records of a step stand end to end in one row, and none sees another."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch

from phi2chat.examples import IGNORED


def lay_end_to_end(examples: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
    """The examples of a step (`input_ids` and `labels` each) as one row of T tokens, in their order.

    `input_ids`, `position_ids` and `labels` are (1, T), positions begin at 0 with every record. `cu_seq_lens_q` and
    `cu_seq_lens_k` (records + 1) say where records begin, `max_length_q` and `max_length_k` how long the longest is:
    the names under which transformers hands them to its attention functions. `logits_to_keep` (N) are the positions
    that predict a token with a loss, `targets` (N) those tokens: whoever makes the batch knows them without asking
    the GPU, and no logits are made for prompts.
    """
    lengths = torch.tensor([len(example["input_ids"]) for example in examples])
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    labels = torch.tensor(list(chain.from_iterable(example["labels"] for example in examples)))
    labels[starts[:-1]] = IGNORED  # what stands before a record's first token is another record
    logits_to_keep = (labels[1:] != IGNORED).nonzero().flatten()
    boundaries, longest = starts.to(torch.int32), int(lengths.max())
    return {
        "input_ids": torch.tensor(list(chain.from_iterable(example["input_ids"] for example in examples)))[None],
        "position_ids": torch.cat([torch.arange(length) for length in lengths.tolist()])[None],
        "labels": labels[None],
        "cu_seq_lens_q": boundaries,
        "cu_seq_lens_k": boundaries,
        "max_length_q": longest,
        "max_length_k": longest,
        "logits_to_keep": logits_to_keep,
        "targets": labels[1:][logits_to_keep],
    }
