"""Makes changes of a file, and dies in the middle of them if it is told to: an order of JSON a line, and as many answers.

An order has the `file`, the `step`, and before which call of a function of C a fork that makes it dies; 0 is for none. The answer is "saved",
the sentence or the traceback that it ended with, or "" of one that was killed.
"""

import json
import os
import sys
from pathlib import Path

from steps import Step, die_before
from telling import told_by


def in_a_fork(path: Path, step: Step, death: int) -> str:
    start, end = os.pipe()
    child = os.fork()
    if child == 0:
        die_before(death)
        os.write(end, told_by(lambda: step.make(path)).encode())
        os._exit(0)
    os.close(end)
    os.waitpid(child, 0)
    with open(start, "rb") as told:
        return told.read().decode()


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        path, step, death = Path(order["file"]), Step(**order["step"]), order["death"]
        told = in_a_fork(path, step, death) if death else told_by(lambda path=path, step=step: step.make(path))
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
