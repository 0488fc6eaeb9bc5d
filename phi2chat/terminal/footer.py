"""What stands below a reply: why it ended, what it took, and what is wrong with it."""

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.script import Span, allowed_characters, describe_spans

if TYPE_CHECKING:
    from phi2chat.chatting.chat import Turn

MOST_NAMED = 3  # characters; the line stands below every reply that is flagged


def describe_end(turn: "Turn") -> str:
    """Why a reply stopped and what it took."""
    speed = f", {turn.tokens / turn.seconds:.1f} {turn.unit}/s" if turn.seconds > 0 else ""
    no_answer = "" if turn.answer else "; no answer came"
    backs = turn.guard.step_backs
    led = f"; {backs} step{'' if backs == 1 else 's'} back" if backs else ""
    led += ", and no more left" if turn.guard.spent else ""
    return f"[{turn.stop.value}{no_answer}; {turn.tokens} {turn.unit}{speed}; recipe {turn.recipe}{led}]"


def describe_wrong(turn: "Turn", with_names: bool = True) -> list[str]:
    """A line for each part that is in a wrong script: which one, where, and, `with_names`, its characters.

    A font may show a wrong character as if it were the right one.
    """
    lines = []
    parts = [("reasoning", turn.reasoning_spans, turn.reasoning_lang), ("answer", turn.answer_spans, turn.lang)]
    for part, spans, language in parts:
        if spans:
            named = name_characters(spans, language) if with_names else ""
            lines.append(f"! {part}: {describe_spans(spans)}" + (f"; {named}" if named else ""))
    return lines


def name_characters(spans: Sequence[Span], language: str) -> str:
    """The characters of foreign spans that the language is not written with: three by name, and how many more.

    Empty where the wording alone is foreign, as in 日本的首都是.
    """
    allowed = allowed_characters(language)
    if allowed is None:
        return ""
    foreign = dict.fromkeys(char for span in spans for char in span.text if char not in allowed)
    named = [f"{char} ({_name(char)})" for char in list(foreign)[:MOST_NAMED]]
    return ", ".join(named) + (f" and {len(foreign) - MOST_NAMED} more" if len(foreign) > MOST_NAMED else "")


def _name(char: str) -> str:
    # An ideograph's name is its code: what all of them begin with would be lines of a narrow terminal.
    return unicodedata.name(char, f"U+{ord(char):04X}").replace("CJK UNIFIED IDEOGRAPH-", "CJK-")
