"""The conversation: what is asked and what is kept of it; the model follows a script."""

import dataclasses
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.chatting.origin import Origin
from phi2chat.config import ChatConfig
from phi2chat.inference.guard import GuardReport
from phi2chat.inference.prompt import Example
from phi2chat.inference.recipes import StopReason
from phi2chat.terminal.interrupts import noting_interrupts

TOKYO = ["\n国会が", "ある", "都市です。", "\n\n### Ans", "wer:\n", "東京", "です。"]
PARIS = ["\nフランスの話です。\n\n### Answer:\nパリです。"]


def ask(conversation: Conversation, question: str, **changes: Any) -> list[tuple[str, str, str | None]]:
    return [(piece.part, piece.text, piece.wrong_language) for piece in conversation.ask(question, **changes)]


def set_to(conversation: Conversation, **changes: Any) -> None:
    conversation.config = dataclasses.replace(conversation.config, **changes)


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
        set_to(talk, lang=lang)
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


def test_a_turn_keeps_the_languages_it_was_judged_by(scripted_model: Any) -> None:
    talk = Conversation(scripted_model(TOKYO, TOKYO), ChatConfig())
    ask(talk, "一")
    set_to(talk, reasoning_lang="en", lang="zh-Hans")
    ask(talk, "二")
    assert [(turn.lang, turn.reasoning_lang) for turn in talk.turns] == [("ja", "ja"), ("zh-Hans", "en")]
    assert [bool(turn.reasoning_spans) for turn in talk.turns] == [False, True]


def test_with_the_guard_off_nothing_is_flagged(scripted_model: Any) -> None:
    reply = ["\n这是首都。\n\n### Answer:\n这是东京。"]
    talk = Conversation(scripted_model(reply, reply), ChatConfig())
    flagged = []
    for guard in ("off", "flag"):
        set_to(talk, guard=guard)
        flagged.append(any(language for _, _, language in ask(talk, "?")))
    assert flagged == [False, True]
    off, flag = talk.turns
    assert (off.reasoning_spans, off.answer_spans) == ((), ())
    assert flag.reasoning_spans and flag.answer_spans


def test_text_that_was_held_back_stays_in_its_part(scripted_model: Any) -> None:
    # The kanji wait for what follows them, which is the answer.
    talk = Conversation(scripted_model(["\n東京", "都\n\n### Answer:\n", "首都"]), ChatConfig())
    assert ask(talk, "?") == [("reasoning", "東京都", None), ("answer", "首都", None)]


def test_only_the_recipe_chat_hands_on_the_history(scripted_model: Any) -> None:
    model = scripted_model(TOKYO, PARIS, PARIS, PARIS)
    talk = Conversation(model, ChatConfig())
    ask(talk, "一")
    for recipe in ("a", "b", "chat"):
        set_to(talk, recipe=recipe)
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


def test_a_question_asked_again_and_stopped_before_anything_came_keeps_the_old_turn(scripted_model: Any) -> None:
    def reply() -> Iterator[str]:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        yield "来ない"

    talk = Conversation(scripted_model(TOKYO, reply()), ChatConfig())
    ask(talk, "首都は？")
    before = list(talk.turns)
    with pytest.raises(KeyboardInterrupt), noting_interrupts() as interrupt:
        list(talk.ask("首都は？", interrupt, again=True))
    assert talk.turns == before


def test_a_question_that_cannot_be_asked_leaves_the_conversation_as_it_was(scripted_model: Any) -> None:
    talk = Conversation(scripted_model(TOKYO, UserError("too long")), ChatConfig())
    ask(talk, "首都は？")
    with pytest.raises(UserError, match="too long"):
        ask(talk, "長い")
    assert [turn.question for turn in talk.turns] == ["首都は？"]


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
    "unit": "pieces",
    "notes": ["the reply is cut"],
    "context_tokens": 812,
    "origin": {
        "model": "phi-2 + runs/one",
        "base": "phi-2",
        "adapter": "runs/one",
        "adapter_sha256": "ab12",
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": 3,
    },
}


def test_a_turn_that_was_written_is_read_back() -> None:
    assert Turn.from_json(TURN).to_json() == TURN
    # Numbers are numbers, however another program wrote them.
    assert Turn.from_json({**TURN, "tokens": 1.0, "context_tokens": "812"}).to_json() == TURN


def test_a_turn_from_before_there_were_guards_and_servers_was_flagged_and_counted_in_tokens() -> None:
    turn = Turn.from_json(
        {key: TURN[key] for key in TURN if key not in ("guard", "unit", "notes", "context_tokens", "origin")}
    )
    assert (turn.guard, turn.unit, turn.notes, turn.origin) == (GuardReport("flag"), "tokens", (), Origin())
