"""Records and their JSONL bytes: every fault is read with its place, and no byte changes that was not edited."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal

from curation.atomic import close
from curation.errors import UserError
from curation.lines import BadLine, dumps, parse_line, split_lines

KNOWN_FIELDS = (
    "id", "instruction", "input", "reasoning", "answer", "language", "reasoning_language",
    "family", "category", "tags", "source", "license", "note", "provenance",
)  # fmt: skip
DEFAULT_LANGUAGE = "ja"

_BLANK = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
# What one code point of a JSON string may be written as: two escapes, one of six or two characters, or itself.
_WRITTEN_CHARACTER = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|.", re.DOTALL)


@dataclass(frozen=True)
class Record:
    """One record, as a read-only view of its JSON object; `data` keeps the members in the order written."""

    data: Mapping[str, Any]

    @property
    def id(self) -> str | None:
        return self.data.get("id")

    @property
    def instruction(self) -> str:
        return str(self.data["instruction"])

    @property
    def input(self) -> str:
        return str(self.data.get("input", ""))

    @property
    def reasoning(self) -> str:
        return str(self.data["reasoning"])

    @property
    def answer(self) -> str:
        return str(self.data["answer"])

    @property
    def language(self) -> str:
        return str(self.data.get("language", DEFAULT_LANGUAGE))

    @property
    def reasoning_language(self) -> str:
        return str(self.data.get("reasoning_language", self.language))


@dataclass(frozen=True)
class Finding:
    """One thing to mend; `line` and `column` count from 1, in lines and code points.

    `end_column` is the column after the last character, where the finding is about a stretch of text. `subject` is a
    digest of the text that it is about, which stays the same where the line moves.
    """

    path: Path
    line: int
    column: int
    field: str
    message: str
    rule: str
    severity: Literal["error", "warning"] = "error"
    end_column: int | None = None
    subject: str = dataclasses.field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.path}:{self.line}:{self.column}: {field}{self.message} [{self.rule}]"


@dataclass(frozen=True)
class Line:
    """One line of a file: its exact bytes with the line ending, and its record unless it is broken."""

    number: int
    raw: bytes
    record: Record | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that holds a JSON object; `number` counts from 1."""

    number: int
    raw: bytes
    record: Record


@dataclass(frozen=True)
class Dataset:
    """A JSONL file as read: every line, what is broken in them, and the SHA-256 of the whole."""

    path: Path
    sha256: str
    lines: tuple[Line, ...]
    broken: tuple[Finding, ...]

    def records(self) -> Iterator[tuple[Line, Record]]:
        return ((line, line.record) for line in self.lines if line.record is not None)

    def find(self, record_id: str) -> tuple[Line, Record]:
        """The line with this id, or the line that `line:N` names. Raises UserError where none or several fit."""
        by_line = record_id.removeprefix("line:") if record_id.startswith("line:") else None
        found = [
            (line, record) for line, record in self.records() if record.id == record_id or str(line.number) == by_line
        ]
        if not found:
            raise UserError(f'{self.path}: no record has the id "{record_id}"; `phi2chat curate list` shows the ids')
        if len(found) > 1:
            places = ", ".join(str(line.number) for line, _ in found)
            raise UserError(f'{self.path}: lines {places} share the id "{record_id}"; give them ids of their own first')
        return found[0]


@dataclass(frozen=True)
class Member:
    """A key of the top-level object and where it and its value stand in the line, in code points."""

    key: str
    start: int
    value_start: int
    end: int


def require_file(path: Path) -> None:
    """Raise UserError unless there is a regular file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{path}: is not a regular file; give another")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file. Raises UserError where there is none or it cannot be read."""
    try:
        require_file(path)
        return path.read_bytes()
    except MemoryError:
        raise UserError(f"{path}: is larger than the memory; is it the right file?") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None


@contextlib.contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """A regular file, to be read in passing. Raises UserError where there is none or it cannot be read."""
    with told_as_reading(path):
        file = open_to_read(path)
        try:
            yield file
        finally:
            close(file)


def open_to_read(path: Path) -> BinaryIO:
    """A regular file. Raises UserError where there is none or it cannot be read; using it raises what it raises."""
    with told_as_reading(path):
        require_file(path)
        return path.open("rb")


@contextlib.contextmanager
def told_as_reading(path: Path) -> Iterator[None]:
    """Raises UserError where the block cannot read the file."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None


def read_dataset(path: Path) -> Dataset:
    """Read a JSONL file; broken lines become findings, and an unreadable file a UserError."""
    return parse_dataset(path, read_bytes(path))


def parse_dataset(path: Path, content: bytes) -> Dataset:
    """Take the bytes of a JSONL file apart. Lines end at b"\\n" only: U+2028 may stand inside a string."""
    lines: list[Line] = []
    broken: list[Finding] = []
    for number, raw in enumerate(split_lines(content), start=1):
        try:
            record = Record(parse_line(raw))
        except BadLine as bad:
            record = None
            broken.append(Finding(path, number, bad.column, "", bad.message, bad.rule))
        lines.append(Line(number, raw, record))
    return Dataset(path, hashlib.sha256(content).hexdigest(), tuple(lines), tuple(broken))


def members(text: str) -> list[Member]:
    """Where each member of a JSON object stands in its line. `text` must be a line that parsed."""
    found: list[Member] = []
    position = _skip(text, text.index("{") + 1)
    while text[position] != "}":
        start = position
        key, position = _DECODER.raw_decode(text, position)
        value_start = _skip(text, _skip(text, position) + 1)
        _, end = _DECODER.raw_decode(text, value_start)
        found.append(Member(key, start, value_start, end))
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return found


def _skip(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    assert blank is not None
    return blank.end()


def column_of(raw: bytes, field: str) -> int:
    """The column, from 1, of a top-level field's value in its line; 1 where the line has no such field."""
    return _value_columns(raw).get(field, 1)


@lru_cache(maxsize=1)  # a record of many fields may have a finding in each
def _value_columns(raw: bytes) -> dict[str, int]:
    return {member.key: member.value_start + 1 for member in members(raw.decode("utf-8"))}


def columns_of(raw: bytes, field: str, start: int, end: int) -> tuple[int, int]:
    """The columns, from 1, where characters `start` to `end` of a field's text begin and have ended in its line.

    An escape (`\\n`, `\\u3042`, the two of a surrogate pair) is one character of the text and several columns.
    """
    columns = _columns(raw, field)
    return columns[start], columns[end]


@lru_cache(maxsize=1)  # a long text may have thousands of findings, one after the other
def _columns(raw: bytes, field: str) -> Sequence[int]:
    """The column, from 1, of each character of a field's text, and of what follows the last."""
    text = raw.decode("utf-8")
    member = next(member for member in members(text) if member.key == field)
    first, last = member.value_start + 1, member.end - 1  # between the quotes
    if "\\" not in text:
        return range(first + 1, last + 2)
    widths = (len(match[0]) for match in _WRITTEN_CHARACTER.finditer(text, first, last))
    return list(itertools.accumulate(widths, initial=first + 1))


def format_record(data: Mapping[str, Any]) -> bytes:
    """A new line for a record, with its newline."""
    return json.dumps(dict(data), ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"


def edit_line(raw: bytes, data: Mapping[str, Any]) -> bytes:
    """The line with its members changed to `data`; the text of every member that is equal stays as it is.

    Numbers keep their spelling, unknown members their place, the line its spacing and its ending; a line
    written with escapes only (`\\u3042`) is answered in escapes.
    """
    text = raw.decode("utf-8")
    ascii_only = text.isascii() and "\\u" in text
    places = members(text)
    old = json.loads(text)
    separator = text[places[0].end : places[1].start] if len(places) > 1 else ", "
    written: list[str] = []  # each member after the separator that stood before it
    for i, place in enumerate(places):
        if place.key in data:
            same = _identical(old[place.key], data[place.key])
            value = text[place.value_start : place.end] if same else dumps(data[place.key], ascii_only)
            before = text[places[i - 1].end : place.start] if written else ""
            written.append(before + text[place.start : place.value_start] + value)
    for key, value in data.items():
        if key not in old:
            before = separator if written else ""
            written.append(f"{before}{dumps(key, ascii_only)}: {dumps(value, ascii_only)}")
    if not places:
        head, tail = text[: text.index("{") + 1], text[text.rindex("}") :]
    else:
        head, tail = text[: places[0].start], text[places[-1].end :]
    return (head + "".join(written) + tail).encode("utf-8")


def _identical(old: object, new: object) -> bool:
    if isinstance(old, str):
        return old == new
    return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
