"""How several processes share out what does not divide: in the order of one, and nothing twice."""

import torch
from accelerate.data_loader import SeedableRandomSampler
from hypothesis import given
from hypothesis import strategies as st

from phi2chat.batches import WholeSteps, blank_like, fill_up, lay_end_to_end
from phi2chat.examples import IGNORED


@given(st.integers(1, 100), st.integers(1, 32), st.integers(0, 5))
def test_whole_steps_are_every_record_once_in_the_order_of_one_process_and_then_the_blank_one(
    records: int, step: int, epoch: int
) -> None:
    order = WholeSteps(records, step, 42, lambda: epoch)
    indexes = list(order)
    assert len(order) == len(indexes) and len(indexes) % step == 0 and len(indexes) - records < step
    of_one = SeedableRandomSampler(range(records), data_seed=42)
    of_one.set_epoch(epoch)
    assert indexes == [*of_one, *[records] * (len(indexes) - records)]
    assert sorted(indexes[:records]) == list(range(records))


def test_another_epoch_has_another_order() -> None:
    epoch = 0
    order = WholeSteps(50, 8, 42, lambda: epoch)
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
