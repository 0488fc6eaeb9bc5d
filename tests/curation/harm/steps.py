"""Single changes of one file: as the writer makes them, and as they are meant, worked out on plain bytes."""

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from curation.journal import redo, undo
from curation.records import read_dataset
from curation.store import append_record, appending, remove_record, replace_record


@dataclass(frozen=True)
class Step:
    """One change; `text` is the answer that a record gets."""

    kind: Literal["add", "add several", "edit", "remove", "undo", "redo"]
    id: str = ""
    text: str = ""

    def make(self, path: Path) -> None:
        if self.kind == "add":
            append_record(path, {"id": self.id, "answer": self.text})
        elif self.kind == "add several":
            with appending(path) as file:
                for number in range(4):
                    file.add({"id": f"{self.id}.{number}", "answer": self.text})
        elif self.kind == "undo":
            undo(path)
        elif self.kind == "redo":
            redo(path)
        else:
            dataset = read_dataset(path)
            line, record = dataset.find(self.id)
            if self.kind == "edit":
                replace_record(dataset, line, {**record.data, "answer": self.text})
            else:
                remove_record(dataset, line)

    def apply(self, content: bytes) -> bytes:
        """What the file is to be afterwards; for an undo and a redo that is not to be known from the content."""
        if self.kind in ("add", "add several"):
            ids = [self.id] if self.kind == "add" else [f"{self.id}.{number}" for number in range(4)]
            newline = b"" if content.endswith(b"\n") or not content else b"\n"
            return (
                content + newline + b"".join(b'{"id": "%s", "answer": %s}\n' % (id.encode(), self._value) for id in ids)
            )
        lines = content.split(b"\n")
        for number, line in enumerate(lines):
            if line and json.loads(line)["id"] == self.id:
                lines[number] = self._edited(line) if self.kind == "edit" else b""
        if self.kind == "remove":
            last = lines.pop()
            return b"".join(line + b"\n" for line in lines if line) + last
        return b"\n".join(lines)

    @property
    def _value(self) -> bytes:
        return json.dumps(self.text, ensure_ascii=False).encode()

    def _edited(self, line: bytes) -> bytes:
        before, member, after = line.partition(b'"answer": ')
        if not member:
            return line.replace(b"}", b', "answer": ' + self._value + b"}")
        return before + member + self._value + after[after.rindex(b"}") :]

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def ids_in(content: bytes) -> list[str]:
    return [json.loads(line)["id"] for line in content.split(b"\n") if line]


def die_before(number: int) -> None:
    """Have this process killed before it calls a function of C for the so-manieth time; never where it is 0."""

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal number
        number -= event == "c_call"
        if event == "c_call" and number == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
