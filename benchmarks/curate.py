"""Checking records: time and memory of `phi2chat curate validate`, and of others that read or check the same file.

    python benchmarks/curate.py --output results.json
    python benchmarks/curate.py --records 1000000 --rows contract,near --output results.json

The file is made by this program with a fixed seed: Japanese records with reasonings and answers of about 150
characters, of which one question in fifty is asked twice in other words; `--faulty` leaves the answer out of each.
Each row is a process of its own. Seconds are those of the wall from its start to its end, and CPU seconds those of it
and its children. Memory is the size of all of them together, the largest of five looks a second; what they share counts
once (PSS), where the system says so. The load average is that at the end of the row: where it is high, only CPU seconds
can be compared. `jsonschema-rs`, `datasets` and pandas are peers: a row of one that is not
installed says so. The dependencies of this project are enough for all others.
"""

import argparse
import csv
import itertools
import json
import os
import platform
import random
import re
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
KANJI = (
    "山川田野原村森林島崎橋駅町市寺神社湖城門港園青赤白黒金銀東西南北火水木土星空海風雨雪花草鳥魚犬猫馬牛虫石岩谷坂道車船"
    "家店学校本紙字文数計算理科歴史地図国県王戦平和法律税商売農工鉄鋼銅電気光音熱力波植医薬病院心体手足目耳口食飲酒茶米麦"
    "豆菜果塩油糖味色形線面点角円球時秒年週春夏秋冬朝昼夜古新旧長短深浅速遅強弱軽重生死父母兄弟友民族語話書画歌舞劇映芸術"
    "建築設備機械器材料技研究発明観測実験記録説質問題名番放送新聞雑誌郵通信交運輸旅行温泉宿料"
)
KATAKANA = (
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリ"
    "ルレロワガギグゲゴザジズダデドバビブパピ"
)
HIRAGANA = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわ"
FORMS = (
    "{}の{}はどこにありますか。",
    "{}と{}の違いは何ですか。",
    "なぜ{}は{}より多いのですか。",
    "{}は{}に使われますか。",
    "{}について{}の面から説明してください。",
    "{}を{}に変えるにはどうすればよいですか。",
    "{}が{}になったのはいつですか。",
    "{}の例として{}を挙げられますか。",
    "「{}」と「{}」を使って文を作ってください。",
    "{}の{}を三つ挙げてください。",
    "{}へ行くとき{}は必要ですか。",
    "{}の中で{}はどんな役割ですか。",
    "{}で{}をやさしく教えてください。",
    "もし{}がなかったら{}はどうなりますか。",
    "{}にとって{}とは何ですか。",
    "{}と{}の関係を一言で言うと？",
    "{}を英語で言うと{}で合っていますか。",
    "{}の{}は法律で決まっていますか。",
    "{}の作り方と{}の保存のしかたを教えて。",
)
# How a question is asked again.
POLITER = (
    ("ですか。", "でしょうか。"),
    ("ますか。", "ますでしょうか。"),
    ("ください。", "くださいませんか。"),
    ("て。", "てくれますか。"),
)
LINKS = ("そのため", "一方で", "まず", "つぎに", "だから", "ただし", "ふつう", "たとえば", "もともと", "いまでは")

CHECK = "import json,sys; from jsonschema import Draft202012Validator as V; v=V(json.load(open(sys.argv[2])))"
CHECK_RS = "import json,sys; from jsonschema_rs import validator_for; v=validator_for(json.load(open(sys.argv[2])))"
LOOP = "\nfor line in open(sys.argv[1],'rb'):\n    assert v.is_valid(json.loads(line))"
DATASETS = (
    "import sys,tempfile; from datasets import load_dataset\n"
    "with tempfile.TemporaryDirectory() as cache:\n"
    "    load_dataset('json', data_files=sys.argv[1], cache_dir=cache, num_proc=None)"
)
PANDAS = "import sys, pandas; pandas.read_json(sys.argv[1], lines=True)"


def curate(*options: str) -> list[str]:
    return [sys.executable, "-m", "phi2chat", "curate", *options]


def validate(*options: str) -> list[str]:
    return curate("validate", "FILE", *options)


def run_python(code: str) -> list[str]:
    return [sys.executable, "-c", code, "FILE", str(SCHEMA)]


ROWS = {
    "contract": ("ours: `--select form,contract`", validate("--select", "form,contract")),
    "contract-1": ("ours: the same with `--jobs 1`", validate("--select", "form,contract", "--jobs", "1")),
    "no-script": ("ours: all but script and near duplicates", validate("--ignore", "script,near-duplicate")),
    "script": ("ours: form, contract and script", validate("--select", "form,contract,script")),
    "all": ("ours: all rules", validate()),
    "near": ("ours: `--select near-duplicate`", validate("--select", "near-duplicate")),
    "import": ("ours: `curate import` of the same as csv", curate("import", "TABLE", "--into", "IMPORTED")),
    "jsonschema": ("json + jsonschema", run_python(CHECK + LOOP)),
    "jsonschema-rs": ("json + jsonschema-rs", run_python(CHECK_RS + LOOP)),
    "datasets": ("`datasets.load_dataset` (reads, checks nothing)", run_python(DATASETS)),
    "pandas": ("`pandas.read_json` (reads, checks nothing)", run_python(PANDAS)),
}


def make_word(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.6:
        return "".join(chance.choices(KANJI, k=chance.choice((2, 2, 2, 3, 4))))
    if kind < 0.85:
        return "".join(chance.choices(KATAKANA, k=chance.choice((3, 4, 5)))) + chance.choice(("", "", "ー"))
    if kind < 0.93:
        return "".join(chance.choices(HIRAGANA, k=chance.choice((3, 4, 5))))
    return str(chance.randrange(1, 2000))


def make_text(chance: random.Random, about: list[str]) -> str:
    return "".join(
        f"{chance.choice(LINKS)}{chance.choice(about)}は{make_word(chance)}と{chance.choice(('ともに', 'くらべて'))}"
        f"{make_word(chance)}が{chance.choice(('多い', '少ない', '大きい', '変わりやすい'))}ものです。"
        for _ in range(4)
    )


def write_records(path: Path, count: int, faulty: bool = False) -> None:
    """Questions about words of which some are common and most are rare; one in fifty is asked again, more politely."""
    chance = random.Random(42)
    words = [make_word(chance) for _ in range(max(2000, min(60_000, count // 4)))]
    weights = list(itertools.accumulate(1 / (place + 300) for place in range(len(words))))
    asked: list[tuple[str, list[str]]] = []
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            if number % 50 == 49:
                question, about = chance.choice(asked)
                for plain, polite in POLITER:
                    if question.endswith(plain):
                        question = question.removesuffix(plain) + polite
                        break
            else:
                about = chance.choices(words, cum_weights=weights, k=2)
                question = chance.choice(FORMS).format(*about)
                asked = [*asked[-999:], (question, about)] if number % 20 == 0 else asked
            record = {
                "id": f"q-{number}",
                "instruction": question,
                "reasoning": make_text(chance, about),
                "answer": make_text(chance, about),
                "language": "ja",
                "family": f"q-{number}",
                "category": f"kind-{number % 7}",
                "license": "MIT",
            }
            if faulty:
                del record["answer"]
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_table(path: Path) -> None:
    with path.open(encoding="utf-8") as file, path.with_suffix(".csv").open("w", encoding="utf-8", newline="") as table:
        rows = map(json.loads, file)
        first = next(rows)
        writer = csv.DictWriter(table, first)
        writer.writeheader()
        writer.writerow(first)
        writer.writerows(rows)


def measure(command: list[str], path: Path) -> dict:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}
    files = {"FILE": path, "TABLE": path.with_suffix(".csv"), "IMPORTED": path.with_name("imported.jsonl")}
    argv = [str(files.get(part, part)) for part in command]
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
    if missing := re.search(r"No module named '([\w.]+)'", said):
        return {"failed": [f"{missing[1]} is not installed"]}
    # A check that finds something ends with 1 and its last line is the summary on stdout; an error is on stderr alone.
    if process.returncode not in (0, 1) or "Traceback" in said or said.startswith("phi2chat: "):
        return {"failed": said.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]}
    cpu = usage.ru_utime + usage.ru_stime
    load = round(os.getloadavg()[0], 1)
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mib": round(peak[0] / 2**20),
        "load": load,
    }


def watch(process: subprocess.Popen, peak: list[int]) -> None:
    root = psutil.Process(process.pid)
    while process.returncode is None:
        size = 0
        try:
            for one in [root, *root.children(recursive=True)]:
                memory = one.memory_full_info()
                size += getattr(memory, "pss", memory.rss)
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
    parser.add_argument("--faulty", action="store_true")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    results = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        **versions(),
        "records": args.records,
        "faulty": args.faulty,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        write_records(path, args.records, args.faulty)
        if "import" in args.rows.split(","):
            write_table(path)
        results["megabytes"] = round(path.stat().st_size / 1e6, 1)
        print(f"{args.records:,} records, {results['megabytes']} MB\n")
        print(f"| row | seconds | CPU seconds | records/s | records a CPU second | peak MiB | load |\n{'| --- ' * 7}|")
        for name in args.rows.split(","):
            title, command = ROWS[name]
            row = results[name] = measure(command, path)
            if "failed" in row:
                print(f"| {title} | {row['failed'][0]} | | | | | |", flush=True)
            else:
                speeds = " | ".join(f"{args.records / row[kind]:,.0f}" for kind in ("seconds", "cpu_seconds"))
                times = f"{row['seconds']:.1f} | {row['cpu_seconds']:.1f}"
                print(f"| {title} | {times} | {speeds} | {row['peak_mib']:,} | {row['load']} |", flush=True)
    if args.output:
        args.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
