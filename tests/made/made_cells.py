"""Replies of an evaluation that no model gave."""

import dataclasses

from phi2chat.evaluation.results import Cell, Evaluation, ModelRow

CELL = Cell(
    probe="p", probe_digest="", category="c", model="base", base=None, adapter=None, adapter_sha256=None, run=None,
    recipe="chat", sample=0, seed=0, prompt_digest="", language="ja", reasoning_language="ja", reasoning="", answer="東京",
    verdict="right", why="", language_ok=True, reasoning_spans=(), answer_spans=(), stop="end_of_text", form=True,
    tokens=10, seconds=2.0,
)  # fmt: skip


def cell(model: str, probe: int, right: bool, **more: object) -> Cell:
    return dataclasses.replace(CELL, model=model, probe=f"p{probe}", verdict="right" if right else "wrong", **more)  # type: ignore[arg-type]


def evaluation(
    *cells: Cell, models: tuple[str, ...] = ("base", "new"), recipes: tuple[str, ...] = ("chat",)
) -> Evaluation:
    return Evaluation(
        (), {}, tuple(ModelRow(name, "base") for name in models), recipes, {"samples": 1}, {}, "", "", cells=cells
    )
