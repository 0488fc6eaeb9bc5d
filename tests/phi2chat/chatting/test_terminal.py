"""The real REPL in a real terminal: with a model that follows a script, and with the embedded one."""

import random
import re
import shlex
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from phi2chat.chatting.chat import Conversation
from phi2chat.chatting.sessions import to_jsonl
from phi2chat.config import ChatConfig

CTRL_C, CTRL_D, CTRL_R, CTRL_X_CTRL_E = "\x03", "\x04", "\x12", "\x18\x05"
ESC, UP, LEFT, TAB = "\x1b", "\x1b[A", "\x1b[D", "\t"
HOSTILE = "a\x1b]0;title\x07b\u202ec\U000e0041d\x9b2Je"
REPOSITORY = Path(__file__).parents[3]
SENTENCE = "日本の首都は東京です。"  # of scripted_repl.py


IN_BASH = "import os; os.execvp('bash', ['bash', '--norc', '--noprofile', '-i'])"
IN_PLAIN_SHELL = "import os; os.execvp('sh', ['sh', '-i'])"  # which sets no mode for its own line


class Shell:
    """A terminal with the scripted REPL or another command in it, at its prompt."""

    def __init__(
        self, environment: dict[str, str], folder: Path, columns: int = 80, rows: int = 60, command: Sequence[str] = (),
        ready: str = "»",
    ) -> None:  # fmt: skip
        self.child = pexpect.spawn(
            sys.executable,
            list(command) or [str(REPOSITORY / "tests" / "scripted_repl.py"), str(folder)],
            # Most tests ask for no cursor, so that the status line stays away.
            env={"PROMPT_TOOLKIT_NO_CPR": "1", **environment, "TERM": "xterm-256color"},
            cwd=str(folder),
            dimensions=(rows, columns),
        )
        self.mode = termios.tcgetattr(self.child.child_fd)
        self.screen = pyte.Screen(columns, rows)
        self.screen.write_process_input = self.send  # where it is asked, it tells its cursor's position
        self._stream = pyte.ByteStream(self.screen)
        self.bytes = b""
        self.wait_for(ready)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    @property
    def sentences(self) -> str:
        """The text without the breaks that the width brought."""
        return " ".join(self.text.split())

    @property
    def line(self) -> str:
        """The line with the cursor."""
        return self.screen.display[self.screen.cursor.y].rstrip()

    def send(self, keys: str) -> None:
        self.child.send(keys.encode("utf-8", "surrogateescape"))

    def read(self, seconds: float = 0.05) -> None:
        try:
            content = self.child.read_nonblocking(65536, seconds)
        except pexpect.TIMEOUT:
            return
        self.bytes += content
        self._stream.feed(content)

    def wait_until(self, holds: Callable[[], object], seconds: float = 100) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.text
            self.read()

    def wait_for(self, pattern: str) -> None:
        self.wait_until(lambda: re.search(pattern, self.text))

    def ask(self, question: str) -> bytes:
        """Ask, wait for the next prompt, and give what was sent to the terminal."""
        before = len(self.bytes)
        self.send(question + "\r")
        self.wait_until(lambda: self.at_prompt(before))
        return self.bytes[before:]

    def at_prompt(self, since: int) -> bool:
        """Whether a reply has ended since then and nothing stands in the line."""
        return b"; recipe " in self.bytes[since:] and self.line == "»"

    def end(self) -> int | None:
        """Wait for the end of the process and give its exit code."""
        with pytest.raises(pexpect.EOF):
            self.wait_until(lambda: False)
        self.child.wait()
        return self.child.exitstatus


@pytest.fixture
def start(clean_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Shell]]:
    """Start a shell with `start(columns=40, EDITOR="vi")`."""
    shells: list[Shell] = []

    def start_one(columns: int = 80, rows: int = 60, **environment: str) -> Shell:
        shells.append(Shell({**clean_environment, **environment}, tmp_path, columns, rows))
        return shells[-1]

    yield start_one
    for shell in shells:
        shell.child.close(force=True)


@pytest.fixture
def shell(start: Callable[..., Shell]) -> Shell:
    return start()


def paste(text: str) -> str:
    return f"\x1b[200~{text}\x1b[201~"


# While a reply streams


def test_esc_stops_a_reply_and_keeps_what_came(shell: Shell) -> None:
    shell.send("say 500\r")
    shell.wait_for("首都")
    shell.send(ESC)
    shell.wait_for(r"\[interrupted; no answer came; \d+ tokens")
    shell.wait_until(lambda: shell.line == "»")
    shell.send("/stats\r")
    shell.wait_for("1 interrupted")


def test_what_is_typed_meanwhile_stands_in_the_next_line_with_the_cursor_behind_it(shell: Shell) -> None:
    shell.send("say 40\r")
    shell.wait_for("首都")
    shell.send("次は、全角" + LEFT + LEFT)
    shell.wait_for("end of text")
    shell.wait_until(lambda: shell.line == "» 次は、全角")
    shell.wait_until(lambda: shell.screen.cursor.x == 2 + 2 * 3)


def test_a_question_that_is_sent_meanwhile_is_asked_next_and_keys_of_arrows_stop_nothing(shell: Shell) -> None:
    shell.send("say 40\r")
    shell.wait_for("首都")
    shell.send(UP + "\x1b[B" + "echo 二番目\r")
    shell.wait_for(r"(?s)end of text.*\[answer\]\n二番目\.")
    assert "interrupted" not in shell.text


def test_a_paste_meanwhile_is_one_text_and_is_not_sent(shell: Shell) -> None:
    shell.send("say 40\r")
    shell.wait_for("首都")
    shell.send(paste("echo 一\r/quit\recho 二"))
    shell.wait_for(r"(?s)end of text.*» echo 一\n  /quit\n  echo 二")
    assert shell.ask("").decode().count("[answer]") == 1
    assert "一\n/quit\necho 二." in shell.text


def test_what_is_typed_ahead_answers_no_question(shell: Shell, tmp_path: Path) -> None:
    kept = tmp_path / "talk.md"
    kept.write_text("mine", encoding="utf-8")
    shell.ask("say 1")
    shell.send("say 200\r")
    shell.wait_for("(?s)end of text.*首都")
    shell.send(f"/export {kept}\r/why\r")  # its y would be a yes
    shell.wait_for("write over it")
    shell.send("n")
    shell.wait_for("stays as it is")
    assert kept.read_text(encoding="utf-8") == "mine"


def test_what_is_typed_while_probes_are_asked_tears_no_bar_and_esc_stops_them(
    start: Callable[..., Shell], tmp_path: Path
) -> None:
    (tmp_path / "p.txt").write_text("echo 一\nsay 500\necho 三\n", encoding="utf-8")
    shell = start(columns=40)
    shell.send("/probe p.txt\r")
    shell.wait_for("2/3 say 500")
    shell.send("次の\r質問")
    shell.read(0.5)
    assert shell.text.count("2/3 say 500") == 1 and "次の" not in shell.text
    shell.send(ESC)
    shell.wait_until(lambda: "stopped after 1 of 3" in shell.sentences)
    shell.wait_until(lambda: shell.line == "» 質問")  # the line before it was sent
    assert "» 次の" in shell.text


def test_what_is_typed_while_a_command_works_is_not_shown_before_its_line(shell: Shell, tmp_path: Path) -> None:
    shell.send("/wait\r")
    shell.wait_for("waiting")
    shell.send("次の" + ESC)
    shell.read(0.5)
    (tmp_path / "go-on").touch()
    shell.wait_until(lambda: shell.line == "» 次の")
    assert shell.text.count("次の") == 1 and "^[" not in shell.text
    shell.send(CTRL_C + CTRL_D)
    assert shell.end() == 0
    assert termios.tcgetattr(shell.child.child_fd) == shell.mode


def test_a_bug_leaves_the_terminal_as_it_was_and_a_prompt(shell: Shell) -> None:
    shell.send("fail いろは\r")
    shell.wait_for(r"(?s)ZeroDivisionError: a bug \^\[\]0;title\^G.*»")
    assert b"\x1b]0" not in shell.bytes
    assert shell.screen.cursor.attrs == pyte.Screen(1, 1).cursor.attrs
    shell.ask("echo また")
    assert "また" in shell.text


def test_a_bug_in_a_command_says_that_the_conversation_stays(start: Callable[..., Shell]) -> None:
    shell = start(columns=100)
    shell.ask("echo 一")
    shell.send("/bug\r")
    shell.wait_for("ZeroDivisionError")
    shell.wait_for("this is a bug in phi2chat; the conversation stays as it was before, and goes on\n»")
    assert "reply" not in shell.text
    shell.screen.reset()
    shell.send("/stats\r")
    shell.wait_for(r"replies +1, \d+ tokens")


def test_a_long_reply_costs_few_bytes_and_stands_there_once_though_the_terminal_changes_its_size(shell: Shell) -> None:
    before = len(shell.bytes)
    shell.send("say 200\r")
    for columns in [40, 100, 20, 80] * 3:
        shell.read(0.05)
        shell.child.setwinsize(60, columns)
    shell.wait_until(lambda: shell.at_prompt(before))
    sent = shell.bytes[before:]
    begin, end = sent.index(b"[reasoning]"), sent.index(b"[end of text")
    reply = (SENTENCE * 200)[:200]
    # Reasoning and answer; a line break stands where a line would begin with a closing mark.
    assert sent[begin:end].replace(b"\r\n", b"").count(reply.encode()) == 2
    assert end - begin <= 1.1 * len(f"[reasoning]\n{reply}\n\n[answer]\n{reply}.\n".encode())


@pytest.mark.parametrize("columns", [40, 80])
def test_a_long_reply_costs_few_bytes_with_the_prompt_and_the_status_line_too(
    columns: int, start: Callable[..., Shell]
) -> None:
    shell = start(columns=columns, rows=30, PROMPT_TOOLKIT_NO_CPR="")
    shell.wait_until(lambda: "scripted  ja" in shell.text)
    sent = shell.ask("say 400")  # from the first key of the question to the next prompt
    shell.wait_until(lambda: "scripted  ja" in shell.text and " tokens " in shell.screen.display[-1])
    reply = (SENTENCE * 400)[:400]
    assert len(sent) <= 1.5 * len((reply + reply + ".").encode())  # reasoning and answer


def prompt_is_back(shell: Shell, since: int) -> bool:
    return shell.line == "»" and b"\x1b[?2004h" in shell.bytes[since:][-200:]


def interrupt_at_random(shell: Shell, times: int) -> None:
    """Interrupt replies, each time until the prompt is back."""
    chance = random.Random(5)
    for _ in range(times):
        before = len(shell.bytes)
        shell.send("say 60\r")
        until = time.monotonic() + chance.uniform(0, 0.3)
        while time.monotonic() < until:
            shell.read(0.01)
        shell.send(CTRL_C)
        # Before the reply begins, Ctrl-C is one at the prompt or has nothing to stop yet.
        shell.wait_until(partial(prompt_is_back, shell, before))


def assert_usable_after(shell: Shell, interrupts: int) -> None:
    interrupt_at_random(shell, interrupts)
    sent = shell.bytes.decode()
    assert "Traceback" not in sent
    kept, dropped = sent.count("; recipe "), sent.count("stopped before anything came")
    missed = sent.count("Ctrl-D or /quit leaves")
    assert kept + dropped + missed >= interrupts
    assert kept > interrupts / 2
    shell.ask("echo まだ話せる")
    shell.screen.reset()
    shell.send("/stats\r")
    shell.wait_for(rf"replies +{kept + 1}, \d+ tokens")
    shell.send("/quit\r")
    assert shell.end() == 0


def test_a_reply_can_be_stopped_at_any_moment(shell: Shell) -> None:
    assert_usable_after(shell, 8)


@pytest.mark.slow
def test_200_replies_can_be_stopped_at_any_moment(shell: Shell) -> None:
    assert_usable_after(shell, 200)  # how soon the prompt is back, benchmarks/interrupts.py measures


# A shell's job


class ShellOfJobs(Shell):
    """A terminal with a shell in it that has started the scripted REPL."""

    def __init__(self, environment: dict[str, str], folder: Path, program: str) -> None:
        super().__init__({**environment, "PS1": "$"}, folder, command=["-c", program], ready=r"\$")
        self.send(shlex.join([sys.executable, str(REPOSITORY / "tests" / "scripted_repl.py"), str(folder)]) + "\r")
        self.wait_until(lambda: self.line == "»")

    def press(self, key: str, notice: str) -> None:
        """Press a key that gives the terminal back to the shell, which says so."""
        self.send(key)
        self.wait_for(notice)
        self.wait_until(lambda: self.line == "$")

    def assert_as_it_was(self) -> None:
        assert self.screen.cursor.attrs == pyte.Screen(1, 1).cursor.attrs
        assert not self.screen.cursor.hidden

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.child.child_fd)[3] & termios.ECHO)


@pytest.fixture
def start_job(clean_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str], ShellOfJobs]]:
    """Start a shell with the scripted REPL as its job."""
    shells: list[ShellOfJobs] = []

    def start(program: str = IN_BASH) -> ShellOfJobs:
        shells.append(ShellOfJobs(clean_environment, tmp_path, program))
        return shells[-1]

    yield start
    for shell in shells:
        shell.child.close(force=True)


@pytest.mark.slow
def test_a_reply_that_is_suspended_gives_the_shell_its_terminal_and_goes_on(
    start_job: Callable[[], ShellOfJobs],
) -> None:
    shell = start_job()
    shell.send("say 300\r")
    shell.wait_for("首都")
    shell.press("\x1a", "Stopped")
    shell.assert_as_it_was()
    shell.send("fg\r")
    shell.wait_for("fg")
    shell.send("\x1b[200~先に\rあと\x1b[201~")  # a paste, which the shell no longer marks
    shell.wait_until(lambda: shell.line == "  あと")
    assert "end of text" in shell.text
    assert shell.text.count("先に") == 1
    assert shell.bytes.rindex(b"\x1b[?2004h", 0, shell.bytes.index("先に".encode())) > shell.bytes.rindex(b"fg\r\n")


@pytest.mark.slow
def test_a_command_that_is_suspended_hides_the_keys_again(start_job: Callable[[], ShellOfJobs], tmp_path: Path) -> None:
    shell = start_job()
    shell.send("/wait\r")
    shell.wait_for("waiting")
    shell.press("\x1a", "Stopped")
    shell.assert_as_it_was()
    shell.send("fg\r")
    shell.wait_until(lambda: not shell.echoes() and "$" not in shell.line)
    before = len(shell.bytes)
    shell.send("先に")
    for _ in range(10):
        shell.read()
    assert shell.bytes[before:] == b""
    (tmp_path / "go-on").touch()
    shell.wait_until(lambda: shell.line == "» 先に")


@pytest.mark.slow
def test_ctrl_z_at_the_prompt_gives_the_shell_its_terminal_and_the_line_comes_back(
    start_job: Callable[[], ShellOfJobs],
) -> None:
    shell = start_job()
    shell.send("途中の")
    shell.wait_until(lambda: shell.line == "» 途中の")
    shell.press("\x1a", "Stopped")
    shell.assert_as_it_was()
    shell.send("fg\r")
    shell.wait_until(lambda: shell.line == "» 途中の")
    shell.send("質問")
    shell.wait_until(lambda: shell.line == "» 途中の質問")


@pytest.mark.slow
@pytest.mark.parametrize(("question", "sign"), [("/wait", "waiting"), ("say 500", "首都")], ids=["command", "reply"])
def test_ctrl_backslash_leaves_a_plain_shell_its_terminal(
    start_job: Callable[[str], ShellOfJobs], question: str, sign: str
) -> None:
    shell = start_job(IN_PLAIN_SHELL)
    shell.send(question + "\r")
    shell.wait_for(sign)
    shell.press("\x1c", "Quit")
    shell.assert_as_it_was()
    assert shell.echoes()


@pytest.mark.slow
def test_ctrl_backslash_in_an_editor_does_not_end_the_conversation(start: Callable[..., Shell]) -> None:
    shell = start(EDITOR="sh -c 'echo opened; sleep 100'")
    shell.send("/edit-text\r")
    shell.wait_for("opened")
    shell.send("\x1c")
    shell.wait_for("nothing was changed")
    shell.wait_until(lambda: shell.line == "»")


# The end


@pytest.mark.parametrize(
    ("keys", "number"),
    [("", signal.SIGTERM), ("say 500\r", signal.SIGTERM), ("say 500\r", signal.SIGHUP)],
    ids=["at the prompt", "in a reply", "of a terminal"],
)
def test_a_signal_to_end_leaves_the_terminal_as_it_was(shell: Shell, keys: str, number: signal.Signals) -> None:
    shell.send(keys)
    shell.wait_for("首都" if keys else "»")
    shell.child.kill(number)
    assert shell.end() == 130
    assert termios.tcgetattr(shell.child.child_fd) == shell.mode
    assert shell.screen.cursor.attrs == pyte.Screen(1, 1).cursor.attrs
    assert not shell.screen.cursor.hidden
    assert shell.bytes.rindex(b"\x1b[?2004l") > shell.bytes.rindex(b"\x1b[?2004h")
    assert b"Traceback" not in shell.bytes


@pytest.mark.parametrize("keys", ["", "say 500\r"], ids=["at the prompt", "in a reply"])
def test_a_terminal_that_is_closed_ends_it(shell: Shell, keys: str) -> None:
    shell.send(keys)
    shell.wait_for("首都" if keys else "»")
    shell.child.ptyproc.fileobj.close()
    deadline = time.monotonic() + 60
    while shell.child.isalive():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    shell.child.ptyproc.closed = True  # so that it is not closed again


def test_ctrl_d_leaves_and_ctrl_c_drops_what_was_typed(shell: Shell) -> None:
    shell.send("半分" + CTRL_C)
    shell.wait_for("Ctrl-D or /quit leaves\n»$")
    shell.send(CTRL_D)
    assert shell.end() == 0
    assert termios.tcgetattr(shell.child.child_fd) == shell.mode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "code", "shown"),
    [
        (CTRL_D, 0, "Ctrl-D leaves"),
        ("/stats\r" + CTRL_D, 0, "replies +0, 0 tokens"),
        (CTRL_C, 130, "phi2chat: interrupted"),
    ],
    ids=["Ctrl-D", "a command and Ctrl-D", "Ctrl-C"],
)
def test_keys_that_come_while_the_model_loads_do_what_they_do_at_the_prompt_or_end_it(
    keys: str, code: int, shown: str, clean_environment: dict[str, str], tmp_path: Path, tiny_phi: Path
) -> None:
    command = ["-m", "phi2chat", "repl", "--base", str(tiny_phi), "--device", "cpu"]
    shell = Shell(clean_environment, tmp_path, 200, command=command, ready="loading")
    shell.send(keys)
    assert shell.end() == code
    assert re.search(shown, shell.text)
    assert "loading" not in shell.text and not shell.screen.cursor.hidden  # the bar is gone
    assert termios.tcgetattr(shell.child.child_fd) == shell.mode


@pytest.mark.slow
def test_a_saved_conversation_goes_on_from_the_start_and_a_setting_that_is_given_wins(
    clean_environment: dict[str, str], tmp_path: Path, tiny_phi: Path, scripted_model: Any
) -> None:
    saved = Conversation(scripted_model(["\n考え\n\n### Answer:\nTokyo"]), ChatConfig(lang="en", temperature=0.2))
    list(saved.ask("首都は？"))
    (tmp_path / "talk.jsonl").write_bytes(to_jsonl(saved))
    options = ["--base", str(tiny_phi), "--device", "cpu", "--temperature", "0.7", "--load", "talk.jsonl"]
    shell = Shell(clean_environment, tmp_path, 200, command=["-m", "phi2chat", "repl", *options])
    assert "loaded 1 question from talk.jsonl (with scripted then, with " in shell.text
    shell.send("/set\r")
    shell.wait_for("(?s)lang = en.*temperature = 0.7")
    shell.send("/edit\r")
    shell.wait_until(lambda: shell.line == "» 首都は？")
    shell.child.close(force=True)


def test_a_file_that_is_no_conversation_is_refused_before_a_model_is_loaded(
    clean_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "talk.jsonl").write_text("{}\n", encoding="utf-8")
    command = ["-m", "phi2chat", "repl", "--base", "nowhere/at-all", "--load", "talk.jsonl"]
    shell = Shell(clean_environment, tmp_path, 200, command=command, ready="phi2chat: ")
    assert shell.end() == 1
    assert shell.text == "phi2chat: talk.jsonl: is not a conversation that /save wrote; give another file name"


# The input line


def test_the_cursor_stands_behind_wide_characters(start: Callable[..., Shell]) -> None:
    shell = start(columns=40)
    shell.send("全角の文字と half ｶﾅ か\u3099")
    shell.wait_until(lambda: "half" in shell.line)
    shell.wait_until(lambda: shell.screen.cursor.x == 2 + 12 + 6 + 3 + 2)
    shell.send(LEFT * 2)  # whole characters: the kana with its mark, and the blank
    shell.wait_until(lambda: shell.screen.cursor.x == 2 + 12 + 6 + 2)


@pytest.mark.slow
def test_a_line_stays_when_the_terminal_changes_its_size(shell: Shell) -> None:
    shell.send("echo 幅が変わる")
    shell.wait_for("幅が変わる")
    shell.child.setwinsize(60, 30)
    shell.read(0.2)
    assert "幅が変わる." in shell.ask("").decode()


def test_a_paste_that_holds_the_end_of_a_paste_is_not_sent(shell: Shell) -> None:
    shell.send(paste("echo 一\x1b[201~\r/quit\r"))
    shell.wait_for("/quit")
    time.sleep(0.1)  # longer than a burst
    assert "[answer]" in shell.ask("").decode()
    assert "/quit" in shell.text


def test_what_is_pasted_and_recalled_is_shown_visibly_and_kept_as_it_is(
    start: Callable[..., Shell], tmp_path: Path
) -> None:
    shell = start()
    shell.send(paste("echo " + HOSTILE))
    shell.wait_for(re.escape("a^[]0;title^Gb<U+202E RLO>c<TAG A>d<9B>2Je"))
    shell.ask("")
    again = start()
    again.send(UP)
    again.wait_for(re.escape("a^[]0;title^Gb<U+202E RLO>c<TAG A>d<9B>2Je"))
    again.send(CTRL_C)
    again.wait_until(lambda: again.line == "»")
    again.screen.reset()
    again.send(CTRL_R + paste("\u202ec"))
    again.wait_for(re.escape("backward: <U+202E RLO>c"))
    again.wait_for(re.escape("a^[]0;title^Gb<U+202E RLO>c<TAG A>d<9B>2Je"))
    for sent in (shell.bytes.decode(), again.bytes.decode()):
        assert not re.search("\x1b][0-9]|\u202e|\U000e0041|\x9b|\x07", sent)
    assert f"+echo {HOSTILE}\n" in (tmp_path / "history").read_text(encoding="utf-8")


def test_the_editor_brings_its_text_into_the_line_without_sending_it(
    start: Callable[..., Shell], tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf '\\nと二行目' >> \"$1\"\n", encoding="utf-8")
    editor.chmod(0o755)
    shell = start(EDITOR=str(editor))
    shell.send("echo 一行目" + CTRL_X_CTRL_E)
    shell.wait_for("» echo 一行目\n  と二行目")
    assert "一行目\r\nと二行目." in re.sub(r"\x1b\[[0-9;]*m", "", shell.ask("").decode())


@pytest.mark.parametrize("in_prompt", [True, False], ids=["of the line", "of a command"])
def test_an_editor_reads_lines_that_are_seen_and_the_talk_is_silent_again(
    in_prompt: bool, start: Callable[..., Shell], tmp_path: Path
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho ready\nread line\nprintf \'%s\' "$line" >> "$1"\n', encoding="utf-8")
    editor.chmod(0o755)
    shell = start(EDITOR=str(editor))
    shell.send("echo " + CTRL_X_CTRL_E if in_prompt else "/edit-text\r")
    shell.wait_for("ready")
    shell.send("本文\r")
    shell.wait_for("(?s)ready\n本文\n.*" + ("» echo 本文" if in_prompt else "read 本文"))
    shell.wait_until(lambda: shell.line.startswith("»"))
    shell.send(CTRL_C + "/wait\r")
    shell.wait_for("waiting")
    shell.send(ESC)
    shell.read(0.5)
    assert "^[" not in shell.text


@pytest.mark.slow
def test_without_an_editor_the_line_stays(start: Callable[..., Shell]) -> None:
    shell = start(EDITOR="", VISUAL="")
    shell.send("echo 一行目" + CTRL_X_CTRL_E)
    shell.wait_for("there is no editor; set \\$EDITOR")
    shell.wait_until(lambda: shell.line == "» echo 一行目")


@pytest.mark.slow
def test_commands_are_offered_with_what_they_do(shell: Shell) -> None:
    shell.send("/re")
    shell.wait_for("/retry +ask the last question again, sampled")
    shell.send(CTRL_C + "echo 一")
    shell.wait_until(lambda: shell.line == "» echo 一")
    assert "/retry" not in shell.text


def test_files_are_offered_while_a_command_is_typed(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "会話 1.jsonl").touch()
    (tmp_path / "a\x1b]0;title\x07").touch()
    shell.send("/load ")
    shell.wait_for(r"会話 1\.jsonl")
    shell.wait_for(re.escape("a^[]0;title^G"))
    assert b"\x1b]0" not in shell.bytes
    shell.send("会")
    shell.wait_until(lambda: "title" not in shell.text)
    shell.send(TAB)
    shell.wait_until(lambda: shell.line == "» /load 会話 1.jsonl")


def test_the_question_that_begins_so_is_found_in_the_history(shell: Shell) -> None:
    for question in ("echo 一", "say 1"):
        shell.ask(question)
    shell.send("ec" + UP)
    shell.wait_until(lambda: shell.line == "» echo 一")


@pytest.mark.slow
def test_two_sessions_keep_all_of_their_questions(start: Callable[..., Shell], tmp_path: Path) -> None:
    shells = [start(), start()]
    for number in range(10):
        for name, shell in zip("ab", shells, strict=True):
            shell.send(f"/set {name}{number}\r")
    for shell, name in zip(shells, "ab", strict=True):
        shell.wait_for(f"{name}9: needs")
    lines = (tmp_path / "history").read_text(encoding="utf-8").splitlines()
    for name in "ab":
        asked = [line for line in lines if line.startswith(f"+/set {name}")]
        assert asked == [f"+/set {name}{number}" for number in range(10)]


def test_a_question_that_is_not_kept_is_said_above_its_reply(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "history").unlink()
    (tmp_path / "history").mkdir()
    shell.ask("echo 答え")
    assert shell.text.count("was not kept in the history (Is a directory)") == 1
    assert "答え." in shell.text
    shell.ask("echo もう一度")
    assert shell.text.count("was not kept in the history") == 1


# The embedded model


@pytest.fixture(params=[80, 40])
def embedded(request: pytest.FixtureRequest, clean_environment: dict[str, str], tmp_path: Path) -> Iterator[Shell]:
    """`phi2chat repl` with the embedded model, at its first prompt."""
    options = ["--base", "smollm2-135m", "--data", "mine.jsonl", "--device", "cpu", "--max-new-tokens", "200"]
    editor = {"VISUAL": f"{shlex.quote(sys.executable)} {shlex.quote(str(tmp_path / 'editor.py'))}"}
    command = ["-m", "phi2chat", "repl", *options]
    shell = Shell({**clean_environment, **editor}, tmp_path, request.param, command=command)
    assert "/help lists the commands, Ctrl-D leaves." in shell.sentences
    yield shell
    shell.child.close(force=True)


@pytest.mark.slow
def test_a_question_is_answered_with_the_reason_for_its_end(embedded: Shell) -> None:
    embedded.send("/set max_new_tokens 20\r")
    embedded.wait_for("seed = 0")
    embedded.ask("日本の首都はどこですか。")
    end = r"\[(budget|repetition|end of text)[^]]*; \d+ tokens, [\d.]+ tokens/s; recipe chat\]"
    assert re.search(f"» 日本の首都はどこですか。.*{end}", embedded.sentences)
    assert "Traceback" not in embedded.text
    embedded.send("/quit\r")
    assert embedded.end() == 0


@pytest.mark.slow
def test_ctrl_c_keeps_what_came_of_a_reply_and_asks_on(embedded: Shell) -> None:
    embedded.send("Count from one to one hundred, one number a line.\r")
    embedded.wait_for(r"\[reasoning\]\n.")
    embedded.send(CTRL_C)
    embedded.wait_for(r"\[interrupted; ")
    embedded.wait_until(lambda: embedded.line == "»")
    embedded.send("/stats\r")
    embedded.wait_for("1 interrupted")
    embedded.send(CTRL_C)
    embedded.wait_for("Ctrl-D or /quit leaves")
    embedded.send(CTRL_D)
    assert embedded.end() == 0


@pytest.mark.slow
def test_keys_bring_questions_back_and_complete_commands(embedded: Shell) -> None:
    embedded.send("/lang en\r")
    embedded.wait_for("lang is en")
    embedded.wait_until(lambda: embedded.line == "»")
    embedded.send(UP)
    embedded.wait_until(lambda: embedded.line == "» /lang en")
    embedded.send("\r")
    embedded.wait_for("(?s)lang is en.*lang is en")
    embedded.send("/sta")
    embedded.wait_for("/stats  model")
    embedded.send(TAB)
    embedded.wait_until(lambda: embedded.line == "» /stats")
    embedded.send("\r")
    embedded.wait_for(r"replies +0, 0 tokens")
    embedded.send("/quit\r")
    assert embedded.end() == 0


@pytest.mark.slow
def test_a_reply_is_fixed_in_the_editor_and_taken_back(embedded: Shell, tmp_path: Path) -> None:
    (tmp_path / "editor.py").write_text(
        "import sys\n"
        "text = 'instruction: 日本の首都は？\\nreasoning: 国会は東京にあります。\\nanswer: 東京です。\\nlanguage: ja\\n'\n"
        "open(sys.argv[1], 'w', encoding='utf-8').write(text)\n",
        encoding="utf-8",
    )
    for sent, shown in (
        ("/set max_new_tokens 5", "seed = 0"),
        ("/data", "records go to mine.jsonl, a new file"),
        ("日本の首都は？", r"recipe chat\]"),
        ("/fix", r"\+ 東京です。.*saved afb780fa48 to mine.jsonl"),
        ("/why 1", r"1\.00 afb780fa48 mine.jsonl:1"),
        ("/fixes undo", "took afb780fa48 out of mine.jsonl"),
    ):
        embedded.send(sent + "\r")
        embedded.wait_until(lambda shown=shown: re.search(shown, embedded.sentences))  # type: ignore[misc]
        embedded.wait_until(lambda: embedded.line == "»")
    assert (tmp_path / "mine.jsonl").read_bytes() == b""
    embedded.send("/quit\r")
    assert embedded.end() == 0
