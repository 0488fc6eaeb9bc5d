"""Whether a word or a number that is said is denied: 東京ではありません, 東京とは言えません, not Tokyo."""

import re

# Not where it is asked, as in 東京ではないですか, which says it; but 東京ではないから denies it.
_NOT_ASKED = r"(?!ん?(?:です|でしょう|だろう)?か(?!ら))"
_NOT = rf"(?:では|じゃ|で)(?:ない|なく|なかっ|ありませ|ございませ){_NOT_ASKED}"
_AFTER_WORD = re.compile(
    rf"的?(?:{_NOT}|以外|だ?とは(?:言え|いえ|限ら|限り|思い|思わ|思え)\w{{0,2}}(?:ない|ませ)|は(?:違|ちが|間違|誤り|不正解)"
    rf"|でも\w{{1,10}}?でもあ?(?:ない|りませ)|は(?:(?!です|ます|は)\w){{1,8}}?(?:では|じゃ)(?:ない|ありませ){_NOT_ASKED}"
    r"|(?:也|并|並)?不(?:是|对|對)|(?:is|was)(?:not|nt|wrong|incorrect)|iswrong)"
)
# An item of a list that is denied, 名詞や形容詞ではありません, and what there is none of, 不満はありません.
_LISTED_OR_NONE = re.compile(
    rf"(?:(?:[やとも]|または)?[一-鿿々ァ-ヶー]{{1,8}}){{1,4}}{_NOT}|[はもが](?:な[いく]|ありませ){_NOT_ASKED}"
)
_BEFORE_WORD = re.compile(
    r"(?:不是|并非|並非|不在|而非|ratherthan|insteadof|(?:isnt|wasnt|not)(?:in|to|the|an?|called)?)$"
)
_WIDEST = 20  # characters before a word that are looked at
# Behind a number stands what it counts.
_AFTER_NUMBER = re.compile(
    rf"[^\s\d。、,.]{{0,3}}?(?:{_NOT}|以外|だ?とは(?:言え|いえ|限ら|限り|思い|思わ|思え)|は(?:違|ちが|間違|誤り|不正解)"
    r"|(?:也|并|並)?不(?:是|对|對))|\s*(?:isn['’]t|wasn['’]t|(?:is|was)\s(?:not|wrong|incorrect))\b"
)
_BEFORE_NUMBER = re.compile(
    r"(?:(?<!是)不是|并非|並非|而非|(?:\b(?:not|never|cannot|rather than|instead of)|n['’]t)(?: be| an?)?\s+)$"
)


def is_word_denied(key: str, start: int, end: int) -> bool:
    """Whether the word from `start` to `end` is denied in a text that `said.normalize` made."""
    before = _BEFORE_WORD.search(key, max(0, start - _WIDEST), start)
    return bool(before or _AFTER_WORD.match(key, end))


def is_said_not_to_be(key: str, end: int) -> bool:
    """Whether a word that ends at `end` of such a text is not said to be right, though not denied as above.

    For words that are forbidden: お金がありません says お金, and 動詞、名詞ではありません may say 動詞.
    """
    return _LISTED_OR_NONE.match(key, end) is not None


def is_number_denied(folded: str, end: int) -> bool:
    """Whether a number that ends at `end` of a folded text is denied."""
    return _AFTER_NUMBER.match(folded, end) is not None


def is_next_number_denied(folded: str, start: int) -> bool:
    """Whether what stands before `start`, where a number begins, denies it: not 5, 不是5."""
    return _BEFORE_NUMBER.search(folded, max(0, start - _WIDEST), start) is not None
