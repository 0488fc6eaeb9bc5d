"""Probes in, cells out: every probe is asked by itself, many side by side where the model can, and judged at once."""

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.errors import UserError
from curation.judging import expectation_of, judge
from curation.probes import require_probe
from curation.questions import read_questions
from curation.records import Record, read_bytes
from curation.script import check
from curation.script.confusion import is_installed as can_judge
from curation.script.confusion import judge_reply, load_instruments
from curation.store import content_digest
from phi2chat.chatting.chat import Conversation, Model, Turn
from phi2chat.chatting.probe import question_of
from phi2chat.chatting.together import WritesTogether, write_ahead
from phi2chat.config import ChatConfig, change
from phi2chat.evaluation.results import Cell, Key, ModelRow, ProbeFile
from phi2chat.evaluation.translations import bleu, char_f1, chrf, is_installed, references_of
from phi2chat.inference.prompt import PromptStyle, render_prompt
from phi2chat.inference.recipes import NoRoomError, StopReason
from phi2chat.remote.server import ServerError

NOT_ASKED = "not_asked"
NO_CATEGORY = "other"
_DIGEST_DIGITS = 16


@dataclass(frozen=True)
class Way:
    """How a model is asked: by a recipe, in a sample of which each has a seed of its own, and in which settings."""

    recipe: str
    sample: int
    config: ChatConfig

    @classmethod
    def of(cls, recipe: str, sample: int, config: ChatConfig, equal_budget: bool) -> "Way":
        """The way of a recipe; with an equal budget the reply has `max_new_tokens`, whatever the recipe's own are."""
        seeded = dataclasses.replace(config, seed=(config.seed + sample) % 2**32)
        return cls(recipe, sample, change(seeded, "recipe", "chat" if equal_budget else recipe))


def read_probe_files(paths: Sequence[Path]) -> tuple[list[ProbeFile], dict[str, Record]]:
    """The files as they are, and their probes by id in the order given; records are probes that expect their answer.

    Raises UserError where one cannot be read, breaks the contract of a probe, or where an id stands twice.
    """
    files, probes = [], dict[str, Record]()
    for path in paths:
        records = read_questions(path)
        for number, record in enumerate(records, start=1):
            require_probe(record, f"{path}: probe {number}")
            name = record.id if isinstance(record.id, str) else f"{path.stem}:{number}"
            if name in probes:
                raise UserError(f'{path}: the id "{name}" stands twice in the probes; give each its own')
            probes[name] = record
        files.append(ProbeFile(str(path), hashlib.sha256(read_bytes(path)).hexdigest(), len(records)))
    return files, probes


def ask_probes(
    model: Model,
    row: ModelRow,
    probes: Mapping[str, Record],
    way: Way,
    batch_size: int,
    done: Container[Key],
    watch: Callable[[int], None] | None = None,
) -> Iterator[list[Cell]]:
    """The cells of a model that are not done yet, batch by batch.

    `watch` is told every few steps how many replies of a batch are written, where they are written together.
    A batch is always of the same probes, so that samples are the same when an evaluation goes on. A reply that broke
    off, as where a connection was lost, gives no cell. Raises UserError where a server cannot be reached, and where a
    batch does not fit into the memory of a GPU.
    """
    items = list(probes.items())
    for start in range(0, len(items), batch_size):
        batch = items[start : start + batch_size]
        if not all((name, row.label, way.recipe, way.sample) in done for name, _ in batch):
            cells = list(_ask_batch(model, row, batch, way, watch))
            yield [cell for cell in cells if cell.key not in done]


def _ask_batch(
    model: Model,
    row: ModelRow,
    batch: Sequence[tuple[str, Record]],
    way: Way,
    watch: Callable[[int], None] | None,
) -> Iterator[Cell]:
    questions = [question_of(record, model.style) for _, record in batch]
    models: Sequence[Model] = [model] * len(batch)
    # A guard that enforces leads one reply at a time, in the language of each.
    if len(batch) > 1 and isinstance(model, WritesTogether) and way.config.guard != "enforce":
        with contextlib.suppress(NoRoomError):  # alone, each says so for itself
            models = write_ahead(
                model, questions, way.config, watch and (lambda unfinished: watch(len(batch) - unfinished))
            )
    for (name, record), question, one in zip(batch, questions, models, strict=True):
        config = dataclasses.replace(way.config, lang=record.language, reasoning_lang=record.reasoning_language)
        conversation = Conversation(one, config)
        try:
            for _ in conversation.ask(question):
                pass
        except ServerError:
            raise
        except UserError as error:  # the prompt leaves no room for a reply
            yield _cell_without_reply(name, record, row, way, model.style, str(error))
            continue
        turn = conversation.turns[-1]
        if not turn.stop.is_cut:
            yield _cell(name, record, row, way, model.style, turn)


def _cell(name: str, record: Record, row: ModelRow, way: Way, style: PromptStyle, turn: Turn) -> Cell:
    judged = judge(turn.answer, expectation_of(record.data), turn.question)
    # Whatever the guard was told: what it is told to leave alone is counted all the same.
    spans = tuple(
        check(text, language, turn.question).spans
        for text, language in ((turn.reasoning, turn.reasoning_lang), (turn.answer, turn.lang))
    )
    references = references_of(record.data)
    return dataclasses.replace(
        _cell_without_reply(name, record, row, way, style, ""),
        reasoning=turn.reasoning,
        answer=turn.answer,
        verdict=judged.verdict,
        why=judged.why,
        language_ok=not any(spans),
        reasoning_spans=spans[0],
        answer_spans=spans[1],
        stop=turn.stop.name.lower(),
        form=bool(turn.answer and (turn.reasoning or not style.reasoning)) and turn.stop is StopReason.END_OF_TEXT,
        tokens=turn.tokens,
        seconds=round(turn.seconds, 4),
        unit=turn.unit,
        notes=turn.notes,
        chrf=chrf(turn.answer, references) if references and is_installed() else None,
        bleu=bleu(turn.answer, references, turn.lang) if references and is_installed() else None,
        char_f1=char_f1(turn.answer, references) if references else None,
        confusion=judge_reply(turn.answer, turn.lang, load_instruments()) if turn.answer and can_judge() else None,
    )


def _cell_without_reply(name: str, record: Record, row: ModelRow, way: Way, style: PromptStyle, why: str) -> Cell:
    prompt = render_prompt(style, question_of(record, style))
    # What says nothing is like nothing: else a model would look better for what it could not be asked.
    none = 0.0 if references_of(record.data) else None
    return Cell(
        probe=name,
        probe_digest=content_digest(record.data).hex(),
        category=str(record.data.get("category") or NO_CATEGORY),
        model=row.label,
        base=row.base,
        adapter=row.adapter,
        adapter_sha256=row.adapter_sha256,
        run=row.run,
        recipe=way.recipe,
        sample=way.sample,
        seed=way.config.seed,
        prompt_digest=hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:_DIGEST_DIGITS],
        language=record.language,
        reasoning_language=record.reasoning_language,
        reasoning="",
        answer="",
        verdict="unjudged" if expectation_of(record.data) is None else "wrong",
        why=f"was not asked: {why}",
        language_ok=True,
        reasoning_spans=(),
        answer_spans=(),
        stop=NOT_ASKED,
        form=False,
        tokens=0,
        seconds=0.0,
        chrf=none if is_installed() else None,
        bleu=none if is_installed() else None,
        char_f1=none,
    )
