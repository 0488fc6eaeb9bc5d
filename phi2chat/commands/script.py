"""`phi2chat script`: the script guard alone, on a text as it comes, and over a run of replies. Imports no torch."""

import bisect
import codecs
import dataclasses
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from curation.excerpts import excerpt
from phi2chat.command_group import CommandGroup
from phi2chat.option_types import LanguageTag
from phi2chat.terminal.safe_text import json_line
from phi2chat.units import spell_count

if TYPE_CHECKING:
    from curation.script import Piece, Span
    from phi2chat.terminal.screen import Screen

EXPECT = click.option(
    "--expect", type=LanguageTag(), default="ja", show_default=True, help="Language that the text should be in."
)
ASKED = click.option("--asked", default="", help="The question that the text answers; what it repeats is quoted.")
STDIN = "-"
_CHUNK_BYTES = 65536
_KEPT_CHARS = 200  # of a run in a stream, however long it is
_SHOWN_CHARS = 40


@click.group("script", cls=CommandGroup)
def command() -> None:
    """Find text that is in the wrong script or language."""


# -- check -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """Foreign text and where it begins; `line` and `column` count from 1, in lines and code points."""

    line: int
    column: int
    text: str
    language: str


@dataclass
class Counts:
    """How much of a text was foreign."""

    runs: int = 0
    letters: int = 0
    foreign_letters: int = 0

    def add(self, other: "Counts") -> None:
        self.runs += other.runs
        self.letters += other.letters
        self.foreign_letters += other.foreign_letters


@command.command("check")
@click.argument("files", metavar="FILE|-...", nargs=-1, required=True)
@EXPECT
@ASKED
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file on stdout: letters and spans.")
@click.pass_context
def check_(ctx: click.Context, files: tuple[str, ...], expect: str, asked: str, as_json: bool) -> None:
    """Name every run of foreign text: path:line:column: language: text (why).

    A FILE of - is standard input, which is judged as it comes.

    Exit code 0: nothing is foreign, 1: something is, 2: wrong usage.

    \b
    phi2chat script check answers.txt
    phi2chat ask "日本の首都はどこですか？" | phi2chat script check -
    """
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    _warn_of_unknown_language(expect, screen)
    total, flagged, unreadable = Counts(), 0, 0
    for name in files:
        counts = Counts()
        try:
            if as_json:
                _print_json(name, expect, asked, counts)
            else:
                _print_runs(name, expect, asked, counts, screen)
        except UserError as error:
            screen.note(f"phi2chat: {error}", "error")
            unreadable += 1
        flagged += counts.runs > 0
        total.add(counts)
    if total.runs:
        found = f"{spell_count(total.runs, 'foreign run')} in {flagged} of {spell_count(len(files), 'file')}"
        screen.note(f"{found}: {total.foreign_letters:,} of {spell_count(total.letters, 'letter')}", "error")
    elif not unreadable:
        screen.note(
            f"nothing foreign in {spell_count(len(files), 'file')}: {spell_count(total.letters, 'letter')}", "good"
        )
    ctx.exit(1 if total.runs or unreadable else 0)


def _print_runs(name: str, expect: str, asked: str, counts: Counts, screen: "Screen") -> None:
    """A line for each run as soon as its end is known; however long the text, only a piece of it is held."""
    from curation.script import describe_run
    from phi2chat.terminal.screen import safe_text

    for run in find_runs(_pieces(name, expect, asked), counts):
        span = describe_run(run.text, run.language, 0, expect)
        shown = excerpt(run.text, _SHOWN_CHARS)
        place = safe_text(f"{_shown_name(name)}:{run.line}:{run.column}: ", "note")
        screen.out.print(place + safe_text(f"{span.name}: {shown} ({span.reason})", "error"), soft_wrap=True)


def _pieces(name: str, expect: str, asked: str) -> "Iterator[Piece]":
    from curation.script import StreamChecker

    checker = StreamChecker(expect, asked)
    for text in _texts(name):
        yield from checker.feed(text)
    yield from checker.close()


def find_runs(pieces: "Iterable[Piece]", counts: Counts) -> Iterator[Run]:
    """Join neighbouring pieces of one language to runs and give each when the text after it is foreign no more.

    `counts` goes along. Of a run longer than some lines only the beginning is kept.
    """
    from curation.script.confusion import count_letters

    line = column = 1
    run: Run | None = None
    for piece in pieces:
        language, letters = piece.span_language, count_letters(piece.text)
        counts.letters += letters
        if run and not (language and (language.startswith(run.language) or run.language.startswith(language))):
            yield run
            run = None
        if language:
            counts.foreign_letters += letters
            if run is None:
                counts.runs += 1
                run = Run(line, column, "", language)
            # Plain zh may show its variety later.
            language = max(run.language, language, key=len)
            run = Run(run.line, run.column, (run.text + piece.text)[:_KEPT_CHARS], language)
        line_ends = piece.text.count("\n")
        line += line_ends
        column = len(piece.text) - piece.text.rindex("\n") if line_ends else column + len(piece.text)
    if run:
        yield run


def _print_json(name: str, expect: str, asked: str, counts: Counts) -> None:
    """The verdict on a whole text as one line of JSON."""
    from curation.script import check
    from curation.script.confusion import count_letters

    text = "".join(_texts(name))
    spans = check(text, expect, asked).spans
    counts.runs, counts.letters = len(spans), count_letters(text)
    counts.foreign_letters = sum(count_letters(span.text) for span in spans)
    line_starts = [0, *(index + 1 for index, char in enumerate(text) if char == "\n")]
    _print_object(
        {
            "file": _shown_name(name),
            "expected_language": expect,
            "flagged": bool(spans),
            "letters": counts.letters,
            "foreign_letters": counts.foreign_letters,
            "spans": [_span_to_json(span, line_starts) for span in spans],
        }
    )


def _span_to_json(span: "Span", line_starts: list[int]) -> dict[str, Any]:
    line = bisect.bisect_right(line_starts, span.start)
    return {**dataclasses.asdict(span), "line": line, "column": span.start - line_starts[line - 1] + 1}


# -- rates -----------------------------------------------------------------------------------------------------------


@command.command("rates")
@click.argument("file", metavar="FILE|-")
@EXPECT
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def rates(file: str, expect: str, as_json: bool) -> None:
    """Say how often the replies of a JSONL file leave their language.

    Each line has a reply as `answer`, `text`, `reply` or `completion`, and may have its `reasoning`, `language` and
    `reasoning_language`; what `phi2chat ask --json` prints is such a line. With phi2chat[confusion], the rates of the
    Language Confusion Benchmark stand beside ours.

    \b
    phi2chat ask --json < questions.txt | phi2chat script rates -
    """
    from curation.records import parse_dataset, read_bytes
    from curation.script.confusion import INSTALL, is_installed, load_instruments, measure, read_replies
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    _warn_of_unknown_language(expect, screen)
    content = b"".join(_chunks(file)) if file == STDIN else read_bytes(Path(file))
    replies = read_replies(parse_dataset(Path(_shown_name(file)), content), expect)
    measured = measure(replies, load_instruments() if is_installed() else None)
    if not is_installed():
        screen.note(f"for the rates of the Language Confusion Benchmark too: {INSTALL}")
    if as_json:
        _print_object({"file": _shown_name(file), **measured})
    else:
        screen.table(["", *measured["parts"]], _rows(measured))
        flagged = f"{measured['flagged']:,} of {spell_count(measured['replies'], 'reply', 'replies')}"
        screen.say(f"foreign runs in {flagged} ({_percent(measured['slip_rate'])})")


def _rows(measured: dict[str, Any]) -> Iterator[list[str]]:
    """The lines of the table, a column for each part."""
    from curation.script.languages import display_name

    parts = list(measured["parts"].values())
    yield [
        "slip rate",
        *(f"{_percent(p['slip_rate'])} ({p['flagged']:,} of {spell_count(p['texts'], 'text')})" for p in parts),
    ]
    letters = (f"{_percent(p['foreign_letter_rate'])} ({p['foreign_letters']:,} of {p['letters']:,})" for p in parts)
    yield ["foreign letters", *letters]
    spans = (p["spans_per_1000_letters"] for p in parts)
    yield ["spans per 1,000 letters", *("-" if rate is None else f"{rate:.2f}" for rate in spans)]
    for tag in sorted({tag for p in parts for tag in p["by_language"]}):
        found = [p["by_language"].get(tag, {"spans": 0, "letters": 0}) for p in parts]
        cells = (f"{spell_count(slip['spans'], 'span')}, {spell_count(slip['letters'], 'letter')}" for slip in found)
        yield [f"  {display_name(tag)}", *cells]
    if "lpr" in parts[0]:
        yield ["line pass rate (LPR)", *(f"{_percent(p['lpr'])} (of {p['lpr_texts']:,})" for p in parts)]
        yield ["word pass rate (WPR)", *(f"{_percent(p['wpr'])} (of {p['wpr_texts']:,})" for p in parts)]
        yield ["harmonic mean (LCPR)", *(_percent(p["lcpr"]) for p in parts)]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _warn_of_unknown_language(expect: str, screen: "Screen") -> None:
    from curation.script.languages import Expectation

    if not Expectation.of(expect).language:  # jp for ja, say
        note = "is no language that the guard knows, such as ja, en, zh-Hans or ko; nothing is foreign to it"
        screen.note(f"--expect {expect} {note}", "warning")


# -- input and output ------------------------------------------------------------------------------------------------


def _texts(name: str) -> Iterator[str]:
    """The text of a file as it comes, without a byte order mark. Raises UserError where it is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    read_bytes, begun = 0, False
    for chunk in chain(_chunks(name), [b""]):
        waiting = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            yield error.object[: error.start].decode("utf-8")
            offset, byte = read_bytes - waiting + error.start, error.object[error.start]
            raise UserError(
                f"{_shown_name(name)}: byte 0x{byte:02x} at offset {offset} is not UTF-8; save the file as UTF-8"
            ) from None
        read_bytes += len(chunk)
        if text:
            yield text if begun else text.removeprefix("\ufeff")
            begun = True


def _chunks(name: str) -> Iterator[bytes]:
    try:
        if name == STDIN:
            if sys.stdin is not None:
                yield from iter(lambda: sys.stdin.buffer.read1(_CHUNK_BYTES), b"")  # type: ignore[union-attr]
        else:
            with open(name, "rb") as file:
                yield from iter(lambda: file.read1(_CHUNK_BYTES), b"")
    except FileNotFoundError:
        raise UserError(f"{name}: no such file; check the path") from None
    except IsADirectoryError:
        raise UserError(f"{_shown_name(name)}: is a folder; give a file, or - for standard input") from None
    except OSError as error:
        raise UserError(f"{_shown_name(name)}: cannot be read ({error.strerror}); check its permissions") from None


def _shown_name(name: str) -> str:
    return "stdin" if name == STDIN else name


def _print_object(value: dict[str, Any]) -> None:
    print(json_line(value), flush=True)
