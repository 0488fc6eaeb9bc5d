"""Whatever a text holds, and wherever it is shown, the terminal gets what it gets for the same text made visible."""

import inspect
import io
import itertools
import os
import pty
import random
import re
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import click
import pytest
from prompt_toolkit.document import Document
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.layout.processors import TransformationInput

from curation.records import Finding, Record
from phi2chat.chatting.chat import Conversation, Piece, Turn
from phi2chat.chatting.probe import Probe
from phi2chat.chatting.status_line import StatusLine
from phi2chat.config import ChatConfig
from phi2chat.inference.guard import GuardReport
from phi2chat.inference.prompt import PromptStyle
from phi2chat.inference.recipes import StopReason
from phi2chat.reviewing.review_pane import one_line as review_line
from phi2chat.reviewing.review_pane import wrap_visible
from phi2chat.terminal.changes import ChangedField, ChangedLine
from phi2chat.terminal.safe_errors import describe_usage_error
from phi2chat.terminal.safe_input import VisibleEscapes, safe_line
from phi2chat.terminal.safe_text import json_line, on_one_line, parts, safe
from phi2chat.terminal.screen import SafeConsole, Screen
from phi2chat.terminal.streamed import StreamedText

# The sequences


ENDS = {"BEL": "\x07", "ST": "\x1b\\", "C1 ST": "\x9c", "no end": ""}
STRINGS = {"DCS": ("\x1bP", "\x90"), "SOS": ("\x1bX", "\x98"), "PM": ("\x1b^", "\x9e"), "APC": ("\x1b_", "\x9f")}
OSC = {
    0: "title", 1: "icon", 2: "title", 4: "1;#ff0000", 7: "file://host/", 8: ";http://evil.example", 9: "notice",
    10: "#000", 11: "#000", 12: "#000", 13: "#000", 17: "#000", 19: "#000", 22: "hand", 50: "font", 52: "c;ZXZpbA==",
    99: "i=1;x", 104: "1", 105: "", 110: "", 111: "", 112: "", 133: "A", 176: "x", 633: "E;rm", 777: "notify;a;b",
    1337: "File=inline=1:AAAA", 5522: "type=read", 7770: "1", 30001: "",
}  # fmt: skip
MODES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 25, 40, 45, 47, 66, 67, 69, 80, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015,
         1016, 1034, 1047, 1048, 1049, 2004, 2026, 2027, 2031, 2048]  # fmt: skip
OTHERS = {
    "reset": "\x1bc", "save cursor": "\x1b7", "restore cursor": "\x1b8", "keypad": "\x1b=", "alignment": "\x1b#8",
    "line drawing": "\x1b(0", "G1": "\x1b)0", "UTF-8 off": "\x1b%@", "index": "\x1bD", "reverse index": "\x1bM",
    "identify": "\x1bZ", "lock G2": "\x1bn", "attributes": "\x9b0c", "second attributes": "\x1b[>c",
    "version": "\x1b[>0q", "cursor report": "\x1b[6n", "status report": "\x1b[5n", "title report": "\x1b[21t",
    "size report": "\x1b[18t", "settings": "\x1bP$qm\x1b\\", "capabilities": "\x1bP+q544e\x1b\\",
    "sixel": "\x1bPq#0;2;0;0;0~-\x1b\\", "kitty graphics": "\x1b_Ga=T,f=24,s=1,v=1;AAAA\x1b\\",
    "tmux passthrough": "\x1bPtmux;\x1b\x1b]52;c;ZXZpbA==\x07\x1b\\", "screen title": "\x1bktitle\x1b\\",
    "screen passthrough": "\x1bP\x1b]0;t\x07\x1b\\", "paste begins": "\x1b[200~", "paste ends": "\x1b[201~",
    "paste that ends early": "\x1b[201~rm -rf /\r\x1b[200~", "key codes": "\x1b[>1u", "hidden": "\x1b[8mx\x1b[28m",
    "cursor home": "\x1b[H", "erase all": "\x1b[2J\x1b[3J", "margins": "\x1b[3;9r", "media copy": "\x1b[5i",
    "soft reset": "\x1b[!p", "window": "\x1b[3;0;0t", "repeat": "a\x1b[9999999b", "cursor style": "\x1b[5 q",
    "overwritten line": "good\revil", "backspaces": "good\b\b\b\bevil", "cut CSI": "\x1b[", "cut CSI with colons": "\x1b[38:2:",
    "ESC alone": "\x1b", "ESC twice": "\x1b\x1b[31m", "CSI within OSC": "\x1b]0;\x1b[31m\x07", "new line in CSI": "\x1b[\n31m",
    "C1 after ESC": "\x1b\x9b31m", "NEL": "a\x85b", "bidi source": "\u202e } \u2066if(x)\u2069\u2066 {",
    "bidi isolate without end": "\u2067abc", "tag word": "".join(chr(0xE0000 + ord(c)) for c in "evil"),
    "zero width word": "pass\u200bword", "joined letters": "a\u200dbc", "double joiner": "👩\u200d\u200d👩",
    "selector twice": "漢\U000e0100\U000e0101", "selector alone": "\ufe0f", "soft hyphen": "in\u00advisible",
    "byte order mark": "\ufeffx", "filler": "a\u3164b", "lone surrogate": "\ud83d!", "escaped byte": "\udc9b31m",
    "private use": "\ue0b0", "noncharacter": "\uffff", "annotation": "\ufff9a\ufffab\ufffb", "markup": "[bold]x[/bold] [/]",
    "markup of links": "[link=file:///x]y[/link]", "emoji name": ":smile:", "instruction mark": "[/INST]", "tab": "a\tb",
}  # fmt: skip


def sequences() -> Iterator[tuple[str, str]]:
    """Names and texts of what terminals act upon, or what nobody sees."""
    for code in [*range(0x20), 0x7F, *range(0x80, 0xA0)]:
        yield f"U+{code:04X}", f"x{chr(code)}y"
    for final, (name, csi) in itertools.product(range(0x40, 0x7F), {"CSI": "\x1b[", "C1 CSI": "\x9b"}.items()):
        yield f"{name} {chr(final)}", f"{csi}1;2{chr(final)}"
    for (number, value), (end, code) in itertools.product(OSC.items(), ENDS.items()):
        yield f"OSC {number}, {end}", f"\x1b]{number};{value}{code}"
    for number, value in OSC.items():
        yield f"C1 OSC {number}", f"\x9d{number};{value}\x9c"
    for (name, begins), (end, code) in itertools.product(STRINGS.items(), ENDS.items()):
        for begin in begins:
            yield f"{name} from {ord(begin[0]):02X}, {end}", f"{begin}text{code}"
    for mode, switch in itertools.product(MODES, "hl"):
        yield f"mode {mode}{switch}", f"\x1b[?{mode}{switch}"
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in ("Cf", "Zl", "Zp") and code < 0xE0000:
            yield f"U+{code:04X}", f"a{chr(code)}b"
    for code in [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE0110), *range(0xE0000, 0xE0080, 8)]:
        yield f"U+{code:04X}", f"a{chr(code)}漢{chr(code)}"
    yield from OTHERS.items()


SEQUENCES = dict(sequences())
ALPHABET = [
    *map(chr, range(0xA0)), *"\x1b\x1b\x1b\x1b\x9b\x9d\x07\r\u202e\u2066\u200b\u200d\ufe0f\U000e0100\ud83d",
    *"[]()?;:0123456789mhlJHKABCDPX^_\\", *"あ漢字かなーゝ、。葛辻ｶ가中ÀÉ👩🏽❤1️", *map(chr, range(0x2000, 0x2070)),
]  # fmt: skip


def generated(count: int) -> list[str]:
    """Texts of all kinds of characters, the same in every run."""
    chance = random.Random(7)
    anything = [chr(chance.randrange(sys.maxunicode + 1)) for _ in range(3000)]
    return ["".join(chance.choices(ALPHABET + anything[:200], k=chance.randrange(1, 16))) for _ in range(count)]


def test_there_are_more_than_512_sequences_and_each_is_another() -> None:
    assert len(SEQUENCES) >= 512
    assert len(set(SEQUENCES.values())) == len(SEQUENCES)


# The sinks: how a text gets to the screen. A method of Screen that is not named here, or has none of our text, fails.


def turn(reasoning: str, answer: str | None = None, note: str | None = None) -> Turn:
    answer = reasoning if answer is None else answer
    guard = GuardReport("flag", note=reasoning if note is None else note)
    return Turn("?", reasoning, answer, StopReason.BUDGET, 3, 1.5, "chat", "und", "und", guard)


def finding(text: str) -> Finding:
    return Finding(Path("x.jsonl"), 1, 2, text, text, "rule", "error")


def raise_and_show(screen: Screen, text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        screen.bug()


def stream(screen: Screen, pieces: Iterable[str], part: Any = "reasoning", wrong: str | None = None) -> None:
    for piece in pieces:
        screen.piece(Piece(part, piece, wrong))
    screen.end_progress()


def table(screen: Screen, lines: list[str]) -> None:
    screen.table([lines[0], "b"], [["a", line] for line in lines])


def shares(text: str, count: int) -> list[str]:
    """The lines of a text in so many parts: each shall be seen once where a sink has several places for texts."""
    lines = text.split("\n")
    return ["\n".join(lines[share::count]) for share in range(count)]


def side_by_side(screen: Screen, text: str) -> None:
    title, *parts = shares(text, 4)
    both = title.replace("\n", " "), turn(*parts)
    screen.side_by_side(both, both)


def probes(screen: Screen, text: str) -> None:
    question, expected, answer, refusal = shares(text, 4)
    record = Record({"instruction": question, "answer": f"一\n{expected}"})  # which is never the answer
    screen.probes([Probe(record, turn("", f"二\n{answer}")), Probe(Record({"instruction": ""}), None, refusal)])


SINKS: dict[str, Callable[[Screen, str], object]] = {
    "say": lambda screen, text: screen.say(text, "error"),
    "say, not wrapped": lambda screen, text: screen.say(text, wrap=False),
    "note": lambda screen, text: screen.note(text),
    "heading": lambda screen, text: screen.heading(text.replace("\n", " ")),
    "table": lambda screen, text: table(screen, text.split("\n")),
    "findings": lambda screen, text: screen.findings([finding(text)]),
    "example": lambda screen, text: screen.example(text, text),
    "piece": lambda screen, text: stream(screen, [text]),
    "piece, in a wrong script": lambda screen, text: stream(screen, [text], "answer", "zh-Hans"),
    "piece, a character each": lambda screen, text: stream(screen, text),
    "end_reply": lambda screen, text: screen.end_reply(turn(text)),
    "reasoning": lambda screen, text: screen.reasoning(turn(text)),
    "bug": raise_and_show,
    "change": lambda screen, text: screen.change(ChangedField("answer", (ChangedLine("+", text, ()),))),
    "bars": lambda screen, text: screen.bars([(line, 3) for line in text.split("\n")]),
    "side_by_side": side_by_side,
    "probes": probes,
}
# Their columns are filled up with blanks: how many, rich may see otherwise where an emoji is the end of a style.
LAID_OUT = {side_by_side, probes}
# One moves by itself, the other sends a text where it is not shown; they have tests of their own.
ELSEWHERE = {"status", "copy"}
OURS_ALONE = {"definitions", "thinking", "end_progress", "training_progress", "tidy_line"}


def test_every_way_to_the_screen_is_tried() -> None:
    methods = {name for name, _ in inspect.getmembers(Screen, inspect.isfunction) if not name.startswith("_")}
    assert {name.partition(",")[0] for name in SINKS} | ELSEWHERE | OURS_ALONE == methods


END = b"\x04"  # nothing that is shown has it


class Unhurried(io.TextIOWrapper):
    """A file that writes when it has enough: the bytes are the same, and a terminal that gets them one by one is slow."""

    def flush(self) -> None:
        pass

    def flush_at_last(self) -> None:
        super().flush()


class Terminal:
    """A real one, whose bytes are kept."""

    def __init__(self, width: int = 60, **options: Any) -> None:
        self._master, slave = pty.openpty()
        self.file = Unhurried(os.fdopen(slave, "wb"), encoding="utf-8", errors="replace", newline="")
        # With a height too, rich does not ask the terminal for its size at every piece.
        console = SafeConsole(file=self.file, width=width, height=24, legacy_windows=False, **options)
        assert console.is_terminal
        self.screen = Screen(console, console)
        self._received: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while not self._received or not self._received[-1].endswith(END):
            self._received.append(os.read(self._master, 65536))

    def close(self) -> bytes:
        """What came."""
        self.file.write(END.decode())
        self.file.flush_at_last()
        self._reader.join()  # before anything is closed, for what is on its way would be lost
        self.file.close()
        os.close(self._master)
        return b"".join(self._received).removesuffix(END)


def received(show: Callable[[Screen], object], **options: Any) -> bytes:
    terminal = Terminal(**options)
    show(terminal.screen)
    return terminal.close()


def blocks(texts: Iterable[str], size: int = 40) -> Iterator[str]:
    """The texts in fewer and longer ones: escaping looks at a character and the one before it alone."""
    texts = iter(texts)
    while block := list(itertools.islice(texts, size)):
        yield "\n".join(block)


def assert_the_same_as_made_visible(
    sink: Callable[[Screen, str], object], texts: Iterable[str], every: int = 1
) -> None:
    """The same bytes; with colours too, in every so many blocks of texts."""
    for number, text in enumerate(blocks(texts)):
        plain = received(partial(sink, text=text), color_system=None)
        made_visible = received(partial(sink, text=safe(text)), color_system=None)
        if sink in LAID_OUT:
            assert re.sub(b" +", b" ", plain) == re.sub(b" +", b" ", made_visible)
        else:
            assert plain == made_visible
        if number % every == 0:
            coloured = received(partial(sink, text=text), color_system="standard")
            assert re.sub(rb"\x1b\[[0-9;]*m", b"", coloured) == plain
        assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]", plain)


@pytest.mark.parametrize("name", SINKS)
def test_a_sequence_reaches_no_terminal(name: str) -> None:
    assert_the_same_as_made_visible(SINKS[name], SEQUENCES.values())


@pytest.mark.parametrize("name", SINKS)
def test_nothing_generated_reaches_a_terminal(name: str) -> None:
    assert_the_same_as_made_visible(SINKS[name], generated(400))


@pytest.mark.slow
@pytest.mark.parametrize("name", SINKS)
def test_nothing_of_100_000_generated_texts_reaches_a_terminal(name: str) -> None:
    assert_the_same_as_made_visible(SINKS[name], generated(100_000), every=10)


# Only a reply comes in pieces, and only `Screen.piece` is given them: all else is shown when it is whole.


def shown_of(pieces: Iterable[str]) -> list[tuple[str, bool]]:
    """Each character that is shown of pieces that follow each other, and whether it belongs to an escape."""
    shown: list[tuple[str, bool]] = []
    before = ""  # all that one piece leaves to the next, so that what holds for one cut holds for any number
    for piece in pieces:
        for run, escaped in parts(piece, before):
            shown += [(char, escaped) for char in run]
            before = "" if escaped else run[-1]
    return shown


def assert_cuts_show_the_same(texts: Iterable[str]) -> None:
    for text in texts:
        whole = shown_of([text])
        assert "".join(char for char, _ in whole) == safe(text)
        for place in range(len(text) + 1):
            assert shown_of([text[:place], text[place:]]) == whole


def test_a_cut_at_any_place_of_a_text_shows_what_the_whole_text_shows() -> None:
    assert_cuts_show_the_same([*SEQUENCES.values(), *generated(1500)])


@pytest.mark.slow
def test_a_cut_at_any_place_of_100_000_generated_texts_shows_what_the_whole_text_shows() -> None:
    assert_cuts_show_the_same(generated(100_000))


NEXT = b"\x05"  # nothing that is shown has this one either


def cuts(texts: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Each text in two pieces, cut at every place."""
    return [(text, [text[:place], text[place:]]) for text in texts for place in range(len(text) + 1)]


def stream_each(screen: Screen, texts: Iterable[list[str]]) -> None:
    streamed = StreamedText(screen.out)
    for pieces in texts:
        for piece in pieces:
            streamed.append(piece, "reasoning")
        streamed.end()
        streamed.append("\n", "")
        screen.out.file.write(NEXT.decode())


def streamed_each(texts: Iterable[list[str]], **options: Any) -> list[bytes]:
    """What a terminal gets of each text that comes in pieces."""
    return received(lambda screen: stream_each(screen, texts), **options).split(NEXT)[:-1]


def assert_cuts_change_nothing(cases: list[tuple[str, list[str]]], color_system: str | None) -> None:
    texts = list(dict.fromkeys(text for text, _ in cases))
    whole = dict(zip(texts, streamed_each([[text] for text in texts], color_system=color_system), strict=True))
    cut = streamed_each([pieces for _, pieces in cases], color_system=color_system)
    assert [whole[text] for text, _ in cases] == cut
    made_visible = streamed_each([[safe(text)] for text in texts], color_system=None)
    assert [re.sub(rb"\x1b\[[0-9;]*m", b"", shown) for shown in whole.values()] == made_visible


@pytest.mark.parametrize("color_system", [None, "standard"])
def test_where_a_sequence_is_cut_while_it_streams_changes_no_byte(color_system: str | None) -> None:
    assert_cuts_change_nothing(cuts(SEQUENCES.values()), color_system)


@pytest.mark.parametrize("color_system", [None, "standard"])
def test_where_a_generated_text_is_cut_while_it_streams_changes_no_byte(color_system: str | None) -> None:
    assert_cuts_change_nothing(cuts(generated(800)), color_system)


@pytest.mark.slow
@pytest.mark.parametrize("color_system", [None, "standard"])
def test_where_any_of_100_000_generated_texts_is_cut_changes_no_byte(color_system: str | None) -> None:
    texts = iter(generated(100_000))
    while some := list(itertools.islice(texts, 5_000)):
        assert_cuts_change_nothing(cuts(some), color_system)


def show_a_bar(screen: Screen, text: str) -> None:
    screen.status(text)
    screen.end_progress()


def frames(text: str) -> set[str]:
    """What a bar shows of a text, on a line that is long enough for it; how often it is drawn depends on the time."""
    shown = received(partial(show_a_bar, text=text), width=20_000, color_system=None).decode("utf-8")
    drawn = re.split(r"[\r\n]+", re.sub(r"\x1b\[(\?25[lh]|2K|1A)", "", shown))
    return {re.sub(r"[━╸╺ ]+|[0-9-]+:[0-9-]+(:[0-9]+)?", " ", frame).strip() for frame in drawn} - {""}


def assert_a_bar_is_the_same(texts: Iterable[str]) -> None:
    for block in blocks(texts):
        text = block.replace("\n", " ")
        (frame,) = frames(text)
        assert {frame} == frames(safe(text))
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", frame)


def test_a_bar_shows_nothing_that_steers_the_terminal() -> None:
    assert_a_bar_is_the_same([*SEQUENCES.values(), *generated(400)])


@pytest.mark.slow
def test_a_bar_shows_nothing_of_100_000_generated_texts_that_steers_the_terminal() -> None:
    assert_a_bar_is_the_same(generated(100_000))


# What is no method of the screen


def status_line(text: str) -> str:
    model = SimpleNamespace(name=text, style=PromptStyle())
    line = StatusLine(Conversation(cast(Any, model), ChatConfig())).render(20_000)
    return line.partition("  ja  recipe chat")[0]


def typed(text: str) -> str:
    fragments: Any = [("", text)]
    given = TransformationInput(BufferControl(), Document(text), 0, lambda index: index, fragments, 80, 24)
    return "".join(fragment[1] for fragment in VisibleEscapes().apply_transformation(given).fragments)


# Texts on one line, as prompt_toolkit is given them: it makes some of the dangerous characters visible, and not the rest.
LINES: dict[str, Callable[[str], str]] = {
    "completion, and what it means": safe_line,
    "status line": status_line,
    "title or row of a review": lambda text: review_line(text, 20_000),
    "text of a review": lambda text: "".join(shown for line in wrap_visible(text, 40) for _, shown in line),
    "input line, and what is searched for": typed,
    "row of a list": lambda text: safe(on_one_line(text)),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_prompt_toolkit_draws_is_made_visible_before(name: str) -> None:
    show = LINES[name]
    for text in [*SEQUENCES.values(), *generated(2000)]:
        shown = show(text.replace("\n", " ").replace("\t", " "))
        assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", safe(text)), "only blanks may be fewer"
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", shown)


HOSTILE = "\x1b]0;title\x07\x9b31m\u202eevil\U000e0041\x7f"
SHOWN = "^[]0;title^G<9B>31m<U+202E RLO>evil<TAG A>^?"


@pytest.fixture
def in_a_terminal(tmp_path: Path, clean_environment: dict[str, str]) -> Callable[..., str]:
    """Run a command in a terminal of 200 columns and give what it showed."""

    def run(*command: str) -> str:
        import pexpect

        child = pexpect.spawn(
            command[0], list(command[1:]), env={**clean_environment, "TERM": "xterm-256color"}, cwd=str(tmp_path),
            encoding="utf-8", dimensions=(24, 200), timeout=100,
        )  # fmt: skip
        child.expect(pexpect.EOF)
        child.close()
        return str(child.before)

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ["{}"],
        ["ask", "--{}"],
        ["ask", "?", "--recipe", "{}"],
        ["train", "{}"],
        ["curate", "validate", "{}"],
        ["curate", "show", "{}", "x"],
        pytest.param(["ask", "?", "--adapter", "{}"], marks=pytest.mark.slow),  # imports torch
        ["script", "check", "{}"],
    ],
    ids=str,
)
def test_an_argument_comes_back_visible(arguments: list[str], in_a_terminal: Callable[..., str]) -> None:
    program = [sys.executable, "-m", "phi2chat"]
    shown = in_a_terminal(*program, *(argument.replace("{}", HOSTILE) for argument in arguments))
    assert "evil" in shown
    assert (
        re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e\U000e0041]", re.sub(r"\x1b\[[0-9;]*m", "", shown))
        is None
    )


BUG = f"""
import logging, sys, threading, warnings
from phi2chat.terminal.safe_errors import make_errors_safe
make_errors_safe()
text = {HOSTILE!r}
logging.getLogger("somebody").warning("%s of a model", text)
warnings.warn(text)
thread = threading.Thread(target=lambda: int(text))
thread.start()
thread.join()
raise ValueError(text)
"""


def test_tracebacks_warnings_and_logs_are_made_visible(in_a_terminal: Callable[..., str]) -> None:
    shown = in_a_terminal(sys.executable, "-c", BUG)
    assert f"{SHOWN} of a model" in shown
    assert f"UserWarning: {SHOWN}" in shown
    assert f"ValueError: {SHOWN}" in shown
    assert "invalid literal for int() with base 10: '\\x1b]0;title" in shown
    assert re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e\U000e0041]", shown) is None


def test_a_usage_error_shows_what_was_typed() -> None:
    error = click.UsageError(f"No such option: --{HOSTILE}")
    assert describe_usage_error(error) == f"Error: No such option: --{SHOWN}\n"


@pytest.mark.parametrize("text", [HOSTILE, "\x7f\x80\x9f", "\u2028", "\ud83d"])
def test_json_for_programs_is_ascii(text: str) -> None:
    import json

    line = json_line({"text": text})
    assert line.isascii() and line.isprintable()
    assert json.loads(line) == {"text": text}


def test_what_is_kept_of_a_reply_is_what_came(scripted_model: Any) -> None:
    said = "a" + "".join(SEQUENCES.values()).replace("#", "") + "b"
    talking = Conversation(scripted_model(list("\n### Answer:\n" + said)), ChatConfig(lang="und", guard="off"))
    for _ in talking.ask("?"):
        pass
    assert talking.turns[0].answer == said
    assert Turn.from_json({**talking.turns[0].to_json(), "answer": "x"}).answer == "x"
