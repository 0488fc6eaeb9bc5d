"""More records for a split that is there: each goes to a side, and none that is there moves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.atomic import locked
from curation.errors import UserError
from curation.records import Dataset, Line
from curation.split import (
    MANIFEST,
    RULE,
    SIDES,
    Split,
    family_of,
    read_manifest,
    read_split,
    rule_of,
    split_by_rule,
    write_sides,
)
from curation.store import content_digest


@dataclass(frozen=True)
class Added:
    """How many records came to each side, how many were there already, and the manifest that was written."""

    train: int
    eval: int
    skipped: int
    manifest: dict[str, Any]


def add_to_split(dataset: Dataset, folder: Path) -> Added:
    """Put the records of a file at the ends of both sides, by the rule and the pins of the split's manifest.

    A record that the split has, whatever the order of its members, is left out. Raises UserError where the folder is no
    split of `curate split`, where an id stands there with another content, and where nothing could be written.
    """
    if not (folder / MANIFEST).exists():
        raise UserError(f"{folder}: has no {MANIFEST} that says how it was split; split with `phi2chat curate split`")
    with locked(folder / MANIFEST):
        return _add(dataset, folder)


def _add(dataset: Dataset, folder: Path) -> Added:
    manifest, old = read_manifest(folder / MANIFEST), read_split(folder)
    if manifest["rule"] != RULE:
        raise UserError(
            f"{folder / MANIFEST}: names a rule that is not known here; give a folder split by this version"
        )
    there = {
        content_digest(record.data): (side, line.number, record.id)
        for side, data in zip(SIDES, old, strict=True)
        for line, record in data.records()
    }
    by_id = {
        record_id: f"{folder / side}.jsonl:{number}"
        for side, number, record_id in there.values()
        if isinstance(record_id, str)
    }
    new: list[Line] = []
    for line, record in dataset.records():
        if content_digest(record.data) in there:
            continue
        if record.id in by_id:
            raise UserError(
                f'{dataset.path}:{line.number}: the id "{record.id}" stands in {by_id[record.id]} with another content;'
                " give it another id"
            )
        new.append(line)
    lines = tuple(line for data in old for line in data.lines)
    known = {family_of(record): side for side, data in zip(SIDES, old, strict=True) for _, record in data.records()}
    rule = rule_of(manifest)
    whole = Dataset(dataset.path, "", (*lines, *new), ())
    split = split_by_rule(whole, rule, manifest["pinned_families"], known)
    # By what they are and not by equality: two lines of the sides may have one number.
    added = {id(line) for line in new}
    more = {side: [line for line in getattr(split, side) if id(line) in added] for side in SIDES}
    sides = Split((*old[0].lines, *more["train"]), (*old[1].lines, *more["eval"]), split.pins)
    history = [*manifest.get("added", [])]
    if new:
        history.append({"input": dataset.path.name, "input_sha256": dataset.sha256, "records": len(new)})
    source = {"input": manifest.get("input", ""), "input_sha256": manifest.get("input_sha256", ""), "added": history}
    families = {family_of(record) for _, record in whole.records()}
    written = write_sides(folder, source, rule, sides, len(families)) if new else manifest
    return Added(len(more["train"]), len(more["eval"]), sum(1 for _ in dataset.records()) - len(new), written)
