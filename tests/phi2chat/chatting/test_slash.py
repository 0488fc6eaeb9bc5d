"""The slash commands, as transcripts; the model follows a script."""

import re
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.chatting.slash import CALLED_ELSEWHERE, COMMANDS, DONE_OTHERWISE, KEYS
from phi2chat.config import ChatConfig

TOKYO = ["\n国会が", "ある", "都市です。", "\n\n### Ans", "wer:\n", "東京", "です。"]
PARIS = ["\nフランスの話です。\n\n### Answer:\nパリです。"]


@pytest.fixture
def talk(scripted_model: Any, scripted_talk: Any) -> Any:
    """A talk with two replies to come."""
    return scripted_talk(scripted_model(TOKYO, PARIS))


def test_help_lists_every_command_and_the_keys(talk: Any) -> None:
    commands, keys = talk.enter("/help")[0].split("\n\n")
    lines = [line.split("  ", 1) for line in commands.splitlines()]
    assert [usage for usage, _ in lines] == [f"/{name} {one.argument}".rstrip() for name, one in COMMANDS.items()]
    assert [help_.strip() for _, help_ in lines] == [command.help for command in COMMANDS.values()]
    assert max(map(len, commands.splitlines())) <= 80
    assert keys == KEYS


def test_on_a_narrow_screen_help_stands_below_each_command(scripted_model: Any, scripted_talk: Any) -> None:
    lines = scripted_talk(scripted_model(), width=40).enter("/help")[0].split("\n\n")[0].splitlines()
    assert lines[:4] == ["/help", "    this list", "/reasoning on|off", "    show the reasoning or fold it away"]
    assert [line for line in lines if line.startswith("/")] == [
        f"/{name} {one.argument}".rstrip() for name, one in COMMANDS.items()
    ]
    assert max(map(len, lines)) <= 40  # what is broken goes on below its beginning
    assert all(line.startswith("    ") for line in lines if not line.startswith("/"))


def test_reasoning_is_folded_and_the_last_one_shown_again(talk: Any) -> None:
    assert talk.enter("/reasoning off", "/reasoning", "/reasoning maybe") == [
        "reasoning is folded",
        "! /reasoning: say on or off",
        "! /reasoning: say on or off",
    ]
    assert talk.conversation.show_reasoning is False
    talk.reply("首都は？")
    assert talk.enter("/reasoning on") == ["reasoning is shown\n国会がある都市です。"]
    assert talk.conversation.show_reasoning is True


def test_reasoning_on_before_any_reply_shows_none(talk: Any) -> None:
    assert talk.enter("/reasoning on") == ["reasoning is shown"]


def test_the_language_and_the_recipe_are_said_and_set(talk: Any) -> None:
    assert talk.enter("/lang", "/lang zh-Hans", "/lang 日本語", "/recipe b", "/recipe", "/recipe c") == [
        "lang is ja",
        "lang is zh-Hans",
        "! /lang: lang: '日本語' is not a language tag such as ja, en or zh-Hans",
        "recipe is b: like generate(max_length=200): 200 tokens in all, one question at a time",
        "recipe is b: like generate(max_length=200): 200 tokens in all, one question at a time",
        "! /recipe: recipe: 'c' is not one of 'a', 'b', 'chat'",
    ]
    assert (talk.conversation.config.lang, talk.conversation.config.recipe) == ("zh-Hans", "b")


def test_a_language_that_the_guard_does_not_know_is_set_and_said_to_be_so(talk: Any) -> None:
    assert talk.enter("/lang sw", "/lang fr") == [
        "lang is sw; the guard does not know this language, so that nothing is in a wrong script",
        "lang is fr",
    ]


def test_the_guard_is_said_and_set(talk: Any) -> None:
    assert talk.enter("/guard", "/guard enforce", "/guard never") == [
        "guard is flag",
        "guard is enforce",
        "! /guard: guard: 'never' is not one of 'flag', 'enforce', 'off'",
    ]
    assert talk.conversation.config.guard == "enforce"


def test_settings_are_listed_and_set(talk: Any) -> None:
    settings = (
        "recipe = chat\nlang = ja\nreasoning_lang = that of lang\nmax_new_tokens = 512\ntemperature = {}\ntop_p = 1.0\nseed = 0\n"
        "guard = flag"
    )
    assert talk.enter("/set", "/set temperature 0.7", "/set temperature", "/set temprature 1", "/set top_p 2") == [
        settings.format(0.0),
        settings.format(0.7),
        "! /set temperature: needs a value, as in /set temperature 0.7",
        "! /set: temprature is not a setting; did you mean temperature?",
        "! /set: top_p: 2.0 is not in the range 0.01<=x<=1",
    ]


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("temperature hot", "temperature: 'hot' is not a valid number"),
        ("temperature -1", "temperature: -1.0 is not in the range 0<=x<=5"),
        ("temperature 9", "temperature: 9.0 is not in the range 0<=x<=5"),
        ("temperature nan", "temperature: 'nan' is not a number"),
        ("temperature 0.7 0.8", "temperature: '0.7 0.8' is not a valid number"),
        ("top_p 0", "top_p: 0.0 is not in the range 0.01<=x<=1"),
        ("seed -1", "seed: -1 is not in the range 0<=x<=4294967295"),
        ("seed 1.5", "seed: '1.5' is not a valid integer"),
        ("seed 99999999999", "seed: 99999999999 is not in the range 0<=x<=4294967295"),
        ("max_new_tokens 0", "max_new_tokens: 0 is not in the range x>=1"),
        ("max_new_tokens 99999999999", "max_new_tokens: 99999999999 is too large"),
        ("guard none", "guard: 'none' is not one of 'flag', 'enforce', 'off'"),
        ("recipe d", "recipe: 'd' is not one of 'a', 'b', 'chat'"),
        ("reasoning_lang 日本語", "reasoning_lang: '日本語' is not a language tag such as ja, en or zh-Hans"),
    ],
)
def test_a_value_that_does_not_fit_is_said_in_a_sentence_and_nothing_changes(
    talk: Any, setting: str, reason: str
) -> None:
    assert talk.enter(f"/set {setting}") == [f"! /set: {reason}"]
    assert talk.conversation.config == ChatConfig()


def test_what_a_japanese_keyboard_sends_is_a_command_all_the_same(talk: Any) -> None:
    talk.enter("／ｓｅｔ　ｔｅｍｐｅｒａｔｕｒｅ　０．７", "/lang ｅｎ")
    assert (talk.conversation.config.temperature, talk.conversation.config.lang) == (0.7, "en")


@pytest.mark.parametrize(
    ("line", "question"), [("//help とは？", "/help とは？"), ("／／首都", "／首都"), ("/／x", "／x")]
)
def test_two_slashes_send_a_question_that_begins_with_one(talk: Any, line: str, question: str) -> None:
    assert talk.enter(line) == [""]
    assert talk.conversation.turns[0].question == question


def test_edit_asks_another_question_in_the_place_of_the_last_one(scripted_model: Any, scripted_talk: Any) -> None:
    model = scripted_model(TOKYO, TOKYO, PARIS)
    talk = scripted_talk(model)
    talk.reply("一")
    talk.reply("二")
    talk.enter("/edit フランスは？")
    assert [turn.question for turn in talk.conversation.turns] == ["一", "フランスは？"]
    assert [len(history) for history, _, _ in model.asked] == [0, 1, 1]


@pytest.mark.parametrize(("asked", "draft"), [("首都は？\n一言で", "首都は？\n一言で"), ("/help とは", "//help とは")])
def test_edit_brings_the_last_question_back_and_what_is_sent_takes_its_place(talk: Any, asked: str, draft: str) -> None:
    talk.reply(asked)
    assert talk.enter("/edit") == [""]
    assert talk.draft == draft
    talk.enter(f"{talk.draft}？")
    assert [turn.question for turn in talk.conversation.turns] == [f"{asked}？"]
    assert talk.draft == ""


def test_edit_needs_a_question(talk: Any) -> None:
    assert talk.enter("/edit", "/edit 首都は？") == ["! /edit: nothing was asked yet"] * 2


def test_an_unknown_command_is_met_with_the_nearest(talk: Any) -> None:
    assert talk.enter("/rety", "/temprature", "/frobnicate", "/", "/Help") == [
        "! /rety: no such command; did you mean /retry?",
        "! /temprature: no such command; did you mean /set temperature?",
        "! /frobnicate: no such command; see /help",
        "! /: no such command; see /help",
        "! /Help: no such command; did you mean /help?",
    ]


def test_retry_asks_again_with_another_seed_and_drops_the_old_reply(scripted_model: Any, scripted_talk: Any) -> None:
    model = scripted_model(TOKYO, PARIS, TOKYO)
    talk = scripted_talk(model)
    talk.reply("首都は？")
    assert talk.enter("/retry", "/retry") == [
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


def test_retry_replaces_the_last_turn_and_no_other(scripted_model: Any, scripted_talk: Any) -> None:
    model = scripted_model(TOKYO, TOKYO, PARIS)
    talk = scripted_talk(model)
    talk.reply("一")
    talk.reply("二")
    talk.enter("/retry")
    assert [(turn.question, turn.answer) for turn in talk.conversation.turns] == [
        ("一", "東京です。"),
        ("二", "パリです。"),
    ]
    assert [len(history) for history, _, _ in model.asked] == [
        0,
        1,
        1,
    ]  # the reply that is asked for again is no history


def test_a_retry_that_is_refused_keeps_the_old_turn(scripted_model: Any, scripted_talk: Any) -> None:
    talk = scripted_talk(scripted_model(TOKYO, UserError("too long")))
    talk.reply("首都は？")
    before = list(talk.conversation.turns)
    assert talk.enter("/retry") == ["! too long"]
    assert talk.conversation.turns == before


def test_retry_keeps_a_temperature_that_was_set(talk: Any) -> None:
    talk.reply("首都は？")
    assert talk.enter("/set temperature 1.5", "/retry")[1] == "asking again with temperature 1.5 and seed 1"


def test_undo_and_reset_forget(talk: Any) -> None:
    talk.reply("首都は？\n二行目")
    talk.reply("フランスは？")
    assert talk.enter("/undo", "/undo", "/undo", "/retry", "/reset") == [
        "forgot the last question: フランスは？",
        "forgot the last question: 首都は？",
        "! /undo: nothing was asked yet",
        "! /retry: nothing was asked yet",
        "forgot 0 questions",
    ]
    assert talk.conversation.turns == []


def test_reset_forgets_all(talk: Any) -> None:
    talk.reply("首都は？")
    assert talk.enter("/reset", "/stats") == [
        "forgot 1 question",
        "model      scripted\nreplies    0, 0 tokens\nstopped    -\nflagged    0 in a wrong script",
    ]


def test_stats_count_tokens_reasons_and_flags(scripted_model: Any, scripted_talk: Any) -> None:
    talk = scripted_talk(scripted_model(TOKYO, ["\n理由\n\n### Answer:\n这是正确的。\n\n### Input:"]))
    talk.reply("一")
    talk.reply("二")
    assert talk.enter("/stats") == [
        "model      scripted\n"
        "replies    2, 8 tokens, 2.0 tokens/s\n"
        "stopped    1 end of text, 1 end of text (it went on to a question of its own)\n"
        "flagged    1 in a wrong script"
    ]


def test_quit_leaves(talk: Any) -> None:
    assert talk.enter("/quit") == [""]
    assert talk.leaving


def test_every_choice_of_a_command_is_one_that_it_takes(talk: Any) -> None:
    for name in ("reasoning", "lang", "recipe"):
        for choice in COMMANDS[name].choices:
            assert not talk.enter(f"/{name} {choice}")[0].startswith("!")


def test_a_setting_that_may_have_no_value_can_be_taken_back(talk: Any) -> None:
    talk.enter("/set reasoning_lang en")
    assert talk.conversation.config.reasoning_lang == "en"
    talk.enter("/set reasoning_lang None")
    assert talk.conversation.config == ChatConfig()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("/exit", "quit"), ("／ｂｙｅ", "quit"), ("/clear", "reset"), ("/?", "help"), ("/think off", "reasoning")],
)
def test_who_calls_a_command_as_another_program_does_is_told_its_name(talk: Any, typed: str, meant: str) -> None:
    assert talk.enter(typed) == [f"! /{typed.split()[0][1:]}: no such command; did you mean /{meant}?"]


def test_what_other_programs_call_a_command_is_one_of_ours() -> None:
    assert {meant.split()[0] for meant in CALLED_ELSEWHERE.values()} <= COMMANDS.keys()
    assert not CALLED_ELSEWHERE.keys() & COMMANDS.keys()


def test_what_is_a_setting_here_is_offered_as_one(talk: Any) -> None:
    assert talk.enter("/temp 0.7", "/nothink") == [
        "! /temp: no such command; did you mean /set temperature?",
        "! /nothink: no such command; did you mean /reasoning off?",
    ]
    settings = {meant.split()[1] for meant in CALLED_ELSEWHERE.values() if meant.startswith("set ")}
    assert settings <= vars(ChatConfig()).keys()


@pytest.mark.parametrize("name", DONE_OTHERWISE)
def test_what_other_programs_have_and_we_have_not_is_said_with_what_to_do_instead(talk: Any, name: str) -> None:
    (said,) = talk.enter(f"/{name} x")
    assert said == f"! /{name}: no such command; {DONE_OTHERWISE[name]}"
    assert set(re.findall(r"(?<![\w.])/(\w+)", DONE_OTHERWISE[name])) <= COMMANDS.keys()
    assert name not in COMMANDS
