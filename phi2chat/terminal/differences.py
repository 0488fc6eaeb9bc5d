"""What differs between two texts, to the character, or to the word where words are written apart."""

import itertools
import re
from difflib import SequenceMatcher

ComparedRun = tuple[str, bool]  # a piece of a text, and whether the other text lacks it

_UNITS = re.compile(r"[A-Za-z0-9\u00C0-\u024F]+|.", re.DOTALL)
SHORTEST_COMMON = 2  # units; a single one between two differences is chance
LEAST_ALIKE = 0.3  # below, what is common is chance, and marks would be confetti
LONGEST = 4000  # units; the comparison takes the square of it


def differences(left: str, right: str) -> tuple[list[ComparedRun], list[ComparedRun]] | None:
    """Both texts in runs, or None where they have too little in common, or are too long, for marks to say anything."""
    units = _UNITS.findall(left), _UNITS.findall(right)
    if max(map(len, units)) > LONGEST:
        return None
    matcher = SequenceMatcher(None, *units, autojunk=False)
    if matcher.ratio() < LEAST_ALIKE:
        return None
    runs: tuple[list[ComparedRun], list[ComparedRun]] = [], []
    ends = len(units[0]), len(units[1])
    for kind, *places in matcher.get_opcodes():
        spans = (places[0], places[1]), (places[2], places[3])
        at_an_edge = spans[0][0] == spans[1][0] == 0 or (spans[0][1], spans[1][1]) == ends
        is_common = kind == "equal" and (at_an_edge or places[1] - places[0] >= SHORTEST_COMMON)
        for side, (start, end) in enumerate(spans):
            runs[side].append(("".join(units[side][start:end]), not is_common))
    return _joined(runs[0]), _joined(runs[1])


def in_one(before: str, after: str) -> list[tuple[str, str]]:
    """Both texts in one, in runs with their signs: `-` for what is gone, `+` for what has come, else a blank."""
    both = differences(before, after)
    if both is None:
        return [(sign, text) for sign, text in (("-", before), ("+", after)) if text]
    old, new = (list(reversed(runs)) for runs in both)
    shown: list[tuple[str, str]] = []
    while old or new:
        if old and old[-1][1]:
            shown.append(("-", old.pop()[0]))
        elif new and new[-1][1]:
            shown.append(("+", new.pop()[0]))
        else:  # what is common may be in one piece on one side and in two on the other
            one, other = old.pop()[0], new.pop()[0]
            size = min(len(one), len(other))
            shown.append((" ", one[:size]))
            old += [(one[size:], False)] * (len(one) > size)
            new += [(other[size:], False)] * (len(other) > size)
    return shown


def _joined(runs: list[ComparedRun]) -> list[ComparedRun]:
    grouped = itertools.groupby((run for run in runs if run[0]), key=lambda run: run[1])
    return [("".join(text for text, _ in group), differs) for differs, group in grouped]
