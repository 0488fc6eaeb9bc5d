"""From a reply to a record: where it came from, what speaks against it, and what is written, changed and taken back."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from curation.records import format_record, read_dataset
from curation.split import write_split
from phi2chat import __version__
from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.chatting.corrections import Corrections, Faults, as_it_is, draft, find_faults, name_it, run_behind
from phi2chat.chatting.origin import Origin
from phi2chat.config import ChatConfig, TrainConfig
from phi2chat.inference.examples import read_sides
from phi2chat.inference.prompt import PromptStyle
from phi2chat.inference.recipes import StopReason
from phi2chat.weights.run import Run
from phi2chat.weights.training_data import file_to_correct, refuse_side_of_split

NOW = datetime(2026, 11, 23, 18, 30, 5, 999, timezone(timedelta(hours=9)))
TOKYO = ["\n国会がある都市です。\n\n### Answer:\n这是东京。"]
TURN = Turn("首都は？", "国会がある都市です。", "这是东京。", StopReason.END_OF_TEXT, 4, 2.0, "chat", "ja", "ja")
GOOD = {"instruction": "首都は？", "reasoning": "国会がある都市です。", "answer": "東京です。", "language": "ja"}


def talk(scripted_model: Any, *questions: str, **settings: Any) -> Conversation:
    conversation = Conversation(scripted_model(*[TOKYO] * len(questions)), ChatConfig(**settings))
    for question in questions:
        list(conversation.ask(question))
    return conversation


def write(path: Path, *records: dict[str, Any]) -> Path:
    path.write_bytes(b"".join(map(format_record, records)))
    return path


def record(name: str, instruction: str, **fields: str) -> dict[str, str]:
    return {"id": name, "instruction": instruction, "reasoning": "理由です。", "answer": "答えです。", **fields}


# Where it came from


def test_a_draft_holds_the_reply_and_all_that_made_it(scripted_model: Any) -> None:
    conversation = talk(scripted_model, "日本の話です。", "首都は？", guard="off", temperature=0.7, seed=5)
    made = draft(conversation, conversation.turns[-1], NOW)
    assert made == {
        "instruction": "首都は？",
        "reasoning": "国会がある都市です。",
        "answer": "这是东京。",
        "language": "ja",
        "provenance": {
            "base": "scripted",
            "recipe": "chat",
            "temperature": 0.7,
            "top_p": 1.0,
            "seed": 5,
            "guard": "off",
            "prompt": "### Instruction:\n首都は？\n\n### Reasoning:",
            "earlier_questions": ["日本の話です。"],
            "bad_reasoning": "国会がある都市です。",
            "bad_answer": "这是东京。",
            "stop": "end_of_text",
            "date": "2026-11-23T09:30:05Z",
            "phi2chat": __version__,
        },
    }


@pytest.mark.parametrize(("recipe", "earlier"), [("chat", ["一"]), ("a", []), ("b", [])])
def test_earlier_questions_are_those_that_the_model_has_read(scripted_model: Any, recipe: str, earlier: Any) -> None:
    conversation = talk(scripted_model, "一", "二", recipe=recipe)
    assert draft(conversation, conversation.turns[1], NOW)["provenance"]["earlier_questions"] == earlier


def test_a_reasoning_in_another_language_says_so(scripted_model: Any) -> None:
    conversation = talk(scripted_model, "首都は？", reasoning_lang="en")
    made = draft(conversation, conversation.turns[0], NOW)
    assert (made["language"], made["reasoning_language"]) == ("ja", "en")


def test_a_reply_that_was_good_is_not_called_bad(scripted_model: Any) -> None:
    conversation = talk(scripted_model, "首都は？")
    made = as_it_is(draft(conversation, conversation.turns[0], NOW))
    assert [key for key in made["provenance"] if key.startswith("bad_")] == []
    assert made["answer"] == "这是东京。"


def test_half_a_surrogate_pair_can_be_written_as_what_was_said_and_not_as_what_is_meant(
    scripted_model: Any, tmp_path: Path
) -> None:
    turn = dataclasses.replace(TURN, answer="東京\udce9")
    made = draft(talk(scripted_model, "首都は？"), turn, NOW)
    assert (made["answer"], made["provenance"]["bad_answer"]) == ("東京\udce9", "東京\\udce9")
    (fault,) = faults(tmp_path / "x.jsonl", made, turn).errors
    assert (fault.field, fault.rule) == ("answer", "utf-8")


def run_on(data: Path, **config: Any) -> Run:
    return Run(base="microsoft/phi-2", data=str(data), config=config, sha256={})


def test_the_run_behind_an_adapter_is_found_and_one_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert run_behind(None) is None
    run = run_on(tmp_path / "x.jsonl")
    run.save(tmp_path)
    checkpoint = tmp_path / "checkpoints" / "step-4"
    checkpoint.mkdir(parents=True)
    assert [run_behind(adapter) for adapter in (tmp_path, checkpoint)] == [run, run]
    (tmp_path / "run.json").write_text("{")
    assert run_behind(tmp_path) is None


def test_a_reply_of_another_model_is_noted_as_that_ones(scripted_model: Any) -> None:
    origin = Origin("phi-2 + runs/one", "phi-2", "runs/one", "ab12", temperature=0.7, top_p=0.9, seed=3)
    conversation = talk(scripted_model, "首都は？")
    conversation.turns = [dataclasses.replace(TURN, origin=origin)]
    provenance = draft(conversation, conversation.turns[0], NOW)["provenance"]
    known = {"base": "phi-2", "adapter": "runs/one", "adapter_sha256": "ab12", "temperature": 0.7, "seed": 3}
    assert {key: provenance.get(key) for key in known} == known
    assert "prompt" not in provenance  # that of this model it was not


# What speaks against it


def faults(file: Path, data: Any, turn: Turn = TURN, run: Run | None = None, replaces: bool = False) -> Faults:
    return find_faults(file, name_it(file, data), turn, PromptStyle(), run, replaces)


def rules(found: Faults) -> tuple[list[str], list[str]]:
    return [one.rule for one in found.errors], [one.rule for one in found.doubts]


def test_nothing_speaks_against_a_good_record(tmp_path: Path) -> None:
    assert rules(faults(tmp_path / "x.jsonl", GOOD)) == ([], [])


@pytest.mark.parametrize(
    ("change", "errors", "doubts"),
    [
        ({"answer": " "}, ["blank"], []),
        ({"answer": None}, ["type"], []),
        ({"language": "nihongo!"}, ["language-tag"], []),
        ({"id": "a b"}, ["id"], []),
        ({"reasoning": "### Answer: と書く。"}, ["marker"], []),
        ({"input": "### Instruction:"}, ["marker"], []),
        ({"answer": "这是东京。"}, [], ["wrong-script"]),
        ({"anwser": "x"}, [], ["unknown-field"]),
    ],
)
def test_what_breaks_the_contract_is_an_error_and_what_is_odd_a_doubt(
    tmp_path: Path, change: dict[str, Any], errors: list[str], doubts: list[str]
) -> None:
    assert rules(faults(tmp_path / "x.jsonl", {**GOOD, **change})) == (errors, doubts)


def test_a_missing_field_is_an_error(tmp_path: Path) -> None:
    assert rules(faults(tmp_path / "x.jsonl", {"instruction": "？", "answer": "はい"})) == (["required"], [])


@pytest.mark.parametrize("stop", list(StopReason))
def test_a_part_that_was_not_finished_is_doubted_unless_it_was_rewritten(tmp_path: Path, stop: StopReason) -> None:
    turn = dataclasses.replace(TURN, answer="東京で", stop=stop)
    whole = stop in (StopReason.END_OF_TEXT, StopReason.NEXT_QUESTION)
    cut = faults(tmp_path / "x.jsonl", {**GOOD, "answer": "東京で"}, turn)
    assert rules(cut) == ([], [] if whole else ["unfinished"])
    assert rules(faults(tmp_path / "x.jsonl", GOOD, turn)) == ([], [])


def test_a_reasoning_that_led_to_no_answer_is_doubted_if_it_stays(tmp_path: Path) -> None:
    turn = dataclasses.replace(TURN, answer="", stop=StopReason.BUDGET)
    (doubt,) = faults(tmp_path / "x.jsonl", GOOD, turn).doubts
    assert (doubt.field, doubt.message) == ("reasoning", "was not finished (budget)")


# Enough families that the rule finds some for each side; no two ask for the same.
FRUIT = [record(f"fruit-{place}", f"{chr(ord('柿') + place)}は何色ですか。") for place in range(40)]
TRAINED, HELD_OUT = "family-0", "family-13"  # by the rule of `train`


def test_nearly_the_same_question_is_a_doubt_that_names_its_line_and_family(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", *FRUIT, record("capital", "首都は、どこですか?", family=TRAINED))
    asked = {**GOOD, "instruction": "首都はどこですか。", "family": "family-1"}
    (doubt,) = faults(file, asked).doubts
    wanted = f'the same question as {file}:41; if both ask the same, give it the family "{TRAINED}"'
    assert (doubt.rule, doubt.message) == ("near-duplicate", wanted)
    translated = {**asked, "reasoning_language": "ja", "language": "en", "answer": "Tokyo."}
    for other in ({**asked, "family": TRAINED}, translated):
        assert rules(faults(file, other)) == ([], [])


def test_of_several_questions_that_are_nearly_the_same_the_nearest_is_named(tmp_path: Path) -> None:
    alike = [record(name, text) for name, text in (("a", "首都はどこですかね"), ("b", "首都はどこですか"))]
    file = write(tmp_path / "x.jsonl", *FRUIT, *alike)
    run = run_on(file, eval_file=str(write(tmp_path / "eval.jsonl", FRUIT[0])))
    (doubt,) = faults(file, {**GOOD, "instruction": "首都はどこですか？"}, run=run).doubts
    assert doubt.message.startswith(f"the same question as {file}:42;")


def test_a_record_and_its_twin_on_the_other_side_are_a_leak_either_way(tmp_path: Path) -> None:
    for there, here, is_evaluated in ((HELD_OUT, TRAINED, "is evaluated on"), (TRAINED, HELD_OUT, "is trained on")):
        file = write(tmp_path / "x.jsonl", *FRUIT, record("twin", "首都は？", family=there))
        (doubt,) = faults(file, {**GOOD, "family": here}).doubts
        wanted = f'the same question as {file}:41, which {is_evaluated}; give it the family "{there}"'
        assert (doubt.rule, doubt.message) == ("near-leak", wanted)


def test_a_question_of_the_eval_file_is_a_leak(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", *FRUIT)
    held = write(tmp_path / "eval.jsonl", record("held", "首都は？", family="fact"))
    run = run_on(file, eval_file=str(held))
    (doubt,) = faults(file, GOOD, run=run).doubts
    assert (doubt.rule, doubt.message) == (
        "near-leak",
        f'the same question as {held}:1, which is evaluated on; give it the family "fact"',
    )
    (doubt,) = faults(file, {**GOOD, "family": "fact"}, run=run).doubts
    assert (doubt.rule, doubt.message) == ("leak", f'"fact" also stands in {held}:1, which is evaluated on')
    assert rules(faults(tmp_path / "other.jsonl", GOOD, run=run)) == ([], [])


def test_an_eval_file_that_is_gone_is_a_doubt_and_no_end(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", *FRUIT)
    (doubt,) = faults(file, GOOD, run=run_on(file, eval_file=str(tmp_path / "gone.jsonl"))).doubts
    assert doubt.message.startswith(f"duplicates and leaks were not looked for: {tmp_path / 'gone.jsonl'}: no such")


def held_out(file: Path, family: str) -> bool:
    found = faults(file, {**GOOD, "family": family})
    assert rules(found) == ([], [])
    return bool(found.remarks)


def test_a_record_that_will_be_held_out_is_said_to_be(tmp_path: Path) -> None:
    names = [f"family-{place}" for place in range(20)]
    said = {name for name in names if held_out(write(tmp_path / "x.jsonl", *FRUIT), name)}
    whole = write(tmp_path / "whole.jsonl", *FRUIT, *(record(name, f"{name} 番", family=name) for name in names))
    sides = read_sides(whole, TrainConfig())
    assert said == {row.record.data["family"] for row in sides.eval if "family" in row.record.data}
    assert HELD_OUT in said and TRAINED not in said


def test_the_split_beside_a_file_decides_which_side_a_record_is_on(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", *FRUIT)
    write_split(read_dataset(file), tmp_path / "x", 90.0, 7)
    held = [held_out(file, f"family-{place}") for place in range(20)]
    assert sum(held) > 15
    without = [held_out(write(tmp_path / "y.jsonl", *FRUIT), f"family-{place}") for place in range(20)]
    assert sum(without) < 5


def test_a_folder_beside_a_file_that_is_no_split_of_it_decides_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", *FRUIT)
    (tmp_path / "x").mkdir()
    for content in ("{", "{}", "[]"):
        (tmp_path / "x" / "manifest.json").write_text(content)
        assert not held_out(file, TRAINED)


def test_a_side_of_a_split_is_no_file_to_correct_but_what_was_split_is(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", *FRUIT)
    write_split(read_dataset(file), tmp_path / "x", 10.0, 42)
    run = run_on(tmp_path / "x")
    assert file_to_correct(run) == file
    assert find_faults(file, name_it(file, GOOD), TURN, PromptStyle(), run).remarks[-1] == (
        f"split again with `phi2chat curate split`, so that the folder {tmp_path / 'x'} has it too"
    )
    for side in ("train", "eval"):
        with pytest.raises(UserError, match="is a side that `curate split` wrote; give the file that it split"):
            refuse_side_of_split(tmp_path / "x" / f"{side}.jsonl")
    (tmp_path / "x" / "manifest.json").unlink()
    assert file_to_correct(run) == tmp_path / "x" / "train.jsonl"
    refuse_side_of_split(tmp_path / "x" / "train.jsonl")


def test_broken_lines_of_a_file_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"id": 3}\n[]\n{\n' + b"".join(map(format_record, FRUIT)))
    assert rules(faults(file, GOOD)) == ([], [])


# What is written, changed and taken back


def test_a_record_is_added_with_an_id_and_only_once_for_a_reply(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", *FRUIT)
    before = file.read_bytes()
    corrections = Corrections()
    first = corrections.save(TURN, file, name_it(file, GOOD), ["answer"])
    assert file.read_bytes() == before + format_record({"id": first.record_id, **GOOD})
    again = corrections.save(TURN, file, name_it(file, {**GOOD, "answer": "東京都です。"}, first), ["answer"])
    assert again.record_id == first.record_id
    assert file.read_bytes() == before + format_record({"id": first.record_id, **GOOD, "answer": "東京都です。"})
    assert corrections.saved == [again]


def test_undo_takes_the_last_back_and_then_the_one_before(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", *FRUIT)
    before = file.read_bytes()
    corrections = Corrections()
    other = dataclasses.replace(TURN, question="別の質問")
    for turn in (TURN, other):
        corrections.save(turn, file, name_it(file, {**GOOD, "instruction": turn.question}), [])
    assert [corrections.undo().turn for _ in range(2)] == [other, TURN]
    assert file.read_bytes() == before
    with pytest.raises(UserError, match="nothing was added in this conversation"):
        corrections.undo()


def test_a_record_that_somebody_has_changed_since_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    corrections = Corrections()
    saved = corrections.save(TURN, file, name_it(file, GOOD), [])
    file.write_bytes(format_record({**saved.data, "note": "見た"}))
    theirs = file.read_bytes()
    for attempt in (corrections.undo, lambda: corrections.latest(TURN), lambda: corrections.save(TURN, file, GOOD, [])):
        with pytest.raises(UserError, match=f"x.jsonl:1: {saved.record_id} was changed since it was saved"):
            attempt()
    assert file.read_bytes() == theirs


def test_a_record_that_is_gone_is_not_undone_and_can_be_saved_again(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    corrections = Corrections()
    corrections.save(TURN, file, name_it(file, GOOD), [])
    file.unlink()
    assert corrections.latest(TURN) is None
    corrections.save(TURN, file, name_it(file, GOOD), [])
    file.write_bytes(b"")
    with pytest.raises(UserError, match="is not there any more, so there is nothing to undo"):
        corrections.undo()
    assert corrections.saved == []


def test_what_was_not_saved_is_kept_until_it_is(tmp_path: Path) -> None:
    corrections = Corrections()
    corrections.keep(TURN, "answer: 東")
    corrections.keep(TURN, "answer: 東京")
    assert corrections.kept_of(TURN) == "answer: 東京"
    corrections.save(TURN, tmp_path / "x.jsonl", GOOD, [])
    assert corrections.kept_of(TURN) is None


def test_the_date_is_that_of_greenwich(scripted_model: Any) -> None:
    conversation = talk(scripted_model, "首都は？")
    for now in (NOW, NOW.astimezone(UTC)):
        made = draft(conversation, conversation.turns[0], now)
        assert json.dumps(made["provenance"]["date"]) == '"2026-11-23T09:30:05Z"'
