"""Which script and language a text is in, and where it leaves the language that was asked for.

>>> from curation.script import check
>>> [(span.text, span.name) for span in check("首都は東京です。这是正确的答案。").spans]
[('这是正确的答案', 'Simplified Chinese')]
"""

from .alphabets import allowed_characters
from .stream import Piece, StreamChecker
from .verdict import Span, Verdict, check, describe_run, describe_spans

__all__ = ["Piece", "Span", "StreamChecker", "Verdict", "allowed_characters", "check", "describe_run", "describe_spans"]
