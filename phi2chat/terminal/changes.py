"""What was said and what was written instead, line by line: readable without colours, and short where it is long."""

import difflib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curation.records import DEFAULT_LANGUAGE
from curation.script import Span, check
from phi2chat.chatting.chat import Turn

SHOWN_LINES = 40  # of a field
SHOWN_CHARS = 1000  # of a line
_COMPARED_LINES = 1000  # line by line; a longer text is shown as one that was replaced


@dataclass(frozen=True)
class Stretch:
    """A stretch of a line, from `start` to before `end`."""

    start: int
    end: int


@dataclass(frozen=True)
class ChangedLine:
    """A line of a field: `-` as it was, `+` as it is now, or a blank before what stays; and its runs in a wrong script.

    `left_out` counts the characters of the line that are not in it.
    """

    sign: str
    text: str
    wrong: tuple[Stretch, ...] = ()
    left_out: int = 0


@dataclass(frozen=True)
class ChangedField:
    """A field that was changed; `left_out` counts the lines that are not in `lines`."""

    name: str
    lines: tuple[ChangedLine, ...]
    left_out: int = 0


def find_changes(turn: Turn, data: Mapping[str, Any]) -> list[ChangedField]:
    """What a record says otherwise than the reply that it comes from, field by field."""
    said = {"instruction": turn.question, "reasoning": turn.reasoning, "answer": turn.answer, "language": turn.lang}
    if turn.reasoning_lang != turn.lang:
        said["reasoning_language"] = turn.reasoning_lang
    written = {name: value for name, value in data.items() if isinstance(value, str) and name != "id"}
    language = written.get("language", DEFAULT_LANGUAGE)
    languages = {"reasoning": written.get("reasoning_language", language), "answer": language}
    asked = "\n".join(filter(None, (written.get("instruction"), written.get("input"))))
    found = []
    for name in dict.fromkeys([*said, *written]):
        before, after = said.get(name, ""), written.get(name, "")
        if before != after:
            wrong, still_wrong = (
                check(text, languages[name], asked).spans if name in languages else () for text in (before, after)
            )
            found.append(_compare(name, before, after, wrong, still_wrong))
    return found


def _compare(name: str, before: str, after: str, wrong: Sequence[Span], still_wrong: Sequence[Span]) -> ChangedField:
    old, new = _lines("-", before, wrong), _lines("+", after, still_wrong)
    blocks: list[ChangedLine] = []
    if max(len(old), len(new)) > _COMPARED_LINES:
        blocks = [*old[:SHOWN_LINES], *new[:SHOWN_LINES]]
        return ChangedField(name, tuple(blocks), len(old) + len(new) - len(blocks))
    texts = before.split("\n") if before else [], after.split("\n") if after else []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        if tag == "equal":
            blocks += [ChangedLine(" ", line.text, line.wrong, line.left_out) for line in new[c:d]]
        else:
            blocks += [*old[a:b], *new[c:d]]
    return ChangedField(name, tuple(blocks[: 2 * SHOWN_LINES]), max(0, len(blocks) - 2 * SHOWN_LINES))


def _lines(sign: str, text: str, spans: Sequence[Span]) -> list[ChangedLine]:
    lines, start = [], 0
    starts, ends = [span.start for span in spans], [span.end for span in spans]
    for line in text.split("\n") if text else []:
        end = start + min(len(line), SHOWN_CHARS)
        runs = [
            Stretch(max(span.start, start) - start, min(span.end, end) - start)
            for span in spans[bisect_right(ends, start) : bisect_left(starts, end)]
        ]
        lines.append(ChangedLine(sign, text[start:end], tuple(runs), len(line) - (end - start)))
        start += len(line) + 1
    return lines
