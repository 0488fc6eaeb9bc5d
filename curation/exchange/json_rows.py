"""JSON in and out: a line for each row, or one array; read piece by piece, so that its size does not matter."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from curation.errors import UserError
from curation.exchange.rows import Row
from curation.records import parse_dataset

_CHUNK = 2**16  # characters
_BOM = b"\xef\xbb\xbf"


def read_lines(path: Path) -> Iterator[Row]:
    """The objects of a JSONL file; a byte order mark and blank lines are passed over."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            line = raw.removeprefix(_BOM) if number == 1 else raw
            if line.strip():
                yield _parse(f"line {number}", line)


def read_array(path: Path) -> Iterator[Row]:
    """The objects of a JSON array. Raises UserError where it is cut or broken."""
    with path.open(encoding="utf-8-sig") as file:
        try:
            for number, text in enumerate(_elements(file), start=1):
                # Line ends between tokens are layout; within a text JSON has none.
                yield _parse(f"item {number}", text.replace("\r", " ").replace("\n", " ").encode("utf-8"))
        except json.JSONDecodeError as error:
            raise UserError(f"{path}: the array is broken or cut ({error.msg}); mend it or export it again") from None
        except RecursionError:
            raise UserError(f"{path}: the array is nested too deeply; give one of rows") from None
        except UnicodeDecodeError as error:
            message = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
            raise UserError(f"{path}: {message}; save the file as UTF-8") from None


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """A JSONL file."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{_dump(row)}\n" for row in rows)


def write_array(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """A JSON array with an object on each line."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for number, row in enumerate(rows):
            file.write(f"{',' if number else ''}\n{_dump(row)}")
        file.write("\n]\n")


def _dump(row: Mapping[str, Any]) -> str:
    return json.dumps(dict(row), ensure_ascii=False, allow_nan=False)


def _parse(place: str, raw: bytes) -> Row:
    dataset = parse_dataset(Path(), raw)
    if dataset.broken:
        return Row(place, {"text": raw.decode("utf-8", "replace").rstrip("\r\n")}, dataset.broken[0].message)
    return next(Row(place, dict(record.data)) for _, record in dataset.records())


def _elements(file: TextIO) -> Iterator[str]:
    """The text of each element of an array."""
    decoder = json.JSONDecoder()
    text = file.read(_CHUNK).lstrip()
    place, first, at_end = 1, True, False
    while True:
        try:
            start = _after_blanks(text, place)
            if text.startswith("]", start) and at_end:
                if text[start + 1 :].strip():
                    raise json.JSONDecodeError("something follows its end", text, start)
                return
            if not first:
                if not text.startswith(",", start):
                    raise json.JSONDecodeError("expecting a comma", text, start)
                start = _after_blanks(text, start + 1)
            _, end = decoder.raw_decode(text, start)
            if end == len(text) and not at_end:
                raise json.JSONDecodeError("it may go on", text, end)
        except json.JSONDecodeError:
            if at_end:
                raise
            more = file.read(max(_CHUNK, len(text)))
            text, place, at_end = text[place:] + more, 0, not more
            continue
        yield text[start:end]
        place, first = end, False


def _after_blanks(text: str, place: int) -> int:
    while text[place : place + 1] in (" ", "\t", "\r", "\n") and place < len(text):
        place += 1
    return place
