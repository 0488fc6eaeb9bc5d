"""Kills a process that changes a file all the time, at random moments: FILE, how many kills, and a seed.

The process writes each step into a pipe before it is made, and that it was saved afterwards. Prints JSON: how many were
killed, how many steps were said to be saved, and each time that the file was neither as the last of these left it nor as
the step after it would have.
"""

import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from steps import Step, ids_in

from curation.journal import versions

MOST_SAVES = 5  # before the one in which it dies
LONGEST_STEP = 0.01  # seconds
MOST_LINES = 60


def next_step(content: bytes, choose: random.Random) -> Step:
    name, text = f"{choose.getrandbits(40):x}", "東京です。" * choose.randrange(1, 40)
    ids = ids_in(content)
    if len(ids) > MOST_LINES:
        return Step("remove", choose.choice(ids))
    kind = choose.choice(["add", "add several", "edit", "remove"] if ids else ["add"])
    return Step(kind, choose.choice(ids) if kind in ("edit", "remove") else name, text)


def live(path: Path, choose: random.Random, said: int) -> None:
    """Change the file until death."""
    while True:
        step = next_step(path.read_bytes(), choose)
        os.write(said, step.to_json().encode() + b"\n")
        step.make(path)
        os.write(said, b'"saved"\n')


def kill_once(path: Path, choose: random.Random) -> tuple[int, str]:
    """How many steps were said to be saved, and what is wrong with the file."""
    before = path.read_bytes()
    start, end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            live(path, choose, end)
        finally:
            os._exit(1)
    os.close(end)
    wanted = choose.randint(0, MOST_SAVES)
    with open(start, "rb") as pipe:
        told = [json.loads(pipe.readline() or '"ended"') for _ in range(2 * wanted)]
        time.sleep(choose.uniform(0, LONGEST_STEP))
        os.kill(child, signal.SIGKILL)
        is_killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        told += [json.loads(line) for line in pipe.read().splitlines()]
    steps = [Step(**one) for one in told if isinstance(one, dict)]
    saved, expected = told.count("saved"), before
    for step in steps[:saved]:
        expected = step.apply(expected)
    allowed = [expected, *(step.apply(expected) for step in steps[saved:])]
    if not is_killed:
        return saved, f"it ended by itself at {steps[-1:]}"
    return saved, "" if path.read_bytes() in allowed else f"after {saved} of {steps} the file is {path.read_bytes()!r}"


def main() -> None:
    path, kills, choose = Path(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[3])
    path.write_bytes(b"")
    lives = [kill_once(path, random.Random(choose.random())) for _ in range(kills)]
    wrong = [what for _, what in lives if what]
    with contextlib.ExitStack() as files:
        first = versions(path, 0, files)[0].read()
    if first != b"":
        wrong.append("what it was at first is not known any more")
    print(json.dumps({"kills": len(lives), "saved": sum(saved for saved, _ in lives), "wrong": wrong}))


if __name__ == "__main__":
    main()
