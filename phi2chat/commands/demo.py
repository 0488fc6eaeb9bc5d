"""`phi2chat demo`: the whole loop on the embedded model and a CPU, from the records to the answers before and after."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.errors import UserError
from phi2chat.config import ChatConfig, ModelConfig, TrainConfig

if TYPE_CHECKING:
    from rich.text import Text

    from curation.records import Record
    from phi2chat.chatting.chat import Turn
    from phi2chat.terminal.screen import Screen

DATA = Path("datasets/ja-basics.jsonl")
EVAL_PERCENT = 10.0
ASKED_CATEGORIES = ("capital", "arithmetic", "translate-en-ja", "classification")


@click.command("demo")
@click.option("--data", type=click.Path(path_type=Path), default=DATA, show_default=True, help="Records to train on.")
@click.option("--steps", type=click.IntRange(1), default=40, show_default=True, help="Optimizer steps.")
def command(data: Path, steps: int) -> None:
    """Run the whole loop on the embedded model: validate, split, answer, train, answer again.

    Takes a few minutes on two CPU cores and writes runs/demo (or runs/demo-2, ...).
    """
    from curation.records import read_dataset
    from curation.rules import check_dataset, require_contract
    from curation.split import write_split
    from phi2chat.commands.train import report
    from phi2chat.terminal.screen import Screen

    if not data.exists():
        raise UserError(f"{data}: no such file; run the demo in a clone of the repository, or give records with --data")
    screen = Screen()
    folder = _free_folder(Path("runs/demo"))

    screen.heading(f"1. curate: {data}")
    dataset = read_dataset(data)
    require_contract(dataset)
    findings = check_dataset(dataset)
    screen.findings(findings)
    screen.say(f"{len(dataset.lines)} records, {len(findings)} findings", "good")
    split_dir = folder / "split"
    manifest = write_split(dataset, split_dir, EVAL_PERCENT, seed=42)
    counts = f"{manifest['train']['records']} train and {manifest['eval']['records']} eval records"
    screen.say(f"{counts}, no family on both sides", "good")
    asked = _pick_questions([record for _, record in read_dataset(split_dir / "eval.jsonl").records()])

    from phi2chat.training.trainer import train  # seconds, and torch; a fault in the records is said before
    from phi2chat.weights.embedded import EMBEDDED_NAME
    from phi2chat.weights.models import load

    screen.heading(f"2. before: {EMBEDDED_NAME} as it comes, asked what it will not be trained on")
    before = _ask_all(asked, load(ModelConfig(base=EMBEDDED_NAME, device="cpu"), screen.status), screen)

    screen.heading("3. train: a LoRA adapter on the train records, eval loss on the others")
    # A rate that suits some dozens of steps; a longer training wants a lower one.
    config = TrainConfig(
        base=EMBEDDED_NAME,
        device="cpu",
        output_dir=folder,
        max_steps=steps,
        batch_size=4,
        eval_steps=steps,
        learning_rate=2e-3,
        lora_dropout=0.0,
    )
    _, run = train(split_dir, config, screen)
    report(folder, run, screen)

    screen.heading("4. after: the same questions to the adapter")
    after = _ask_all(asked, load(ModelConfig(adapter=folder, device="cpu"), screen.status), screen)

    screen.heading("5. before and after")
    rows = [[old.question, _shown_reply(old), _shown_reply(new)] for old, new in zip(before, after, strict=True)]
    screen.table(["question", "before", "after"], rows)
    screen.table(["", "before", "after"], list(_score(before, after)))
    screen.say(
        "The form, the language and the end of a reply are learned in these few steps; facts take more records, "
        "more steps and a larger model. Go on chatting with:"
    )
    screen.say(f"  {_program()} repl --adapter {folder}", "heading", wrap=False)


def _program() -> str:
    """How the user can call this program: by name where the shell finds it, else by its path, as after `make demo`."""
    if shutil.which("phi2chat"):
        return "phi2chat"
    called = os.path.relpath(sys.argv[0])
    return "python -m phi2chat" if Path(called).name == "__main__.py" else called


def _free_folder(wanted: Path) -> Path:
    folder, number = wanted, 1
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def _pick_questions(records: Sequence["Record"]) -> list["Record"]:
    """The first Japanese question of each category that is asked, or the first questions of a file without those."""
    by_category: dict[str, Record] = {}
    for record in records:
        if record.language == "ja" and not record.input:
            by_category.setdefault(str(record.data.get("category")), record)
    picked = [by_category[category] for category in ASKED_CATEGORIES if category in by_category]
    return picked or list(records[: len(ASKED_CATEGORIES)])


def _ask_all(records: Iterable["Record"], model: object, screen: "Screen") -> list["Turn"]:
    from typing import cast

    from phi2chat.chatting.chat import Conversation, Model

    # Recipe b is the shorter of the two ways of inference: 200 tokens, the question included.
    conversation = Conversation(cast(Model, model), ChatConfig(recipe="b"))
    for record in records:
        screen.say(f"» {record.instruction}", "heading")
        for piece in conversation.ask(record.instruction):
            screen.piece(piece)
        screen.end_reply(conversation.turns[-1])
    return conversation.turns


def _shown_reply(turn: "Turn") -> "Text":
    from phi2chat.terminal.screen import marked

    reasoning = marked(turn.reasoning, turn.reasoning_spans, "reasoning")
    return reasoning + "\n\n" + marked(turn.answer or "(no answer)", turn.answer_spans, "answer")


def _score(before: Sequence["Turn"], after: Sequence["Turn"]) -> Iterable[list[str]]:
    from phi2chat.inference.recipes import StopReason

    tests = {
        "reasoning, then an answer": lambda turn: bool(turn.reasoning and turn.answer),
        "ended by itself": lambda turn: turn.stop is StopReason.END_OF_TEXT,
        "nothing in a wrong script": lambda turn: not (turn.reasoning_spans or turn.answer_spans),
    }
    for name, test in tests.items():
        yield [name, *(f"{sum(map(test, turns))} of {len(turns)}" for turns in (before, after))]
