"""The conversation and its slash commands, as transcripts; the model follows a script."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.chat import COMMANDS, Conversation, Outcome, Turn, run_command
from phi2chat.config import ChatConfig
from phi2chat.guard import GuardReport
from phi2chat.interrupts import noting_interrupts
from phi2chat.prompt import Example
from phi2chat.recipes import StopReason

TOKYO = ["\n国会が", "ある", "都市です。", "\n\n### Ans", "wer:\n", "東京", "です。"]
PARIS = ["\nフランスの話です。\n\n### Answer:\nパリです。"]


def ask(conversation: Conversation, question: str, **changes: Any) -> list[tuple[str, str, str | None]]:
    return [(piece.part, piece.text, piece.wrong_language) for piece in conversation.ask(question, **changes)]


def say(conversation: Conversation, *lines: str) -> list[str]:
    """What is said to each line: a notice, a refusal (with "! "), or what is asked or done."""
    said = []
    for line in lines:
        try:
            outcome = run_command(conversation, line)
        except UserError as error:
            said.append(f"! {error}")
            continue
        said.append(outcome.notice)
        if outcome.question is not None:
            ask(conversation, outcome.question, again=outcome.again, **outcome.changes)
    return said


@pytest.fixture
def talk(scripted_model: Any) -> Conversation:
    """A conversation with two replies to come."""
    return Conversation(scripted_model(TOKYO, PARIS), ChatConfig())


# Asking


def test_a_reply_comes_in_parts_and_the_turn_is_kept(talk: Conversation) -> None:
    pieces = ask(talk, "首都は？")
    assert {part for part, _, _ in pieces} == {"reasoning", "answer"}
    for part, text in (("reasoning", "国会がある都市です。"), ("answer", "東京です。")):
        assert "".join(piece for kind, piece, _ in pieces if kind == part) == text
    assert [kind for kind, _, _ in pieces] == sorted((kind for kind, _, _ in pieces), reverse=True)
    (turn,) = talk.turns
    assert turn.to_json() == {
        "question": "首都は？",
        "reasoning": "国会がある都市です。",
        "answer": "東京です。",
        "stop": "end_of_text",
        "tokens": 7,
        "seconds": 3.5,
        "recipe": "chat",
        "lang": "ja",
        "reasoning_lang": "ja",
        "guard": {"mode": "flag", "step_backs": 0, "changed_steps": 0, "spent": False, "note": ""},
    }


@pytest.mark.parametrize("stop", list(StopReason))
def test_the_reason_of_the_model_is_the_reason_of_the_turn(scripted_model: Any, stop: StopReason) -> None:
    talk = Conversation(scripted_model(TOKYO, stop=stop), ChatConfig())
    ask(talk, "首都は？")
    assert talk.turns[0].stop is stop


def test_a_question_of_its_own_ends_the_reply(scripted_model: Any) -> None:
    reply = iter([*TOKYO, "\n\n### Instruction:", "\n次は", "来ない"])
    talk = Conversation(scripted_model(reply), ChatConfig())
    pieces = ask(talk, "首都は？")
    assert pieces[-1] == ("answer", "東京です。", None)
    assert (talk.turns[0].stop, talk.turns[0].answer) == (StopReason.NEXT_QUESTION, "東京です。")
    assert list(reply) == ["\n次は", "来ない"]  # the model was not asked for more


def test_ctrl_c_keeps_what_came(scripted_model: Any) -> None:
    def reply() -> Iterator[str]:
        yield from TOKYO[:-1]
        os.kill(os.getpid(), signal.SIGINT)
        yield "です"
        yield "来ない"

    talk = Conversation(scripted_model(reply()), ChatConfig())
    with noting_interrupts() as interrupt:
        list(talk.ask("首都は？", interrupt))
    assert (talk.turns[0].stop, talk.turns[0].answer) == (StopReason.INTERRUPTED, "東京です")


def test_a_second_ctrl_c_stops_at_once(scripted_model: Any) -> None:
    def reply() -> Iterator[str]:
        yield "東京"
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        yield "来ない"

    talk = Conversation(scripted_model(reply()), ChatConfig())
    with pytest.raises(KeyboardInterrupt), noting_interrupts() as interrupt:
        list(talk.ask("首都は？", interrupt))
    assert talk.turns == []


def test_a_run_in_a_wrong_script_is_marked_where_it_stands(scripted_model: Any) -> None:
    reply = ["\n首都は東京です。这是正确的答案。\n\n### Answer:\n東京です。"]
    talk = Conversation(scripted_model(reply), ChatConfig())
    pieces = ask(talk, "首都は？")
    marked = [(text, language) for _, text, language in pieces if language]
    assert "".join(text for text, _ in marked) == "这是正确的答案"
    assert {language for _, language in marked} == {"zh-Hans"}
    (turn,) = talk.turns
    assert [(span.text, span.name) for span in turn.reasoning_spans] == [("这是正确的答案", "Simplified Chinese")]
    assert turn.answer_spans == ()


def test_what_is_wrong_depends_on_the_language(scripted_model: Any) -> None:
    reply = ["\nThe capital of Japan is Tokyo, of course.\n\n### Answer:\n東京です。"]
    talk = Conversation(scripted_model(reply, reply), ChatConfig())
    wrong = []
    for lang in ("ja", "en"):
        say(talk, f"/lang {lang}")
        wrong.append({part for part, _, language in ask(talk, "?") if language})
    assert wrong == [{"reasoning"}, {"answer"}]
    assert [turn.lang for turn in talk.turns] == ["ja", "en"]


@pytest.mark.parametrize(("reasoning_lang", "wrong"), [(None, {"reasoning"}), ("en", set()), ("ja", {"reasoning"})])
def test_the_reasoning_may_be_in_a_language_of_its_own(
    scripted_model: Any, reasoning_lang: str | None, wrong: set[str]
) -> None:
    reply = ["\nThe capital of Japan is Tokyo, of course.\n\n### Answer:\n東京です。"]
    talk = Conversation(scripted_model(reply), ChatConfig(lang="ja", reasoning_lang=reasoning_lang))
    assert {part for part, _, language in ask(talk, "?") if language} == wrong
    (turn,) = talk.turns
    assert (turn.lang, turn.reasoning_lang) == ("ja", reasoning_lang or "ja")
    assert bool(turn.reasoning_spans) == bool(wrong)
    assert turn.answer_spans == ()


def test_the_answer_is_judged_by_the_language_of_replies_alone(scripted_model: Any) -> None:
    reply = ["\n国会がある都市です。\n\n### Answer:\nIt is Tokyo, of course."]
    talk = Conversation(scripted_model(reply), ChatConfig(lang="ja", reasoning_lang="en"))
    assert {part for part, _, language in ask(talk, "?") if language} == {"reasoning", "answer"}


def test_a_setting_that_may_have_no_value_can_be_taken_back(talk: Conversation) -> None:
    say(talk, "/set reasoning_lang en")
    assert talk.config.reasoning_lang == "en"
    say(talk, "/set reasoning_lang None")
    assert talk.config == ChatConfig()


def test_a_turn_keeps_the_languages_it_was_judged_by(scripted_model: Any) -> None:
    talk = Conversation(scripted_model(TOKYO, TOKYO), ChatConfig())
    ask(talk, "一")
    say(talk, "/set reasoning_lang en", "/lang zh-Hans")
    ask(talk, "二")
    assert [(turn.lang, turn.reasoning_lang) for turn in talk.turns] == [("ja", "ja"), ("zh-Hans", "en")]
    assert [bool(turn.reasoning_spans) for turn in talk.turns] == [False, True]


def test_with_the_guard_off_nothing_is_flagged(scripted_model: Any) -> None:
    reply = ["\n这是首都。\n\n### Answer:\n这是东京。"]
    talk = Conversation(scripted_model(reply, reply), ChatConfig())
    flagged = []
    for guard in ("off", "flag"):
        say(talk, f"/guard {guard}")
        flagged.append(any(language for _, _, language in ask(talk, "?")))
    assert flagged == [False, True]
    off, flag = talk.turns
    assert (off.reasoning_spans, off.answer_spans) == ((), ())
    assert flag.reasoning_spans and flag.answer_spans
    assert say(talk, "/stats")[0].splitlines()[-1] == "flagged    1 in a wrong script"


def test_text_that_was_held_back_stays_in_its_part(scripted_model: Any) -> None:
    # The kanji wait for what follows them, which is the answer.
    talk = Conversation(scripted_model(["\n東京", "都\n\n### Answer:\n", "首都"]), ChatConfig())
    assert ask(talk, "?") == [("reasoning", "東京都", None), ("answer", "首都", None)]


def test_only_the_recipe_chat_hands_on_the_history(scripted_model: Any) -> None:
    model = scripted_model(TOKYO, PARIS, PARIS, PARIS)
    talk = Conversation(model, ChatConfig())
    ask(talk, "一")
    for recipe in ("a", "b", "chat"):
        say(talk, f"/recipe {recipe}")
        ask(talk, recipe)
    turn = Example("### Instruction:\n一\n\n### Reasoning:", "\n国会がある都市です。\n\n### Answer:\n東京です。")
    histories = [history for history, _, _ in model.asked]
    assert histories[:3] == [[], [], []]
    assert histories[3][0] == turn
    assert len(histories[3]) == 3
    assert [config.recipe for _, _, config in model.asked] == ["chat", "a", "b", "chat"]


def test_a_reply_without_an_answer_is_no_history(scripted_model: Any) -> None:
    model = scripted_model(["\n理由だけ"], PARIS)
    talk = Conversation(model, ChatConfig())
    ask(talk, "一")
    ask(talk, "二")
    assert talk.turns[0].answer == ""
    assert model.asked[1][0] == []


# Slash commands


def test_help_lists_every_command_and_the_keys(talk: Conversation) -> None:
    assert say(talk, "/help") == [
        "/help                    this list\n"
        "/reasoning on|off        show the reasoning or fold it away\n"
        "/lang TAG                the language of replies; other scripts are flagged\n"
        "/guard flag|enforce|off  mark a wrong script, keep it out, or neither\n"
        "/recipe a|b|chat         the way of inference\n"
        "/retry                   ask the last question again, sampled\n"
        "/undo                    forget the last question and its reply\n"
        "/reset                   forget the conversation\n"
        "/set KEY VALUE           change a setting; without one, list them\n"
        "/save FILE               write the conversation to a file\n"
        "/load FILE               go on with a saved conversation\n"
        "/stats                   model, tokens, speed, why replies stopped\n"
        "/quit                    leave\n"
        "\n"
        "Enter sends, Alt-Enter begins a new line, Ctrl-X Ctrl-E opens $EDITOR, Ctrl-C or Esc stops a reply, "
        "Ctrl-R searches, Ctrl-D leaves"
    ]


def test_reasoning_is_folded_and_the_last_one_shown_again(talk: Conversation) -> None:
    assert say(talk, "/reasoning off", "/reasoning", "/reasoning maybe") == [
        "reasoning is folded",
        "! /reasoning: say on or off",
        "! /reasoning: say on or off",
    ]
    assert talk.show_reasoning is False
    ask(talk, "首都は？")
    assert run_command(talk, "/reasoning on") == Outcome("reasoning is shown", reasoning_of=talk.turns[0])
    assert talk.show_reasoning is True


def test_reasoning_on_before_any_reply_shows_none(talk: Conversation) -> None:
    assert run_command(talk, "/reasoning on") == Outcome("reasoning is shown")


def test_the_language_and_the_recipe_are_said_and_set(talk: Conversation) -> None:
    assert say(talk, "/lang", "/lang zh-Hans", "/lang 日本語", "/recipe b", "/recipe", "/recipe c") == [
        "lang is ja",
        "lang is zh-Hans",
        "! /lang: lang: '日本語' is not a language tag such as ja, en or zh-Hans",
        "recipe is b: like generate(max_length=200): 200 tokens in all, one question at a time",
        "recipe is b: like generate(max_length=200): 200 tokens in all, one question at a time",
        "! /recipe: recipe: 'c' is not one of 'a', 'b', 'chat'",
    ]
    assert (talk.config.lang, talk.config.recipe) == ("zh-Hans", "b")


def test_the_guard_is_said_and_set(talk: Conversation) -> None:
    assert say(talk, "/guard", "/guard enforce", "/guard never") == [
        "guard is flag",
        "guard is enforce",
        "! /guard: guard: 'never' is not one of 'flag', 'enforce', 'off'",
    ]
    assert talk.config.guard == "enforce"


def test_settings_are_listed_and_set(talk: Conversation) -> None:
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


def test_an_unknown_command_is_met_with_the_nearest(talk: Conversation) -> None:
    assert say(talk, "/rety", "/frobnicate", "/", "/Help") == [
        "! /rety: no such command; did you mean /retry?",
        "! /frobnicate: no such command; see /help",
        "! /: no such command; see /help",
        "! /Help: no such command; did you mean /help?",
    ]


def test_retry_asks_again_with_another_seed_and_drops_the_old_reply(scripted_model: Any) -> None:
    model = scripted_model(TOKYO, PARIS, TOKYO)
    talk = Conversation(model, ChatConfig())
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
    assert [turn.answer for turn in talk.turns] == ["東京です。"]
    assert talk.config.temperature == 0.0


def test_retry_replaces_the_last_turn_and_no_other(scripted_model: Any) -> None:
    model = scripted_model(TOKYO, TOKYO, PARIS)
    talk = Conversation(model, ChatConfig())
    ask(talk, "一")
    ask(talk, "二")
    say(talk, "/retry")
    assert [(turn.question, turn.answer) for turn in talk.turns] == [("一", "東京です。"), ("二", "パリです。")]
    assert [len(history) for history, _, _ in model.asked] == [
        0,
        1,
        1,
    ]  # the reply that is asked for again is no history


def test_a_retry_that_is_refused_keeps_the_old_turn(scripted_model: Any) -> None:
    talk = Conversation(scripted_model(TOKYO, UserError("too long")), ChatConfig())
    ask(talk, "首都は？")
    before = list(talk.turns)
    outcome = run_command(talk, "/retry")
    assert (outcome.again, talk.turns) == (True, before)
    with pytest.raises(UserError, match="too long"):
        ask(talk, str(outcome.question), again=outcome.again, **outcome.changes)
    assert talk.turns == before


def test_a_retry_that_is_stopped_at_once_keeps_the_old_turn(scripted_model: Any) -> None:
    def reply() -> Iterator[str]:
        yield "まだ"
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        yield "来ない"

    talk = Conversation(scripted_model(TOKYO, reply()), ChatConfig())
    ask(talk, "首都は？")
    before = list(talk.turns)
    with pytest.raises(KeyboardInterrupt), noting_interrupts() as interrupt:
        list(talk.ask("首都は？", interrupt, again=True))
    assert talk.turns == before


def test_retry_keeps_a_temperature_that_was_set(talk: Conversation) -> None:
    ask(talk, "首都は？")
    assert say(talk, "/set temperature 1.5", "/retry")[1] == "asking again with temperature 1.5 and seed 1"


def test_undo_and_reset_forget(talk: Conversation) -> None:
    ask(talk, "首都は？\n二行目")
    ask(talk, "フランスは？")
    assert say(talk, "/undo", "/undo", "/undo", "/retry", "/reset") == [
        "forgot the last question: フランスは？",
        "forgot the last question: 首都は？",
        "! /undo: nothing was asked yet",
        "! /retry: nothing was asked yet",
        "forgot 0 questions",
    ]
    assert talk.turns == []


def test_reset_forgets_all(talk: Conversation) -> None:
    ask(talk, "首都は？")
    assert say(talk, "/reset", "/stats") == [
        "forgot 1 question",
        "model      scripted\nreplies    0, 0 tokens\nstopped    -\nflagged    0 in a wrong script",
    ]


def test_stats_count_tokens_reasons_and_flags(scripted_model: Any) -> None:
    talk = Conversation(scripted_model(TOKYO, ["\n理由\n\n### Answer:\n这是正确的。\n\n### Input:"]), ChatConfig())
    ask(talk, "一")
    ask(talk, "二")
    assert say(talk, "/stats") == [
        "model      scripted\n"
        "replies    2, 8 tokens, 2.0 tokens/s\n"
        "stopped    1 end of text, 1 end of text (it went on to a question of its own)\n"
        "flagged    1 in a wrong script"
    ]


def test_quit_leaves(talk: Conversation) -> None:
    assert run_command(talk, "/quit") == Outcome(leave=True)


def test_every_choice_of_a_command_is_one_that_it_takes(talk: Conversation) -> None:
    for name in ("reasoning", "lang", "recipe"):
        for choice in COMMANDS[name].choices:
            run_command(talk, f"/{name} {choice}")


# Saving


def test_a_saved_conversation_goes_on_where_it_was(scripted_model: Any, tmp_path: Path) -> None:
    talk = Conversation(scripted_model(TOKYO), ChatConfig())
    path = tmp_path / "会話 1.json"
    ask(talk, "首都は？\n二行目")
    assert say(talk, "/lang en", f"/save {path}") == ["lang is en", f"saved 1 question to {path}"]
    model = scripted_model(PARIS)
    later = Conversation(model, ChatConfig())
    assert say(later, f"/load {path}") == [f"loaded 1 question from {path}; the next question goes on from there"]
    assert (later.turns, later.config) == (talk.turns, talk.config)
    ask(later, "フランスは？")
    assert [turn.prompt for turn in model.asked[0][0]] == ["### Instruction:\n首都は？\n二行目\n\n### Reasoning:"]


@pytest.mark.parametrize(("asked", "count"), [(0, "0 questions"), (1, "1 question"), (2, "2 questions")])
def test_questions_are_counted_as_people_count(talk: Conversation, tmp_path: Path, asked: int, count: str) -> None:
    path = tmp_path / "talk.json"
    for number in range(asked):
        ask(talk, str(number))
    assert say(talk, f"/save {path}", f"/load {path}", "/reset") == [
        f"saved {count} to {path}",
        f"loaded {count} from {path}; the next question goes on from there",
        f"forgot {count}",
    ]


def test_a_saved_conversation_is_json_that_people_can_read(talk: Conversation, tmp_path: Path) -> None:
    ask(talk, "首都は？")
    say(talk, f"/save {tmp_path / 'talk.json'}")
    text = (tmp_path / "talk.json").read_text("utf-8")
    assert "国会がある都市です。" in text
    assert list(json.loads(text)) == ["model", "config", "turns"]


def test_save_writes_over_a_conversation_and_over_nothing_else(talk: Conversation, tmp_path: Path) -> None:
    saved, other = tmp_path / "talk.json", tmp_path / "thesis.txt"
    other.write_text("five years of work")
    assert say(talk, f"/save {saved}", f"/save {saved}", f"/save {other}", "/save") == [
        f"saved 0 questions to {saved}",
        f"saved 0 questions to {saved}",
        f"! {other}: is not a conversation that /save wrote; give another file name",
        "! /save: needs a file name, as in /save talk.json",
    ]
    assert other.read_text() == "five years of work"


def test_save_into_a_folder_that_is_not_there_is_refused(talk: Conversation, tmp_path: Path) -> None:
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


def test_a_turn_that_was_written_is_read_back() -> None:
    assert Turn.from_json(TURN).to_json() == TURN


def test_a_turn_from_before_there_were_guards_was_flagged() -> None:
    turn = Turn.from_json({key: TURN[key] for key in TURN if key != "guard"})
    assert turn.guard == GuardReport("flag")


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
    talk: Conversation, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "talk.json"
    path.write_text(content)
    ask(talk, "首都は？")
    wanted = f"! {path}: is not a conversation that /save wrote; give another file name"
    assert say(talk, f"/load {path}") == [wanted]
    assert len(talk.turns) == 1


def test_load_of_a_missing_file_is_said(talk: Conversation, tmp_path: Path) -> None:
    assert say(talk, f"/load {tmp_path / 'no.json'}", "/load") == [
        f"! {tmp_path / 'no.json'}: no such file; check the path",
        "! /load: needs a file name, as in /load talk.json",
    ]


def test_a_question_that_cannot_be_asked_leaves_the_conversation_as_it_was(scripted_model: Any) -> None:
    talk = Conversation(scripted_model(TOKYO, UserError("too long")), ChatConfig())
    ask(talk, "首都は？")
    with pytest.raises(UserError, match="too long"):
        ask(talk, "長い")
    assert [turn.question for turn in talk.turns] == ["首都は？"]
