"""What a slash command can be completed to: its name, what it takes, and the files and folders there are."""

from collections.abc import Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from phi2chat.chatting.slash import COMMANDS, SLASHES

_FILES, _FOLDERS = PathCompleter(expanduser=True), PathCompleter(expanduser=True, only_directories=True)


class SlashCompleter(Completer):
    """Slash commands with what they do, and what their arguments can be."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What stands before the cursor can become these."""
        if not document.text.startswith(SLASHES) or "\n" in document.text:
            return
        name, blank, argument = document.text_before_cursor.partition(" ")
        if blank:
            if name[1:] in COMMANDS and "\0" not in argument:  # which no file name holds, and no look-up of one bears
                yield from _complete_argument(name[1:], argument, complete_event)
            return
        for known, command in COMMANDS.items():
            if known.startswith(name[1:]):
                yield Completion(f"/{known}", start_position=-len(name), display_meta=command.help)


def _complete_argument(name: str, argument: str, event: CompleteEvent) -> Iterator[Completion]:
    command = COMMANDS[name]
    for choice in command.choices:
        if choice.startswith(argument):
            yield Completion(choice, start_position=-len(argument))
    if command.takes == "file":
        yield from _FILES.get_completions(Document(argument), event)
    elif command.takes == "folder":
        first, blank, rest = argument.partition(" ")
        if not blank:
            yield from _FOLDERS.get_completions(Document(first), event)
        elif first == "save":
            yield from _FILES.get_completions(Document(rest), event)
