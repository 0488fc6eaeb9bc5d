"""A file without what it asks twice: what stays, what goes, and that nothing else changes."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from curation.dedup import Keep, find_doublets, remove, write_without
from curation.errors import UserError
from curation.likeness import NEAR, likeness


def line(number: int, question: str, **more: str) -> str:
    data = {"id": f"id-{number}", "instruction": question, "reasoning": "考えます。", "answer": "東京です。", **more}
    return json.dumps(data, ensure_ascii=False) + "\n"


CAPITAL = "日本の首都はどこですか？"
LINES = [
    line(1, CAPITAL),
    line(2, "日本の首都は、どこですか?", reasoning="国会があります。だから考えます。"),
    line(3, "フランスの首都はどこですか？"),
    line(4, CAPITAL, answer="京都です。"),
    line(5, "日本の首都はどこでしょうか。", family="id-1"),
    line(6, CAPITAL, language="en"),
    "{broken\n",
    line(8, "日本の首都はどこでしょうか。"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(LINES), encoding="utf-8")
    return path


def test_what_is_asked_twice_goes_and_all_else_keeps_its_bytes(file: Path, tmp_path: Path) -> None:
    found = find_doublets(file, NEAR)
    assert [(one.line, one.kept_line) for one in found.found] == [(2, 1), (8, 5)]
    assert (found.lines, found.contradictions, found.crowded) == (8, 1, 0)
    write_without(file, found.found, tmp_path / "y.jsonl")
    others = [line for number, line in enumerate(LINES, start=1) if number not in (2, 8)]
    assert (tmp_path / "y.jsonl").read_text(encoding="utf-8") == "".join(others)
    assert file.read_text(encoding="utf-8") == "".join(LINES)
    assert [one.decode() for one in remove(file, found.found)] == [LINES[1], LINES[7]]
    assert file.read_text(encoding="utf-8") == "".join(others)
    assert find_doublets(file, NEAR).found == []


def test_the_longest_stays_where_it_is_asked_for(file: Path) -> None:
    found = find_doublets(file, NEAR, "longest")
    assert [(one.line, one.kept_line) for one in found.found] == [(1, 2), (5, 2), (8, 2)]  # 1 and 5 are of one family


def test_a_copy_goes_whatever_its_id_and_its_family(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    plain = line(1, CAPITAL)
    nameless = json.dumps({name: value for name, value in json.loads(plain).items() if name != "id"}) + "\n"
    of_family = [
        line(number, "首都は？", family="f", answer=answer) for number, answer in ((4, "東京"), (5, "東京"), (6, "京"))
    ]
    lines = [plain, plain, nameless, nameless, *of_family, line(7, "日本の首都は、どこですか?", reasoning="長い" * 20)]
    path.write_text("".join(lines), encoding="utf-8")
    assert [(one.line, one.kept_line) for one in find_doublets(path, NEAR).found] == [
        (2, 1), (3, 1), (4, 1), (6, 5), (8, 1),
    ]  # fmt: skip
    longest = find_doublets(path, NEAR, "longest").found
    assert [(one.line, one.kept_line) for one in longest] == [(1, 8), (2, 8), (3, 8), (4, 8), (6, 5)]
    assert len(list(remove(path, longest))) == 5
    assert path.read_text(encoding="utf-8") == "".join([lines[4], lines[6], lines[7]])


def test_a_doublet_is_found_also_behind_one_that_is_more_alike_and_stays(tmp_path: Path) -> None:
    path, question = tmp_path / "x.jsonl", "日本の首都はどこにありますか、教えてください。"
    first, last = line(1, "日本の首都はどこですか、教えてください。"), line(3, question, reasoning="国会があります。")
    contradicting = line(2, question, answer="京都です。")
    path.write_text(first + contradicting + last, encoding="utf-8")
    found = find_doublets(path, NEAR)
    assert [(one.line, one.kept_line) for one in found.found] == [(3, 1)]
    assert found.contradictions == 1
    path.write_text(first + line(2, question, family="id-3") + last, encoding="utf-8")
    assert [(one.line, one.kept_line) for one in find_doublets(path, NEAR).found] == [(2, 1), (3, 1)]


def test_a_threshold_of_1_finds_what_differs_in_punctuation_alone(file: Path) -> None:
    assert [(one.line, one.kept_line) for one in find_doublets(file, 1.0).found] == [(2, 1), (8, 5)]


def test_the_last_of_what_is_alike_never_goes(file: Path, tmp_path: Path) -> None:
    found = find_doublets(file, NEAR)
    kept = {one.kept_line for one in found.found}
    changed = "".join("{}\n" if number in kept else text for number, text in enumerate(LINES, start=1))
    file.write_text(changed, encoding="utf-8")
    with pytest.raises(UserError, match="was changed by another program meanwhile; nothing was written"):
        remove(file, found.found)
    with pytest.raises(UserError, match="was changed by another program meanwhile; nothing was written"):
        write_without(file, found.found, tmp_path / "y.jsonl")
    assert file.read_text(encoding="utf-8") == changed


def test_a_file_that_has_changed_meanwhile_is_left_alone(file: Path, tmp_path: Path) -> None:
    found = find_doublets(file, NEAR)
    file.write_text("".join(reversed(LINES)), encoding="utf-8")
    with pytest.raises(UserError, match="was changed by another program meanwhile; nothing was written"):
        remove(file, found.found)
    with pytest.raises(UserError, match="was changed by another program meanwhile; nothing was written"):
        write_without(file, found.found, tmp_path / "y.jsonl")
    assert file.read_text(encoding="utf-8") == "".join(reversed(LINES))
    assert not (tmp_path / "y.jsonl").exists()


CHAIN = [
    "けいすえてたつすとせすおつそ",
    "けいすえてたかすとせすおつそ",
    "けいすえてたちすくせすおつそ",
    "けいすえてたかすくせすおつそ",
]


@given(
    st.lists(st.text(alphabet="あいうえ犬猫", min_size=1, max_size=9), max_size=10),
    st.sampled_from(["first", "longest"]),
)
@example([*CHAIN, "けいおえてたかすくせすおつそ"], "first")  # the last goes for one that goes
@example(["えういうえききい", "えういうえきあい", "おういうえききか", "おういうえききい"], "longest")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_of_what_stays_no_two_are_alike_and_what_goes_is_like_one_that_stays(
    tmp_path: Path, asked: list[str], keep: Keep
) -> None:
    path = tmp_path / "x.jsonl"
    texts = [line(number, text, reasoning="あ" * min(number, 3)) for number, text in enumerate(asked, start=1)]
    path.write_text("".join(texts), encoding="utf-8")
    found = {one.line: one for one in find_doublets(path, NEAR, keep).found}
    stay = [text for number, text in enumerate(asked, start=1) if number not in found]
    assert all(likeness(one, other) < NEAR for one, other in itertools.combinations(stay, 2))
    for number, one in found.items():
        assert one.kept_line not in found
        assert likeness(asked[one.kept_line - 1], asked[number - 1]) == one.likeness >= NEAR


def test_what_cannot_be_read_is_not_said_of_the_file_that_is_written(file: Path, tmp_path: Path) -> None:
    found = find_doublets(file, 0.55)
    file.unlink()
    with pytest.raises(UserError, match=r"x\.jsonl: no such file"):
        write_without(file, found.found, tmp_path / "y.jsonl")
    assert not list(tmp_path.iterdir())
