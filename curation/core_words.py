"""The word, the name or the list of them that an answer gives, without the sentence around it."""

import re

BLANKS = " \t\r\n。.！!？?"
# Where one of these is asked for, the answer may be a number that the question names: 2と3では、どちらが大きいですか.
ASKS = re.compile(r"どちら|どれ|どの|いくつ|いくら|何|なん|which|how|what|哪|多少|几|幾")
# Where something is chosen, the answer may be a word that the question names.
_CHOOSES = re.compile(
    ASKS.pattern + r"|だれ|誰|どこ|いつ|ですか|選|のうち|の中|中から|並べ|\b(?:who|whose|where|when|or)\b|谁|还是|选"
)
COMMAS = re.compile(r"[、，,]\s*|(?<=[一-鿿ァ-ヶー\d])と(?=[一-鿿ァ-ヶー\d])")
LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
EAST_ASIAN = re.compile(r"[぀-ヿ一-鿿]")
LATIN_WORD = re.compile(r"[A-Za-zÀ-ɏ0-9'’-]+")
_FRAME = frozenset({
    "a", "an", "the", "it", "it's", "that", "that's", "this", "is", "was", "are", "were", "be", "will", "they", "he",
    "she", "there", "i", "of", "to", "in", "on", "and", "for", "with", "people",
})  # fmt: skip
_LONGEST_NAME = 4  # words
_LONGEST_COPULA = 5  # characters, with its full stop and a pair of brackets
_TITLE = re.compile(r"^The [^,.]{1,60}? (?:is|was|are|were|will be) (?!not |a |an )")
_SAYS_NOT_IN_JAPANESE = re.compile(r"ません|ない")
# What stands around the word that is asked for: a topic, 答えは; a copula; a short verb behind a particle, と読みます.
TOPIC = re.compile(r"^(?:[^はをが「」、]{1,15}は|□に入る\S{1,3}は|正しくは|正解は)")
TAIL = re.compile(
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
    r"(?:(?:[おごほ]|うるう|は(?=虫))?[一-鿿々〇ァ-ヶーａ-ｚA-Za-z0-9・.']+(?:の[一-鿿々ァ-ヶーA-Za-z0-9]+)?[ぁ-ん]{0,3}|[ぁ-んー]{1,8})"
)
_OF_WHICH = re.compile(r"(.+?)([の的].+)$")
_LONGEST_CHINESE = 8  # characters of a name in Chinese; what is longer says something


def core_of(answer: str, question: str) -> str:
    """The word, the name or the list of them that an answer gives, without its sentence; empty where it is more."""
    text = answer.strip(BLANKS)
    quoted = _QUOTED.findall(text)
    if len(quoted) == 1:
        before, after = re.split(r"[「『][^「」『』]+[」』]", text)
        if len(before) <= _AROUND_QUOTED and len(after) <= _AROUND_QUOTED and not re.search(r"ません|ない|、", after):
            return str(quoted[0]).strip(BLANKS)
    parts = COMMAS.split(text)
    if len(parts) > 1 and all(part.isdigit() for part in parts):
        return text
    if not EAST_ASIAN.search(text):
        return _core_of_latin(text, question)
    if not re.search(r"[぀-ヿ]", text):
        lead = _CHINESE_LEAD.match(text)
        text = text[lead.end() :] if lead else text
        text = _without_what_is_asked(text, question)
        return text if 0 < len(text) <= _LONGEST_CHINESE and not re.search(r"[，。的是不]", text) else ""
    if not _SAYS_NOT_IN_JAPANESE.search(text):
        text = TAIL.sub("", TOPIC.sub("", text)) or text
        text = _without_what_is_asked(text, question)
    parts = COMMAS.split(text.replace("「", "").replace("」", ""))
    are_words = all(_WORD.fullmatch(part) and not _NO_WORD.search(part) for part in parts)
    # A sentence that completes one of the question has a word of it where another answer has its word.
    completes = len(text) < len(answer) - _LONGEST_COPULA and text in question and not _CHOOSES.search(question)
    return text if are_words and not completes else ""


def _core_of_latin(text: str, question: str) -> str:
    if not LATIN.search(question):
        text = _TITLE.sub("", text)
    words = list(LATIN_WORD.finditer(text))
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
