"""The slash commands, as transcripts; the model follows a script."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.chat import Conversation
from phi2chat.config import ChatConfig
from phi2chat.screen import SafeConsole, Screen
from phi2chat.slash import COMMANDS, follow
from phi2chat.talk import Talk

TOKYO = ["\n国会が", "ある", "都市です。", "\n\n### Ans", "wer:\n", "東京", "です。"]
PARIS = ["\nフランスの話です。\n\n### Answer:\nパリです。"]


class QuietTalk(Talk):
    """A talk on a screen without colours, which shows what commands say and not what the model replies."""

    def __init__(self, conversation: Conversation) -> None:
        self.shown = io.StringIO()
        console = SafeConsole(file=self.shown, width=200)
        super().__init__(conversation, Screen(console, console), lambda question: False)

    def reply(self, question: str, **changes: Any) -> None:
        for _ in self.conversation.ask(question, **changes):
            pass


def say(talk: Talk, *lines: str) -> list[str]:
    """What is shown after each line; a refusal begins with "! "."""
    assert isinstance(talk, QuietTalk)
    said = []
    for line in lines:
        before = len(talk.shown.getvalue())
        try:
            follow(talk, line)
        except UserError as error:
            said.append(f"! {error}")
            continue
        said.append(talk.shown.getvalue()[before:].removesuffix("\n"))
    return said


def ask(talk: Talk, question: str, **changes: Any) -> None:
    talk.reply(question, **changes)


@pytest.fixture
def talk(scripted_model: Any) -> QuietTalk:
    """A talk with two replies to come."""
    return QuietTalk(Conversation(scripted_model(TOKYO, PARIS), ChatConfig()))


def test_help_lists_every_command_and_the_keys(talk: QuietTalk) -> None:
    assert say(talk, "/help") == [
        "/help                    this list\n"
        "/reasoning on|off        show the reasoning or fold it away\n"
        "/lang TAG                the language of replies; other scripts are flagged\n"
        "/guard flag|enforce|off  mark a wrong script, keep it out, or neither\n"
        "/recipe a|b|chat         the way of inference\n"
        "/retry                   ask the last question again, sampled\n"
        "/fix                     write what the last reply should have been, and save it as a record\n"
        "/good                    save the last reply as a record\n"
        "/fixes [undo]            what was saved in this conversation; undo takes the last back\n"
        "/data FILE               the dataset that records go to; without one, say which it is\n"
        "/why [N]                 the training records nearest to the last question\n"
        "/undo                    forget the last question and its reply\n"
        "/reset                   forget the conversation\n"
        "/set KEY VALUE           change a setting; without one, list them\n"
        "/save FILE               write the conversation to a file\n"
        "/load FILE               go on with a saved conversation\n"
        "/stats                   model, tokens, speed, why replies stopped\n"
        "/quit                    leave\n"
        "\n"
        "Enter sends, Alt-Enter begins a new line, Ctrl-C stops a reply, Ctrl-R searches, Ctrl-D leaves;\n"
        "a question that begins with a slash is written with two: //"
    ]


def test_reasoning_is_folded_and_the_last_one_shown_again(talk: QuietTalk) -> None:
    assert say(talk, "/reasoning off", "/reasoning", "/reasoning maybe") == [
        "reasoning is folded",
        "! /reasoning: say on or off",
        "! /reasoning: say on or off",
    ]
    assert talk.conversation.show_reasoning is False
    ask(talk, "首都は？")
    assert say(talk, "/reasoning on") == ["reasoning is shown\n国会がある都市です。"]
    assert talk.conversation.show_reasoning is True


def test_reasoning_on_before_any_reply_shows_none(talk: QuietTalk) -> None:
    assert say(talk, "/reasoning on") == ["reasoning is shown"]


def test_the_language_and_the_recipe_are_said_and_set(talk: QuietTalk) -> None:
    assert say(talk, "/lang", "/lang zh-Hans", "/lang 日本語", "/recipe b", "/recipe", "/recipe c") == [
        "lang is ja",
        "lang is zh-Hans",
        "! /lang: lang: '日本語' is not a language tag such as ja, en or zh-Hans",
        "recipe is b: like generate(max_length=200): 200 tokens in all, one question at a time",
        "recipe is b: like generate(max_length=200): 200 tokens in all, one question at a time",
        "! /recipe: recipe: 'c' is not one of 'a', 'b', 'chat'",
    ]
    assert (talk.conversation.config.lang, talk.conversation.config.recipe) == ("zh-Hans", "b")


def test_the_guard_is_said_and_set(talk: QuietTalk) -> None:
    assert say(talk, "/guard", "/guard enforce", "/guard never") == [
        "guard is flag",
        "guard is enforce",
        "! /guard: guard: 'never' is not one of 'flag', 'enforce', 'off'",
    ]
    assert talk.conversation.config.guard == "enforce"


def test_settings_are_listed_and_set(talk: QuietTalk) -> None:
    settings = (
        "recipe = chat\nlang = ja\nreasoning_lang = None\nmax_new_tokens = 512\ntemperature = {}\ntop_p = 1.0\nseed = 0\n"
        "guard = flag"
    )
    assert say(talk, "/set", "/set temperature 0.7", "/set temperature", "/set temprature 1", "/set top_p 2") == [
        settings.format(0.0),
        settings.format(0.7),
        "! /set temperature: needs a value, as in /set temperature 0.7",
        "! /set: temprature is not a setting; did you mean temperature?",
        "! /set: top_p: 2.0 is not in the range 0.01<=x<=1",
    ]


def test_an_unknown_command_is_met_with_the_nearest(talk: QuietTalk) -> None:
    assert say(talk, "/rety", "/frobnicate", "/", "/Help") == [
        "! /rety: no such command; did you mean /retry?",
        "! /frobnicate: no such command; see /help",
        "! /: no such command; see /help",
        "! /Help: no such command; did you mean /help?",
    ]


def test_two_slashes_send_a_question_that_begins_with_one(talk: QuietTalk) -> None:
    assert say(talk, "//help とは？") == [""]
    assert talk.conversation.turns[0].question == "/help とは？"


def test_retry_asks_again_with_another_seed_and_drops_the_old_reply(scripted_model: Any) -> None:
    model = scripted_model(TOKYO, PARIS, TOKYO)
    talk = QuietTalk(Conversation(model, ChatConfig()))
    ask(talk, "首都は？")
    assert say(talk, "/retry", "/retry") == [
        "asking again with temperature 0.7 and seed 1",
        "asking again with temperature 0.7 and seed 2",
    ]
    assert [(question, config.temperature, config.seed) for _, question, config in model.asked] == [
        ("首都は？", 0.0, 0),
        ("首都は？", 0.7, 1),
        ("首都は？", 0.7, 2),
    ]
    assert [history for history, _, _ in model.asked] == [[], [], []]
    assert [turn.answer for turn in talk.conversation.turns] == ["東京です。"]
    assert talk.conversation.config.temperature == 0.0


def test_retry_replaces_the_last_turn_and_no_other(scripted_model: Any) -> None:
    model = scripted_model(TOKYO, TOKYO, PARIS)
    talk = QuietTalk(Conversation(model, ChatConfig()))
    ask(talk, "一")
    ask(talk, "二")
    say(talk, "/retry")
    assert [(turn.question, turn.answer) for turn in talk.conversation.turns] == [
        ("一", "東京です。"),
        ("二", "パリです。"),
    ]
    assert [len(history) for history, _, _ in model.asked] == [
        0,
        1,
        1,
    ]  # the reply that is asked for again is no history


def test_a_retry_that_is_refused_keeps_the_old_turn(scripted_model: Any) -> None:
    talk = QuietTalk(Conversation(scripted_model(TOKYO, UserError("too long")), ChatConfig()))
    ask(talk, "首都は？")
    before = list(talk.conversation.turns)
    assert say(talk, "/retry") == ["! too long"]
    assert talk.conversation.turns == before


def test_retry_keeps_a_temperature_that_was_set(talk: QuietTalk) -> None:
    ask(talk, "首都は？")
    assert say(talk, "/set temperature 1.5", "/retry")[1] == "asking again with temperature 1.5 and seed 1"


def test_undo_and_reset_forget(talk: QuietTalk) -> None:
    ask(talk, "首都は？\n二行目")
    ask(talk, "フランスは？")
    assert say(talk, "/undo", "/undo", "/undo", "/retry", "/reset") == [
        "forgot the last question: フランスは？",
        "forgot the last question: 首都は？",
        "! /undo: nothing was asked yet",
        "! /retry: nothing was asked yet",
        "forgot 0 questions",
    ]
    assert talk.conversation.turns == []


def test_reset_forgets_all(talk: QuietTalk) -> None:
    ask(talk, "首都は？")
    assert say(talk, "/reset", "/stats") == [
        "forgot 1 question",
        "model      scripted\nreplies    0, 0 tokens\nstopped    -\nflagged    0 in a wrong script",
    ]


def test_stats_count_tokens_reasons_and_flags(scripted_model: Any) -> None:
    talk = QuietTalk(
        Conversation(scripted_model(TOKYO, ["\n理由\n\n### Answer:\n这是正确的。\n\n### Input:"]), ChatConfig())
    )
    ask(talk, "一")
    ask(talk, "二")
    assert say(talk, "/stats") == [
        "model      scripted\n"
        "replies    2, 8 tokens, 2.0 tokens/s\n"
        "stopped    1 end of text, 1 end of text (it went on to a question of its own)\n"
        "flagged    1 in a wrong script"
    ]


def test_quit_leaves(talk: QuietTalk) -> None:
    assert say(talk, "/quit") == [""]
    assert talk.leaving


def test_every_choice_of_a_command_is_one_that_it_takes(talk: QuietTalk) -> None:
    for name in ("reasoning", "lang", "recipe"):
        for choice in COMMANDS[name].choices:
            assert not say(talk, f"/{name} {choice}")[0].startswith("!")


# Saving


def test_a_saved_conversation_goes_on_where_it_was(scripted_model: Any, tmp_path: Path) -> None:
    talk = QuietTalk(Conversation(scripted_model(TOKYO), ChatConfig()))
    path = tmp_path / "会話 1.json"
    ask(talk, "首都は？\n二行目")
    assert say(talk, "/lang en", f"/save {path}") == ["lang is en", f"saved 1 question to {path}"]
    model = scripted_model(PARIS)
    later = QuietTalk(Conversation(model, ChatConfig()))
    assert say(later, f"/load {path}") == [f"loaded 1 question from {path}; the next question goes on from there"]
    assert (later.conversation.turns, later.conversation.config) == (talk.conversation.turns, talk.conversation.config)
    ask(later, "フランスは？")
    assert [turn.prompt for turn in model.asked[0][0]] == ["### Instruction:\n首都は？\n二行目\n\n### Reasoning:"]


@pytest.mark.parametrize(("asked", "count"), [(0, "0 questions"), (1, "1 question"), (2, "2 questions")])
def test_questions_are_counted_as_people_count(talk: QuietTalk, tmp_path: Path, asked: int, count: str) -> None:
    path = tmp_path / "talk.json"
    for number in range(asked):
        ask(talk, str(number))
    assert say(talk, f"/save {path}", f"/load {path}", "/reset") == [
        f"saved {count} to {path}",
        f"loaded {count} from {path}; the next question goes on from there",
        f"forgot {count}",
    ]


def test_a_saved_conversation_is_json_that_people_can_read(talk: QuietTalk, tmp_path: Path) -> None:
    ask(talk, "首都は？")
    say(talk, f"/save {tmp_path / 'talk.json'}")
    text = (tmp_path / "talk.json").read_text("utf-8")
    assert "国会がある都市です。" in text
    assert list(json.loads(text)) == ["model", "config", "turns"]


def test_save_writes_over_a_conversation_and_over_nothing_else(talk: QuietTalk, tmp_path: Path) -> None:
    saved, other = tmp_path / "talk.json", tmp_path / "thesis.txt"
    other.write_text("five years of work")
    assert say(talk, f"/save {saved}", f"/save {saved}", f"/save {other}", "/save") == [
        f"saved 0 questions to {saved}",
        f"saved 0 questions to {saved}",
        f"! {other}: is not a conversation that /save wrote; give another file name",
        "! /save: needs a file name, as in /save talk.json",
    ]
    assert other.read_text() == "five years of work"


def test_save_into_a_folder_that_is_not_there_is_refused(talk: QuietTalk, tmp_path: Path) -> None:
    (said,) = say(talk, f"/save {tmp_path / 'no' / 'talk.json'}")
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


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        '{"turns": []}',
        '{"config": {}}',
        '{"config": [], "turns": []}',
        '{"config": {}, "turns": [{"question": "?"}]}',
        json.dumps({"config": {}, "turns": [{**TURN, "stop": "boredom"}]}),
        json.dumps({"config": {}, "turns": [{**TURN, "question": 3}]}),
        json.dumps({"config": {}, "turns": [{**TURN, "question": ""}]}),
        json.dumps({"config": {}, "turns": [{**TURN, "answer": None}]}),
        json.dumps({"config": {}, "turns": [{**TURN, "tokens": "many"}]}),
        json.dumps({"config": {}, "turns": [{**TURN, "reasoning_lang": None}]}),
        json.dumps({"config": {}, "turns": [{**TURN, "guard": None}]}),
        json.dumps({"config": {}, "turns": [{**TURN, "guard": {"mode": "never"}}]}),
        json.dumps({"config": {}, "turns": [{**TURN, "guard": {"step_backs": "many"}}]}),
        json.dumps({"config": {}, "turns": [{key: TURN[key] for key in TURN if key != "reasoning_lang"}]}),
    ],
)
def test_a_file_that_is_no_conversation_is_refused_and_nothing_lost(
    talk: QuietTalk, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "talk.json"
    path.write_text(content)
    ask(talk, "首都は？")
    wanted = f"! {path}: is not a conversation that /save wrote; give another file name"
    assert say(talk, f"/load {path}") == [wanted]
    assert len(talk.conversation.turns) == 1


def test_load_of_a_missing_file_is_said(talk: QuietTalk, tmp_path: Path) -> None:
    assert say(talk, f"/load {tmp_path / 'no.json'}", "/load") == [
        f"! {tmp_path / 'no.json'}: no such file; check the path",
        "! /load: needs a file name, as in /load talk.json",
    ]


def test_a_setting_that_may_have_no_value_can_be_taken_back(talk: QuietTalk) -> None:
    say(talk, "/set reasoning_lang en")
    assert talk.conversation.config.reasoning_lang == "en"
    say(talk, "/set reasoning_lang None")
    assert talk.conversation.config == ChatConfig()
