"""What Trainer asks of the whole model at every step, answered without a walk through its modules.

With LoRA a model of 30 layers has 2,500 modules, and four walks a step take as long as a small model's step itself.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any


def spare_walks(model: Any) -> None:
    """Let `train`, `eval`, `parameters` and `num_parameters` of a model that is about to be trained answer at once.

    From here on no parameter may come, go or take the place of another. Whoever changes the mode of a part by itself
    has to bring it back: the whole is gone through only where it is to change as a whole.
    """
    parameters, walk = list(model.parameters()), model.train
    is_as_walked: list[bool] = []  # the mode of all modules; empty before the first walk

    def switch(mode: bool = True) -> Any:
        if is_as_walked != [mode] or model.training != mode:
            walk(mode)
            is_as_walked[:] = [mode]
        return model

    def give_parameters(recurse: bool = True) -> Iterator[Any]:
        return iter(parameters) if recurse else iter(())  # none is the outermost module's own

    model.train, model.parameters = switch, give_parameters
    model.num_parameters = cache(model.num_parameters)
