"""Every probe is asked by itself, many side by side where the model can, and each reply becomes a cell."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from writes_together import Together

from curation.errors import UserError
from curation.records import Record
from phi2chat.config import ChatConfig
from phi2chat.evaluation.asking import Way, ask_probes, read_probe_files
from phi2chat.evaluation.results import Cell, ModelRow
from phi2chat.inference.prompt import PromptStyle
from phi2chat.inference.recipes import StopReason
from phi2chat.remote.server import ServerError

ROW = ModelRow("base", "base", base="tiny")
WAY = Way.of("chat", 0, ChatConfig(), equal_budget=False)
TOKYO = {"id": "tokyo", "instruction": "日本の首都は？", "category": "capital", "expect": {"contains": "東京"}}
PARIS = {"id": "paris", "instruction": "Capital of France?", "language": "en", "expect": {"contains": "Paris"}}


def reply(answer: str, reasoning: str = "理由です。") -> list[str]:
    return [f"\n{reasoning}\n\n### Answer:\n{answer}"]


def probes(*data: dict[str, Any]) -> dict[str, Record]:
    return {str(one["id"]): Record(one) for one in data}


def ask(model: Any, *data: dict[str, Any], way: Way = WAY, batch_size: int = 8, done: Any = ()) -> list[Cell]:
    return [cell for cells in ask_probes(model, ROW, probes(*data), way, batch_size, done) for cell in cells]


def test_a_cell_says_what_came_and_what_is_to_be_said_of_it(scripted_model: Any) -> None:
    right, wrong = ask(scripted_model(reply("東京です。"), reply("London.", "Because.")), TOKYO, PARIS)
    assert (right.verdict, right.why, right.language_ok, right.form) == ("right", 'says "東京"', True, True)
    assert (right.probe, right.model, right.base, right.recipe, right.sample) == ("tokyo", "base", "tiny", "chat", 0)
    assert (right.reasoning, right.answer, right.stop, right.tokens) == ("理由です。", "東京です。", "end_of_text", 1)
    assert (right.category, wrong.category, wrong.language) == ("capital", "other", "en")
    assert (wrong.verdict, wrong.why) == ("wrong", 'does not say "Paris"')
    assert right.prompt_digest != wrong.prompt_digest and right.probe_digest != wrong.probe_digest


def test_a_reply_is_whole_where_reasoning_and_answer_came_and_the_model_ended_it(scripted_model: Any) -> None:
    (no_answer,) = ask(scripted_model(["\n理由だけ"]), TOKYO)
    (cut,) = ask(scripted_model(reply("東京です。"), stop=StopReason.BUDGET), TOKYO)
    (goes_on,) = ask(scripted_model([*reply("東京です。"), "\n\n### Instruction:\n次"]), TOKYO)
    assert [one.form for one in (no_answer, cut, goes_on)] == [False, False, False]
    assert [one.verdict for one in (no_answer, cut, goes_on)] == ["wrong", "right", "right"]
    assert goes_on.stop == "next_question"


def test_a_reply_of_a_model_without_reasoning_is_whole_with_its_answer(scripted_model: Any) -> None:
    model = scripted_model(["\n東京です。"], ["\n"])
    model.style = PromptStyle(reasoning="")
    whole, empty = ask(model, TOKYO, PARIS)
    assert (whole.reasoning, whole.answer, whole.form, empty.form) == ("", "東京です。", True, False)


def test_a_wrong_script_is_found_in_the_language_of_each_part(scripted_model: Any) -> None:
    mixed = {**TOKYO, "language": "zh-Hans", "reasoning_language": "ja"}
    in_chinese, mixed_cell = ask(
        scripted_model(reply("东京。", "这是首都。"), reply("东京。", "首都です。")), TOKYO, {**mixed, "id": "zh"}
    )
    assert (in_chinese.language_ok, len(in_chinese.reasoning_spans), len(in_chinese.answer_spans)) == (False, 1, 1)
    assert mixed_cell.language_ok
    unguarded = dataclasses.replace(WAY, config=ChatConfig(guard="off"))
    (cell,) = ask(scripted_model(reply("东京。")), TOKYO, way=unguarded)
    assert not cell.language_ok


def test_translations_and_language_are_measured_by_the_standard_measures_where_they_are_installed(
    scripted_model: Any,
) -> None:
    from curation.script.confusion import is_installed as knows_confusion
    from phi2chat.evaluation.translations import chrf, is_installed

    data = {"id": "snow", "instruction": "雪は英語で？", "language": "en", "references": ["It snows.", "Snow."]}
    good, bad = ask(scripted_model(reply("Snow."), reply("雪が降っていますよ、今日は。")), data, {**data, "id": "b"})
    if is_installed():
        assert (good.chrf, bad.chrf) == (100.0, chrf("雪が降っていますよ、今日は。", ["It snows.", "Snow."]))
        assert bad.chrf is not None and bad.chrf < 20
    else:
        assert (good.chrf, bad.chrf) == (None, None)
    assert (good.confusion, bad.confusion) == (("skipped", "skipped") if knows_confusion() else (None, None))


def test_what_can_write_side_by_side_does_so_and_says_the_same(scripted_model: Any) -> None:
    data = [{**TOKYO, "id": f"t{number}"} for number in range(5)]
    together = Together(scripted_model(*(reply(f"東京{n}") for n in range(5))))
    alone = ask(scripted_model(*(reply(f"東京{n}") for n in range(5))), *data)
    assert ask(together, *data, batch_size=2) == alone
    assert together.batches == [2, 2]  # and one by itself
    enforced = dataclasses.replace(WAY, config=ChatConfig(guard="enforce"))
    led = Together(scripted_model(*(reply(f"東京{n}") for n in range(5))))
    assert len(ask(led, *data, way=enforced)) == 5 and led.batches == []


def test_how_many_replies_of_a_batch_are_written_is_told(scripted_model: Any) -> None:
    together, written = Together(scripted_model(*(reply(f"東京{n}") for n in range(5)))), list[int]()
    asked = probes(*({**TOKYO, "id": str(n)} for n in range(5)))
    for _ in ask_probes(together, ROW, asked, WAY, 3, (), written.append):
        pass
    assert written == [1, 1]  # one of three, and one of two


def test_a_probe_that_leaves_no_room_is_a_cell_that_says_so_and_the_others_are_asked(scripted_model: Any) -> None:
    for refuses in (False, True):
        model = scripted_model(reply("東京です。"), UserError("the prompt takes 900 tokens"))
        first, second = ask(Together(model, refuses) if refuses else model, TOKYO, PARIS)
        assert first.verdict == "right"
        assert (second.verdict, second.stop, second.tokens) == ("wrong", "not_asked", 0)
        assert second.why == "was not asked: the prompt takes 900 tokens"


def test_what_could_not_be_asked_is_like_no_good_answer(scripted_model: Any) -> None:
    snow = {"id": "snow", "instruction": "訳してください。", "judge": "none", "references": ["雪です。"]}
    (cell,) = ask(scripted_model(UserError("the prompt takes 900 tokens")), snow)
    assert (cell.stop, cell.verdict, cell.char_f1) == ("not_asked", "unjudged", 0.0)


def test_a_batch_that_does_not_fit_into_memory_ends_it_and_is_not_asked_one_by_one(scripted_model: Any) -> None:
    def fill_memory(batch: int) -> None:
        raise UserError("the GPU's memory is full")

    model = scripted_model(reply("東京です。"), reply("パリです。"))
    with pytest.raises(UserError, match="memory is full"):
        ask(Together(model, while_writing=fill_memory), TOKYO, PARIS)
    assert len(model.replies) == 2


def test_a_reply_that_broke_off_is_no_cell_and_a_server_that_is_gone_ends_it(scripted_model: Any) -> None:
    assert ask(scripted_model(reply("東"), stop=StopReason.CONNECTION_LOST), TOKYO) == []
    with pytest.raises(ServerError):
        ask(scripted_model(ServerError("gone")), TOKYO)


def test_a_batch_that_has_gaps_is_asked_as_it_was_and_only_the_gaps_are_given(scripted_model: Any) -> None:
    data = [{**TOKYO, "id": f"t{number}"} for number in range(4)]
    model = scripted_model(reply("東京a"), reply("東京b"))
    done = {(f"t{number}", "base", "chat", 0) for number in (0, 1, 2)}
    (cell,) = ask(model, *data, batch_size=2, done=done)
    assert (cell.probe, cell.answer) == ("t3", "東京b")
    assert model.replies == []


def test_each_sample_has_a_seed_and_an_equal_budget_is_that_of_chat() -> None:
    config = ChatConfig(seed=7, max_new_tokens=50)
    assert [Way.of("a", sample, config, False).config.seed for sample in range(3)] == [7, 8, 9]
    way = Way.of("a", 0, config, equal_budget=True)
    assert (way.recipe, way.config.recipe, way.config.max_new_tokens) == ("a", "chat", 50)
    assert Way.of("a", 0, config, equal_budget=False).config.recipe == "a"


def write(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def test_records_and_lines_of_text_are_probes_too(tmp_path: Path) -> None:
    record = {"instruction": "日本の首都は？", "reasoning": "国会がある。", "answer": "東京です。"}
    (tmp_path / "q.txt").write_text("春は？\n", encoding="utf-8")
    paths = [write(tmp_path / "p.jsonl", TOKYO), write(tmp_path / "r.jsonl", record), tmp_path / "q.txt"]
    files, found = read_probe_files(paths)
    assert list(found) == ["tokyo", "r:1", "q:1"]
    assert [(Path(one.path).name, one.probes, len(one.sha256)) for one in files] == [
        ("p.jsonl", 1, 64),
        ("r.jsonl", 1, 64),
        ("q.txt", 1, 64),
    ]


def test_a_probe_that_breaks_its_contract_and_an_id_that_stands_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"p\.jsonl: probe 2: expect: is blank; mend it"):
        read_probe_files([write(tmp_path / "p.jsonl", TOKYO, {**PARIS, "expect": {}})])
    path = write(tmp_path / "p.jsonl", TOKYO)
    with pytest.raises(UserError, match='the id "tokyo" stands twice'):
        read_probe_files([path, write(tmp_path / "q.jsonl", TOKYO)])
