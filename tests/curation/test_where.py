"""`--where`: a condition means the records that it says, and one that says nothing is explained."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.choosing import choose_by_conditions
from curation.errors import UserError
from curation.where import parse_condition

DATA = """\
{"id": "a", "instruction": "日本の首都は？", "answer": "東京です。", "category": "geo", "tags": ["geo", "易しい"]}
{"id": "b", "instruction": "1+1?", "answer": "2", "language": "en", "category": "math", "family": "sum", "x": 1.5}
{broken
{"id": "c", "instruction": "Paris?", "answer": "Paris.", "language": "en", "note": "check", "provenance": {"adapter": "runs/a"}}
{"instruction": "名前なし", "answer": "", "tags": []}
"""

Chosen = Callable[..., str]


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Chosen:
    """The numbers of the lines that conditions mean."""
    file = tmp_path_factory.mktemp("where") / "x.jsonl"
    file.write_text(DATA, encoding="utf-8")
    return lambda *texts: "".join(
        map(str, choose_by_conditions(file, [parse_condition(text) for text in texts]).numbers)
    )


@pytest.mark.parametrize(
    ("condition", "lines"),
    [
        ("language=ja", "15"),
        ("language = en", "24"),
        ("language==en", "24"),
        ("language!=ja", "24"),
        ("reasoning_language=en", "24"),
        ("category=geo", "1"),
        ("category=Geo", ""),
        ("category!=math", "145"),
        ("category=", "45"),
        ("category!=", "12"),
        ("tags=geo", "1"),
        ("tags!=geo", "245"),
        ("tags~難|易", "1"),
        ("tags=", "245"),
        ("answer~東京", "1"),
        ("answer~PARIS", "4"),
        ("answer!~です", "245"),
        (r"instruction~^\d\+", "2"),
        ("len(answer)>4", "14"),
        ("len( answer ) <= 1", "25"),
        ("len(tags)=2", "1"),
        ("len(note)=0", "125"),
        ("line<=2", "12"),
        ("line=4", "4"),
        ("line!=4", "125"),
        ("x>1.4", "2"),
        ("x=1.5", "2"),
        ("x<0", ""),
        ("id=b", "2"),
        ("family=a", "1"),
        ("family=sum", "2"),
        ("provenance.adapter=runs/a", "4"),
        ("provenance~runs", "4"),
        ('answer="2"', "2"),
        ('answer=""', "5"),
        ("answer=東京です。", "1"),
        ("answer~=", ""),
    ],
)
def test_a_condition_means_these_records(chosen: Chosen, condition: str, lines: str) -> None:
    assert chosen(condition) == lines


def test_several_conditions_must_all_hold(chosen: Chosen) -> None:
    assert chosen("language=en", "category=math") == "2"
    assert chosen("language=en", "category!=math") == "4"


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("", "column 1: give a field, an operator and a value, as in language=ja"),
        ("=ja", "column 1: give a field, an operator and a value, as in language=ja"),
        ("language", "column 9: an operator should stand here: =, !=, ~, !~, >, <, >= or <="),
        ("language ja", "column 10: an operator should stand here: =, !=, ~, !~, >, <, >= or <="),
        ("lenght(answer)>3", 'column 1: there is no function "lenght", only len(FIELD)'),
        ("len(answer)>three", "column 13: a number should stand here"),
        (
            "line~3x(",
            "column 9: this is no regular expression (missing )); put a \\",
        ),
        ("langage!=ja", 'column 1: no record has a field "langage"; did you mean "language"?'),
        ("category=geo and language=ja", None),
        ("__class__~x", 'column 1: no record has a field "__class__"'),
    ],
)
def test_what_makes_no_sense_is_pointed_at(chosen: Chosen, condition: str, message: str | None) -> None:
    if message is None:
        assert chosen(condition) == ""
        return
    with pytest.raises(UserError) as error:
        chosen(condition)
    assert str(error.value).startswith(f"--where {condition}: {message}")


@given(st.text(max_size=20) | st.from_regex(r"(len\()?[a-z.]{1,8}\)?[=!~<>]{1,2}.{0,9}"))
def test_any_text_means_records_or_is_explained(chosen: Chosen, text: str) -> None:
    try:
        chosen(text)
    except UserError as error:
        assert "column " in str(error)
