"""What was found before and is accepted: each finding by a fingerprint that stays when its line moves."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from curation.atomic import write_atomically
from curation.errors import UserError
from curation.records import Finding, read_bytes

_VERSION = 1


def fingerprints(findings: Collection[Finding]) -> list[str]:
    """A fingerprint for each: of the file's name, the rule, the field, its text, and how many the same stand before it.

    It stays where other lines come and go, and changes where the text that it is about does.
    """
    seen: Counter[str] = Counter()
    found = []
    for finding in findings:
        about = "\n".join([finding.path.name, finding.rule, finding.field, finding.subject])
        seen[about] += 1
        digest = hashlib.sha256(f"{about}\n{seen[about]}".encode("utf-8", "surrogatepass"))
        found.append(digest.hexdigest()[:16])
    return found


def write_baseline(path: Path, findings: Collection[Finding]) -> None:
    """Write the fingerprints of what is found now, each with what it was about, for people to read."""
    rows = [
        {"fingerprint": fingerprint, "path": finding.path.name, "rule": finding.rule, "message": finding.message}
        for fingerprint, finding in zip(fingerprints(findings), findings, strict=True)
    ]
    rows.sort(key=lambda row: (row["path"], row["rule"], row["fingerprint"]))
    content = json.dumps({"version": _VERSION, "accepted": rows}, ensure_ascii=True, indent=1)
    write_atomically(path, content.encode("ascii") + b"\n")


def read_baseline(path: Path) -> frozenset[str]:
    """The fingerprints that are accepted. Raises UserError where the file is not one that `write_baseline` wrote."""
    try:
        content = json.loads(read_bytes(path))
        if content["version"] != _VERSION:
            raise ValueError
        return frozenset(str(row["fingerprint"]) for row in content["accepted"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{path}: is not a baseline; write one with --update-baseline") from None


def without_accepted(findings: Collection[Finding], accepted: Iterable[str]) -> list[Finding]:
    """The findings that no baseline names."""
    known = frozenset(accepted)
    return [one for one, mark in zip(findings, fingerprints(findings), strict=True) if mark not in known]
