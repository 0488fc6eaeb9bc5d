"""Puts rows into wordings: each row of a kind gets one question and one reasoning, of those used least so far."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from .kinds import Kind, Question, RecipeError, Row

_SLOT_ALONE = re.compile(r"\{\w+\}")  # a wording that is a row's own text is no template

Rows = Callable[[str], Iterator[Row]]


@dataclass(frozen=True)
class Composed:
    """A record, and which wordings made it; a wording that only passes a row's text on is None."""

    id: str
    instruction: str
    input: str
    reasoning: str
    answer: str
    language: str
    reasoning_language: str
    family: str
    category: str
    tags: tuple[str, ...]
    source: str

    def to_line(self) -> str:
        """One line of JSON, with its end."""
        values = {
            "id": self.id,
            "instruction": self.instruction,
            "input": self.input,
            "reasoning": self.reasoning,
            "answer": self.answer,
            "language": self.language,
            "reasoning_language": self.reasoning_language if self.reasoning_language != self.language else "",
            "family": self.family,
            "category": self.category,
            "tags": list(self.tags),
            "source": self.source,
            "license": "MIT",
        }
        return json.dumps({name: value for name, value in values.items() if value}, ensure_ascii=False) + "\n"


def compose(kinds: Sequence[Kind], rows_of: Rows) -> Iterator[Composed]:
    """All records of all kinds, the same each time. Raises RecipeError where a wording needs what a row lacks."""
    tables = {kind.table: kind.rows for kind in kinds if kind.rows}
    named = {kind.name: kind for kind in kinds}
    for kind in kinds:
        rows = tables.get(kind.table)
        if kind.like not in named:
            raise RecipeError(f"{kind.name}: reasons like {kind.like}, which is no kind")
        yield from _compose(kind, named[kind.like], iter(rows) if rows else rows_of(kind.table))


def _compose(kind: Kind, like: Kind, rows: Iterator[Row]) -> Iterator[Composed]:
    rng = random.Random(kind.name)
    asked, reasoned = Counter[int](), Counter[int]()
    chosen = list(islice(rows, kind.start, kind.count and kind.start + kind.count * kind.every, kind.every))
    for number, row in enumerate(chosen):
        slots = {"key": f"{kind.start + number * kind.every + 1:03d}", **row}
        question_number = _least_used(rng, asked, _fitting(kind.questions, row))
        question = kind.questions[question_number]
        stem = f"{kind.table}-{slots['key']}"
        family = f"{kind.table}-{slots['family']}" if "family" in slots else stem
        tags = [f"kind:{kind.name}"]
        if not _SLOT_ALONE.fullmatch(question.instruction):
            tags.append(f"question:{kind.name}.{question_number + 1}")
        reasoning = question.reasoning
        if not reasoning:
            reasoning_number = _least_used(rng, reasoned, range(len(like.reasonings)))
            reasoning = like.reasonings[reasoning_number]
            if not _SLOT_ALONE.fullmatch(reasoning):
                tags.append(f"reasoning:{like.name}.{reasoning_number + 1}")
        try:
            yield Composed(
                id=f"{stem}-{kind.name.partition('.')[2] or kind.language}",
                instruction=question.instruction.format_map(slots),
                input=question.input.format_map(slots),
                reasoning=reasoning.format_map(slots),
                answer=question.answer.format_map(slots),
                language=kind.language,
                reasoning_language=kind.reasoning_language,
                family=family,
                category=kind.category,
                tags=tuple(tags),
                source=kind.options.get("source", "phi2chat"),
            )
        except KeyError as error:
            raise RecipeError(f"{kind.name}: row {stem} has no {error}") from None


def _fitting(questions: Sequence[Question], row: Row) -> Sequence[int]:
    """The questions a row can be asked by: one that says which by its `ask` can be asked by that one alone."""
    if "ask" in row:
        return [int(number) - 1 for number in row["ask"].split(",")]
    return range(len(questions))


def _least_used(rng: random.Random, used: Counter[int], numbers: Sequence[int]) -> int:
    fewest = min(used[number] for number in numbers)
    number = rng.choice([number for number in numbers if used[number] == fewest])
    used[number] += 1
    return number
