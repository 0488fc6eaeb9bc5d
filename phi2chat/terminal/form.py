"""A record typed field by field in the terminal: multi-line, checked while it is typed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_searching
from prompt_toolkit.history import DummyHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.validation import ValidationError, Validator

from curation.records import Finding
from curation.rules import check_record
from phi2chat.terminal.safe_input import VisibleEscapes, make_search_safe, safe_line

FIELDS = ("instruction", "input", "reasoning", "answer", "language", "reasoning_language", "family", "category")
REQUIRED = ("instruction", "reasoning", "answer")
MEANINGS = {
    "input": "a text that the instruction is about",
    "language": "of the answer; ja where empty",
    "reasoning_language": "as the answer where empty",
    "family": "a name that it shares with its translations",
}
KEYS = "Ctrl-D next  Shift-Tab back  Ctrl-C "


def help_of(keeps: bool) -> str:
    """The keys of a form, of which a record that is left comes back where somebody `keeps` it."""
    leaves = "leaves, and what you wrote is kept" if keeps else "drops the record"
    return (
        "Esc-Enter or Ctrl-D ends a field, Enter begins a new line, Shift-Tab goes back to the field before, "
        f"Ctrl-C {leaves}"
    )


def fill_form(
    start: Mapping[str, Any],
    fields: Iterable[str] = FIELDS,
    keep: Callable[[dict[str, Any]], None] | None = None,
    **session_options: Any,
) -> dict[str, Any]:
    """The record with the fields as they were typed; an optional field left empty is left out.

    `keep` gets the record as it is whenever a field is left, also with Ctrl-C, which raises KeyboardInterrupt.
    """
    record = dict(start)
    # Without a history: with one, the up key would put the field before in the place of what stands here.
    session: PromptSession[str | _Left] = PromptSession(
        multiline=True,
        key_bindings=_keys(),
        input_processors=[VisibleEscapes()],
        history=DummyHistory(),
        **session_options,
    )
    make_search_safe(session)
    names, at = list(fields), 0
    while at < len(names):
        name = names[at]
        meaning = f": {MEANINGS[name]}" if name in MEANINGS else ""
        optional = "" if name in REQUIRED else f" (optional{meaning})"
        typed = session.prompt(
            f"{name}{optional}: ",
            default=str(record.get(name, "")),
            validator=_FieldValidator(record, name),
            validate_while_typing=True,
            prompt_continuation="  ",
            bottom_toolbar=partial(_toolbar, at + 1, len(names), "drop" if keep is None else "leave"),
        )
        left = typed if isinstance(typed, _Left) else _Left(typed, "next")
        text = left.text
        if text.strip():
            record[name] = text
        else:
            record.pop(name, None)
        if keep is not None:
            keep(record)
        if left.towards == "away":
            raise KeyboardInterrupt
        at = max(0, at - 1) if left.towards == "back" else at + 1
    return record


def _toolbar(place: int, fields: int, leaving: str) -> str:
    """Where in the form one is, and its keys; on two lines where one is too narrow for both."""
    where, keys = f"field {place} of {fields}", KEYS + leaving
    fits = len(where) + 2 + len(keys) <= get_app().output.get_size().columns
    return ("  " if fits else "\n").join([where, keys])


@dataclass(frozen=True)
class _Left:
    """What stood in a field when the user left it."""

    text: str
    towards: Literal["next", "back", "away"]


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    @keys.add("c-d")
    def _end_field(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("s-tab")
    def _go_back(event: KeyPressEvent) -> None:
        event.app.exit(result=_Left(event.current_buffer.text, "back"))

    @keys.add("c-c", filter=~is_searching)
    def _leave(event: KeyPressEvent) -> None:
        event.app.exit(result=_Left(event.current_buffer.text, "away"), style="class:aborting")

    return keys


class _FieldValidator(Validator):
    """The findings of one field, given the fields before it."""

    def __init__(self, record: Mapping[str, Any], name: str) -> None:
        self._record, self._name = dict(record), name

    def validate(self, document: Document) -> None:
        if not document.text.strip():
            if self._name in REQUIRED:
                raise ValidationError(document.cursor_position, f"{self._name} must not be blank")
            return
        found = field_findings({**self._record, self._name: document.text}, self._name)
        if found:
            raise ValidationError(document.cursor_position, safe_line(found[0].message))


def field_findings(record: Mapping[str, Any], name: str) -> list[Finding]:
    """What is wrong with one field of a record that is still being written."""
    findings = check_record(Path("record"), dict(record))
    # The language is asked for after the answer, so a wrong script is judged when the record is whole.
    return [
        finding
        for finding in findings
        if finding.field == name and finding.severity == "error" and finding.rule not in ("required", "wrong-script")
    ]
