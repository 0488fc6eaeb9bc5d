"""The reasoning: that it is one, and that the answer comes from it."""

import re
import unicodedata
from collections.abc import Iterator

from curation.likeness import comparison_key
from curation.records import Entry
from curation.script.languages import primary_subtag

from .declare import Fault, Rule, finds

# What a text is about: a kanji, two katakana or Hangul in a row, a word of letters by its first four, a number.
_CONTENT = re.compile(r"[一-鿿㐀-䶿]|(?=([ァ-ヺー]{2}|[가-힣]{2}))|\b([a-zß-ʯͰ-ӿ]{4})[a-zß-ʯͰ-ӿ]*")
_FIGURE = re.compile(
    r"[0-9]|[一二三四五六七八九十百千万〇零]|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|zero)\b"
)
# Han characters that hold a sentence together, in Japanese or Chinese, and are shared by texts of any content.
_FORM_HAN = frozenset("的是了不在有和也就都而这這那个個我你他们們事物時時的方中上下前後出来人何")
_KANA_RUN = re.compile(r"[ぁ-ゖー]{3,}")  # between two other characters, most are endings, but not しょうゆ
_ENDINGS = re.compile(
    r"(?:です|ます|ました|ません|でしょう|ください|という|こと|もの|ため|から|まで|など|ので|のは|のが|"
    r"する|して|した)+"
)
_YES_NO = re.compile(r"(?:はい|いいえ|うん|yes\b|no\b|true\b|false\b)", re.IGNORECASE)
_WORD = re.compile(r"[一-鿿㐀-䶿々]+|[ァ-ヺー]{2,}|[가-힣]{2,}|[a-zß-ʯͰ-ӿ]{4,}|[0-9]+")
_LETTERS = re.compile(r"[A-Za-z]{3,}")
_ALPHABETS = (re.compile(r"[ぁ-ゖァ-ヺ]"), re.compile(r"[가-힣]"), re.compile(r"[一-鿿]"))
_FORM_WORDS = frozenset({
    "that", "this", "thes", "thos", "with", "from", "have", "what", "when", "wher", "whic", "they", "them", "ther",
    "here", "your", "will", "woul", "shou", "coul", "been", "were", "does", "into", "only", "also", "than", "then",
    "very", "some", "such", "yes",
})  # fmt: skip


@finds(
    Rule(
        "reasoning-is-answer",
        "reasoning",
        "A reasoning says more than its answer.",
        "Write the steps that lead to the answer.",
        "warning",
    ),
    Rule(
        "reasoning-is-question",
        "reasoning",
        "A reasoning says more than its question.",
        "Write the steps that lead from the question to the answer.",
        "warning",
    ),
)
def find_repetition(entry: Entry) -> Iterator[Fault]:
    """A reasoning that repeats the answer or the question, but for width, case, blanks and punctuation."""
    texts = [entry.record.data.get(field) for field in ("instruction", "reasoning", "answer")]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        return
    question, reasoning, answer = (comparison_key(str(text)) for text in texts)
    if reasoning == answer:
        yield Fault("reasoning-is-answer", "is the answer again; write what leads to it", "reasoning")
    if reasoning == question:
        yield Fault("reasoning-is-question", "is the question again; write what leads to the answer", "reasoning")


@finds(
    Rule(
        "unprepared-answer",
        "reasoning",
        "What an answer is about stands in the reasoning, too.",
        "Write the step that leads to it. Answers of a single word, translations, yes and no are not looked at, and "
        "what stands in the question needs no step.",
        "warning",
    )
)
def find_unprepared_answer(entry: Entry) -> Iterator[Fault]:
    """An answer that shares nothing with its reasoning: no kanji, no two katakana, no word, no number."""
    record = entry.record
    reasoning, answer = record.data.get("reasoning"), record.data.get("answer")
    if not isinstance(reasoning, str) or not isinstance(answer, str) or not reasoning.strip():
        return
    if primary_subtag(record.language) != primary_subtag(record.reasoning_language):
        return
    wanted = _content(answer)
    # A reasoning may describe a single word, 東京 or 犬, without naming it.
    if not wanted or len(_WORD.findall(answer.casefold())) < 2 or _YES_NO.match(answer):
        return
    question = f"{record.data.get('instruction', '')}\n{record.input}"
    if _alphabet(question) != _alphabet(answer) or (_alphabet(answer) and _LETTERS.search(question)):
        return  # there is something to translate
    told = f"{question}\n{reasoning}"
    if wanted & _content(told) or any(run in told for run in _kana_words(answer)):
        return
    yield Fault("unprepared-answer", "shares no word, kanji or number with the reasoning or the question", "answer")


def _content(text: str) -> set[str]:
    """What a text is about. All numbers are one: a reasoning may count what the answer writes as 12, 十二 or twelve."""
    normal = unicodedata.normalize("NFKC", text).casefold()
    found = {match[1] or match[2] or match[0] for match in _CONTENT.finditer(normal)} - _FORM_WORDS - _FORM_HAN
    figures = {"0"} if _FIGURE.search(normal) else set()
    return found | figures


def _kana_words(text: str) -> list[str]:
    return _KANA_RUN.findall(_ENDINGS.sub("。", text))


def _alphabet(text: str) -> int:
    """1 for kana, 2 for Hangul, 3 for Han characters alone, 0 for none of them."""
    return next((number for number, letters in enumerate(_ALPHABETS, start=1) if letters.search(text)), 0)
