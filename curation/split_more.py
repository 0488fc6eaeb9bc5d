"""More records for a split that is there: each goes to a side, and none that is there moves."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import UserError
from curation.manifest import MANIFEST, read_manifest, require_written
from curation.record_file import RecordFile, Source
from curation.records import Line, Record
from curation.split import (
    RULE,
    SIDES,
    files_of,
    known_sides,
    place_by_rule,
    rule_of,
    write_sides,
)
from curation.store import content_digest
from curation.together import Digests, is_unfinished, locked_together


@dataclass(frozen=True)
class Added:
    """How many records came to each side, how many were there already, and the manifest that was written."""

    train: int
    eval: int
    skipped: int
    manifest: dict[str, Any]


def add_to_split(source: Source, folder: Path) -> Added:
    """Put the records of a file at the ends of both sides, by the rule and the pins of the split's manifest.

    A record that the split has, whatever the order of its members, is left out. Raises UserError where the folder is no
    split of `curate split`, where an id stands there with another content, and where nothing could be written.
    """
    if not (folder / MANIFEST).exists() and not is_unfinished(folder / MANIFEST):
        raise UserError(f"{folder}: has no {MANIFEST} that says how it was split; split with `phi2chat curate split`")
    with locked_together(files_of(folder)) as before:
        return _add(source, folder, before)


@dataclass(frozen=True)
class _Together:
    """Records of several sources one after the other, and then those of the last that are wanted."""

    path: Path
    sides: Sequence[Source]
    source: Source
    wanted: bytes  # for each record of the source 0 or 1

    sha256 = ""

    def records(self) -> Iterator[tuple[Line, Record]]:
        old = (side.records() for side in self.sides)
        return itertools.chain(*old, _those(self.source, self.wanted))


def _add(source: Source, folder: Path, before: Digests) -> Added:
    manifest = read_manifest(folder / MANIFEST)
    rule = rule_of(manifest)
    old = {side: RecordFile(folder / f"{side}.jsonl") for side in SIDES}
    for side, file in old.items():
        require_written(file, side, manifest)
    if manifest["rule"] != RULE:
        raise UserError(
            f"{folder / MANIFEST}: names a rule that is not known here; give a folder split by this version"
        )
    wanted = _new_ones(source, list(old.values()))
    if not any(wanted):
        return Added(0, 0, len(wanted), manifest)
    known = {key: side for side, file in old.items() for key, side in known_sides(file, side, rule.seed).items()}
    whole = _Together(source.path, list(old.values()), source, wanted)
    places = place_by_rule(whole, rule, manifest["pinned_families"], known)
    more = [SIDES[place] for place in places.of_records[-sum(wanted) :]]
    about = {"input": source.path.name, "input_sha256": source.sha256, "records": len(more)}
    origin: dict[str, Any] = {name: manifest[name] for name in manifest if name.startswith("input")}
    lines = itertools.chain(
        ((side, raw) for side, file in old.items() for _, raw in file.lines()),
        zip(more, (line.raw for line, _ in _those(source, wanted)), strict=True),
    )
    origin["added"] = [*manifest.get("added", []), about]
    written = write_sides(folder, origin, rule, places, lines, before)
    return Added(more.count("train"), more.count("eval"), len(wanted) - len(more), written)


def _those(source: Source, wanted: bytes) -> Iterator[tuple[Line, Record]]:
    """The records that are wanted; it reads to the end, where a file says that it has grown meanwhile."""
    is_wanted = iter(wanted)
    return (one for one in source.records() if next(is_wanted, 0))


def _new_ones(source: Source, old: Sequence[Source]) -> bytes:
    """For each record whether the split has it not, 0 or 1. Raises UserError where its id is that of another."""
    there: set[bytes] = set()
    by_id: dict[str, tuple[int, int]] = {}
    for number, side in enumerate(old):
        for line, record in side.records():
            there.add(content_digest(record.data))
            if isinstance(record.id, str):
                by_id[record.id] = number, line.number
    wanted = bytearray()
    for line, record in source.records():
        wanted.append(content_digest(record.data) not in there)
        if wanted[-1] and isinstance(record.id, str) and record.id in by_id:
            number, place = by_id[record.id]
            raise UserError(
                f'{source.path}:{line.number}: the id "{record.id}" stands in {old[number].path}:{place} with another'
                " content; give it another id"
            )
    return bytes(wanted)
