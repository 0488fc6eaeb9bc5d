"""From a reply to a record: the draft with where it came from, what speaks against it, and what was saved of it."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from curation.errors import UserError
from curation.likeness import NEAR, likeness
from curation.lines import is_utf8
from curation.records import Dataset, Finding, Line, Record, parse_dataset, read_dataset
from curation.rules import OPINIONS, check_record
from curation.split import family_of
from curation.store import append_record, new_id, remove_record, replace_record
from phi2chat import __version__
from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.inference.examples import Row
from phi2chat.inference.prompt import PromptStyle, markers_in, render_prompt
from phi2chat.inference.recipes import RECIPES, StopReason
from phi2chat.remote.chunks import MESSAGES_STYLE
from phi2chat.weights.run import Run, run_of
from phi2chat.weights.training_data import Neighbours, neighbours

PROMPTED = ("instruction", "input", "reasoning", "answer")  # the fields that a prompt or a completion is made of
TEXTS = ("instruction", "input", "reasoning", "answer", "language", "reasoning_language")
WHOLE = {StopReason.END_OF_TEXT, StopReason.NEXT_QUESTION}


@dataclass(frozen=True)
class Saved:
    """A record as it was written: of which reply, where, and which fields the user changed."""

    turn: Turn
    file: Path
    data: Mapping[str, Any]
    changed: tuple[str, ...]

    @property
    def record_id(self) -> str:
        return str(self.data["id"])


@dataclass(frozen=True)
class Faults:
    """What speaks against a record.

    With `errors` it is never saved, with `doubts` only if the user says so; `remarks` are only said.
    """

    errors: tuple[Finding, ...] = ()
    doubts: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()


def run_behind(adapter: Path | None) -> Run | None:
    """The run that an adapter comes from, as far as it can be read."""
    try:
        return run_of(adapter) if adapter else None
    except UserError:  # a damaged run.json is no reason not to talk
        return None


class Corrections:
    """The records that a conversation has added to a dataset, the latest last; `file` is None until it is known.

    `run` is what the model in use was trained in. What made a reply, its turn says.
    `kept` has the texts of those that were not saved, by their replies, so that the work on them can go on.
    """

    def __init__(self, run: Run | None = None, file: Path | None = None) -> None:
        self.run, self.file = run, file
        self.saved: list[Saved] = []
        self.kept: list[tuple[Turn, str]] = []

    def of(self, turn: Turn) -> Saved | None:
        """What was saved of a reply, if anything."""
        return next((one for one in reversed(self.saved) if one.turn == turn), None)

    def latest(self, turn: Turn) -> Saved | None:
        """What was saved of a reply, if it still is in its file. Raises UserError where somebody has changed it."""
        saved = self.of(turn)
        return saved if saved and _find(saved) else None

    def keep(self, turn: Turn, text: str) -> None:
        """Remember the text of a record that was not saved."""
        self.kept = [*((of, other) for of, other in self.kept if of != turn), (turn, text)]

    def kept_of(self, turn: Turn) -> str | None:
        """The text that was kept of a reply, if any."""
        return next((text for of, text in self.kept if of == turn), None)

    def save(self, turn: Turn, file: Path, data: Mapping[str, Any], changed: Sequence[str]) -> Saved:
        """Add the record of a reply to a file, or write it over the one that was saved of it before.

        Raises UserError where that is not possible, or where somebody else has changed that record meanwhile.
        """
        before = self.of(turn)
        found = _find(before) if before else None
        command = "/fix" if "bad_answer" in data.get("provenance", {}) else "/good"
        if before and found:
            replace_record(*found, data, command)  # in the file of then: another may have been named since
            new = dataclasses.replace(before, data=dict(data), changed=tuple(changed))
        else:
            record_id = append_record(file, data, command)
            new = Saved(turn, file, {"id": record_id, **data}, tuple(changed))
        self.saved = [one for one in self.saved if one is not before] + [new]
        self.kept = [(of, text) for of, text in self.kept if of != turn]
        return new

    def undo(self) -> Saved:
        """Take the last record out of its file again. Raises UserError where it has been changed or removed since."""
        if not self.saved:
            raise UserError("/fixes undo: nothing was added in this conversation")
        last = self.saved[-1]
        found = _find(last)
        if found is None:
            self.saved.pop()
            raise UserError(f"{last.file}: {last.record_id} is not there any more, so there is nothing to undo")
        remove_record(*found, command="/fixes undo")
        return self.saved.pop()


def _find(saved: Saved) -> tuple[Dataset, Line] | None:
    """Where a record stands, None where it is gone. Raises UserError where it is not what was written."""
    dataset = read_dataset(saved.file) if saved.file.exists() else parse_dataset(saved.file, b"")
    for line, record in dataset.records():
        if record.id == saved.record_id:
            if dict(record.data) != saved.data:
                raise UserError(
                    f"{saved.file}:{line.number}: {saved.record_id} was changed since it was saved;"
                    f" `phi2chat curate edit {saved.file} {saved.record_id}` goes on from there"
                )
            return dataset, line
    return None


def draft(conversation: Conversation, turn: Turn, now: datetime) -> dict[str, Any]:
    """The record of a reply as it is, with where it came from: what made it, of which prompt, and how it ended.

    What cannot be written as UTF-8 stands in `provenance` as an escape (`\\udce9`); in the texts it stays, to be found.
    """
    origin = turn.origin
    adapter = {"adapter": origin.adapter, "adapter_sha256": origin.adapter_sha256}
    # A reply that was loaded may be another model's, whose prompt we do not know.
    is_ours = origin.model == conversation.model.name
    provenance = {
        "base": origin.base or origin.model,
        **{key: value for key, value in adapter.items() if value},
        "recipe": turn.recipe,
        **origin.sampling(),
        "guard": turn.guard.mode,
        **({"prompt": _prompt_of(conversation.model.style, turn.question)} if is_ours else {}),
        "earlier_questions": [earlier.question for earlier in read_before(conversation, turn)],
        "bad_reasoning": turn.reasoning,
        "bad_answer": turn.answer,
        "stop": turn.stop.name.lower(),
        "date": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "phi2chat": __version__,
    }
    writable = {
        key: value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value
        for key, value in provenance.items()
    }
    return {
        "instruction": turn.question,
        "reasoning": turn.reasoning,
        "answer": turn.answer,
        "language": turn.lang,
        **({"reasoning_language": turn.reasoning_lang} if turn.reasoning_lang != turn.lang else {}),
        "provenance": writable,
    }


def _prompt_of(style: PromptStyle, question: str) -> str:
    """What the model was asked: a prompt of ours, or the message that a server makes its own prompt of."""
    return question.strip() if style == MESSAGES_STYLE else render_prompt(style, question)


def as_it_is(data: Mapping[str, Any]) -> dict[str, Any]:
    """A draft whose reply was good: nothing of it is called bad."""
    provenance = {key: value for key, value in data["provenance"].items() if not key.startswith("bad_")}
    return {**data, "provenance": provenance}


def read_before(conversation: Conversation, turn: Turn) -> list[Turn]:
    """The turns that the model read before it replied."""
    if not RECIPES[turn.recipe].history:
        return []
    place = next((place for place, one in enumerate(conversation.turns) if one is turn), len(conversation.turns))
    return [earlier for earlier in conversation.turns[:place] if earlier.answer]


def name_it(file: Path, data: Mapping[str, Any], before: Saved | None = None) -> dict[str, Any]:
    """The record with the id that it has, or will have: its side of the split depends on it."""
    if before:
        return {**data, "id": before.record_id}
    if "id" in data or not all(is_utf8(data.get(field, "")) for field in TEXTS):
        return dict(data)
    records = [record for _, record in read_dataset(file).records()] if file.exists() else []
    return {"id": new_id(data, {str(record.id) for record in records if record.id}), **data}


def find_faults(
    file: Path, data: Mapping[str, Any], turn: Turn, style: PromptStyle, run: Run | None, replaces: bool = False
) -> Faults:
    """All that is wrong with a record, which has its id, before it is added to a file, or `replaces` that of its id."""
    found = check_record(file, dict(data))
    errors = [one for one in found if one.severity == "error" and one.rule not in OPINIONS]
    trained_style = PromptStyle() if style == MESSAGES_STYLE else style
    for field in PROMPTED:
        if isinstance(text := data.get(field), str) and (marker := markers_in(trained_style, text)):
            errors.append(_fault(file, field, f'holds "{marker}", which marks a part of a prompt; reword it', "marker"))
    if errors:
        return Faults(tuple(errors))
    doubts = [one for one in found if one not in errors]
    for field, bad in (("reasoning", turn.reasoning), ("answer", turn.answer)):
        ends = turn.stop not in WHOLE and (field == "answer" or not turn.answer)
        if ends and data.get(field) == bad:
            doubts.append(_fault(file, field, f"was not finished ({turn.stop.value})", "unfinished"))
    remarks = []
    try:
        beside = neighbours(file, data, run, data["id"] if replaces else None)
    except UserError as error:
        doubts.append(_fault(file, "", f"duplicates and leaks were not looked for: {error}", "not-compared"))
    else:
        doubts += _find_near(file, Record(data), beside)
        if beside.held_out:
            remarks.append(
                f'its family "{family_of(Record(data))}" is on the eval side, so it is evaluated on and not trained on;'
                " to train on it, give it another family"
            )
        if beside.split:
            remarks.append(f"split again with `phi2chat curate split`, so that the folder {beside.split} has it too")
    return Faults((), tuple(doubts), tuple(remarks))


def _find_near(file: Path, record: Record, beside: Neighbours) -> Iterator[Finding]:
    """Of each side the record that asks most nearly the same, where that is a leak or a duplicate."""
    family, question = family_of(record), f"{record.instruction}\n{record.input}"
    for rows, held_out in ((beside.train, False), (beside.eval, True)):
        leaks = held_out != beside.held_out
        best: tuple[float, Row] | None = None
        for row in rows:
            other = row.record
            if leaks and family_of(other) == family:
                best = (2.0, row)  # before any that is only alike
                break
            if family_of(other) == family or not (leaks or other.language == record.language):
                continue
            alike = likeness(question, f"{other.instruction}\n{other.input}")
            if alike >= NEAR and (best is None or alike > best[0]):
                best = (alike, row)
        if best:
            yield _explain_near(file, best[0], best[1], family, held_out, leaks)


def _explain_near(file: Path, alike: float, row: Row, family: str, held_out: bool, leaks: bool) -> Finding:
    place = f"{row.path}:{row.line}"
    is_evaluated = "is evaluated on" if held_out else "is trained on"
    if alike > 1:
        return _fault(file, "family", f'"{family}" also stands in {place}, which {is_evaluated}', "leak")
    what = "the same question as" if alike == 1 else f"{alike:.2f} like the question of"
    if leaks:
        message = f'{what} {place}, which {is_evaluated}; give it the family "{family_of(row.record)}"'
        return _fault(file, "instruction", message, "near-leak")
    message = f'{what} {place}; if both ask the same, give it the family "{family_of(row.record)}"'
    return _fault(file, "instruction", message, "near-duplicate")


def _fault(file: Path, field: str, message: str, rule: str) -> Finding:
    return Finding(file, 1, 1, field, message, rule)
