"""What a thread finds is given to the records that it was found in, and to no other."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from phi2chat.reviewing.background_check import BackgroundCheck
from phi2chat.reviewing.review_item import Item

PATH = Path("some.jsonl")


def line(number: int, answer: str = "答えは鳥です。") -> bytes:
    record = {
        "id": f"r{number}",
        "instruction": f"質問{number}は何ですか。",
        "reasoning": "鳥がいます。",
        "answer": answer,
    }
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


class Check(BackgroundCheck):
    """A check that can be waited for."""

    def __init__(self) -> None:
        super().__init__(PATH)
        self.found_something = threading.Event()
        self.notify = self.found_something.set

    def finish(self) -> None:
        while self.share < 1:
            assert self.found_something.wait(100)
            self.found_something.clear()
            self.take()


@pytest.fixture
def check() -> Iterator[Check]:
    check = Check()
    yield check
    check.stop()


def items_of(*lines: bytes) -> list[Item]:
    return [Item(raw, number) for number, raw in enumerate(lines, start=1)]


def test_every_item_gets_its_own_findings_and_those_of_the_set(check: Check) -> None:
    items = items_of(line(1), line(2, " "), line(1), b"{\n")
    check.look_at(items)
    check.finish()
    assert [[finding.rule for finding in item.findings] for item in items] == [
        [],
        ["blank"],
        ["duplicate-id", "duplicate-question"],
        ["json"],
    ]
    assert [item.own is not None for item in items] == [True] * 4


def test_what_was_found_in_a_line_that_was_edited_since_is_dropped(check: Check) -> None:
    items = items_of(line(1, " "), line(2, " "))
    check.look_at(items)
    items[0].renew(line(1))
    check.finish()
    assert items[0].findings == []
    assert [finding.rule for finding in items[1].findings] == ["blank"]


def test_the_items_that_were_given_last_are_checked(check: Check) -> None:
    first, last = items_of(*(line(number) for number in range(3000))), items_of(line(1), line(1))
    check.look_at(first)
    check.look_at(last)
    check.finish()
    assert last[1].in_set


def test_it_rests_while_it_is_told_to_and_goes_on_then(check: Check) -> None:
    check.rest()
    items = items_of(line(1, " "))
    check.look_at(items)
    assert check.found_something.wait(100)
    check.take()
    assert (items[0].findings != [], check.share) == (True, 0.99)  # it rests before it compares records
    check.rest(0)
    check.finish()
    assert items[0].findings


def test_a_bug_in_a_rule_comes_out_where_findings_are_taken(check: Check) -> None:
    check.look_at([Item(None, 1)])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        check.finish()
