"""`curate browse` in a real terminal of 80 by 24 and of 40 by 20 cells, with Japanese records."""

import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pyte
import pytest

ESC, TAB, PAGE_DOWN, END = "\x1b", "\t", "\x1b[6~", "\x1b[F"
LEFT_ALTERNATE_SCREEN, SHOWN_CURSOR = b"\x1b[?1049l", b"\x1b[?25h"
HOSTILE = "a\x1b]0;title\x07b\u202ec\U000e0041d\x9b2Je"
RECORDS = [
    {"id": "tokyo", "instruction": "日本の首都はどこですか。", "reasoning": "国会は東京にあります。", "answer": "東京です。"},
    {"id": "paris", "instruction": "フランスの首都はどこですか。", "reasoning": "政府はパリにあります。", "answer": "首都是巴黎。"},
    {"id": "steer", "instruction": HOSTILE, "reasoning": HOSTILE, "answer": "鳥です。"},
    {"id": "long", "instruction": "数えてください。", "reasoning": "数えます。", "answer": "\n".join(map(str, range(60)))},
]  # fmt: skip
BROKEN = '{"id": "broken", "instruction": "壊れた\n'.encode()
LINES = [json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in RECORDS] + [BROKEN]


class Terminal:
    """A terminal with `curate browse` in it."""

    def __init__(
        self, environment: dict[str, str], file: Path, options: tuple[str, ...], columns: int, rows: int
    ) -> None:
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "phi2chat", "curate", "browse", str(file), *options],
            env={**environment, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"},
            cwd=str(file.parent),
            dimensions=(rows, columns),
        )
        self.mode = termios.tcgetattr(self.child.child_fd)
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.bytes = b""
        self.wait_for(r"\? help")

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """What is shown; pyte has an empty cell after a wide character."""
        return "\n".join(self.lines)

    @property
    def sentences(self) -> str:
        """The text without the breaks that the width brought."""
        return " ".join(self.text.split())

    def read(self, seconds: float = 0.05) -> None:
        try:
            content = self.child.read_nonblocking(65536, seconds)
        except pexpect.TIMEOUT:
            return
        self.bytes += content
        self._stream.feed(content)

    def wait_until(self, holds: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.text
            self.read()

    def wait_for(self, pattern: str) -> None:
        self.wait_until(lambda: re.search(pattern, self.text) or re.search(pattern, self.sentences))

    def press(self, keys: str, pattern: str) -> None:
        """Send keys and wait for what they bring."""
        self.child.send(keys)
        self.wait_for(pattern)

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def style_of(self, text: str) -> pyte.screens.Char:
        """The cell in which a text begins."""
        (row,) = [number for number, line in enumerate(self.screen.display) if text in line]
        cells = self.screen.buffer[row]
        column = next(place for place in range(self.screen.columns) if self.at(row, place).startswith(text))
        return cells[column]

    def at(self, row: int, column: int) -> str:
        return "".join(self.screen.buffer[row][place].data for place in range(column, self.screen.columns))

    def end(self) -> int | None:
        """Wait for the end of the process and give its exit code; the terminal is as it was before."""
        with pytest.raises(pexpect.EOF):
            self.wait_until(lambda: False)
        self.child.wait()
        assert LEFT_ALTERNATE_SCREEN in self.bytes
        assert self.bytes.rindex(SHOWN_CURSOR) > self.bytes.rindex(b"\x1b[?25l")
        return self.child.exitstatus


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.jsonl"
    path.write_bytes(b"".join(LINES))
    return path


@pytest.fixture
def editor(tmp_path: Path) -> str:
    """An editor that does what the sed script `edit` in its folder says."""
    path = tmp_path / "editor"
    path.write_text(f'#!/bin/sh\nexec sed -i -f {tmp_path / "edit"} "$1"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def browse(clean_environment: dict[str, str], file: Path, editor: str) -> Iterator[Callable[..., Terminal]]:
    """Start it with `browse("--who", "花子", columns=40, rows=20)`."""
    started: list[Terminal] = []

    def start(*options: str, columns: int = 80, rows: int = 24, **environment: str) -> Terminal:
        given = {**clean_environment, "EDITOR": editor, **environment}
        started.append(Terminal(given, file, options, columns, rows))
        return started[-1]

    yield start
    for terminal in started:
        terminal.child.close(force=True)


def settled(terminal: Terminal) -> None:
    """Wait until the rules have looked at all."""
    terminal.wait_until(lambda: re.search(r"\d/\d", terminal.lines[0]) and "checking" not in terminal.lines[0])


WIDE = """\
some.jsonl  2/5
   1 日本の首都はどこですか。   │─ paris ───────────────────────────────────────
 ✗ 2 フランスの首都はどこですか…│✗ answer: "首都是巴黎" is Chinese where
 ! 3 a^[]0;title^Gb<U+202E RLO>…│  language is ja [wrong-script]
   4 数えてください。           │instruction
 ✗ 5 {"id": "broken", "instruct…│フランスの首都はどこですか。
                                │reasoning
                                │政府はパリにあります。
                                │answer
                                │首都是巴黎。"""

NARROW = """\
some.jsonl  2/5
   1 日本の首都はどこですか。
 ✗ 2 フランスの首都はどこですか。
 ! 3 a^[]0;title^Gb<U+202E RLO>c<TAG A>…
   4 数えてください。
 ✗ 5 {"id": "broken", "instruction": "…

─ paris ────────────────────────────────
✗ answer: "首都是巴黎" is Chinese where
  language is ja [wrong-script]
instruction
フランスの首都はどこですか。
reasoning
政府はパリにあります。
answer
首都是巴黎。"""


@pytest.mark.slow
def test_the_list_stands_beside_the_record_and_above_it_where_the_terminal_is_narrow(
    browse: Callable[..., Terminal], file: Path
) -> None:
    terminal = browse()
    settled(terminal)
    terminal.press("g", "─ paris")
    assert "\n".join(terminal.lines[:10]) == WIDE
    assert terminal.lines[-1] == "e edit  a accept  r reject  / search  u undo  g finding  ? help  q quit"
    wrong = terminal.style_of("首都是巴黎。")
    assert (wrong.fg, wrong.bold, wrong.reverse) == ("red", True, True)
    terminal.resize(40, 20)
    terminal.wait_until(lambda: "\n".join(terminal.lines[:16]) == NARROW)
    assert terminal.lines[-2:] == ["e edit  a accept  r reject  / search", "u undo  g finding  ? help  q quit"]
    terminal.resize(80, 24)
    terminal.wait_until(lambda: "\n".join(terminal.lines[:10]) == WIDE)
    terminal.press("g", "─ steer")
    assert b"\x1b]0;" not in terminal.bytes and b"\x9b2J" not in terminal.bytes
    assert "\u202e".encode() not in terminal.bytes
    terminal.child.send("q")
    assert terminal.end() == 0
    assert file.read_bytes() == b"".join(LINES)


@pytest.mark.slow
def test_records_are_corrected_rejected_and_brought_back(browse: Callable[..., Terminal], file: Path) -> None:
    (file.parent / "edit").write_text("s/首都是巴黎。/パリです。/", encoding="utf-8")
    terminal = browse(columns=40, rows=20)
    settled(terminal)
    terminal.press("g", "─ paris")
    terminal.press("e", "saved: changed answer of paris")
    mended = LINES[1].replace("首都是巴黎。".encode(), "パリです。".encode())
    assert file.read_bytes() == b"".join([LINES[0], mended, *LINES[2:]])
    terminal.wait_until(lambda: "   2 フランスの首都はどこですか。" in terminal.lines)  # without a finding
    terminal.press("r", "remove paris, ")
    terminal.press("y", "saved: removed paris; u brings it back")
    assert file.read_bytes() == b"".join([LINES[0], *LINES[2:]])
    terminal.press("u", "saved: undone, paris")
    terminal.press("u", "首都是巴黎。.*saved: undone, paris")
    assert file.read_bytes() == b"".join(LINES)
    terminal.press("u", "nothing more was done")
    (file.parent / "edit").write_text(
        's/"壊れた/"直した", "reasoning": "鳥です。", "answer": "鳥です。"}/', encoding="utf-8"
    )
    terminal.press(END, "─ line 5 ─")
    terminal.press("e", "saved: changed id, instruction")
    assert json.loads(file.read_bytes().splitlines()[-1])["instruction"] == "直した"


@pytest.mark.slow
def test_a_japanese_text_is_typed_and_found_and_the_record_scrolls(browse: Callable[..., Terminal]) -> None:
    terminal = browse()
    terminal.press("/ﾊﾟﾘ", "(?m)^/ﾊﾟﾘ$")
    assert (terminal.screen.cursor.y, terminal.screen.cursor.x) == (22, 4)
    terminal.press("\r", "─ paris")
    terminal.press("/数え", "(?m)^/数え *$")
    assert terminal.screen.cursor.x == 5
    terminal.press(ESC, "─ paris")
    terminal.wait_until(lambda: not any(line.startswith("/") for line in terminal.lines))
    terminal.press("/数え\r", "─ long")
    terminal.wait_for("数えます")
    assert terminal.style_of("数えます").underscore
    terminal.press(TAB + PAGE_DOWN, r"│25\n")
    terminal.press(TAB + "k", "─ steer")
    terminal.press("?", "─ help; any key closes it")
    terminal.press("a", "─ steer")  # which closes the help, and accepts nothing
    assert "✓" not in terminal.text


@pytest.mark.slow
def test_who_accepts_signs_and_another_change_is_noticed_and_read(browse: Callable[..., Terminal], file: Path) -> None:
    terminal = browse("--who", "花子", "--where", "id~o")
    assert "1/2 of 5" in terminal.lines[0]
    terminal.press("a", "saved: accepted tokyo")
    first = json.loads(file.read_bytes().splitlines()[0])
    assert first["provenance"]["reviewed_by"] == "花子"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", first["provenance"]["reviewed_at"])
    with file.open("ab") as other:
        other.write(LINES[1].replace(b"paris", b"other"))
    terminal.wait_for("some.jsonl was changed by another program, and was read again")
    terminal.wait_until(lambda: "2/3 of 6" in terminal.lines[0])
    terminal.child.send("\x03")
    assert terminal.end() == 0


@pytest.mark.slow
def test_what_is_not_saved_stands_in_a_file_in_the_end_and_no_colour_is_needed(
    browse: Callable[..., Terminal], file: Path
) -> None:
    (file.parent / "edit").write_text("s/^answer: .*/answer: ' '/", encoding="utf-8")
    terminal = browse(NO_COLOR="1", TMPDIR=str(file.parent))
    terminal.press("e", "not saved: answer: is blank; e opens what you wrote again")
    settled(terminal)
    terminal.press("j", "─ paris")
    wrong = terminal.style_of("首都是巴黎。")
    assert (wrong.fg, wrong.bold, wrong.reverse) == ("default", True, True)
    terminal.child.send("q")
    assert terminal.end() == 0
    (left,) = file.parent.glob("phi2chat-*.yaml")
    assert "answer: ' '" in left.read_text(encoding="utf-8")
    assert str(left.name) in re.sub(r"\s", "", terminal.bytes.decode("utf-8", "replace"))
    assert file.read_bytes() == b"".join(LINES)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_is_as_it_was_when_the_system_ends_it(browse: Callable[..., Terminal], signum: int) -> None:
    terminal = browse()
    os.kill(terminal.child.pid, signum)
    assert terminal.end() == (0 if signum == signal.SIGINT else 130)


def test_without_a_terminal_one_sentence_says_what_to_do(clean_environment: dict[str, str], file: Path) -> None:
    command = [sys.executable, "-m", "phi2chat", "curate", "browse", str(file)]
    done = subprocess.run(command, env=clean_environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"phi2chat: {file}: browse needs a terminal; `phi2chat curate list` and `curate show` do without one\n"
    )
