"""Which column of a sheet is which field: given, remembered from the last time, or asked on the terminal."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.errors import UserError
from curation.excerpts import excerpt
from phi2chat.records.entry import has_terminal

if TYPE_CHECKING:
    from curation.exchange.sources import Survey
    from phi2chat.terminal.screen import Screen

MEMORY_FILE = "columns.json"
NONE = "-"


def choose_columns(file: Path, looked: "Survey", given: str | None, screen: "Screen") -> dict[str, str]:
    """Field -> column. What is given or asked is remembered for every sheet with the same columns.

    Raises UserError where nobody can be asked, with the --map that is likely meant.
    """
    from curation.exchange.fields import guess_columns, read_mapping, require_columns, spell_mapping

    if given is not None:
        mapping = read_mapping(given)
        require_columns(mapping, looked.columns, file)
    elif mapping := _recall(looked.columns):
        screen.note(f"columns as the last time: {spell_mapping(mapping)}; --map decides otherwise")
        return mapping
    else:
        guessed = guess_columns(looked.columns)
        if not has_terminal():
            likely = spell_mapping(guessed) or "instruction=...,reasoning=...,answer=..."
            names = ", ".join(looked.columns)
            raise UserError(f"{file}: say which column is which field, as in --map {likely}; its columns are {names}")
        mapping = _ask(looked, guessed, screen)
        require_columns(mapping, looked.columns, file)
    _remember(looked.columns, mapping, screen)
    return mapping


def _ask(looked: "Survey", guessed: Mapping[str, str], screen: "Screen") -> dict[str, str]:
    from curation.exchange.fields import ASKED, REQUIRED

    headings = [f"{number} {name}" for number, name in enumerate(looked.columns, start=1)]
    screen.table(headings, [[_short(row.data.get(name)) for name in looked.columns] for row in looked.preview])
    screen.note(f"Which column is which field? Its number or its name; {NONE} for none.")
    mapping: dict[str, str] = {}
    for field in ASKED:
        while True:
            typed = click.prompt(field, default=_offer(guessed.get(field), looked.columns), err=True, value_proc=str)
            typed = typed.strip()
            column = _column(typed, looked.columns)
            if typed == NONE and field not in REQUIRED:
                break
            if column is not None:
                mapping[field] = column
                break
            screen.note(f"{field}: there is no such column" if typed != NONE else f"{field} is needed", "warning")
    return mapping


def _offer(column: str | None, columns: Sequence[str]) -> str:
    """A column as a default: by its name, or by its number where the name cannot be printed."""
    from phi2chat.terminal.safe_text import safe

    if column is None:
        return NONE
    return column if safe(column) == column else str(columns.index(column) + 1)


def _column(typed: str, columns: Sequence[str]) -> str | None:
    if typed in columns:
        return typed
    number = int(typed) if typed.isascii() and typed.isdigit() else 0
    return columns[number - 1] if 0 < number <= len(columns) else None


def _short(value: object) -> str:
    return excerpt("" if value is None else str(value))


def _memory() -> Path:
    from platformdirs import user_state_path

    return user_state_path("phi2chat") / MEMORY_FILE


def _read_memory() -> dict[str, dict[str, str]]:
    try:
        known = json.loads(_memory().read_bytes())
        if all(isinstance(column, str) for mapping in known.values() for column in mapping.values()):
            return dict(known)
    except (OSError, ValueError, AttributeError):
        pass  # there is none, or it is damaged: then the question comes again
    return {}


def _recall(columns: Sequence[str]) -> dict[str, str]:
    mapping = _read_memory().get(_key(columns), {})
    return mapping if set(mapping.values()) <= set(columns) and {"instruction", "answer"} <= set(mapping) else {}


def _remember(columns: Sequence[str], mapping: Mapping[str, str], screen: "Screen") -> None:
    from curation.atomic import write_atomically

    path = _memory()
    content = json.dumps({**_read_memory(), _key(columns): dict(mapping)}, ensure_ascii=False, indent=2)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, content.encode("utf-8", "replace") + b"\n")
    except (OSError, UserError) as error:
        screen.note(f"{path}: the columns were not remembered ({error})", "warning")


def _key(columns: Sequence[str]) -> str:
    return json.dumps(sorted(columns), ensure_ascii=False)
