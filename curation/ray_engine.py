"""The work on a large file by Ray Data: on the workers of a cluster, or on several of this machine."""

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

Task = TypeVar("Task")
Result = TypeVar("Result")


class RayEngine:
    """Ray Data; it joins the cluster that RAY_ADDRESS names, and starts Ray on this machine where that names none.

    With `jobs`, Ray starts that many workers here. Files have to be found by every worker under the same path. Raises
    ModuleNotFoundError where Ray is not installed.
    """

    def __init__(self, jobs: int = 0) -> None:
        import ray.data

        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns about what it may do later
        if not ray.is_initialized():
            alone = None if "RAY_ADDRESS" in os.environ or not jobs else jobs
            ray.init(num_cpus=alone, include_dashboard=False, log_to_driver=False, logging_level="error")
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        context.print_on_execution_start = False

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """The results in the order of the tasks; an error of a task is raised as it was."""
        import ray.data

        packed = [{"task": pickle.dumps(task)} for task in tasks]
        if not packed:
            return
        data = ray.data.from_items(packed, override_num_blocks=len(packed))
        done = data.map_batches(call_on_worker, fn_args=(pickle.dumps(function),), batch_size=1, zero_copy_batch=True)
        for row in done.iter_rows():
            result, error = pickle.loads(row["result"])
            if error is not None:
                raise error
            yield result


def call_on_worker(batch: dict[str, Any], function: bytes) -> dict[str, Any]:
    """What a worker of Ray does: one task, whose result or error it packs."""
    result: tuple[Any, Exception | None]
    try:
        result = (pickle.loads(function)(pickle.loads(batch["task"][0])), None)
    except Exception as error:  # Ray would wrap it in one of its own
        result = (None, error)
    return {"result": np.array([pickle.dumps(result)], dtype=object)}
