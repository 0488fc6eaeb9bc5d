"""How a record comes in (JSON on stdin, the editor, the form), and what is refused before anything is written."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from curation.errors import UserError

if TYPE_CHECKING:
    from curation.records import Finding
    from phi2chat.terminal.screen import Screen


def read_record_on_stdin() -> dict[str, Any]:
    """The one JSON object on stdin, on one line or laid out over several."""
    from curation.records import parse_dataset

    content = sys.stdin.buffer.read() if sys.stdin is not None else b""
    dataset = parse_dataset(Path("stdin"), b" ".join(content.splitlines()) if _is_one_object(content) else content)
    if dataset.broken:
        raise UserError(f"{dataset.broken[0]}; give one JSON object on stdin, or flags, see --help")
    records = list(dataset.records())
    if len(records) != 1:
        raise UserError(f"stdin: holds {len(records)} records; give one JSON object on stdin, or flags, see --help")
    return dict(records[0][1].data)


def _is_one_object(content: bytes) -> bool:
    """Whether it is an object written over several lines, whose line ends are then only layout."""
    try:
        return isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        return False


def refuse_faults(file: Path, data: Mapping[str, Any], any_script: bool, screen: "Screen") -> None:
    """Show what is wrong with a record, and the record, and raise UserError; do nothing where it is good."""
    findings = _faults(file, data, any_script)
    if findings:
        _show(findings, screen)
        _refuse(file, data, findings, screen)


def _show(findings: "list[Finding]", screen: "Screen") -> None:
    for finding in findings:
        screen.note(f"{finding.field}: {finding.message} [{finding.rule}]", "error")


def _refuse(file: Path, data: Mapping[str, Any], findings: "list[Finding]", screen: "Screen") -> NoReturn:
    screen.note(pasteable(json.dumps(dict(data), ensure_ascii=False)), wrap=False)
    fields = list(dict.fromkeys(finding.field for finding in findings))
    to_mend = " and ".join([", ".join(fields[:-1]), fields[-1]] if fields[1:] else fields)
    if all(finding.rule == "wrong-script" for finding in findings):  # then it may be the text that is right
        to_mend += f", or give {'their' if fields[1:] else 'its'} language,"
    raise UserError(f"{file}: the record was not written; mend {to_mend} and try again")


def edit_in_editor(
    file: Path, before: Mapping[str, Any], taken: Mapping[str, int], any_script: bool, screen: "Screen"
) -> dict[str, Any]:
    """The record as the user left it in $EDITOR, which opens again on the same text while something is wrong.

    `taken` are the ids of the other records and their lines.
    """
    from phi2chat.terminal.editor import edit_text, from_text, to_text

    text = to_text(before)
    while True:
        text = edit_text(text)
        try:
            data = from_text(before, text)
            faults = [f"{f.field}: {f.message}" for f in _faults(file, data, any_script)]
            record_id = data.get("id")
            if isinstance(record_id, str) and record_id in taken:
                faults.append(f'id: "{record_id}" is used on line {taken[record_id]}')
        except UserError as error:
            faults = [str(error)]
        if not faults:
            return data
        for fault in faults:
            screen.note(fault, "error")
        if not has_terminal() or not _confirms("edit again?"):
            screen.note(text, wrap=False)
            raise UserError(f"{file}: nothing was changed; your text stands above")


def fill_in_form(
    file: Path,
    before: Mapping[str, Any],
    fields: Iterable[str],
    any_script: bool,
    screen: "Screen",
    confirms: Callable[[str], bool] | None = None,
    **session_options: Any,
) -> dict[str, Any]:
    """The record as the user left it in the form, which opens again on the same text while something is wrong.

    A record that the user does not want to mend is shown and raises UserError. Raises KeyboardInterrupt where it is
    dropped.
    """
    from phi2chat.terminal.form import FIELDS, fill_form, help_of

    screen.note(help_of(keeps=False))
    data, names = dict(before), list(fields)
    while True:
        data = fill_form(data, names, **session_options)
        findings = _faults(file, data, any_script)
        if not findings:
            return data
        _show(findings, screen)
        if not (confirms or _confirms)("mend it in the form?"):
            _refuse(file, data, findings, screen)
        # What is to be mended may be the language, which was perhaps not asked for.
        names += [field for field in FIELDS if field not in names]


def _faults(file: Path, data: Mapping[str, Any], any_script: bool) -> "list[Finding]":
    from curation.rules import OPINIONS, check_record

    accepted = OPINIONS if any_script else set()
    return [f for f in check_record(file, dict(data)) if f.severity == "error" and f.rule not in accepted]


def _confirms(question: str) -> bool:
    try:
        return click.confirm(question, default=True, err=True)
    except click.Abort:  # Ctrl-C is a no here: the text must be shown before it is gone
        return False


def has_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def pasteable(json_text: str) -> str:
    """A line of JSON in which what is not safe to print stands as JSON's own escapes, so that it can be read back."""
    from phi2chat.terminal.safe_text import escapes

    return "".join(char if shown is None else _json_escape(char) for char, shown in escapes(json_text))


def _json_escape(char: str) -> str:
    utf16 = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{utf16[i : i + 4]}" for i in range(0, len(utf16), 4))
