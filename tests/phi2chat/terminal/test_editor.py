"""A record as text for $EDITOR, and back."""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.errors import UserError
from phi2chat.terminal.editor import HEADER, edit_text, from_text, has_editor, to_text

# Texts as they occur, and texts made of what YAML gives a meaning to.
TEXTS = st.text() | st.text("ab あ漢\n\r\t :#-|>'\"%@&*!?{}[],\\\u0085\u2028\ufeff\x07\U0001f600", max_size=12)
WORDS = st.sampled_from(["no", "~", "null", "013", "1e3", "2024-01-01", "<<", "=", "", " ", "---", "...", "a: b"])
VALUES = st.none() | st.booleans() | st.integers() | st.lists(TEXTS, max_size=2) | st.dictionaries(TEXTS, TEXTS)


@given(st.dictionaries(TEXTS | WORDS, TEXTS | WORDS | VALUES, max_size=4))
@example({"answer": "一行目\n二行目\n"})
@example({"answer": "\n\n  字下げ\n\n"})
@example({"a\nb": "長" * 200, "answer": "x" * 200 + " "})
@example({"\\1": ""})
@example({"": "", "reasoning": 'x\nanswer: ""\n', "answer": ""})
@settings(deadline=None)
def test_a_record_that_was_not_edited_comes_back_the_same(data: dict[str, Any]) -> None:
    assert from_text(data, to_text(data)) == data
    assert from_text(data, to_text(data, prose=[*data, "answer"])) == data


def test_text_is_shown_as_it_reads_and_the_rest_is_left_out() -> None:
    data = {
        "id": "a",
        "instruction": "日本の首都は？",
        "reasoning": "一つ目。\n二つ目。",
        "tags": ["x"],
        "answer": "no",
    }
    assert to_text(data) == HEADER + (
        "id: a\ninstruction: 日本の首都は？\nreasoning: |-\n  一つ目。\n  二つ目。\nanswer: 'no'\n"
    )


def test_prose_is_a_block_that_takes_colons_and_quotes_as_they_are() -> None:
    text = to_text({"id": "a", "reasoning": "首都は？", "answer": ""}, prose=["reasoning", "answer"])
    assert text == HEADER + "id: a\nreasoning: |-\n  首都は？\nanswer: |-\n  \n"
    edited = from_text({}, text.replace("首都", "注: 「首都").replace("|-\n  \n", "|-\n  'これ': \"東京\"\n"))
    assert edited == {"id": "a", "reasoning": "注: 「首都は？", "answer": "'これ': \"東京\""}


BEFORE = {"id": "a", "answer": "東京", "note": "x", "tags": ["t"]}


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("id: a\nanswer: 京都\nnote: x\n", {**BEFORE, "answer": "京都"}),
        ("id: a\nanswer: 東京\n", {"id": "a", "answer": "東京", "tags": ["t"]}),
        ("id: a\nanswer: 東京\nnote: x\nsource: 私\n", {**BEFORE, "source": "私"}),
        ("id: a\nanswer: |\n  一\n  二\nnote: x", {**BEFORE, "answer": "一\n二"}),
        ("id: a\nanswer: no\nnote: 1.10\n", {**BEFORE, "answer": "no", "note": "1.10"}),
        ("\ufeffid: a\r\nanswer: 東京\r\nnote: x\r\n", BEFORE),
        ("id: a\nanswer: 東京\nnote: x\ntags: [a, b]\n", {**BEFORE, "tags": ["a", "b"]}),
    ],
    ids=["changed", "removed", "added", "block", "no YAML types", "Windows", "list"],
)
def test_what_was_edited_is_taken_over(text: str, after: dict[str, Any]) -> None:
    assert from_text(BEFORE, text) == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "id: a\nanswer: 注: これ\n",
            "line 2, column 10: mapping values are not allowed here; a text with a colon stands after `|` or in quotes",
        ),
        ("answer: 'x\n", "line 2, column 1: found unexpected end of stream; a text with a colon stands after"),
        (
            "id: a\nanswer: caf\udce9\n",
            "line 2, column 12: U+DCE9 is no character of a text; take it out and save as UTF-8",
        ),
        ("\x07", "line 1, column 1: U+0007 is no character of a text; take it out and save as UTF-8"),
        ("", "the fields are gone; each stands on a line as `answer: ...`"),
        ("# only a comment\n", "the fields are gone; each stands on a line as `answer: ...`"),
        ("東京です。\n", "the fields are gone; each stands on a line as `answer: ...`"),
    ],
)
def test_text_that_is_no_record_is_explained(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        from_text(BEFORE, text)
    assert str(error.value).startswith(message)


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The script that is $EDITOR, in a world whose temporary files are seen."""
    script = tmp_path / "editor with a space.sh"
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"sh '{script}' --wait")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return script


def test_the_editor_gets_its_own_arguments_and_the_file(editor: Path, tmp_path: Path) -> None:
    editor.write_text('test "$1" = --wait && sed -i s/東京/京都/ "$2"\n', encoding="utf-8")
    assert edit_text("answer: 東京\n") == "answer: 京都\n"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_editor_that_fails_leaves_the_text_in_the_file_that_is_named(editor: Path, tmp_path: Path) -> None:
    editor.write_text('echo more >> "$2"; exit 3\n')
    with pytest.raises(UserError, match=r"ended with 3; nothing was changed, your text is in (\S+)") as error:
        edit_text("text\n")
    assert Path(str(error.value).rsplit(" ", 1)[1]).read_text() == "text\nmore\n"


@pytest.mark.parametrize("stdin", ["< /dev/null", "<&-"], ids=["no terminal", "closed"])
def test_an_editor_needs_no_terminal_and_nothing_is_said_of_that(stdin: str) -> None:
    code = "from phi2chat.terminal.editor import edit_text; print(edit_text('text'))"
    command = f"EDITOR=true VISUAL= {shlex.quote(sys.executable)} -c {shlex.quote(code)} {stdin}"
    run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "text\n", "")


@pytest.mark.parametrize("command", ["/nowhere/editor", "'unclosed", " "])
def test_an_editor_that_cannot_be_run_is_named(editor: Path, tmp_path: Path, command: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("EDITOR", command)
    with pytest.raises(UserError, match=r"\$EDITOR \(.*\) cannot be run \(.*\); set it to an editor you have"):
        edit_text("text\n")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_visual_comes_before_editor_and_an_empty_one_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for visual, editor, expected in (("", "", False), ("true", "", True), ("", "true", True)):
        monkeypatch.setenv("VISUAL", visual)
        monkeypatch.setenv("EDITOR", editor)
        assert has_editor() is expected


def test_no_line_of_the_help_is_broken_by_a_terminal_of_80_columns() -> None:
    assert max(map(len, HEADER.splitlines())) < 80
