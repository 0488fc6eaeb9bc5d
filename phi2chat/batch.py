"""Many questions answered together: the rows of a batch read and write side by side, each for itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from curation.errors import UserError
from phi2chat.generate import is_loop
from phi2chat.kept_attention import forget_kept, read_over_kept
from phi2chat.step_graphs import StepGraphs

_MEMORY_SHARE = 0.6  # of what is free, for keys and values
_LOOK_EVERY = 8  # steps, at replies that may have come to an end

ChooseRows = Callable[[torch.Tensor], torch.Tensor]  # logits (rows, vocab) -> tokens (rows,)


@dataclass
class Row:
    """A prompt, how many tokens its reply may have, and the reply as far as it came, without the token that ends it."""

    prompt: Sequence[int]
    budget: int
    ids: list[int]
    ended: bool = False  # by a token that ends replies
    looped: bool = False


def write_together(
    model: Any, known: int, ends: frozenset[int], rows: Sequence[Row], choose: ChooseRows, rows_at_once: int
) -> None:
    """Fill in the replies of all rows, so many at once; those of like length stand together.

    The model must attend over kept keys and values. Raises UserError where the GPU's memory is full.
    """
    waiting = sorted(rows, key=lambda row: len(row.prompt) + row.budget)
    try:
        while waiting:
            longest = len(waiting[-1].prompt) + waiting[-1].budget
            count = min(rows_at_once, _rows_that_fit(model, longest))
            waiting, together = waiting[:-count], waiting[-count:]
            _write_batch(model, known, ends, together, choose)
    except torch.OutOfMemoryError:
        raise UserError(f"the GPU's memory is full at {count} questions at once; give a smaller --batch-size") from None
    finally:
        forget_kept(model)


def _rows_that_fit(model: Any, length: int) -> int:
    if model.device.type != "cuda":
        return 2**20
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    row_bytes = 2 * config.num_hidden_layers * heads * head_size * model.dtype.itemsize * (length + 1)
    free: int = torch.cuda.mem_get_info(model.device)[0]
    return max(1, int(free * _MEMORY_SHARE / row_bytes))


def _write_batch(model: Any, known: int, ends: frozenset[int], rows: Sequence[Row], choose: ChooseRows) -> None:
    device, length = model.device, max(len(row.prompt) + row.budget for row in rows)
    lengths = torch.tensor([len(row.prompt) for row in rows], device=device)
    prompts = torch.nn.utils.rnn.pad_sequence([torch.tensor(row.prompt) for row in rows], batch_first=True).to(device)
    at = torch.arange(prompts.shape[1], device=device).expand_as(prompts)
    # What stands behind a shorter prompt is seen by none: its places are written again before they are looked at.
    places, place_of = torch.unique(lengths - 1, return_inverse=True)
    last = read_over_kept(model, prompts, at, prompts.shape[1], length, last=places)
    tokens = choose(last[torch.arange(len(rows), device=device), place_of, :known])
    graphs = StepGraphs(model, len(rows), length, compiles=False) if device.type == "cuda" else None
    written: list[torch.Tensor] = []
    for number in range(max(row.budget for row in rows)):
        written.append(tokens)
        # To look waits for the GPU; the last time there is nothing to be read any more.
        if (number + 1) % _LOOK_EVERY == 0 and _all_came_to_an_end(rows, written, ends):
            return
        highest = min(int(prompts.shape[1]) + number, length - 1)
        positions = (lengths + number).clamp(max=length - 1)
        if graphs:
            logits = graphs.step(positions, tokens, highest)
        else:
            logits = read_over_kept(model, tokens[:, None], positions[:, None], highest + 1, length)[:, -1]
        tokens = choose(logits[:, :known])
    _all_came_to_an_end(rows, written, ends)


def _all_came_to_an_end(rows: Sequence[Row], written: list[torch.Tensor], ends: frozenset[int]) -> bool:
    """Give the rows what was written since the last time; whether none goes on."""
    columns = torch.stack(written, 1).tolist()  # (rows, new)
    written.clear()
    for row, new in zip(rows, columns, strict=True):
        for token in new:
            if row.ended or row.looped or len(row.ids) == row.budget:
                break
            if token in ends:
                row.ended = True
            else:
                row.ids.append(token)
                row.looped = is_loop(row.ids)
    return all(row.ended or row.looped or len(row.ids) == row.budget for row in rows)
