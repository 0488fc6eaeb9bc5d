"""Whether an answer is right: by what a probe expects of it, and what it forbids. Nothing here can fail.

What it cannot see: irony, a wrong sentence around the right word, and denials other than the usual ones right beside
the word (東京ではない, not Tokyo). An answer that names every possible answer is right unless か, または or "or"
stands between them, or the others are forbidden.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

from curation.choices import chooses_another, hedges
from curation.clock import spell_times
from curation.excerpts import excerpt
from curation.expectation import Expectation
from curation.numerals import find_numbers, fold
from curation.patterns import EndlessSearch, Pattern, PatternError, compile_pattern
from curation.reference import expect_answer
from curation.said import SaidWords, is_same, normalize
from curation.stated_numbers import stated_numbers

Verdict = Literal["right", "wrong", "unjudged"]

_SHOWN_CHARS = 40


@dataclass(frozen=True)
class Judgement:
    """A verdict, and in a sentence what it rests on."""

    verdict: Verdict
    why: str


def expectation_of(data: Mapping[str, Any]) -> Expectation | None:
    """What a probe expects, or what a record's own answer makes of one; None where answers are there to be read only.

    Of a record without `expect`, `curation.reference.expect_answer` says what its answer has to be, and its `forbid`
    holds as well.
    A member that is not of the schema's type counts as left out: the check of the file names it.
    """
    expect, forbid = data.get("expect"), _texts(data.get("forbid"))
    if data.get("judge") == "none":
        return None
    if isinstance(expect, Mapping):
        number = _fraction(expect.get("number"))
        found = Expectation(
            _texts(expect.get("any_of")),
            _texts(expect.get("contains")),
            tuple(filter(None, map(_texts, all_of))) if isinstance(all_of := expect.get("all_of"), list) else (),
            number,
            _fraction(expect.get("tolerance")) or Fraction(0),
            _texts(expect.get("unit")),
            expect["regex"] if isinstance(expect.get("regex"), str) else "",
            forbid,
        )
    elif isinstance(expect, str) and expect.strip():
        found = Expectation(any_of=(expect,), forbid=forbid)
    elif isinstance(data.get("answer"), str) and "expect" not in data:
        own = expect_answer(data)
        return None if own is None else replace(own, forbid=own.forbid + forbid)
    else:
        found = Expectation(forbid=forbid)
    return None if found == Expectation() else found


def judge(answer: str, expected: Expectation | None, question: str = "") -> Judgement:
    """Judge an answer. Numbers of the question may be repeated in it, as in 12+5=17."""
    try:
        return _judge(answer, expected, question)
    except EndlessSearch as error:
        return Judgement("unjudged", str(error))


def _judge(answer: str, expected: Expectation | None, question: str) -> Judgement:
    if expected is None:
        return Judgement("unjudged", "nothing is expected of it")
    if not normalize(answer):
        return Judgement("wrong", "there is no answer")
    if whole := next((text for text in expected.alone if is_same(answer, text)), None):
        return Judgement("right", f"is {_quoted(whole)}")
    reasons = []
    if expected.any_of:
        same = next((text for text in expected.any_of if is_same(answer, text)), None)
        if same is None:
            return Judgement("wrong", f"is not {_either(expected.any_of)}")
        reasons.append(f"is {_quoted(same)}")
    text = SaidWords(answer)
    hits = {word: spans for word in expected.contains if (spans := text.find_any_spelling(word))}
    groups = [[span for word in group for span in text.find_any_spelling(word)] for group in expected.all_of]
    said = [span for spans in (*hits.values(), *groups) for span in spans]
    for word in expected.forbid:
        # Within 東京都, where 東京 is right, nobody has said 京都.
        if any(not any(_is_part(span, other) for other in said) for span in text.find_asserted(word)):
            return Judgement("wrong", f"says {_quoted(word)}, which is forbidden")
    if expected.contains:
        if not hits:
            return Judgement("wrong", f"does not say {_either(expected.contains)}")
        is_other = chooses_another(fold(answer), fold(question), expected.contains)
        if is_other or hedges(fold(answer), expected.contains):
            return Judgement("wrong", f"does not choose {_either(list(hits))}")
        reasons.append(f"says {_quoted(next(iter(hits)))}")
    if expected.all_of:
        lacking = next((group for group, spans in zip(expected.all_of, groups, strict=True) if not spans), None)
        if lacking is not None:
            return Judgement("wrong", f"does not say {_either(lacking)}")
        reasons.append(f"says a word of each of {len(groups)} groups")
    if expected.number is not None:
        is_right, why = _judge_number(fold(answer), expected, fold(question))
        if not is_right and (spelled := spell_times(fold(answer))) != fold(answer):
            is_right, why = _judge_number(spelled, expected, fold(question))
        if not is_right:
            return Judgement("wrong", why)
        reasons.append(why)
    if expected.regex:
        plain = unicodedata.normalize("NFKC", answer)
        if not _search(expected.regex, plain) and not _search(expected.regex, spell_times(fold(answer))):
            return Judgement("wrong", f"does not match {_quoted(expected.regex)}")
        reasons.append(f"matches {_quoted(expected.regex)}")
    return Judgement("right", ", ".join(reasons) or "says nothing that is forbidden")


def describe_expectation(data: Mapping[str, Any]) -> str | None:
    """What a probe or a record expects, in words that fit a column; None where nothing is."""
    expected = expectation_of(data)
    if expected is None:
        return None
    if expected.alone:
        return expected.alone[0]  # a record's own answer; what follows from it is seen in the verdict
    if expected == Expectation(any_of=expected.any_of):
        return " / ".join(expected.any_of)
    parts = ["is " + " / ".join(expected.any_of)] if expected.any_of else []
    parts += ["says " + " / ".join(expected.contains)] if expected.contains else []
    parts += ["says " + ", ".join("/".join(group) for group in expected.all_of)] if expected.all_of else []
    if expected.number is not None:
        tolerance = f" ± {_spell(expected.tolerance)}" if expected.tolerance else ""
        parts.append(f"names {_spell(expected.number)}{tolerance}{(' ' + expected.units[0]) if expected.units else ''}")
    parts += [f"matches {expected.regex}"] if expected.regex else []
    parts += ["not " + " / ".join(expected.forbid)] if expected.forbid else []
    return "; ".join(parts)


def _judge_number(answer: str, expected: Expectation, question: str) -> tuple[bool, str]:
    wanted = expected.number
    assert wanted is not None
    # "100 minus 1" names 1 to one reader and -1 to the other.
    asked = {value for number in find_numbers(question) for value in (number.value, abs(number.value))}
    candidates = stated_numbers(answer, expected.units, asked)
    if not candidates:
        return False, f"names no number, and {_spell(wanted)} is right"
    wrong = [one.value for one in candidates if abs(one.value - wanted) > expected.tolerance]
    if wrong:
        return False, f"names {_spell(wrong[0])}, and {_spell(wanted)} is right"
    return True, f"names {_spell(wanted)}"


def _is_part(span: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether a span lies in another, or begins in the midst of it: of two that overlap, what is said first is said."""
    return span != other and (other[0] < span[0] < other[1] or (other[0] == span[0] and span[1] < other[1]))


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Pattern | None:
    try:
        return compile_pattern(pattern)
    except PatternError:  # the check of the file names it
        return None


def _search(pattern: str, text: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is not None and compiled.is_in(text)


def _texts(value: object) -> tuple[str, ...]:
    several = value if isinstance(value, list) else [value]
    return tuple(text for text in several if isinstance(text, str) and text.strip())


def _fraction(value: object) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return Fraction(str(value))  # 0.1 is meant, and not the nearest float
    except (ValueError, OverflowError):
        return None


def _spell(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):g}"


def _quoted(text: str) -> str:
    return f'"{excerpt(text, _SHOWN_CHARS)}"'


def _either(texts: Sequence[str]) -> str:
    return " or ".join(_quoted(text) for text in texts[:3]) + (" ..." if len(texts) > 3 else "")
