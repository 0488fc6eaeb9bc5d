"""Files of probes: how one is told from a file of records, and what `curate validate` finds in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.errors import UserError
from curation.facts import Source
from curation.lines import BadLine, parse_line
from curation.records import Entry, Finding, Record, format_record, read_dataset
from curation.rules import RULES
from curation.rules.check import in_order, point_at
from curation.rules.probes import find_probe_faults
from curation.scan import Scan, scan_file

# What only a probe has; a record has a reasoning and an answer.
_OF_A_PROBE = {"expect", "forbid", "judge", "references"}
_OF_A_RECORD = {"reasoning", "answer"}
_SHARED_RULES = {"duplicate-id", "duplicate-question", "near-duplicate", "leak", "near-leak"}
_LOOKED_AT = 50  # lines


def is_probe(data: Mapping[str, Any]) -> bool:
    """Whether a JSON object says how an answer is judged, and gives none."""
    return bool(_OF_A_PROBE & data.keys()) and not _OF_A_RECORD & data.keys()


def is_probe_file(path: Path) -> bool:
    """Whether most of the first lines are probes; False for a file that cannot be read, which is said elsewhere."""
    probes = others = 0
    try:
        with path.open("rb") as file:
            for _, raw in zip(range(_LOOKED_AT), file, strict=False):
                try:
                    data = parse_line(raw)
                except BadLine:
                    continue
                probes, others = probes + is_probe(data), others + (not is_probe(data))
    except OSError:
        return False
    return probes > others


def scan_probes(path: Path, chosen: frozenset[str], others: Sequence[Source] = ()) -> Scan:
    """Check a file of probes by those of the chosen rules that are about probes, and against other files.

    Raises UserError where it cannot be read.
    """
    form = {rule.id for rule in RULES.values() if rule.section == "form"}
    shared = chosen & (form | _SHARED_RULES)
    scan = scan_file(path, shared if others else shared - {"leak", "near-leak"}, others, jobs=1)
    return Scan(scan.lines, in_order([*scan.findings, *find_all_faults(path, chosen)]), scan.source)


def find_all_faults(path: Path, chosen: frozenset[str]) -> list[Finding]:
    """What breaks the contract of a probe, line by line."""
    found = []
    for line, record in read_dataset(path).records():
        entry = Entry(line.number, line.raw, record)
        found += [point_at(path, entry, fault) for fault in find_probe_faults(entry) if fault.rule in chosen]
    return found


def require_probe(record: Record, where: str) -> None:
    """Raise UserError where a record is a probe and breaks its contract."""
    if is_probe(record.data):
        fault = next(find_probe_faults(Entry(1, format_record(record.data), record)), None)
        if fault is not None and RULES[fault.rule].severity == "error":
            field = f"{fault.field}{fault.item}: " if fault.field else ""
            raise UserError(f"{where}: {field}{fault.message}; mend it, `phi2chat curate validate` shows all")
