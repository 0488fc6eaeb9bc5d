"""The elements of a page: a tree, whose serializer escapes whatever is text, so that none can become markup."""

import base64
import hashlib
from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from curation.script import Span
from curation.script.languages import NAMES
from phi2chat.terminal.safe_text import parts, safe

Child = Element | str | None


def to_html(page: Element) -> str:
    """A whole page as HTML."""
    return "<!doctype html>\n" + ElementTree.tostring(page, encoding="unicode", method="html") + "\n"


def source_of(content: str) -> str:
    """What a page's policy calls a script or a style by: its digest."""
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def element(tag: str, *children: Child, classes: str = "", **attributes: str) -> Element:
    """An element; `http_equiv` stands for http-equiv and `data_x` for data-x. What is None is left out."""
    made = Element(tag, {name.replace("_", "-"): safe(value) for name, value in attributes.items()})
    if classes:
        made.set("class", classes)
    for child in children:
        if isinstance(child, str):
            _add_text(made, child)
        elif child is not None:
            made.append(child)
    return made


def _add_text(parent: Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def visible(text: str) -> list[Element | str]:
    """A text that is not ours, with what could steer the eye, as marks of direction do, made visible."""
    return [element("span", run, classes="escape") if escaped else run for run, escaped in parts(text)]


def marked(text: str, spans: Sequence[Span]) -> list[Element | str]:
    """A text with its runs in a wrong script marked, each in the font of its own language."""
    shown: list[Element | str] = []
    position = 0
    for span in spans:
        shown += visible(text[position : span.start])
        tongue = {"lang": span.language} if span.language in NAMES else {}
        title = f"{span.name}: {span.reason}"
        shown.append(element("mark", *visible(text[span.start : span.end]), title=title, **tongue))
        position = span.end
    return [*shown, *visible(text[position:])]
