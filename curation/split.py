"""Train and eval sides that stay where they are: a record's side depends on its family alone."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from curation.errors import UserError
from curation.records import Dataset, Line, Record, read_bytes, read_dataset
from curation.store import write_all

Side = Literal["train", "eval"]
RULE = "eval if the first 8 bytes of sha256(seed, newline, family) are below eval_percent of 2**64, else train"
MANIFEST = "manifest.json"


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
    keyed = [(line, family_of(record)) for line, record in dataset.records()]
    families = {family for _, family in keyed}
    if len(families) < 2:
        raise UserError(
            f"{dataset.path}: {len(keyed)} records of {len(families)} family cannot be split;"
            " add records of another family, or give a separate eval file"
        )
    pinned = {family: side for family, side in (pins or {}).items() if family in families}
    sides = {family: pinned.get(family) or _side(family, eval_percent, seed) for family in families}
    ranked = sorted(families, key=lambda family: _position(family, seed))
    if "eval" not in sides.values():
        sides[ranked[0]] = pinned[ranked[0]] = "eval"
    if "train" not in sides.values():
        sides[ranked[-1]] = pinned[ranked[-1]] = "train"
    return Split(
        train=tuple(line for line, family in keyed if sides[family] == "train"),
        eval=tuple(line for line, family in keyed if sides[family] == "eval"),
        pins=dict(sorted(pinned.items())),
    )


def family_of(record: Record) -> str:
    """The family of a record: its own, else its id, else its question with spelling variants made equal."""
    family = record.data.get("family") or record.id
    return str(family) if family else unicodedata.normalize("NFKC", f"{record.instruction}\n{record.input}")


def write_split(dataset: Dataset, output_dir: Path, eval_percent: float, seed: int) -> dict[str, Any]:
    """Write `manifest.json`, which is returned, `train.jsonl` and `eval.jsonl`."""
    split = split_by_family(dataset, eval_percent, seed, pins=_pins_of_last_split(output_dir, eval_percent, seed))
    for side in ("train", "eval"):
        if (output_dir / f"{side}.jsonl").resolve() == dataset.path.resolve():
            raise UserError(f"{dataset.path}: would be overwritten by its own split; give another --output-dir")
        if (output_dir / f"{side}.jsonl").exists() and not (output_dir / MANIFEST).exists():
            raise UserError(f"{output_dir}/{side}.jsonl: was written by somebody else; give another --output-dir")
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{output_dir}: cannot be made ({error.strerror}); give another --output-dir") from None
    manifest: dict[str, Any] = {
        "input": dataset.path.name,
        "input_sha256": dataset.sha256,
        "rule": RULE,
        "seed": seed,
        "eval_percent": eval_percent,
        "pinned_families": dict(split.pins),
        "families": len({family_of(record) for _, record in dataset.records()}),
    }
    contents = {
        side: b"".join(line.raw.rstrip(b"\n") + b"\n" for line in lines)
        for side, lines in (("train", split.train), ("eval", split.eval))
    }
    for side, content in contents.items():
        digest = hashlib.sha256(content).hexdigest()
        manifest[side] = {"records": content.count(b"\n"), "sha256": digest}
    manifest_bytes = json.dumps(manifest, ensure_ascii=False, indent=2).encode("utf-8") + b"\n"
    files = {output_dir / f"{side}.jsonl": content for side, content in contents.items()}
    # The manifest comes first: after a kill between the renames, sides that do not fit it are known for what they are.
    write_all({output_dir / MANIFEST: manifest_bytes, **files})
    return manifest


def read_split(folder: Path) -> tuple[Dataset, Dataset]:
    """Both sides of a split. Raises UserError where one is not what the manifest says, if there is one."""
    train, eval_ = read_dataset(folder / "train.jsonl"), read_dataset(folder / "eval.jsonl")
    manifest = read_manifest(folder / MANIFEST) if (folder / MANIFEST).exists() else None
    for side, dataset in (("train", train), ("eval", eval_)):
        if manifest and manifest[side]["sha256"] != dataset.sha256:
            raise UserError(f"{dataset.path}: is not what {MANIFEST} says; split again with `phi2chat curate split`")
    return train, eval_


def _position(family: str, seed: int) -> int:
    digest = hashlib.sha256(f"{seed}\n{family}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def _side(family: str, eval_percent: float, seed: int) -> Side:
    return "eval" if _position(family, seed) < eval_percent / 100 * 2**64 else "train"


def _pins_of_last_split(output_dir: Path, eval_percent: float, seed: int) -> Mapping[str, Side]:
    path = output_dir / MANIFEST
    if not path.exists():
        return {}
    last = read_manifest(path)
    same_rule = last["rule"] == RULE and last["seed"] == seed and last["eval_percent"] == eval_percent
    return last["pinned_families"] if same_rule else {}


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest that `write_split` wrote. Raises UserError for anything else."""
    try:
        manifest: dict[str, Any] = json.loads(read_bytes(path))
        pins = dict(manifest["pinned_families"])
        digests = [manifest[side]["sha256"] for side in ("train", "eval")]
        if not {"train", "eval"}.issuperset(pins.values()) or not {"rule", "seed", "eval_percent"}.issubset(manifest):
            raise ValueError("not what write_split wrote")
        if not all(isinstance(digest, str) for digest in digests):
            raise ValueError("not what write_split wrote")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{path}: is not a manifest of a split; remove it or give another --output-dir") from None
    return manifest
