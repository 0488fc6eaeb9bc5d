"""How several processes share out what does not divide: in the order of one, and nothing twice."""

import torch
from accelerate.data_loader import SeedableRandomSampler
from hypothesis import given
from hypothesis import strategies as st

from phi2chat.inference.examples import IGNORED
from phi2chat.training.batches import WholeSteps, blank_like, fill_up, lay_end_to_end


def steps(order: WholeSteps, step: int) -> list[list[int]]:
    indexes = list(order)
    assert len(indexes) == len(order) and len(indexes) % step == 0
    return [indexes[start : start + step] for start in range(0, len(indexes), step)]


@given(st.lists(st.integers(2, 500), min_size=1, max_size=80), st.integers(1, 4), st.integers(1, 8), st.integers(0, 5))
def test_every_step_has_the_records_that_one_process_takes_and_the_last_is_filled_up_with_the_blank_one(
    lengths: list[int], processes: int, batch_size: int, epoch: int
) -> None:
    records, step = len(lengths), processes * batch_size
    of_one = SeedableRandomSampler(range(records), data_seed=42)
    of_one.set_epoch(epoch)
    shuffled = list(of_one)
    dealt = steps(WholeSteps(lengths, processes, batch_size, 42, lambda: epoch), step)
    for number, indexes in enumerate(dealt):
        wanted = shuffled[number * step : (number + 1) * step]
        assert sorted(indexes) == sorted([*wanted, *[records] * (step - len(wanted))])
    assert len(dealt) == -(-records // step)


def test_the_processes_get_about_as_many_tokens() -> None:
    lengths = [20 + 37 * number % 400 for number in range(400)]
    shares = []
    for indexes in steps(WholeSteps(lengths, 2, 8, 42, lambda: 0), 16):
        first, second = (sum(lengths[index] for index in part) for part in (indexes[:8], indexes[8:]))
        shares.append(2 * max(first, second) / (first + second))
    assert max(shares) < 1.05
    assert sum(shares) / len(shares) < 1.01


def test_another_epoch_has_another_order() -> None:
    epoch = 0
    order = WholeSteps([10] * 50, 2, 4, 42, lambda: epoch)
    first = list(order)
    epoch = 1
    assert list(order) != first


@given(st.integers(1, 20), st.integers(1, 16))
def test_examples_are_filled_up_with_such_as_have_no_loss(number: int, step: int) -> None:
    examples = [{"input_ids": [5, 6, 7], "labels": [IGNORED, 6, 7]}] * number
    filled = fill_up(examples, step)
    assert len(filled) % step == 0 and filled[:number] == examples and len(filled) - number < step
    assert all(set(example["labels"]) == {IGNORED} for example in filled[number:])


def test_a_batch_of_blank_examples_alone_has_no_targets() -> None:
    blank = blank_like({"input_ids": [5, 6, 7], "labels": [IGNORED, 6, 7]})
    batch = lay_end_to_end([blank, blank])
    assert batch["targets"].shape == batch["logits_to_keep"].shape == torch.Size([0])
    assert batch["input_ids"].tolist() == [[5, 6, 5, 6]]
