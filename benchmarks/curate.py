"""Checking records: time and memory of `phi2chat curate validate`, and of others that read or check the same file.

    python benchmarks/curate.py --output results.json
    python benchmarks/curate.py --records 1000000 --rows contract,near --output results.json

The file is made by this program with a fixed seed: Japanese records with reasonings and answers of about 150
characters, of which one question in fifty is nearly that of another record. Each row is a process of its own. Seconds
are those of the wall from its start to its end, and CPU seconds those of it and its children. Memory is the size of
all of them together, the largest of five looks a second; what they share counts once (PSS). `jsonschema-rs` is a peer
that has to be installed for its row.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "curation" / "record.schema.json"
NAMES = [
    a + b + c for a in "青赤白黒金銀東西南北上下" for b in "山川田野原村森林島崎橋" for c in "駅町市寺神社湖城門港園"
]
ENDS = ("はどこにありますか。", "は何で知られていますか。", "へはどう行けばよいですか。", "はいつできましたか。")
REASON = "という名前の場所を地図で探すと、川の近くの広い平野に、古い道に沿って家や店が並んでいるのが見つかります。"
ANSWER = "は川の近くの平野にあります。古い道に沿って家や店が並んでいて、春には祭りを見に来る人が多い所です。"
HILLS = "そこから見える山の名前も、道の名前も、同じ字で始まります。"
WAY = "駅からは歩いて行けますが、坂が多いので時間がかかります。"

CHECK = "import json,sys; from jsonschema import Draft202012Validator as V; v=V(json.load(open(sys.argv[2])))"
CHECK_RS = "import json,sys; from jsonschema_rs import validator_for; v=validator_for(json.load(open(sys.argv[2])))"
LOOP = "\nfor line in open(sys.argv[1],'rb'):\n    assert v.is_valid(json.loads(line))"
DATASETS = (
    "import sys,tempfile; from datasets import load_dataset\n"
    "with tempfile.TemporaryDirectory() as cache:\n"
    "    load_dataset('json', data_files=sys.argv[1], cache_dir=cache, num_proc=None)"
)
PANDAS = "import sys, pandas; pandas.read_json(sys.argv[1], lines=True)"


def validate(*options: str) -> list[str]:
    return [sys.executable, "-m", "phi2chat", "curate", "validate", "FILE", *options]


def run_python(code: str) -> list[str]:
    return [sys.executable, "-c", code, "FILE", str(SCHEMA)]


ROWS = {
    "contract": ("ours: `--select form,contract`", validate("--select", "form,contract")),
    "contract-1": ("ours: the same with `--jobs 1`", validate("--select", "form,contract", "--jobs", "1")),
    "no-script": ("ours: all but script and near duplicates", validate("--ignore", "script,near-duplicate")),
    "script": ("ours: form, contract and script", validate("--select", "form,contract,script")),
    "near": ("ours: `--select near-duplicate`", validate("--select", "near-duplicate")),
    "jsonschema": ("json + jsonschema", run_python(CHECK + LOOP)),
    "jsonschema-rs": ("json + jsonschema-rs", run_python(CHECK_RS + LOOP)),
    "datasets": ("`datasets.load_dataset` (reads, checks nothing)", run_python(DATASETS)),
    "pandas": ("`pandas.read_json` (reads, checks nothing)", run_python(PANDAS)),
}


def write_records(path: Path, count: int) -> None:
    chance, last = random.Random(42), ""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            name = f"{chance.choice(NAMES)}{chance.choice(NAMES)}{chance.choice(NAMES)}"
            end = chance.choice(ENDS)
            if number and number % 50 == 0:  # asked before, with another ending
                name, end = last, "はどこにあるのでしょうか。"
            record = {
                "id": f"place-{number}",
                "instruction": f"{name}{end}",
                "reasoning": f"{name}{REASON}{name}はその中の一つです。{HILLS * 2}",
                "answer": f"{name}{ANSWER}{WAY * 3}",
                "language": "ja",
                "family": f"place-{number}",
                "category": f"place-{number % 7}",
                "license": "MIT",
            }
            last = name
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def measure(command: list[str], path: Path) -> dict:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}
    argv = [str(path) if part == "FILE" else part for part in command]
    start = time.perf_counter()
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = [0]
    watcher = threading.Thread(target=watch, args=(process, peak))
    watcher.start()
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    watcher.join()
    if process.returncode and said.strip():  # a check that finds something ends with 1, and says nothing
        return {"failed": said.strip().splitlines()[-1:] or [process.returncode]}
    cpu = usage.ru_utime + usage.ru_stime
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_mib": round(peak[0] / 2**20)}


def watch(process: subprocess.Popen, peak: list[int]) -> None:
    root = psutil.Process(process.pid)
    while process.returncode is None:
        size = 0
        try:
            for one in [root, *root.children(recursive=True)]:
                size += one.memory_full_info().pss
        except psutil.NoSuchProcess as error:  # one of them has just ended
            if error.pid == root.pid:
                return
        peak[0] = max(peak[0], size)
        time.sleep(0.2)


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("msgspec", "rensa", "jsonschema", "jsonschema-rs", "datasets", "pandas"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    results = {"machine": f"{os.cpu_count()} cores, {platform.machine()}", **versions(), "records": args.records}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        write_records(path, args.records)
        results["megabytes"] = round(path.stat().st_size / 1e6, 1)
        print(f"{args.records:,} records, {results['megabytes']} MB\n")
        print("| row | seconds | CPU seconds | records/s | peak MiB |\n| --- | --- | --- | --- | --- |")
        for name in args.rows.split(","):
            title, command = ROWS[name]
            row = results[name] = measure(command, path)
            if "failed" in row:
                print(f"| {title} | {row['failed'][0]} | | | |", flush=True)
            else:
                speed = args.records / row["seconds"]
                times = f"{row['seconds']:.1f} | {row['cpu_seconds']:.1f}"
                print(f"| {title} | {times} | {speed:,.0f} | {row['peak_mib']:,} |", flush=True)
    if args.output:
        args.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
