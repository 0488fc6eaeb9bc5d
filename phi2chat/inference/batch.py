"""Many questions answered together: the rows of a batch are read and written side by side, each for itself."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from curation.errors import UserError
from phi2chat.inference.chooser import Chooser
from phi2chat.inference.engine import Engine
from phi2chat.inference.generate import TokenStream, full_memory
from phi2chat.inference.kept_attention import forget_kept, keep_rows, read_over_kept
from phi2chat.inference.step_graphs import StepGraphs

Watch = Callable[[int], None]  # told now and then how many replies are still being written; it may raise

_MEMORY_SHARE = 0.6  # of what is free, for keys and values
_FEW_ROWS = 64  # so many take a GPU about as long as half of them, and another graph would have to be captured
_LOOK_EVERY = 8  # steps, for to look whether replies have come to an end is to wait for the GPU


def write_together(streams: Sequence[TokenStream], engine: Engine, choose: Chooser, watch: Watch | None = None) -> None:
    """Write the replies of all streams ahead, those of like length side by side, as many at once as fit.

    `watch` is told every few steps how many are not done. Raises UserError where the GPU's memory is full of one.
    """
    waiting, most = sorted(streams, key=_length), len(streams)
    failed, passed = 0, 0  # how often the memory was full, and how many batches were written since
    engine.forget()  # its keys and values make room
    try:
        while waiting:
            count = min(most, _rows_that_fit(engine.model, _length(waiting[-1])))
            others, together = waiting[:-count], waiting[-count:]
            try:
                _write_batch(engine.model, engine.known, together, choose, watch, len(others))
            except torch.OutOfMemoryError:
                if count == 1:
                    way_out = "take a smaller --max-new-tokens, or recipe b"
                    raise UserError(full_memory(_length(waiting[-1]), way_out)) from None
                most, failed, passed = count // 2, failed + 1, 0  # and again, with the memory that is given back first
            else:
                waiting, passed = others, passed + 1
                # Another program may have held the memory, and no longer; the oftener it was full, the later more is
                # tried, for each try in vain costs what was written by then.
                if passed >= 2**failed // 2:
                    most, passed = 2 * most, 0
            forget_kept(engine.model)
    finally:
        forget_kept(engine.model)


def _length(stream: TokenStream) -> int:
    return len(stream.prompt_ids) + stream.budget


def _rows_that_fit(model: Any, length: int) -> int:
    if model.device.type != "cuda":
        return 2**20
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    row_bytes = 2 * config.num_hidden_layers * heads * head_size * model.dtype.itemsize * (length + 1)
    torch.cuda.empty_cache()  # what an earlier batch left is free, and would not count as such
    free: int = torch.cuda.mem_get_info(model.device)[0]
    return max(1, int(free * _MEMORY_SHARE / row_bytes))


@torch.inference_mode()
def _write_batch(
    model: Any, known: int, streams: Sequence[TokenStream], choose: Chooser, watch: Watch | None, waiting: int
) -> None:
    start, device, length = time.perf_counter(), model.device, max(map(_length, streams))
    prompts = [torch.tensor(stream.prompt_ids) for stream in streams]
    ids = torch.nn.utils.rnn.pad_sequence(prompts, batch_first=True).to(device)  # (rows, longest prompt)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    at = torch.arange(ids.shape[1], device=device).expand_as(ids)
    # What stands behind a shorter prompt is seen by none: its places are written anew before they are looked at.
    places, place_of = torch.unique(lengths - 1, return_inverse=True)
    logits = read_over_kept(model, ids, at, ids.shape[1], length, last=places)[range(len(streams)), place_of]
    graphs = StepGraphs(model, len(streams), length) if device.type == "cuda" else None
    replies: list[list[int]] = [[] for _ in streams]
    rows, new = list(range(len(streams))), list[torch.Tensor]()  # the streams that are read
    going = set(rows)  # those of them that have not come to their end
    for number in range(max(stream.budget for stream in streams)):
        tokens = choose(logits[:, :known])  # (rows,)
        new.append(tokens)
        if len(new) == _LOOK_EVERY:
            _take(new, rows, streams, replies, going)
            if watch:
                watch(len(going) + waiting)
            if 0 < 2 * len(going) <= len(rows) and (graphs is None or len(rows) > _FEW_ROWS):
                stay = [place for place, row in enumerate(rows) if row in going]
                rows = [rows[place] for place in stay]
                tokens, lengths = tokens[stay], lengths[stay]
                keep_rows(model, stay)
                graphs = StepGraphs(model, len(rows), length) if graphs else None
        if not going:
            break
        positions, highest = (lengths + number).clamp(max=length - 1), min(ids.shape[1] + number, length - 1)
        if graphs:
            logits = graphs.step(positions, tokens, highest)
        else:
            logits = read_over_kept(model, tokens[:, None], positions[:, None], highest + 1, length)[:, -1]
    _take(new, rows, streams, replies, going)
    seconds = (time.perf_counter() - start) / len(streams)
    for stream, reply in zip(streams, replies, strict=True):
        stream.take_written(reply, seconds)


def _take(
    new: list[torch.Tensor],
    rows: Sequence[int],
    streams: Sequence[TokenStream],
    replies: list[list[int]],
    going: set[int],
) -> None:
    """Give the replies that still go on what was written since the last time."""
    columns = torch.stack(new, 1).tolist() if new else []  # (rows, new)
    new.clear()
    for row, column in zip(rows, columns, strict=False):
        for token in column if row in going else ():
            replies[row].append(token)
            if streams[row].is_over(replies[row]):
                going.discard(row)
                break
