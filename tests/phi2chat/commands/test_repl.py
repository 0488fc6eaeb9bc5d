"""The REPL: keys through prompt_toolkit's pipe, replies of a script, and the whole transcript that comes out."""

import io
import os
import re
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.cells import cell_len

from curation.errors import UserError
from phi2chat.chatting.chat import Conversation
from phi2chat.chatting.history import open_history
from phi2chat.chatting.input_line import make_session
from phi2chat.chatting.talk import Talk
from phi2chat.commands.repl import talk
from phi2chat.config import ChatConfig
from phi2chat.inference.recipes import StopReason
from phi2chat.terminal.screen import SafeConsole, Screen

BACKSPACE = "\x7f"
ENTER, ALT_ENTER, CTRL_C, CTRL_D = "\r", "\x1b\r", "\x03", "\x04"
TOKYO = ["\n国会がある", "都市です。", "\n\n### Answer:\n", "東京です。"]
FOOTER = "[end of text; 4 tokens, 2.0 tokens/s; recipe chat]"
REPLY = f"[reasoning]\n国会がある都市です。\n\n[answer]\n東京です。\n{FOOTER}\n\n"


def paste(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


def plain_screen() -> tuple[Screen, io.StringIO]:
    """A screen without colours; results and notes go to one place."""
    shown = io.StringIO()
    console = SafeConsole(file=shown, width=200)
    return Screen(console, console), shown


def run(conversation: Conversation, keys: str, history: Any = None) -> str:
    """What is shown when somebody presses these keys and then Ctrl-D."""
    screen, shown = plain_screen()
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys + CTRL_D)
        talk(conversation, screen, make_session(history or InMemoryHistory(), burst_seconds=0))
    return shown.getvalue()


@pytest.fixture
def conversation(scripted_model: Any) -> Conversation:
    return Conversation(scripted_model(TOKYO, TOKYO), ChatConfig())


def questions(conversation: Conversation) -> list[str]:
    return [question for _, question, _ in conversation.model.asked]


# Keys


def test_enter_sends_and_the_reply_is_shown_with_its_end(conversation: Conversation) -> None:
    assert run(conversation, "首都は？" + ENTER) == REPLY
    assert questions(conversation) == ["首都は？"]


def test_alt_enter_begins_a_new_line(conversation: Conversation) -> None:
    run(conversation, f"一行目{ALT_ENTER}二行目{ENTER}")
    assert questions(conversation) == ["一行目\n二行目"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_pasted_text_of_three_lines_is_one_question(conversation: Conversation, line_end: str) -> None:
    run(conversation, paste(line_end.join(["次を要約：", "", "三行目"])) + ENTER)
    assert questions(conversation) == ["次を要約：\n\n三行目"]


def test_a_blank_line_asks_nothing(conversation: Conversation) -> None:
    assert run(conversation, ENTER + "  " + ENTER + "\u3000" + ENTER) == ""
    assert questions(conversation) == []


def test_ctrl_c_at_the_prompt_says_how_to_leave(conversation: Conversation) -> None:
    assert run(conversation, "半分" + CTRL_C) == "Ctrl-D or /quit leaves\n"
    assert questions(conversation) == []


def test_ctrl_d_leaves(conversation: Conversation) -> None:
    assert run(conversation, "") == ""


def test_quit_leaves_and_what_is_typed_after_it_is_not_read(conversation: Conversation) -> None:
    assert run(conversation, "/quit" + ENTER + "首都は？" + ENTER) == ""
    assert questions(conversation) == []


# Transcripts


def test_a_folded_reasoning_is_shown_on_request(conversation: Conversation) -> None:
    keys = ENTER.join(["/reasoning off", "首都は？", "/reasoning on", ""])
    assert run(conversation, keys) == (
        "reasoning is folded\n"
        "▸ reasoning folded (10 characters); /reasoning on shows it\n"
        "[answer]\n"
        "東京です。\n"
        f"{FOOTER}\n"
        "\n"
        "reasoning is shown\n"
        "国会がある都市です。\n"
    )


def test_a_reply_in_a_wrong_script_is_named_in_the_footer(scripted_model: Any) -> None:
    model = scripted_model(["\n这是首都。\n\n### Answer:\n東京です。"], stop=StopReason.BUDGET)
    assert run(Conversation(model, ChatConfig()), "首都は？" + ENTER) == (
        "[reasoning]\n"
        "这是首都。\n"
        "\n"
        "[answer]\n"
        "東京です。\n"
        "[budget; 1 tokens, 2.0 tokens/s; recipe chat]\n"
        "! reasoning: Simplified Chinese: 这是首都; 这 (CJK-8FD9)\n"
        "\n"
    )


def test_a_reply_without_an_answer_says_so(scripted_model: Any) -> None:
    model = scripted_model(["\n理由だけ"], stop=StopReason.REPETITION)
    shown = run(Conversation(model, ChatConfig()), "首都は？" + ENTER)
    assert shown == "[reasoning]\n理由だけ\n[repetition; no answer came; 1 tokens, 2.0 tokens/s; recipe chat]\n\n"


def test_a_refusal_is_shown_and_the_conversation_goes_on(scripted_model: Any) -> None:
    model = scripted_model(UserError("the prompt takes too much"), TOKYO)
    shown = run(Conversation(model, ChatConfig()), ENTER.join(["長い", "/rety", "首都は？", ""]))
    assert shown == ("the prompt takes too much\n/rety: no such command; did you mean /retry?\n" + REPLY)


def test_retry_says_what_it_does_and_asks(conversation: Conversation) -> None:
    shown = run(conversation, ENTER.join(["首都は？", "/retry", ""]))
    assert shown == f"{REPLY}asking again with temperature 0.7 and seed 1\n{REPLY}"


def test_edit_brings_the_question_back_to_be_changed(conversation: Conversation) -> None:
    shown = run(conversation, ENTER.join(["首都は", "/edit", "？", ""]))
    assert questions(conversation) == ["首都は", "首都は？"]
    assert [turn.question for turn in conversation.turns] == ["首都は？"]
    assert shown == REPLY + REPLY


@pytest.mark.parametrize("keys", [CTRL_C, 9 * BACKSPACE + ENTER])
def test_an_edit_that_is_left_changes_nothing(conversation: Conversation, keys: str) -> None:
    run(conversation, ENTER.join(["首都は", "/edit", keys + "次", ""]))
    assert questions(conversation) == ["首都は", "次"]
    assert [turn.question for turn in conversation.turns] == ["首都は", "次"]


def pressing_ctrl_c(times: int) -> Iterator[str]:
    yield from TOKYO[:2]
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
    yield "まだ"
    yield "来ない"


def test_ctrl_c_stops_a_reply_keeps_what_came_and_asks_on(scripted_model: Any) -> None:
    talking = Conversation(scripted_model(pressing_ctrl_c(1), TOKYO), ChatConfig())
    assert run(talking, "首都は？" + ENTER + "もう一度" + ENTER) == (
        "[reasoning]\n"
        "国会がある都市です。まだ\n"
        "[interrupted; no answer came; 3 tokens, 2.0 tokens/s; recipe chat]\n"
        "\n" + REPLY
    )


def test_a_second_ctrl_c_breaks_off_the_models_step_and_keeps_what_came(scripted_model: Any) -> None:
    talking = Conversation(scripted_model(pressing_ctrl_c(2), TOKYO), ChatConfig())
    assert run(talking, "首都は？" + ENTER + "もう一度" + ENTER) == (
        "[reasoning]\n"
        "国会がある都市です。\n"
        "[interrupted; no answer came; 2 tokens, 2.0 tokens/s; recipe chat]\n"
        "\n" + REPLY
    )
    assert [turn.stop for turn in talking.turns] == [StopReason.INTERRUPTED, StopReason.END_OF_TEXT]


def pressing_ctrl_c_twice_at_once() -> Iterator[str]:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    yield "来ない"


def test_a_second_ctrl_c_before_anything_came_leaves_the_conversation_as_it_was(scripted_model: Any) -> None:
    talking = Conversation(scripted_model(pressing_ctrl_c_twice_at_once(), TOKYO), ChatConfig())
    shown = run(talking, "首都は？" + ENTER + "もう一度" + ENTER)
    assert shown == "stopped before anything came\n" + REPLY
    assert [turn.question for turn in talking.turns] == ["もう一度"]


class PressingScreen(Screen):
    """A screen on which Ctrl-C is pressed twice while the second piece is shown, or another one."""

    pieces, pressed_at = 0, 2

    def piece(self, *args: Any, **options: Any) -> None:
        super().piece(*args, **options)
        self.pieces += 1
        if self.pieces == self.pressed_at:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)


def test_a_second_ctrl_c_while_a_piece_is_shown_keeps_what_came(scripted_model: Any) -> None:
    shown = io.StringIO()
    console = SafeConsole(file=shown, width=200)
    talking = Talk(Conversation(scripted_model(TOKYO), ChatConfig()), PressingScreen(console, console), bool)
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        talking.reply("首都は？")
    (turn,) = talking.conversation.turns
    assert (turn.stop, turn.reasoning, turn.answer) == (StopReason.INTERRUPTED, "国会がある都市です。", "")
    assert shown.getvalue().startswith("[reasoning]\n国会がある都市です。\n[interrupted; no answer came;")


@pytest.mark.parametrize("piece", range(1, 5))
def test_a_second_ctrl_c_while_any_piece_is_shown_loses_no_reply(scripted_model: Any, piece: int) -> None:
    shown = io.StringIO()
    console = SafeConsole(file=shown, width=200)
    screen = PressingScreen(console, console)
    screen.pressed_at = piece
    talking = Talk(
        Conversation(scripted_model(["\n国会。\n\n### Answer:\n東京", "です", "。東京都"]), ChatConfig()), screen, bool
    )
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        talking.reply("首都は？")
    (turn,) = talking.conversation.turns
    assert screen.pieces >= piece
    assert shown.getvalue().startswith(f"[reasoning]\n{turn.reasoning}\n")
    assert "stopped before anything came" not in shown.getvalue()


def test_a_retry_that_is_refused_keeps_the_old_reply(scripted_model: Any) -> None:
    talking = Conversation(scripted_model(TOKYO, UserError("the prompt takes too much")), ChatConfig())
    shown = run(talking, ENTER.join(["首都は？", "/retry", ""]))
    assert shown == f"{REPLY}asking again with temperature 0.7 and seed 1\nthe prompt takes too much\n"
    assert [turn.answer for turn in talking.turns] == ["東京です。"]


def test_a_retry_that_is_stopped_before_anything_came_keeps_the_old_reply(scripted_model: Any) -> None:
    talking = Conversation(scripted_model(TOKYO, pressing_ctrl_c_twice_at_once()), ChatConfig())
    shown = run(talking, ENTER.join(["首都は？", "/retry", ""]))
    assert shown.endswith("\nstopped before anything came\n")
    assert [turn.answer for turn in talking.turns] == ["東京です。"]


@pytest.mark.parametrize(("times", "came"), [(1, "国会がある都市です。まだ"), (2, "国会がある都市です。")])
def test_a_retry_that_is_stopped_takes_the_place_of_the_old_reply(scripted_model: Any, times: int, came: str) -> None:
    talking = Conversation(scripted_model(TOKYO, pressing_ctrl_c(times)), ChatConfig())
    run(talking, ENTER.join(["首都は？", "/retry", ""]))
    assert [(turn.stop, turn.reasoning) for turn in talking.turns] == [(StopReason.INTERRUPTED, came)]


# Text of the model is text


INERT = [
    ("[/INST] [bold]x[/bold]", "[/INST] [bold]x[/bold]"),
    (":smile: :warning:", ":smile: :warning:"),
    ("\x1b[31mred\x1b[0m", "^[[31mred^[[0m"),
    ("\x1b]0;title\x07", "^[]0;title^G"),
    ("a\rb\bc", "a^Mb^Hc"),
    ("\x9b2J", "<9B>2J"),
    ("abc\u202ecba", "abc<U+202E RLO>cba"),
    ("http://example.com", "http://example.com"),
    ("{'a': 1}", "{'a': 1}"),
]


@pytest.mark.parametrize(("said", "shown"), INERT)
@pytest.mark.parametrize("cut", [False, True])
def test_text_of_the_model_comes_out_inert(scripted_model: Any, said: str, shown: str, cut: bool) -> None:
    reply = f"\nこれは{said}です\n\n### Answer:\nはい{said}です"
    model = scripted_model(list(reply) if cut else [reply])
    transcript = run(Conversation(model, ChatConfig(lang="und")), "?" + ENTER)
    assert transcript.splitlines()[:5] == ["[reasoning]", f"これは{shown}です", "", "[answer]", f"はい{shown}です"]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", transcript)


def test_what_the_user_typed_comes_back_inert(conversation: Conversation) -> None:
    assert run(conversation, paste("/[bold]\x07") + ENTER) == "/[bold]^G: no such command; see /help\n"


# The line below the input


class ScriptedSession:
    """An input line of 60 cells, into which lines are typed; `below` has what stood below it each time."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)
        self.below: list[str] = []
        self.app = SimpleNamespace(output=SimpleNamespace(get_size=lambda: Size(rows=24, columns=60)))

    def prompt(self, bottom_toolbar: Callable[[], str], **_: Any) -> str:
        self.below.append(bottom_toolbar())
        if not self._lines:
            raise EOFError
        return self._lines.pop(0)


def test_the_line_below_the_input_follows_the_conversation(conversation: Conversation) -> None:
    session: Any = ScriptedSession("/lang en", "首都は？")
    talk(conversation, plain_screen()[0], session)
    assert session.below == [
        "scripted  ja  recipe chat  guard flag",
        "scripted  en  recipe chat  guard flag",
        "scripted  en  recipe chat  guard flag  4 tokens 2.0/s",
    ]


# The screen of a terminal


@pytest.fixture
def terminal() -> tuple[Screen, io.StringIO]:
    shown = io.StringIO()
    console = SafeConsole(file=shown, force_terminal=True, width=60, color_system="standard", legacy_windows=False)
    return Screen(console, console), shown


REASONING, WRONG, DIM, WARNING = "\x1b[3;36m", "\x1b[1;7;31;47m", "\x1b[2m", "\x1b[1;33m"


NAMED = "这 (CJK-8FD9), 们 (CJK-4EEC)"


def styled(text: str, style: str) -> str:
    return f"{style}{text}\x1b[0m"


def test_each_part_has_its_style_and_a_wrong_script_stands_out(terminal: Any, scripted_model: Any) -> None:
    screen, shown = terminal
    talking = Conversation(scripted_model(["\nこれは这们だ。\n\n### Answer:\nはい。"]), ChatConfig())
    for piece in talking.ask("?"):
        screen.piece(piece)
    screen.end_reply(talking.turns[0])
    text = shown.getvalue()
    assert "".join(re.findall(re.escape(REASONING) + r"(.*?)\x1b\[0m", text)) == "これはだ。"
    assert "".join(re.findall(re.escape(WRONG) + r"(.*?)\x1b\[0m", text)) == "这们"
    assert text.replace(f"们\x1b[0m\n{WARNING}", "们 ").endswith(  # it is wrapped
        f"\n\n{styled('[answer]', DIM)}\nはい。\n"
        + styled("[end of text; 1 tokens, 2.0 tokens/s; recipe chat]", DIM)
        + "\n"
        + styled(f"! reasoning: Simplified Chinese: 这们; {NAMED}", WARNING)
        + "\n\n"
    )


def test_a_long_reply_is_broken_by_us_only_where_a_line_would_begin_with_a_closing_mark(
    terminal: Any, scripted_model: Any
) -> None:
    screen, shown = terminal
    talking = Conversation(scripted_model(["\nあ\n\n### Answer:\n" + "日本の首都は東京です。" * 20]), ChatConfig())
    for piece in talking.ask("?"):
        screen.piece(piece)
    screen.end_progress()
    reply = shown.getvalue().partition("[answer]\x1b[0m\n")[2].removesuffix("\n")
    assert reply.replace("\n", "") == "日本の首都は東京です。" * 20
    assert reply.split("\n")[1:] and all(line.startswith("す。") for line in reply.split("\n")[1:])


def test_an_escaped_control_code_is_visible_as_such(terminal: Any, scripted_model: Any) -> None:
    screen, shown = terminal
    talking = Conversation(scripted_model(["\nあ\n\n### Answer:\nはい\x1b[2J"]), ChatConfig())
    for piece in talking.ask("?"):
        screen.piece(piece)
    assert shown.getvalue().endswith("はい" + styled("^[", "\x1b[7;33;40m") + "[2J")


def ask_folded(screen: Screen, model: Any) -> Talk:
    folding = Talk(Conversation(model, ChatConfig()), screen, lambda question: False)
    folding.conversation.show_reasoning = False
    folding.reply("?")
    return folding


def test_a_folded_reasoning_is_counted_in_one_line_that_makes_room(terminal: Any, scripted_model: Any) -> None:
    screen, shown = terminal
    ask_folded(screen, scripted_model(TOKYO))
    erase = "\r\x1b[2K"
    folded = "▸ reasoning folded (10 characters); /reasoning on shows it"
    *counts, last, rest = shown.getvalue().split(erase)
    assert counts[0] == "" and len(counts) >= 1
    assert all(re.fullmatch(r"\x1b\[2m▸ thinking, \d+ c.*\x1b\[0m", count) for count in [*counts[1:], last])
    assert "\n" not in "".join([*counts, last])
    assert rest.startswith(styled(folded, DIM) + "\n" + styled("[answer]", DIM) + "\n東京です。\n")
    assert all(cell_len(re.sub(r"\x1b\[\d+m", "", count)) <= 60 for count in [*counts, last])


def test_a_folded_reasoning_that_never_becomes_an_answer_is_folded_all_the_same(
    terminal: Any, scripted_model: Any
) -> None:
    screen, shown = terminal
    ask_folded(screen, scripted_model(["\n理由だけ"]))
    rest = shown.getvalue().rpartition("\r\x1b[2K")[2]
    assert rest.startswith(styled("▸ reasoning folded (4 characters); /reasoning on shows it", DIM) + "\n")


def test_a_folded_reasoning_costs_less_than_one_that_is_shown(terminal: Any) -> None:
    screen, shown = terminal
    for characters in range(1, 2001):
        screen.thinking(characters)
    screen.end_progress()
    assert len(shown.getvalue().encode()) <= 2000 * len("あ".encode())
    assert "▸ thinking, 1 character\x1b" in shown.getvalue()
    assert "▸ thinking, 2000 characters\x1b" in shown.getvalue()


def test_a_reply_without_a_reasoning_folds_nothing(terminal: Any, scripted_model: Any) -> None:
    screen, shown = terminal
    ask_folded(screen, scripted_model(["\n\n### Answer:\n東京です。"]))
    assert "▸" not in shown.getvalue()


def test_a_status_bar_is_gone_when_the_reply_comes(terminal: Any, scripted_model: Any) -> None:
    screen, shown = terminal
    screen.status("loading")
    screen.say("ready")
    after_bar = shown.getvalue().rpartition("\x1b[2K")[2]
    assert after_bar == "ready\n"


# The history


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_history_is_for_its_owner_alone(tmp_path: Path, conversation: Conversation) -> None:
    screen, _ = plain_screen()
    folder = tmp_path / "state" / "phi2chat"
    run(conversation, f"一行目{ALT_ENTER}二行目{ENTER}", open_history(False, screen, folder))
    assert (mode(folder), mode(folder / "history")) == (0o700, 0o600)
    assert list(open_history(False, screen, folder).load_history_strings()) == ["一行目\n二行目"]


def test_a_history_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "history").touch(0o644)
    (tmp_path / "history").chmod(0o644)
    open_history(False, plain_screen()[0], tmp_path)
    assert mode(tmp_path / "history") == 0o600


def test_without_history_nothing_is_written(tmp_path: Path, conversation: Conversation) -> None:
    run(conversation, "首都は？" + ENTER, open_history(True, plain_screen()[0], tmp_path))
    assert list(tmp_path.iterdir()) == []


def occupied_by_a_folder(path: Path) -> None:
    path.mkdir()


def a_link_to_another_file(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("spoil", [occupied_by_a_folder, a_link_to_another_file])
def test_where_there_can_be_no_history_the_conversation_goes_on(
    tmp_path: Path, conversation: Conversation, spoil: Callable[[Path], None]
) -> None:
    spoil(tmp_path / "history")
    screen, shown = plain_screen()
    history = open_history(False, screen, tmp_path)
    assert shown.getvalue().startswith(f"{tmp_path / 'history'}: there is no history this time (")
    assert run(conversation, "首都は？" + ENTER, history).endswith(REPLY)
    assert not (tmp_path / "elsewhere").exists()


def test_a_question_that_cannot_be_kept_is_answered_all_the_same(tmp_path: Path, conversation: Conversation) -> None:
    screen, shown = plain_screen()
    history = open_history(False, screen, tmp_path / "state")
    shutil.rmtree(tmp_path / "state")
    assert run(conversation, "首都は？" + ENTER, history).endswith(REPLY)
    path = tmp_path / "state" / "history"
    wanted = f"{path}: the question was not kept in the history (No such file or directory)\n"
    assert shown.getvalue() == wanted


# The command


def test_without_a_terminal_the_repl_points_to_ask(phi2chat: Any) -> None:
    done = phi2chat("repl", "--base", "smollm2-135m")
    sentence = 'phi2chat: repl: needs a terminal to read from; for a script there is `phi2chat ask "..."`\n'
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)
