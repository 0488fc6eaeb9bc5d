"""The set as files: all.jsonl, and its split by family, in which what is shipped keeps its side."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from curation.manifest import MANIFEST, read_manifest
from curation.record_file import RecordFile
from curation.split import (
    SIDES,
    SplitRule,
    known_sides,
    lines_by_side,
    place_by_rule,
    read_split,
    write_sides,
)

from .compose import Composed

RULE = SplitRule(eval_percent=10, seed=42, stratified=True)
SHIPPED = Path(__file__).parents[1] / "datasets" / "ja-reasoning"


def write_set(records: Iterable[Composed], folder: Path) -> dict[str, Any]:
    """Write all records to a folder, and their split, whose manifest is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "all.jsonl"
    path.write_text("".join(record.to_line() for record in records), encoding="utf-8", newline="\n")
    source = RecordFile(path)
    pins = read_manifest(SHIPPED / MANIFEST)["pinned_families"]
    shipped = zip(SIDES, read_split(SHIPPED), strict=True)
    known = {key: side for side, dataset in shipped for key in known_sides(dataset, side, RULE.seed)}
    places = place_by_rule(source, RULE, pins, known)
    origin = {"input": path.name, "input_sha256": source.sha256}
    return write_sides(folder, origin, RULE, places, lines_by_side(source, places))
