"""How soon the prompt is back after Ctrl-C or Esc, at random moments of replies in a real terminal.

    python benchmarks/interrupts.py --output interrupts.json

The REPL is the real one, with a model that writes a character every 4 ms (`tests/scripted_repl.py`): what is measured
is ours, and not a model's step. Milliseconds of the wall from the key to the line that can be typed in, with the load
of the machine beside them. Needs pexpect and pyte, of the group dev.
"""

import argparse
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pexpect
import pyte

REPOSITORY = Path(__file__).parents[1]
KEYS = {"Ctrl-C": b"\x03", "Esc": b"\x1b"}
LONGEST_WAIT = 0.7  # seconds; a reply takes about 0.6
LIMIT_MS = 300
LOST_SECONDS = 60


class Terminal:
    """The scripted REPL in a terminal of 80 columns."""

    def __init__(self, folder: str) -> None:
        environment = {**os.environ, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        environment["PYTHONPATH"] = str(REPOSITORY)
        script = str(REPOSITORY / "tests" / "scripted_repl.py")
        self.child = pexpect.spawn(sys.executable, [script, folder], env=environment, dimensions=(30, 80))
        self.screen = pyte.Screen(80, 30)
        self._stream = pyte.ByteStream(self.screen)
        self.since = b""

    def read(self, seconds: float) -> None:
        try:
            content = self.child.read_nonblocking(65536, seconds)
        except pexpect.TIMEOUT:
            return
        self.since += content
        self._stream.feed(content)

    @property
    def is_at_prompt(self) -> bool:
        line = self.screen.display[self.screen.cursor.y].rstrip()
        return line == "»" and b"\x1b[?2004h" in self.since[-400:]

    def wait_for_prompt(self) -> None:
        deadline = time.monotonic() + LOST_SECONDS
        while not self.is_at_prompt:
            if time.monotonic() > deadline:
                raise SystemExit(f"the prompt did not come back:\n{self.since.decode(errors='replace')[-2000:]}")
            self.read(0.01)

    def interrupt(self, key: bytes, seconds: float) -> tuple[str, float]:
        """Ask, press the key after so long, and give where that was and the milliseconds to the next prompt."""
        self.since = b""
        self.child.send(b"say 60\r")
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.read(left)
        moment = self._moment()
        if moment == "after the reply":
            return moment, 0.0
        self.since = self.since.replace(b"\x1b[?2004h", b"") if moment == "before the reply" else b""
        pressed = time.monotonic()
        self.child.send(key)
        self.wait_for_prompt()
        return moment, (time.monotonic() - pressed) * 1000

    def _moment(self) -> str:
        if b"; recipe " in self.since:
            return "after the reply"
        if b"[answer]" in self.since:
            return "in the answer"
        return "in the reasoning" if b"[reasoning]" in self.since else "before the reply"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200, help="interrupts with each key")
    parser.add_argument("--output", type=Path, default=Path("interrupts.json"))
    options = parser.parse_args()
    chance, before, rows = random.Random(5), os.getloadavg()[0], []
    for name, key in KEYS.items():
        with tempfile.TemporaryDirectory() as folder:
            terminal = Terminal(folder)
            terminal.wait_for_prompt()
            taken: list[tuple[str, float]] = []
            everything = b""
            while len(taken) < options.times:
                moment, ms = terminal.interrupt(key, chance.uniform(0, LONGEST_WAIT))
                everything += terminal.since
                if moment == "after the reply" or (name == "Esc" and moment == "before the reply"):
                    terminal.wait_for_prompt()  # there was nothing to stop; to Esc the input line says nothing
                else:
                    taken.append((moment, ms))
            terminal.child.close(force=True)
        times = sorted(ms for _, ms in taken)
        row = {"key": name, "interrupts": len(times), "median_ms": round(statistics.median(times))}
        row |= {"p95_ms": round(statistics.quantiles(times, n=20)[-1]), "max_ms": round(times[-1])}
        row["within_300_ms"] = sum(ms <= LIMIT_MS for ms in times)
        row["tracebacks"] = everything.count(b"Traceback")
        moments = [moment for moment, _ in taken]
        row["moments"] = {moment: moments.count(moment) for moment in sorted(set(moments))}
        rows.append(row)
    result = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
    result |= {"load_before": before, "load_after": os.getloadavg()[0], "rows": rows}
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    print(f"\n{'key':<8}{'interrupts':>11}{'median':>9}{'p95':>7}{'max':>7}{'<= 300 ms':>11}{'tracebacks':>12}")
    for row in rows:
        print(
            f"{row['key']:<8}{row['interrupts']:>11}{row['median_ms']:>6} ms{row['p95_ms']:>7}{row['max_ms']:>7}"
            f"{row['within_300_ms']:>11}{row['tracebacks']:>12}"
        )
    print(f"load average {result['load_before']:.1f} before, {result['load_after']:.1f} after")


if __name__ == "__main__":
    main()
