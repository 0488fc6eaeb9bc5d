"""What was written in /fix is never lost with the talk: it is in a file that can be added to a dataset."""

import json
import os
import resource
import stat
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from curation.records import read_dataset
from phi2chat.chatting.corrections import Corrections
from phi2chat.chatting.drafts import leave_drafts
from phi2chat.chatting.input_line import make_session
from phi2chat.commands.repl import talk

SLIP = ["\n国会がある都市です。\n\n### Answer:\n这是东京。"]
WRITTEN = "instruction: 首都は？\nreasoning: 国会があります。\nanswer: 東京です。\nlanguage: ja\n"
CTRL_D = "\x04"


@pytest.fixture
def talked(scripted_model: Any, scripted_talk: Any) -> Any:
    """A talk with one reply."""
    talked = scripted_talk(scripted_model(SLIP))
    talked.reply("首都は？")
    return talked


def test_a_record_that_was_not_saved_can_be_added_later(talked: Any, phi2chat: Any, tmp_path: Path) -> None:
    talked.corrections.keep(talked.conversation.turns[0], WRITTEN)
    talked.corrections.file = tmp_path / "my data.jsonl"
    leave_drafts(talked, tmp_path / "state" / "drafts")
    (left,) = (tmp_path / "state" / "drafts").iterdir()
    assert stat.S_IMODE(left.stat().st_mode) == 0o600
    assert talked.shown.getvalue() == (
        f"what you wrote in /fix and did not save is in {left}\n"
        f"`phi2chat curate add '{tmp_path}/my data.jsonl' < THAT_FILE` checks and adds it\n"
    )
    done = phi2chat("curate", "add", tmp_path / "my data.jsonl", stdin=left.read_text("utf-8"))
    assert done.returncode == 0, done.stderr
    ((_, record),) = read_dataset(tmp_path / "my data.jsonl").records()
    assert (record.instruction, record.answer, record.data["provenance"]["bad_answer"]) == (
        "首都は？",
        "東京です。",
        "这是东京。",
    )


@pytest.mark.parametrize("text", ["answer: a: b", "\x00", "答え \udce9"])
def test_a_text_that_is_no_record_stays_what_it_is(talked: Any, tmp_path: Path, text: str) -> None:
    talked.corrections.keep(talked.conversation.turns[0], text)
    leave_drafts(talked, tmp_path / "drafts")
    (left,) = (tmp_path / "drafts").iterdir()
    assert left.read_bytes() == text.encode("utf-8", "surrogateescape")
    assert talked.shown.getvalue() == f"what you wrote in /fix and did not save is in {left}\n"


def test_half_a_character_is_left_as_an_escape(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    talked = scripted_talk(scripted_model(["\n国会。\n\n### Answer:\n東京\ud83d"]))
    talked.reply("首都は？")
    talked.corrections.keep(talked.conversation.turns[0], 'instruction: 首都は？\nanswer: "東京\\ud83d"\n')
    leave_drafts(talked, tmp_path / "drafts")
    (left,) = (tmp_path / "drafts").iterdir()
    assert json.loads(left.read_bytes())["answer"] == "東京\ud83d"


def test_where_the_folder_cannot_be_written_to_it_is_in_another(
    talked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drafts").write_text("a file")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    talked.corrections.keep(talked.conversation.turns[0], WRITTEN)
    leave_drafts(talked, tmp_path / "drafts")
    (left,) = (tmp_path / "tmp").iterdir()
    assert json.loads(left.read_bytes())["answer"] == "東京です。"


def test_where_the_disk_is_full_it_is_shown_and_no_piece_of_it_is_left(
    talked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    talked.corrections.keep(talked.conversation.turns[0], WRITTEN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        leave_drafts(talked, tmp_path / "drafts")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = "what you wrote in /fix and did not save cannot be kept (File too large); copy it:\n"
    assert talked.shown.getvalue() == said + WRITTEN + "\n"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_talk_that_has_nothing_unsaved_leaves_nothing(talked: Any, tmp_path: Path) -> None:
    leave_drafts(talked, tmp_path / "drafts")
    assert talked.shown.getvalue() == ""
    assert not (tmp_path / "drafts").exists()


@pytest.mark.parametrize("leave", ["/quit\r", CTRL_D])
def test_leaving_the_talk_says_where_it_is(
    talked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave: str
) -> None:
    monkeypatch.setitem(os.environ, "XDG_STATE_HOME", str(tmp_path))
    corrections = Corrections()
    corrections.keep(talked.conversation.turns[0], WRITTEN)
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(leave)
        talk(talked.conversation, talked.screen, make_session(InMemoryHistory(), burst_seconds=0), corrections)
    (left,) = (tmp_path / "phi2chat" / "drafts").iterdir()
    assert f"is in {left}\n" in talked.shown.getvalue()
