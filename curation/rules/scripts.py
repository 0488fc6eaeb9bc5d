"""The language of a text: each run that is in none that it may hold."""

import itertools
import re
from collections.abc import Iterator, Sequence, Set

from curation.excerpts import excerpt
from curation.records import Entry
from curation.script import Span, check
from curation.script.languages import primary_subtag

from .declare import Fault, Rule, finds_in_many

_QUESTION_END = re.compile(r"[：\n]|:(?!//|\d)")  # not that of an address or of a time of day
# With kana before that, and no Hangul, it can be in no other language.
_JAPANESE_QUESTION = re.compile(r"[^：:\n]*[ぁ-ゖァ-ヺ]")

_LETTERS = [re.compile(letters) for letters in ("[ぁ-ゖァ-ヺ]", "[가-힣]", "[一-鿿]")]

_TAG_FIELDS = (("reasoning", "reasoning_language"), ("answer", "language"))
_MANY = 500  # records at once


@finds_in_many(
    Rule(
        "wrong-script",
        "script",
        "Reasoning and answer are in their language; an instruction is in one language throughout.",
        "Write it in the language, or put a quotation in 「」. The source of a translation belongs into `input`.",
        opinion=True,
    )
)
def find_wrong_scripts(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Fault]]:
    """A fault for each run that is not in the language of its field; `input` is source text, in any language."""
    clean = _find_clean(entries) if len(entries) >= _MANY else frozenset()
    for entry in entries:
        record = entry.record
        for field, tag_field in _TAG_FIELDS:
            text = record.data.get(field)
            if isinstance(text, str) and (entry.number, field) not in clean:
                language = getattr(record, tag_field)
                asked = "\n".join(filter(None, (str(record.data.get("instruction", "")), record.input)))
                for span in check(text, language, asked).spans:
                    yield entry, _point_at(field, span, f"{tag_field} is {language}")
        instruction = record.data.get("instruction")
        if isinstance(instruction, str) and (entry.number, "instruction") not in clean:
            language, spans = _find_mixed_in(instruction, (record.language, record.reasoning_language))
            for span in spans:
                hint = "; put it in 「」 if it is quoted"
                yield entry, _point_at("instruction", span, f"the rest of the instruction is {language}", hint)


def _find_clean(entries: Sequence[Entry]) -> Set[tuple[int, str]]:
    """The numbers of records, and fields of them, that are Japanese for certain, and should be."""
    from curation.script.many import find_clean  # it takes longer to load than a few records take

    places: list[tuple[int, str]] = []
    texts: list[str] = []
    for entry in entries:
        record = entry.record
        for field, tag_field in _TAG_FIELDS:
            text = record.data.get(field)
            if isinstance(text, str) and primary_subtag(getattr(record, tag_field)) == "ja":
                places.append((entry.number, field))
                texts.append(text)
        instruction = record.data.get("instruction")
        if isinstance(instruction, str) and _JAPANESE_QUESTION.match(instruction):
            places.append((entry.number, "instruction"))
            texts.append(instruction)
    return set(itertools.compress(places, find_clean(texts)))


def _point_at(field: str, span: Span, where: str, hint: str = "") -> Fault:
    message = f'"{excerpt(span.text)}" is {span.name} where {where}{hint}'
    return Fault("wrong-script", message, field, span.start, span.end)


def _find_mixed_in(instruction: str, own: tuple[str, str]) -> tuple[str, list[Span]]:
    """The language that an instruction is in, and the runs of it that are in none it may hold.

    An instruction may be in any language, whatever its answer is in, so it is compared with itself: with kana it is
    Japanese, with Hangul Korean, with neither Chinese. A question in an alphabet may name words of any script, the
    record's `own` languages may be mixed in (`Please answer in English.`), and what follows a colon or a line end is
    source text.
    """
    asked = _QUESTION_END.split(instruction, 1)[0]
    kana, hangul, han = (len(letters.findall(asked)) for letters in _LETTERS)
    language = "ko" if hangul > kana else "ja" if kana else "zh"
    if 2 * (kana + hangul + han) < sum(map(str.isalpha, asked)):
        return language, []
    mixed_in = {primary_subtag(tag) for tag in own}
    return language, [span for span in check(asked, language).spans if primary_subtag(span.language) not in mixed_in]
