"""What the shipped data do to the embedded model: all of them, parts of them, and one choice of the training changed.

    python benchmarks/rounds.py --output rounds.json            # all of it, for a GPU
    python benchmarks/rounds.py --only all --seeds 1            # a part; what is there is not made again
    python benchmarks/rounds.py --side-by-side 2                # two trainings at once, each in a process of its own

All goes through phi2chat's own commands, into `--folder`. `all` trains on the whole set, once for each seed; `choices`
with one choice changed: no reasoning, no Chinese records, the question learned as well; `curve` on 250, 500 and 1,000
records, whole families drawn by the seed. `cpu`, which has to be asked for, takes `CPU_STEPS` steps with the options
of `ON_A_CPU`, some hours on a few cores. `last step` is no other training: of `all` and of each choice, the last
checkpoint instead of the one with the lowest eval loss; where that is the last one, it counts for both. All are asked
the held-out records and the probes, greedily. Every other training takes the same options: `EPOCHS` times through its
file, or `SHORTEST` steps where that is more, and as many without the Chinese records of the file. One that was broken
off goes on.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rounds_tables import PROBES, differences, show, summarize

from phi2chat.cli import phi2chat
from phi2chat.evaluation.results import Evaluation, read_evaluation
from phi2chat.weights.run import read_run

DATASETS = Path(__file__).parents[1] / "datasets"
DATA = DATASETS / "ja-reasoning"
BASE = "smollm2-135m"
PARTS = (250, 500, 1000)
CHOICES = {
    "answer only": ["--no-reasoning"],
    "no Chinese": ["--leave-out", "zh"],
    "question learned too": ["--loss-on", "sequence"],
}
BATCH, EPOCHS, SHORTEST = 128, 5, 100
OPTIONS = ["--lora-rank", "64", "--lora-alpha", "128", "--learning-rate", "1.5e-3", "--batch-size", str(BATCH)]
CPU_STEPS, CPU_BATCH = 1217, 16  # twice through the file
ON_A_CPU = ["--device", "cpu", "--batch-size", str(CPU_BATCH), "--learning-rate", "1e-3", "--select-by", "last"]
FEW_HELD_OUT = 100  # records that a CPU takes for its eval loss
FOR_A_GPU = ("all", "choices", "curve")
STAGES = (*FOR_A_GPU, "cpu")


@dataclass(frozen=True)
class Trial:
    """A training, in a folder of its own."""

    what: str
    seed: int
    data: Path
    steps: int
    options: Sequence[str] = ()

    def folder(self, among: Path) -> Path:
        return among / f"{self.what.replace(' ', '-')}-{self.seed}"


def steps_for(records: int) -> int:
    return max(SHORTEST, math.ceil(records / BATCH) * EPOCHS)


def plan(stage: str, folder: Path, seeds: Sequence[int]) -> Iterator[Trial]:
    """The trainings of a stage; those of the first seed come before those of the second."""
    data = DATA / "train.jsonl"
    train = read_lines(data)
    for seed in seeds:
        if stage == "all":
            yield Trial("all", seed, data, steps_for(len(train)))
        elif stage == "choices":
            for what, options in CHOICES.items():
                yield Trial(what, seed, data, steps_for(len(train)), options)
        elif stage == "curve":
            for size in PARTS:
                part = draw(train, size, seed)
                path = write_lines(folder / "parts" / f"{size}-{seed}.jsonl", part)
                yield Trial(str(size), seed, path, steps_for(len(part)))
        else:
            held_out = draw(read_lines(DATA / "eval.jsonl"), FEW_HELD_OUT, seed)
            few = write_lines(folder / "parts" / f"held-out-{seed}.jsonl", held_out)
            yield Trial("on a CPU", seed, data, CPU_STEPS, [*ON_A_CPU, "--eval-file", str(few)])


def read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def draw(lines: Sequence[str], size: int, seed: int) -> list[str]:
    """About so many lines, of whole families, in their order."""
    families = defaultdict(list)
    for number, line in enumerate(lines):
        record = json.loads(line)
        families[record.get("family") or record["id"]].append(number)
    drawn: list[int] = []
    for name in random.Random(seed).sample(sorted(families), len(families)):
        if len(drawn) >= size:
            break
        drawn += families[name]
    return [lines[number] for number in sorted(drawn)]


def train(trial: Trial, among: Path, do: Callable[[Sequence[str]], object]) -> None:
    """Train it, or go on with it; nothing where that is done."""
    folder = trial.folder(among)
    if (folder / "run.json").exists():
        if read_run(folder).status != "finished":
            do(["train", "--resume", str(folder)])
        return
    start = time.perf_counter()
    steps = ["--max-steps", str(trial.steps), "--eval-steps", str(math.ceil(trial.steps / EPOCHS))]
    files = [str(trial.data), "--eval-file", str(DATA / "eval.jsonl"), "--output-dir", str(folder)]
    do(["train", *files, "--base", BASE, "--seed", str(trial.seed), *OPTIONS, *steps, *trial.options])
    print(f"{folder.name}: {trial.steps} steps in {time.perf_counter() - start:.0f} s", flush=True)


def train_all(trials: Sequence[Trial], folder: Path, side_by_side: int) -> None:
    """Train them, so many at once in processes of their own: a small model leaves a GPU idle between its kernels."""
    if side_by_side == 1:
        for trial in trials:
            train(trial, folder, command)
        return
    with ThreadPoolExecutor(side_by_side) as workers:
        list(workers.map(lambda trial: train(trial, folder, in_process), trials))  # raises what one of them raised


def evaluate(adapters: Sequence[Path], folder: Path, *options: str) -> None:
    if folder.exists():
        command(["evaluate", "--resume", str(folder)])
        return
    asked = [str(DATA / "eval.jsonl"), str(PROBES), "--batch-size", "512", "--max-new-tokens", "400", *options]
    asked += [argument for adapter in adapters for argument in ("--adapter", str(adapter))]
    command(["evaluate", *asked, "--output", str(folder)])


def ask(stage: str, trials: Sequence[Trial], folder: Path) -> None:
    """Ask all models of a stage."""
    adapters, seeds = [trial.folder(folder) for trial in trials], len({trial.seed for trial in trials})
    asked, lasts = evaluation_of(stage, folder, seeds), list(last_steps(adapters))
    if stage == "all":
        evaluate([*adapters, *lasts], asked, "--with-base")
        recipes = evaluation_of("recipes", folder, 1)
        evaluate(adapters[:1], recipes, "--with-base", "--recipe", "a", "--recipe", "b")
    else:
        evaluate([*adapters, *lasts] if stage == "choices" else adapters, asked)


def evaluation_of(kind: str, folder: Path, seeds: int) -> Path:
    """Its folder: one for each number of seeds, for an evaluation that is begun takes no more models."""
    return folder / f"evaluation-{kind}-{seeds}"


def evaluations(folder: Path, seeds: int) -> Iterator[tuple[str, Evaluation]]:
    """Of each kind the one of the most seeds that is there, up to so many."""
    for kind in (*STAGES, "recipes"):
        there = (evaluation_of(kind, folder, count) for count in range(seeds, 0, -1))
        if path := next(filter(Path.exists, there), None):
            yield kind, read_evaluation(path)


def command(arguments: Sequence[str]) -> None:
    phi2chat.main(list(arguments), prog_name="phi2chat", standalone_mode=False)


def in_process(arguments: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", "phi2chat", *arguments], check=True)


def last_steps(folders: Sequence[Path]) -> Iterator[Path]:
    """The last checkpoint of each run, where it is not the one that was chosen."""
    for folder in folders:
        last = max((folder / "checkpoints").glob("checkpoint-*"), key=_step)
        if _step(last) != read_run(folder).best_step:
            yield last


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/rounds"), help="where all runs are kept")
    parser.add_argument("--only", default=",".join(FOR_A_GPU), help=f"some of {', '.join(STAGES)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--side-by-side", type=int, default=1, help="trainings at once; two fit on a GPU of 80 GB")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"  # these four before torch and the libraries are imported, which commands do
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    start, seeds = time.perf_counter(), range(42, 42 + given.seeds)
    stages = {stage: list(plan(stage, given.folder, seeds)) for stage in given.only.split(",")}
    train_all([trial for trials in stages.values() for trial in trials], given.folder, given.side_by_side)
    for stage, trials in stages.items():
        ask(stage, trials, given.folder)
    report(given.folder, given.seeds, given.output, time.perf_counter() - start)


def report(folder: Path, seeds: int, output: Path | None, seconds: float) -> None:
    """Print the tables of the evaluations that are there, and write them as JSON."""
    found = dict(evaluations(folder, seeds))
    one, trainings = next(iter(found.values())), [evaluation for kind, evaluation in found.items() if kind in STAGES]
    tables = {
        "trainings": summarize(trainings),
        "recipes": summarize([found["recipes"]] if "recipes" in found else []),
        "differences": differences(trainings),
    }
    about = {
        "device": one.device,
        "versions": {**one.versions, "trl": version("trl")},
        "options": OPTIONS,
        "epochs": EPOCHS,
        "fewest_steps": SHORTEST,
        "seconds": round(seconds),
    }
    if output:
        output.write_text(json.dumps({**about, **tables}, ensure_ascii=False, indent=1), encoding="utf-8")
    for kind in ("trainings", "recipes"):
        print(show(tables[kind]) if tables[kind] else "", end="\n\n")


if __name__ == "__main__":
    main()
