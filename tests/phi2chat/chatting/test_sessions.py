"""Conversations as files: what is saved can be loaded, by us and by others, and what is damaged is said so."""

import base64
import io
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import UserError
from curation.lines import is_utf8
from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.chatting.origin import Origin
from phi2chat.chatting.sessions import CLIPBOARD_BYTES, read_conversation, to_jsonl
from phi2chat.chatting.slash import follow
from phi2chat.config import ChatConfig
from phi2chat.inference.recipes import StopReason
from phi2chat.terminal.screen import SafeConsole, Screen

TOKYO = ["\n国会が", "ある", "都市です。", "\n\n### Ans", "wer:\n", "東京", "です。"]
PARIS = ["\nフランスの話です。\n\n### Answer:\nパリです。"]


@pytest.fixture
def talk(scripted_model: Any, scripted_talk: Any) -> Any:
    """A talk with two replies to come."""
    return scripted_talk(scripted_model(TOKYO, PARIS))


def test_a_saved_conversation_goes_on_where_it_was(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    talk = scripted_talk(scripted_model(TOKYO))
    path = tmp_path / "会話 1.json"
    talk.reply("首都は？\n二行目")
    assert talk.enter("/lang en", f"/save {path}") == ["lang is en", f"saved 1 question to {path}"]
    model = scripted_model(PARIS)
    later = scripted_talk(model)
    assert later.enter(f"/load {path}") == [f"loaded 1 question from {path}; the next question goes on from there"]
    assert (later.conversation.turns, later.conversation.config) == (talk.conversation.turns, talk.conversation.config)
    later.reply("フランスは？")
    assert [turn.prompt for turn in model.asked[0][0]] == ["### Instruction:\n首都は？\n二行目\n\n### Reasoning:"]


def test_a_reply_that_was_saved_and_loaded_is_known_again(
    scripted_model: Any, scripted_talk: Any, tmp_path: Path
) -> None:
    class PreciseModel(scripted_model):  # type: ignore[misc]
        def stream(self, *asked: Any) -> Any:
            stream = super().stream(*asked)
            stream.seconds = 1 / 3000
            return stream

    talk = scripted_talk(PreciseModel(TOKYO))
    talk.corrections.file = tmp_path / "my.jsonl"
    talk.reply("首都は？")
    talk.enter("/good", f"/save {tmp_path / 'talk.jsonl'}", f"/load {tmp_path / 'talk.jsonl'}")
    with pytest.raises(UserError, match="/good: this reply was saved as"):
        follow(talk, "/good")


@pytest.mark.parametrize(("asked", "count"), [(0, "0 questions"), (1, "1 question"), (2, "2 questions")])
def test_questions_are_counted_as_people_count(talk: Any, tmp_path: Path, asked: int, count: str) -> None:
    path = tmp_path / "talk.json"
    for number in range(asked):
        talk.reply(str(number))
    assert talk.enter(f"/save {path}", f"/load {path}", "/reset") == [
        f"saved {count} to {path}",
        f"loaded {count} from {path}; the next question goes on from there",
        f"forgot {count}",
    ]


def test_a_line_says_who_wrote_it_and_then_there_is_a_line_for_each_turn(talk: Any, tmp_path: Path) -> None:
    talk.reply("首都は？")
    talk.enter(f"/save {tmp_path / 'talk.jsonl'}")
    text = (tmp_path / "talk.jsonl").read_text("utf-8")
    assert "国会がある都市です。" in text  # as people can read it
    head, turn = map(json.loads, text.splitlines())
    assert (head["model"], head["config"]["lang"], head["turns"]) == ("scripted", "ja", 1)
    assert turn == {
        "messages": [
            {"role": "user", "content": "首都は？"},
            {"role": "assistant", "content": "東京です。", "reasoning_content": "国会がある都市です。"},
        ],
        "flagged": False,
        "stop": "end_of_text",
        "tokens": 7,
        "seconds": 3.5,
        "recipe": "chat",
        "lang": "ja",
        "reasoning_lang": "ja",
        "guard": {"mode": "flag", "step_backs": 0, "changed_steps": 0, "spent": False, "note": ""},
        "unit": "tokens",
        "notes": [],
        "context_tokens": None,
        "origin": {
            "model": "scripted",
            "base": None,
            "adapter": None,
            "adapter_sha256": None,
            "temperature": 0.0,
            "top_p": 1.0,
            "seed": 0,
        },
    }


def test_a_script_that_knows_nothing_of_us_has_the_messages(talk: Any, tmp_path: Path) -> None:
    talk.reply("首都は？")
    talk.reply("フランスは？")
    talk.enter(f"/save {tmp_path / 'talk.jsonl'}")
    lines = (tmp_path / "talk.jsonl").read_text("utf-8").splitlines()
    messages = [message for line in lines for message in json.loads(line).get("messages", [])]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 2
    assert [message["content"] for message in messages] == ["首都は？", "東京です。", "フランスは？", "パリです。"]


@given(
    st.lists(
        st.builds(
            Turn,
            question=st.text(min_size=1).filter(lambda text: text.strip() and is_utf8(text)),
            reasoning=st.text(st.characters(exclude_categories=["Cs"])),
            answer=st.text(st.characters(exclude_categories=["Cs"])),
            stop=st.sampled_from(StopReason),
            tokens=st.integers(0, 9),
            seconds=st.sampled_from([0.0, 0.5, 12.25]),
            recipe=st.sampled_from(["a", "chat"]),
            lang=st.just("und"),
            reasoning_lang=st.just("und"),
            origin=st.builds(
                Origin,
                model=st.just("\u2028\x85"),
                adapter=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
                temperature=st.none() | st.sampled_from([0.0, 0.7]),
                seed=st.none() | st.integers(0, 2**63),
            ),
        ),
        max_size=3,
    )
)
def test_every_text_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, turns: list[Turn]) -> None:
    talking = Conversation(cast(Any, SimpleNamespace(name="\u2028\x85")), ChatConfig(temperature=0.5))
    talking.turns = turns
    path = tmp_path_factory.mktemp("talks") / "talk.jsonl"
    path.write_bytes(to_jsonl(talking))
    saved = read_conversation(path)
    assert (saved.model, saved.config, saved.turns) == ("\u2028\x85", talking.config, turns)


def test_a_conversation_with_another_model_is_said_to_be_one(
    scripted_model: Any, scripted_talk: Any, talk: Any, tmp_path: Path
) -> None:
    path = tmp_path / "talk.jsonl"
    other = scripted_model(TOKYO)
    other.name = "phi-2"
    scripted_talk(other).enter(f"/save {path}")
    assert talk.enter(f"/load {path}") == [
        f"loaded 0 questions from {path} (with phi-2 then, with scripted now); the next question goes on from there"
    ]


def test_a_loaded_reply_is_still_that_of_the_model_that_gave_it(
    scripted_model: Any, scripted_talk: Any, talk: Any, tmp_path: Path
) -> None:
    path, data = tmp_path / "talk.jsonl", tmp_path / "data.jsonl"
    other = scripted_model(TOKYO, TOKYO)
    other.name = "phi-2 + runs/one"
    other.parts = {"base": "phi-2", "adapter": "runs/one", "adapter_sha256": "ab12"}
    before = scripted_talk(other)
    before.reply("日本の首都は？")
    before.enter("/retry", f"/save {path}", f"/load {path}", f"/save {path}")
    talk.enter(f"/load {path}", "/recipe b", "/set seed 9", f"/data {data}", "/good", f"/export {tmp_path / 'x.md'}")
    provenance = json.loads(data.read_text("utf-8"))["provenance"]
    made_by = {**other.parts, "temperature": 0.7, "top_p": 1.0, "seed": 1, "recipe": "chat"}
    assert {key: provenance[key] for key in made_by} == made_by
    assert "tokens; recipe chat; by phi-2 + runs/one*\n" in (tmp_path / "x.md").read_text("utf-8")


def test_save_writes_over_a_conversation_and_over_nothing_else(talk: Any, tmp_path: Path) -> None:
    saved, other = tmp_path / "talk.json", tmp_path / "thesis.txt"
    other.write_text("five years of work")
    assert talk.enter(f"/save {saved}", f"/save {saved}", f"/save {other}", "/save") == [
        f"saved 0 questions to {saved}",
        f"saved 0 questions to {saved}",
        f"! {other}: is not a conversation that /save wrote; give another file name",
        "! /save: needs a file name, as in /save talk.jsonl",
    ]
    assert other.read_text() == "five years of work"


def test_save_into_a_folder_that_is_not_there_is_refused(talk: Any, tmp_path: Path) -> None:
    (said,) = talk.enter(f"/save {tmp_path / 'no' / 'talk.json'}")
    assert said.startswith(f"! {tmp_path / 'no' / 'talk.json'}: cannot be written")


TURN = {
    "question": "?",
    "reasoning": "",
    "answer": "",
    "stop": "budget",
    "tokens": 1,
    "seconds": 1.0,
    "recipe": "a",
    "lang": "ja",
    "reasoning_lang": "en",
    "guard": {"mode": "enforce", "step_backs": 2, "changed_steps": 5, "spent": False, "note": ""},
}


def test_what_was_saved_as_one_object_is_still_loaded(talk: Any, tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    path.write_text(json.dumps({"model": "scripted", "config": {"lang": "en"}, "turns": [TURN]}, indent=2))
    said = f"loaded 1 question from {path}; the next question goes on from there"
    assert talk.enter(f"/load {path}") == [said]
    assert (talk.conversation.config, talk.conversation.turns) == (
        ChatConfig(lang="en"),
        [Turn.from_json({**TURN, "origin": {"model": "scripted"}})],
    )
    assert talk.enter(f"/save {path}") == [f"saved 1 question to {path}"]
    assert talk.enter(f"/load {path}") == [said]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n\n",
        '{"model": "m", "config": {}, "turns": "many"}',
        "{",
        "[]",
        "3",
        '{"turns": []}',
        '{"config": {}}',
        '{"config": [], "turns": []}',
        '{"config": {}, "turns": [{"question": "?"}]}',
        json.dumps({"model": "m", "config": {}, "turns": [{**TURN, "stop": "boredom"}]}),
        json.dumps({"model": "m", "config": {}, "turns": [{**TURN, "question": 3}]}),
        json.dumps({"model": "m", "config": {}, "turns": [{**TURN, "question": ""}]}),
        json.dumps({"model": "m", "config": {}, "turns": [{**TURN, "answer": None}]}),
        json.dumps({"model": "m", "config": {}, "turns": [{**TURN, "tokens": "many"}]}),
        json.dumps({"model": "m", "config": {}, "turns": [{**TURN, "reasoning_lang": None}]}),
        json.dumps({"model": "m", "config": {}, "turns": [{**TURN, "guard": None}]}),
        *(
            json.dumps({"model": "m", "config": {}, "turns": [{**TURN, "origin": origin}]})
            for origin in (None, {"model": None}, {"seed": "many"}, {"seed": math.inf}, {"adapter": 3}, {"maker": "x"})
        ),
        json.dumps({"model": "m", "config": {}, "turns": [{**TURN, "guard": {"mode": "never"}}]}),
        json.dumps({"model": "m", "config": {}, "turns": [{**TURN, "guard": {"step_backs": "many"}}]}),
        json.dumps(
            {"model": "m", "config": {}, "turns": [{key: TURN[key] for key in TURN if key != "reasoning_lang"}]}
        ),
    ],
)
def test_a_file_that_is_no_conversation_is_refused_and_nothing_lost(talk: Any, tmp_path: Path, content: str) -> None:
    path = tmp_path / "talk.json"
    path.write_text(content)
    talk.reply("首都は？")
    wanted = f"! {path}: is not a conversation that /save wrote; give another file name"
    assert talk.enter(f"/load {path}") == [wanted]
    assert len(talk.conversation.turns) == 1


def test_load_of_a_missing_file_is_said(talk: Any, tmp_path: Path) -> None:
    assert talk.enter(f"/load {tmp_path / 'no.json'}", "/load") == [
        f"! {tmp_path / 'no.json'}: no such file; check the path",
        "! /load: needs a file name, as in /load talk.jsonl",
    ]


SAVED_TURN = json.dumps(
    {
        "messages": [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": "", "reasoning_content": ""},
        ],
        **{key: value for key, value in TURN.items() if key not in ("question", "reasoning", "answer")},
    }
)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([SAVED_TURN], ": has 1 turns of 2; it is cut off or damaged"),
        ([SAVED_TURN] * 3, ": has 3 turns of 2; it is cut off or damaged"),
        ([SAVED_TURN, SAVED_TURN[:100]], ":3: is no turn of a conversation; it is cut off or damaged"),
        ([SAVED_TURN, "{}"], ":3: is no turn of a conversation; it is cut off or damaged"),
        (["", SAVED_TURN], ":2: is no turn of a conversation; it is cut off or damaged"),
        ([SAVED_TURN.replace("user", "system")], ":2: is no turn of a conversation; it is cut off or damaged"),
        (
            [SAVED_TURN.replace('"user", "content": "?"', '"user"')],
            ":2: is no turn of a conversation; it is cut off or damaged",
        ),
        ([SAVED_TURN, "\udcff"], ":3: is no turn of a conversation; it is cut off or damaged"),
        *(
            (
                [json.dumps({**json.loads(SAVED_TURN), **damage})],
                ":2: is no turn of a conversation; it is cut off or damaged",
            )
            for damage in (
                {"recipe": "z"},
                {"seconds": math.nan},
                {"seconds": -1},
                {"tokens": 10**400},
                {"context_tokens": 10**400},
                {"context_tokens": -1},
            )
        ),
        ([SAVED_TURN, "[" * 9999], ":3: is no turn of a conversation; it is cut off or damaged"),
    ],
)
def test_a_file_that_is_cut_off_or_damaged_is_refused_and_nothing_lost(
    talk: Any, tmp_path: Path, lines: list[str], fault: str
) -> None:
    path = tmp_path / "talk.jsonl"
    head = json.dumps({"model": "scripted", "config": {}, "turns": 2})
    path.write_bytes("\n".join([head, *lines]).encode("utf-8", "surrogateescape"))
    talk.reply("首都は？")
    assert talk.enter(f"/load {path}") == [f"! {path}{fault}"]
    assert len(talk.conversation.turns) == 1


# Markdown


def test_an_export_is_markdown_that_people_can_read(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    path = tmp_path / "talk.md"
    talk = scripted_talk(scripted_model(TOKYO, ["\n理由だけ"]))
    talk.reply("首都は？\n\n一言で")
    talk.reply("なぜ")
    assert talk.enter(f"/export {path}") == [f"exported 2 questions to {path}"]
    assert path.read_text("utf-8") == (
        "# Conversation with scripted\n\n"
        "## 1\n\n"
        "**Question**\n\n> 首都は？\n>\n> 一言で\n\n"
        "**Reasoning**\n\n> 国会がある都市です。\n\n"
        "**Answer**\n\n> 東京です。\n\n"
        "*end of text; 7 tokens; recipe chat*\n\n"
        "## 2\n\n"
        "**Question**\n\n> なぜ\n\n"
        "**Reasoning**\n\n> 理由だけ\n\n"
        "**Answer**\n\n> (nothing)\n\n"
        "*end of text; 1 tokens; recipe chat*\n"
    )


def test_an_export_holds_no_html_and_nothing_that_steers_a_terminal(
    scripted_model: Any, scripted_talk: Any, tmp_path: Path
) -> None:
    talk = scripted_talk(scripted_model(["\n<!-- <script>\x1b[2J 1 < 2\n\n### Answer:\n</blockquote>"]))
    talk.reply("？")
    talk.enter(f"/export {tmp_path / 'talk.md'}")
    text = (tmp_path / "talk.md").read_text("utf-8")
    assert "> \\<!-- \\<script>^[[2J 1 < 2\n" in text and "> \\</blockquote>\n" in text


def test_an_export_asks_before_it_writes_over_a_file(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    path = tmp_path / "thesis.md"
    path.write_text("five years of work")
    talk = scripted_talk(scripted_model(TOKYO))
    talk.reply("首都は？")
    assert talk.enter(f"/export {path}") == [f"! /export: {path} stays as it is; give another file name"]
    assert talk.questions == [f"{path} is there already; write over it?"]
    assert path.read_text() == "five years of work"
    talk.yes = True
    assert talk.enter(f"/export {path}") == [f"exported 1 question to {path}"]
    assert path.read_text("utf-8").startswith("# Conversation")


# The clipboard


def test_the_answer_goes_to_the_clipboard_of_the_terminal(talk: Any) -> None:
    shown = io.StringIO()
    console = SafeConsole(file=shown, force_terminal=True, width=200, color_system=None, legacy_windows=False)
    talk.screen = Screen(console, console)
    talk.reply("首都は？")
    follow(talk, "/copy")
    coded = base64.b64encode("東京です。".encode()).decode()
    said = "handed the last answer (5 characters) to the terminal's clipboard, if it lets us (OSC 52)\n"
    assert shown.getvalue() == f"\x1b]52;c;{coded}\x07{said}"


def test_what_cannot_be_copied_is_said_in_a_sentence(scripted_model: Any, scripted_talk: Any) -> None:
    talk = scripted_talk(scripted_model(TOKYO, ["\n理由だけ"], ["\n長い\n\n### Answer:\n" + "あ" * CLIPBOARD_BYTES]))
    said = talk.enter("/copy")
    for question in ("一", "二", "三"):
        talk.reply(question)
        said += talk.enter("/copy")
    assert said == [
        "! /copy: nothing was asked yet",
        "! /copy: there is no terminal that has a clipboard; try /export talk.md",
        "! /copy: the last reply has no answer; /export talk.md writes all of it",
        "! /copy: the answer has more than 50000 bytes; try /export talk.md",
    ]
