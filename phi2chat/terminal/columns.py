"""Replies side by side: two with what only one of them has marked, and those to probes beside what was expected."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich import box
from rich.console import RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from curation.script import Span
from phi2chat.terminal.differences import ComparedRun, differences
from phi2chat.terminal.footer import describe_wrong
from phi2chat.terminal.screen import footer, marked, safe_text
from phi2chat.terminal.wrap import Wrapped

if TYPE_CHECKING:
    from phi2chat.chatting.chat import Turn
    from phi2chat.chatting.probe import Probe

NARROW = 60  # cells; below, two columns would be too narrow to read
MARKS = (("[-", "-]"), ("{+", "+}"))  # as wdiff has them

Titled = tuple[str, "Turn"]


def side_by_side(left: Titled, right: Titled, width: int) -> Iterator[RenderableType]:
    """Two titled replies in two columns, or where these were too narrow, one below the other."""
    titles = [safe_text(title, "heading") for title, _ in (left, right)]
    rows = list(zip(*_parts(left[1], right[1]), strict=True))
    if width < NARROW:
        for side, title in enumerate(titles):
            yield Rule(title, align="left", characters="─")
            yield from (row[side] for row in rows)
        return
    table = Table(box=box.SQUARE, show_edge=False, show_lines=True, expand=True)
    for title in titles:
        table.add_column(Wrapped(title), ratio=1, overflow="fold")
    for row in rows:
        table.add_row(*map(Wrapped, row))
    yield table


def probe_table(probes: "Sequence[Probe]", width: int) -> Iterator[RenderableType]:
    """A row for each probe, or on a narrow screen a block: question, answer, what was expected, and the verdict."""
    rows = [_probe_row(probe) for probe in probes]
    if width < NARROW:
        for question, answer, expected, verdict in rows:
            yield from (question, answer)
            if expected:
                yield safe_text("expected: ", "note") + expected
            yield from (verdict, Text())
        return
    table = Table(header_style="heading", show_lines=True)
    for name in ("question", "answer", "expected", ""):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Wrapped, row))
    yield table


def _probe_row(probe: "Probe") -> list[Text]:
    question, turn, expected = safe_text(probe.record.instruction, "heading"), probe.turn, probe.expected
    shown = safe_text(expected or "", "note")
    if turn is None:
        return [
            question,
            safe_text(probe.refusal, "error"),
            safe_text(expected or "", "note"),
            Text("not asked", "error"),
        ]
    answer = marked(turn.answer, turn.answer_spans, "answer") if turn.answer else Text("(nothing)", "note")
    verdict = [safe_text(turn.stop.value, "note")]
    if expected is not None:
        verdict.insert(0, _verdict(probe))
    verdict += [safe_text(line, "warning") for line in describe_wrong(turn, with_names=False)]
    return [question, answer, shown, Text("\n").join(verdict)]


def _verdict(probe: "Probe") -> Text:
    judged = probe.judgement
    return Text("right", "good") if judged.verdict == "right" else safe_text(judged.why, "warning")


def _parts(left: "Turn", right: "Turn") -> tuple[list[Text], list[Text]]:
    """The reasoning, the answer and the end of each side."""
    turns = left, right
    sides: tuple[list[Text], list[Text]] = [], []
    for part in ("reasoning", "answer"):
        texts: list[str] = [getattr(turn, part) for turn in turns]
        both = differences(*texts) or [[(text, False)] for text in texts]
        for side, (turn, runs, marks) in enumerate(zip(turns, both, MARKS, strict=True)):
            content = _marked(runs, getattr(turn, f"{part}_spans"), part, marks)
            label = Text().append(f"[{part}]\n", "note")  # in a style of its own: a Text's is that of all behind it
            sides[side].append(label + (content or safe_text("(nothing)", "note")))
    for side, turn in enumerate(turns):
        sides[side].append(footer(turn))
    return sides


def _marked(runs: Sequence[ComparedRun], spans: Sequence[Span], style: str, marks: tuple[str, str]) -> Text:
    """A text with its differing runs between marks and its runs in a wrong script highlighted."""
    wrong = {place for span in spans for place in range(span.start, span.end)}
    shown, position, before = Text(), 0, ""
    for text, differs in runs:
        begin, end = marks if differs else ("", "")
        shown.append(begin, "different")
        for is_wrong, pairs in groupby(enumerate(text, position), key=lambda pair: pair[0] in wrong):
            piece = "".join(char for _, char in pairs)
            shown += safe_text(piece, "wrong_language" if is_wrong else "different" if differs else style, before)
            before = piece[-1]
        shown.append(end, "different")
        position += len(text)
    return shown
