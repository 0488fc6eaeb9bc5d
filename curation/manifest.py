"""The manifest of a split: what stands in it, and which file it says was split."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from curation.atomic import target_of
from curation.errors import UserError
from curation.record_file import Source
from curation.records import read_bytes
from curation.strata import Side
from curation.together import is_unfinished

MANIFEST = "manifest.json"


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
    input_path: str = ""
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


def require_written(source: Source, side: Side, manifest: Mapping[str, Any] | None) -> None:
    """Raise UserError where a side is not what the manifest says, if there is one."""
    if manifest and manifest[side]["sha256"] != source.sha256:
        if is_unfinished(source.path.with_name(MANIFEST)):
            raise UserError(
                f"{source.path}: was not written, for a split was stopped; run `phi2chat curate split` again"
            )
        raise UserError(f"{source.path}: is not what {MANIFEST} says; split again with `phi2chat curate split`")


def origin_of(source: Source, folder: Path) -> dict[str, Any]:
    """What a manifest says of the file that was split: where it is, too, if that is not where one looks first."""
    path = target_of(source.path)
    name = {"input": source.path.name}
    if path not in _usual_places(source.path.name, folder):
        name["input_path"] = os.path.relpath(path, target_of(folder))
    return {**name, "input_sha256": source.sha256}


def _usual_places(name: str, folder: Path) -> tuple[Path, ...]:
    """Beside the folder, or in it."""
    return target_of(folder.absolute().parent / name), target_of(folder / name)


def is_origin(source: Source, folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether the manifest is that of a split of this file, however it has been edited since."""
    name, place = manifest.get("input", ""), manifest.get("input_path")
    places = [folder / place] if place else _usual_places(name, folder) if name else ()
    return any(is_same(path, source.path) for path in places)


def is_same(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file, whatever it is called there."""
    try:
        return target_of(path) == target_of(other) or os.path.samefile(path, other)  # noqa: PTH121
    except OSError:  # one of them is not there
        return False
