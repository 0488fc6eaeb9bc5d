"""CPU time of the commands that must answer at once, beside an empty Python and the trainer's own command line.

    python benchmarks/startup.py --output startup.json

CPU seconds (user + system) of the whole process, as the operating system counts them; median of several runs in turn.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

DATA = Path(__file__).parents[1] / "datasets" / "ja-basics.jsonl"


def cpu_seconds(command: list[str]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--output", type=Path, default=Path("startup.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        records = Path(name) / "records.jsonl"
        records.write_bytes(b"".join(DATA.read_bytes().splitlines(keepends=True)[:100]))
        python = sys.executable
        commands = {
            "python -c pass": [python, "-c", "pass"],
            "phi2chat --help": [python, "-m", "phi2chat", "--help"],
            "phi2chat curate validate, 100 records": [python, "-m", "phi2chat", "curate", "validate", str(records)],
            "trl --help": [str(Path(python).with_name("trl")), "--help"],
        }
        seconds: dict[str, list[float]] = {label: [] for label in commands}
        for _ in range(options.runs + 1):
            for label, command in commands.items():
                seconds[label].append(cpu_seconds(command))
    rows = [
        {"command": label, "median_s": round(statistics.median(times[1:]), 3), "min_s": round(min(times[1:]), 3),
         "max_s": round(max(times[1:]), 3)}
        for label, times in seconds.items()
    ]  # fmt: skip
    result = {"python": platform.python_version(), "machine": platform.machine(), "runs": options.runs, "rows": rows}
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    print(f"\n{'median':>7}  {'min':>6}  {'max':>6}  CPU seconds of")
    for row in rows:
        print(f"{row['median_s']:>7.3f}  {row['min_s']:>6.3f}  {row['max_s']:>6.3f}  {row['command']}")


if __name__ == "__main__":
    main()
