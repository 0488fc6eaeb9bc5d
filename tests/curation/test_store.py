"""The only writer: a file is replaced whole or not at all, and never over somebody else's change."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.atomic import replacing, write_all, write_atomically
from curation.errors import UserError
from curation.records import read_dataset
from curation.store import (
    Note,
    append_record,
    appending,
    change_lines,
    new_id,
    remove_record,
    replace_record,
    sha256_of,
)

RECORD = {"instruction": "日本の首都は？", "reasoning": "国会があります。", "answer": "東京です。"}


def run_python(code: str, *arguments: object, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own; a UserError ends up alone on stdout."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom curation.errors import UserError\nfrom curation.store import *\n"
        "from curation.atomic import *\n"
        f"try:\n    {code}\nexcept UserError as error:\n    print(error)\n"
    )
    command = [*before, sys.executable, "-c", script, *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, env=env)


@pytest.fixture
def as_nobody_special() -> tuple[str, ...]:
    """What to put before a command so that permissions hold for it, also where the tests run as root."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that power away")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith((".lock", ".journal")))


# -- writing ---------------------------------------------------------------------------------------------------------


def test_a_write_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_atomically(path, b"a much longer old text")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert names_in(tmp_path) == ["x.jsonl"]


def test_what_is_no_regular_file_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match=r"pipe: is not a regular file; give another"):
        write_atomically(pipe, b"new")
    with pytest.raises(UserError, match=r"pipe: is not a regular file; give another"), replacing(pipe) as staged:
        staged.write_bytes(b"new")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names_in(tmp_path) == ["pipe"]


def test_a_write_that_fails_midway_leaves_the_old_bytes_and_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"old" * 100)
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"
        " write_atomically(Path(sys.argv[1]), b'x' * 5000)"
    )
    done = run_python(code, path)
    assert (done.stdout, done.stderr) == (
        f"{path}: cannot be written (File too large); nothing was changed, check the folder\n",
        "",
    )
    assert path.read_bytes() == b"old" * 100
    assert names_in(tmp_path) == ["x.jsonl"]


def test_a_full_disk_leaves_the_old_bytes_and_says_what_is_needed(tmp_path: Path) -> None:
    in_namespace = ("unshare", "--map-root-user", "--mount") if os.geteuid() else ("unshare", "--mount")
    mount = f"mount -t tmpfs -o size=64k none {tmp_path}"
    if (
        shutil.which("unshare") is None
        or subprocess.run([*in_namespace, "sh", "-c", mount], capture_output=True).returncode
    ):
        pytest.skip("no small disk can be mounted here")
    path = tmp_path / "x.jsonl"
    code = (
        "path = Path(sys.argv[1]); path.write_bytes(b'old'); import os\n"
        "    try: write_atomically(path, b'x' * 100_000)\n"
        "    finally: print(path.read_bytes(), os.listdir(path.parent))"
    )
    done = run_python(code, path, before=(*in_namespace, "sh", "-c", f'{mount} && exec "$@"', "sh"))
    assert (done.stdout, done.stderr) == (
        "b'old' ['x.jsonl']\n"
        f"{path}: the disk is full, 100,000 bytes are needed; nothing was changed, make room first\n",
        "",
    )


@pytest.mark.parametrize("large", ["a.jsonl", "b.jsonl", "c.jsonl"])
def test_of_several_files_the_one_is_named_that_the_disk_has_no_room_for(tmp_path: Path, large: str) -> None:
    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl")]
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); large = Path(sys.argv[1])\n"
        "    with replacing_all(list(map(Path, sys.argv[2:]))) as files:\n"
        "        for path, file in files.items(): file.write(b'x' * (50_000 if path == large else 10))"
    )
    done = run_python(code, tmp_path / large, *paths)
    assert (done.stdout, done.stderr) == (
        f"{tmp_path / large}: cannot be written (File too large); nothing was changed, check the folder\n",
        "",
    )
    assert names_in(tmp_path) == []


def test_a_symbolic_link_stays_one_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    target, link = tmp_path / "data" / "x.jsonl", tmp_path / "link.jsonl"
    target.write_bytes(b"old\n")
    link.symlink_to("data/x.jsonl")
    write_atomically(link, b'{"id": "new"}\n')
    assert link.is_symlink()
    append_record(link, {"id": "a"})
    assert link.is_symlink()
    assert target.read_bytes() == b'{"id": "new"}\n{"id": "a"}\n'


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_permissions_of_a_file_stay(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"")
    path.chmod(mode)
    append_record(path, RECORD)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_gets_the_permissions_that_the_user_gives_new_files(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "x.jsonl", b"")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x.jsonl").stat().st_mode) == 0o640


def test_a_read_only_file_is_not_replaced(tmp_path: Path, as_nobody_special: tuple[str, ...]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"old\n")
    path.chmod(0o444)
    done = run_python("write_atomically(Path(sys.argv[1]), b'new')", path, before=as_nobody_special)
    assert (done.stdout, done.stderr) == (f"{path}: is read-only; nothing was written\n", "")
    assert path.read_bytes() == b"old\n"


def test_a_read_only_folder_is_named_at_once(tmp_path: Path, as_nobody_special: tuple[str, ...]) -> None:
    path = tmp_path / "data" / "x.jsonl"
    path.parent.mkdir(mode=0o555)
    done = run_python("append_record(Path(sys.argv[1]), {'id': 'a'})", path, before=as_nobody_special)
    message = "its folder cannot be written, or does not exist; choose another"
    assert (done.stdout, done.stderr) == (f"{path}: {message}\n", "")
    assert names_in(path.parent) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "x.jsonl"
    with pytest.raises(UserError, match="its folder cannot be written, or does not exist; choose another"):
        append_record(path, RECORD)
    with pytest.raises(UserError, match=r"cannot be written \(No such file or directory\); nothing was changed"):
        write_atomically(path, b"")


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(UserError, match=r"x\.jsonl: is not a regular file; give another"):
        write_atomically(tmp_path / "x.jsonl", b"new")
    assert names_in(tmp_path) == ["x.jsonl"]


@pytest.mark.parametrize("mode", [0o664, 0o600])
def test_whoever_may_write_a_file_may_lock_it_and_nobody_else(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id": "a"}\n')
    path.chmod(mode)
    append_record(path, {"id": "b"})
    assert stat.S_IMODE((tmp_path / ".x.jsonl.lock").stat().st_mode) == mode


def test_a_folder_that_goes_while_one_is_in_it_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UserError, match=r"^x\.jsonl: the folder that you are in is gone; change to another$"):
        append_record(Path("x.jsonl"), {"id": "a"})


def test_a_change_is_not_written_over_that_of_a_program_without_our_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"old")

    def change(_: int, raw: bytes) -> bytes:
        path.unlink()
        path.write_bytes(raw + b" and theirs")
        return raw + b" and ours"

    with pytest.raises(UserError, match=r"x\.jsonl: was changed by another program meanwhile; nothing was written"):
        change_lines(path, sha256_of(path), change, Note("fix"))
    assert path.read_bytes() == b"old and theirs"


# -- records ---------------------------------------------------------------------------------------------------------


def test_a_record_is_added_at_the_end_with_an_id(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    first = append_record(path, RECORD)
    second = append_record(path, RECORD)
    assert first != second
    expected = [{"id": first, **RECORD}, {"id": second, **RECORD}]
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == expected
    assert path.read_text(encoding="utf-8").startswith(f'{{"id": "{first}", "instruction": "日本の首都は？"')


def test_the_id_of_a_question_is_the_same_in_every_file() -> None:
    assert new_id(RECORD, {}) == new_id({**RECORD, "answer": "京都です。"}, {})
    assert new_id(RECORD, {}) != new_id({**RECORD, "language": "en"}, {})
    assert new_id(RECORD, {new_id(RECORD, {}): 1}) != new_id(RECORD, {})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"", b'{"id": "b"}\n'),
        (b'{"id": "a"}\n', b'{"id": "a"}\n{"id": "b"}\n'),
        (b'{"id": "a"}', b'{"id": "a"}\n{"id": "b"}\n'),
        (b'{"id":["a"],  "x":1.10}\r\n', b'{"id":["a"],  "x":1.10}\r\n{"id": "b"}\n'),
        (b"{broken\n\xff\n", b'{broken\n\xff\n{"id": "b"}\n'),
    ],
    ids=["empty", "one", "no newline", "odd", "broken"],
)
def test_an_added_record_changes_no_line_before_it(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(old)
    assert append_record(path, {"id": "b"}) == "b"
    assert path.read_bytes() == new


def test_a_last_line_that_was_cut_is_not_made_whole_by_the_next_record(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id": "a"}\n{"id": "b')
    with pytest.raises(UserError, match=r"x\.jsonl:2: the last line is broken; mend it before a record is added"):
        append_record(path, RECORD)
    assert path.read_bytes() == b'{"id": "a"}\n{"id": "b'


@pytest.mark.parametrize("empty", ["", None])
def test_the_id_that_is_returned_is_the_one_that_is_written(tmp_path: Path, empty: str | None) -> None:
    path = tmp_path / "data.jsonl"
    record_id = append_record(path, {"id": empty, "instruction": "？", "reasoning": "x", "answer": "y"})
    assert [record.id for _, record in read_dataset(path).records()] == [record_id]


def test_an_id_that_is_taken_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id": "a"}\n{"id": "b"}\n')
    with pytest.raises(UserError, match=r'x\.jsonl:2: the id "b" is taken; give another with --id'):
        append_record(path, {"id": "b"})
    assert path.read_bytes() == b'{"id": "a"}\n{"id": "b"}\n'


@given(st.lists(st.sampled_from(['{"id":"%s", "x":1.10}\n', '{"id": "%s"}\r\n', "{broken %s\n", "\n"])), st.data())
@settings(max_examples=30, deadline=None)  # each example waits for the disk
def test_one_edited_record_leaves_every_other_line_as_it_was(shapes: list[str], data: st.DataObject) -> None:
    lines = [shape % number if "%" in shape else shape for number, shape in enumerate(shapes)]
    lines.insert(data.draw(st.integers(0, len(lines))), '{"id": "edited",  "x":1E5}\n')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_text("".join(lines), newline="")
        dataset = read_dataset(path)
        line, record = dataset.find("edited")
        replace_record(dataset, line, {**record.data, "answer": "東京"})
        edited = [line.replace("1E5}", '1E5,  "answer": "東京"}') if "edited" in line else line for line in lines]
        assert path.read_bytes().decode() == "".join(edited)

        dataset = read_dataset(path)
        remove_record(dataset, dataset.find("edited")[0])
        assert path.read_bytes().decode() == "".join(line for line in lines if "edited" not in line)


def test_a_change_by_another_program_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id": "a"}\n')
    dataset = read_dataset(path)
    line, _ = dataset.find("a")
    theirs = b'{"id": "a"}\n{"id": "theirs"}\n'
    path.write_bytes(theirs)
    sentence = "was changed by another program meanwhile; nothing was written, try again"
    with pytest.raises(UserError, match=sentence):
        replace_record(dataset, line, {"id": "b"})
    with pytest.raises(UserError, match=sentence):
        remove_record(dataset, line)
    assert path.read_bytes() == theirs


def test_two_programs_that_add_records_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    code = (
        "import sys; from pathlib import Path; from curation.store import append_record\n"
        "for n in range(50): append_record(Path(sys.argv[1]), {'id': f'{sys.argv[2]}-{n}', 'answer': '東京' * 20})"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    programs = [subprocess.Popen([sys.executable, "-c", code, path, name], env=env) for name in ("a", "b")]
    assert [program.wait(timeout=100) for program in programs] == [0, 0]
    dataset = read_dataset(path)
    assert dataset.broken == ()
    ids = [str(record.id) for _, record in dataset.records()]
    for name in ("a", "b"):  # each in the order in which it was added
        assert [id for id in ids if id.startswith(name)] == [f"{name}-{n}" for n in range(50)]
    assert len(ids) == 100


def test_several_files_are_replaced_together_or_not_at_all(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "nowhere" / "b.jsonl"
    first.write_bytes(b"old\n")
    with pytest.raises(UserError, match="nothing was changed"):
        write_all({first: b"new\n", second: b"new\n"})
    assert first.read_bytes() == b"old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


# -- many records ----------------------------------------------------------------------------------------------------


def test_many_records_are_added_in_one_write_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id":"a",  "x":1.10}\r\n{broken\n{"id": "b"}')
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), appending(path) as file:
        file.add({"id": "c"})
        raise ZeroDivisionError
    assert path.read_bytes() == before
    with appending(path) as file:
        assert {record_id: line for record_id, (line, _) in file.taken.items()} == {"a": 1, "b": 3}
        assert [file.add({"id": "c"}), file.add({"id": "d"})] == ["c", "d"]
        assert path.read_bytes() == before
    assert path.read_bytes() == before + b'\n{"id": "c"}\n{"id": "d"}\n'
    assert names_in(tmp_path) == ["x.jsonl"]


def test_a_block_that_adds_nothing_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with appending(path):
        pass
    assert names_in(tmp_path) == []
    path.write_bytes(b'{"id": "a"}')
    with appending(path):
        pass
    assert path.read_bytes() == b'{"id": "a"}'


def test_records_are_changed_and_added_together_and_other_lines_keep_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id":"a",  "x":1.10}\r\n{broken\n{"id":"b", "y":1E5, "answer":"1"}\n')
    with appending(path) as file:
        file.change("b", {"id": "b", "answer": "2"})
        file.add({"id": "c"})
    assert path.read_bytes() == b'{"id":"a",  "x":1.10}\r\n{broken\n{"id":"b", "y":1E5, "answer":"2"}\n{"id": "c"}\n'


def test_a_file_that_is_written_by_a_block_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as staged:
        staged.write_bytes(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    with replacing(path) as staged:
        staged.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert (path.read_bytes(), names_in(tmp_path)) == (b"new", ["x.csv"])
