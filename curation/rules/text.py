"""The texts of a record: what a program left in them, what nobody sees, and an answer that does not end."""

import itertools
import re
import unicodedata
from collections.abc import Iterator

from curation.characters import BIDI, INVISIBLE, TAGS
from curation.records import Entry
from curation.script.languages import primary_subtag

from .declare import Fault, Rule, finds

TEXTS = ("instruction", "input", "reasoning", "answer")
MARKERS = ("### Instruction:", "### Input:", "### Reasoning:", "### Answer:", "### Response:")

_ZERO_WIDTH_JOINERS = "\u200c\u200d"
_JOINED_SCRIPTS = re.compile(r"[\u0600-\u08ff\u0900-\u0dff\u1000-\u109f]")  # which spell words with the joiners
_CONTROL = {*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)}
_HIDDEN = {*BIDI, *INVISIBLE, *TAGS, 0x200D}
_LOST = {*range(0xE000, 0xF900), *range(0xFDD0, 0xFDF0), 0xFFFD, 0xFFFE, 0xFFFF}
_HALF_WIDTH = range(0xFF61, 0xFFA0)
_ODD = frozenset(map(chr, {*_CONTROL, *_HIDDEN, *_LOST, *_HALF_WIDTH}))
_ODD_RUNS = (
    ("control-character", _CONTROL, "holds the control character {}"),
    ("invisible-character", _HIDDEN, "holds the invisible character {}"),
    ("lost-character", _LOST, "holds {}, where another character was lost"),
    ("half-width-kana", _HALF_WIDTH, '"{1}" is half-width; write "{2}"'),
)
_RESIDUE = re.compile(
    r"\{\{|\}\}|\{[A-Za-z_][A-Za-z0-9_ ]*\}|<\|[^|>\s]{0,40}\|?>?|\[/?INST\]|<</?SYS>>|</?s>|"
    r"\b(?:TODO|FIXME|TBD|XXX)\b|lorem ipsum|\[(?:insert|your) [^\]]*\]|<(?:start|end)_of_turn>"
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
_OPENERS = {"「": "」", "『": "』", "（": "）", "【": "】", "［": "］", "〈": "〉", "《": "》", "(": ")", "[": "]"}
_CLOSERS = {closer: opener for opener, closer in _OPENERS.items()}
_SAD_FACE = re.compile(r"[:;=]-?[(\[]")
# を ends no word; the others do (かに, もも), but hardly after a kanji or katakana in a sentence.
_PARTICLE = re.compile(r"を$|[一-鿿ァ-ヺー](?:は|が|に|へ|と|で|の)$")
_SENTENCE_CHARS = 10  # an answer that is shorter may be a phrase: 日本の


@finds(
    Rule(
        "control-character",
        "text",
        "No text holds a control character but newline and tab.",
        "Take it out: it is left over from a terminal or from another line end.",
        "warning",
    ),
    Rule(
        "invisible-character",
        "text",
        "Every character of a text can be seen, but for joiners where a script or an emoji needs them.",
        "Take it out: the model would learn to write it.",
        "warning",
    ),
    Rule(
        "lost-character",
        "text",
        "No text holds U+FFFD, a private or an unassigned character: something stood there once.",
        "Write what was lost.",
        "warning",
    ),
    Rule(
        "half-width-kana",
        "text",
        "Kana and Japanese punctuation are full-width.",
        "Write カナ for ｶﾅ: for the model these are other words.",
        "warning",
    ),
)
def find_odd_characters(entry: Entry) -> Iterator[Fault]:
    """Runs of characters that no text should hold."""
    for field, text in _texts(entry):
        if _ODD.isdisjoint(text):  # as nearly always, and much faster than a search
            continue
        for rule, codes, message in _ODD_RUNS:
            for is_odd, group in itertools.groupby(enumerate(text), key=lambda pair: ord(pair[1]) in codes):
                if is_odd:
                    places = [place for place, _ in group]
                    start, end = places[0], places[-1] + 1
                    run = text[start:end]
                    if not _joins(run, text[:start][-1:]):
                        shown = message.format(_named(run[0]), _short(run), _short(unicodedata.normalize("NFKC", run)))
                        yield Fault(rule, shown, field, start, end)


@finds(
    Rule(
        "mixed-punctuation",
        "text",
        "A Japanese text has 、 or ，, and 。 or ．, but not both of them.",
        "Write one of them throughout.",
        "warning",
    )
)
def find_mixed_punctuation(entry: Entry) -> Iterator[Fault]:
    """Both commas, or both full stops, in one text of Japanese."""
    for field, tag in (("reasoning", entry.record.reasoning_language), ("answer", entry.record.language)):
        text = entry.record.data.get(field)
        if isinstance(text, str) and primary_subtag(tag) == "ja":
            for usual, other in (("、", "，"), ("。", "．")):
                if usual in text and other in text:
                    rare = other if text.count(other) <= text.count(usual) else usual
                    place = text.index(rare)
                    message = f"has both {usual} and {other}"
                    yield Fault("mixed-punctuation", message, field, place, place + 1)


@finds(
    Rule(
        "prompt-marker",
        "text",
        "No text holds a marker of the prompt, such as `### Answer:`.",
        "Reword it: the prompt, or the reply, would be taken apart there.",
        "warning",
    )
)
def find_prompt_markers(entry: Entry) -> Iterator[Fault]:
    """The headings that stand between the parts of a prompt."""
    for field, text in _texts(entry):
        if "###" in text:
            for marker in MARKERS:
                if (place := text.find(marker)) >= 0:
                    message = f'holds "{marker}", which marks a part of a prompt'
                    yield Fault("prompt-marker", message, field, place, place + len(marker))


@finds(
    Rule(
        "template-residue",
        "text",
        "Nothing of a template is left in a text: `{name}`, `{{`, `<|end|>`, `[INST]`, `TODO`.",
        "Fill it in. What is meant as code belongs between backquotes.",
        "warning",
    )
)
def find_template_residue(entry: Entry) -> Iterator[Fault]:
    """Places that were not filled in, and special tokens of other prompts; not within backquotes."""
    for field, text in _texts(entry):
        if field == "input" or not _RESIDUE.search(text):  # a source text may be anything
            continue
        code = [match.span() for match in _CODE.finditer(text)]
        for match in _RESIDUE.finditer(text):
            if not any(start <= match.start() < end for start, end in code):
                message = f'"{_short(match[0])}" looks like what is left of a template'
                yield Fault("template-residue", message, field, match.start(), match.end())


@finds(
    Rule(
        "unfinished-answer",
        "text",
        "An answer ends: not with a comma, a particle or an open bracket.",
        "Write its end, or the model learns to stop in the middle.",
        "warning",
    )
)
def find_unfinished_answer(entry: Entry) -> Iterator[Fault]:
    """An answer that seems to be cut off."""
    answer = entry.record.data.get("answer")
    if not isinstance(answer, str) or not (text := answer.rstrip()):
        return
    last = len(text) - 1
    if text[-1] in "、，,;；" or text.endswith(("：", ":")):
        yield Fault("unfinished-answer", f'ends with "{text[-1]}", as if more should come', "answer", last, last + 1)
    elif (place := _open_bracket(text)) is not None:
        message = f'"{text[place]}" is opened and not closed'
        yield Fault("unfinished-answer", message, "answer", place, place + 1)
    elif len(text) >= _SENTENCE_CHARS and primary_subtag(entry.record.language) == "ja" and _PARTICLE.search(text):
        message = f'ends with the particle "{text[-1]}", as if more should come'
        yield Fault("unfinished-answer", message, "answer", last, last + 1)


def _open_bracket(text: str) -> int | None:
    """Where the last bracket stands that is opened and not closed; one that is only closed, as in `a)`, is fine."""
    opened: list[int] = []
    code = _CODE.sub(lambda match: " " * len(match[0]), _SAD_FACE.sub(lambda match: " " * len(match[0]), text))
    for place, char in enumerate(code):
        if char in _OPENERS:
            opened.append(place)
        elif char in _CLOSERS:
            while opened and text[opened[-1]] != _CLOSERS[char] and _CLOSERS[char] in (text[one] for one in opened):
                opened.pop()
            if opened and text[opened[-1]] == _CLOSERS[char]:
                opened.pop()
    return opened[-1] if opened else None


def _texts(entry: Entry) -> Iterator[tuple[str, str]]:
    data = entry.record.data
    for field in TEXTS:
        text = data.get(field)
        if isinstance(text, str):
            yield field, text


def _joins(run: str, before: str) -> bool:
    """Whether it is a joiner that an emoji or the spelling of a script needs."""
    if run not in _ZERO_WIDTH_JOINERS or not before:
        return False
    return unicodedata.category(before) in ("So", "Sk", "Mn") or _JOINED_SCRIPTS.match(before) is not None


def _named(char: str) -> str:
    name = unicodedata.name(char, "")
    return f"U+{ord(char):04X}" + (f" {name}" if name else "")


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:29] + "…"
