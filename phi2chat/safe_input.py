"""What stands in an input line, shown as safely as what is printed: prompt_toolkit leaves bidi and tags as they are."""

from bisect import bisect_right

from prompt_toolkit.formatted_text import StyleAndTextTuples, to_formatted_text
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments

from phi2chat.safe_text import escape

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
