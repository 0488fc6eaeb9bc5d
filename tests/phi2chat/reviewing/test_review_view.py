"""Whatever a record holds, each line that is shown fits its window and is visible text."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from curation.line_file import HeldLines
from phi2chat.reviewing.review import Review
from phi2chat.reviewing.review_item import SIGNED
from phi2chat.reviewing.review_keys import KEYS
from phi2chat.reviewing.review_pane import Line, cut, one_line, show_record
from phi2chat.reviewing.review_view import ReviewView
from phi2chat.terminal.safe_text import escape

HOSTILE = "a\x1b]0;title\x07b\u202ec\U000e0041d\x9b2Je\tf\rg\x00h"


class FakeFile:
    path = Path("部品\x1b[2J.jsonl")

    def __init__(self, *lines: bytes) -> None:
        self.lines = list(lines)

    def read(self) -> HeldLines:
        return HeldLines(self.lines, SIGNED)

    def has_changed(self) -> bool:
        return False

    def replace(self, number: int, raw: bytes) -> None:
        self.lines[number - 1 : number] = [raw] if raw else []

    def undo(self) -> str:
        return "undone"


class Checks:
    share = 0.5


def dumped(**record: object) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def text_of(lines: list[Line]) -> list[str]:
    return ["".join(text for _, text in line).rstrip() for line in lines]


def assert_fits(lines: list[Line], width: int, height: int | None = None) -> None:
    assert height is None or len(lines) <= height
    for line in lines:
        shown = "".join(text for _, text in line)
        assert get_cwidth(shown) <= width, shown
        assert all(escape(char, before) is None for before, char in zip(" " + shown, shown, strict=False))
        assert not set("\n\t\r\x1b") & set(shown)
        assert all(style == "" or style.startswith(("class:", " class:")) for style, _ in line)


def view_of(*lines: bytes) -> tuple[Review, ReviewView]:
    review = Review(FakeFile(*lines))
    return review, ReviewView(review, Checks())


ANY_TEXT = st.text(st.characters(codec=None), max_size=60) | st.sampled_from([HOSTILE, "「日本」、" * 20, "x" * 90])


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["id", "instruction", "answer", "note", "x\ny"]) | ANY_TEXT, ANY_TEXT, max_size=5),
    st.integers(12, 90),
    ANY_TEXT,
)
def test_every_part_fits_its_width_and_is_visible_whatever_a_record_and_a_search_hold(
    record: dict[str, str], width: int, query: str
) -> None:
    review, view = view_of(dumped(**record), dumped(provenance=record), "壊れた\x1b[2J\n".encode(), b"\xff\xfe\n")
    review.query = query
    review.say(HOSTILE + query)
    for place in range(len(review.shown)):
        review.go_to(place)
        review.unfolded = True
        assert_fits(view.title(width), width, 1)
        assert_fits(view.records(width, 7), width, 7)
        assert_fits(view.record(width, 9), width, 9)
        assert_fits(view.message(width), width, 3)
        review.reject()
        assert_fits(view.message(width), width, 3)
        review.question = None


def test_keys_and_help_fit_narrow_terminals() -> None:
    review, view = view_of(dumped(id="a"))
    for width in (24, 40, 80):
        assert_fits(view.keys(width), width)
        review.helping = True
        assert_fits(view.record(width, 500), width, 500)
        review.helping = False
    assert len(view.keys(80)) == 1


def test_a_question_shows_how_to_answer_it() -> None:
    review, view = view_of(dumped(id="a", instruction="質問"))
    review.reject()
    assert text_of(view.message(80)) == ['remove a, "質問"? y/n']
    assert text_of(view.keys(80)) == ["y yes  any other key no"]


def test_where_nothing_is_listed_it_is_said_why() -> None:
    review, view = view_of()
    assert text_of(view.record(40, 3))[1:] == ["there is nothing to review"]
    review.with_findings_only = True
    assert text_of(view.record(40, 3))[1:] == ["nothing was found so far"]


def test_the_help_names_every_key() -> None:
    review, view = view_of(dumped(id="a"))
    review.helping = True
    shown = "\n".join(text_of(view.record(80, 100)))
    for key in KEYS:
        assert not key.shown or f"\n{key.shown}  " in shown


def test_the_list_follows_the_current_record_and_shows_what_is_known_of_each() -> None:
    lines = [
        dumped(id=f"r{number}", instruction=f"質問{number}", reasoning="理", answer=" ") for number in range(1, 30)
    ]
    review, view = view_of(*lines)
    for item in review.items[:3]:
        review.look_at(item)
    review.accept()
    assert text_of(view.records(20, 3)) == ["✓✗  1 質問1", " ✗  2 質問2", " ✗  3 質問3"]
    review.go_to(28)
    assert text_of(view.records(20, 3)) == ["   27 質問27", "   28 質問28", "   29 質問29"]
    review.go_to(27)
    assert text_of(view.records(20, 3))[0] == "   27 質問27"
    assert text_of(view.title(60)) == ["部品^[[2J.jsonl  28/29  ✓ 1  checking 50%"]


def test_a_record_is_shown_with_its_findings_above_and_the_wrong_script_marked() -> None:
    record = {
        "id": "r1",
        "instruction": "首都は？",
        "input": "日本",
        "reasoning": "国会は東京です。",
        "answer": "首都是东京。",
        "language": "ja",
        "family": "f",
        "tags": ["地理"],
        "provenance": {"adapter": "a", "bad_answer": "悪"},
    }
    review, view = view_of(dumped(**record))
    lines = view.record(60, 40)
    assert text_of(lines) == [
        "─ r1 " + "─" * 55,
        '✗ answer: "首都是东京" is Simplified Chinese where language',
        "  is ja [wrong-script]",
        "instruction",
        "首都は？",
        "input",
        "日本",
        "reasoning",
        "国会は東京です。",
        "answer",
        "首都是东京。",
        'language: ja  family: f  tags: ["地理"]',
        "provenance ▸ 2 fields, p shows them",
    ]
    assert lines[10] == [("class:wrong", "首都是东京"), ("", "。")]
    review.toggle("unfolded")
    assert text_of(view.record(60, 40))[-3:] == ["provenance", "adapter: a", "bad_answer: 悪"]


def test_a_long_record_is_scrolled_and_no_further_than_its_end() -> None:
    review, view = view_of(dumped(id="r1", note="\n".join(map(str, range(100)))))
    assert "more, Space" in text_of(view.record(40, 11))[0]
    review.scroll_by(10)
    top = text_of(view.record(40, 11))[1]
    review.scroll_by(1)
    assert int(text_of(view.record(40, 11))[1]) == int(top) + 1
    review.scroll_by(10**9)
    assert text_of(view.record(40, 11))[-1] == "99"
    assert text_of(view.record(40, 11))[0] == "─ r1 " + "─" * 35


def test_a_broken_line_is_shown_with_its_fault_at_its_place() -> None:
    _, view = view_of('{"id": "壊れた", }\n'.encode())
    lines = view.record(60, 9)
    assert text_of(lines)[0].startswith("─ line 1 ─")
    assert "not JSON" in text_of(lines)[1]
    assert ("class:wrong", "}") in lines[-1]


def test_an_enormous_text_is_shown_in_part() -> None:
    review, view = view_of(dumped(id="r1", answer="あ" * 5_000_000))
    review.scroll_by(10**9)
    assert text_of(view.record(40, 5))[-1] == "… and 4,980,000 characters more"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("日本の首都", 10, "日本の首都"),
        ("日本の首都", 9, "日本の首…"),
        ("日本の首都", 8, "日本の…"),
        ("ab", 1, "…"),
        ("ab", 0, ""),
    ],
)
def test_a_text_is_cut_at_the_width_of_its_characters(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


def test_a_text_of_many_lines_stands_on_one() -> None:
    assert one_line("一\n\t二\x1b", 20) == "一 二^["


def test_what_was_searched_is_marked_in_the_record() -> None:
    review, _ = view_of(dumped(id="r1", instruction="Tokyoの東京", note="東京"))
    lines = show_record(review.items[0], 40, "東京")
    assert [line for line in lines if ("class:found", "東京") in line] == [
        [("", "Tokyoの"), ("class:found", "東京")],
        [("class:name", "note:"), ("", " "), ("class:found", "東京")],
    ]
