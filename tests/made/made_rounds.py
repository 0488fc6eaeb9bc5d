"""Rounds without a training: folders as `train` and `evaluate` leave them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.records import Record
from phi2chat.config import TrainConfig, to_json
from phi2chat.evaluation.results import Cell, Evaluation, ModelRow, ProbeFile, append_cells
from phi2chat.inference.examples import Row, Sides
from phi2chat.weights.run import ADAPTER_FILE, Run
from phi2chat.weights.snapshot import save_records

Reply = tuple[str, bool]  # what was answered, and whether it is right


def record(record_id: str, instruction: str, answer: str = "東京", **more: Any) -> Record:
    return Record({"id": record_id, "instruction": instruction, "reasoning": "考える。", "answer": answer, **more})


def make_round(folder: Path, made: str, train: Sequence[Record], eval_: Sequence[Record] = (), **config: Any) -> Path:
    """A finished run whose eval losses are 3 and 2, and whose adapter differs from that of any other folder."""
    folder.mkdir(parents=True)
    run = Run("tiny", "my.jsonl", to_json(TrainConfig(base="tiny", **config)), {"my.jsonl": "0" * 64}, made=made)
    run.status, run.best_step, run.steps = "finished", 2, 2
    run.eval_losses = [(0, 3.0), (2, 2.0)]
    run.records = {"train": len(train), "eval": len(eval_)}
    run.save(folder)
    (folder / ADAPTER_FILE).write_bytes(folder.name.encode())
    rows = [[Row(Path("my.jsonl"), number, one) for number, one in enumerate(side, 1)] for side in (train, eval_)]
    save_records(folder, Sides(tuple(rows[0]), tuple(rows[1]), {}, ()))
    return folder


def make_evaluation(
    folder: Path,
    replies: Mapping[Path, Mapping[str, Reply | None]],
    made: str = "2026-01-31T12:00:00+00:00",
    **settings: Any,
) -> Path:
    """What was replied to probes by runs; None for a reply that is not judged."""  # fmt: skip
    folder.mkdir(parents=True)
    models = [
        ModelRow(run.name, "adapter", "tiny", str(run), adapter_sha256=_sha256(run / ADAPTER_FILE), run=str(run))
        for run in replies
    ]
    questions = dict.fromkeys(question for of_run in replies.values() for question in of_run)
    probes = {f"p{number}": question for number, question in enumerate(questions, 1)}
    Evaluation(
        probe_files=(ProbeFile("probes.jsonl", "0" * 64, len(probes)),),
        probes={name: {"id": name, "instruction": question} for name, question in probes.items()},
        models=tuple(models),
        recipes=("chat",),
        settings={"samples": 1, **settings},
        versions={},
        device="cpu",
        made=made,
        status="done",
    ).save(folder)
    cells = [
        _cell(name, question, model, replies[run][question])
        for model, run in zip(models, replies, strict=True)
        for name, question in probes.items()
        if question in replies[run]
    ]
    append_cells(folder, cells)
    return folder


def _cell(probe: str, question: str, model: ModelRow, reply: Reply | None) -> Cell:
    answer, is_right = reply or ("…", False)
    return Cell(
        probe=probe, probe_digest=hashlib.sha256(question.encode()).hexdigest()[:16], category="capital",
        model=model.label, base=model.base, adapter=model.adapter, adapter_sha256=model.adapter_sha256, run=model.run,
        recipe="chat", sample=0, seed=0, prompt_digest="0" * 16, language="ja", reasoning_language="ja",
        reasoning="考える。", answer=answer, verdict="unjudged" if reply is None else "right" if is_right else "wrong",
        why="", language_ok="这" not in answer, reasoning_spans=(), answer_spans=(), stop="end_of_text", form=True,
        tokens=3, seconds=0.1,
    )  # fmt: skip


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
