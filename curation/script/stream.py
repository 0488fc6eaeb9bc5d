"""Takes a stream of text apart and hands it on in pieces, each marked with the foreign language it is in.

A token is read once the text after it can no longer change it, so how the stream was cut never matters, and
`check` is this reader fed with the whole text. Quotations and code may hold any language.
"""

import re
from dataclasses import dataclass

from .glyphs import CLASSES, KANA, SCRIPTS, is_chinese_only, is_simplified_only, is_traditional_only
from .languages import Expectation
from .ngrams import ngrams
from .quotations import CLOSERS, Quotations
from .reader import Reader, Run, Token

# Over the classes of glyphs.py. Between kana, signs and blanks change nothing, so all of it is one token.
_TOKENS = (
    r"(?P<kana>%s)|(?P<han>[HJC]{1,12})|(?P<word>a{1,40})|(?P<space>s{1,40})|(?P<sign>\.[.s]{0,40})|(?P<newline>n)"
    r"|(?P<script>G{1,40}|R{1,40}|E{1,40}|T{1,40}|A{1,40}|D{1,40}|W{1,40}|X{1,40})"
    r"|(?P<opener>o)|(?P<closer>c)|(?P<quote>q)|(?P<backtick>b{1,40})"
)
_TOKENS_IN_JAPANESE = re.compile(_TOKENS % "K(?:[K.s]{0,80}K)?")
_TOKENS_ELSEWHERE = re.compile(_TOKENS % "K{1,40}")
_TOKENS_IN_CODE = re.compile(r"(?P<space>s{1,40})|(?P<code>[^bns][^bn]{0,80})|(?P<newline>n)|(?P<backtick>b{1,40})")
# What may be cut anywhere and says the same, so that no token has to wait for its end.
_ALWAYS_WHOLE = frozenset({"space", "sign", "newline", "opener", "closer", "quote", "code"})
_WHOLE_IN_JAPANESE = _ALWAYS_WHOLE | {"kana", "han"}
_LETTERS = frozenset({"han", "kana"})
_MARKS = frozenset({"opener", "closer", "quote", "backtick"})
_FENCE = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """Text as it was fed, and the language it should not be in; None where nothing is wrong.

    A Chinese clause is plain zh until a character shows zh-Hans or zh-Hant; `check` names all of it by all of it.
    Foreign text that is quoted has its language in `quoted_language`.
    """

    text: str
    span_language: str | None
    quoted_language: str | None = None


class StreamChecker:
    """Feed it a text in any cuts; all pieces together are the text, and equal neighbours may be joined.

    What is repeated from `asked`, the question or the source that the text answers, is a quotation.
    """

    def __init__(self, expected_language: str = "ja", asked: str = "") -> None:
        self.expected = Expectation.of(expected_language)
        self._in_japanese = self.expected.language == "ja"
        self._pattern = _TOKENS_IN_JAPANESE if self._in_japanese else _TOKENS_ELSEWHERE
        self._whole = _WHOLE_IN_JAPANESE if self._in_japanese else _ALWAYS_WHOLE
        self._reader = Reader(self.expected)
        self._quotations = Quotations(asked)
        self._text = self._classes = ""  # from _offset on; what is decided is gone
        self._offset = self._position = 0  # where the text begins, and where the next token does
        self._last, self._last_is_quoted = Run(0, 0, ""), False  # as it was named
        self._fence_lines: int | None = None  # line ends since the code fence opened
        self._only_blanks_in_line = True
        self._is_plain = True  # no code, and no quotation mark just before
        self._is_after_quote = False  # a straight one, which may close or open
        self._is_reopened = False

    def feed(self, piece: str) -> list[Piece]:
        """Everything that `piece` decides; at most a few words stay behind for the next call."""
        if not self.expected.language:
            return [Piece(piece, None)] if piece else []
        self.read(piece, closed=False)
        return self._hand_on()

    def close(self) -> list[Piece]:
        """What was still held back. An open quotation at the end of the text is none."""
        self.read("", closed=True)
        return self._hand_on()

    def read(self, piece: str, closed: bool) -> None:
        """Take the text apart; `closed` if there is no more of it."""
        self._text += piece
        self._classes += piece.translate(CLASSES)
        text, classes, offset = self._text, self._classes, self._offset
        pattern, whole, quotations = self._pattern, self._whole, self._quotations
        start, last = self._position - offset, len(classes)
        while match := (pattern if self._fence_lines is None else _TOKENS_IN_CODE).match(classes, start):
            kind, end = match.lastgroup or "", match.end()
            if end == last and not closed and kind not in whole:
                break
            before_kana = classes[end : end + 1] == KANA
            token = Token(kind, offset + start, offset + end, text[start:end], match[0], before_kana)
            if kind in _LETTERS and self._is_plain and not quotations.pending:
                self._only_blanks_in_line = False
                self._read_letters(token)
            else:
                self._read_token(token)
                self._is_plain = self._fence_lines is None and not self._is_after_quote
            start = end
        self._position = offset + start
        if closed:
            self._settle(self._position)
            self._quotations.break_off()

    def _read_letters(self, token: Token) -> None:
        """What is no mark of any kind."""
        if self._is_context(token):
            self._quotations.see_context(token.start)
        self._reader.take(token)
        if token.kind == "han" and self.expected.language == "zh" and self._reader.held > token.start:
            self._quotations.see_context(token.start)
        if self._reader.runs or self._quotations.echo:
            self._sort()

    def _read_token(self, token: Token) -> None:
        kind = token.kind
        quotations = self._quotations
        starts_line = self._only_blanks_in_line
        self._only_blanks_in_line = kind == "newline" or (kind == "space" and starts_line)
        if (self._fence_lines is not None or kind == "backtick") and self._read_fence(token, starts_line):
            return
        if quotations.pending:
            quotations.give_up_if_too_long(token.start)
        was_after_quote, self._is_after_quote = self._is_after_quote, False
        if kind == "han":
            if was_after_quote and self._is_calm():  # "A"这个"B": nobody knows which mark opens
                quotations.open('"')
                self._is_reopened = True
        elif kind == "newline":
            self._settle(token.start)
            quotations.end_line()
            self._reader.skip(token.end)
            return
        elif kind == "space":
            self._is_reopened = self._is_reopened and not was_after_quote
        elif kind in _MARKS and self._read_mark(token):
            return
        if kind == "word" and quotations.closer == "`" and token.text[0] != "'" and token.text[-1] == "'":
            self._end_tex_quotation(token)
            return
        self._read_letters(token)

    def _end_tex_quotation(self, token: Token) -> None:
        """As TeX and old manuals do: `You have new mail.'"""
        self._reader.take(token._replace(end=token.end - 1, text=token.text[:-1], classes=token.classes[:-1]))
        self._settle(token.end - 1)
        self._quotations.close(token.end - 1)
        self._reader.skip(token.end)

    def _is_context(self, token: Token) -> bool:
        """Whether the token itself shows that it is text of the expected language."""
        scripts = self.expected.scripts
        if token.kind == "kana":
            return "Kana" in scripts
        if token.kind == "word":
            return "Latin" in scripts and token.text.isalpha()
        return token.kind == "script" and SCRIPTS[token.classes[0]] in scripts

    def _is_calm(self) -> bool:
        return not self._quotations.closer and self._reader.foreign is None

    def _read_mark(self, token: Token) -> bool:
        """True if the mark opens or closes a quotation."""
        mark, quotations = token.text[0], self._quotations
        if mark == '"' and self._is_reopened and not quotations.closer:  # the one that opens B in "A"这个"B"
            self._is_reopened = False
            self._settle(token.start)
        elif mark == quotations.closer:
            self._settle(token.start)
            quotations.close(token.start)
        elif mark in CLOSERS and self._is_calm():
            self._settle(token.start)
            quotations.open(mark)
            mark = ""
        else:
            return False
        self._is_after_quote = mark == '"'
        self._reader.skip(token.end)
        return True

    def _read_fence(self, token: Token, starts_line: bool) -> bool:
        """True if the token is code within a fence, or the fence."""
        is_fence = token.kind == "backtick" and len(token.text) >= _FENCE
        if self._fence_lines is not None:
            is_end = is_fence and (starts_line or self._fence_lines == 0)
            self._fence_lines = None if is_end else self._fence_lines + (token.kind == "newline")
        elif is_fence and starts_line:
            self._fence_lines = 0
            self._settle(token.start)
            self._quotations.break_off()
        else:
            return False
        self._reader.skip(token.end)
        return True

    def _settle(self, position: int) -> None:
        held = self._reader.held
        self._reader.settle(position)
        if self.expected.language == "zh" and held < position and not self._reader.runs:
            self._quotations.see_context(held)
        self._sort()

    def _sort(self) -> None:
        runs, self._reader.runs = self._reader.runs, []
        self._quotations.take(runs, self._text, self._offset, self._reader.held)

    def _hand_on(self) -> list[Piece]:
        """Pieces of all that is decided."""
        decided = self._quotations.held(self._reader.held)
        pieces: list[Piece] = []
        at = self._offset
        for run, is_quoted in self.take_runs():
            if at < run.start:
                pieces.append(Piece(self._slice(at, run.start), None))
            language = self._name(run, is_quoted)
            text = self._slice(run.start, run.end)
            pieces.append(Piece(text, None, language) if is_quoted else Piece(text, language))
            at = run.end
        if at < decided:
            pieces.append(Piece(self._slice(at, decided), None))
        self._text, self._classes = self._slice(decided), self._classes[decided - self._offset :]
        self._offset = decided
        return pieces

    def take_runs(self) -> list[tuple[Run, bool]]:
        """The runs that were decided since the last call, in order, and whether each is quoted."""
        quotations = self._quotations
        runs = sorted([(run, False) for run in quotations.slips] + [(run, True) for run in quotations.quoted])
        quotations.slips, quotations.quoted = [], []
        return runs

    def _slice(self, start: int, end: int | None = None) -> str:
        return self._text[start - self._offset : None if end is None else end - self._offset]

    def _name(self, run: Run, is_quoted: bool) -> str:
        """The language of a run, as far as it has shown it; a run that has shown its variety keeps it."""
        language = run.language
        if language == "zh":
            goes_on = (self._last.end, self._last_is_quoted) == (run.start, is_quoted)
            goes_on = goes_on and self._last.language.startswith("zh-")
            language = self._last.language if goes_on else _name_by_glyphs(self._slice(run.start, run.end))
        self._last, self._last_is_quoted = Run(run.start, run.end, language), is_quoted
        return language


def find_runs(text: str, expected_language: str, asked: str = "") -> list[tuple[Run, bool]]:
    """The whole runs of a whole text, in order, and whether each is quoted."""
    checker = StreamChecker(expected_language, asked)
    if not checker.expected.language:
        return []
    checker.read(text, closed=True)
    whole: list[tuple[Run, bool]] = []
    for run, is_quoted in checker.take_runs():
        if whole:
            last, was_quoted = whole[-1]
            if (last.end, last.language, was_quoted) == (run.start, run.language, is_quoted):
                whole.pop()
                run = Run(last.start, run.end, run.language)
        whole.append((run, is_quoted))
    return whole


def name_run(text: str, language: str, in_japanese: bool = True) -> str:
    """The tag of a whole run: of Chinese also which, if the run shows it.

    Where no character is Chinese alone, those that Japanese shares with one of the two (東, 写) decide; outside
    Japanese they do not, for 東京 is no sign of traditional Chinese there.
    """
    if language != "zh":
        return language
    named = _name_by_glyphs(text)
    if named == "zh" and in_japanese:
        simplified, traditional = sum(map(is_simplified_only, text)), sum(map(is_traditional_only, text))
        if simplified != traditional:
            return "zh-Hans" if simplified > traditional else "zh-Hant"
    return named


def _name_by_glyphs(text: str) -> str:
    """The tag of Chinese by the first character that Japanese does not write today (这, 學)."""
    for char in text:
        if is_simplified_only(char) and is_chinese_only(char):
            return "zh-Hans"
        if is_traditional_only(char) and (is_chinese_only(char) or char in ngrams().modern):
            return "zh-Hant"
    return "zh"
