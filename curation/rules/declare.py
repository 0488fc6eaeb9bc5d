"""What a rule is: an id, a sentence that is true of good records, a severity, a section, and the way to mend it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from curation.records import Entry

Section = Literal["form", "contract", "script", "text", "reasoning", "set", "against", "tokens", "probe"]
SECTIONS: dict[Section, str] = {
    "form": "A file is lines of JSON in UTF-8, and can be read by every program as the same.",
    "contract": "A line is a record as `curation/record.schema.json` describes it.",
    "script": "A text is in the language that it says it is in.",
    "text": "A text is whole, and holds nothing that only a program left in it.",
    "reasoning": "A reasoning leads from the question to the answer.",
    "set": "The records of a file are different ones, agree with one another, and are not all of one kind.",
    "against": "What one file trains on, no other asks: with `--against FILE`.",
    "tokens": "A record fits into what the model reads: with `--tokenizer` and `--max-length`.",
    "probe": "A line of a probe file is a probe as `curation/probe.schema.json` describes it.",
}


@dataclass(frozen=True)
class Rule:
    """One thing that a file is checked for.

    `sentence` says what is true of a good file, `mend` what to do where it is not. An `opinion` is about what a text
    says: a record that breaks it can still be read, split and trained on. What is `fixable`, `--fix` mends.
    """

    id: str
    section: Section
    sentence: str
    mend: str
    severity: Literal["error", "warning"] = "error"
    opinion: bool = False
    fixable: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What a rule finds: about a whole line, about a field of it, or about characters `start` to `end` of its text.

    `item` is the part of the field, as in `[1]`.
    """

    rule: str
    message: str
    field: str = ""
    start: int | None = None
    end: int | None = None
    item: str = ""


RecordCheck = Callable[[Entry], Iterator[Fault]]
BatchCheck = Callable[[Sequence[Entry]], Iterator[tuple[Entry, Fault]]]  # of records by themselves, many at a time

RULES: dict[str, Rule] = {}  # in the order of their declaration, which is that of docs/rules.md
RECORD_CHECKS: dict[BatchCheck, tuple[str, ...]] = {}  # each with the ids of what it finds


def declare(*rules: Rule) -> None:
    """Make rules known by their ids."""
    for rule in rules:
        assert rule.id not in RULES, rule.id
        RULES[rule.id] = rule


def finds(*rules: Rule) -> Callable[[RecordCheck], RecordCheck]:
    """Declare rules, and the function that looks at one record for all of them."""

    def register(check: RecordCheck) -> RecordCheck:
        def check_each(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Fault]]:
            for entry in entries:
                for fault in check(entry):
                    yield entry, fault

        finds_in_many(*rules)(check_each)
        return check

    return register


def finds_in_many(*rules: Rule) -> Callable[[BatchCheck], BatchCheck]:
    """Declare rules, and the function that looks at many records for all of them, at each by itself."""
    declare(*rules)

    def register(check: BatchCheck) -> BatchCheck:
        RECORD_CHECKS[check] = tuple(rule.id for rule in rules)
        return check

    return register
