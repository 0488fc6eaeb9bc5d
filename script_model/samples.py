"""Draws labelled texts to learn from: Japanese, Chinese, and Japanese with something Chinese in it."""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jieba

from .corpus import CHINESE, Line
from .letters import HAN, HAN_RUN, KANA, count_han
from .lexicon import Lexicon
from .phrases import Phrases, WordList
from .sources import find_file

_AFTER_PARTICLE = re.compile("(?<=[はがをにでとのもへ、て])|(?<=から|まで|より)")
_AFTER_CLAUSE = re.compile("(?<=[、。])")
_AFTER_SENTENCE = re.compile("(?<=[。！？])")
_CHINESE_COMMAS = re.compile("[，。、,]")
_LIST_SIGNS = ["、", "、", "、", "\n", "　", " ", "，", "・", ", ", "；"]
_NUMERALS = "一二三四五六七八九十"

Part = tuple[str, bool]  # a text and whether it is Chinese


class Sample(NamedTuple):
    """A text, and of each of its characters whether it is in a Chinese part."""

    text: str
    is_chinese: list[bool]


def read_segmenter(work: Path) -> Callable[[str], list[str]]:
    """Cuts Chinese into words, by dictionary alone."""
    tokenizer = jieba.Tokenizer(str(find_file(work, "jieba", "dict.txt").resolve()))
    jieba.setLogLevel("ERROR")
    return cache(lambda text: list(tokenizer.cut(text, HMM=False)))


class Sampler:
    """Two samplers with the same seed draw the same samples."""

    def __init__(self, lines: list[Line], lexicon: Lexicon, cut: Callable[[str], list[str]], seed: int) -> None:
        self._rng = rng = random.Random(seed)
        self._lexicon, self._cut = lexicon, cut
        self._phrases = Phrases(lexicon, rng)
        self._japanese = [line["ja"] for line in lines if "ja" in line]
        self._with_kana = [text for text in self._japanese if KANA.search(text)]
        self._chinese = {tag: [line[tag] for line in lines if tag in line] for tag in CHINESE}
        self._either_chinese = [text for texts in self._chinese.values() for text in texts]
        self._translated = [line for line in lines if len(line) > 1 and "ja" in line and KANA.search(line["ja"])]
        self._words = {tag: WordList(_flatten(words, 0.6)) for tag, words in lexicon.chinese.items()}
        self._telling_words = {
            tag: WordList(_flatten({word: words[word] for word in words if self._is_telling(word)}, 0.5))
            for tag, words in lexicon.chinese.items()
        }
        kinds = {
            self._draw_sentence: 0.20,
            self._draw_list: 0.035,
            self._draw_vocabulary: 0.065,
            self._draw_short: 0.15,
            self._draw_chinese_line: 0.07,
            self._draw_short_chinese: 0.14,
            self._draw_line_beside_line: 0.0748,
            self._draw_change_in_clause: 0.0952,
            self._draw_foreign_clause: 0.0612,
            self._draw_foreign_word: 0.1088,
        }
        self._kinds, self._shares = list(kinds), list(kinds.values())

    def draw(self) -> Sample:
        """The next sample; it has a Han character, and no kana in what is Chinese."""
        while True:
            (kind,) = self._rng.choices(self._kinds, self._shares)
            parts = kind()
            text = "".join(text for text, _ in parts)[:120]
            if HAN.search(text) and not any(is_chinese and KANA.search(text) for text, is_chinese in parts):
                return Sample(text, [is_chinese for text, is_chinese in parts for _ in text][:120])

    def draw_many(self, count: int) -> Iterator[Sample]:
        return (self.draw() for _ in range(count))

    # Each of the following returns no parts where what it has drawn first is of no use.

    def _draw_sentence(self) -> list[Part]:
        pool = self._with_kana if self._rng.random() < 0.8 else self._japanese
        text, spelling = self._sentence(pool, 70), self._rng.random()
        if spelling < 0.12:
            text = self._phrases.in_old_spelling(text, 1.0 if spelling < 0.06 else 0.3)
        return [(text, False)]

    def _draw_list(self) -> list[Part]:
        """Words and headings, which have no kana between them."""
        rng, phrases = self._rng, self._phrases
        if rng.random() < 0.25:
            first, unit = rng.randint(0, 7), rng.choice("章節条項部編")
            headings = [
                "第" + _NUMERALS[first + place] + unit + rng.choice(["", "　", " "]) + phrases.noun()
                for place in range(rng.randint(1, 3))
            ]
            return [(rng.choice(["　", "\n", " "]).join(headings)[:60], False)]
        words = [phrases.noun() if rng.random() < 0.7 else phrases.word() for _ in range(rng.randint(2, 6))]
        text = rng.choice(_LIST_SIGNS).join(words)
        if rng.random() < 0.3:
            text = rng.choice(_NUMERALS) + rng.choice(["、", "　", ". "]) + text
        return [(text[:60], False)]

    def _draw_vocabulary(self) -> list[Part]:
        """Any word of the lexicon in a sentence, instead of another one."""
        rng, phrases = self._rng, self._phrases
        text = self._sentence(self._with_kana, 40)
        runs = [run for run in HAN_RUN.finditer(text) if len(run[0]) > 1]
        if not runs:
            return [(text, False)]
        run = rng.choice(runs)
        word = rng.choice([phrases.word, phrases.phrase, phrases.noun, phrases.noun])()
        if rng.random() < 0.3:
            word += phrases.kanji()
        if rng.random() < 0.12:
            word = phrases.in_old_spelling(word)
        return [(text[: run.start()] + word + text[run.end() :], False)]

    def _draw_short(self) -> list[Part]:
        rng, phrases = self._rng, self._phrases
        form = rng.random()
        if form < 0.45:
            text = phrases.word()
        elif form < 0.72:
            text = phrases.noun()
        elif form < 0.75:
            text = phrases.kanji() + phrases.kanji() + phrases.kanji()
        elif form < 0.9:
            line = rng.choice(self._japanese)
            text = rng.choice(HAN_RUN.findall(line) or [line[:8]])
        else:
            text = self._window(rng.choice(self._japanese), rng.randint(2, 9))
        if rng.random() < 0.06:
            text = phrases.in_old_spelling(text)
        return [(text[:20], False)]

    def _draw_chinese_line(self) -> list[Part]:
        return [(self._window(self._rng.choice(self._either_chinese), 70), True)]

    def _draw_short_chinese(self) -> list[Part]:
        """Words that Japanese has too would teach nothing."""
        rng, tag = self._rng, self._rng.choice(CHINESE)
        form = rng.random()
        if form < 0.5:
            return [(self._telling_words[tag].draw(rng), True)]
        if form < 0.75:
            text = "".join(self._words[tag].draw(rng) for _ in range(3 if rng.random() < 0.3 else 2))
        else:
            window = self._window(rng.choice(self._chinese[tag]), rng.randint(3, 10))
            text = next((run for run in HAN_RUN.findall(window) if len(run) > 1), "")
        return [] if not text or self._lexicon.is_shared(text) else [(text[:16], True)]

    def _draw_line_beside_line(self) -> list[Part]:
        """A sentence of each language, in any order, or Chinese between two of Japanese."""
        rng = self._rng
        japanese = self._sentence(self._with_kana, 50)
        if rng.random() < 0.5:
            chinese = self._window(rng.choice(self._either_chinese), 40)
        else:
            chinese = self._draw_translation()[2][:60]
        if rng.random() < 0.25:
            return [(chinese, True), (rng.choice(["。", "\n"]), False), (japanese, False)]
        ends = japanese.endswith(("。", "！", "？"))
        sign = rng.choice(["", "", "\n"] if ends else ["", "\n", "。", "。", " ", "、"])
        parts = [(japanese, False), (sign, False), (chinese, True)]
        if rng.random() < 0.4:
            parts += [(rng.choice(["。", "\n", ""]), False), (self._sentence(self._with_kana, 40), False)]
        return parts

    def _draw_change_in_clause(self) -> list[Part]:
        """Japanese up to a particle, then the rest of it in Chinese."""
        rng = self._rng
        japanese, _, chinese = self._draw_translation()
        cuts = [match.end() for match in _AFTER_PARTICLE.finditer(japanese) if 2 <= match.end() < len(japanese)]
        if not cuts:
            return []
        cut = rng.choice(cuts)
        start = int(len(chinese) * cut / len(japanese)) + rng.randint(-1, 1)
        rest = chinese[min(len(chinese) - 2, max(0, start)) :]
        if count_han(rest) < 2:
            return []
        parts = [(japanese[:cut], False), (rest, True)]
        if rng.random() < 0.2:
            parts += [(rng.choice(["。", "\n"]), False), (self._sentence(self._with_kana, 30), False)]
        return parts

    def _draw_foreign_clause(self) -> list[Part]:
        """One clause of a Japanese sentence in Chinese."""
        rng = self._rng
        japanese, _, chinese = self._draw_translation()
        clauses = _AFTER_CLAUSE.split(japanese)
        foreign = [clause for clause in _CHINESE_COMMAS.split(chinese) if count_han(clause) >= 2]
        if len(clauses) < 2 or not foreign:
            return []
        place = rng.randrange(len(clauses))
        before, after = "".join(clauses[:place]), "".join(clauses[place + 1 :])
        sign = rng.choice(["、", "。", "，", ""]) if place < len(clauses) - 1 else ""
        return [(before, False), (rng.choice(foreign), True), (sign + after, False)]

    def _draw_foreign_word(self) -> list[Part]:
        """A Chinese word for a Japanese one, or within a compound."""
        rng = self._rng
        japanese, tag, chinese = self._draw_translation()
        runs = list(HAN_RUN.finditer(japanese))
        if not runs:
            return []
        run = rng.choice(runs)
        word = self._telling_words[tag].draw(rng)
        if rng.random() < 0.5:
            translations = [word for word in self._cut(chinese) if HAN_RUN.fullmatch(word) and self._is_telling(word)]
            word = rng.choice(translations or [word])
        start, end = run.span()
        if rng.random() < 0.35:
            start, end = self._draw_place_in(run[0], start)
        return [(japanese[:start][-40:], False), (word, True), (japanese[end:][:40], False)]

    def _draw_place_in(self, run: str, start: int) -> tuple[int, int]:
        """Where a word goes into a compound: between two of its characters, or for the first or last two."""
        rng, length = self._rng, len(run)
        cut = rng.choice([0, 2, length - 2, length] if length > 1 else [0, length])
        if rng.random() < 0.5 or length < 4:
            return start + cut, start + cut
        return (start, start + 2) if cut == 0 else (start + length - 2, start + length)

    def _draw_translation(self) -> tuple[str, str, str]:
        """A Japanese line, the tag of a translation, and that."""
        line = self._rng.choice(self._translated)
        tag = self._rng.choice([tag for tag in CHINESE if tag in line])
        return line["ja"], tag, line[tag]

    def _sentence(self, pool: list[str], most_letters: int) -> str:
        """Mostly one or two sentences of a line, sometimes all of it; a part of that if it is long."""
        rng, text = self._rng, self._rng.choice(pool)
        sentences = [part for part in _AFTER_SENTENCE.split(text) if part.strip()]
        if sentences and rng.random() < 0.7:
            first = rng.randrange(len(sentences))
            text = "".join(sentences[first : first + rng.choice([1, 1, 2])])
        return self._window(text, most_letters)

    def _window(self, text: str, most_letters: int) -> str:
        if len(text) <= most_letters:
            return text
        start = self._rng.randrange(len(text) - most_letters + 1)
        return text[start : start + most_letters]

    def _is_telling(self, word: str) -> bool:
        return len(word) > 1 and not self._lexicon.is_shared(word)


def _flatten(counts: dict[str, float], power: float) -> dict[str, float]:
    """So that rare words are seen too."""
    return {word: count**power + 0.5 for word, count in counts.items()}


def in_batches(samples: Iterable[Sample], size: int, rng: random.Random) -> list[list[Sample]]:
    """Batches of samples of about the same length, in random order."""
    ordered = sorted(samples, key=lambda sample: len(sample.text))
    batches = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    rng.shuffle(batches)
    return batches
