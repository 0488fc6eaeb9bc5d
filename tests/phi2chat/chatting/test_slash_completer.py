"""What is offered while a slash command is typed."""

import os
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from phi2chat.chatting.input_line import make_session


def offered(typed: str) -> list[Completion]:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        completer = make_session(InMemoryHistory()).completer
        return list(completer.get_completions(Document(typed), CompleteEvent()))


def becomes(typed: str) -> list[str]:
    """What the line can become."""
    return [typed[: len(typed) + one.start_position] + one.text for one in offered(typed)]


@pytest.mark.parametrize(
    ("typed", "lines"),
    [
        ("/re", ["/reasoning", "/recipe", "/retry", "/reset"]),
        ("/q", ["/quit"]),
        ("／q", ["/quit"]),
        ("/reasoning ", ["/reasoning on", "/reasoning off"]),
        ("/recipe c", ["/recipe chat"]),
        ("/lang zh", ["/lang zh-Hans", "/lang zh-Hant"]),
        ("/set te", ["/set temperature"]),
        ("/set temperature ", []),
        ("/nothing ", []),
        ("首都 /re", []),
        ("re", []),
        ("/re\n", []),
        ("//re", []),
        ("/load ~\0", []),
    ],
)
def test_commands_and_their_choices_are_completed(typed: str, lines: list[str]) -> None:
    assert becomes(typed) == lines


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the user is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "log.txt").touch()
    (tmp_path / "会話 1.jsonl").touch()
    return tmp_path


@pytest.mark.parametrize("command", ["data", "probe", "save", "load", "export", "compare save"])
def test_a_command_that_takes_a_file_offers_what_is_there(here: Path, command: str) -> None:
    assert becomes(f"/{command} ") == [f"/{command} runs", f"/{command} 会話 1.jsonl"]
    assert becomes(f"/{command} 会話 1.") == [f"/{command} 会話 1.jsonl"]
    assert becomes(f"/{command} {here}/runs/") == [f"/{command} {here}/runs/{name}" for name in ("log.txt", "one")]
    assert becomes(f"/{command} none/") == []


def test_a_comparison_offers_folders(here: Path) -> None:
    assert becomes("/compare ") == ["/compare save", "/compare runs"]
    assert becomes("/compare runs/") == ["/compare runs/one"]
    assert becomes("/compare runs/one 会") == []


def test_files_at_home_are_offered(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "HOME", str(here))
    assert becomes("/load ~/会") == ["/load ~/会話 1.jsonl"]


def test_a_command_that_takes_no_file_offers_none(here: Path) -> None:
    assert becomes("/why ") == becomes("/edit ") == becomes("/retry ") == []


def test_a_name_that_means_harm_is_shown_safely_and_put_in_as_it_is(here: Path) -> None:
    name = "x\x1b]0;t\x07\u202e\n\U000e0041"
    (here / name).touch()
    (one,) = offered("/load x")
    assert one.display_text == "x^[]0;t^G<U+202E RLO> <TAG A>"
    assert "x" + one.text == name


def test_a_name_that_is_no_utf_8_is_offered(here: Path) -> None:
    Path(os.fsdecode(b"y\xe9.jsonl")).touch()
    (one,) = offered("/load y")
    assert one.display_text == "y\\udce9.jsonl"
    assert os.fsencode("y" + one.text) == b"y\xe9.jsonl"
