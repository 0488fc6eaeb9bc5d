"""Changes, changes by other programs and kills in any order, beside a model of plain bytes."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from programs import start
from steps import Step, ids_in

DEATHS = st.integers(0, 1500)  # before which call of a function of C; a step makes some thousand
TEXTS = st.text(st.sampled_from('東a\u2028\x85 "\\\n'), max_size=20)
OUTSIDE = st.sampled_from(["a line", "a last line without its end", "no lines", "other spacing"])


@pytest.fixture(scope="module")
def servant() -> Iterator["subprocess.Popen[str]"]:
    with start("servant.py", stdin=subprocess.PIPE) as program:
        yield program
        program.communicate()


class Editing(RuleBasedStateMachine):
    """A file that is changed; `expected` is what it holds."""

    program: "subprocess.Popen[str]"
    place: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=self.place))
        self.path = self.folder / "x.jsonl"
        self.path.write_bytes(b"")
        self.expected = b""
        self.before: list[bytes] = []  # what undo leads to, the last one first
        self.after: list[bytes] = []  # and redo
        self.number = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def make(self, step: Step, death: int) -> None:
        old, new = self.expected, step.apply(self.expected)
        if self.lead_to(new, step, death) and old != new:
            self.before.append(old)
            self.after = []

    def lead_to(self, new: bytes, step: Step, death: int) -> bool:
        """Make a step that leads to this, or dies; whether it did."""
        told = self.order(step, death)
        if told == "" and death:  # killed
            assert self.path.read_bytes() in (self.expected, new)
        else:
            assert (told, self.path.read_bytes()) == ("saved", new)
        was, self.expected = self.expected, self.path.read_bytes()
        return was != self.expected

    def order(self, step: Step, death: int) -> str:
        stdin, stdout = self.program.stdin, self.program.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps({"file": str(self.path), "step": asdict(step), "death": death}) + "\n")
        stdin.flush()
        return json.loads(stdout.readline())

    def fresh(self) -> str:
        self.number += 1
        return f"r{self.number}"

    def has_records(self) -> bool:
        return bool(ids_in(self.expected))

    @rule(text=TEXTS)
    def add(self, text: str) -> None:
        self.make(Step("add", self.fresh(), text), 0)

    @rule(text=TEXTS, death=DEATHS)
    def add_several(self, text: str, death: int) -> None:
        self.make(Step("add several", self.fresh(), text), death)

    @precondition(has_records)
    @rule(text=TEXTS, death=DEATHS, data=st.data())
    def edit(self, text: str, death: int, data: st.DataObject) -> None:
        self.make(Step("edit", data.draw(st.sampled_from(ids_in(self.expected))), text), death)

    @precondition(has_records)
    @rule(death=DEATHS, data=st.data())
    def remove(self, death: int, data: st.DataObject) -> None:
        self.make(Step("remove", data.draw(st.sampled_from(ids_in(self.expected)))), death)

    @precondition(lambda self: self.before)
    @rule(death=DEATHS)
    def undo(self, death: int) -> None:
        old = self.expected
        if self.lead_to(self.before[-1], Step("undo"), death):
            self.before.pop()
            self.after.append(old)

    @precondition(lambda self: self.after)
    @rule(death=DEATHS)
    def redo(self, death: int) -> None:
        old = self.expected
        if self.lead_to(self.after[-1], Step("redo"), death):
            self.after.pop()
            self.before.append(old)

    @rule(how=OUTSIDE)
    def another_program_writes_it(self, how: str) -> None:
        if how == "a line":
            newline = b"" if self.expected.endswith(b"\n") or not self.expected else b"\n"
            self.expected += newline + json.dumps({"id": self.fresh()}).encode() + b"\n"
        elif how == "a last line without its end":
            self.expected = self.expected.removesuffix(b"\n")
        elif how == "no lines":
            self.expected = b""
        else:
            self.expected = self.expected.replace(b", ", b",  ").replace(b"\n", b"\r\n")
        self.path.write_bytes(self.expected)
        self.before, self.after = [], []  # how far one can go back over that is told elsewhere

    @invariant()
    def the_file_is_what_was_saved(self) -> None:
        assert self.path.read_bytes() == self.expected


@pytest.mark.parametrize("runs", [30, pytest.param(2000, marks=pytest.mark.slow)])
def test_any_sequence_of_changes_and_kills_leaves_what_was_saved(
    servant: "subprocess.Popen[str]", quick_folder: Path, runs: int
) -> None:
    Editing.program, Editing.place = servant, quick_folder
    run_state_machine_as_test(
        Editing,
        settings=settings(
            max_examples=runs, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
