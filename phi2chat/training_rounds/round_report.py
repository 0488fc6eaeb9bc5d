"""How rounds look on the screen and in JSON."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from curation.excerpts import excerpt
from curation.records import Record
from phi2chat.evaluation.results import Cell
from phi2chat.evaluation.score_table import spell_perplexity
from phi2chat.evaluation.scores import Move, perplexity
from phi2chat.evaluation.seen import seen_sentence
from phi2chat.terminal.wrap import wrap
from phi2chat.training_rounds.past_rounds import Asked, Round
from phi2chat.training_rounds.record_changes import RecordChange, saved_by
from phi2chat.training_rounds.round_diff import Measure, NearRecord, Outcome, ProbeChange, RoundDiff

if TYPE_CHECKING:
    from phi2chat.terminal.screen import Screen

SHOWN, SHOWN_RECORDS = 8, 24  # probes of each kind and records, where not all is asked for
_WIDE = 88  # cells that the table of rounds takes at least
_HEADINGS: dict[Outcome, str] = {"broken": "broken", "fixed": "fixed", "changed": "other words, same verdict"}
_OUTCOMES: dict[Outcome, str] = {
    "fixed": "fixed", "broken": "broken", "changed": "in other words with the same verdict", "same": "the same",
}  # fmt: skip
_SIGNS = {"added": "+", "removed": "-", "edited": "~", "moved": ">"}  # each beside its word
_QUESTION_CHARS, _REPLY_CHARS = 60, 100
# What hardly alters what is learned comes after what does: how it is divided up, and where and how fast it is done.
_DIVIDED = ("batch_size", "accumulation_steps")
_MACHINE = ("device", "precision", "gpus", "accelerate_config", "gradient_checkpointing", "compile")


def show_list(rounds: Sequence[Round], screen: "Screen") -> None:
    """A table, or a block for each round where there is no room for one."""
    if not rounds:
        screen.note("no round yet; train one with `phi2chat train`")
        return
    rows = [_row(one, before) for one, before in zip(rounds, [None, *rounds], strict=False)]
    if screen.out.width >= _WIDE:
        screen.table(list(rows[0]), [list(row.values()) for row in rows])
        return
    for row in rows:
        screen.heading(f"round {row.pop('')}: {row.pop('round')}")
        for name, value in row.items():
            if value:
                screen.say(f"{name}: {value}")


def show_round(one: Round, before: Round | None, screen: "Screen") -> None:
    """Everything that is known of a round."""
    row = _row(one, before)
    row.pop("")
    screen.heading(f"round {one.number}: {row.pop('round')}")
    rows = {"folder": str(one.folder), "base": one.run.base, "began": f"{one.made:%Y-%m-%d %H:%M} UTC",
            "status": one.run.status, "steps": f"{one.run.steps:,} (best {one.run.best_step})", **row}  # fmt: skip
    for name, value in rows.items():
        if value:
            screen.say(f"{name}: {value}")
    for asked in one.asked:
        screen.heading(f"{asked.folder.name}: {_probe_files(asked)}, recipe {asked.recipe}")
        categories: dict[str, list[str]] = {}
        for probe, cells in asked.cells.items():
            categories.setdefault(cells[0].category or "-", []).append(probe)
        screen.table(
            ["category", "right", "script"],
            [
                [name, _share_of(asked.scores, probes), _share_of(asked.script, probes)]
                for name, probes in [*categories.items(), ("all", list(asked.cells))]
            ],
        )


def show_diff(first: Round, second: Round, diff: RoundDiff, screen: "Screen", show_all: bool) -> None:
    """What changed, what came of it, and whether that is more than chance."""
    screen.heading(f"round {first.number} ({first.name}) -> round {second.number} ({second.name})")
    screen.say(f"records: {describe_data(diff.records)}")
    for name, (old, new) in _ordered(second.settings_since(first)).items():
        screen.say(f"{name}: {_from_to(old, new)}")
    if other := _other_settings(diff):
        screen.note(f"evaluated with different settings: {other}", "warning")
    screen.say(f"{len(diff.probes)} probes of {_probe_files(diff.after)}, recipe {diff.after.recipe}")
    screen.say(", ".join(f"{len(diff.of(outcome))} {name}" for outcome, name in _OUTCOMES.items()))
    _show_measures(diff.measures, screen)
    for one, seen in zip((first, second), diff.seen, strict=True):
        if sentence := seen_sentence(f"round {one.number} ({one.name})", seen):
            screen.say(sentence, "warning")
    _show_probes(diff, "broken", screen, show_all)
    _show_probes(diff, "fixed", screen, show_all)
    if diff.records:
        screen.heading(f"records changed ({len(diff.records)})")
        screen.say(moved_sentence(diff), "note")
        # Those first that may have done something; nobody wants to ask for the rest of twenty corrections.
        records = sorted(
            diff.records, key=lambda change: (not diff.nearest_to(change), saved_by(change.record) is None)
        )
        for change in records if show_all else records[:SHOWN_RECORDS]:
            _say_hanging(_record_line(change), 2, screen)
            if near := diff.nearest_to(change):
                moved = ", ".join(f"{probe.outcome} {probe.probe}" for probe in near[:SHOWN])
                _say_hanging(f"  nearest to {moved}{' ...' if len(near) > SHOWN else ''}", 4, screen, "note")
        _say_rest(len(records) - SHOWN_RECORDS, show_all, screen)
    _show_probes(diff, "changed", screen, show_all)


def describe(one: Round, before: Round | None) -> dict[str, Any]:
    """A round for programs."""
    changes = one.changes_since(before) if before else None
    return {
        "round": one.number,
        "folder": str(one.folder),
        "made": one.made.isoformat(timespec="seconds"),
        "status": one.run.status,
        "base": one.run.base,
        "records": one.run.records,
        "sha256": one.run.sha256,
        "eval_loss": one.eval_loss,
        "perplexity": None if one.eval_loss is None else perplexity(one.eval_loss),
        "settings_changed": one.settings_since(before) if before else {},
        "records_changed": None if changes is None else _counts(changes),
        "evaluations": [
            {
                "folder": str(asked.folder),
                "recipe": asked.recipe,
                "probes": [file.path for file in asked.probe_files],
                "asked": len(asked.cells),
                "judged": len(asked.scores),
                "right": _mean(asked.scores.values()),
                "script_pass": _mean(asked.script.values()),
            }
            for asked in one.asked
        ],
    }


def diff_as_json(first: Round, second: Round, diff: RoundDiff) -> dict[str, Any]:
    """A comparison for programs."""

    def near(one: NearRecord) -> dict[str, Any]:
        return {"record": one.record.data, "likeness": round(one.likeness, 3),
                "change": one.change.kind if one.change else None}  # fmt: skip

    return {
        "before": {"round": first.number, "folder": str(first.folder), "evaluation": str(diff.before.folder),
                   "seen": diff.seen[0] and dataclasses.asdict(diff.seen[0])},
        "after": {"round": second.number, "folder": str(second.folder), "evaluation": str(diff.after.folder),
                  "seen": diff.seen[1] and dataclasses.asdict(diff.seen[1])},
        "settings_changed": second.settings_since(first),
        "evaluated_unlike": diff.after.settings_unlike(diff.before),
        "measures": [dataclasses.asdict(one) for one in diff.measures],
        "probes": [
            {"probe": one.probe, "instruction": one.instruction, "outcome": one.outcome,
             "before": one.before.answer, "after": one.after.answer, "near": [near(record) for record in one.near]}
            for one in diff.probes
        ],
        "records": None if diff.records is None else [
            {"kind": one.kind, "fields": one.fields, "sides": one.sides,
             "before": one.before.data if one.before else None, "after": one.after.data if one.after else None,
             "nearest_to": [probe.probe for probe in diff.nearest_to(one)]}
            for one in diff.records
        ],
    }  # fmt: skip


def _row(one: Round, before: Round | None) -> dict[str, str]:
    asked = one.asked[0] if one.asked else None
    counts = one.run.records
    loss = one.eval_loss
    return {
        "": str(one.number),
        "round": one.name + ("" if one.run.status == "finished" else f" ({one.run.status})"),
        "train + eval": f"{counts['train']:,} + {counts['eval']:,}" if counts else "",
        "eval loss (ppl)": "" if loss is None else f"{loss:.3f} ({spell_perplexity(loss)})",
        "right": _share_of(asked.scores, list(asked.scores)) if asked else "",
        "script": _share_of(asked.script, list(asked.script)) if asked else "",
        "what changed": _what_changed(one, before) if before else "",
    }


def _what_changed(one: Round, before: Round) -> str:
    """The records first, then the settings; of those that only say where it was done, the names."""
    changes, settings = one.changes_since(before), _ordered(one.settings_since(before))
    beside = [name for name in settings if name in _MACHINE]
    told = {name: values for name, values in settings.items() if name not in beside}
    parts = [f"records: {describe_data(changes)}" if changes else "", _spell(told)]
    parts.append(f"also: {', '.join(beside)}" if beside else "")
    return "; ".join(filter(None, parts))


def _ordered(settings: Mapping[str, tuple[object, object]]) -> dict[str, tuple[object, object]]:
    return dict(sorted(settings.items(), key=lambda item: (item[0] in _MACHINE, item[0] in _DIVIDED)))


def _show_measures(measures: Sequence[Measure], screen: "Screen") -> None:
    rows = [
        [
            ", ".join(filter(None, (one.kind, one.category))),
            str(one.move.probes),
            _percent(one.before),
            _percent(one.after),
            _points(one.move),
            one.move.opinion,
        ]
        for one in measures
    ]
    if screen.out.width >= _WIDE:
        screen.table(["", "probes", "before", "after", "difference (95 %)", ""], rows)
        return
    for name, pairs, before, after, points, finding in rows:
        screen.say(f"{name}: {before} -> {after} of {pairs}, {points}: {finding}")


def _show_probes(diff: RoundDiff, outcome: Outcome, screen: "Screen", show_all: bool) -> None:
    found = diff.of(outcome)
    if found:
        screen.heading(f"{_HEADINGS[outcome]} ({len(found)})")
    for probe in found if show_all else found[:SHOWN]:
        _show_probe(probe, screen)
    _say_rest(len(found) - SHOWN, show_all, screen)


def reply_of(cell: Cell) -> str:
    """The answer; where none came, what the model was thinking when it stopped."""
    if cell.answer.strip() or not cell.reasoning.strip():
        return excerpt(cell.answer, _REPLY_CHARS) or "(nothing)"
    return f"(no answer came) {excerpt(cell.reasoning, _REPLY_CHARS)}"


def _show_probe(probe: ProbeChange, screen: "Screen") -> None:
    _say_hanging(f"{probe.probe}  {excerpt(probe.instruction, _QUESTION_CHARS)}", 2, screen, "heading")
    _say_hanging(f"  was: {reply_of(probe.before)}", 7, screen)
    _say_hanging(f"  is:  {reply_of(probe.after)}", 7, screen)
    for near in probe.near:
        sign = _SIGNS[near.change.kind] if near.change else " "
        _say_hanging(f"  {sign} {describe_near(near)}", 4, screen, "note")
    if not probe.near and probe.outcome in ("fixed", "broken"):
        screen.say("    no training record is worded like it", "note")


def describe_near(near: NearRecord) -> str:
    """A record by its id, what became of it, and how alike its question is to a probe's."""
    kind = f", {near.change.kind}{_by(near.record)}" if near.change else ""
    record = f"{excerpt(near.record.instruction, _QUESTION_CHARS)} -> {excerpt(near.record.answer)}"
    return f"{near.record.id or 'no id'}{kind}, {near.likeness:.2f} alike: {record}"


def _record_line(change: RecordChange) -> str:
    record = change.record
    fields = f" ({', '.join(change.fields)})" if change.kind == "edited" else ""
    sides = f" [{' -> '.join(change.sides)}]"
    question = excerpt(record.instruction, _QUESTION_CHARS)
    name = f"{record.id or 'no id'}{_by(record)}"
    return f"{_SIGNS[change.kind]} {name}{fields}{sides}: {question} -> {excerpt(record.answer)}"


def _by(record: Record) -> str:
    return f" by {name}" if (name := saved_by(record)) else ""


def moved_sentence(diff: RoundDiff) -> str:
    """How many of the records that changed stand nearest to a probe that moved; nearness proves no cause."""
    near = [{probe.outcome for probe in diff.nearest_to(change)} for change in diff.records or ()]
    counts = {outcome: sum(outcome in of_it for of_it in near) for outcome in ("fixed", "broken")}
    said = [f"{count:,} to one that was {outcome}" for outcome, count in counts.items() if count]
    if not (diff.of("fixed") or diff.of("broken")):
        return "no probe moved from wrong to right, or back"
    if not said:
        return "by their wording none of these records is near a probe that moved"
    return (
        f"by their wording these records stand nearest to a probe: {' and '.join(said)}; a likely cause, and no proof"
    )


def _say_rest(count: int, show_all: bool, screen: "Screen") -> None:
    if count > 0 and not show_all:
        screen.note(f"and {count:,} more; --all shows them")


def _say_hanging(text: str, indent: int, screen: "Screen", style: str = "") -> None:
    """A line that a terminal breaks so that what comes below its beginning is set in."""
    if screen.out.is_terminal:
        text = wrap(text, screen.out.width - indent).replace("\n", "\n" + " " * indent)
    screen.say(text, style)


def describe_data(changes: Sequence[RecordChange] | None) -> str:
    """How many records were added, edited, removed or moved, and how many of them the chat saved."""
    if changes is None:
        return "what changed is not known; one of the two has no records that can be read"
    if not changes:
        return "the same records"
    parts = []
    for kind, count in _counts(changes).items():
        saved = [name for change in changes if change.kind == kind and (name := saved_by(change.record))]
        by = ", ".join(f"{saved.count(name)} by {name}" for name in dict.fromkeys(saved))
        moved = "moved to the other side" if kind == "moved" else kind
        parts.append(f"{count:,} {moved}" + (f" ({by})" if by else ""))
    return ", ".join(parts)


def _counts(changes: Sequence[RecordChange]) -> dict[str, int]:
    kinds = [change.kind for change in changes]
    return {kind: kinds.count(kind) for kind in _SIGNS if kind in kinds}


def _other_settings(diff: RoundDiff) -> str:
    return _spell(diff.after.settings_unlike(diff.before))


def _spell(settings: Mapping[str, tuple[object, object]]) -> str:
    return ", ".join(f"{name} {_from_to(old, new)}" for name, (old, new) in settings.items())


def _from_to(old: object, new: object) -> str:
    return " -> ".join("not set" if value is None else str(value) for value in (old, new))


def _probe_files(asked: Asked) -> str:
    return ", ".join(file.path for file in asked.probe_files)


def _points(one: Move) -> str:
    if one.low is None or one.high is None:
        return f"{100 * one.mean:+.1f} points (no interval: too few families)"
    return f"{100 * one.mean:+.1f} points ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _share_of(values: dict[str, float], probes: Iterable[str]) -> str:
    found = [values[probe] for probe in probes if probe in values]
    return f"{_percent(sum(found) / len(found))} of {len(found)}" if found else ""


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None
