"""What twenty corrections in a chat do: a model is trained, corrected by `/fix` in a real terminal, and trained again.

    python benchmarks/corrections.py --output corrections.json

The model is trained on about `SIZE` records of ja-reasoning without some countries. In `phi2chat repl` it is asked the
capital of each of these; where it is wrong, `/fix` opens its reply in $EDITOR, which is this file as a program that
writes what the set says. Then it is trained anew with what was saved, for as many steps, and both models are asked
greedily: the capitals as they were corrected, in other words and in English, which no record of the training has, and
the shipped probes.
`phi2chat rounds diff` says what moved, and by which records. What is there of `--folder` is taken up.
"""

import argparse
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
BASE = "smollm2-135m"
SIZE, CORRECTIONS, STEPS, SEED = 1000, 20, 100, 42
FROM_CITY = re.compile("どの国|どこの国|首都とする国|which country")
"""Questions for the country that a city is the capital of."""
HOW = {"ja": "as corrected", "casual": "in other words", "en": "in English"}
"""The record of a family that is corrected, and those that ask the same."""


def as_editor(answers: Path, file: Path) -> None:
    """What $EDITOR does: put the reasoning and the answer of the set in place of the model's."""
    from phi2chat.terminal.editor import from_text, to_text

    data = from_text({}, file.read_text(encoding="utf-8"))
    wanted = json.loads(answers.read_text(encoding="utf-8"))[data["instruction"]]
    file.write_text(to_text({**data, **wanted}, ("reasoning", "answer")), encoding="utf-8")


def make_data(folder: Path) -> None:
    """A training file without the countries, what is right about them, and the other questions about them."""
    from rounds import DATA, draw, read_lines, write_lines

    train = read_lines(DATA / "train.jsonl")
    capitals = defaultdict[str, dict[str, Any]](dict)
    for record in map(json.loads, train):
        if record["category"] == "capital":
            capitals[record["family"]][record["id"].rpartition("-")[2]] = record
    asked = sorted(name for name, told in capitals.items() if _asks_for_capital(told))
    families = random.Random(SEED).sample(asked, CORRECTIONS + 5)  # some may be known
    rest = [line for line in train if json.loads(line).get("family") not in families]
    write_lines(folder / "records.jsonl", draw(rest, SIZE, SEED))
    right = {
        capitals[name]["ja"]["instruction"]: {key: capitals[name]["ja"][key] for key in ("reasoning", "answer")}
        for name in families
    }
    (folder / "answers.json").write_text(json.dumps(right, ensure_ascii=False, indent=1), encoding="utf-8")
    asked_of = [capitals[name][how] for name in families for how in HOW]
    write_lines(folder / "capitals.jsonl", (json.dumps(one, ensure_ascii=False) + "\n" for one in asked_of))


def _asks_for_capital(told: dict[str, Any]) -> bool:
    return set(HOW) <= set(told) and not any(FROM_CITY.search(told[how]["instruction"]) for how in HOW)


def correct(folder: Path) -> dict[str, Any]:
    """The chat: each question, and /fix, until so many are corrected."""
    import pexpect

    answers, data = folder / "answers.json", folder / "records.jsonl"
    editor = [sys.executable, str(Path(__file__).resolve()), "--as-editor", str(answers.resolve())]
    environment = {**os.environ, "EDITOR": shlex.join(editor), "VISUAL": "", "TERM": "xterm-256color"}
    environment |= {"PROMPT_TOOLKIT_NO_CPR": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])}
    command = ["-m", "phi2chat", "repl", "--adapter", str(folder / "runs" / "before"), "--data", str(data)]
    chat = pexpect.spawn(
        sys.executable, [*command, "--recipe", "a", "--no-history"], env=environment, dimensions=(60, 200), timeout=300
    )
    chat.logfile_read = (folder / "terminal.log").open("wb")
    chat.expect("»".encode())
    saved, known, refused = list[str](), 0, list[str]()
    for question in json.loads(answers.read_text(encoding="utf-8")):
        if len(saved) == CORRECTIONS:
            break
        chat.send(f"{question}\r")
        chat.expect(b"; recipe a")
        chat.send("/fix\r")
        ending = chat.expect([rb"saved (\S+) to", b"all the same", b"nothing was changed", b"edit again"])
        if ending == 1:
            chat.send("y")
            chat.expect(rb"saved (\S+) to")
        if ending in (0, 1):
            saved.append(chat.match.group(1).decode())
        elif ending == 2:
            known += 1
        else:
            chat.send("n")
            refused.append(question)
    chat.send("/quit\r")
    chat.expect(pexpect.EOF)
    return {"saved": saved, "already_so": known, "refused": refused}


def train(folder: Path, name: str) -> None:
    from rounds import DATA, OPTIONS, command

    run = folder / "runs" / name
    if not (run / "run.json").exists():
        files = [str(folder / "records.jsonl"), "--eval-file", str(DATA / "eval.jsonl"), "--output-dir", str(run)]
        steps = ["--max-steps", str(STEPS), "--eval-steps", str(STEPS), "--select-by", "last"]
        command(["train", *files, "--base", BASE, "--seed", str(SEED), *OPTIONS, *steps])


def ask(folder: Path) -> None:
    from rounds import PROBES, command

    output = folder / "evaluations" / "both"
    if not output.exists():
        adapters = [argument for name in ("before", "after") for argument in ("--adapter", str(folder / "runs" / name))]
        asked = [str(folder / "capitals.jsonl"), str(PROBES), "--batch-size", "256", "--max-new-tokens", "400"]
        command(["evaluate", *asked, *adapters, "--output", str(output)])


def tell(folder: Path) -> str:
    """What `phi2chat rounds diff` says."""
    command = [sys.executable, "-m", "phi2chat", "rounds", "diff", "before", "after", "--all"]
    command += ["--runs", str(folder / "runs"), "--evaluations", str(folder / "evaluations")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]]), "COLUMNS": "100"}
    return subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout


def measure(folder: Path, saved: list[str]) -> dict[str, Any]:
    """Of each kind of question, how many both models get right."""
    from phi2chat.evaluation.results import read_evaluation

    records = [json.loads(line) for line in (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()]
    corrected = {record["instruction"] for record in records if record.get("id") in saved}
    capitals = [json.loads(line) for line in (folder / "capitals.jsonl").read_text(encoding="utf-8").splitlines()]
    families = {record["family"] for record in capitals if record["instruction"] in corrected}
    kinds = {
        record["id"]: HOW[record["id"].rpartition("-")[2]] if record["family"] in families else None
        for record in capitals
    }
    evaluation = read_evaluation(folder / "evaluations" / "both")
    labels = {Path(str(model.adapter)).name: model.label for model in evaluation.models}
    found: dict[str, Any] = {}
    for kind in (*HOW.values(), "shipped probes"):
        sides = {}
        for name, label in labels.items():
            of = [cell for cell in evaluation.cells if cell.model == label]
            of = [cell for cell in of if kinds.get(cell.probe, "shipped probes") == kind and cell.verdict != "unjudged"]
            sides[name] = {cell.probe for cell in of if cell.verdict == "right"}
        moves = {"fixed": sorted(sides["after"] - sides["before"]), "broken": sorted(sides["before"] - sides["after"])}
        found[kind] = {"of": len(of), **{name: len(right) for name, right in sides.items()}, **moves}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/corrections"), help="where all is kept")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--as-editor", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("file", type=Path, nargs="?", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.as_editor:
        as_editor(given.as_editor, given.file)
        return
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    folder, start = given.folder, time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    chat = folder / "chat.json"
    if not (folder / "answers.json").exists():
        make_data(folder)
    if not chat.exists():
        train(folder, "before")
        shutil.copy(folder / "records.jsonl", folder / "records-before.jsonl")
        chat.write_text(json.dumps(correct(folder), ensure_ascii=False), encoding="utf-8")
    train(folder, "after")
    ask(folder)
    done = json.loads(chat.read_text(encoding="utf-8"))
    told = tell(folder)
    result = {**done, "right": measure(folder, done["saved"]), "seconds": round(time.perf_counter() - start)}
    if given.output:
        given.output.write_text(json.dumps(result, ensure_ascii=False, indent=1), encoding="utf-8")
        given.output.with_suffix(".txt").write_text(told, encoding="utf-8")
    print(told)
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
