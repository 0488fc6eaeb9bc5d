"""A conversation at a terminal: what a slash command works on, and how a reply is shown while it comes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from phi2chat.corrections import Corrections
from phi2chat.interrupts import Ended

if TYPE_CHECKING:
    from phi2chat.chat import Conversation, Turn
    from phi2chat.screen import Screen


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

        `changes` are those of `Conversation.ask`. Raises UserError where the question cannot be asked.
        """
        from phi2chat.reply_keys import noting_keys

        conversation, screen = self.conversation, self.screen
        folded = 0  # characters
        try:
            with noting_keys() as interrupt:
                for piece in conversation.ask(question, interrupt, **changes):
                    if piece.part == "answer" or conversation.show_reasoning:
                        screen.piece(piece)
                    else:
                        folded += len(piece.text)
                        screen.thinking(folded)
        except Ended:
            raise
        except KeyboardInterrupt:
            screen.drop_reply()
            return
        screen.end_reply(conversation.turns[-1])
