"""`phi2chat demo`, its parts: what it asks, where it writes, what it counts. The whole of it takes minutes."""

from pathlib import Path
from typing import Any

import pytest

from curation.records import Record, read_dataset
from curation.split import split_by_family
from phi2chat.chatting.chat import Turn
from phi2chat.commands import demo
from phi2chat.inference.recipes import StopReason

MISSING = "no such file; run the demo in a clone of the repository, or give records with --data"


@pytest.mark.parametrize(
    ("arguments", "name"), [([], "datasets/ja-basics.jsonl"), (["--data", "my.jsonl"], "my.jsonl")]
)
def test_without_its_records_the_demo_says_where_to_run_it(
    phi2chat: Any, tmp_path: Path, arguments: list[str], name: str
) -> None:
    done = phi2chat("demo", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"phi2chat: {name}: {MISSING}\n")
    assert not (tmp_path / "runs").exists()


def test_a_demo_is_never_written_over_another(tmp_path: Path) -> None:
    made = []
    for _ in range(3):
        folder = demo._free_folder(tmp_path / "runs" / "demo")
        folder.mkdir(parents=True)
        made.append(folder.name)
    assert made == ["demo", "demo-2", "demo-3"]


def record(**fields: str) -> Record:
    return Record({"instruction": "?", "reasoning": "理由", "answer": "答え", **fields})


def test_one_japanese_question_of_each_category_is_asked() -> None:
    records = [
        record(id="in-english", category="capital", language="en"),
        record(id="with-input", category="capital", input="日本"),
        record(id="sum", category="arithmetic"),
        record(id="tokyo", category="capital"),
        record(id="paris", category="capital"),
        record(id="other", category="weather"),
    ]
    assert [one.id for one in demo._pick_questions(records)] == ["tokyo", "sum"]


def test_of_records_without_those_categories_the_first_are_asked() -> None:
    records = [record(id=f"r{number}") for number in range(9)]
    assert [one.id for one in demo._pick_questions(records)] == ["r0", "r1", "r2", "r3"]
    assert demo._pick_questions([]) == []


def test_the_shipped_records_hold_out_a_question_of_every_category_that_is_asked(ja_basics: Path) -> None:
    split = split_by_family(read_dataset(ja_basics), demo.EVAL_PERCENT, 42)
    asked = demo._pick_questions([line.record for line in split.eval if line.record])
    assert [one.data["category"] for one in asked] == list(demo.ASKED_CATEGORIES)


def turn(reasoning: str, answer: str, stop: StopReason = StopReason.END_OF_TEXT) -> Turn:
    return Turn("?", reasoning, answer, stop, 1, 1.0, "b", "ja", "ja")


def test_the_score_counts_form_end_and_script() -> None:
    before = [turn("这是首都。", "", StopReason.BUDGET), turn("", "東京です。", StopReason.REPETITION)]
    after = [turn("国会があります。", "東京です。"), turn("国会です。", "这是首都。")]
    assert list(demo._score(before, after)) == [
        ["reasoning, then an answer", "0 of 2", "2 of 2"],
        ["ended by itself", "0 of 2", "2 of 2"],
        ["nothing in a wrong script", "1 of 2", "1 of 2"],
    ]


def test_a_reply_is_shown_in_its_two_parts_with_the_wrong_script_marked() -> None:
    shown = demo._shown_reply(turn("ここは这是首都です。", "東京です。"))
    assert shown.plain == "ここは这是首都です。\n\n東京です。"
    marked = {shown.plain[span.start : span.end] for span in shown.spans if span.style == "wrong_language"}
    assert marked and all("这" in text for text in marked)
    assert demo._shown_reply(turn("理由", "")).plain == "理由\n\n(no answer)"


def test_the_program_is_named_so_that_the_shell_finds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(tmp_path / ".venv" / "bin" / "phi2chat")])
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert demo._program() == ".venv/bin/phi2chat"
    monkeypatch.setattr("sys.argv", [str(tmp_path / "phi2chat" / "__main__.py")])
    assert demo._program() == "python -m phi2chat"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "phi2chat").write_text("")
    (tmp_path / "bin" / "phi2chat").chmod(0o755)
    assert demo._program() == "phi2chat"


def test_every_question_is_asked_by_itself_and_shown(scripted_model: Any) -> None:
    import io

    from phi2chat.terminal.screen import SafeConsole, Screen

    shown = io.StringIO()
    console = SafeConsole(file=shown, width=200)
    reply = ["\n理由\n\n### Answer:\n答え"]
    model = scripted_model(reply, reply)
    turns = demo._ask_all([record(instruction="一"), record(instruction="二")], model, Screen(console, console))
    assert [one.question for one in turns] == ["一", "二"]
    assert [(history, config.recipe) for history, _, config in model.asked] == [([], "b"), ([], "b")]
    assert shown.getvalue().count("» ") == 2
