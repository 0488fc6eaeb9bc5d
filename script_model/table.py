"""The format of curation/script/ngrams.bin, as curation/script/ngrams.py reads it; needs nothing but Python."""

import array
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

STEP = 0.125  # nats


@dataclass(frozen=True)
class Table:
    """What is written; weights count STEPs, from -127 to 127, and are of characters up to U+FFFF."""

    singles: Mapping[str, int]
    pairs: Mapping[str, int]  # by two characters
    enter: Mapping[str, float]
    leave: Mapping[str, float]
    leave_to_kana: Mapping[str, float]
    modern: Mapping[str, str]
    words: Iterable[str]

    def encode(self) -> bytes:
        """The bytes of the file: zlib over a line of JSON and the columns that it lists."""
        rows = {first: list(row) for first, row in groupby(sorted(self.pairs), key=lambda pair: pair[0])}
        pairs = [pair for row in rows.values() for pair in row]
        singles = sorted(self.singles)
        texts = {
            "old": "".join(self.modern),
            "new": "".join(self.modern.values()),
            "singles": "".join(singles),
            "firsts": "".join(rows),
            "seconds": "".join(pair[1] for pair in pairs),
            "words": " ".join(sorted(self.words)),
        }
        columns = {name: text.encode("utf-16-le") for name, text in texts.items()}
        columns["row_lengths"] = array.array("H", map(len, rows.values())).tobytes()
        weights = [*(self.singles[char] for char in singles), *(self.pairs[pair] for pair in pairs)]
        columns["weights"] = bytes(weight + 128 for weight in weights)
        facts: dict[str, Any] = {
            "step": STEP,
            "enter": self.enter,
            "leave": self.leave,
            "leave_to_kana": self.leave_to_kana,
            "texts": list(texts),
            "columns": list(columns),
            "lengths": [len(column) for column in columns.values()],
        }
        return zlib.compress(json.dumps(facts).encode() + b"\n" + b"".join(columns.values()), 9)
