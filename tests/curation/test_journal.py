"""The journal: what was done can be told, taken back and done again, whoever was killed and whoever else wrote."""

import base64
import contextlib
import hashlib
import json
import os
import random
import stat
import subprocess
import sys
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from curation.atomic import locked
from curation.bulk import retag
from curation.choosing import choose_by_conditions, choose_by_ids
from curation.errors import UserError
from curation.hunks import KEPT_BYTES, compare
from curation.journal import OUTSIDE, entries, redo, restore, undo, undo_to, versions
from curation.journal_file import Journal, journal_path
from curation.records import read_dataset
from curation.store import Note, append_record, appending, remove_record, replace_record, sha256_of, write_pieces

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.jsonl"


def edit(path: Path, record_id: str, answer: str) -> None:
    dataset = read_dataset(path)
    line, record = dataset.find(record_id)
    replace_record(dataset, line, {**record.data, "answer": answer})


def rewrite(path: Path, make: Callable[[bytes], bytes]) -> None:
    content = path.read_bytes()
    with locked(path):
        write_pieces(path, compare(BytesIO(content), BytesIO(make(content))), Note("fix"), sha256_of(path))


def version(path: Path, at: int | datetime) -> bytes:
    with contextlib.ExitStack() as files:
        return versions(path, at, files)[0].read()


def remove(path: Path, record_id: str) -> None:
    dataset = read_dataset(path)
    remove_record(dataset, dataset.find(record_id)[0])


def told(path: Path) -> list[tuple[int, str, str]]:
    return [(entry.number, entry.command, entry.state) for entry in entries(path)]


def five_states(path: Path) -> list[bytes]:
    """What a file was before and after four changes."""
    states = [b'{"id":"z",  "x":1.10}\r\n{broken\n{"id": "y"}']
    path.write_bytes(states[0])
    changes = [
        lambda: append_record(path, {"id": "a", "answer": "大阪"}),
        lambda: edit(path, "a", "東京"),
        lambda: remove(path, "z"),
        lambda: rewrite(path, lambda content: content.replace(b"{broken\n", b"")),
    ]
    for change in changes:
        change()
        states.append(path.read_bytes())
    assert len(set(states)) == 5
    return states


def test_each_undo_goes_one_further_back_and_each_redo_comes_again_to_the_byte(path: Path) -> None:
    states = five_states(path)
    for state in states[-2::-1]:
        undo(path)
        assert path.read_bytes() == state
    with pytest.raises(UserError, match=r"x\.jsonl: there is nothing to undo"):
        undo(path)
    for state in states[1:]:
        redo(path)
        assert path.read_bytes() == state
    with pytest.raises(UserError, match=r"x\.jsonl: there is nothing to redo"):
        redo(path)


def test_several_changes_are_taken_back_in_one_that_is_one_to_redo(path: Path) -> None:
    states = five_states(path)
    change = undo(path, 3)
    assert path.read_bytes() == states[1]
    assert [entry.number for entry in change.about] == [4, 3, 2]
    redo(path)
    assert path.read_bytes() == states[4]
    undo_to(path, 2)
    assert path.read_bytes() == states[2]
    undo_to(path, 0)
    assert path.read_bytes() == states[0]
    with pytest.raises(UserError, match="entry 3 is none that is done"):
        undo_to(path, 3)
    with pytest.raises(UserError, match="there is nothing to undo"):
        undo(path)


def test_more_than_was_done_is_not_undone(path: Path) -> None:
    states = five_states(path)
    with pytest.raises(UserError, match="only 4 of its changes can be undone"):
        undo(path, 5)
    assert path.read_bytes() == states[-1]


def test_changes_that_come_to_nothing_together_are_undone_together(path: Path) -> None:
    append_record(path, {"id": "a"})
    append_record(path, {"id": "b"})
    remove(path, "b")
    undo(path, 2)
    assert path.read_bytes() == b'{"id": "a"}\n'
    undo(path)
    assert path.read_bytes() == b""
    redo(path)
    redo(path)
    undo(path)
    assert path.read_bytes() == b'{"id": "a"}\n{"id": "b"}\n'


def test_the_journal_tells_when_what_and_to_which_records(path: Path) -> None:
    five_states(path)
    found = entries(path)
    assert [(one.number, one.command, one.ids, one.added, one.changed, one.removed) for one in found] == [
        (1, "add", ("a",), 1, 0, 0),
        (2, "edit", ("a",), 0, 1, 0),
        (3, "rm", ("z",), 0, 0, 1),
        (4, "fix", ("line:1",), 0, 0, 1),
    ]
    for one, other in zip(found, found[1:], strict=False):
        assert one.after == other.before
    now = datetime.now().astimezone()
    assert all(timedelta() <= now - datetime.fromisoformat(one.time) < timedelta(minutes=5) for one in found)
    (hunk,) = Journal(path).hunks(found[1])
    assert (json.loads(hunk.old)["answer"], json.loads(hunk.new or b"")["answer"]) == ("大阪", "東京")


def test_any_state_can_be_had_again_and_that_is_a_change_too(path: Path) -> None:
    states = five_states(path)
    assert [version(path, number) for number in range(5)] == states
    restore(path, 1)
    assert path.read_bytes() == states[1]
    assert version(path, 4) == states[4]
    undo(path)
    assert path.read_bytes() == states[4]
    assert restore(path, 4).entry is None
    with pytest.raises(UserError, match="its journal has no entry 9"):
        version(path, 9)


def test_the_state_of_a_time_is_that_after_the_last_entry_until_then(path: Path) -> None:
    states = five_states(path)
    now = datetime.now().astimezone()
    assert version(path, now + timedelta(seconds=1)) == states[4]
    assert version(path, now - timedelta(hours=1)) == states[0]


def test_a_journal_may_be_removed_at_any_time(path: Path) -> None:
    states = five_states(path)
    journal_path(path).unlink()
    assert entries(path) == []
    with pytest.raises(UserError, match="has no journal"):
        version(path, 1)
    append_record(path, {"id": "b"})
    undo(path)
    assert path.read_bytes() == states[-1]


def test_a_file_that_was_made_by_an_append_is_empty_when_that_is_undone(path: Path) -> None:
    append_record(path, {"id": "a"})
    undo(path)
    assert path.read_bytes() == b""


def test_many_appended_records_are_not_written_twice_and_come_again_all_the_same(path: Path) -> None:
    with appending(path) as file:
        for number in range(3000):
            file.add({"id": f"r{number}", "answer": f"東京{number:09}です。"})
    whole = path.read_bytes()
    assert len(whole) > KEPT_BYTES
    assert journal_path(path).stat().st_size < 2000
    edit(path, "r7", "x")
    undo(path, 2)
    assert path.read_bytes() == b""
    assert version(path, 1) == whole
    redo(path)
    undo(path)
    redo(path)
    assert read_dataset(path).find("r7")[1].answer == "x"


def test_an_import_that_changes_and_adds_is_undone_to_the_byte(path: Path) -> None:
    before = b'{"id":"a",  "x":1.10}\r\n{broken\n{"id":"b", "y":1E5, "answer":"1"}'
    path.write_bytes(before)
    with appending(path) as file:
        file.change("b", {"id": "b", "answer": "2"})
        file.add({"id": "c"})
    after = path.read_bytes()
    (entry,) = entries(path)
    assert (entry.command, entry.ids, entry.added, entry.changed) == ("import", ("b", "c"), 1, 1)
    undo(path)
    assert path.read_bytes() == before
    redo(path)
    assert path.read_bytes() == after


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_nobody_reads_in_the_journal_what_he_may_not_read_in_the_file(path: Path, mode: int) -> None:
    path.write_bytes(b"")
    path.chmod(mode)
    append_record(path, {"id": "a"})
    assert stat.S_IMODE(journal_path(path).stat().st_mode) == mode


def test_a_team_writes_in_one_journal_whoever_of_it_made_it(path: Path) -> None:
    append_record(path, {"id": "a"})
    code = (
        "import sys; from pathlib import Path; import curation.store\n"
        "def refuse(event, arguments):\n"
        "    if event == 'os.chmod' and type(arguments[0]) is int: raise PermissionError(1, 'Operation not permitted')\n"
        "sys.addaudithook(refuse)\n"
        "curation.store.append_record(Path(sys.argv[1]), {'id': 'b'})"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, path], env=env, timeout=60, check=True)
    assert told(path) == [(1, "add", "done"), (2, "add", "done")]


def test_the_journal_of_a_link_is_that_of_its_target(tmp_path: Path, path: Path) -> None:
    (tmp_path / "data").mkdir()
    link = tmp_path / "link.jsonl"
    link.symlink_to("data/x.jsonl")
    append_record(link, {"id": "a"})
    assert journal_path(link) == tmp_path / "data" / ".x.jsonl.journal"
    assert told(tmp_path / "data" / "x.jsonl") == told(link) == [(1, "add", "done")]
    undo(link)
    assert link.is_symlink()


# -- another program -------------------------------------------------------------------------------------------------


def test_a_change_by_another_program_stays_when_ours_is_undone(path: Path) -> None:
    append_record(path, {"id": "a", "answer": "1"})
    edit(path, "a", "2")
    path.write_bytes(path.read_bytes() + b'{"id": "theirs"}\n')
    undo(path)
    assert path.read_bytes() == b'{"id": "a", "answer": "1"}\n{"id": "theirs"}\n'
    redo(path)
    assert path.read_bytes() == b'{"id": "a", "answer": "2"}\n{"id": "theirs"}\n'
    undo(path, 2)
    assert path.read_bytes() == b'{"id": "theirs"}\n'
    assert [command for _, command, _ in told(path)] == ["add", "edit", OUTSIDE, "undo", "redo", "undo"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda path: edit(path, "a", "2"), b'{"id": "a", "answer": "3"}\n{"id": "b"}\n'),
        (lambda path: edit(path, "a", "2"), b'{"id": "a", "answer": "2"}\n' * 2),
        (lambda path: remove(path, "a"), b'{"id": "theirs"}\n{"id": "b"}\n'),
        (lambda path: rewrite(path, lambda old: old + b"\n"), b'{"id": "b"}\n\n\n'),
    ],
    ids=["changed again", "there twice", "place unknown", "blank"],
)
def test_what_another_program_has_changed_since_is_not_guessed_at(path: Path, ours: object, theirs: bytes) -> None:
    path.write_bytes(b'{"id": "a", "answer": "1"}\n{"id": "b"}\n')
    assert callable(ours)
    ours(path)
    path.write_bytes(theirs)
    with pytest.raises(UserError, match="another program has changed it since entry 1"):
        undo(path)
    assert path.read_bytes() == theirs


def test_an_old_last_line_without_newline_does_not_run_into_another(path: Path) -> None:
    path.write_bytes(b'{"id": "a"}')
    rewrite(path, lambda content: content + b"\n")
    path.write_bytes(b'{"id": "a"}\n{"id": "theirs"}\n')
    with pytest.raises(UserError, match="another program has changed it"):
        undo(path)


def test_what_was_before_a_change_by_another_program_is_not_known(path: Path) -> None:
    append_record(path, {"id": "a"})
    path.write_bytes(b'{"id": "theirs"}\n')
    append_record(path, {"id": "b"})
    assert version(path, 2) == b'{"id": "theirs"}\n{"id": "b"}\n'
    with pytest.raises(
        UserError, match="another program has changed it since, and what it was before that is not known"
    ):
        version(path, 1)


def test_a_program_without_our_lock_is_noticed_while_records_are_added(path: Path) -> None:
    path.write_bytes(b'{"id": "a"}\n')
    with pytest.raises(UserError, match="was changed by another program meanwhile; nothing was written"):  # noqa: SIM117
        with appending(path) as file:
            file.add({"id": "b"})
            path.write_bytes(b'{"id": "a"}\n{"id": "theirs"}\n')
    assert path.read_bytes() == b'{"id": "a"}\n{"id": "theirs"}\n'
    assert told(path) == []
    assert sorted(one.name for one in path.parent.iterdir()) == [".x.jsonl.lock", "x.jsonl"]


# -- what is cut off -------------------------------------------------------------------------------------------------


def test_a_torn_last_line_of_the_journal_is_passed_over_and_mended(path: Path) -> None:
    states = five_states(path)
    journal = journal_path(path).read_bytes()
    last = journal.rindex(b"\n", 0, -1) + 1
    for size in range(last + 1, len(journal), 37):
        path.write_bytes(states[3])
        journal_path(path).write_bytes(journal[:size])
        assert [number for number, _, _ in told(path)] == [1, 2, 3]
        append_record(path, {"id": "new"})
        assert told(path)[3:] == [(4, "add", "done")]
        assert Journal(path).damaged == 0
        undo(path, 2)
        assert path.read_bytes() == states[2]


def test_a_damaged_line_of_the_journal_leaves_the_others_to_read(path: Path) -> None:
    states = five_states(path)
    lines = journal_path(path).read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"edit", b"exit")
    journal_path(path).write_bytes(b"".join(lines))
    assert [number for number, _, _ in told(path) if number] == [1, 3, 4]
    assert Journal(path).damaged == 1
    undo(path, 2)
    assert path.read_bytes() == states[2]
    with pytest.raises(UserError, match="another program has changed it"):
        undo(path)
    with pytest.raises(UserError, match="is not known"):
        version(path, 1)


HEADS_OF_NO_HUNK = [b"null\n", b'{"a": 1}\n', b'["a", 1, 1, 1, true]\n', b"[1.5, 1, 1, 1, true]\n", b"[0, 1, -1, 0, true]\n",
                    b"[" * 100_000 + b"\n"]  # fmt: skip


def test_an_entry_of_somebody_elses_making_is_no_traceback(path: Path) -> None:
    append_record(path, {"id": "a"})
    good = journal_path(path).read_bytes()
    entry = json.loads(good[65:])
    for member, value, is_read in [
        ("hunks", "AAAA", True),
        ("hunks", 3, True),
        ("time", "now", False),
        ("time", "0001-01-01T00:00:00+14:00", False),  # which is before any year
        ("number", 0, False),
        ("ids", 1, False),
        *(("hunks", base64.b64encode(zlib.compress(head)).decode(), True) for head in HEADS_OF_NO_HUNK),
    ]:
        content = json.dumps({**entry, member: value}).encode()
        journal_path(path).write_bytes(hashlib.sha256(content).hexdigest().encode() + b" " + content + b"\n")
        assert len(entries(path)) == is_read
        with pytest.raises(UserError):
            undo(path)
    assert path.read_bytes() == b'{"id": "a"}\n'


def test_two_journals_put_together_still_tell_the_changes_of_each(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "y.jsonl"
    append_record(path, {"id": "a"})
    append_record(other, {"id": "b"})
    with journal_path(path).open("ab") as file:
        file.write(journal_path(other).read_bytes())
    journal = Journal(path)
    assert [entry.number for entry in journal.entries] == [1, 1]
    assert [hunk.new for entry in journal.entries for hunk in journal.hunks(entry)] == [
        b'{"id": "a"}\n',
        b'{"id": "b"}\n',
    ]


def test_a_journal_that_cannot_be_read_is_not_said_to_be_missing(path: Path) -> None:
    append_record(path, {"id": "a"})
    journal_path(path).write_bytes(b"no journal\n")
    with pytest.raises(UserError, match="no line of its journal can be read"):
        version(path, 0)
    journal_path(path).unlink()
    with pytest.raises(UserError, match="has no journal"):
        version(path, 0)


def test_a_change_that_was_killed_before_it_was_made_is_told_and_never_undone(path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; import curation.atomic, curation.store\n"
        "sys.addaudithook(lambda event, arguments: os._exit(9) if event == 'os.rename' else None)\n"
        "curation.store.append_record(Path(sys.argv[1]), {'id': 'b'})"
    )
    append_record(path, {"id": "a"})
    before = path.read_bytes()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code, path], env=env, timeout=60).returncode == 9
    assert path.read_bytes() == before
    assert told(path) == [(1, "add", "done"), (2, "add", "not in the file")]
    append_record(path, {"id": "c"})
    assert told(path) == [(1, "add", "done"), (2, "add", "not in the file"), (3, "add", "done")]
    undo(path)
    assert path.read_bytes() == before
    undo(path)
    assert path.read_bytes() == b""
    assert version(path, 2) == before + b'{"id": "b"}\n'


def test_a_change_that_fails_is_not_in_the_journal(path: Path, tmp_path: Path) -> None:
    append_record(path, {"id": "a"})
    journal = journal_path(path).read_bytes()
    code = (
        "import sys; from pathlib import Path; import curation.store\n"
        "def fail(event, arguments):\n    if event == 'os.rename': raise OSError(5, 'Input/output error')\n"
        "sys.addaudithook(fail)\n"
        "try: curation.store.append_record(Path(sys.argv[1]), {'id': 'b'})\nexcept Exception as error: print(error)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, path], env=env, timeout=60, capture_output=True, text=True)
    assert done.stdout == f"{path}: cannot be written (Input/output error); nothing was changed, check the folder\n"
    assert path.read_bytes() == b'{"id": "a"}\n'
    assert journal_path(path).read_bytes() == journal


def test_what_is_no_regular_file_is_never_taken_for_a_journal(path: Path) -> None:
    os.mkfifo(journal_path(path))
    with pytest.raises(UserError, match=r"\.x\.jsonl\.journal: is not a regular file"):
        append_record(path, {"id": "a"})
    with pytest.raises(UserError, match=r"\.x\.jsonl\.journal: is not a regular file"):
        entries(path)
    assert not path.exists()


def test_a_history_is_not_read_in_the_middle_of_a_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_record(path, {"id": "a"})
    monkeypatch.setattr("curation.atomic.LOCK_SECONDS", 0.01)
    with locked(path):
        for read in (entries, lambda path: version(path, 0)):
            with pytest.raises(UserError, match="another program is writing it"):
                read(path)
    assert told(path) == [(1, "add", "done")]


# -- anything at all -------------------------------------------------------------------------------------------------


class AnyHistory(RuleBasedStateMachine):
    """The file beside what it was before each change that is done, and what each undo took back."""

    @initialize(content=st.sampled_from([b"", b'{"id":"z",  "x":1.10}\r\n', b'{"id": "z"}', b"{broken\n"]))
    def begin(self, content: bytes) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "x.jsonl"
        self.path.write_bytes(content)
        self.now, self.count = content, 0
        self.before: list[bytes] = []
        self.undone: list[tuple[list[bytes], bytes]] = []

    def changed(self) -> None:
        self.before.append(self.now)
        self.now = self.path.read_bytes()
        assert self.now != self.before[-1]
        self.undone = []

    @rule()
    def add(self) -> None:
        self.count += 1
        append_record(self.path, {"id": f"r{self.count}", "answer": "東京"})
        self.changed()

    @precondition(lambda self: any(self.ids()))
    @rule(data=st.data(), is_removed=st.booleans())
    def change(self, data: st.DataObject, is_removed: bool) -> None:
        self.count += 1
        record_id = data.draw(st.sampled_from(list(self.ids())))
        if is_removed:
            remove(self.path, record_id)
        else:
            edit(self.path, record_id, f"京都{self.count}")
        self.changed()

    def ids(self) -> Iterator[str]:
        return (str(record.id) for _, record in read_dataset(self.path).records() if record.id)

    @precondition(lambda self: self.before)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, len(self.before)))
        undo(self.path, count)
        self.undone.append((self.before[-count:], self.now))
        self.now = self.before[-count]
        del self.before[-count:]

    @precondition(lambda self: self.undone)
    @rule()
    def bring_again(self) -> None:
        redo(self.path)
        taken_back, self.now = self.undone.pop()
        self.before += taken_back

    @rule()
    def open_again(self) -> None:
        assert not any(entry.state == "not in the file" for entry in entries(self.path))

    @invariant()
    def the_file_is_what_it_should_be(self) -> None:
        if hasattr(self, "path"):
            assert self.path.read_bytes() == self.now

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)  # it waits for the disk


def test_a_large_change_is_undone_without_its_journal_or_its_file_in_memory(path: Path) -> None:
    text = random.Random(1)
    path.write_bytes(
        b"".join(b'{"id": "r%d", "x": "%s"}\n' % (n, text.randbytes(250).hex().encode()) for n in range(20_000))
    )
    before = sha256_of(path)
    other = path.with_name("other.jsonl")
    other.write_bytes(b"{}\n")
    retag(choose_by_conditions(other, []), ["t"])  # what is loaded once is in memory then
    tracemalloc.start()
    retag(choose_by_conditions(path, []), ["t"])
    (entry,) = entries(path)
    size = journal_path(path).stat().st_size
    retag(choose_by_ids(path, ["r7"]), ["u"])  # the end of the journal is found behind the large line
    assert [one.number for one in entries(path)] == [1, 2]
    undo(path, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (entry.changed, len(entry.ids), sha256_of(path)) == (20_000, 20, before)
    assert size > 2_000_000
    assert peak < path.stat().st_size
