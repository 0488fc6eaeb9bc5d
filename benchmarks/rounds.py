"""What the shipped data do to the embedded model: all of them, parts of them, and one choice of the training changed.

    python benchmarks/rounds.py --output rounds.json            # all of it: some minutes on a GPU, days on a CPU
    python benchmarks/rounds.py --only all --seeds 1            # a part; what is there is not made again

All goes through phi2chat's own commands, in one process, into `--folder`. `all` trains on the whole set, once for each
seed; `choices` with one choice changed: no reasoning, no Chinese records, the question learned as well; `curve` on 250,
500 and 1,000 records, whole families drawn by the seed. `last step` is no other training: of `all`, the last checkpoint
instead of the one with the lowest eval loss; where that is the last one, it counts for both. All are asked the held-out
records and the probes, greedily. Every training takes the same options: `EPOCHS` times through its file, or `SHORTEST`
steps where that is more, and as many without the Chinese records of the file. One that was broken off goes on.
"""

import argparse
import dataclasses
import itertools
import json
import math
import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from phi2chat.cli import phi2chat
from phi2chat.evaluation.results import Cell, Evaluation, ModelRow, read_evaluation
from phi2chat.evaluation.scores import MEASURES, compare
from phi2chat.weights.run import read_run

DATASETS = Path(__file__).parents[1] / "datasets"
DATA, PROBES = DATASETS / "ja-reasoning", DATASETS / "probes" / "ja-basics.jsonl"
BASE = "smollm2-135m"
PARTS = (250, 500, 1000)
CHOICES = {
    "answer only": ["--no-reasoning"],
    "no Chinese": ["--leave-out", "zh"],
    "question learned too": ["--loss-on", "sequence"],
}
SUMS = ("arithmetic", "multiplication", "division", "order-of-operations")
BATCH, EPOCHS, SHORTEST = 128, 5, 100
OPTIONS = ["--lora-rank", "64", "--lora-alpha", "128", "--learning-rate", "1.5e-3", "--batch-size", str(BATCH)]
LAST = "last step"
STAGES = ("all", "choices", "curve")
TRANSLATIONS = {"ja": "translate-en-ja", "en": "translate-ja-en"}


@dataclass(frozen=True)
class Trial:
    """A training, in a folder of its own."""

    what: str
    seed: int
    data: Path
    records: int
    options: Sequence[str] = ()

    def folder(self, among: Path) -> Path:
        return among / f"{self.what.replace(' ', '-')}-{self.seed}"

    @property
    def steps(self) -> int:
        return max(SHORTEST, math.ceil(self.records / BATCH) * EPOCHS)


def plan(stage: str, folder: Path, seeds: Sequence[int]) -> Iterator[Trial]:
    """The trainings of a stage; those of the first seed come before those of the second."""
    data = DATA / "train.jsonl"
    train = data.read_text(encoding="utf-8").splitlines(keepends=True)
    for seed in seeds:
        if stage == "all":
            yield Trial("all", seed, data, len(train))
        elif stage == "choices":
            for what, options in CHOICES.items():
                yield Trial(what, seed, data, len(train), options)
        else:
            for size in PARTS:
                path = folder / "parts" / f"{size}-{seed}.jsonl"
                path.parent.mkdir(parents=True, exist_ok=True)
                part = draw(train, size, seed)
                path.write_text("".join(part), encoding="utf-8")
                yield Trial(str(size), seed, path, len(part))


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


def train(trial: Trial, among: Path) -> None:
    folder = trial.folder(among)
    if (folder / "run.json").exists():
        if read_run(folder).status != "finished":
            command("train", "--resume", str(folder))
        return
    start = time.perf_counter()
    steps = ["--max-steps", str(trial.steps), "--eval-steps", str(math.ceil(trial.steps / EPOCHS))]
    files = [str(trial.data), "--eval-file", str(DATA / "eval.jsonl"), "--output-dir", str(folder)]
    command("train", *files, "--base", BASE, "--seed", str(trial.seed), *OPTIONS, *steps, *trial.options)
    print(f"{folder.name}: {trial.steps} steps in {time.perf_counter() - start:.0f} s", flush=True)


def evaluate(adapters: Sequence[Path], folder: Path, *options: str) -> None:
    if folder.exists():
        command("evaluate", "--resume", str(folder))
        return
    asked = [str(DATA / "eval.jsonl"), str(PROBES), "--batch-size", "256", "--max-new-tokens", "300", *options]
    asked += [argument for adapter in adapters for argument in ("--adapter", str(adapter))]
    command("evaluate", *asked, "--output", str(folder))


def run(stage: str, folder: Path, seeds: Sequence[int]) -> None:
    """Train what a stage trains, and ask all of its models."""
    trials = list(plan(stage, folder, seeds))
    for trial in trials:
        train(trial, folder)
    adapters, asked = [trial.folder(folder) for trial in trials], evaluation_of(stage, folder, len(seeds))
    if stage == "all":
        evaluate([*adapters, *last_steps(adapters)], asked, "--with-base")
        recipes = evaluation_of("recipes", folder, 1)
        evaluate(adapters[:1], recipes, "--with-base", "--recipe", "a", "--recipe", "b")
    else:
        evaluate(adapters, asked)


def evaluation_of(kind: str, folder: Path, seeds: int) -> Path:
    """Its folder: one for each number of seeds, for an evaluation that is begun takes no more models."""
    return folder / f"evaluation-{kind}-{seeds}"


def command(*arguments: str) -> None:
    phi2chat.main(list(arguments), prog_name="phi2chat", standalone_mode=False)


def last_steps(folders: Sequence[Path]) -> Iterator[Path]:
    """The last checkpoint of each run, where it is not the one that was chosen."""
    for folder in folders:
        last = max((folder / "checkpoints").glob("checkpoint-*"), key=_step)
        if _step(last) != read_run(folder).best_step:
            yield last


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def summarize(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """A row for each kind of training and recipe: of each measure the mean over seeds, the lowest and the highest."""
    probes = {json.loads(line)["id"] for line in PROBES.read_text(encoding="utf-8").splitlines()}
    rows: defaultdict[str, list[dict[str, float | None]]] = defaultdict(list)
    for evaluation in evaluations:
        cells: defaultdict[tuple[str, str], list[Cell]] = defaultdict(list)
        for cell in evaluation.cells:
            cells[cell.model, cell.recipe].append(cell)
        for (what, model), recipe in itertools.product(named(evaluation.models), evaluation.recipes):
            loss = None if what in ("base", "answer only") else model.eval_loss  # of other tokens
            what += f", recipe {recipe}" if len(evaluation.recipes) > 1 else ""
            rows[what].append({**measure(cells[model.label, recipe], probes), "eval loss": loss})
    return [
        {"what": what, "seeds": 0 if what.startswith("base") else len(several), **spread(several)}
        for what, several in rows.items()
    ]


def named(models: Sequence[ModelRow]) -> list[tuple[str, ModelRow]]:
    """Each model with the kind of its training.

    Where last steps are asked, a run without one ended with its best step, which counts as its last, too: a mean over
    the other seeds alone would be of other trainings than the mean beside it.
    """
    found = [(name(model), model) for model in models]
    ended = {Path(str(model.adapter)).parents[1] for what, model in found if what == LAST}
    if ended:
        found += [(LAST, model) for what, model in found if what == "all" and Path(str(model.adapter)) not in ended]
    return found


def name(model: ModelRow) -> str:
    if model.adapter is None:
        return "base"
    adapter = Path(model.adapter)
    return LAST if adapter.parent.name == "checkpoints" else adapter.name.rpartition("-")[0].replace("-", " ")


def measure(cells: Sequence[Cell], probes: set[str]) -> dict[str, float | None]:
    """Per cent of the held-out records, chrF from 0 to 100, and per cent of the probes right."""
    held_out = [cell for cell in cells if cell.probe not in probes]
    asked = [cell for cell in cells if cell.probe in probes]
    chrf = {
        f"chrF to {language}": mean(cell.chrf for cell in held_out if cell.category == category)
        for language, category in TRANSLATIONS.items()
    }
    return {
        "script": share(map(MEASURES["script"], held_out)),
        "form": share(map(MEASURES["form"], held_out)),
        "sums": right(cell for cell in held_out if cell.category in SUMS),
        "capitals": right(cell for cell in held_out if cell.category == "capital"),
        "right": right(held_out),
        **chrf,
        "probes right": right(asked),
        "probes script": share(map(MEASURES["script"], asked)),
        "probes form": share(map(MEASURES["form"], asked)),
    }


def right(cells: Any) -> float | None:
    return share(map(MEASURES["score"], cells))


def share(outcomes: Any) -> float | None:
    return mean(100.0 * outcome for outcome in outcomes if outcome is not None)


def mean(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def spread(rows: Sequence[dict[str, float | None]]) -> dict[str, list[float] | None]:
    found: dict[str, list[float] | None] = {}
    for name in rows[0]:
        values = [value for row in rows if (value := row[name]) is not None]
        found[name] = (
            [round(one, 3) for one in (statistics.fmean(values), min(values), max(values))] if values else None
        )
    return found


def show(rows: Sequence[dict[str, Any]]) -> str:
    names = [name for name in rows[0] if name not in ("what", "seeds")]
    lines = ["| | seeds | " + " | ".join(names) + " |", "| --- " * (len(names) + 2) + "|"]
    for row in rows:
        cells = [spell(row[name], 3 if name == "eval loss" else 1) for name in names]
        lines.append(f"| {row['what']} | {row['seeds'] or ''} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spell(values: list[float] | None, digits: int) -> str:
    if values is None:
        return ""
    middle, low, high = (f"{value:.{digits}f}" for value in values)
    return middle if low == high else f"{middle} ({low}–{high})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/rounds"), help="where all runs are kept")
    parser.add_argument("--only", default=",".join(STAGES), help=f"some of {', '.join(STAGES)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"  # these four before torch and the libraries are imported, which commands do
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    start = time.perf_counter()
    for stage in given.only.split(","):
        run(stage, given.folder, range(42, 42 + given.seeds))
    report(given.folder, given.seeds, given.output, time.perf_counter() - start)


def report(folder: Path, seeds: int, output: Path | None, seconds: float) -> None:
    """Print the tables of all evaluations of so many seeds that are there, and write them as JSON."""
    kinds = {kind: evaluation_of(kind, folder, seeds) for kind in STAGES}
    kinds["recipes"] = evaluation_of("recipes", folder, 1)
    found = {kind: read_evaluation(path) for kind, path in kinds.items() if path.exists()}
    one, compared = next(iter(found.values())), [found[kind] for kind in ("all", "recipes") if kind in found]
    recipes = [evaluation for kind, evaluation in found.items() if kind == "recipes"]
    tables = {
        "trainings": summarize([evaluation for kind, evaluation in found.items() if kind != "recipes"]),
        "recipes": summarize(recipes),
        "differences": [dataclasses.asdict(difference) for difference in itertools.chain(*map(compare, compared))],
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
