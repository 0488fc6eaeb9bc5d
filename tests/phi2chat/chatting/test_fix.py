"""/fix and its kin, as transcripts: the model follows a script, and so does $EDITOR."""

import io
import re
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from curation.errors import UserError
from curation.records import read_dataset
from curation.rules import check_dataset
from curation.split import write_split
from phi2chat.chatting.chat import Conversation
from phi2chat.chatting.corrections import Corrections, run_behind
from phi2chat.chatting.slash import follow
from phi2chat.chatting.talk import Talk
from phi2chat.config import ChatConfig, ModelConfig, TrainConfig
from phi2chat.inference.examples import read_sides
from phi2chat.inference.prompt import render_completion
from phi2chat.inference.recipes import StopReason
from phi2chat.remote.chunks import MESSAGES_STYLE
from phi2chat.terminal.editor import from_text, to_text
from phi2chat.terminal.interrupts import Ended
from phi2chat.terminal.screen import SafeConsole, Screen
from phi2chat.weights.run import Run, read_run

SLIP = ["\n国会がある都市です。\n\n### Answer:\n这是东京。"]
GOOD = ["\n国会がある都市です。\n\n### Answer:\n東京です。"]
REASONING = "国会がある都市です。"


class CorrectingTalk(Talk):
    """A talk on a screen without colours, whose user answers questions in turn; the replies are not shown."""

    def __init__(self, conversation: Conversation, corrections: Corrections, *answers: bool) -> None:
        self.shown, self.answers = io.StringIO(), list(answers)
        console = SafeConsole(file=self.shown, width=120)
        super().__init__(conversation, Screen(console, console), self.answer, corrections)

    def answer(self, question: str) -> bool:
        self.shown.write(f"? {question}\n")
        return self.answers.pop(0)

    def reply(self, question: str, **changes: Any) -> None:
        for _ in self.conversation.ask(question, **changes):
            pass

    def run(self, *lines: str) -> str:
        """What is shown after these lines; a refusal begins with "! "."""
        before = len(self.shown.getvalue())
        for line in lines:
            try:
                follow(self, line)
            except UserError as error:
                self.shown.write(f"! {error}\n")
        return self.shown.getvalue()[before:]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data.jsonl"


@pytest.fixture
def talk(scripted_model: Any, data: Path) -> CorrectingTalk:
    """A talk whose last reply slipped into Chinese, and two more to come."""
    conversation = Conversation(scripted_model(SLIP, GOOD, GOOD), ChatConfig(recipe="a"))
    talk = CorrectingTalk(conversation, Corrections(file=data))
    talk.reply("日本の首都は？")
    return talk


Edit = Callable[[str], None]


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Make $EDITOR run a line of Python on the text `t` of the file that it is given."""
    script = tmp_path / "editor.py"
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{shlex.quote(sys.executable)} -S {shlex.quote(str(script))}")

    def edit(line: str) -> None:
        script.write_text(
            "import os, sys\n"
            "t = open(sys.argv[1], encoding='utf-8', newline='').read()\n"
            f"{line}\n"
            "open(sys.argv[1], 'w', encoding='utf-8', newline='').write(t)\n",
            encoding="utf-8",
        )

    edit("")
    return edit


def records(file: Path) -> list[dict[str, Any]]:
    return [dict(record.data) for _, record in read_dataset(file).records()]


MEND = "t = t.replace('这是东京。', '東京です。')"
SAVED = "answer\n- ⟦这是东京⟧。\n+ 東京です。\nsaved afb780fa48 to {file}, a new file\n"


# /fix


def test_a_slip_becomes_a_record_that_says_where_it_comes_from(talk: CorrectingTalk, data: Path, editor: Edit) -> None:
    editor(MEND)
    assert talk.run("/fix") == SAVED.format(file=data)
    (record,) = records(data)
    provenance = record.pop("provenance")
    assert record == {
        "id": "afb780fa48",
        "instruction": "日本の首都は？",
        "reasoning": REASONING,
        "answer": "東京です。",
        "language": "ja",
    }
    assert (provenance["base"], provenance["bad_answer"], provenance["recipe"]) == ("scripted", "这是东京。", "a")
    assert check_dataset(read_dataset(data)) == []


def test_what_was_written_is_kept_where_the_system_asks_to_end(talk: CorrectingTalk, data: Path, editor: Edit) -> None:
    editor("t = t.replace('东京', '東京 (ここまで')")

    def end(question: str) -> bool:
        raise Ended

    talk.confirm = end
    with pytest.raises(Ended):
        talk.run("/fix")
    ((_, text),) = talk.corrections.kept
    assert "東京 (ここまで" in text
    assert not data.exists()


def test_what_is_opened_is_the_reply_as_it_came(talk: CorrectingTalk, data: Path, editor: Edit, tmp_path: Path) -> None:
    editor(f"open({str(tmp_path / 'seen')!r}, 'w', encoding='utf-8').write(t)")
    talk.run("/fix")
    lines = (tmp_path / "seen").read_text("utf-8").splitlines()
    assert "\n".join(line for line in lines if not line.startswith("#")) == (
        f"instruction: |-\n  日本の首都は？\nreasoning: |-\n  {REASONING}\nanswer: |-\n  这是东京。\nlanguage: ja"
    )


NOTHING = "! /fix: nothing was changed, so nothing was saved; /good saves a reply as it is\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", NOTHING),
        ("t += '\\n\\n# 見た\\n'", NOTHING),
        ("t = ''", "! /fix: the text was empty, so nothing was saved\n"),
        ("t = ' \\n'", "! /fix: the text was empty, so nothing was saved\n"),
    ],
)
def test_an_editor_that_is_left_as_it_was_saves_nothing(
    talk: CorrectingTalk, data: Path, editor: Edit, line: str, said: str
) -> None:
    editor(line)
    assert talk.run("/fix") == said
    assert not data.exists()


def test_an_editor_that_fails_saves_nothing_and_its_text_is_where_it_says(
    talk: CorrectingTalk, data: Path, editor: Edit
) -> None:
    editor(MEND + "; open(sys.argv[1], 'w', encoding='utf-8').write(t); sys.exit(3)")
    said = talk.run("/fix")
    assert "ended with 3; nothing was changed, your text is in" in said
    assert "東京です。" in Path(said.split()[-1]).read_text("utf-8")
    assert not data.exists()


def test_ctrl_c_in_the_editor_saves_nothing_and_the_talk_goes_on(
    talk: CorrectingTalk, data: Path, editor: Edit
) -> None:
    editor("import signal; os.kill(os.getppid(), signal.SIGINT); import time; time.sleep(0.05)")
    assert talk.run("/fix").startswith("! interrupted; nothing was changed, your text is in ")
    editor(MEND)
    assert talk.run("/fix") == SAVED.format(file=data)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (f"{MEND}; t = t.replace('{REASONING}', '')", "! reasoning: is blank [blank]"),
        (f"{MEND}; t = t.replace('reasoning: |-\\n  {REASONING}\\n', '')", "! reasoning: is missing [required]"),
        (f"{MEND}; t = t.replace(': ja', ': 日本語')", '! language: "日本語" is not a language tag'),
        (MEND.replace("です。", "です。### Answer:"), '! answer: holds "### Answer:", which marks a part of a prompt'),
        ("t = t.replace('|-\\n  这是东京', '注: 東京')", "line 7, column 10: mapping values are not allowed here"),
        ("t = '東京です。'", "the fields are gone"),
    ],
)
def test_what_breaks_the_contract_is_never_saved_and_opens_again(
    talk: CorrectingTalk, data: Path, editor: Edit, line: str, error: str
) -> None:
    editor(line)
    talk.answers = [False]
    said = talk.run("/fix")
    assert said.startswith(error)
    assert "? edit again?\n" in said
    assert said.endswith("! /fix: nothing was saved; your text stands above, and /fix opens it again\n")
    assert not data.exists()


def test_a_text_that_was_not_saved_is_shown_and_opens_again(talk: CorrectingTalk, data: Path, editor: Edit) -> None:
    editor(MEND.replace("です。", "です。### Answer:"))
    talk.answers = [False]
    assert "answer: |-\n  東京です。### Answer:\n" in talk.run("/fix")
    editor("t = t.replace('### Answer:', '')")
    assert talk.run("/fix") == SAVED.format(file=data)


def test_a_record_can_be_edited_until_nothing_speaks_against_it(talk: CorrectingTalk, data: Path, editor: Edit) -> None:
    editor("t = t.replace('这是', '這是', 1) if '这是' in t else t.replace('這是东京', '東京です')")
    talk.answers = [False, True]
    said = talk.run("/fix")
    assert re.findall(r"^\?.*", said, re.MULTILINE) == ["? save it all the same?", "? edit again?"]
    assert said.endswith(SAVED.format(file=data))


def test_what_is_doubted_is_saved_if_the_user_says_so(talk: CorrectingTalk, data: Path, editor: Edit) -> None:
    editor("t = t.replace('这是东京', '东京です')")
    talk.answers = [True]
    said = talk.run("/fix")
    assert 'answer: "东京" is' in said
    assert [record["answer"] for record in records(data)] == ["东京です。"]


def test_a_second_fix_edits_the_record_of_the_first(talk: CorrectingTalk, data: Path, editor: Edit) -> None:
    editor(MEND)
    talk.run("/fix")
    editor("t = t.replace('東京です', '東京都です')")
    assert talk.run("/fix") == (f"answer\n- ⟦这是东京⟧。\n+ 東京都です。\nchanged afb780fa48 in {data}\n")
    (record,) = records(data)
    assert (record["answer"], record["provenance"]["bad_answer"]) == ("東京都です。", "这是东京。")


def test_each_reply_has_a_record_of_its_own(talk: CorrectingTalk, data: Path, editor: Edit) -> None:
    editor(MEND)
    talk.run("/fix")
    talk.reply("1+1は？")
    editor("t = t.replace('東京です。', '2です。').replace('国会がある都市です。', '1に1を足します。')")
    talk.run("/fix")
    assert [record["answer"] for record in records(data)] == ["東京です。", "2です。"]


def test_a_disk_that_refuses_loses_nothing(talk: CorrectingTalk, data: Path, editor: Edit) -> None:
    editor(MEND)
    data.symlink_to("nowhere/data.jsonl")
    assert "its folder cannot be written, or does not exist" in talk.run("/fix")
    data.unlink()
    editor("pass")
    assert talk.run("/fix") == SAVED.format(file=data)


def test_a_reply_that_followed_others_is_said_to(scripted_model: Any, data: Path, editor: Edit) -> None:
    talk = CorrectingTalk(Conversation(scripted_model(GOOD, SLIP), ChatConfig()), Corrections(file=data))
    talk.reply("フランスは？")
    talk.reply("日本は？")
    editor(MEND)
    assert talk.run("/fix").startswith(
        "the model had read 1 earlier question too; a record has to make sense without\n"
    )


def test_without_a_reply_there_is_nothing_to_fix(scripted_model: Any, data: Path) -> None:
    talk = CorrectingTalk(Conversation(scripted_model(), ChatConfig()), Corrections(file=data))
    assert [talk.run(line) for line in ("/fix", "/good", "/why", "/fix x", "/good x", "/fixes x")] == [
        "! /fix: nothing was asked yet\n",
        "! /good: nothing was asked yet\n",
        "! /why: nothing was asked yet\n",
        "! /fix: takes nothing, it opens the last reply; correct it there\n",
        "! /good: takes nothing, it saves the last reply\n",
        "! /fixes: takes nothing, or undo\n",
    ]


# Without an editor: the form


ENTER_FIELD, CTRL_C, CTRL_U, SHIFT_TAB = "\x1b\r", "\x03", "\x15", "\x1b[Z"


def test_where_no_editor_is_set_the_form_takes_its_place(
    talk: CorrectingTalk, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(ENTER_FIELD * 2 + CTRL_U + "首都です。" + ENTER_FIELD + CTRL_U + "東" + CTRL_C)
        assert talk.run("/fix").endswith("nothing was saved; /fix opens what you wrote again\n")
        assert not data.exists()
        pipe.send_text(ENTER_FIELD * 3 + "京です。" + ENTER_FIELD)
        said = talk.run("/fix")
    assert "Ctrl-C leaves, and what you wrote is kept" in said and "drops" not in said
    assert said.endswith(f"saved afb780fa48 to {data}, a new file\n")
    (record,) = records(data)
    assert (record["reasoning"], record["answer"]) == ("首都です。", "東京です。")


def test_the_form_of_a_fix_goes_back_to_the_field_before(
    talk: CorrectingTalk, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(ENTER_FIELD * 3 + CTRL_U + "東京です。" + SHIFT_TAB + CTRL_U + "首都です。" + ENTER_FIELD * 2)
        assert talk.run("/fix").endswith(f"to {data}, a new file\n")
    (record,) = records(data)
    assert (record["reasoning"], record["answer"]) == ("首都です。", "東京です。")


# /good, /fixes


def test_a_good_reply_is_saved_as_it_is_and_once(scripted_model: Any, data: Path) -> None:
    talk = CorrectingTalk(Conversation(scripted_model(GOOD), ChatConfig()), Corrections(file=data))
    talk.reply("日本の首都は？")
    assert talk.run("/good", "/good") == (
        f"saved afb780fa48 to {data}, a new file\n! /good: this reply was saved as afb780fa48; /fix edits the record\n"
    )
    (record,) = records(data)
    assert (record["answer"], "bad_answer" in record["provenance"]) == ("東京です。", False)


@pytest.mark.parametrize(("agreed", "count"), [(False, 0), (True, 1)])
def test_a_reply_that_is_not_so_good_is_saved_only_if_the_user_insists(
    talk: CorrectingTalk, data: Path, agreed: bool, count: int
) -> None:
    data.touch()
    talk.answers = [agreed]
    said = talk.run("/good")
    assert said.startswith("! answer: ") and "[wrong-script]\n? save it all the same?\n" in said
    assert len(records(data)) == count


def test_a_reply_that_has_no_answer_is_never_good(scripted_model: Any, data: Path) -> None:
    model = scripted_model(["\n理由だけ"], stop=StopReason.BUDGET)
    talk = CorrectingTalk(Conversation(model, ChatConfig()), Corrections(file=data))
    talk.reply("？")
    assert talk.run("/good") == (
        "! answer: is blank [blank]\n! /good: nothing was saved; /fix opens the reply, so that you can mend it\n"
    )
    assert not data.exists()


def test_fixes_are_listed_and_taken_back(talk: CorrectingTalk, data: Path, editor: Edit) -> None:
    assert talk.run("/fixes").startswith("nothing was added in this conversation;")
    editor(MEND)
    talk.run("/fix")
    talk.reply("空の色は？")
    talk.run("/good")
    rows = [re.split(r"\s*│\s*", line)[1:4] for line in talk.run("/fixes").splitlines() if line.startswith("│")]
    assert rows == [
        ["afb780fa48", "日本の首都は？", "answer"],
        [records(data)[1]["id"], "空の色は？", "as it was"],
    ]
    first = data.read_bytes().splitlines(keepends=True)[0]
    second = records(data)[1]["id"]
    assert talk.run("/fixes undo") == f"took {second} out of {data} again\n"
    assert data.read_bytes() == first
    assert talk.run("/fixes undo", "/fixes undo") == (
        f"took afb780fa48 out of {data} again\n! /fixes undo: nothing was added in this conversation\n"
    )
    assert data.read_bytes() == b""


# Which file


def trained_on(path: Path, folder: Path, **config: Any) -> Run:
    run = Run(base="tiny", data=str(path), config=config, sha256={})
    run.save(folder)
    return run


def test_without_a_dataset_one_sentence_says_what_to_do(talk: CorrectingTalk) -> None:
    talk.corrections.file = None
    wanted = "no dataset is named that records go to; name one with /data FILE, or begin with repl --data FILE\n"
    assert [talk.run(line) for line in ("/fix", "/good", "/data")] == [
        f"! /fix: {wanted}",
        f"! /good: {wanted}",
        f"! /data: {wanted}",
    ]
    assert talk.run("/why") == "! /why: no training data are known; name a dataset with /data FILE\n"


@pytest.mark.parametrize("agreed", [False, True])
def test_the_file_of_the_training_is_proposed(
    talk: CorrectingTalk, data: Path, editor: Edit, tmp_path: Path, agreed: bool
) -> None:
    data.touch()
    talk.corrections.file, talk.corrections.run = None, trained_on(data, tmp_path)
    talk.answers = [agreed]
    editor(MEND)
    said = talk.run("/fix")
    assert said.startswith(f"? add records to {data}, which the adapter was trained on?\n")
    assert (len(records(data)), talk.corrections.file) == ((1, data) if agreed else (0, None))


def test_of_a_split_it_is_the_file_that_was_split(talk: CorrectingTalk, ja_basics: Path, tmp_path: Path) -> None:
    data = tmp_path / "basics.jsonl"
    data.write_bytes(ja_basics.read_bytes())
    write_split(read_dataset(data), tmp_path / "basics", 10.0, 42)
    talk.corrections.file, talk.corrections.run = None, trained_on(tmp_path / "basics", tmp_path)
    talk.answers = [True, True]
    said = talk.run("/good")
    assert said.startswith(f"? add records to {data}, which the adapter was trained on?\n")
    assert f"split again with `phi2chat curate split`, so that the folder {tmp_path / 'basics'} has it too\n" in said
    side = tmp_path / "basics" / "train.jsonl"
    wanted = f"! {side}: is a side that `curate split` wrote; give the file that it split, {data}\n"
    assert talk.run(f"/data {side}") == wanted


def test_data_names_the_file_and_refuses_what_can_be_none(
    talk: CorrectingTalk, ja_basics: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new.jsonl"
    count = len(ja_basics.read_bytes().splitlines())
    assert [talk.run(f"/data {argument}") for argument in (ja_basics, new, tmp_path, tmp_path / "no" / "x", "a\0")] == [
        f"records go to {ja_basics}, which has {count} records\n",
        f"records go to {new}, a new file\n",
        f"! {tmp_path}: is a folder; name a file in it, such as {tmp_path / 'records.jsonl'}\n",
        f"! {tmp_path / 'no' / 'x'}: its folder does not exist; make it first\n",
        "! /data: a file name holds no NUL\n",
    ]
    assert talk.run("/data") == f"records go to {new}, a new file\n"


def test_data_refuses_a_text_that_is_no_dataset(talk: CorrectingTalk, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("牛乳\n卵\n", encoding="utf-8")
    sentence = "holds no record, so it is no dataset; give a JSONL file, or a new one"
    assert talk.run(f"/data {tmp_path / 'notes.txt'}") == f"! {tmp_path / 'notes.txt'}: {sentence}\n"


# /why


def test_why_of_a_new_file_says_that_it_has_no_record_yet(talk: CorrectingTalk, data: Path) -> None:
    assert talk.run("/why") == f"! /why: {data} has no record yet; /fix and /good add one\n"


def test_why_shows_the_records_that_are_nearest(talk: CorrectingTalk, ja_basics: Path) -> None:
    talk.corrections.file = ja_basics
    lines = talk.run("/why 1").splitlines()
    assert re.fullmatch(rf"0\.\d\d  capital-japan-\w+  {re.escape(str(ja_basics))}:\d+", lines[0])
    assert [line.partition(":")[0] for line in lines[1:]] == ["instruction", "reasoning", "answer"]
    assert len(talk.run("/why").splitlines()) == 3 * len(lines)


def test_why_asks_what_was_trained_and_not_what_was_held_out_or_added_since(
    talk: CorrectingTalk, ja_basics: Path, tmp_path: Path
) -> None:
    data = tmp_path / "basics.jsonl"
    data.write_bytes(ja_basics.read_bytes())
    config = {"eval_percent": 50.0, "seed": 1}
    talk.corrections.run = trained_on(data, tmp_path, **config)
    talk.corrections.run.sha256 = {str(data): read_dataset(data).sha256}  # type: ignore[union-attr]
    sides = read_sides(data, TrainConfig(**config))  # type: ignore[arg-type]
    trained = {row.line for row in sides.train}
    shown = [int(line.rpartition(":")[2]) for line in talk.run("/why 50").splitlines() if line.startswith("0.")]
    assert len(shown) > 20 and set(shown) <= trained
    talk.corrections.file, talk.answers = data, [True]
    talk.run("/good")
    said = talk.run("/why 50")
    assert said.startswith(f"{data} has changed since the training\n")
    assert f":{len(records(data))}\n" not in said


@pytest.mark.parametrize("argument", ["0", "51", "x", "-1", "1.5", "9" * 5000])
def test_why_takes_a_count(talk: CorrectingTalk, argument: str) -> None:
    assert talk.run(f"/why {argument}") == "! /why: give how many records to show, from 1 to 50, as in /why 5\n"


def test_where_nothing_is_near_that_is_said(talk: CorrectingTalk, data: Path) -> None:
    data.write_text('{"instruction": "x", "reasoning": "y", "answer": "z"}\n[]\n')
    assert talk.run("/why") == "nothing in 1 record is like the question\n"


def test_a_reply_that_came_as_messages_becomes_a_record_without_their_marks(scripted_model: Any, data: Path) -> None:
    model = scripted_model([render_completion(MESSAGES_STYLE, "国会があります。", "東京です。")])
    model.style = MESSAGES_STYLE
    talk = CorrectingTalk(Conversation(model, ChatConfig(recipe="a")), Corrections(file=data))
    talk.reply("日本の首都は？")
    talk.run("/good")
    (record,) = records(data)
    assert (record["answer"], record["provenance"]["prompt"]) == ("東京です。", "日本の首都は？")


def test_a_reply_that_came_as_messages_keeps_clear_of_the_markers_of_training(scripted_model: Any, data: Path) -> None:
    model = scripted_model(
        [render_completion(MESSAGES_STYLE, "国会があります。", "東京です。\n### Answer:\n京都です。")]
    )
    model.style = MESSAGES_STYLE
    talk = CorrectingTalk(Conversation(model, ChatConfig(recipe="a")), Corrections(file=data))
    talk.reply("日本の首都は？")
    assert 'holds "### Answer:", which marks a part of a prompt; reword it' in talk.run("/good")
    assert not data.exists()


# Replies that mean harm


HOSTILE = [
    "\x1b[2J\x1b]0;title\x07\x9b31m\r\b\x00",
    "abc\u202ecba\u2066\u200b\ufeff",
    "---\n...\n- a: b\n# c\n'd: \"\n  e\n\tf\n&g *h !i %j @k `l",
    "{{ answer }} {% raw %} ${HOME} $(id) `id`",
    "一行目\u2028二行目\u2029三行目\u0085四行目\r\n五行目",
    "長い" * 50_000,
    "这あ\n" * 2_000,
    "null", "~", "no", "1e3", "=", "<<",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_a_hostile_reply_is_stored_exactly_and_shown_safely(
    scripted_model: Any, data: Path, editor: Edit, text: str
) -> None:
    reply = f"\nx{text}x\n\n### Answer:\nx{text}x"
    conversation = Conversation(scripted_model([reply]), ChatConfig(guard="off"))
    talk = CorrectingTalk(conversation, Corrections(file=data), True)
    talk.reply("？")
    turn = conversation.turns[0]
    assert turn.answer == f"x{text}x"
    editor("t += 'category: odd\\n'")
    said = talk.run("/fix")
    (record,) = records(data)
    assert [record[field] for field in ("reasoning", "answer", "category")] == [f"x{text}x", f"x{text}x", "odd"]
    assert [record["provenance"][f"bad_{field}"] for field in ("reasoning", "answer")] == [f"x{text}x"] * 2
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", said)
    assert len(said) < 10_000


def test_half_a_surrogate_pair_of_a_reply_is_never_saved_and_can_be_taken_out(
    scripted_model: Any, data: Path, editor: Edit
) -> None:
    conversation = Conversation(scripted_model(["\n理由です。\n\n### Answer:\n東京\ud83dです。"]), ChatConfig())
    talk = CorrectingTalk(conversation, Corrections(file=data), False)
    talk.reply("？")
    assert talk.run("/good").startswith("! answer: holds a byte that is not UTF-8")
    editor("t += 'category: odd\\n'")
    assert "[utf-8]\n? edit again?\n" in talk.run("/fix")
    assert not data.exists()
    editor("t = t.replace('\\\\uD83D', '')")
    assert talk.run("/fix").endswith(f"to {data}, a new file\n")
    (record,) = records(data)
    assert (record["answer"], record["provenance"]["bad_answer"]) == ("東京です。", "東京\\ud83dです。")


def test_the_text_for_the_editor_reads_back_unchanged(scripted_model: Any) -> None:
    for text in [*HOSTILE, "半分\ud83d"]:
        record = {"instruction": text, "answer": text, "provenance": {"bad_answer": text}}
        assert from_text(record, to_text(record).encode("utf-8").decode("utf-8")) == record


# The whole circle


@pytest.mark.slow
def test_what_a_model_said_is_fixed_validated_and_trained_on(
    phi2chat: Any, tiny_phi: Path, ja_basics: Path, editor: Edit, tmp_path: Path
) -> None:
    from phi2chat.weights.models import load

    data = tmp_path / "basics.jsonl"
    data.write_bytes(b"".join(ja_basics.read_bytes().splitlines(keepends=True)[-12:]))
    model_config = ModelConfig(base=str(tiny_phi), device="cpu")
    conversation = Conversation(load(model_config, lambda _: None), ChatConfig(max_new_tokens=8))
    talk = CorrectingTalk(conversation, Corrections(run_behind(model_config.adapter), data))
    talk.reply("日本の首都は？")
    texts = {"instruction": "日本の首都は？", "reasoning": REASONING, "answer": "東京です。", "language": "ja"}
    editor(f"t = {to_text(texts)!r}")
    assert talk.run("/fix").endswith(f"saved afb780fa48 to {data}\n")

    said = conversation.turns[0]
    fixed = records(data)[-1]
    assert {field: fixed[field] for field in texts} == texts
    bad = {key: fixed["provenance"][key] for key in ("base", "bad_reasoning", "bad_answer", "stop")}
    assert bad == {
        "base": str(tiny_phi),
        "bad_reasoning": said.reasoning,
        "bad_answer": said.answer,
        "stop": said.stop.name.lower(),
    }

    done = phi2chat("curate", "validate", data)
    assert (done.returncode, done.stdout) == (0, "13 records in 1 file: 0 errors, 0 warnings\n")
    sides = read_sides(data, TrainConfig())
    assert fixed in [dict(row.record.data) for row in (*sides.train, *sides.eval)]
    options = ["--device", "cpu", "--max-steps", "1", "--batch-size", "2", "--output-dir", tmp_path / "run"]
    done = phi2chat("train", data, "--base", tiny_phi, *options)
    assert done.returncode == 0, done.stderr
    run = read_run(tmp_path / "run")
    assert (run.data, sum(run.records.values())) == (str(data), 13)
