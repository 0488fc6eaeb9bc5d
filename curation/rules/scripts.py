"""The language of a text: each run that is in none that it may hold."""

import re
from collections.abc import Iterator

from curation.excerpts import excerpt
from curation.records import Entry
from curation.script import Span, check
from curation.script.languages import primary_subtag

from .declare import Fault, Rule, finds

_QUESTION_END = re.compile(r"[：\n]|:(?!//|\d)")  # not that of an address or of a time of day

_LETTERS = [re.compile(letters) for letters in ("[ぁ-ゖァ-ヺ]", "[가-힣]", "[一-鿿]")]


@finds(
    Rule(
        "wrong-script",
        "script",
        "Reasoning and answer are in their language; an instruction is in one language throughout.",
        "Write it in the language, or put a quotation in 「」. The source of a translation belongs into `input`.",
        opinion=True,
    )
)
def find_wrong_scripts(entry: Entry) -> Iterator[Fault]:
    """A fault for each run that is not in the language of its field; `input` is source text, in any language."""
    record = entry.record
    for field, tag_field in (("reasoning", "reasoning_language"), ("answer", "language")):
        text = record.data.get(field)
        language = getattr(record, tag_field)
        if isinstance(text, str):
            asked = "\n".join(filter(None, (str(record.data.get("instruction", "")), record.input)))
            for span in check(text, language, asked).spans:
                yield _point_at(field, span, f"{tag_field} is {language}")
    instruction = record.data.get("instruction")
    if isinstance(instruction, str):
        language, spans = _find_mixed_in(instruction, (record.language, record.reasoning_language))
        for span in spans:
            hint = "; put it in 「」 if it is quoted"
            yield _point_at("instruction", span, f"the rest of the instruction is {language}", hint)


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
