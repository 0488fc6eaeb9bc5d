"""What the answer of a record makes of another's answer to its question: a number, a word, yes or no, or nothing.

A record says one good answer and not how others are judged. Where the good one is short, the rest follows from it:

- a number, 205になります, where it is the only one that the question does not name: the answer has to name that number;
- yes or no, いいえ、偶数です: it has to say so, or what comes behind it, and not the opposite;
- that it cannot be told, 分かりません: it has to say that in one of the usual ways;
- a word, a name or a list of them, 首都は「東京」です: it has to say that, in any sentence.

A translation, a sentence and a paragraph are neither right nor wrong (None): many differ and are as good. They are
measured by their likeness to the record's answer. Whoever wants it otherwise writes `expect` into the record.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from curation.clock import spell_times
from curation.core_words import ASKS, BLANKS, COMMAS, EAST_ASIAN, LATIN, LATIN_WORD, TAIL, TOPIC, core_of
from curation.expectation import Expectation
from curation.numerals import Number, find_numbers, fold
from curation.stated_numbers import stated_numbers

_LONGEST_CHARS = 40  # of an answer that is a word or a number in a sentence, where it is not in Latin letters
_LONGEST_WORDS = 12  # of one in Latin letters
_TRANSLATION = re.compile(r"translat|翻訳|英訳|和訳|訳して|訳すと|翻译|(?:日本語|英語|英文|和文|中国語)に(?:して|直し)")
_SENTENCE = re.compile(r"[^。！？!?\n]+[。！？!?\n]*")
_COMPOUND = re.compile(
    r"\d\s*(?:年|か月|月|日|時間|時|分|hours?|h|:|/|-)\s*(?:と|and)?\s*\d"
)  # one value in several numbers
_DAYS = (("同じ日", "同日"), ("前の日", "前日"), ("次の日", "翌日"))
_OF_WHAT = re.compile(r"(明治|大正|昭和|平成|令和|午前|午後)\d*$")
_CANNOT_TELL = (
    "分かりません", "わかりません", "分からない", "わからない", "答えられません", "答えられない", "判断できません",
    "判断できない", "決まりません", "決められません", "不明", "cannot tell", "can't tell", "cannot say", "can't say",
    "cannot know", "can't know", "cannot answer", "cannot be", "can't be", "don't know", "do not know",
    "not possible", "impossible", "unknown", "无法", "不知道", "不能确定", "不清楚", "算不出",
)  # fmt: skip
# Not among those: a record that says one of these may tell something.
_CANNOT_TELL_EITHER = (
    "存じません", "知りません", "お答えできません", "お答えできない", "情報がない", "情報がありません", "情報はない",
    "情報はありません", "かねます",
)  # fmt: skip
_TELLS_NOT = re.compile("|".join(map(re.escape, _CANNOT_TELL)))
_YES, _NO = ("はい", "ええ", "yes", "是的", "对"), ("いいえ", "いや", "no", "不是", "不对")
_YES_OR_NO = re.compile(rf"({'|'.join(_YES + _NO)})(?:[、,，.。]\s*(.*))?$", re.DOTALL | re.IGNORECASE)
_DENIES = re.compile(r"^([^はをが、。]{1,8})(?:では|じゃ)(?:ない|ありません|ないです)$")
_SAYS_NOT = re.compile(r"ません|ない|\bno\b|\bnot\b|不|没")
_VERB = re.compile(r"(?:ます|ません|ました|でした|ない)$")
# What is the same or different can be said in several ways, and what is asked can be denied: 奇数ではありません.
_SAME = ("同じ", "等しい", "一緒", "同一", "変わりません", "イコール")
_DIFFERENT = (
    "違います",
    "違う",
    "異なります",
    "異なる",
    "同じではありません",
    "同じではない",
    "等しくありません",
    "等しくない",
)
_DENIALS = ("ではありません", "ではない", "じゃない", "じゃありません", "でない", "とは言えません")
_ASKED = re.compile(
    r"は、?([^はがをにで、。「」『』\s]{1,12}?)(?:ですか|でしょうか|と言えますか|といえますか|に当たりますか)"
)
# はい alone does not answer 次に何が来るか分かりますか.
_ASKS_WHETHER_KNOWN = re.compile(
    r"(?:何|なん|なに|どこ|だれ|誰|いつ|いくつ|いくら|どれ|どの|どう)[^。、]{0,12}か、?(?:分か|わか|知って|ご存じ|教え)"
)
_AGREES = ("そうです", "その通りです", "正しいです", "合っています")
_DISAGREES = ("違います", "ちがいます", "そうではありません", "合っていません", "正しくありません")
_ENOUGH, _TOO_FEW = ("足ります", "足りる"), ("足りません", "足りない", "不足")

_ONE_KANJI = re.compile(r"[一-鿿]")
_ORDERS = re.compile(r"順|並べ|order|sort|排")
_MANY = 3  # numbers that are one answer
_LONGEST_NUMBERS = 24  # characters of an answer of several numbers
_GAP = r"(?:[^\d.]{1,10}|\.{3})"  # between two numbers of an answer
_WRITTEN_SHORT = {"年": "[-/.]", "月": "[-/.]", "時": ":"}
_LONGEST_UNIT = 10  # characters of what a number counts

# A measure in the spellings of it: a number that counts another one is not the number. Of equals the first is meant.
_MEASURES = (
    ("キロ", "km", "kg"), ("平方キロメートル", "平方キロ", "km2"), ("平方センチメートル", "平方センチ", "cm2"),
    ("平方ミリメートル", "mm2"), ("平方メートル", "m2"), ("キロメートル", "キロ", "km"),
    ("センチメートル", "センチ", "cm"), ("ミリメートル", "ミリ", "mm"), ("メートル", "m"),
    ("キログラム", "キロ", "kg"), ("ミリグラム", "mg"), ("グラム", "g"), ("トン", "t"), ("デシリットル", "dl"),
    ("ミリリットル", "ml"), ("リットル", "l"),
)  # fmt: skip


def expect_answer(record: Mapping[str, Any]) -> Expectation | None:
    """What the answer of a record expects of another to the same question; None where it is neither right nor wrong.

    A record's own answer is always right. Members that are not texts count as empty.
    """
    answer, category = (
        text.strip() if isinstance(text := record.get(name), str) else "" for name in ("answer", "category")
    )
    question = "\n".join(text for name in ("instruction", "input") if isinstance(text := record.get(name), str))
    if not answer or _TRANSLATION.search(f"{category}\n{question}".casefold()) or _is_long(answer):
        return None
    found = _expect(answer, fold(question), question)
    return found and Expectation(
        contains=found.contains,
        all_of=found.all_of,
        number=found.number,
        units=found.units,
        regex=found.regex,
        forbid=found.forbid,
        alone=(str(record["answer"]), *found.alone),
    )


def _expect(answer: str, folded_question: str, question: str) -> Expectation | None:
    folded = fold(answer)
    if not _SENTENCE.search(folded):
        return None
    if _TELLS_NOT.search(folded):
        return Expectation(contains=_CANNOT_TELL + _CANNOT_TELL_EITHER)
    agreed = _YES_OR_NO.match(answer)
    if agreed and agreed[2] and _ASKS_WHETHER_KNOWN.search(question):
        return _expect(agreed[2], folded_question, question)
    if found := _expect_yes_or_no(answer, question):
        return found
    is_enough = next((word for word in (*_ENOUGH, *_TOO_FEW) if folded.startswith(word)), None)
    number = _expect_number(_SENTENCE.findall(folded)[-1], folded_question)
    if is_enough:
        said, opposite = (_ENOUGH, _TOO_FEW) if is_enough in _ENOUGH else (_TOO_FEW, _ENOUGH)
        about = number or Expectation()
        return Expectation(contains=said, number=about.number, units=about.units, forbid=opposite)
    if len(_SENTENCE.findall(answer)) > 1:
        return None
    if number:
        return number
    if several := _expect_numbers(folded, folded_question):
        return several
    core = core_of(answer, question)
    parts = COMMAS.split(core)
    if len(parts) > 1 and not _ORDERS.search(question) and not LATIN.search(core):
        return Expectation(all_of=tuple((part,) for part in parts), alone=(core,))
    if _ONE_KANJI.fullmatch(core):  # which is part of many words: 手 of 手紙
        return Expectation(regex=rf"(?<![一-鿿々]){core}(?![一-鿿々])", alone=(core,))
    return Expectation(contains=(core,), alone=(core,)) if core else None


def _is_long(answer: str) -> bool:
    words = LATIN_WORD.findall(answer)
    return len(words) > _LONGEST_WORDS if not EAST_ASIAN.search(answer) else len(answer) > _LONGEST_CHARS


def _expect_number(answer: str, question: str) -> Expectation | None:
    """The number that an answer gives, where it is one that the question does not name, or asks to choose."""
    given = stated_numbers(answer)
    if _COMPOUND.search(answer) or not given:
        return None
    asked = {number.value for number in find_numbers(question)}
    new = [number for number in given if number.value not in asked]
    if not new:  # 43を足すと133になります, where 133 was named
        others = [number for number in find_numbers(answer) if number.value not in asked and number.digits]
        new = others if len(others) == 1 else []
    if not new and (ASKS.search(question) or (_is_number_alone(answer, given) and given[0].digits)):
        new = given
    # Many a word holds a numeral in kanji, as in 一つ質問してみましょう.
    if len(new) != 1 or not (new[0].digits or _is_number_alone(answer, given)):
        return None
    (number,) = new
    of_what = _OF_WHAT.search(answer[: number.start])
    behind = answer[number.end :].lstrip()
    measures = [
        (len(name), names) for names in _MEASURES for name in names if len(name) > 1 and behind.startswith(name)
    ]
    units = max(measures, default=(0, ()), key=lambda found: found[0])[1]
    day = next((names for names in _DAYS if any(name in answer for name in names)), ())
    other_days = tuple(name for names in _DAYS if day and names != day for name in names)
    # The same day need not be said, another one has to be.
    said = (of_what[1],) if of_what else () if day == _DAYS[0] else day
    return Expectation(number=number.value, units=units, contains=said, forbid=other_days)


def _is_number_alone(answer: str, given: Sequence[Number]) -> bool:
    """Whether an answer is a number with what it counts, and a copula at most."""
    (first, *others) = given
    around = TAIL.sub("", TOPIC.sub("", answer.strip(BLANKS)))
    return not others and len(around) - (first.end - first.start) <= _LONGEST_UNIT and not _VERB.search(around)


def _expect_numbers(answer: str, question: str) -> Expectation | None:
    """Two or three numbers that the question does not ask to sort: 1時間25分, 商は3、あまりは1."""
    numbers = stated_numbers(answer)
    if not all(number.digits for number in numbers) and "漢" not in question:
        answer = spell_times(answer)
        numbers = stated_numbers(answer)
    known = {number.value for number in find_numbers(question)}
    is_one_value = bool(_COMPOUND.search(answer))
    if not 1 < len(numbers) <= _MANY or not all(number.digits for number in numbers) or _ORDERS.search(question):
        return None
    if len(answer) > _LONGEST_NUMBERS or _SAYS_NOT.search(answer):
        return None
    if not is_one_value and any(number.value in known for number in numbers):
        return None
    pattern, shape = "", r"\d"
    for number, behind in zip(numbers, [*numbers[1:], None], strict=True):
        pattern += re.escape(answer[number.start : number.end])
        if behind is not None:
            between = answer[number.end : behind.start].strip()
            other = _WRITTEN_SHORT.get(between)
            literal = rf"\s*{re.escape(between)}\s*(?:と\s*)?"
            joint = f"(?:{literal}|{other})" if other else literal if is_one_value else _GAP
            pattern, shape = pattern + joint, rf"{shape}{joint}\d+"
    # Of several that are said, the last one is the answer.
    return Expectation(regex=rf"(?<![\d.]){pattern}(?![\d.]*\d)(?!(?s:.)*{shape})", alone=(core_of(answer, ""),))


def _expect_yes_or_no(answer: str, question: str) -> Expectation | None:
    text = answer.strip(BLANKS)
    if denied := _DENIES.match(text):
        return Expectation(contains=_denials_of(denied[1]), alone=_NO) if denied[1] in question else None
    found = _YES_OR_NO.match(text)
    if found is None:
        return None
    is_yes = found[1].casefold() in _YES
    same, opposite = (_YES, _NO) if is_yes else (_NO, _YES)
    rest = core_of(found[2], "") if found[2] else ""
    # A verb can be said in many ways: いいえ、できません.
    said: tuple[str, ...] = (*same, *_verbs_of(found[2] or "")) if not rest or _VERB.search(rest) else (rest,)
    said += next((ways for ways in (_SAME, _DIFFERENT) if (found[2] or "").startswith(ways[0])), ())
    asked = _ASKED.search(question)
    said += _denials_of(asked[1]) if asked and not is_yes else ()
    alone: tuple[str, ...] = (*same, *(_AGREES if is_yes else _DISAGREES))
    alone += tuple(f"{word}、{sentence}" for word in same[:1] for sentence in alone[len(same) :])
    forbid = _opposites_of(found[2] or "")
    return Expectation(contains=said, regex=rf"^(?i:(?!\W*(?:{'|'.join(opposite)})(?!\w)))", forbid=forbid, alone=alone)


def _denials_of(word: str) -> tuple[str, ...]:
    return tuple(word + end for end in _DENIALS)


def _verbs_of(sentence: str) -> tuple[str, ...]:
    """The verb that a sentence consists of: 買えます, 足りません."""
    text = re.split(r"[。.]", sentence)[0].strip(BLANKS)
    return (text,) if re.fullmatch(r"[^はがをにで、。\s]{1,8}(?:ます|ません)", text) else ()


def _opposites_of(sentence: str) -> tuple[str, ...]:
    return tuple(
        verb[:-3] + "ます" if verb.endswith("ません") else verb[:-2] + "ません" for verb in _verbs_of(sentence)
    )
