"""What Trainer asks of the whole model at each step says what it said, without a walk through the modules."""

from typing import Any

import torch

from phi2chat.training.sampler import training_untouched
from phi2chat.training.walks import spare_walks


class Part(torch.nn.Linear):
    """A layer that counts how often its mode is set and its weights are asked for."""

    walks = 0

    def train(self, mode: bool = True) -> Any:
        self.walks += 1
        return super().train(mode)

    def named_parameters(self, *args: Any, **kwargs: Any) -> Any:
        self.walks += 1
        return super().named_parameters(*args, **kwargs)


class Model(torch.nn.Sequential):
    def num_parameters(self, exclude_embeddings: bool = False) -> int:
        return sum(weight.numel() for part in self for _, weight in part.named_parameters())


def make() -> Any:
    model = Model(Part(2, 3), Part(3, 1))
    spare_walks(model)
    return model


def modes(model: Any) -> set[bool]:
    return {module.training for module in model.modules()}


def test_a_step_after_another_walks_no_more() -> None:
    model = make()
    model.train()
    counts = [model.num_parameters(exclude_embeddings=True), len(list(model.parameters()))]
    walked = [part.walks for part in model]
    model.train()
    assert counts == [13, 4] == [model.num_parameters(exclude_embeddings=True), len(list(model.parameters()))]
    assert [part.walks for part in model] == walked


def test_the_mode_of_the_whole_is_that_of_all_its_parts() -> None:
    model = make()
    model[0].eval()  # as a base is when an adapter has just been put on it
    model.train()
    assert modes(model) == {True}
    for _ in range(2):
        model.eval()
        assert modes(model) == {False}
        model.train()
        assert modes(model) == {True}
        with training_untouched(model):
            assert modes(model) == {False}
        assert modes(model) == {True}
        model.train()
        assert modes(model) == {True}
    model.eval()
    with training_untouched(model):
        model.train()
    model.eval()
    assert modes(model) == {False}


def test_gradients_are_cleared_and_weights_are_those_of_the_model() -> None:
    model = make()
    assert [id(weight) for weight in model.parameters()] == [id(weight) for _, weight in model.named_parameters()]
    model(torch.ones(1, 2)).sum().backward()
    model.zero_grad()
    assert all(weight.grad is None for _, weight in model.named_parameters())
