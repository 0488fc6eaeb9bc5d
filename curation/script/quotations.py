"""Foreign text that is no slip: between quotation marks, or repeated from what was asked.

What may turn out to be quoted is held until that is known, and nothing else is.
"""

from .reader import Run

CLOSERS = {"「": "」", "『": "』", "“": "”", "《": "》", "〈": "〉", "«": "»", '"': '"', "`": "`"}
_LONGEST = 80  # characters; what is not closed by then was no quotation


class Quotations:
    """Takes the runs of a reader and sorts them into `slips` and `quoted`.

    A quotation has text of the expected language before it, or soon after it; a reply that does nothing but repeat
    the question is none.
    """

    def __init__(self, asked: str) -> None:
        self._asked = asked
        self.has_context = False  # text of the expected language was seen outside quotation marks
        self._awaits_context = False
        self.closer = ""  # the mark that ends the open quotation
        self.pending: list[Run] = []  # within quotation marks
        self.echo: list[Run] = []  # one run so far, all of it in what was asked
        self._echo_at = 0  # where it begins there, at the earliest
        self._slip_end = -1
        self.slips: list[Run] = []
        self.quoted: list[Run] = []

    def held(self, position: int) -> int:
        """Where the text begins that is undecided; `position` if there is none."""
        return (self.pending or self.echo)[0].start if self.pending or self.echo else position

    def open(self, mark: str) -> None:
        """A quotation begins after `mark`."""
        self._settle_echo(is_quoted=True)
        self.closer = CLOSERS[mark]

    def close(self, position: int) -> None:
        """The closing mark was read, at `position`."""
        self.closer = ""
        if self.has_context:
            self._settle(not self._is_too_long(position))
        else:
            self._awaits_context = bool(self.pending)

    def see_context(self, position: int) -> None:
        """Text of the expected language stands at `position`."""
        if not self.closer:
            self.has_context = True
            if self._awaits_context:
                self._settle(not self._is_too_long(position))

    def end_line(self) -> None:
        """A quotation does not go on in the next line, but what it stands beside may follow there."""
        if self.closer:
            self.break_off()

    def break_off(self) -> None:
        """The text ends, so an open quotation was none."""
        self.closer = ""
        self._settle_echo(is_quoted=True)
        self._settle(is_quoted=False)

    def give_up_if_too_long(self, position: int) -> None:
        """At `position` an open quotation may have gone on for too long to be one."""
        if self._is_too_long(position):
            self.break_off()

    def take(self, runs: list[Run], text: str, offset: int, decided: int) -> None:
        """Sort what the reader found; its text begins at `offset` and is decided up to `decided`."""
        for run in runs:
            if self.closer or self._awaits_context:
                self.pending.append(run)
            elif self._asked:
                self._take_echo(run, text, offset)
            else:
                self._add_slips([run])
        if self.echo and decided > self.echo[-1].end:
            self._settle_echo(is_quoted=True)

    def _take_echo(self, run: Run, text: str, offset: int) -> None:
        if self.echo and self.echo[-1].end < run.start:
            self._settle_echo(is_quoted=True)
            if self._awaits_context:
                self.pending.append(run)
                return
        goes_on_slip = not self.echo and self._slip_end == run.start
        self.echo.append(run)
        if goes_on_slip or not self._was_asked(text, offset):
            self._settle_echo(is_quoted=False)

    def _was_asked(self, text: str, offset: int) -> bool:
        """Whether the echo still is in what was asked, where all but its last run was found to be."""
        start, last = self.echo[0].start, self.echo[-1]
        # Mostly it goes on there. Searched for anew with each run, a long one would take the square of its length.
        if self._asked.startswith(text[last.start - offset : last.end - offset], self._echo_at + last.start - start):
            return True
        self._echo_at = self._asked.find(text[start - offset : last.end - offset], self._echo_at)
        return self._echo_at >= 0

    def _settle_echo(self, is_quoted: bool) -> None:
        if is_quoted and not self.has_context:
            self.pending += self.echo
            self._awaits_context = bool(self.pending)
        elif is_quoted:
            self.quoted += self.echo
        else:
            self._add_slips(self.echo)
        self.echo, self._echo_at = [], 0

    def _settle(self, is_quoted: bool) -> None:
        if is_quoted:
            self.quoted += self.pending
        else:
            self._add_slips(self.pending)
        self.pending, self._awaits_context = [], False

    def _add_slips(self, runs: list[Run]) -> None:
        if runs:
            self.slips += runs
            self._slip_end = runs[-1].end

    def _is_too_long(self, position: int) -> bool:
        return bool(self.pending) and position - self.pending[0].start > _LONGEST
