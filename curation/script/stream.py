"""Takes a stream of text apart and hands it on in pieces, each marked with the foreign language it is in.

A token is read once the text after it can no longer change it, so how the stream was cut never matters, and
`check` is this reader fed with the whole text. Quotations and code may hold any language.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .clauses import ClauseReader, Decided, Token
from .glyphs import CHINESE_HAN, CLASSES, CLOSERS, KANA
from .languages import Expectation

# Over the classes of glyphs.py.
_TOKEN = (
    r"(?P<kana>K{1,40})|(?P<han>%s)|(?P<word>a{1,40})|(?P<space>s{1,16})|(?P<newline>n)"
    r"|(?P<script>G{1,40}|R{1,40}|E{1,40}|T{1,40}|A{1,40}|D{1,40}|W{1,40})"
    r"|(?P<opener>o)|(?P<closer>c)|(?P<quote>q)|(?P<backtick>b{1,40})|(?P<sign>\.)"
)
# In Japanese a Chinese glyph ends its run at once: nothing after it can make it Japanese.
_TOKEN_IN_JAPANESE = re.compile(_TOKEN % "[HJ]{0,11}C|[HJ]{1,12}")
_TOKEN_ELSEWHERE = re.compile(_TOKEN % "[HJC]{1,12}")
_ONE_CHARACTER = frozenset({"newline", "opener", "closer", "quote", "sign"})
_FENCE = 3
# Foreign text in an open quotation waits this many characters for the closing mark, then it is shown as foreign.
_LONGEST_QUOTATION = 80


@dataclass(frozen=True)
class Piece:
    """Text as it was fed, and the language it should not be in; None where nothing is wrong.

    A Chinese clause is plain zh until its characters show zh-Hans or zh-Hant; `check` names all of it by that.
    """

    text: str
    span_language: str | None


class StreamChecker:
    """Feed it a text in any cuts; all pieces together are the text, and equal neighbours may be joined."""

    def __init__(self, expected_language: str = "ja") -> None:
        self._expected = Expectation.of(expected_language)
        self._reader = ClauseReader(self._expected)
        self._token = _TOKEN_IN_JAPANESE if self._expected.language == "ja" else _TOKEN_ELSEWHERE
        self._text = self._classes = ""  # not yet taken apart
        self._closer: str | None = None  # of the open quotation
        self._quoted: list[Decided] = []  # held from the first foreign text in the quotation on
        self._quoted_chars = 0
        self._fence_lines: int | None = None  # line ends since the code fence opened
        self._only_blanks_in_line = True

    def feed(self, piece: str) -> list[Piece]:
        """Everything that `piece` decides; at most a few words stay behind for the next call."""
        if not self._expected.language:
            return [Piece(piece, None)] if piece else []
        self._text += piece
        self._classes += piece.translate(CLASSES)
        return self._read(closed=False)

    def close(self) -> list[Piece]:
        """What was still held back. An open quotation at the end of the text is none."""
        return self._read(closed=True)

    def _read(self, closed: bool) -> list[Piece]:
        decided: list[Decided] = []
        for token in self._take_tokens(closed):
            decided += self._read_token(token)
        if closed:
            decided += self._pass_on(self._reader.settle()) + self._end_quotation(quoted=False)
        return _join(decided)

    def _take_tokens(self, closed: bool) -> Iterator[Token]:
        text, classes = self._text, self._classes
        position = 0
        while match := self._token.match(classes, position):
            kind, end = match.lastgroup or "", match.end()
            if end == len(classes) and not closed and not self._is_final(kind, match[0]):
                break
            before_kana = classes[end : end + 1] == KANA
            yield Token(kind, text[position:end], match[0], before_kana)
            position = end
        self._text, self._classes = text[position:], classes[position:]

    def _is_final(self, kind: str, classes: str) -> bool:
        """True if no text to come can make the last token longer, or matter to how it is read."""
        if kind == "kana":
            return "Kana" in self._expected.scripts
        if kind == "han":
            return classes[-1] == CHINESE_HAN and self._expected.language == "ja"
        return kind in _ONE_CHARACTER

    def _read_token(self, token: Token) -> list[Decided]:
        starts_line = self._only_blanks_in_line
        self._only_blanks_in_line = token.kind == "newline" or (starts_line and token.kind == "space")
        is_fence = token.kind == "backtick" and len(token.text) >= _FENCE
        if self._fence_lines is not None:
            is_end = is_fence and (starts_line or self._fence_lines == 0)
            self._fence_lines = None if is_end else self._fence_lines + (token.kind == "newline")
            return [(token.text, None)]
        if is_fence and starts_line:
            self._fence_lines = 0
            return self._pass_on(self._reader.settle()) + self._end_quotation(quoted=False) + [(token.text, None)]
        if token.kind == "newline":
            return self._pass_on(self._reader.take(token)) + self._end_quotation(quoted=False)
        mark = token.text[0]
        if mark == self._closer:
            return self._pass_on(self._reader.settle()) + self._end_quotation(quoted=True) + [(token.text, None)]
        if mark in CLOSERS and self._closer is None and self._reader.foreign is None:
            decided = self._reader.settle()
            self._closer = CLOSERS[mark]
            return [*decided, (token.text, None)]
        return self._pass_on(self._reader.take(token))

    def _pass_on(self, decided: list[Decided]) -> list[Decided]:
        """Keep foreign text of an open quotation, and all that follows it, until the quotation ends."""
        if self._closer is None or (not self._quoted and all(language is None for _, language in decided)):
            return decided
        self._quoted += decided
        self._quoted_chars += sum(len(text) for text, _ in decided)
        return self._end_quotation(quoted=False) if self._quoted_chars > _LONGEST_QUOTATION else []

    def _end_quotation(self, quoted: bool) -> list[Decided]:
        decided = [(text, None if quoted else language) for text, language in self._quoted]
        self._closer, self._quoted, self._quoted_chars = None, [], 0
        return decided


def _join(decided: list[Decided]) -> list[Piece]:
    """One piece for neighbours of one language."""
    pieces: list[Piece] = []
    start = 0
    for end in range(1, len(decided) + 1):
        if end == len(decided) or decided[end][1] != decided[start][1]:
            pieces.append(Piece("".join(text for text, _ in decided[start:end]), decided[start][1]))
            start = end
    return [piece for piece in pieces if piece.text]
