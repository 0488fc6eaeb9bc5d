"""The history file: what stands in it whole is remembered, whatever else stands in it."""

import io
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phi2chat.chatting.history import PrivateHistory, open_history
from phi2chat.terminal.screen import SafeConsole, Screen


def screen() -> tuple[Screen, io.StringIO]:
    shown = io.StringIO()
    console = SafeConsole(file=shown, width=200)
    return Screen(console, console), shown


def opened(folder: Path) -> PrivateHistory:
    history = open_history(False, screen()[0], folder)
    assert isinstance(history, PrivateHistory)
    return history


def questions(folder: Path) -> list[str]:
    return list(opened(folder).load_history_strings())


@pytest.mark.parametrize(
    ("content", "remembered"),
    [
        (b"\n# t\n+one\n\n# t\n+two\n+lines\n", ["two\nlines", "one"]),
        (b"\n# t\n+one\n\x00\x00\x00\x00\n# t\n+two\n", ["two", "one"]),
        (b"\0\0\0\0\n# t\n+one\n", ["one"]),
        (b"\n# t\n+on\x00e\n", ["one"]),
        (b"\n# t\n+\xe9\xa6\n\n# t\n+two\n", ["two", "\ufffd"]),
        (b"\n# t\n+one\n\n# t\n+cut of", ["cut of", "one"]),
        (b"+first line alone", ["first line alone"]),
        (b"\xff\xfe\x00garbage", []),
        (b"", []),
        (b"\n# t\n+a\x85b\xe2\x80\xa8c\n", ["a\ufffdb\u2028c"]),
        (b"\n# t\n+one\r\n", ["one\r"]),
    ],
)
def test_a_damaged_history_is_read_as_far_as_it_is_whole(content: bytes, remembered: list[str], tmp_path: Path) -> None:
    (tmp_path / "history").write_bytes(content)
    assert questions(tmp_path) == remembered
    opened(tmp_path).store_string("後\nから")
    assert questions(tmp_path) == ["後\nから", *remembered]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")), max_size=5))
def test_what_was_asked_is_remembered_as_it_was(asked: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for question in asked:
            opened(folder).store_string(question)
        assert questions(folder) == asked[::-1]


def test_a_lone_surrogate_is_kept_as_a_question_mark(tmp_path: Path) -> None:
    opened(tmp_path).store_string("a\udc9bb")
    assert questions(tmp_path) == ["a?b"]


def test_sessions_that_write_at_once_do_not_mix_their_questions(tmp_path: Path) -> None:
    def write(name: str) -> None:
        history = opened(tmp_path)
        for number in range(50):
            history.store_string(f"{name}{number}\n" + "長い行" * 300 + f"\n{name}{number}")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    remembered = questions(tmp_path)
    assert len(remembered) == 200
    assert all(first.split("\n")[0] == first.split("\n")[2] for first in remembered)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from phi2chat.chatting.history import open_history
from phi2chat.terminal.screen import Screen
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
history = open_history(False, Screen(), Path(sys.argv[1]))
history.store_string("fits")
resource.setrlimit(resource.RLIMIT_FSIZE, (150, resource.RLIM_INFINITY))
history.store_string("too long " * 100)
history.store_string("too long " * 100)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
history.store_string("fits again")
"""


def test_a_full_disk_leaves_no_half_of_a_question_and_is_told_once(
    tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, env=clean_environment
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("was not kept in the history (") == 1
    assert questions(tmp_path) == ["fits again", "fits"]


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "history").symlink_to(tmp_path / "elsewhere")
    shown_on, shown = screen()
    history = open_history(False, shown_on, tmp_path)
    history.store_string("首都は？")
    assert "there is no history this time" in shown.getvalue()
    assert not (tmp_path / "elsewhere").exists()


def test_a_history_that_is_gone_is_an_empty_one(tmp_path: Path) -> None:
    history = opened(tmp_path)
    (tmp_path / "history").unlink()
    assert list(history.load_history_strings()) == []
