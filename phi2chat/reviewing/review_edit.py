"""A record under review in the editor: as fields or as JSON, checked when it comes back, and kept until it is saved."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from curation.diff import changed_fields
from curation.errors import UserError
from curation.lines import BadLine, is_utf8, parse_line
from curation.recheck import check_line
from curation.records import edit_line
from curation.rules import OPINIONS
from phi2chat.reviewing.review import Question, Review
from phi2chat.reviewing.review_item import Item, read_line
from phi2chat.terminal.interrupts import Ended
from phi2chat.terminal.safe_text import on_one_line, safe

Write = Callable[[str, str], str]  # a text and the ending of its file -> the text as it was left
Fill = Callable[[Mapping[str, Any]], dict[str, Any]]  # the same for fields, where there is no editor

_REMARKS = re.compile(r"\A(?:#! .*\n)*")
SIGNATURE = ("reviewed_by", "reviewed_at")  # of a record that was accepted; an edit takes it away


def edit(review: Review, write: Write | None, fill: Fill, as_json: bool = False) -> None:
    """Let the reviewer write the current record, and save it, or say why not; what was written is kept until then.

    `write` opens an editor, `fill` the form where there is none. A line that holds no record is written as it stands.
    """
    item = review.current
    if item is None:
        return
    review.edited.append(item)
    raw = item.raw
    data = read_line(raw)
    as_json = item.draft_is_json if item.draft else as_json or isinstance(data, BadLine)
    try:
        if isinstance(data, BadLine) or as_json:
            if write is None:
                raise UserError("there is no editor to write a line in; set $EDITOR")
            new = _write_json(item, raw, None if isinstance(data, BadLine) else data, write)
        else:
            new = _write_fields(item, raw, data, write, fill)
    except UserError as error:
        if item.draft:
            _refuse(review, item, str(error))
        else:
            review.say(str(error), "error")
        return
    except Ended:
        raise
    except KeyboardInterrupt:
        review.say("dropped; nothing was changed")
        return
    if new is None or new == raw:
        item.draft = None
        review.say("nothing was changed")
    else:
        _settle(review, item, raw, new)


def _write_fields(item: Item, raw: bytes, data: Mapping[str, Any], write: Write | None, fill: Fill) -> bytes | None:
    from phi2chat.terminal.editor import from_text, to_text

    text = item.draft or to_text(data)
    if write is None:
        edited = fill(from_text(data, text))
        item.draft, item.draft_is_json = to_text(edited), False
    else:
        item.draft, item.draft_is_json = _REMARKS.sub("", write(_remarks(item) + text, ".yaml")), False
        edited = from_text(data, item.draft)
    if not is_utf8(edited):
        raise UserError("holds a byte that is not UTF-8; save it as UTF-8")
    return edit_line(raw, _unsigned(edited)) if changed_fields(data, edited) else None


def _remarks(item: Item) -> str:
    """What has to be mended, above the fields: as comments, which are taken away again."""
    found = [f"{finding.field}: {finding.message}" for finding in item.findings]
    return "".join(f"#! {safe(on_one_line(text))}\n" for text in ([item.refusal] if item.refusal else found))


def _write_json(item: Item, raw: bytes, data: Mapping[str, Any] | None, write: Write) -> bytes | None:
    """The line as it was written, which may be laid out over several; only a JSON object is one."""
    ending = raw[len(raw.rstrip(b"\r\n")) :]
    laid_out = None if data is None else json.dumps(data, ensure_ascii=False, indent=2)
    text = item.draft or laid_out or raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
    item.draft, item.draft_is_json = write(text, ".json"), True
    if not item.draft.strip():
        raise UserError("the text was empty, so nothing was changed; r removes a line")
    written = b" ".join(item.draft.strip().encode("utf-8", "surrogateescape").splitlines())
    try:
        edited = parse_line(written)
    except BadLine as bad:
        raise UserError(f"column {bad.column}: {bad.message} [{bad.rule}]") from None
    if data is None:
        return written + (ending or b"\n")
    return edit_line(raw, _unsigned(edited)) if changed_fields(data, edited) else None


def _unsigned(data: Mapping[str, Any]) -> dict[str, Any]:
    provenance = data.get("provenance")
    if not isinstance(provenance, dict) or SIGNATURE[0] not in provenance:
        return dict(data)
    rest = {key: value for key, value in provenance.items() if key not in SIGNATURE}
    return {key: rest if key == "provenance" else value for key, value in data.items() if key != "provenance" or rest}


def _settle(review: Review, item: Item, raw: bytes, new: bytes) -> None:
    """Save what was written if nothing new speaks against it, or if the reviewer says so; the contract must hold."""
    data = parse_line(new)
    before = read_line(raw)
    old = {} if isinstance(before, BadLine) else before
    saved = f"saved: changed {', '.join(changed_fields(old, data))} of {item.name}"
    known = {(f.rule, f.field, f.message) for f in check_line(review.file.path, raw, 1)}
    errors = [f for f in check_line(review.file.path, new, 1) if f.severity == "error"]
    for finding in errors:
        if finding.rule not in OPINIONS:
            _refuse(review, item, f"{finding.field}: {finding.message}")
            return
    if (line := _line_with_id(review, item, data, old.get("id"))) is not None:
        _refuse(review, item, f'id: "{data["id"]}" is used on line {line}')
        return
    doubts = [f for f in errors if (f.rule, f.field, f.message) not in known]
    if doubts:
        item.refusal = f"{doubts[0].field}: {doubts[0].message}"
        more = f" (and {len(doubts) - 1} more)" if len(doubts) > 1 else ""
        review.question = Question(
            f"{item.refusal} [{doubts[0].rule}]{more}; save it all the same? y/n",
            "y",
            lambda: _save(review, item, new, saved),
            "not saved; e opens what you wrote again",
        )
    else:
        _save(review, item, new, saved)


def _refuse(review: Review, item: Item, why: str) -> None:
    item.refusal = why
    review.say(f"not saved: {why}; e opens what you wrote again", "error")


def _save(review: Review, item: Item, new: bytes, message: str) -> None:
    if review.save(item, new, message):
        item.accepted = False


def _line_with_id(review: Review, item: Item, data: Mapping[str, Any], before: object) -> int | None:
    """The line of another record that has the id which was written, looked for only where it is a new one."""
    record_id = data.get("id")
    if not isinstance(record_id, str) or record_id == before:
        return None
    for other in review.items:
        if other is not item and record_id.encode() in other.raw and (other.data or {}).get("id") == record_id:
            return other.number
    return None


def leave_drafts(review: Review) -> list[Path]:
    """Write every text that was written and not saved to a file that stays."""
    from phi2chat.terminal.editor import leave_text

    return [Path(leave_text(item.draft)) for item in {*review.edited} if item.draft]
