"""What is done about a wrong script: each part of a reply is read in its language, and led back where it leaves it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from curation.script import Piece, StreamChecker
from phi2chat.config import ChatConfig
from phi2chat.inference.automaton import EMPTY, Automaton, State, automaton_of
from phi2chat.inference.prompt import PromptStyle, Segment, SegmentParser

Part = Literal["reasoning", "answer"]
GuardMode = Literal["flag", "enforce", "off"]

STEP_BACKS = 8  # a reply; what is wrong after them is merely flagged
# Other beginnings that are tried where a character cannot be finished as the model wants; then it is finished anyhow.
OTHER_BEGINNINGS = 3
NOT_POSSIBLE = "enforce is not possible with this tokenizer, which does not tell the bytes of its tokens; it is flagged"
_NO_LANGUAGE = "und"  # BCP 47 for undetermined: nothing is foreign to it


@dataclass(frozen=True)
class GuardReport:
    """What the guard did to a reply.

    `mode` is flag where enforce was asked for and is not possible, and `note` says so. `changed_steps` counts the
    steps at which the model itself would have written a character that may not come; `spent` is true if it was still
    wrong after the last step back.
    """

    mode: GuardMode = "flag"
    step_backs: int = 0
    changed_steps: int = 0
    spent: bool = False
    note: str = ""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "GuardReport":
        """The report that `dataclasses.asdict` made. Raises ValueError or TypeError for anything else."""
        report = cls(**values)
        if report.mode not in get_args(GuardMode):
            raise ValueError(f"{report.mode} is no mode of the guard")
        backs, changed = int(report.step_backs), int(report.changed_steps)
        return cls(report.mode, backs, changed, bool(report.spent), str(report.note))


class PartReader:
    """Takes a reply apart while it streams and checks each part in its language; it may repeat what was `asked`."""

    def __init__(self, style: PromptStyle, config: ChatConfig, asked: str) -> None:
        self._languages = languages_of(config)
        self._asked = asked
        self._parser = SegmentParser(style)
        self.part: Part = style.opens
        self._checker = self._new_checker(self.part)

    @property
    def finished(self) -> bool:
        """Whether the model has begun a question of its own."""
        return self._parser.finished

    def feed(self, text: str) -> list[tuple[Part, Piece]]:
        """What is certain after `text`, in order."""
        return self._check(self._parser.feed(text))

    def close(self) -> list[tuple[Part, Piece]]:
        """What was still waiting for more."""
        return self._check(self._parser.close()) + self._end_part()

    def _check(self, segments: Iterable[Segment]) -> list[tuple[Part, Piece]]:
        checked: list[tuple[Part, Piece]] = []
        for segment in segments:
            if segment.kind != self.part:
                checked += self._end_part()
                self.part, self._checker = segment.kind, self._new_checker(segment.kind)
            checked += [(self.part, piece) for piece in self._checker.feed(segment.text)]
        return checked

    def _end_part(self) -> list[tuple[Part, Piece]]:
        return [(self.part, piece) for piece in self._checker.close()]

    def _new_checker(self, part: Part) -> StreamChecker:
        return StreamChecker(self._languages[part], self._asked)


def languages_of(config: ChatConfig) -> dict[Part, str]:
    """The language that each part of a reply is judged by."""
    if config.guard == "off":
        return {"reasoning": _NO_LANGUAGE, "answer": _NO_LANGUAGE}
    return {"reasoning": config.reasoning_lang or config.lang, "answer": config.lang}


def make_guard(
    tokenizer: Any, style: PromptStyle, config: ChatConfig, ends: frozenset[int], asked: str = ""
) -> "Guard | None":
    """A guard for one reply to what was `asked`; None if the bytes of the tokenizer's tokens cannot be told."""
    automata: dict[Part, Automaton] = {}
    for part, language in languages_of(config).items():
        automaton = automaton_of(tokenizer, language, ends, style.answer)
        if automaton is None:
            return None
        automata[part] = automaton
    return Guard(automata, style, config, asked)


class Guard:
    """Leads one reply: which tokens may come next, what of it is certain, and how far to go back where it is wrong.

    Text is released once the detector has found nothing in it, so that nothing released is ever taken back.
    """

    def __init__(self, automata: dict[Part, Automaton], style: PromptStyle, config: ChatConfig, asked: str) -> None:
        self._automata, self._style, self._config, self._asked = automata, style, config, asked
        self._bans: dict[int, set[int]] = {}  # by position: tokens that led to something wrong
        self._released = 0  # characters
        self._released_tokens = 0
        self.step_backs = self.changed_steps = 0
        self.spent = False
        self._begin()

    def _begin(self) -> None:
        self.ids: list[int] = []
        self.text = ""
        self.state: State = EMPTY
        self.automaton = self._automata[self._style.opens]
        # After each token: how many characters are whole, and whether one is unfinished.
        self._progress: list[tuple[int, bool]] = []
        self._reader = PartReader(self._style, self._config, self._asked)
        self._read: dict[Part, int] = {"reasoning": 0, "answer": 0}  # characters that the detector let pass
        self._closed = False
        self._fault: int | None = None  # the character where something wrong begins

    @property
    def report(self) -> GuardReport:
        return GuardReport("enforce", self.step_backs, self.changed_steps, self.spent)

    # -- the next token ------------------------------------------------------------------------------------------

    @property
    def banned(self) -> frozenset[int]:
        """The tokens that may not come here because of what they led to."""
        return frozenset(self._bans.get(len(self.ids), ()))

    @property
    def is_stuck(self) -> bool:
        """Whether no token is left that may come here."""
        return len(self.banned) >= self.automaton.count(self.state)

    def passes(self, token: int) -> bool:
        """Whether a token may come here."""
        after = self.automaton.step(self.state, token)
        return after is not None and token not in self.banned and self._fits_the_answer(token)

    def ban(self, token: int) -> None:
        """Let a token not come here again."""
        self._bans.setdefault(len(self.ids), set()).add(token)

    def _fits_the_answer(self, token: int) -> bool:
        """Whether what a token writes beyond the marker of the answer is in the answer's characters."""
        answer, marker = self._automata["answer"], self._style.answer
        piece = self.automaton.spelling[token]
        if self.automaton is answer or not piece:
            return True
        before = self.text[-len(marker) :].encode()
        _, found, beyond = (before + self.state + piece).partition(marker.encode())
        return not found or answer.read(EMPTY, beyond) is not None

    def take(self, token: int) -> None:
        """Append a token that passes."""
        text = self._append(token)
        if not self.spent:
            self._judge(text)

    def _append(self, token: int) -> str:
        piece, after = self.automaton.spelling[token], self.automaton.step(self.state, token)
        assert piece is not None and after is not None, "a token that does not pass was taken"
        content = self.state + piece
        text = content[: len(content) - len(after)].decode()
        self.ids.append(token)
        self.text += text
        self.state = after
        self._progress.append((len(self.text), bool(after)))
        if self._style.answer in self.text:
            self.automaton = self._automata["answer"]
        return text

    # -- what is certain, and what is wrong ----------------------------------------------------------------------

    def close(self) -> None:
        """The reply ends here, if nothing in it is wrong."""
        if not self.spent and not self._closed and self._fault is None:
            self._closed = True
            self._note(self._reader.close())

    def _judge(self, text: str) -> None:
        self._note(self._reader.feed(text))
        if self._reader.finished:
            self.close()

    def _note(self, read: Iterable[tuple[Part, Piece]]) -> None:
        for part, piece in read:
            if self._fault is None and piece.span_language:
                self._fault = self._start_of(part) + self._read[part]
            if self._fault is None:
                self._read[part] += len(piece.text)

    def _start_of(self, part: Part) -> int:
        """Where the text of a part begins, after its marker and blanks."""
        marker = self._style.answer
        before = self.text.index(marker) + len(marker) if part != self._style.opens else 0
        return before + len(self.text[before:]) - len(self.text[before:].lstrip())

    def release(self) -> str:
        """The text that has become certain since the last call; it ends with a token, for a step back goes to one."""
        certain = len(self.text)
        if not self.spent and not (self._closed and self._fault is None):
            certain = self._start_of(self._reader.part) + self._read[self._reader.part]
        while self._released_tokens < len(self.ids) and not self._reaches_beyond(self._released_tokens, certain):
            self._released_tokens += 1
        whole = self._progress[self._released_tokens - 1][0] if self._released_tokens else 0
        text, self._released = self.text[self._released : whole], whole
        return text

    def _reaches_beyond(self, position: int, character: int) -> bool:
        """Whether a token holds a byte of this character or of a later one."""
        whole, is_unfinished = self._progress[position]
        return whole > character or (whole == character and is_unfinished)

    def step_back(self) -> int | None:
        """Go back to before what is wrong, if anything is; how many tokens are left then.

        The token that it began with may not come there again. None where nothing is wrong, or the budget is spent.
        """
        if self._fault is None or self.spent:
            return None
        positions = range(self._released_tokens, len(self.ids))
        first = next((position for position in positions if self._reaches_beyond(position, self._fault)), None)
        if first is None or self.step_backs >= STEP_BACKS:
            self.spent, self._fault = True, None
            self._bans.clear()
            return None
        self.step_backs += 1
        return self._go_back_to(first)

    @property
    def would_rather_begin_anew(self) -> bool:
        """Whether the character that cannot become what the model wants should make room for another."""
        return bool(self.state) and len(self._bans.get(self._begun_at, ())) < OTHER_BEGINNINGS

    def begin_anew(self) -> int:
        """Go back to before the character that is unfinished; how many tokens are left then.

        Three bytes make a kanji: to refuse the last of 这 alone would bring some other kanji with the same beginning.
        """
        return self._go_back_to(self._begun_at)

    @property
    def _begun_at(self) -> int:
        return next(index for index in range(len(self.ids)) if self._progress[index] == (len(self.text), True))

    def _go_back_to(self, position: int) -> int:
        kept, banned = self.ids[:position], self.ids[position]
        self._bans = {place: tokens for place, tokens in self._bans.items() if place <= position}
        self._begin()
        for token in kept:
            self._append(token)
        if not self.spent:
            self._judge(self.text)
        self.ban(banned)
        return position
