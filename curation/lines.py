"""One line of JSONL: bytes -> JSON object, or the one fault that keeps it from being read."""

import json
import math
from collections import Counter
from typing import Any, Never

import msgspec

MAX_DEPTH = 100  # of arrays and objects in one another; Python's own limit depends on who calls
MAX_BYTES = 1 << 24  # of a line: no model learns from a longer one, and most programs read a line whole

_QUICK_DECODER = msgspec.json.Decoder()


class BadLine(Exception):
    """Why a line is not read; `column` counts from 1, in code points."""

    def __init__(self, column: int, message: str, rule: str) -> None:
        super().__init__(message)
        self.column, self.message, self.rule = column, message, rule


def split_lines(content: bytes) -> list[bytes]:
    """The lines of a file, each with its ending. They end at b"\\n" only: U+2028 may stand inside a string."""
    if b"\r" not in content:  # at which this would split, too
        return content.splitlines(keepends=True)
    lines = content.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def parse_line(raw: bytes) -> dict[str, Any]:
    """The JSON object of a line. Raises BadLine with the first fault."""
    plain = parse_plain(raw)
    return parse_exactly(raw) if plain is None else plain


def parse_plain(raw: bytes) -> dict[str, Any] | None:
    """What `parse_exactly` gives, several times as fast, for an object of texts and lists of texts; else None.

    None says nothing about the line. The decoder refuses all that JSON forbids, but of a key that stands twice it
    keeps the last. So the quotation marks are counted: a member more than the object has brings at least two more.
    """
    if len(raw) > MAX_BYTES:
        return None
    try:
        value = _QUICK_DECODER.decode(raw)
    except (ValueError, RecursionError):  # msgspec's own errors and that of UTF-8 are ValueErrors
        return None
    if type(value) is not dict:
        return None
    texts = [*value]
    for member in value.values():
        if type(member) is str:
            texts.append(member)
        elif type(member) is list:
            for item in member:
                if type(item) is not str:
                    return None
            texts += member
        else:
            return None
    marks = 2 * len(texts)
    if b"\\" in raw:
        if b"\\u0022" in raw:  # a quotation mark that is not written as one
            return None
        marks += sum(text.count('"') for text in texts)
    return value if raw.count(b'"') == marks else None


def parse_exactly(raw: bytes) -> dict[str, Any]:
    """The JSON object of a line, by a decoder that can say what is wrong and where."""
    if len(raw) > MAX_BYTES:
        message = f"the line has {len(raw):,} bytes, and may have {MAX_BYTES:,}; is the end of a line missing in it?"
        raise BadLine(1, message, "json")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        column = len(raw[: error.start].decode("utf-8")) + 1
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise BadLine(column, message, "utf-8") from None
    if text.startswith("\ufeff"):
        raise BadLine(1, "begins with a byte order mark; `curate validate --fix` removes it", "bom")
    if not text.strip():
        raise BadLine(1, "the line is blank; `curate validate --fix` removes it", "blank-line")
    try:
        value = _STRICT_DECODER.decode(text.rstrip("\r\n"))
    except json.JSONDecodeError as error:
        message = error.msg + (" this column" if error.msg.endswith(" at") else "")
        cut = error.pos >= len(text) or error.msg.startswith("Unterminated")
        torn = "; the file ends within this line" if cut and text[-1] != "\n" else ""
        raise BadLine(error.pos + 1, f"not JSON: {message[:1].lower()}{message[1:]}{torn}", "json") from None
    except RecursionError:
        raise BadLine(1, "nested too deeply", "json") from None
    except ValueError as error:  # of the functions that the decoder calls
        raise BadLine(1, f"not JSON: {error}", "json") from None
    if _depth(value) > MAX_DEPTH:
        raise BadLine(1, "nested too deeply", "json")
    if "\\ud" in text.lower() and not is_utf8(value):
        raise BadLine(1, "half of a surrogate pair, which is no character", "surrogate")
    if not isinstance(value, dict):
        raise BadLine(1, f"a line must hold a JSON object, not {json_type(value)}", "json")
    return value


def is_utf8(value: object) -> bool:
    """Whether the texts of a JSON value can be written: what a terminal of another encoding sends is surrogates."""
    try:
        dumps(value, ascii_only=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def json_type(value: object) -> str:
    """What JSON calls a value of this type, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", int: "a number", float: "a number", list: "an array", dict: "an object"}
    return names[type(value)]


def dumps(value: object, ascii_only: bool) -> str:
    """A JSON value as it is written into a line."""
    return json.dumps(value, ensure_ascii=ascii_only, allow_nan=False)


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f'the key "{twice}" stands twice in one object')
    return members


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON value")


def _parse_integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python's limit on the digits of an integer
        raise ValueError(f"a number of {len(digits):,} digits is too long") from None


def _parse_float(spelling: str) -> float:
    value = float(spelling)
    if math.isinf(value):  # it could be read, but no JSON could be written from it
        raise ValueError(f"the number {spelling[:20]} is too large")
    return value


_STRICT_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_members,
    parse_constant=_refuse_constant,
    parse_int=_parse_integer,
    parse_float=_parse_float,
)


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while parents := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [child for parent in parents for child in (parent.values() if isinstance(parent, dict) else parent)]
    return depth
