"""What a dataset is made of: languages, categories, lengths, scripts, and what stands in it twice."""

import statistics
import unicodedata
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

from curation.facts import digest, question_key
from curation.records import DEFAULT_LANGUAGE
from curation.script import check
from curation.store import content_digest

MEASURED = ("instruction", "reasoning", "answer")

_SCRIPTS = {
    "HIRAGANA": "kana", "KATAKANA": "kana", "CJK": "Han", "HANGUL": "Hangul", "LATIN": "Latin", "CYRILLIC": "Cyrillic",
    "GREEK": "Greek", "ARABIC": "Arabic", "THAI": "Thai", "HEBREW": "Hebrew", "DEVANAGARI": "Devanagari",
}  # fmt: skip
_BINS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


@dataclass
class Statistics:
    """Counts over records. `lengths` and `tokens` have a number a record for each of MEASURED; the input of a question
    is counted with it."""

    records: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    scripts: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, "array[int]"] = field(default_factory=lambda: {name: array("L") for name in MEASURED})
    tokens: dict[str, "array[int]"] = field(default_factory=lambda: {name: array("L") for name in MEASURED})
    wrong_script: list[str] = field(default_factory=list)
    same_records: int = 0
    same_questions: int = 0
    same_ids: int = 0

    def totals(self, of: Mapping[str, "array[int]"]) -> list[int]:
        """The length of each record in all, of `lengths` or of `tokens`."""
        return [sum(parts) for parts in zip(*of.values(), strict=True)]


class Counting:
    """Counts records one by one; keeps their lengths and 24 bytes of each, and no text."""

    def __init__(self, count_tokens: Callable[[str], int] | None = None) -> None:
        self._counts = Statistics()
        self._count_tokens = count_tokens
        self._records, self._questions, self._ids = array("Q"), array("Q"), array("Q")  # digests

    def add(self, place: str, data: Mapping[str, Any]) -> None:
        """Count a record; `place` says where it stands, should something be wrong with it."""
        counts = self._counts
        counts.records += 1
        language = str(data.get("language", DEFAULT_LANGUAGE))
        counts.languages[language] += 1
        counts.categories[str(data.get("category", ""))] += 1
        texts = {name: str(data.get(name, "")) for name in MEASURED}
        question = "\n".join(filter(None, (texts["instruction"], str(data.get("input", "")))))
        texts["instruction"] = question
        for name, text in texts.items():
            counts.lengths[name].append(len(text))
            if self._count_tokens is not None:
                counts.tokens[name].append(self._count_tokens(text))
            for char, number in Counter(text).items():
                if script := _script(char):
                    counts.scripts[script] += number
        tags = {"reasoning": str(data.get("reasoning_language", language)), "answer": language}
        for name, tag in tags.items():
            if check(texts[name], tag, question).flagged:
                counts.wrong_script.append(f"{place}: {name}")
        content = content_digest({name: value for name, value in data.items() if name != "id"})
        self._records.append(int.from_bytes(content, "big"))
        self._questions.append(digest(question_key(data)))
        if "id" in data:
            self._ids.append(digest(str(data["id"])))

    def finish(self) -> Statistics:
        """The counts of all records."""
        counts = self._counts
        counts.same_records, counts.same_questions, counts.same_ids = map(
            _count_repeated, (self._records, self._questions, self._ids)
        )
        return counts


def describe_lengths(lengths: "array[int]") -> dict[str, float]:
    """Least, median, mean, the length that nine of ten records keep to, and most."""
    ordered = sorted(lengths)
    return {
        "min": ordered[0],
        "median": statistics.median(ordered),
        "mean": round(statistics.fmean(ordered), 1),
        "90%": ordered[(len(ordered) * 9 - 1) // 10],
        "max": ordered[-1],
    }


def histogram(lengths: list[int]) -> list[tuple[str, int]]:
    """How many lengths lie below each power of two, from the first bin that has one to the last."""
    edges = [0, *_BINS]
    counts = Counter(sum(length >= edge for edge in _BINS) for length in lengths)
    return [
        (f"{edges[place]}-{edges[place + 1] - 1}" if place < len(_BINS) else f"{_BINS[-1]}+", counts[place])
        for place in range(min(counts), max(counts) + 1)
    ]


def _count_repeated(digests: "array[int]") -> int:
    return sum(one == next_ for one, next_ in pairwise(sorted(digests)))


@cache
def _script(char: str) -> str:
    if not char.isalpha():
        return ""
    return _SCRIPTS.get(unicodedata.name(char, "").replace("FULLWIDTH ", "").partition(" ")[0], "other")
