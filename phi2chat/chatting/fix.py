"""/fix, /good, /fixes, /data and /why: a reply becomes a training record without leaving the conversation."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.nearest import find_nearest
from curation.records import read_dataset
from phi2chat.chatting.corrections import as_it_is, draft, find_faults, name_it, read_before
from phi2chat.files import path_of
from phi2chat.terminal.changes import find_changes
from phi2chat.terminal.interrupts import Ended
from phi2chat.terminal.safe_text import on_one_line
from phi2chat.units import spell_count
from phi2chat.weights.training_data import file_to_correct, read_train_side, refuse_side_of_split, rows_of

if TYPE_CHECKING:
    from phi2chat.chatting.chat import Turn
    from phi2chat.chatting.corrections import Saved
    from phi2chat.chatting.talk import Talk
    from phi2chat.inference.examples import Row

FIELDS = ("instruction", "input", "reasoning", "answer")
SHOWN_FINDINGS = 8
SHOWN_RECORDS = 3
MOST_RECORDS = 50
NO_DATASET = "no dataset is named that records go to; name one with /data FILE, or begin with repl --data FILE"


def fix(talk: "Talk", argument: str) -> None:
    """Let the user write what the last reply should have been, and save it; what is written and not saved is kept."""
    if argument:
        raise UserError("/fix: takes nothing, it opens the last reply; correct it there")
    turn, corrections = talk.last_turn("fix"), talk.corrections
    before = corrections.latest(turn)
    file = before.file if before else _file(talk, "fix")
    start = draft(talk.conversation, turn, datetime.now(UTC))
    if before:
        start = {**before.data, "provenance": start["provenance"]}
    if not before and (earlier := len(read_before(talk.conversation, turn))):
        count = f"{earlier} earlier question" + ("" if earlier == 1 else "s")
        talk.say(f"the model had read {count} too; a record has to make sense without")
    writing = Writing({key: value for key, value in start.items() if key != "id"}, corrections.kept_of(turn))
    try:
        while True:
            try:
                data = writing.go_on(talk)
            finally:
                if writing.is_touched:
                    corrections.keep(turn, writing.text)  # until it is saved, whatever happens
            if data is not None and _settle(talk, turn, file, data, before):
                return
            if not talk.confirm("edit again?"):
                break
    except Ended:
        raise
    except KeyboardInterrupt:
        raise UserError("/fix: interrupted, and nothing was saved; /fix opens what you wrote again") from None
    talk.say(writing.text)
    raise UserError("/fix: nothing was saved; your text stands above, and /fix opens it again")


def good(talk: "Talk", argument: str) -> None:
    """Save the last reply as it is."""
    if argument:
        raise UserError("/good: takes nothing, it saves the last reply")
    turn = talk.last_turn("good")
    if before := talk.corrections.latest(turn):
        raise UserError(f"/good: this reply was saved as {before.record_id}; /fix edits the record")
    file = _file(talk, "good")
    record = as_it_is(draft(talk.conversation, turn, datetime.now(UTC)))
    if not _settle(talk, turn, file, record, None):
        raise UserError("/good: nothing was saved; /fix opens the reply, so that you can mend it")


def fixes(talk: "Talk", argument: str) -> None:
    """List what this conversation added to a dataset, or take the last of it back."""
    if argument == "undo":
        gone = talk.corrections.undo()
        talk.say(f"took {gone.record_id} out of {gone.file} again")
    elif argument:
        raise UserError("/fixes: takes nothing, or undo")
    elif not talk.corrections.saved:
        talk.say("nothing was added in this conversation; /fix corrects the last reply, /good saves it as it is")
    else:
        rows = [
            [one.record_id, on_one_line(str(one.data["instruction"])), ", ".join(one.changed) or "as it was"]
            for one in talk.corrections.saved
        ]
        talk.screen.table(["id", "question", "changed"], rows)


def dataset(talk: "Talk", argument: str) -> None:
    """Name the file that records go to, or say which it is."""
    if argument:
        talk.corrections.file = dataset_file(path_of(argument, "data", "datasets/my.jsonl"))
    file = talk.corrections.file
    if file is None:
        raise UserError(f"/data: {NO_DATASET}")
    holds = f"which has {spell_count(sum(1 for _ in read_dataset(file).records()))}" if file.exists() else "a new file"
    talk.say(f"records go to {file}, {holds}")


def why(talk: "Talk", argument: str) -> None:
    """Show the training records that are nearest to the last question."""
    turn = talk.last_turn("why")
    if argument and not (argument.isdecimal() and 1 <= int(argument[:9]) <= MOST_RECORDS):
        raise UserError(f"/why: give how many records to show, from 1 to {MOST_RECORDS}, as in /why 5")
    rows = _training_rows(talk)
    texts = (f"{row.record.instruction}\n{row.record.input}" for row in rows)
    found = find_nearest(turn.question, texts, int(argument or SHOWN_RECORDS))
    if not found:
        talk.say(f"nothing in {spell_count(len(rows))} is like the question")
    for one in found:
        row = rows[one.place]
        talk.screen.say(f"{one.likeness:.2f}  {row.record.id or '(no id)'}  {row.path}:{row.line}", "heading")
        for field in ("instruction", "input", "reasoning", "answer"):
            if value := getattr(row.record, field):
                talk.screen.say(f"{field}: {value}", "reasoning" if field == "reasoning" else "")


def dataset_file(file: Path) -> Path:
    """The JSONL file that a user names for records, there or not. Raises UserError for what can be none."""
    if file.is_dir():
        raise UserError(f"{file}: is a folder; name a file in it, such as {file / 'records.jsonl'}")
    if not file.absolute().parent.is_dir():
        raise UserError(f"{file}: its folder does not exist; make it first")
    if file.exists() and (dataset := read_dataset(file)).lines and not any(dataset.records()):
        raise UserError(f"{file}: holds no record, so it is no dataset; give a JSONL file, or a new one")
    refuse_side_of_split(file)
    return file


class Writing:
    """A record that is being written in $EDITOR, or in the form where none is set: how it began, and its text now."""

    def __init__(self, start: Mapping[str, Any], text: str | None) -> None:
        from phi2chat.terminal.editor import to_text

        self._start, self._untouched = start, to_text(start, FIELDS)
        self.text = self._untouched if text is None else text

    @property
    def is_touched(self) -> bool:
        return bool(self.text.strip()) and self.text != self._untouched

    def go_on(self, talk: "Talk") -> dict[str, Any] | None:
        """The record as the user leaves it; None, and it is said why, where the text is none.

        Raises UserError where the editor fails, and where nothing was written.
        """
        from phi2chat.terminal.editor import edit_text, from_text, has_editor

        if has_editor():
            self.text = edit_text(self.text)
        else:
            self._fill_form(talk)
        if not self.text.strip():
            raise UserError("/fix: the text was empty, so nothing was saved")
        try:
            data = from_text(self._start, self.text)
        except UserError as error:
            talk.screen.say(str(error), "error")
            return None
        if data == self._start:
            raise UserError("/fix: nothing was changed, so nothing was saved; /good saves a reply as it is")
        return data

    def _fill_form(self, talk: "Talk") -> None:
        from phi2chat.terminal.editor import from_text, to_text
        from phi2chat.terminal.form import fill_form, help_of

        talk.say(help_of(keeps=True))

        def keep(data: dict[str, Any]) -> None:
            self.text = to_text(data, FIELDS)

        fill_form(from_text(self._start, self.text), FIELDS, keep)


def _settle(talk: "Talk", turn: "Turn", file: Path, data: dict[str, Any], before: "Saved | None") -> bool:
    """Show what a record changes and what speaks against it, and save it if that is nothing or the user agrees."""
    corrections = talk.corrections
    data = name_it(file, data, before)
    faults = find_faults(file, data, turn, talk.conversation.model.style, corrections.run, bool(before))
    changes = [] if faults.errors else find_changes(turn, data)
    for change in changes:
        talk.screen.change(change)
    found, style = faults.errors + faults.doubts, "error" if faults.errors else "warning"
    for finding in found[:SHOWN_FINDINGS]:
        field = f"{finding.field}: " if finding.field else ""
        talk.screen.say(f"! {field}{finding.message} [{finding.rule}]", style)
    if len(found) > SHOWN_FINDINGS:
        talk.screen.say(f"! ... and {len(found) - SHOWN_FINDINGS:,} more", style)
    for remark in faults.remarks:
        talk.say(remark)
    if faults.errors or (faults.doubts and not talk.confirm("save it all the same?")):
        return False
    is_new = not file.exists()
    saved = corrections.save(turn, file, data, [change.name for change in changes])
    what = f"changed {saved.record_id} in" if before else f"saved {saved.record_id} to"
    talk.screen.say(f"{what} {saved.file}" + (", a new file" if is_new else ""), "good")
    return True


def _file(talk: "Talk", command: str) -> Path:
    """The file that records go to; where none is named, the one that the adapter was trained on, if the user agrees."""
    corrections = talk.corrections
    if corrections.file is None:
        trained_on = file_to_correct(corrections.run) if corrections.run else None
        if trained_on is None or not talk.confirm(f"add records to {trained_on}, which the adapter was trained on?"):
            raise UserError(f"/{command}: {NO_DATASET}")
        corrections.file = dataset_file(trained_on)
    return corrections.file


def _training_rows(talk: "Talk") -> "tuple[Row, ...]":
    """The records that the adapter was trained on, else those of the dataset; it is said where they have changed."""
    corrections = talk.corrections
    if corrections.run:
        rows, changed = read_train_side(corrections.run)
        if changed:
            talk.say(f"{corrections.run.data} has changed since the training")
        added = {one.record_id for one in corrections.saved}
        return tuple(row for row in rows if row.record.id not in added)
    if corrections.file is None:
        raise UserError("/why: no training data are known; name a dataset with /data FILE")
    if not corrections.file.exists():
        raise UserError(f"/why: {corrections.file} has no record yet; /fix and /good add one")
    return rows_of(read_dataset(corrections.file))
