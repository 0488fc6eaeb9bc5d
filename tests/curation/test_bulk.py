"""Many records are relabelled, or moved to another file, in one write; nothing is lost on the way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from curation.bulk import Moved, move_records, retag
from curation.choosing import Chosen, choose_by_conditions, choose_by_ids
from curation.errors import UserError
from curation.journal import entries, undo

CONTENT = (
    b'{"id":"a",  "x":1.10, "tags": ["old", "geo"]}\r\n{broken\n'
    b'{"id": "b", "category": "math"}\n{"id": "c"}'
)  # fmt: skip
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "x.jsonl"
    file.write_bytes(CONTENT)
    return file


def everything(path: Path) -> Chosen:
    return choose_by_conditions(path, [])


def move(path: Path, other: Path, *ids: str) -> Moved:
    return move_records(choose_by_ids(path, ids), other)


def test_tags_and_labels_change_and_all_other_bytes_stay(path: Path) -> None:
    assert retag(everything(path), ["geo", "new"], ["old"], {"category": "", "source": "私"}) == 3
    assert (
        path.read_bytes()
        == (
            '{"id":"a",  "x":1.10, "tags": ["geo", "new"],  "source": "私"}\r\n{broken\n'
            '{"id": "b", "source": "私", "tags": ["geo", "new"]}\n{"id": "c", "source": "私", "tags": ["geo", "new"]}'
        ).encode()
    )
    (entry,) = entries(path)
    assert (entry.command, entry.ids, entry.changed) == ("retag", ("a", "b", "c"), 3)
    undo(path)
    assert path.read_bytes() == CONTENT


def test_a_record_that_is_so_already_is_not_written(path: Path) -> None:
    assert retag(everything(path), remove=["none"]) == 0
    assert (path.read_bytes(), entries(path)) == (CONTENT, [])
    assert retag(everything(path), add=["geo"], labels={"category": "math"}) == 3
    assert b'{"id": "b", "category": "math", "tags": ["geo"]}\n' in path.read_bytes()


def test_the_last_tag_takes_the_member_with_it_and_an_empty_one_of_the_user_stays(path: Path) -> None:
    path.write_bytes(b'{"id": "a", "tags": ["x"]}\n{"id": "b", "tags": []}\n')
    retag(choose_by_ids(path, ["a"]), remove=["x"])
    retag(choose_by_ids(path, ["b"]), labels={"category": "c"})
    assert path.read_bytes() == b'{"id": "a"}\n{"id": "b", "tags": [], "category": "c"}\n'


def test_a_label_that_breaks_the_contract_changes_nothing(path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.jsonl: family: .*; nothing was changed"):
        retag(everything(path), labels={"family": "  "})
    path.write_bytes(b'{"id": "a"}\n{"id": "b", "tags": "geo"}\n')
    with pytest.raises(UserError, match=r"x\.jsonl:2: tags is not a list; mend it first"):
        retag(everything(path), add=["x"])
    assert path.read_bytes() == b'{"id": "a"}\n{"id": "b", "tags": "geo"}\n'


def test_moved_records_keep_their_bytes_and_both_journals_say_so(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_bytes(b'{"id": "z"}')
    assert move(path, other, "c", "a") == Moved(2, 0)
    assert other.read_bytes() == b'{"id": "z"}\n{"id":"a",  "x":1.10, "tags": ["old", "geo"]}\r\n{"id": "c"}\n'
    assert path.read_bytes() == b'{broken\n{"id": "b", "category": "math"}\n'
    ((entry,), (there,)) = entries(path), entries(other)
    assert (entry.command, entry.about, entry.removed) == ("mv", f"to {other}", 2)
    assert (there.command, there.about) == ("mv", f"from {path}")
    undo(path)
    undo(other)
    assert (path.read_bytes(), other.read_bytes()) == (CONTENT, b'{"id": "z"}')


def test_records_are_moved_to_a_new_file(path: Path, tmp_path: Path) -> None:
    assert move(path, tmp_path / "new.jsonl", "b") == Moved(1, 0)
    assert (tmp_path / "new.jsonl").read_bytes() == b'{"id": "b", "category": "math"}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"id": "z"}\n{"id": "b"}\n', r'other\.jsonl:2: the id "b" is taken; give one of them another first'),
        (b'{"id": "z', r"other\.jsonl:1: the last line is broken; mend it before a record is added"),
    ],
)
def test_a_move_that_is_not_possible_changes_neither_file(
    path: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_bytes(content)
    with pytest.raises(UserError, match=message):
        move(path, other, "a", "b")
    assert (path.read_bytes(), other.read_bytes()) == (CONTENT, content)


def test_a_file_is_not_moved_into_itself(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to("x.jsonl")
    with pytest.raises(UserError, match=r"link\.jsonl: is the file that they are in; give another"):
        move(path, tmp_path / "link.jsonl", "a")
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("renames", [1, 2])
def test_a_move_that_is_killed_has_lost_nothing_and_the_next_one_ends_it(
    path: Path, tmp_path: Path, renames: int
) -> None:
    code = (
        "import os, sys; from pathlib import Path; from curation.bulk import move_records\n"
        "from curation.choosing import choose_by_ids\n"
        "seen = []\n"
        "def watch(event, arguments):\n"
        "    if event == 'os.rename': seen.append(1)\n"
        f"    if len(seen) == {renames}: os._exit(9)\n"
        "sys.addaudithook(watch)\n"
        "move_records(choose_by_ids(Path(sys.argv[1]), ['a', 'c']), Path(sys.argv[2]))"
    )
    other = tmp_path / "other.jsonl"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code, path, other], env=env, timeout=60).returncode == 9
    assert path.read_bytes() == CONTENT
    assert other.exists() == (renames == 2)
    assert move(path, other, "a", "c") == Moved(2, 2 if renames == 2 else 0)
    assert other.read_bytes() == b'{"id":"a",  "x":1.10, "tags": ["old", "geo"]}\r\n{"id": "c"}\n'
    assert path.read_bytes() == b'{broken\n{"id": "b", "category": "math"}\n'


def test_two_moves_against_each_other_do_not_wait_for_ever(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_bytes(b'{"id": "z"}\n')
    code = (
        "import sys; from pathlib import Path; from curation.bulk import move_records\n"
        "from curation.choosing import choose_by_ids\n"
        "for _ in range(5):\n"
        "    for one, two in ((sys.argv[1], sys.argv[2]), (sys.argv[2], sys.argv[1])):\n"
        "        try: move_records(choose_by_ids(Path(one), [sys.argv[3]]), Path(two))\n"
        "        except Exception as error: assert 'meanwhile' in str(error) or 'no record has' in str(error), error\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pairs = [(path, other, "a"), (other, path, "z")]
    programs = [subprocess.Popen([sys.executable, "-c", code, *map(str, pair)], env=env) for pair in pairs]
    assert [program.wait(timeout=100) for program in programs] == [0, 0]
    lines = (path.read_bytes() + b"\n" + other.read_bytes()).replace(b"\r", b"").split(b"\n")
    assert sorted(filter(None, lines)) == sorted([*CONTENT.replace(b"\r", b"").split(b"\n"), b'{"id": "z"}'])


def test_records_of_a_file_that_has_changed_since_they_were_chosen_are_not_taken_for_them(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id": "a"}\n{"id": "b"}\n')
    chosen = choose_by_ids(path, ["b"])
    assert [record.id for _, record in chosen.lines()] == ["b"]
    path.write_bytes(b'{"id": "b"}\n{"id": "c"}\n')
    with pytest.raises(UserError, match=r"x\.jsonl: was changed by another program meanwhile"):
        list(chosen.lines())
