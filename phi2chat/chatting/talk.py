"""A conversation at a terminal: what a slash command works on, and how a reply is shown while it comes."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from phi2chat.chatting.corrections import Corrections
from phi2chat.terminal.interrupts import Ended

if TYPE_CHECKING:
    from phi2chat.chatting.chat import Conversation, Piece, Turn
    from phi2chat.terminal.screen import Screen


@dataclass
class Talk:
    """What a slash command works on: the conversation, the screen, and the user, who can be asked yes or no.

    A command that sets `leaving` ends the talk. What is in `draft` stands in the input line next, and what is sent
    then takes the place of the last question. `comparison` has the replies of the last /compare,
    `corrections` the records that were made of replies.
    """

    conversation: "Conversation"
    screen: "Screen"
    confirm: Callable[[str], bool]
    corrections: Corrections = field(default_factory=Corrections)
    leaving: bool = False
    draft: str = ""
    comparison: tuple[dict[str, Any], ...] | None = None

    def say(self, text: str) -> None:
        """A line of a command about what it did."""
        self.screen.say(text, "note")

    def last_turn(self, command: str) -> "Turn":
        """The last question and its reply. Raises UserError, in the name of a command, before there is one."""
        if not self.conversation.turns:
            raise UserError(f"/{command}: nothing was asked yet")
        return self.conversation.turns[-1]

    def reply(self, question: str, **changes: Any) -> None:
        """Ask, show the reply while it streams, and keep what came when Ctrl-C or Esc stops it.

        The first Ctrl-C waits for the token that is being made, the second one does not. `changes` are those of
        `Conversation.ask`. Raises UserError where the question cannot be asked.
        """
        from phi2chat.chatting.reply_keys import noting_keys

        conversation, screen = self.conversation, self.screen
        before = conversation.turns
        try:
            with noting_keys() as interrupt:
                replying = conversation.ask(question, interrupt, **changes)
                try:
                    self._show(replying)
                except Ended:
                    raise
                except KeyboardInterrupt as second:  # while a piece was shown, so that the conversation knows nothing
                    self._show(_ended_by(second, replying))
        except Ended:
            raise
        except KeyboardInterrupt:
            if conversation.turns is before:
                screen.say("stopped before anything came", "warning")
                return
        screen.end_reply(conversation.turns[-1])

    def _show(self, pieces: "Iterable[Piece]") -> None:
        folded = 0  # characters
        for piece in pieces:
            if piece.part == "answer" or self.conversation.show_reasoning:
                self.screen.piece(piece)
            else:
                folded += len(piece.text)
                self.screen.thinking(folded)


def _ended_by(error: BaseException, replying: "Generator[Piece, None, None]") -> "Iterator[Piece]":
    """What is left of a reply that an error ends. Raises the error where the reply had ended by itself."""
    try:
        yield replying.throw(error)
    except StopIteration:
        return
    yield from replying
