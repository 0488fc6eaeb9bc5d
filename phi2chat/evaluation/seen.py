"""Which of the questions that are asked a model was trained on, or chosen by: what it scores on these flatters it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import UserError
from curation.facts import question_key
from curation.questions import read_questions
from curation.records import Record
from phi2chat.files import sha256_of
from phi2chat.weights.run import ADAPTER_FILE, Run, read_run
from phi2chat.weights.snapshot import read_records


@dataclass(frozen=True)
class Seen:
    """Of so many questions, how many the train side has too, by id or wording; and how many more have a relative there.

    A relative is of the same family: it asks for the same fact in other words or in another language.
    """

    asked: int
    same: int
    related: int


def count_seen(probes: Mapping[str, Mapping[str, Any]], train: Iterable[Record]) -> Seen:
    """How many of these probes, by id, a train side gives away."""
    ids, families, questions = set[str](), set[str](), set[str]()
    for record in train:
        ids.update([record.id] if isinstance(record.id, str) else [])
        families.update(_families(record.id, record.data))
        questions.add(question_key(record.data))
    same = {name for name, data in probes.items() if name in ids or question_key(data) in questions}
    related = sum(name not in same and not families.isdisjoint(_families(name, data)) for name, data in probes.items())
    return Seen(len(probes), len(same), related)


def count_seen_by_run(probes: Mapping[str, Mapping[str, Any]], run_dir: Path) -> Seen | None:
    """The same of the records that a run kept; None where it kept none that can be read."""
    try:
        records = read_records(run_dir)
    except UserError:  # an evaluation asks the adapter all the same
        return None
    return None if records is None else count_seen(probes, records.train)


def count_choosing(probes: Mapping[str, Mapping[str, Any]], run_dir: Path, adapter_sha256: str | None) -> int:
    """By how many of these probes a run chose an adapter among its checkpoints, as far as that can still be told."""
    try:
        run = read_run(run_dir)
        by = str(run.config.get("select_by", "eval-loss"))
        measured = {"eval-loss": run.eval_losses, "probe-score": run.probe_scores, "script-pass": run.script_passes}
        if sum(step > 0 for step, _ in measured.get(by, [])) < 2 or run.best_step is None:  # there was no choice
            return 0
        if sha256_of(run_dir / ADAPTER_FILE) != adapter_sha256:  # a checkpoint that somebody else has chosen
            return 0
        keys = {question_key(record.data) for record in _choosing(run, run_dir, by)}
    except (UserError, OSError):
        return 0
    return sum(question_key(data) in keys for data in probes.values())


def _choosing(run: Run, run_dir: Path, by: str) -> Iterable[Record]:
    if by == "eval-loss":
        kept = read_records(run_dir)
        return kept.eval if kept else ()
    probes = Path(str(run.config.get("probes")))
    return read_questions(probes) if sha256_of(probes) == run.sha256.get(str(probes)) else ()


def chosen_sentence(label: str, chosen_by: int, asked: int) -> str:
    """What to hold against the scores of a model that was chosen by questions that it is asked."""
    if not chosen_by:
        return ""
    return (
        f"{label} was chosen among the checkpoints of its run by {chosen_by:,} of the {asked:,} questions asked:"
        " what it scores on these may be a little high"
    )


def seen_sentence(label: str, seen: Seen | None) -> str:
    """What to hold against the scores of a model; nothing where it was taught none of the questions."""
    if seen is None or not (seen.same or seen.related):
        return ""
    parts = [f"{seen.same:,} of the {seen.asked:,} questions asked"] if seen.same else []
    if seen.related:
        more = "more" if seen.same else f"of the {seen.asked:,} questions asked"
        parts.append(f"on relatives (the same family) of {seen.related:,} {more}")
    return (
        f"{label} was trained on {', and '.join(parts).removeprefix('on ')}: right answers to these may be remembered"
    )


def _families(name: object, data: Mapping[str, Any]) -> list[str]:
    """The family, which is the id where none is named."""
    family = data.get("family") or name
    return [family] if isinstance(family, str) else []
