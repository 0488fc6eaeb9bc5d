"""Train and eval sides that stay where they are: a record's side depends on its family alone."""

import hashlib
import json
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from curation.errors import UserError
from curation.manifest import MANIFEST, is_origin, is_same, origin_of, read_manifest, require_written
from curation.record_file import RecordFile, Source
from curation.records import Dataset, Line, Record, read_dataset
from curation.strata import Side, Stratum, balance, hold_out, strata_of, stratum_of
from curation.together import Digests, digests_of, is_unfinished, locked_together, replacing_together

SIDES: tuple[Side, Side] = ("train", "eval")
RULE = "eval if the first 8 bytes of sha256(seed, newline, family) are below eval_percent of 2**64, else train"


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


@dataclass(frozen=True)
class Places:
    """Where the records of a source go: for each of them, in their order, the place of its side in `SIDES`.

    `pins` are the families that the rule alone did not place, of `families` that there are.
    """

    of_records: bytes
    families: int
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
    known: Mapping[bytes, Side] | None = None,
) -> Split:
    """As `split_by_family`, with strata and a floor: for them, families that are not `known` are pinned.

    Raises UserError for fewer than two families, and where too few can be held out.
    """
    return _split(dataset, place_by_rule(dataset, rule, pins, known))


def place_by_rule(
    source: Source,
    rule: SplitRule,
    pins: Mapping[str, Side] | None = None,
    known: Mapping[bytes, Side] | None = None,
) -> Places:
    """What `split_by_rule` does, of records that are read in passing; `known` families stand there by their keys.

    Of each record and of each family it holds a few numbers.
    """
    numbers: dict[bytes, int] = {}
    of_records = array("I")
    counts: Counter[tuple[bytes, Stratum]] = Counter()
    sizes: Counter[bytes] = Counter()
    strata: dict[Stratum, Stratum] = {}  # each once: there are few
    for _, record in source.records():
        key = key_of(family_of(record), rule.seed)
        of_records.append(numbers.setdefault(key, len(numbers)))
        sizes[key] += 1
        if rule.stratified:
            stratum = stratum_of(record)
            counts[key, strata.setdefault(stratum, stratum)] += 1
    if len(sizes) < 2:
        raise UserError(
            f"{source.path}: {len(of_records)} records of {len(sizes)} family cannot be split;"
            " add records of another family, or give a separate eval file"
        )
    names = {key_of(family, rule.seed): family for family in pins or {}}
    given = {key: side for key, side in {**_by_key(pins, names), **(known or {})}.items() if key in sizes}
    sides: dict[bytes, Side] = {key: given.get(key) or _side(key, rule.eval_percent) for key in sizes}
    free = sizes.keys() - given.keys()
    if rule.stratified:
        balance(sides, free, strata_of(counts), rule.eval_percent / 100)
    if "eval" not in sides.values():
        sides[min(free or sizes)] = "eval"
    if "train" not in sides.values():
        sides[max(free or sizes)] = "train"
    if not hold_out(sides, free, sizes, rule.min_eval):
        stay = " without moving others; give another --output-dir" if known else "; add records of other families"
        raise UserError(f"{source.path}: fewer than {rule.min_eval:,} records can be held out{stay}")
    pinned = {key for key in sizes if sides[key] != _side(key, rule.eval_percent) or key in names}
    names |= _names(source, rule.seed, pinned - names.keys())
    side_of = [SIDES.index(sides[key]) for key in numbers]
    return Places(
        of_records=bytes(side_of[number] for number in of_records),
        families=len(sizes),
        pins=dict(sorted((names[key], sides[key]) for key in pinned)),
    )


def _split(dataset: Dataset, places: Places) -> Split:
    sides: tuple[list[Line], list[Line]] = [], []
    for place, (line, _) in zip(places.of_records, dataset.records(), strict=True):
        sides[place].append(line)
    return Split(tuple(sides[0]), tuple(sides[1]), places.pins)


def _by_key(pins: Mapping[str, Side] | None, names: Mapping[bytes, str]) -> dict[bytes, Side]:
    return {key: pins[family] for key, family in names.items()} if pins else {}


def _names(source: Source, seed: int, keys: set[bytes]) -> dict[bytes, str]:
    """The families of these keys."""
    names: dict[bytes, str] = {}
    for _, record in source.records() if keys else ():
        family = family_of(record)
        if (key := key_of(family, seed)) in keys:
            names[key] = family
    return names


def key_of(family: str, seed: int) -> bytes:
    """By which a family is known without its name; the smaller, the sooner the rule holds it out."""
    return hashlib.sha256(f"{seed}\n{family}".encode("utf-8", "surrogatepass")).digest()[:16]


def family_of(record: Record) -> str:
    """The family of a record: its own, else its id, else its question with spelling variants made equal."""
    family = record.data.get("family") or record.id
    return str(family) if family else unicodedata.normalize("NFKC", f"{record.instruction}\n{record.input}")


def plan_split(dataset: Dataset, folder: Path, rule: SplitRule) -> Split:
    """What `write_split` would write to a folder: where it holds a split by the same rule, nothing in it moves.

    Raises UserError where the folder's manifest is none, or the records cannot be split so.
    """
    return _split(dataset, _plan(dataset, folder, rule))


def _plan(source: Source, folder: Path, rule: SplitRule) -> Places:
    path = folder / MANIFEST
    if not path.exists():
        return place_by_rule(source, rule)
    last = read_manifest(path)
    old = rule_of(last)
    # Strata may come to a split that was made without them: they place new families only.
    if last["rule"] != RULE or replace(old, stratified=rule.stratified) != rule:
        return place_by_rule(source, rule)
    return place_by_rule(source, rule, last["pinned_families"], _known_sides(folder, last))


def write_split(
    source: Source, output_dir: Path, eval_percent: float, seed: int, stratified: bool = True, min_eval: int = 0
) -> dict[str, Any]:
    """Write `manifest.json`, which is returned, `train.jsonl` and `eval.jsonl`; a `RecordFile` is never held whole."""
    rule = SplitRule(eval_percent, seed, stratified, min_eval)
    path = output_dir / MANIFEST
    places: Places | None = None
    if not is_unfinished(path) and not (path.exists() and read_manifest(path)):
        places = place_by_rule(source, rule)
        _prepare(source, output_dir)  # before there are locks, so that none is left in a folder of somebody else
    with locked_together(files_of(output_dir)) as before:
        if places is None or path.exists():  # another split may have come first
            places = _plan(source, output_dir, rule)
        _prepare(source, output_dir)
        lines = lines_by_side(source, places)
        return write_sides(output_dir, origin_of(source, output_dir), rule, places, lines, before)


def files_of(folder: Path) -> list[Path]:
    """The files of a split. The manifest comes first: sides that do not fit it are known for what they are."""
    return [folder / MANIFEST, *(folder / f"{side}.jsonl" for side in SIDES)]


def _prepare(source: Source, output_dir: Path) -> None:
    """Make a folder for a split. Raises UserError where something in it would be lost."""
    for path in files_of(output_dir)[1:]:
        if is_same(path, source.path):
            raise UserError(f"{source.path}: would be overwritten by its own split; give another --output-dir")
        if path.exists() and not (output_dir / MANIFEST).exists():
            raise UserError(f"{path}: was written by somebody else; give another --output-dir")
    _refuse_to_lose(source, output_dir)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{output_dir}: cannot be made ({error.strerror}); give another --output-dir") from None


def lines_by_side(source: Source, places: Places) -> Iterator[tuple[Side, bytes]]:
    """The lines of all records in their order, each with its side."""
    sides = iter(places.of_records)
    for line, _ in source.records():
        yield SIDES[next(sides, 0)], line.raw  # a file that has grown meanwhile says so, but at its end


def write_sides(
    folder: Path,
    origin: Mapping[str, Any],
    rule: SplitRule,
    places: Places,
    lines: Iterable[tuple[Side, bytes]],
    before: Digests | None = None,
) -> dict[str, Any]:
    """Write the lines to their sides, and the manifest, which is returned.

    Raises UserError where the files are not what they were `before`, by default when the writing began.
    """
    manifest: dict[str, Any] = {
        **origin,
        "rule": RULE,
        "seed": rule.seed,
        "eval_percent": rule.eval_percent,
        "stratified_by": ["language", "category"] if rule.stratified else [],
        "min_eval": rule.min_eval,
        "pinned_families": dict(places.pins),
        "families": places.families,
    }
    paths = dict(zip(SIDES, files_of(folder)[1:], strict=True))
    digests = {side: hashlib.sha256() for side in SIDES}
    counts = Counter[Side]()
    with replacing_together(before or digests_of(files_of(folder))) as files:
        for side, raw in lines:
            raw = raw.rstrip(b"\n") + b"\n"
            digests[side].update(raw)
            counts[side] += 1
            files[paths[side]].write(raw)
        for side in SIDES:
            manifest[side] = {"records": counts[side], "sha256": digests[side].hexdigest()}
        files[folder / MANIFEST].write(json.dumps(manifest, ensure_ascii=False, indent=2).encode("utf-8") + b"\n")
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
        require_written(dataset, side, manifest)
    return train, eval_


def _side(key: bytes, eval_percent: float) -> Side:
    return "eval" if int.from_bytes(key[:8], "big") < eval_percent / 100 * 2**64 else "train"


def _known_sides(folder: Path, manifest: Mapping[str, Any]) -> dict[bytes, Side]:
    """Where the families of a split stand; none of a side that is not what the manifest says."""
    known: dict[bytes, Side] = {}
    for side in SIDES:
        path = folder / f"{side}.jsonl"
        source = RecordFile(path) if path.exists() else None
        if source and source.sha256 == manifest[side]["sha256"]:
            known |= known_sides(source, side, manifest["seed"])
    return known


def known_sides(source: Source, side: Side, seed: int) -> dict[bytes, Side]:
    """The families of a side, by their keys."""
    return dict.fromkeys((key_of(family_of(record), seed) for _, record in source.records()), side)


def _refuse_to_lose(source: Source, folder: Path) -> None:
    """Raise UserError where the folder has records of another file, added or split there, that this one has not."""
    manifest = read_manifest(folder / MANIFEST) if (folder / MANIFEST).exists() else {}
    added = manifest.get("added")
    if not manifest or (not added and is_origin(source, folder, manifest)):
        return
    here = {_digest(line.raw) for line, _ in source.records()}
    # As they are, whatever the manifest says: to split again is how sides that do not fit it are mended.
    sides = [RecordFile(path) for side in SIDES if (path := folder / f"{side}.jsonl").exists()]
    if any(_digest(raw) not in here for side in sides for _, raw in side.lines()):
        name = added[-1]["input"] if added else manifest.get("input") or "another file"
        more = "add more with --add-to" if added else "remove that folder"
        raise UserError(
            f"{folder}: has records from {name} that {source.path} has not; {more}, or give another --output-dir"
        )


def _digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw.rstrip(b"\n")).digest()[:16]
