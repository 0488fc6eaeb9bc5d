"""The contract of a record: what its JSON Schema says, in two ways that find the same."""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from curation.lines import json_type
from curation.records import KNOWN_FIELDS, Entry

from .declare import Fault, Rule, finds

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

_KNOWN = frozenset(KNOWN_FIELDS)


@finds(
    Rule("required", "contract", "A record has an instruction, a reasoning and an answer.", "Write what is missing."),
    Rule("type", "contract", "Every field has the type of the schema.", 'Write a text as `"text"`, tags as a list.'),
    Rule("blank", "contract", "What has to say something is not blank.", "Write it, or leave an optional field out."),
    Rule("id", "contract", "An id is 1 to 64 of `A-Z a-z 0-9 . _ -`.", "Choose another; `curate add` makes one."),
    Rule("language-tag", "contract", "A language is a BCP 47 tag.", "Write `ja`, `en`, `zh-Hans`, `zh-Hant`, `ko`."),
)
def find_breaches(entry: Entry) -> Iterator[Fault]:
    """What breaks the schema."""
    if keeps_contract(entry.record.data):
        return
    for error in _validator().iter_errors(entry.record.data):
        if error.validator == "required":
            assert isinstance(error.validator_value, list)
            missing = next(field for field in error.validator_value if f"'{field}' is a required" in error.message)
            yield Fault("required", "is missing", missing)
        else:
            field = str(error.absolute_path[0])
            item = "".join(f"[{part}]" for part in list(error.absolute_path)[1:])
            message, rule = _explain(field, error)
            yield Fault(rule, message, field, item=item)


@finds(
    Rule(
        "unknown-field",
        "contract",
        "Every field is one of the schema's.",
        "Correct its name. It is kept as it is, and nothing is done with it.",
        "warning",
    )
)
def find_unknown_fields(entry: Entry) -> Iterator[Fault]:
    """Fields that are not of the contract, with the one that may be meant."""
    if _KNOWN.issuperset(entry.record.data):
        return
    for field in entry.record.data:
        if field not in _KNOWN:
            near = difflib.get_close_matches(field.casefold(), KNOWN_FIELDS, n=1, cutoff=0.8)
            hint = f'; did you mean "{near[0]}"?' if near else "; it is kept as it is"
            yield Fault("unknown-field", f"is not a field of a record{hint}", field)


def keeps_contract(data: Mapping[str, Any]) -> bool:
    """Whether a record keeps the schema: what jsonschema says, a hundred times as fast, but not why."""
    required, properties = _quick_checks()
    for field in required:
        if field not in data:
            return False
    for field, value in data.items():
        check = properties.get(field)
        if check is not None and not check(value):
            return False
    return True


@cache
def record_schema() -> dict[str, Any]:
    """`curation/record.schema.json`."""
    schema: dict[str, Any] = json.loads(files("curation").joinpath("record.schema.json").read_text(encoding="utf-8"))
    return schema


@cache
def _validator() -> "Draft202012Validator":
    from jsonschema import Draft202012Validator  # only a file with faults needs it, and it takes a while to load

    return Draft202012Validator(record_schema())


@cache
def _quick_checks() -> tuple[list[str], dict[str, Callable[[Any], bool]]]:
    schema = record_schema()
    return schema["required"], {name: _compile(declared) for name, declared in schema["properties"].items()}


def declared_as(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    """A property of the schema, looked up where it is a reference."""
    if "$ref" in declared:
        declared = record_schema()["$defs"][declared["$ref"].rpartition("/")[2]]
    unknown = declared.keys() - {"description", "type", "pattern", "items"}
    assert not unknown, unknown
    return declared


def _compile(declared: Mapping[str, Any]) -> Callable[[Any], bool]:
    """A property of the schema as a function; of JSON Schema it knows what the schema uses."""
    declared = declared_as(declared)
    if declared["type"] == "object":
        return lambda value: isinstance(value, dict)
    if declared["type"] == "array":
        holds = _compile(declared["items"])
        return lambda value: isinstance(value, list) and all(map(holds, value))
    assert declared["type"] == "string"
    if "pattern" not in declared:
        return lambda value: isinstance(value, str)
    if declared["pattern"] == "\\S":
        return lambda value: isinstance(value, str) and value != "" and not value.isspace()
    search = re.compile(declared["pattern"]).search
    return lambda value: isinstance(value, str) and search(value) is not None


def _explain(field: str, error: "ValidationError") -> tuple[str, str]:
    if error.validator == "type":
        wanted = {"string": "a string", "array": "a list of strings", "object": "an object"}[str(error.validator_value)]
        return f"must be {wanted}, not {json_type(error.instance)}", "type"
    if error.validator_value == "\\S":
        return "is blank", "blank"
    if field == "id":
        return "must be 1 to 64 of A-Z a-z 0-9 . _ -", "id"
    return f'"{error.instance}" is not a language tag such as ja, en or zh-Hans', "language-tag"
