"""`/probe`: every record is asked by itself, and judged by what the file expects."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from writes_together import Together

from curation.errors import UserError
from curation.said import is_same
from phi2chat.chatting.probe import SIDE_BY_SIDE
from phi2chat.config import ChatConfig, TrainConfig, to_json
from phi2chat.inference.recipes import StopReason
from phi2chat.terminal.interrupts import Ended
from phi2chat.weights.run import Run


def reply(answer: str) -> list[str]:
    return [f"\n理由です。\n\n### Answer:\n{answer}"]


def write_records(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


TOKYO = {"instruction": "日本の首都は？", "reasoning": "国会がある。", "answer": "東京です。"}
PARIS = {"instruction": "フランスの首都は？", "reasoning": "議会がある。", "answer": "パリです。"}


@pytest.mark.parametrize(
    ("answer", "expected", "same"),
    [
        ("東京です", "東京です。", True),
        ("ＡＢＣ １２３", "abc123", True),
        ("「東京」です！", "東京です。", True),
        ("1,000円", "1000円", True),
        ("東京", "京都", False),
        ("-5", "5", False),
        ("−5", "-5", True),
        ("1.5", "15", False),
        ("3:2", "32", False),
        ("1/2", "12", False),
        ("10-3", "103", False),
        ("3+2", "32", False),
        ("答えは5。", "答えは5", True),
        ("はい・いいえ", "はいいいえ", True),
        ("", "東京", False),
        ("東京です。東京です。", "東京です。", False),
    ],
)
def test_an_answer_is_the_same_but_for_width_case_blanks_and_punctuation(
    answer: str, expected: str, same: bool
) -> None:
    assert is_same(answer, expected) is same
    assert is_same(expected, answer) is same


TABLE = """\
asking the 2 records of {path}; Ctrl-C or Esc stops
1/2 日本の首都は？ ...
2/2 フランスの首都は？ ...
┏━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ question           ┃ answer     ┃ expected   ┃                                    ┃
┡━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
│ 日本の首都は？     │ 東京です   │ 東京です。 │ right                              │
│                    │            │            │ end of text                        │
├────────────────────┼────────────┼────────────┼────────────────────────────────────┤
│ フランスの首都は？ │ 这里です。 │ パリです。 │ does not say "パリ"                │
│                    │            │            │ end of text                        │
│                    │            │            │ ! answer: Simplified Chinese: 这里 │
└────────────────────┴────────────┴────────────┴────────────────────────────────────┘
1 of 2 answers right, 1 in a wrong script"""


def test_every_record_is_asked_and_judged(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    path = write_records(tmp_path / "probes.jsonl", TOKYO, PARIS)
    talk = scripted_talk(scripted_model(reply("東京です"), reply("这里です。")))
    (shown,) = talk.enter(f"/probe {path}")
    assert shown == TABLE.format(path=path)


def test_a_probe_is_judged_by_what_it_expects(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    probe: dict[str, Any] = {"id": "a", "instruction": "日本の首都は？", "expect": {"contains": "東京"}}
    read: dict[str, Any] = {"id": "b", "instruction": "春は？", "judge": "none"}
    path = write_records(tmp_path / "probes.jsonl", probe, {**probe, "id": "c"}, read)
    talk = scripted_talk(scripted_model(reply("東京です。"), reply("東京ではない。"), reply("あけぼの。")))
    (shown,) = talk.enter(f"/probe {path}")
    assert "│ says 東京 │ right " in shown and '│ does not say "東京" ' in shown
    assert shown.splitlines()[-1] == "1 of 2 answers right, 0 in a wrong script"


def test_on_a_narrow_screen_a_probe_is_a_block(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    path = write_records(tmp_path / "probes.jsonl", TOKYO)
    (shown,) = scripted_talk(scripted_model(reply("京都です。")), width=40).enter(f"/probe {path}")
    assert shown.splitlines()[2:] == [
        "日本の首都は？",
        "京都です。",
        "expected: 東京です。",
        'does not say "東京"',
        "end of text",
        "",
        "0 of 1 answers right, 0 in a wrong script",
    ]


def test_each_is_asked_by_itself_in_its_languages_and_the_conversation_stays(
    scripted_model: Any, scripted_talk: Any, tmp_path: Path
) -> None:
    english = {"instruction": "Capital?", "answer": "Tokyo", "language": "en", "reasoning_language": "ja"}
    model = scripted_model(reply("はい"), reply("東京です"), reply("Tokyo"))
    talk = scripted_talk(model)
    talk.reply("前の質問")
    talk.enter("/recipe b", f"/probe {write_records(tmp_path / 'p.jsonl', TOKYO, english)}")
    asked = [(len(history), config.lang, config.reasoning_lang, config.recipe) for history, _, config in model.asked]
    assert asked[1:] == [(0, "ja", "ja", "b"), (0, "en", "ja", "b")]
    assert [turn.question for turn in talk.conversation.turns] == ["前の質問"]
    assert talk.conversation.config.lang == "ja"


def test_an_input_stands_where_it_stood_in_training(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    from curation.records import Record
    from phi2chat.inference.prompt import PromptStyle, render_prompt, render_record

    record = {**TOKYO, "instruction": " 要約して ", "input": "長い文。\n二行。\n"}
    model = scripted_model(reply("はい"))
    scripted_talk(model).enter(f"/probe {write_records(tmp_path / 'p.jsonl', record)}")
    assert render_prompt(PromptStyle(), model.asked[0][1]) == render_record(PromptStyle(), Record(record)).prompt


def test_a_text_file_has_a_question_a_line_and_nothing_is_expected(
    scripted_model: Any, scripted_talk: Any, tmp_path: Path
) -> None:
    (tmp_path / "p.txt").write_text("一\n\n二\n", encoding="utf-8")
    talk = scripted_talk(scripted_model(reply("はい"), reply("いいえ"), stop=StopReason.BUDGET))
    (shown,) = talk.enter(f"/probe {tmp_path / 'p.txt'}")
    assert shown.splitlines()[-1] == "2 asked, and nothing expected, 0 in a wrong script, 2 stopped by budget"


def pressing_ctrl_c(times: int) -> Iterator[str]:
    yield "\nまだ"
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
    yield "です"
    yield "来ない"


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_stops_and_keeps_the_rows_that_are_done(
    scripted_model: Any, scripted_talk: Any, tmp_path: Path, times: int
) -> None:
    path = write_records(tmp_path / "probes.jsonl", TOKYO, PARIS, PARIS)
    (shown,) = scripted_talk(scripted_model(reply("東京です"), pressing_ctrl_c(times))).enter(f"/probe {path}")
    assert "│ 日本の首都は？ │" in shown and "まだ" not in shown
    assert shown.splitlines()[-1] == "1 of 1 answers right, 0 in a wrong script, stopped after 1 of 3"


def many(folder: Path, count: int) -> Path:
    return write_records(folder / "probes.jsonl", *({**TOKYO, "id": f"t{number}"} for number in range(count)))


def test_a_model_that_can_is_asked_many_side_by_side(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    model = Together(scripted_model(*(reply("東京です"), reply("大阪です")) * 10))
    (shown,) = scripted_talk(model).enter(f"/probe {many(tmp_path, 20)}")
    assert model.batches == [SIDE_BY_SIDE, 4]
    said = shown.splitlines()
    assert said[1:4] == ["0/20 done ...", "1/20 done ...", "1/20 日本の首都は？ ..."]
    assert said[-1] == "10 of 20 answers right, 0 in a wrong script"


@pytest.mark.parametrize(("refuses", "guard"), [(True, "flag"), (False, "enforce")])
def test_where_that_is_not_possible_they_are_asked_one_by_one(
    scripted_model: Any, scripted_talk: Any, tmp_path: Path, refuses: bool, guard: Any
) -> None:
    model = Together(scripted_model(*[reply("東京です")] * 3), refuses)
    (shown,) = scripted_talk(model, ChatConfig(guard=guard)).enter(f"/probe {many(tmp_path, 3)}")
    assert (model.batches, shown.splitlines()[-1]) == ([], "3 of 3 answers right, 0 in a wrong script")


def test_ctrl_c_stops_what_is_asked_side_by_side(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    def press_in_the_second(batch: int) -> None:
        if batch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    model = Together(scripted_model(*[reply("東京です")] * 20), while_writing=press_in_the_second)
    (shown,) = scripted_talk(model).enter(f"/probe {many(tmp_path, 20)}")
    assert shown.splitlines()[-1] == "16 of 16 answers right, 0 in a wrong script, stopped after 16 of 20"


def test_the_system_can_end_the_talk_during_a_probe(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    def ending() -> Iterator[str]:
        yield "\nまだ"
        raise Ended

    path = write_records(tmp_path / "probes.jsonl", TOKYO)
    with pytest.raises(Ended):
        scripted_talk(scripted_model(ending())).enter(f"/probe {path}")


def test_a_record_that_cannot_be_asked_is_a_row_that_says_why(
    scripted_model: Any, scripted_talk: Any, tmp_path: Path
) -> None:
    path = write_records(tmp_path / "probes.jsonl", TOKYO, PARIS)
    (shown,) = scripted_talk(scripted_model(UserError("too long"), reply("パリです。"))).enter(f"/probe {path}")
    assert "│ too long " in shown and "│ not asked " in shown
    assert shown.splitlines()[-1] == "1 of 2 answers right, 0 in a wrong script"


def test_text_of_records_and_models_comes_out_inert(scripted_model: Any, scripted_talk: Any, tmp_path: Path) -> None:
    record = {**TOKYO, "instruction": "[b]\x1b[2J", "answer": "\r\x07"}
    path = write_records(tmp_path / "probes.jsonl", record)
    (shown,) = scripted_talk(scripted_model(reply("[/b]\x1bc"))).enter(f"/probe {path}")
    assert "[b]^[[2J" in shown and "^M^G" in shown and "[/b]^[c" in shown and "\x1b" not in shown


# The run's own records


def run_of(folder: Path, data: Path, **config: Any) -> Path:
    folder.mkdir()
    Run("base", str(data), to_json(TrainConfig(**config)), {}).save(folder)
    return folder


def test_without_a_file_the_eval_side_of_the_run_is_asked(
    scripted_model: Any, scripted_talk: Any, tmp_path: Path
) -> None:
    train = write_records(tmp_path / "train.jsonl", TOKYO)
    eval_ = write_records(tmp_path / "eval.jsonl", PARIS)
    model = scripted_model(reply("パリです。"))
    model.adapter = run_of(tmp_path / "run", train, eval_file=eval_)
    (shown,) = scripted_talk(model).enter("/probe")
    assert shown.splitlines()[0] == f"asking the 1 records of {eval_}; Ctrl-C or Esc stops"
    assert [question for _, question, _ in model.asked] == ["フランスの首都は？"]


def test_the_sample_file_of_the_run_comes_first_also_for_a_checkpoint(
    scripted_model: Any, scripted_talk: Any, tmp_path: Path
) -> None:
    samples = write_records(tmp_path / "samples.jsonl", TOKYO)
    model = scripted_model(reply("東京です"))
    model.adapter = run_of(tmp_path / "run", tmp_path / "gone.jsonl", sample_file=samples) / "checkpoints" / "1"
    model.adapter.mkdir(parents=True)
    assert scripted_talk(model).enter("/probe")[0].splitlines()[-1].startswith("1 of 1 answers right")


def test_where_there_are_no_records_it_says_what_to_give(
    scripted_model: Any, scripted_talk: Any, tmp_path: Path
) -> None:
    model = scripted_model()
    needs = "! /probe: needs a file of records, as in /probe datasets/my.jsonl"
    assert scripted_talk(model).enter("/probe") == [needs]
    model.adapter = tmp_path
    assert scripted_talk(model).enter("/probe") == [needs]
    model.adapter = run_of(tmp_path / "run", tmp_path / "gone.jsonl")
    assert scripted_talk(model).enter("/probe") == [
        f"! /probe: the run's own records are not there ({tmp_path / 'gone.jsonl'}: no such file; check the path);"
        " give a file, as in /probe datasets/my.jsonl"
    ]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("p.jsonl", b"", "p.jsonl: holds no instruction to ask; write one, or give another file"),
        ("p.jsonl", b'{"answer": "x"}\n', "p.jsonl:1: has no instruction to ask; write one"),
        ("p.jsonl", b'{"instruction": " "}\n', "p.jsonl:1: has no instruction to ask; write one"),
        ("p.txt", b"\xff", "p.txt: is not UTF-8; save it as UTF-8"),
        ("p.txt", b"\n", "p.txt: holds no instruction to ask; write one, or give another file"),
    ],
)
def test_a_file_that_cannot_be_asked_is_said_in_a_sentence(
    scripted_model: Any, scripted_talk: Any, tmp_path: Path, name: str, content: bytes, fault: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert scripted_talk(scripted_model()).enter(f"/probe {tmp_path / name}") == [f"! {tmp_path}/{fault}"]
