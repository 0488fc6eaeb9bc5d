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

from curation.expectation import Expectation
from curation.numerals import Number, find_numbers, fold
from curation.stated_numbers import stated_numbers

_LONGEST_CHARS = 40  # of an answer that is a word or a number in a sentence, where it is not in Latin letters
_LONGEST_WORDS = 12  # of one in Latin letters
_TRANSLATION = re.compile(r"translat|翻訳|英訳|和訳|訳して|訳すと|翻译|(?:日本語|英語|英文|和文|中国語)に(?:して|直し)")
_SENTENCE = re.compile(r"[^。！？!?\n]+[。！？!?\n]*")
# Where one of these is asked for, the answer may be a number that the question names: 2と3では、どちらが大きいですか.
_ASKS = re.compile(r"どちら|どれ|どの|いくつ|いくら|何|なん|which|how|what|哪|多少|几|幾")
# Where something is chosen, the answer may be a word that the question names.
_CHOOSES = re.compile(
    _ASKS.pattern + r"|だれ|誰|どこ|いつ|ですか|選|のうち|の中|中から|並べ|\b(?:who|whose|where|when|or)\b|谁|还是|选"
)
_COMPOUND = re.compile(
    r"\d\s*(?:年|か月|月|日|時間|時|分|hours?|h|:|/|-)\s*(?:と|and)?\s*\d"
)  # one value in several numbers
_DAYS = (("同じ日", "同日"), ("前の日", "前日"), ("次の日", "翌日"))
_ERA = re.compile(r"(明治|大正|昭和|平成|令和)\d*$")
_CANNOT_TELL = (
    "分かりません", "わかりません", "分からない", "わからない", "答えられません", "答えられない", "判断できません",
    "判断できない", "決まりません", "決められません", "不明", "cannot tell", "can't tell", "cannot say", "can't say",
    "cannot know", "can't know", "cannot answer", "cannot be", "can't be", "don't know", "do not know",
    "not possible", "impossible", "unknown", "无法", "不知道", "不能确定", "不清楚", "算不出",
)  # fmt: skip
_TELLS_NOT = re.compile("|".join(map(re.escape, _CANNOT_TELL)))
_YES, _NO = ("はい", "ええ", "yes", "是的", "对"), ("いいえ", "いや", "no", "不是", "不对")
_YES_OR_NO = re.compile(rf"({'|'.join(_YES + _NO)})(?:[、,，.。]\s*(.*))?$", re.DOTALL | re.IGNORECASE)
_DENIES = re.compile(r"^([^はをが、。]{1,8})(?:では|じゃ)(?:ない|ありません|ないです)$")
_SAYS_NOT = re.compile(r"ません|ない|\bno\b|\bnot\b|不|没")
_VERB = re.compile(r"(?:ます|ません|ました|でした|ない)$")
_ENOUGH, _TOO_FEW = ("足ります", "足りる"), ("足りません", "足りない", "不足")
_BLANKS = " \t\r\n。.！!？?"

# What stands around the word that is asked for: a topic, 答えは; a copula; a short verb behind a particle, と読みます.
_TOPIC = re.compile(r"^(?:[^はをが「」、]{1,15}は|□に入る\S{1,3}は|正しくは|正解は)")
_TAIL = re.compile(
    r"(?:という(?!意味|こと)[一-鿿ぁ-んァ-ヶー]{1,4}(?:です)?|(?:と|に|で|を)(?!も)[^、とにでをがは「」]{0,5}(?:ます|ました)|のほうが[^、「」]{1,6}"
    r"|を[^、「」]{1,6}と(?:よい|いい|良い)です"
    r"|でした|です|である|だ)$"
)
_QUOTED = re.compile(r"[「『]([^「」『』]{1,20})[」』]")
_AROUND_QUOTED = 10  # characters at either side of it, in an answer that is one quoted word
_CHINESE_LEAD = re.compile(r"^(?:答案|结果|那|这)?(?:一共|主要)?(?:是|叫做?|为|在|使用|用|说|要)(?:在)?")
_NO_WORD = re.compile(r"(?:から|こと|ため|よう|もの|という|ない|なく|ません|ください|って|[はをが])$")
# A run of one kind of letters, with the kana that end a word: 香川県, お送りする, 立春の前日, さんにん, Li.
_WORD = re.compile(
    r"(?:[おご]?[一-鿿々〇ァ-ヶーａ-ｚA-Za-z0-9・.']+(?:の[一-鿿々ァ-ヶーA-Za-z0-9]+)?[ぁ-ん]{0,3}|[ぁ-んー]{1,8})"
)
_OF_WHICH = re.compile(r"(.+?)([の的].+)$")
_LONGEST_CHINESE = 8  # characters of a name in Chinese; what is longer says something
_ONE_KANJI = re.compile(r"[一-鿿]")
_COMMAS = re.compile(r"[、，,]\s*|(?<=[一-鿿ァ-ヶー\d])と(?=[一-鿿ァ-ヶー\d])")
_ORDERS = re.compile(r"順|並べ|order|sort|排")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_EAST_ASIAN = re.compile(r"[぀-ヿ一-鿿]")
_LATIN_WORD = re.compile(r"[A-Za-zÀ-ɏ0-9'’-]+")
_FRAME = frozenset({
    "a", "an", "the", "it", "it's", "that", "that's", "this", "is", "was", "are", "were", "be", "will", "they", "he",
    "she", "there", "i", "of", "to", "in", "on", "and", "for", "with", "people",
})  # fmt: skip
_LONGEST_NAME = 4  # words
_LONGEST_COPULA = 5  # characters, with its full stop and a pair of brackets
_MANY = 3  # numbers that are one answer
_LONGEST_NUMBERS = 24  # characters of an answer of several numbers
_GAP = r"(?:[^\d.]{1,10}|\.{3})"  # between two numbers of an answer
_WRITTEN_SHORT = {"年": "[-/.]", "月": "[-/.]", "時": ":"}
_LONGEST_UNIT = 10  # characters of what a number counts
_TITLE = re.compile(r"^The [^,.]{1,60}? (?:is|was|are|were|will be) (?!not |a |an )")

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
    if _TELLS_NOT.search(folded):
        return Expectation(contains=_CANNOT_TELL)
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
    parts = _COMMAS.split(core)
    if len(parts) > 1 and not _ORDERS.search(question) and not _LATIN.search(core):
        return Expectation(all_of=tuple((part,) for part in parts), alone=(core,))
    if _ONE_KANJI.fullmatch(core):  # which is part of many words: 手 of 手紙
        return Expectation(regex=rf"(?<![一-鿿々]){core}(?![一-鿿々])", alone=(core,))
    return Expectation(contains=(core,), alone=(core,)) if core else None


def _is_long(answer: str) -> bool:
    words = _LATIN_WORD.findall(answer)
    return len(words) > _LONGEST_WORDS if not _EAST_ASIAN.search(answer) else len(answer) > _LONGEST_CHARS


def _expect_number(answer: str, question: str) -> Expectation | None:
    """The number that an answer gives, where it is one that the question does not name, or asks to choose."""
    given = stated_numbers(answer)
    if _COMPOUND.search(answer) or not given:
        return None
    asked = {number.value for number in find_numbers(question)}
    new = [number for number in given if number.value not in asked]
    if not new and (_ASKS.search(question) or (_is_number_alone(answer, given) and given[0].digits)):
        new = given
    # Many a word holds a numeral in kanji, as in 一つ質問してみましょう.
    if len(new) != 1 or not (new[0].digits or _is_number_alone(answer, given)):
        return None
    (number,) = new
    era = _ERA.search(answer[: number.start])
    behind = answer[number.end :].lstrip()
    measures = [
        (len(name), names) for names in _MEASURES for name in names if len(name) > 1 and behind.startswith(name)
    ]
    units = max(measures, default=(0, ()), key=lambda found: found[0])[1]
    day = next((names for names in _DAYS if any(name in answer for name in names)), ())
    others = tuple(name for names in _DAYS if day and names != day for name in names)
    # The same day need not be said, another one has to be.
    said = (era[1],) if era else () if day == _DAYS[0] else day
    return Expectation(number=number.value, units=units, contains=said, forbid=others)


def _is_number_alone(answer: str, given: Sequence[Number]) -> bool:
    """Whether an answer is a number with what it counts, and a copula at most."""
    (first, *others) = given
    around = _TAIL.sub("", _TOPIC.sub("", answer.strip(_BLANKS)))
    return not others and len(around) - (first.end - first.start) <= _LONGEST_UNIT and not _VERB.search(around)


def _expect_numbers(answer: str, question: str) -> Expectation | None:
    """Two or three numbers that the question does not ask to sort: 1時間25分, 商は3、あまりは1."""
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
    text = answer.strip(_BLANKS)
    if denied := _DENIES.match(text):
        said = tuple(denied[1] + end for end in ("ではありません", "ではない", "じゃない", "でない"))
        return Expectation(contains=said, alone=_NO) if denied[1] in question else None
    found = _YES_OR_NO.match(text)
    if found is None:
        return None
    same, opposite = (_YES, _NO) if found[1].casefold() in _YES else (_NO, _YES)
    rest = core_of(found[2], "") if found[2] else ""
    # A verb can be said in many ways: いいえ、違います.
    said = same if not rest or _VERB.search(rest) else (rest,)
    return Expectation(contains=said, regex=rf"^(?i:(?!\W*(?:{'|'.join(opposite)})(?!\w)))", alone=same)


def core_of(answer: str, question: str) -> str:
    """The word, the name or the list of them that an answer gives, without its sentence; empty where it is more."""
    text = answer.strip(_BLANKS)
    quoted = _QUOTED.findall(text)
    if len(quoted) == 1:
        before, after = re.split(r"[「『][^「」『』]+[」』]", text)
        if len(before) <= _AROUND_QUOTED and len(after) <= _AROUND_QUOTED and not re.search(r"ません|ない|、", after):
            return str(quoted[0]).strip(_BLANKS)
    parts = _COMMAS.split(text)
    if len(parts) > 1 and all(part.isdigit() for part in parts):
        return text
    if not _EAST_ASIAN.search(text):
        return _core_of_latin(text, question)
    if not re.search(r"[぀-ヿ]", text):
        lead = _CHINESE_LEAD.match(text)
        text = text[lead.end() :] if lead else text
        text = _without_what_is_asked(text, question)
        return text if 0 < len(text) <= _LONGEST_CHINESE and not re.search(r"[，。的是不]", text) else ""
    if not _SAYS_NOT.search(text):
        text = _TAIL.sub("", _TOPIC.sub("", text)) or text
        text = _without_what_is_asked(text, question)
    parts = _COMMAS.split(text.replace("「", "").replace("」", ""))
    are_words = all(_WORD.fullmatch(part) and not _NO_WORD.search(part) for part in parts)
    # A sentence that completes one of the question has a word of it where another answer has its word.
    completes = len(text) < len(answer) - _LONGEST_COPULA and text in question and not _CHOOSES.search(question)
    return text if are_words and not completes else ""


def _core_of_latin(text: str, question: str) -> str:
    if not _LATIN.search(question):
        text = _TITLE.sub("", text)
    words = list(_LATIN_WORD.finditer(text))
    known = _FRAME | set(re.findall(r"[^\W_]+", question.casefold()))
    new = [place for place, word in enumerate(words) if word[0].casefold() not in known]
    if not new:
        return text if len(words) <= 2 else ""
    first, last = new[0], new[-1]
    while first and words[first - 1][0][:1].isupper() and words[first - 1][0].casefold() not in _FRAME:
        first -= 1
    is_name = last - first < _LONGEST_NAME and "not" not in text.casefold().split()
    return text[words[first].start() : words[last].end()] if is_name else ""


def _without_what_is_asked(text: str, question: str) -> str:
    """An answer without its end that repeats the question: フィンランドの首都 without の首都."""
    found = _OF_WHICH.match(text)
    return found[1] if found and len(found[1]) > 1 and found[2] in question else text
