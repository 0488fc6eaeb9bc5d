"""`--where`, and `--grep`: which records are meant, by conditions such as `language=ja` or `len(answer)>200`.

    FIELD=VALUE   is VALUE; for tags, has it          FIELD~PATTERN    a regular expression is found in it
    FIELD!=VALUE  is not, or has not                  FIELD!~PATTERN   is not found
    FIELD>NUMBER  and <, >=, <=: of a number, of line, or of len(FIELD), in characters; for tags, how many

A record without a field has it empty, so `note=` means those without a note. `language` and `family` are what they are
by default. Upper and lower case differ for `=`, and not for `~`, as in `list --grep`.
"""

import difflib
import json
import operator
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from curation.errors import UserError
from curation.patterns import PatternError, compile_pattern
from curation.records import KNOWN_FIELDS, Line, Record

_LEFT = re.compile(r"\s*(?:(?P<function>\w+)\s*\(\s*(?P<argument>[\w.-]+)\s*\)|(?P<field>[\w.-]+))\s*")
_OPERATOR = re.compile(r"(?P<operator>!=|!~|>=|<=|==|=|~|>|<)\s*")
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_EQUALS: dict[str, Callable[[float, float], bool]] = {"=": operator.eq, "!=": operator.ne}
_LINE = "line"


@dataclass(frozen=True)
class Condition:
    """What a record must be; `holds` tells whether it is. `field` is empty where it is about all of them."""

    text: str
    field: str
    holds: Callable[[Line, Record], bool]


def parse_condition(text: str) -> Condition:
    """The condition that an expression says. Raises UserError with the column where it makes no sense."""
    left = _LEFT.match(text)
    if left is None:
        raise _fault(text, 0, "give a field, an operator and a value, as in language=ja")
    sign = _OPERATOR.match(text, left.end())
    if sign is None:
        raise _fault(text, left.end(), "an operator should stand here: =, !=, ~, !~, >, <, >= or <=")
    if left["function"] not in (None, "len"):
        raise _fault(text, left.start("function"), f'there is no function "{left["function"]}", only len(FIELD)')
    field = left["argument"] or left["field"]
    value = text[sign.end() :].strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    test = _test(text, sign, value, is_number=bool(left["function"]) or field == _LINE)
    of = _length if left["function"] else _texts

    def holds(line: Line, record: Record) -> bool:
        return test(of(_value(line, record, field)))

    return Condition(text, field, holds)


def parse_grep(text: str) -> Condition:
    """The condition that a regular expression is found in some value of a record, in any case: `--grep`."""
    try:
        pattern = compile_pattern(text, ignore_case=True)
    except PatternError as error:
        raise UserError(
            f"--grep {text}: is not a regular expression ({error}); put a \\ before its special characters"
        ) from None

    def holds(_: Line, record: Record) -> bool:
        return any(pattern.is_in(own) for value in record.data.values() for own in _texts(value))

    return Condition(text, "", holds)


def require_known(conditions: Iterable[Condition], fields: Collection[str]) -> None:
    """Raise UserError for a condition about none of the fields that records have.

    With a misspelt one, `!=` would mean every record.
    """
    for condition in conditions:
        name = condition.field.split(".")[0]
        if name not in ("", *KNOWN_FIELDS, _LINE) and name not in fields:
            raise _fault(condition.text, condition.text.index(name), _unknown(name, fields))


def _unknown(name: str, fields: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(dict.fromkeys([*KNOWN_FIELDS, *fields])), n=1)
    return f'no record has a field "{name}"' + (f'; did you mean "{near[0]}"?' if near else "")


def _value(line: Line, record: Record, field: str) -> object:
    if field == _LINE:
        return line.number
    if field == "language":
        return record.language
    if field == "reasoning_language":
        return record.reasoning_language
    if field == "family":
        return record.data.get("family", record.id)
    value: object = record.data
    for name in field.split("."):  # provenance.adapter
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _texts(value: object) -> list[str]:
    """A value as the texts that it is compared by: one, or those of a list."""
    if value is None:
        return [""]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)]


def _length(value: object) -> list[str]:
    if value is None:
        return ["0"]
    return [str(len(value if isinstance(value, str | list | dict) else json.dumps(value)))]


def _test(text: str, sign: re.Match[str], value: str, is_number: bool) -> Callable[[list[str]], bool]:
    kind = sign["operator"].replace("==", "=")
    compare = (_ORDERS | _EQUALS if is_number else _ORDERS).get(kind)
    if compare is not None:
        number = _number(value)
        if number is None:
            raise _fault(text, sign.end(), "a number should stand here")
        return lambda texts: any(own is not None and compare(own, number) for own in map(_number, texts))
    if kind in _EQUALS:
        is_it: Callable[[list[str]], bool] = lambda texts: value in (texts or [""])  # noqa: E731
    else:
        try:
            pattern = compile_pattern(value, ignore_case=True)
        except PatternError as error:
            why = f"this is no regular expression ({error}); put a \\ before its special characters"
            raise _fault(text, sign.end() + error.place, why) from None
        is_it = lambda texts: any(map(pattern.is_in, texts))  # noqa: E731
    return (lambda texts: not is_it(texts)) if kind.startswith("!") else is_it


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _fault(text: str, place: int, message: str) -> UserError:
    return UserError(f"--where {text}: column {place + 1}: {message}")
