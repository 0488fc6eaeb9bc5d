"""A record typed field by field in the terminal: multi-line, checked while it is typed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import AnyFormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.validation import ValidationError, Validator

from curation.records import Finding
from curation.rules import check_record
from phi2chat.safe_input import VisibleEscapes, make_search_safe, safe_line

FIELDS = ("instruction", "input", "reasoning", "answer", "language", "family", "category")
REQUIRED = ("instruction", "reasoning", "answer")
HELP = "Esc-Enter or Ctrl-D ends a field, Enter begins a new line, Ctrl-C drops the record"


def fill_form(start: Mapping[str, Any], fields: Iterable[str] = FIELDS, **session_options: Any) -> dict[str, Any]:
    """The record with the fields as they were typed; an optional field left empty is left out.

    Raises KeyboardInterrupt where the user drops it.
    """
    record = dict(start)
    session: PromptSession[str] = PromptSession(
        multiline=True, key_bindings=_keys(), input_processors=[VisibleEscapes()], **session_options
    )
    make_search_safe(session)
    for name in fields:
        optional = "" if name in REQUIRED else " (optional)"
        typed = session.prompt(
            f"{name}{optional}: ",
            default=str(record.get(name, "")),
            validator=_FieldValidator(record, name),
            validate_while_typing=True,
            prompt_continuation="  ",
            bottom_toolbar=_toolbar,
        )
        if typed.strip():
            record[name] = typed
        else:
            record.pop(name, None)
    return record


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    @keys.add("c-d")
    def _end_field(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return keys


def _toolbar() -> AnyFormattedText:
    return HELP


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
