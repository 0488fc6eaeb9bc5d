"""Train and eval sides that stay where they are: a record's side depends on its family alone."""

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec

from curation.atomic import target_of, write_all
from curation.errors import UserError
from curation.records import Dataset, Line, Record, read_bytes, read_dataset
from curation.strata import Side, balance, hold_out, strata_of

SIDES: tuple[Side, Side] = ("train", "eval")
RULE = "eval if the first 8 bytes of sha256(seed, newline, family) are below eval_percent of 2**64, else train"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class SplitRule:
    """What a split was asked for: a share of the families in per cent, and at least so many records.

    A `stratified` one holds out that share of the families of every language and category.
    """

    eval_percent: float
    seed: int
    stratified: bool = False
    min_eval: int = 0


@dataclass(frozen=True)
class Split:
    """The lines of both sides in the order of the file, and the families that the rule alone did not place."""

    train: tuple[Line, ...]
    eval: tuple[Line, ...]
    pins: Mapping[str, Side]


def split_by_family(dataset: Dataset, eval_percent: float, seed: int, pins: Mapping[str, Side] | None = None) -> Split:
    """Put every record on a side. Adding a record moves no other; a family never stands on both sides.

    Where the rule leaves a side empty, the family nearest to its limit is pinned to that side; hand the pins of the
    last split back in, and they stay. Raises UserError for fewer than two families.
    """
    return split_by_rule(dataset, SplitRule(eval_percent, seed), pins)


def split_by_rule(
    dataset: Dataset,
    rule: SplitRule,
    pins: Mapping[str, Side] | None = None,
    known: Mapping[str, Side] | None = None,
) -> Split:
    """As `split_by_family`, with strata and a floor: for them, families that are not `known` are pinned.

    Raises UserError for fewer than two families, and where too few can be held out.
    """
    keyed = [(line, record, family_of(record)) for line, record in dataset.records()]
    sizes = Counter(family for _, _, family in keyed)
    if len(sizes) < 2:
        raise UserError(
            f"{dataset.path}: {len(keyed)} records of {len(sizes)} family cannot be split;"
            " add records of another family, or give a separate eval file"
        )
    positions = {family: _position(family, rule.seed) for family in sizes}
    by_hash = {family: _side(position, rule.eval_percent) for family, position in positions.items()}
    given = {family: side for family, side in {**(pins or {}), **(known or {})}.items() if family in sizes}
    sides: dict[str, Side] = {**by_hash, **given}
    free = sizes.keys() - given.keys()
    if rule.stratified:
        strata = strata_of((family, record) for _, record, family in keyed)
        balance(sides, free, strata, rule.eval_percent / 100, positions)
    ranked = sorted(sizes, key=positions.__getitem__)
    if "eval" not in sides.values():
        sides[next((family for family in ranked if family in free), ranked[0])] = "eval"
    if "train" not in sides.values():
        sides[next((family for family in reversed(ranked) if family in free), ranked[-1])] = "train"
    if not hold_out(sides, free, sizes, rule.min_eval, positions):
        stay = " without moving others; give another --output-dir" if known else "; add records of other families"
        raise UserError(f"{dataset.path}: fewer than {rule.min_eval:,} records can be held out{stay}")
    kept = {family for family in pins or {} if family in sizes}
    pinned = {family for family in sizes if sides[family] != by_hash[family]} | kept
    return Split(
        train=tuple(line for line, _, family in keyed if sides[family] == "train"),
        eval=tuple(line for line, _, family in keyed if sides[family] == "eval"),
        pins={family: sides[family] for family in sorted(pinned)},
    )


def family_of(record: Record) -> str:
    """The family of a record: its own, else its id, else its question with spelling variants made equal."""
    family = record.data.get("family") or record.id
    return str(family) if family else unicodedata.normalize("NFKC", f"{record.instruction}\n{record.input}")


def plan_split(dataset: Dataset, folder: Path, rule: SplitRule) -> Split:
    """What `write_split` would write to a folder: where it holds a split by the same rule, nothing in it moves.

    Raises UserError where the folder's manifest is none, or the records cannot be split so.
    """
    path = folder / MANIFEST
    if not path.exists():
        return split_by_rule(dataset, rule)
    last = read_manifest(path)
    old = rule_of(last)
    # Strata may come to a split that was made without them: they place new families only.
    if last["rule"] != RULE or replace(old, stratified=rule.stratified) != rule:
        return split_by_rule(dataset, rule)
    return split_by_rule(dataset, rule, last["pinned_families"], _known_sides(folder, last))


def write_split(
    dataset: Dataset, output_dir: Path, eval_percent: float, seed: int, stratified: bool = True, min_eval: int = 0
) -> dict[str, Any]:
    """Write `manifest.json`, which is returned, `train.jsonl` and `eval.jsonl`."""
    rule = SplitRule(eval_percent, seed, stratified, min_eval)
    split = plan_split(dataset, output_dir, rule)
    for side in SIDES:
        path = output_dir / f"{side}.jsonl"
        if target_of(path) == target_of(dataset.path):
            raise UserError(f"{dataset.path}: would be overwritten by its own split; give another --output-dir")
        if path.exists() and not (output_dir / MANIFEST).exists():
            raise UserError(f"{path}: was written by somebody else; give another --output-dir")
    _refuse_to_lose(dataset, output_dir)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{output_dir}: cannot be made ({error.strerror}); give another --output-dir") from None
    families = {family_of(record) for _, record in dataset.records()}
    source = {"input": dataset.path.name, "input_sha256": dataset.sha256}
    return write_sides(output_dir, source, rule, split, len(families))


def write_sides(
    folder: Path, source: Mapping[str, Any], rule: SplitRule, split: Split, families: int
) -> dict[str, Any]:
    """Write both sides and their manifest, which is returned."""
    manifest: dict[str, Any] = {
        **source,
        "rule": RULE,
        "seed": rule.seed,
        "eval_percent": rule.eval_percent,
        "stratified_by": ["language", "category"] if rule.stratified else [],
        "min_eval": rule.min_eval,
        "pinned_families": dict(split.pins),
        "families": families,
    }
    contents = {
        side: b"".join(line.raw.rstrip(b"\n") + b"\n" for line in lines)
        for side, lines in (("train", split.train), ("eval", split.eval))
    }
    for side, content in contents.items():
        digest = hashlib.sha256(content).hexdigest()
        manifest[side] = {"records": content.count(b"\n"), "sha256": digest}
    manifest_bytes = json.dumps(manifest, ensure_ascii=False, indent=2).encode("utf-8") + b"\n"
    files = {folder / f"{side}.jsonl": content for side, content in contents.items()}
    # The manifest comes first: after a kill between the renames, sides that do not fit it are known for what they are.
    write_all({folder / MANIFEST: manifest_bytes, **files})
    return manifest


def rule_of(manifest: Mapping[str, Any]) -> SplitRule:
    """The rule that a manifest names."""
    stratified, min_eval = bool(manifest.get("stratified_by")), manifest.get("min_eval", 0)
    return SplitRule(manifest["eval_percent"], manifest["seed"], stratified, min_eval)


def read_split(folder: Path) -> tuple[Dataset, Dataset]:
    """Both sides of a split. Raises UserError where one is not what the manifest says, if there is one."""
    train, eval_ = read_dataset(folder / "train.jsonl"), read_dataset(folder / "eval.jsonl")
    manifest = read_manifest(folder / MANIFEST) if (folder / MANIFEST).exists() else None
    for side, dataset in zip(SIDES, (train, eval_), strict=True):
        if manifest and manifest[side]["sha256"] != dataset.sha256:
            raise UserError(f"{dataset.path}: is not what {MANIFEST} says; split again with `phi2chat curate split`")
    return train, eval_


def _position(family: str, seed: int) -> int:
    digest = hashlib.sha256(f"{seed}\n{family}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def _side(position: int, eval_percent: float) -> Side:
    return "eval" if position < eval_percent / 100 * 2**64 else "train"


def _known_sides(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Side]:
    """Where the families of a split stand; none of a side that is not what the manifest says."""
    known: dict[str, Side] = {}
    for side in SIDES:
        path = folder / f"{side}.jsonl"
        dataset = read_dataset(path) if path.exists() else None
        if dataset and dataset.sha256 == manifest[side]["sha256"]:
            known |= dict.fromkeys((family_of(record) for _, record in dataset.records()), side)
    return known


def _refuse_to_lose(dataset: Dataset, folder: Path) -> None:
    """Raise UserError where the folder has records of another file, added or split there, that this one has not."""
    manifest = read_manifest(folder / MANIFEST) if (folder / MANIFEST).exists() else {}
    added, source = manifest.get("added"), manifest.get("input") or dataset.path.name
    if added or source != dataset.path.name:
        here = {line.raw.rstrip(b"\n") for line in dataset.lines}
        # As they are, whatever the manifest says: to split again is how sides that do not fit it are mended.
        sides = [read_dataset(path) for side in SIDES if (path := folder / f"{side}.jsonl").exists()]
        if any(line.raw.rstrip(b"\n") not in here for side in sides for line in side.lines):
            name, more = (added[-1]["input"], "add more with --add-to") if added else (source, "remove that folder")
            raise UserError(
                f"{folder}: has records from {name} that {dataset.path} has not; {more}, or give another --output-dir"
            )


class _Written(msgspec.Struct):
    records: int
    sha256: str


class _Source(msgspec.Struct):
    input: str


class _Manifest(msgspec.Struct):
    rule: str
    seed: int
    eval_percent: Annotated[float, msgspec.Meta(gt=0, lt=100)]
    pinned_families: dict[str, Side]
    families: int
    train: _Written
    eval: _Written
    input: str = ""
    stratified_by: list[str] = []
    min_eval: Annotated[int, msgspec.Meta(ge=0)] = 0
    added: list[_Source] = []


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest that `write_split` wrote. Raises UserError for anything else."""
    try:
        manifest: dict[str, Any] = msgspec.json.decode(read_bytes(path))
        msgspec.convert(manifest, _Manifest)
    except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
        raise UserError(f"{path}: is not a manifest of a split; remove it or give another --output-dir") from None
    return manifest
