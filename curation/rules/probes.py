"""The contract of a probe: what its JSON Schema says, and that its own answer would be right."""

import difflib
import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from curation.expectation import Expectation
from curation.judging import expectation_of, judge
from curation.lines import json_type
from curation.patterns import PatternError, compile_pattern
from curation.records import Entry

from .declare import Fault, Rule, declare

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

declare(
    Rule(
        "judging",
        "probe",
        "A probe says how its answer is judged, in a way that an answer can be right by.",
        'Write `expect`, `forbid` or `references`, or `"judge": "none"`; see `curation/probe.schema.json`.',
    )
)

_TYPES = {"string": "a string", "array": "a list of strings", "object": "an object", "number": "a number"}


def find_probe_faults(entry: Entry) -> Iterator[Fault]:
    """What breaks the schema of a probe, and what no answer could satisfy; the rules are those of records."""
    data = entry.record.data
    broken = list(_validator().iter_errors(data))
    for error in broken:
        yield from _explain(error)
    known = schema()["properties"]
    for field in data:
        if field not in known:
            near = difflib.get_close_matches(field.casefold(), known, n=1, cutoff=0.7)
            hint = f'; did you mean "{near[0]}"?' if near else "; nothing is done with it"
            yield Fault("unknown-field", f"is not a field of a probe{hint}", field)
    if not broken:
        yield from _find_impossible(data)


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a probe."""
    read: dict[str, Any] = json.loads(files("curation").joinpath("probe.schema.json").read_text(encoding="utf-8"))
    return read


@cache
def _validator() -> "Draft202012Validator":
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema())


def _explain(error: "ValidationError") -> Iterator[Fault]:
    path = list(error.absolute_path)
    field = str(path[0]) if path else ""
    item = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path[1:])
    value: Any = error.validator_value
    data: Any = error.instance
    match error.validator:
        case "required":
            missing = next(name for name in value if f"'{name}' is a required" in error.message)
            yield Fault("required", "is missing", missing)
        case "anyOf":
            yield Fault("judging", "says not how its answer is judged")
        case "not":
            yield Fault("judging", "goes with no expect: what is only read is not judged", "judge")
        case "type":
            wanted = " or ".join(_TYPES[name] for name in ([value] if isinstance(value, str) else value))
            yield Fault("type", f"must be {wanted}, not {json_type(error.instance)}", field, item=item)
        case "additionalProperties":
            known = schema()["properties"]["expect"]["properties"]
            strange = ", ".join(f'"{name}"' for name in data if name not in known)
            yield Fault("judging", f"has {strange}, and may have {', '.join(known)}", field)
        case "dependentRequired":
            yield Fault("judging", "has a tolerance or a unit and no number", field)
        case "enum":
            yield Fault("judging", 'may only be "none"', field)
        case "minimum":
            yield Fault("judging", "is less than 0", field, item=item)
        case "pattern" if field == "id":
            yield Fault("id", "must be 1 to 64 of A-Z a-z 0-9 . _ -", field)
        case "pattern" if field.endswith("language"):
            message = f'"{error.instance}" is not a language tag such as ja, en or zh-Hans'
            yield Fault("language-tag", message, field)
        case _:  # a text without a letter, or a list without an item
            yield Fault("blank", "is blank", field, item=item)


def _find_impossible(data: Any) -> Iterator[Fault]:
    """What the schema cannot see: a pattern that is none, and an expected answer that would be wrong."""
    expected = expectation_of(data)
    if expected is None:
        return
    if expected.regex:
        try:
            compile_pattern(expected.regex)
        except PatternError as error:
            yield Fault("judging", f"is no regular expression ({error})", "expect", item=".regex")
            return
    if (
        expected.number is None
        and not expected.regex
        and not expected.all_of
        and not (expected.any_of and expected.contains)
    ):
        for text in (*expected.any_of, *expected.contains):
            judged = judge(text, expected)
            if judged.verdict == "wrong":
                yield Fault("judging", f'"{text}" itself would be wrong: {judged.why}', "expect")
    if expected != Expectation(forbid=expected.forbid):
        for place, text in enumerate(_list(data.get("references"))):
            judged = judge(text, expected, str(data["instruction"]))
            if judged.verdict == "wrong":
                yield Fault("judging", f"would be wrong: {judged.why}", "references", item=f"[{place}]")


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])
