"""The probes' answers while a model is trained: words beside the curve, which change nothing of the training."""

import contextlib
import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from curation.atomic import write_atomically
from curation.errors import UserError
from curation.excerpts import excerpt
from curation.questions import read_questions
from curation.records import Record, read_bytes
from curation.script import describe_spans
from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.config import ChatConfig
from phi2chat.inference.prompt import PromptStyle
from phi2chat.terminal.interrupts import Interrupt
from phi2chat.training.speed import uncompiled
from phi2chat.weights.models import LoadedModel

SAMPLES = "samples.jsonl"
PROBES = 3
SAMPLE_TOKENS = 96
_SHOWN_CHARS = 80


class Notes(Protocol):
    """Who is told what the probes were answered."""

    def note(self, text: str) -> None: ...


@dataclass(frozen=True)
class Probe:
    """An instruction to ask again and again, and the languages that its reply should be in."""

    instruction: str
    language: str
    reasoning_language: str


def pick_probes(records: Sequence[Record]) -> list[Probe]:
    """A few instructions of the eval side, always the same ones: those whose SHA-256 is smallest.

    Records that are added or moved change them only where one of the new ones is among the smallest.
    """
    probes = {record.instruction: _probe(record) for record in reversed(records) if not record.input.strip()}
    return sorted(probes.values(), key=lambda probe: hashlib.sha256(probe.instruction.encode()).digest())[:PROBES]


def read_probes(path: Path) -> list[Probe]:
    """All instructions of a file: records as JSONL, or with the ending .txt one instruction a line, in Japanese.

    Raises UserError where it holds none, or a line that cannot be read.
    """
    return [_probe(record) for record in read_questions(path)]


def _probe(record: Record) -> Probe:
    return Probe(record.instruction, record.language, record.reasoning_language)


class Sampler(TrainerCallback):  # type: ignore[misc]
    """Asks the probes before the first step, every so many steps and after the last one, and keeps the answers.

    Ctrl-C ends it at the next token; the training goes on for the step at whose end it can stop.
    """

    def __init__(
        self,
        probes: Sequence[Probe],
        every: int,
        folder: Path,
        tokenizer: Any,
        style: PromptStyle,
        interrupt: Interrupt,
        notes: Notes,
    ) -> None:
        self._probes, self._every, self._file = probes, every, folder / SAMPLES
        self._tokenizer, self._style, self._interrupt, self._notes = tokenizer, style, interrupt, notes

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        _forget_after(self._file, state.global_step or -1)
        if state.global_step == 0:
            self._sample(model, 0)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        if state.global_step % self._every == 0 or state.global_step >= state.max_steps:
            self._sample(model, state.global_step)

    def _sample(self, model: Any, step: int) -> None:
        answering = LoadedModel("", model, self._tokenizer, self._style, reading="plain")
        with training_untouched(model), uncompiled(model.get_base_model()):
            for probe in self._probes:
                if self._interrupt.requested:
                    return
                turn = _ask(answering, probe, self._interrupt)
                if turn is not None:
                    self._keep(step, probe, turn)

    def _keep(self, step: int, probe: Probe, turn: Turn) -> None:
        spans = {"reasoning": turn.reasoning_spans, "answer": turn.answer_spans}
        sample = {
            "step": step,
            "instruction": probe.instruction,
            "reasoning": turn.reasoning,
            "answer": turn.answer,
            "language": probe.language,
            "reasoning_language": probe.reasoning_language,
            "flagged": any(spans.values()),
            "stop": turn.stop.name.lower(),
            "tokens": turn.tokens,
        }
        with self._file.open("ab") as file:  # a line at once, so that a run that is killed has all but the last
            file.write(json.dumps(sample, ensure_ascii=False).encode("utf-8") + b"\n")
        flagged = "".join(f"; ! {part}: {describe_spans(found)}" for part, found in spans.items() if found)
        self._notes.note(f"step {step} » {excerpt(probe.instruction, _SHOWN_CHARS)}")
        self._notes.note(
            f"  {excerpt(turn.answer or turn.reasoning, _SHOWN_CHARS) or '(nothing)'} [{turn.stop.value}{flagged}]"
        )


def _ask(model: LoadedModel, probe: Probe, interrupt: Interrupt) -> Turn | None:
    """The reply to a probe; None where it was interrupted, or where the probe leaves no room for one."""
    config = ChatConfig(lang=probe.language, reasoning_lang=probe.reasoning_language, max_new_tokens=SAMPLE_TOKENS)
    conversation = Conversation(model, config)
    try:
        for _ in conversation.ask(probe.instruction, interrupt):
            pass
    except UserError:  # it is longer than the model's context
        return None
    return None if interrupt.requested else conversation.turns[-1]


@contextlib.contextmanager
def training_untouched(model: Any) -> Iterator[None]:
    """Within, the model is in eval mode; after, modes and random numbers are as if nothing had been asked."""
    modes = {module: module.training for module in model.modules()}
    python, on_cpu = random.getstate(), torch.get_rng_state()
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
        random.setstate(python)
        torch.set_rng_state(on_cpu)
        if on_gpus:
            torch.cuda.set_rng_state_all(on_gpus)


def _forget_after(file: Path, step: int) -> None:
    """Leave the samples up to a step: a run that is resumed does the later steps again."""
    if not file.exists():
        return
    kept = []
    for line in read_bytes(file).splitlines(keepends=True):
        with contextlib.suppress(ValueError, KeyError, TypeError):  # the last line of a run that was killed
            if line.endswith(b"\n") and json.loads(line)["step"] <= step:
                kept.append(line)
    write_atomically(file, b"".join(kept))
