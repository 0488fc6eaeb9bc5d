"""Findings for programs: as JSON, as SARIF 2.1.0, and as workflow commands of GitHub."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from curation.records import Finding
from curation.rules import RULES
from phi2chat import __version__
from phi2chat.terminal.safe_text import json_line, safe

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True)
class Report:
    """What a check found: the number of records, the findings, and a sentence for each file that cannot be read."""

    records: int
    findings: Collection[Finding]
    unreadable: Sequence[str]
    characters_per_token: Mapping[str, float]

    @cached_property  # for a million findings are read from the disk
    def errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.findings) + len(self.unreadable)

    @property
    def warnings(self) -> int:
        return len(self.findings) + len(self.unreadable) - self.errors


def as_json(report: Report) -> str:
    """One object, in ASCII."""
    rows: list[dict[str, Any]] = [
        {"path": str(f.path), "line": f.line, "column": f.column, "end_column": f.end_column, "field": f.field,
         "message": f.message, "rule": f.rule, "severity": f.severity}
        for f in report.findings
    ]  # fmt: skip
    rows += [{"message": sentence, "rule": "file", "severity": "error"} for sentence in report.unreadable]
    found: dict[str, Any] = {"records": report.records, "findings": rows}
    if report.characters_per_token:
        found["characters_per_token"] = {name: round(rate, 3) for name, rate in report.characters_per_token.items()}
    return json_line(found)


def as_sarif(report: Report) -> str:
    """A log that code scanning reads; columns are code points, and fingerprints stay where lines move."""
    from curation.baseline import fingerprints

    used = [rule for rule in RULES.values() if rule.id in {finding.rule for finding in report.findings}]
    places = {rule.id: place for place, rule in enumerate(used)}
    results = [
        {
            "ruleId": finding.rule,
            "ruleIndex": places[finding.rule],
            "level": finding.severity,
            "message": {"text": safe(f"{finding.field}: {finding.message}" if finding.field else finding.message)},
            "locations": [{"physicalLocation": _location(finding)}],
            "partialFingerprints": {"phi2chat/v1": fingerprint},
        }
        for finding, fingerprint in zip(report.findings, fingerprints(report.findings), strict=True)
    ]
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.sentence},
            "help": {"text": rule.mend},
            "defaultConfiguration": {"level": rule.severity},
            "properties": {"tags": [rule.section]},
        }
        for rule in used
    ]
    invocation: dict[str, Any] = {"executionSuccessful": not report.unreadable}
    if report.unreadable:
        notes = [{"level": "error", "message": {"text": safe(sentence)}} for sentence in report.unreadable]
        invocation["toolExecutionNotifications"] = notes
    run = {
        "tool": {"driver": {"name": "phi2chat", "version": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": results,
    }
    return json_line({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def as_github(report: Report) -> str:
    """A line for each finding that GitHub shows beside the line it is about; empty where there is none."""
    lines = []
    for finding in report.findings:
        properties = {"file": str(finding.path), "line": finding.line, "col": finding.column}
        if finding.end_column:
            properties |= {"endColumn": finding.end_column}
        properties |= {"title": finding.rule}
        message = f"{finding.field}: {finding.message}" if finding.field else finding.message
        written = ",".join(f"{name}={_escape_property(str(value))}" for name, value in properties.items())
        lines.append(f"::{finding.severity} {written}::{_escape_data(message)}")
    lines += [f"::error title=file::{_escape_data(sentence)}" for sentence in report.unreadable]
    return "\n".join(lines)


def _location(finding: Finding) -> dict[str, Any]:
    region = {"startLine": finding.line, "startColumn": finding.column}
    if finding.end_column:
        region["endColumn"] = finding.end_column
    path = finding.path
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix().encode("utf-8", "surrogateescape"))
    return {"artifactLocation": {"uri": uri}, "region": region}


def _escape_data(text: str) -> str:
    # As @actions/core does it; a line end in a message would begin a command of somebody else.
    return safe(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
