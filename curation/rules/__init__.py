"""What a dataset is checked for: one small function a rule, all findings collected, in the order of the file."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from curation.errors import UserError
from curation.lines import is_utf8
from curation.records import Dataset, Finding, format_record, parse_dataset

# In the order of docs/rules.md; each room declares its rules when it is imported.
from . import against, contract, form, probes, reasoning, scripts, sets, text, tokens  # noqa: F401
from .check import LineChecker, check_loaded, in_order
from .declare import RECORD_CHECKS, RULES, SECTIONS, Rule
from .select import choose

__all__ = [
    "OPINIONS", "RULES", "SECTIONS", "ErrorCheck", "Rule", "check_dataset", "check_record", "choose",
    "require_contract", "require_no_faults", "rules_of_contract",
]  # fmt: skip

# Rules that judge what a text says; a record that breaks one can still be read, split and trained on.
OPINIONS = {rule.id for rule in RULES.values() if rule.opinion}


def check_dataset(dataset: Dataset, chosen: frozenset[str] | None = None) -> list[Finding]:
    """Every finding of the chosen rules, or of all, sorted by line and column."""
    return check_loaded(dataset, choose() if chosen is None else chosen)


def check_record(path: Path, data: dict[str, Any]) -> list[Finding]:
    """The findings of a record that is not in a file yet, as the only line of `path`."""
    message = "holds a byte that is not UTF-8; set the terminal to UTF-8 and type it again"
    findings = [Finding(path, 1, 1, field, message, "utf-8") for field in data if not is_utf8([field, data[field]])]
    return findings or check_dataset(parse_dataset(path, format_record(data)))


class ErrorCheck:
    """The errors that `check_record` finds, of one record after another: without what only several can have."""

    def __init__(self, path: Path, accepted: Collection[str] = ()) -> None:
        of_one = {rule for rules in RECORD_CHECKS.values() for rule in rules}
        of_form = {rule.id for rule in RULES.values() if rule.section == "form"}
        errors = {rule for rule in of_one | of_form if RULES[rule].severity == "error"}
        self._path, self._checker = path, LineChecker(path, frozenset(errors.difference(accepted)))

    def find(self, data: Mapping[str, Any]) -> list[Finding]:
        """What is wrong with a record."""
        if not is_utf8(data):
            return check_record(self._path, dict(data))
        return in_order(self._checker.check([format_record(data)]).findings)


def require_contract(dataset: Dataset) -> None:
    """Raise UserError unless every line is a record; what its fields say is not judged here."""
    require_no_faults(dataset.path, check_dataset(dataset, rules_of_contract()), len(dataset.lines))


def rules_of_contract() -> frozenset[str]:
    """The rules without which a file cannot be worked with."""
    return frozenset(rule.id for rule in RULES.values() if rule.severity == "error" and not rule.opinion)


def require_no_faults(path: Path, faults: Collection[Finding], lines: int) -> None:
    """Raise UserError with the first of the faults, or where there are no lines at all."""
    for first in faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise UserError(f"{first}{more}; mend it, `phi2chat curate validate {path}` shows all")
    if not lines:
        raise UserError(f"{path}: holds no record; add one with `phi2chat curate add {path}`")
