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
        at = self.position - self._classes_from
        if at > len(self._classes):
            self._classes, self._classes_from, at = "", self.position, 0
        pattern = _IN_CODE if in_code else self._pattern
        match = pattern.match(self._classes, at)
        while (match is None or match.end() == len(self._classes)) and self._classify_more(at):
            at = self.position - self._classes_from
            match = pattern.match(self._classes, at)
        if match is None:
            return None
        kind, end = match.lastgroup or "", match.end()
        is_last = end == len(self._classes)
        if is_last and not closed and kind not in self._whole:
            return None
        start = self.position
        self.position = start + end - at
        before_kana = not is_last and self._classes[end] == KANA
        text = self.text[start - self.offset : self.position - self.offset]
        return Token(kind, start, self.position, text, match[0], before_kana)

    def _classify_more(self, at: int) -> bool:
        """Classify some of the text that follows what is; False if there is none."""
        end = self._classes_from + len(self._classes) - self.offset
        more = self.text[end : end + _CLASSIFIED_AT_ONCE]
        if not more:
            return False
        self._classes, self._classes_from = self._classes[at:] + more.translate(CLASSES), self.position
        return True
