"""Hands a stream of text on in pieces, each marked with the foreign language it is in.

How the stream was cut never matters, and `check` is this reader fed with the whole text. Quotations and code may hold
any language.
"""

from dataclasses import dataclass

from .clean import LINE_END, START, find_chinese, find_clean_end, has_kana, is_clean, remember, remember_between_kana
from .glyphs import SCRIPTS, is_chinese_only, is_simplified_only, is_traditional_only
from .languages import Expectation
from .ngrams import ngrams
from .quotations import CLOSERS, Quotations
from .reader import Reader, Run
from .tokens import Token, Tokens

_PLAIN = frozenset({"han", "kana", "word", "space", "sign", "script"})
_MARKS = frozenset({"opener", "closer", "quote", "backtick"})
_CONTEXT_KINDS = frozenset({"kana", "word", "script"})
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
        self._tokens = Tokens(self._in_japanese)
        self._reader = Reader(self.expected)
        self._quotations = Quotations(asked)
        # Where nothing was undecided and what was read before says nothing any more, and the sign before; None if what
        # was read since has marks or foreign text in it.
        self._fresh_at, self._before = 0 if self._in_japanese else None, START
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
        tokens, quotations = self._tokens, self._quotations
        tokens.text += piece
        while True:
            if self._fresh_at == tokens.position and self._is_plain:
                self._skip_clean(closed)
            token = tokens.take(self._fence_lines is not None, closed)
            if token is None:
                break
            kind = token.kind
            if kind in _PLAIN and self._is_plain and not quotations.pending and quotations.closer != "`":
                if kind != "space":
                    self._only_blanks_in_line = False
                self._read_letters(token)
            else:
                self._read_token(token)
                self._is_plain = self._fence_lines is None and not self._is_after_quote
            if kind == "kana" and self._in_japanese:
                self._remember(token.start, token.text[0])
                if "s" in token.classes or "." in token.classes:
                    remember_between_kana(token.text)
                self._fresh_at, self._before = token.end, token.text[-1]
        if closed:
            self._reader.end_sentence()
            self._settle(tokens.position)
            self._remember(tokens.position, "")
            quotations.break_off()

    def _skip_clean(self, closed: bool) -> None:
        """Read on to where something may be foreign."""
        quotations, tokens = self._quotations, self._tokens
        if quotations.pending or quotations.echo or quotations.closer == "`":
            return
        text, start = tokens.text, tokens.position - tokens.offset
        end = find_clean_end(text, start, self._before, quotations.closer != "", closed)
        if end == start:
            return
        clean = text[start:end]
        kana = clean[-1] if has_kana(clean[-1]) else ""
        tokens.position = end + tokens.offset
        self._reader.pass_over(clean, kana, tokens.position)
        if not quotations.has_context and (kana or has_kana(clean)):
            quotations.see_context(tokens.position)
        self._only_blanks_in_line = not kana
        self._fresh_at, self._before = tokens.position, kana or LINE_END

    def _remember(self, position: int, after: str) -> None:
        """A kana, a line end or the end, "", has decided what stands before `position`."""
        fresh_at = self._fresh_at
        if fresh_at is not None and self._tokens.offset <= fresh_at < position:
            remember(self._before, self._slice(fresh_at, position), after)

    def _read_letters(self, token: Token) -> None:
        """What is no mark of any kind."""
        if token.kind in _CONTEXT_KINDS and not self._quotations.has_context and self._is_context(token):
            self._quotations.see_context(token.start)
        self._reader.take(token)
        is_at_home = self._reader.foreign is None and self._reader.held > token.start
        if token.kind == "han" and self.expected.language == "zh" and is_at_home:
            self._quotations.see_context(token.start)
        if self._reader.runs or self._quotations.echo:
            self._sort()

    def _read_token(self, token: Token) -> None:
        kind = token.kind
        quotations = self._quotations
        starts_line = self._only_blanks_in_line
        self._only_blanks_in_line = kind == "newline" or (kind == "space" and starts_line)
        if kind in _MARKS:
            self._fresh_at = None
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
            self._reader.end_sentence()
            self._settle(token.start)
            quotations.end_line()
            self._reader.skip(token.end)
            if self._in_japanese:
                self._remember(token.start, token.text[0])
                self._fresh_at, self._before = token.end, LINE_END
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
        self._fresh_at = None
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
        elif token.kind == "opener" and self._reader.leans_foreign():  # 請按「取消」: the quoted word goes with it
            return False
        elif mark in CLOSERS and self._is_calm():
            self._settle(token.start)
            quotations.open(mark)
            mark = ""
        else:
            return False
        self._is_after_quote = mark == '"'
        self._reader.skip(token.end)
        if self._in_japanese and not self._is_after_quote:
            self._fresh_at, self._before = token.end, LINE_END
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
        if self.expected.language == "zh" and not self._reader.runs and self._has_letters(held, position):
            self._quotations.see_context(held)
        self._sort()

    def _sort(self) -> None:
        runs, self._reader.runs = self._reader.runs, []
        if runs:
            self._fresh_at = None
        self._quotations.take(runs, self._tokens.text, self._tokens.offset, self._reader.held)

    def _hand_on(self) -> list[Piece]:
        """Pieces of all that is decided."""
        decided = self._quotations.held(self._reader.held)
        pieces: list[Piece] = []
        at = self._tokens.offset
        for run, is_quoted in self.take_runs():
            if at < run.start:
                pieces.append(Piece(self._slice(at, run.start), None))
            for text, language in self._name(run, is_quoted):
                pieces.append(Piece(text, None, language) if is_quoted else Piece(text, language))
            at = run.end
        if at < decided:
            pieces.append(Piece(self._slice(at, decided), None))
        self._tokens.forget(decided)
        return pieces

    def take_runs(self) -> list[tuple[Run, bool]]:
        """The runs that were decided since the last call, in order, and whether each is quoted."""
        quotations = self._quotations
        runs = sorted([(run, False) for run in quotations.slips] + [(run, True) for run in quotations.quoted])
        quotations.slips, quotations.quoted = [], []
        return runs

    def _has_letters(self, start: int, end: int) -> bool:
        return any(map(str.isalpha, self._slice(start, end)))

    def _slice(self, start: int, end: int) -> str:
        return self._tokens.text[start - self._tokens.offset : end - self._tokens.offset]

    def _name(self, run: Run, is_quoted: bool) -> list[tuple[str, str]]:
        """The text of a run and its language, as far as it has shown it; one that has shown its variety keeps it."""
        text, language = self._slice(run.start, run.end), run.language
        unnamed = 0  # characters that come before the one that shows it
        if language == "zh":
            goes_on = (self._last.end, self._last_is_quoted) == (run.start, is_quoted)
            if goes_on and self._last.language.startswith("zh-"):
                language = self._last.language
            else:
                unnamed, language = _find_variety(text)
        self._last, self._last_is_quoted = Run(run.start, run.end, language), is_quoted
        parts = [(text[:unnamed], "zh"), (text[unnamed:], language)]
        return [part for part in parts if part[0]]


def find_runs(text: str, expected_language: str, asked: str = "") -> list[tuple[Run, bool]]:
    """The whole runs of a whole text, in order, and whether each is quoted."""
    language = Expectation.of(expected_language).language
    if not language or (language == "ja" and is_clean(text)):
        return []
    if language == "ja" and not asked and (ends := find_chinese(text)):
        return [(Run(*ends, "zh"), False)]
    checker = StreamChecker(expected_language, asked)
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
    _, named = _find_variety(text)
    if named == "zh" and in_japanese:
        simplified, traditional = sum(map(is_simplified_only, text)), sum(map(is_traditional_only, text))
        if simplified != traditional:
            return "zh-Hans" if simplified > traditional else "zh-Hant"
    return named


def _find_variety(text: str) -> tuple[int, str]:
    """The first character of Chinese that Japanese does not write today (这, 學), and the tag that it shows."""
    for position, char in enumerate(text):
        if is_simplified_only(char) and is_chinese_only(char):
            return position, "zh-Hans"
        if is_traditional_only(char) and (is_chinese_only(char) or char in ngrams().modern):
            return position, "zh-Hant"
    return len(text), "zh"
