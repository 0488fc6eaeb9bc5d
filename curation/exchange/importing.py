"""Rows -> records of a dataset: each is checked, known by its id, and either written, there already, or rejected."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from curation.atomic import target_of
from curation.errors import UserError
from curation.exchange.rows import REJECTED, NoRecord, Row, Source
from curation.exchange.shapes import SHAPES, Shape, in_order, read_row, shape_of
from curation.records import KNOWN_FIELDS
from curation.rules import OPINIONS, ErrorCheck
from curation.store import Appended, appending, content_digest

ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

Tell = Callable[[Row, str], None]


@dataclass
class Imported:
    """What became of the rows: records by the shape they came in, and rejected rows by reason."""

    added: int = 0
    changed: int = 0
    there: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    renamed: int = 0
    drafts: int = 0
    unknown: Counter[str] = field(default_factory=Counter)


def import_rows(
    source: Source,
    target: Path,
    shape: Shape | None,
    reject: Tell,
    reasoning_from: str | None = None,
    any_script: bool = False,
    update: bool = False,
    language: str | None = None,
    drafts: bool = False,
) -> Imported:
    """Add the records of a source to a JSONL file, all of them or, where it is stopped, none.

    A `shape` is for all rows; without one, each row has its own. `reject` hears of every row that is not brought in.
    Rows without an id get one made of their content, by which the same row is known when it comes again. With `update`
    a row with the id of a record that says something else changes the fields of it that the row has. Rows that name no
    language are in `language`; with `drafts` those without a reasoning get a blank one.
    """
    done = Imported()
    if target_of(target) == target_of(source.path):
        raise UserError(f"{target}: is the file that is read; give another with --into")
    check = ErrorCheck(target, OPINIONS if any_script else ())
    with appending(target) as file:
        for row in source.rows():
            try:
                chosen = _shape_for(row, shape)
                data = read_row(chosen, row.data, reasoning_from)
                is_draft = drafts and "reasoning" not in data
                missing = {"language": language} if language is not None else {}
                missing |= {"reasoning": ""} if is_draft else {}
                data = in_order({**missing, **data})
                given = data.get("id")
                is_made = _settle_id(data)
                _require_good(check, data, is_draft)
                became = _add(file, data, is_made, update)
            except NoRecord as reason:
                done.rejected[_without_details(str(reason))] += 1
                reject(row, str(reason))
                continue
            done.renamed += is_made and given is not None
            done.shapes[chosen.name] += 1
            done.unknown.update(name for name in data if name not in KNOWN_FIELDS)
            done.added += became == "added"
            done.drafts += is_draft and became == "added"
            done.changed += became == "changed"
            done.there += became == "there"
    return done


def rejected_row(row: Row, reason: str) -> dict[str, Any]:
    """A row as `--rejects` keeps it: it can be mended and brought in."""
    return {**row.data, REJECTED: f"{row.place}: {reason}"}


def _shape_for(row: Row, shape: Shape | None) -> Shape:
    if row.fault:
        raise NoRecord(row.fault)
    found = shape_of(row.data) if shape is None else shape
    if found is None:
        raise NoRecord(f"has none of the shapes {', '.join(SHAPES)}; its columns are {', '.join(row.data)}")
    if not found.fits(row.data):
        raise NoRecord(f"has not the columns of {found.name}; its columns are {', '.join(row.data)}")
    return found


def _settle_id(data: dict[str, Any]) -> bool:
    """Give a record without a usable id one that is made of its content, and say whether it was."""
    given = data.get("id")
    if isinstance(given, str) and ID.fullmatch(given):
        return False
    data.pop("id", None)
    content = json.dumps(data, sort_keys=True, ensure_ascii=False)
    new = {"id": hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:12]}
    members = {**new, **data}
    data.clear()
    data.update(members)
    return True


def _require_good(check: ErrorCheck, data: Mapping[str, Any], is_draft: bool) -> None:
    faults = check.find(data)
    if is_draft:
        faults = [fault for fault in faults if (fault.field, fault.rule) != ("reasoning", "blank")]
    if any(fault.field == "reasoning" and fault.rule == "required" for fault in faults):
        raise NoRecord(
            "has no reasoning, which a record needs; --reasoning-from names a column for it,"
            " --drafts leaves it to be written [required]"
        )
    if faults:
        raise NoRecord("; ".join(f"{fault.field}: {fault.message} [{fault.rule}]" for fault in faults))


def _add(file: Appended, data: Mapping[str, Any], is_made: bool, update: bool) -> Literal["added", "changed", "there"]:
    """What became of a record. Raises NoRecord where its id belongs to another one.

    An id that was made of the content is there already also where its record has been edited since.
    """
    record_id = data["id"]
    there = file.taken.get(record_id)
    if there is None:
        file.add(data)
        return "added"
    line, digest = there
    if is_made or digest == content_digest(data):
        return "there"
    if update and record_id not in file.changed:
        # A draft does not take away what has been written to it since.
        file.change(record_id, {name: value for name, value in data.items() if name != "reasoning" or value})
        return "changed"
    way = "" if update else "; --update changes it there"
    raise NoRecord(f'id: "{record_id}" is on line {line} of the dataset with other content{way} [taken-id]')


def _without_details(reason: str) -> str:
    """The rules of a reason, or its words without what is the row's own."""
    rules = re.findall(r"(?:(\w+): )?[^;]*\[([a-z-]+)\]", reason)
    named = [f"{field}: {rule}" if field else rule for field, rule in rules]
    return ", ".join(dict.fromkeys(named)) or re.split(r"[;:(]", re.sub(r"(?<![\w.-])\d+", "N", reason))[0]
