"""`/probe`: the questions of a file, each by itself, and whether the answers are right by what the file says."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from curation.errors import UserError
from curation.judging import Judgement, describe_expectation, expectation_of, judge
from curation.questions import read_questions
from curation.records import Record
from phi2chat import config as configs
from phi2chat.chatting.chat import Conversation, Model, Turn
from phi2chat.chatting.talk import Talk
from phi2chat.chatting.together import WritesTogether, write_ahead
from phi2chat.config import TrainConfig
from phi2chat.files import path_of
from phi2chat.inference.prompt import PromptStyle
from phi2chat.inference.recipes import NoRoomError, StopReason
from phi2chat.terminal.interrupts import Ended, Interrupt
from phi2chat.terminal.safe_text import on_one_line

EXAMPLE = "/probe datasets/my.jsonl"
SIDE_BY_SIDE = 16  # probes; an interrupt loses those that are being asked


@runtime_checkable
class HasAdapter(Protocol):
    """A model that may stand on a run of ours."""

    adapter: Path | None


@dataclass(frozen=True)
class Probe:
    """A record that was asked, and the reply, or why there is none."""

    record: Record
    turn: Turn | None
    refusal: str = ""

    @property
    def expected(self) -> str | None:
        """The answer of a record, or what a probe expects; None where nothing is."""
        return describe_expectation(self.record.data)

    @property
    def judgement(self) -> Judgement:
        """Whether the answer is right, as `curation.judging` has it."""
        if self.turn is None:
            return Judgement("wrong", self.refusal)
        return judge(self.turn.answer, expectation_of(self.record.data), self.turn.question)


def probe(talk: Talk, argument: str) -> None:
    """Ask every record of a file, by default of the run's eval side, and show what came of it.

    Ctrl-C or Esc stops; what was done is shown. The conversation stays as it is.
    """
    path, records = _of_file(path_of(argument, "probe")) if argument else _of_the_run(talk)
    done: list[Probe] = []
    talk.say(f"asking the {len(records)} records of {path}; Ctrl-C or Esc stops")
    try:
        for asked in _ask_all(talk, records):
            done.append(asked)
    except Ended:
        raise
    except KeyboardInterrupt:
        pass  # the rows that are done are shown
    finally:
        talk.screen.end_progress()
    if done:
        talk.screen.probes(done)
    talk.say(_summary(done, len(records)))


def question_of(record: Record, style: PromptStyle) -> str:
    """What is asked for a record: as the prompt of training has it, where the input is a block of its own."""
    given = f"\n\n{style.input}\n{record.input.strip()}" if record.input.strip() else ""
    return record.instruction.strip() + given


def _of_file(path: Path) -> tuple[Path, list[Record]]:
    return path, read_questions(path)


def _of_the_run(talk: Talk) -> tuple[Path, list[Record]]:
    """The probes or else the eval records that the adapter was trained with."""
    from phi2chat.inference.examples import read_sides
    from phi2chat.weights.run import RUN_FILE, read_run, run_dir_of

    model = talk.conversation.model
    adapter = model.adapter if isinstance(model, HasAdapter) else None
    folder = run_dir_of(adapter) if adapter else None
    if folder is None:
        raise UserError(f"/probe: needs a file of records, as in {EXAMPLE}")
    run = read_run(folder)
    try:
        config = configs.from_json(TrainConfig, run.config, where=str(folder / RUN_FILE))
        if config.sample_file:
            return _of_file(config.sample_file)
        rows = read_sides(Path(run.data), config).eval
    except UserError as error:
        raise UserError(
            f"/probe: the run's own records are not there ({error}); give a file, as in {EXAMPLE}"
        ) from None
    if not rows:
        raise UserError(f"/probe: the run has no eval records; give a file, as in {EXAMPLE}")
    return rows[0].path, [row.record for row in rows]


def _ask_all(talk: Talk, records: Sequence[Record]) -> Iterator[Probe]:
    """The probes as they are done, those of a batch together; an interrupt ends them before the next one."""
    from phi2chat.chatting.reply_keys import noting_keys

    model, config, total = talk.conversation.model, talk.conversation.config, len(records)
    size = SIDE_BY_SIDE if isinstance(model, WritesTogether) and config.guard != "enforce" else 1
    with noting_keys() as interrupt:
        for start in range(0, total, size):
            batch = records[start : start + size]
            questions = [question_of(record, model.style) for record in batch]
            for number, (record, question, one) in enumerate(
                zip(batch, questions, _written(talk, questions, start, total, interrupt), strict=True), start=start
            ):
                begins = on_one_line(record.instruction.partition("\n")[0])
                talk.screen.status(f"{number + 1}/{total} {begins}", number, total)
                wanted = dataclasses.replace(config, lang=record.language, reasoning_lang=record.reasoning_language)
                asked = Conversation(one, wanted)
                try:
                    for _ in asked.ask(question, interrupt):
                        pass
                except UserError as error:
                    yield Probe(record, None, str(error))
                    continue
                if interrupt.requested:
                    return
                yield Probe(record, asked.turns[-1])


def _written(talk: Talk, questions: Sequence[str], start: int, total: int, interrupt: Interrupt) -> Sequence[Model]:
    """The model for each question; where there are several, their replies are written already, side by side."""
    model = talk.conversation.model
    if len(questions) == 1 or not isinstance(model, WritesTogether):
        return [model] * len(questions)

    def watch(unfinished: int) -> None:
        if interrupt.requested:
            raise KeyboardInterrupt
        done = start + len(questions) - unfinished
        talk.screen.status(f"{done}/{total} done", done, total)

    watch(len(questions))
    try:
        return write_ahead(model, questions, talk.conversation.config, watch)
    except NoRoomError:  # alone, each says so for itself
        return [model] * len(questions)


def _summary(done: Sequence[Probe], total: int) -> str:
    turns = [asked.turn for asked in done if asked.turn is not None]
    judged = [asked for asked in done if asked.expected is not None]
    right = sum(asked.judgement.verdict == "right" for asked in judged)
    parts = [f"{right} of {len(judged)} answers right" if judged else f"{len(done)} asked, and nothing expected"]
    parts.append(f"{sum(bool(turn.reasoning_spans or turn.answer_spans) for turn in turns)} in a wrong script")
    stopped = [turn.stop for turn in turns if turn.stop not in (StopReason.END_OF_TEXT, StopReason.NEXT_QUESTION)]
    parts += [f"{stopped.count(stop)} stopped by {stop.value}" for stop in StopReason if stop in stopped]
    if len(done) < total:
        parts.append(f"stopped after {len(done)} of {total}")
    return ", ".join(parts)
