"""Takes a text apart into tokens, as it comes.

A token is read once the text after it can no longer change it, so how a stream was cut never matters.
"""

import re
from typing import NamedTuple

from .glyphs import CLASSES, KANA

# Over the classes of glyphs.py. Between kana, signs and blanks change nothing, so all of it is one token.
_TOKENS = (
    r"(?P<kana>%s)|(?P<han>[HJC]{1,12})|(?P<word>a{1,40})|(?P<space>s{1,40})|(?P<sign>\.[.s]{0,40})|(?P<newline>n)"
    r"|(?P<script>G{1,40}|R{1,40}|E{1,40}|T{1,40}|A{1,40}|D{1,40}|W{1,40}|X{1,40})"
    r"|(?P<opener>o)|(?P<closer>c)|(?P<quote>q)|(?P<backtick>b{1,40})"
)
_IN_JAPANESE = re.compile(_TOKENS % "K(?:[K.s]{0,80}K)?")
_ELSEWHERE = re.compile(_TOKENS % "K{1,40}")
_IN_CODE = re.compile(r"(?P<space>s{1,40})|(?P<code>[^bns][^bn]{0,80})|(?P<newline>n)|(?P<backtick>b{1,40})")
# What may be cut anywhere and says the same, so that no token has to wait for its end.
_ALWAYS_WHOLE = frozenset({"space", "sign", "newline", "opener", "closer", "quote", "code"})
_WHOLE_IN_JAPANESE = _ALWAYS_WHOLE | {"kana", "han"}
_CLASSIFIED_AT_ONCE = 48  # characters; many are skipped and never need a class


class Token(NamedTuple):
    """A unit of text: `kind` names its group in the pattern, `classes` has a letter per character."""

    kind: str
    start: int
    end: int
    text: str
    classes: str
    before_kana: bool


class Tokens:
    """The tokens of a text that grows; `position` is where the next one begins, counted from the text's start."""

    def __init__(self, in_japanese: bool) -> None:
        self._pattern = _IN_JAPANESE if in_japanese else _ELSEWHERE
        self._whole = _WHOLE_IN_JAPANESE if in_japanese else _ALWAYS_WHOLE
        self.text = ""  # from `offset` on; what was forgotten is gone
        self.offset = self.position = 0
        self._classes, self._classes_from = "", 0  # of some of the text, which the next token begins in

    def forget(self, position: int) -> None:
        """Nothing before `position` will be asked for again."""
        self.text = self.text[position - self.offset :]
        self.offset = position

    def take(self, in_code: bool, closed: bool) -> Token | None:
        """The next token; None where the text ends, or may still change it if it is not `closed`."""
        pattern = _IN_CODE if in_code else self._pattern
        while True:
            at, last = self.position - self._classes_from, len(self._classes)
            match = pattern.match(self._classes, at) if at < last else None
            if (match and match.end() < last) or not self._classify_more():
                break
        if match is None:
            return None
        kind, end = match.lastgroup or "", match.end()
        if end == last and not closed and kind not in self._whole:
            return None
        start = self.position
        self.position = start + end - at
        text = self.text[start - self.offset : self.position - self.offset]
        return Token(kind, start, self.position, text, match[0], end < last and self._classes[end] == KANA)

    def _classify_more(self) -> bool:
        """Classify some more of the text from `position` on; False if there is none."""
        at = max(self.position, self._classes_from + len(self._classes))
        more = self.text[at - self.offset : at - self.offset + _CLASSIFIED_AT_ONCE]
        if not more:
            return False
        self._classes = self._classes[self.position - self._classes_from :] + more.translate(CLASSES)
        self._classes_from = self.position
        return True
