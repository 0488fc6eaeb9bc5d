"""What stands in an input line, shown as safely as what is printed: prompt_toolkit leaves bidi and tags as they are."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples, to_formatted_text
from prompt_toolkit.layout.controls import SearchBufferControl
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments

from phi2chat.terminal.safe_text import escape, safe

ESCAPED = "reverse"


class VisibleEscapes(Processor):
    """Shows what could steer the terminal as an escape; the text in the buffer stays as it is."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        shown: StyleAndTextTuples = []
        starts = [0]  # where the character of each index begins on the screen
        before = ""
        for style, char, *_ in explode_text_fragments(to_formatted_text(transformation_input.fragments)):
            stands_for = escape(char, before)
            before = "" if stands_for else char
            shown.append((f"{style} {ESCAPED}" if stands_for else style, stands_for or char))
            starts.append(starts[-1] + len(stands_for or char))
        return Transformation(
            shown,
            source_to_display=lambda index: starts[min(index, len(starts) - 1)],
            display_to_source=lambda column: min(bisect_right(starts, column) - 1, len(starts) - 1),
        )


class SafeCompleter(Completer):
    """What another completer offers, shown on one line and safely; what is put into the line stays as it is."""

    def __init__(self, completer: Completer) -> None:
        self._completer = completer

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """The other's completions."""
        for offered in self._completer.get_completions(document, complete_event):
            yield Completion(
                offered.text,
                offered.start_position,
                display=safe_line(offered.display_text),
                display_meta=safe_line(offered.display_meta_text),
            )


def make_search_safe(session: PromptSession[Any]) -> None:
    """Show what is searched for with Ctrl-R as what stands in the line."""
    for control in session.layout.find_all_controls():
        if isinstance(control, SearchBufferControl):
            control.input_processors = [VisibleEscapes(), *(control.input_processors or [])]


def safe_line(text: str) -> str:
    """Text for a menu or a bar of one line."""
    return safe(" ".join(text.split("\n")))
