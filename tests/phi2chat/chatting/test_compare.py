"""`/compare`: who is asked what, and what is shown of it and saved."""

import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from phi2chat.config import ChatConfig
from phi2chat.terminal.interrupts import Ended
from phi2chat.terminal.kinsoku import NOT_FIRST, NOT_LAST
from phi2chat.terminal.screen import SafeConsole, Screen

TOKYO = ["\n国会がある都市です。\n\n### Answer:\n", "日本の首都は東京です。"]
KYOTO = ["\n国会がある都市です。\n\n### Answer:\n", "日本の首都は京都です。"]
CHINESE = ["\n国会がある都市です。\n\n### Answer:\n", "日本の首都は这里です。"]


@pytest.fixture
def compared(scripted_talk: Any) -> Any:
    """Make a talk with `compared(model, width, config)`; `talk.see(line)` is what is shown after a line, trimmed."""

    class Compared(scripted_talk):  # type: ignore[misc]
        def see(self, line: str) -> str:
            return "\n".join(line.rstrip() for line in self.enter(line)[0].splitlines())

    return lambda model, width=200, config=None: Compared(model, config, width)


@pytest.fixture
def variants(scripted_model: Any) -> Any:
    """Make a model that has variants: `variants([base's replies], [adapter's], [another's])`."""

    class Variant(scripted_model):  # type: ignore[misc]
        def __init__(self, name: str, replies: list[Any]) -> None:
            super().__init__(*replies)
            self.name = name

        def without_adapter(self) -> Any:
            return self.base

        def with_adapter(self, adapter: Path) -> Any:
            self.others.append(adapter)
            return self.other

    def make(base: list[Any], adapted: list[Any], other: list[Any]) -> Any:
        model = Variant("phi-2 + runs/one", adapted)
        model.base, model.other, model.others = Variant("phi-2", base), Variant("phi-2 + runs/two", other), []
        return model

    return make


TWO_COLUMNS = """\
asking phi-2 ...
asking phi-2 + runs/one ...
首都は？
both greedy
 phi-2                                 │ phi-2 + runs/one
───────────────────────────────────────┼──────────────────────────────────────
 [reasoning]                           │ [reasoning]
 国会がある都市です。                  │ 国会がある都市です。
───────────────────────────────────────┼──────────────────────────────────────
 [answer]                              │ [answer]
 日本の首都は[-这里-]です。            │ 日本の首都は{+東京+}です。
───────────────────────────────────────┼──────────────────────────────────────
 [end of text; 2 tokens, 2.0 tokens/s; │ [end of text; 2 tokens, 2.0
 recipe chat]                          │ tokens/s; recipe chat]
 ! answer: Simplified Chinese: 这里;   │
 这 (CJK-8FD9)                         │"""


def ending() -> Iterator[str]:
    yield "\nまだ"
    raise Ended


def test_the_system_can_end_the_talk_during_a_comparison(variants: Any, compared: Any) -> None:
    with pytest.raises(Ended):
        compared(variants([ending()], [TOKYO], [])).see("/compare 首都は？")


def test_base_and_adapter_stand_side_by_side(variants: Any, compared: Any) -> None:
    assert compared(variants([CHINESE], [TOKYO], []), 78).see("/compare 首都は？") == TWO_COLUMNS


def test_on_a_narrow_screen_one_stands_below_the_other(variants: Any, compared: Any) -> None:
    shown = compared(variants([CHINESE], [TOKYO], []), 40).see("/compare 首都は？").splitlines()
    assert shown[4:] == [
        "phi-2 ──────────────────────────────────",
        "[reasoning]",
        "国会がある都市です。",
        "[answer]",
        "日本の首都は[-这里-]です。",
        "[end of text; 2 tokens, 2.0 tokens/s; recipe chat]",
        "! answer: Simplified Chinese: 这里; 这 (CJK-8FD9)",
        "phi-2 + runs/one ───────────────────────",
        "[reasoning]",
        "国会がある都市です。",
        "[answer]",
        "日本の首都は{+東京+}です。",
        "[end of text; 2 tokens, 2.0 tokens/s; recipe chat]",
    ]


@pytest.mark.parametrize("width", [60, 61, 80, 81, 133])
def test_no_line_of_two_columns_is_wider_than_the_screen_and_the_bar_stands_straight(
    variants: Any, compared: Any, width: int
) -> None:
    long = ["\n" + "国会がABC 123ある、ﾊﾝｶｸもある都市です。" * 9 + "\n\n### Answer:\n" + "東京です。" * 20]
    shown = compared(variants([long], [TOKYO], []), width).see("/compare 首都は？").splitlines()[4:]
    rows = [line for line in shown if "│" in line]
    assert len(rows) > 10
    assert len({cell_len(row.partition("│")[0]) for row in rows}) == 1
    assert all(cell_len(line) <= width for line in shown)


def test_on_a_narrow_terminal_no_word_is_torn_and_no_line_begins_with_a_closing_mark(
    variants: Any, compared: Any
) -> None:
    long = ["\nThe capital is in Japan.\n\n### Answer:\n" + "日本の首都は、「東京」です。" * 9]
    talk = compared(variants([long], [TOKYO], []))
    console = SafeConsole(file=talk.shown, width=40, force_terminal=True, color_system=None, legacy_windows=False)
    talk.screen = Screen(console, SafeConsole(file=io.StringIO()))
    lines = talk.see("/compare 首都は？").splitlines()
    assert all(cell_len(line) <= 40 for line in lines)
    assert not [line for line in lines if line and (line[0] in NOT_FIRST or line[-1] in NOT_LAST)]
    torn = [word for word in ["The", "capital", "is", "in", "Japan."] if word not in " ".join(lines).split()]
    assert torn == []


def test_a_column_is_broken_by_kinsoku_too(variants: Any, compared: Any) -> None:
    long = ["\nあ\n\n### Answer:\n" + "日本の首都は、「東京」です。" * 9]
    for width in range(60, 90):
        rows = compared(variants([long], [long], []), width).see("/compare 首都は？").splitlines()[4:]
        cells = [cell.strip() for row in rows if "│" in row for cell in row.split("│")]
        assert not [cell for cell in cells if cell and (cell[0] in NOT_FIRST or cell[-1] in NOT_LAST)]


def test_a_label_lends_its_style_to_nothing_else(variants: Any, compared: Any) -> None:
    talk = compared(variants([TOKYO], [TOKYO], []))
    console = SafeConsole(file=talk.shown, width=40, force_terminal=True, color_system="standard", legacy_windows=False)
    talk.screen = Screen(console, SafeConsole(file=io.StringIO()))
    assert "[answer]\x1b[0m\n日本の首都は東京です。\n" in talk.see("/compare 首都は？")


def test_without_a_question_the_last_one_is_asked_of_both_and_the_conversation_stays(
    variants: Any, compared: Any
) -> None:
    model = variants([KYOTO], [TOKYO, TOKYO, TOKYO], [])
    talk = compared(model)
    talk.see("一")
    talk.see("二")
    before = list(talk.conversation.turns)
    talk.see("/compare")
    assert [(len(history), question) for history, question, _ in model.base.asked] == [(1, "二")]
    assert model.asked[-1] == model.base.asked[0]
    assert talk.conversation.turns == before


def test_a_new_question_is_asked_after_the_conversation_so_far(variants: Any, compared: Any) -> None:
    model = variants([KYOTO], [TOKYO, TOKYO], [])
    talk = compared(model)
    talk.see("一")
    talk.see("/compare 二")
    assert [(len(history), question) for history, question, _ in model.base.asked] == [(1, "二")]


def test_the_same_reply_is_called_that(variants: Any, compared: Any) -> None:
    shown = compared(variants([TOKYO], [TOKYO], [])).see("/compare 首都は？")
    assert "both greedy; the same reply\n" in shown
    assert "[-" not in shown and "{+" not in shown


def test_a_sampled_comparison_names_its_seed(variants: Any, compared: Any) -> None:
    config = ChatConfig(temperature=0.7, seed=5)
    model = variants([TOKYO], [KYOTO], [])
    assert "both with temperature 0.7 and seed 5\n" in compared(model, config=config).see("/compare 首都は？")
    assert [asked.seed for _, _, asked in [*model.asked, *model.base.asked]] == [5, 5]


def test_a_folder_is_another_adapter(variants: Any, compared: Any, tmp_path: Path) -> None:
    model = variants([], [TOKYO], [KYOTO])
    shown = compared(model).see(f"/compare {tmp_path} 首都は？")
    assert model.others == [tmp_path]
    assert [question for _, question, _ in model.other.asked] == ["首都は？"]
    head = next(line for line in shown.splitlines() if "│" in line)
    assert [title.strip() for title in head.split("│")] == ["phi-2 + runs/one", "phi-2 + runs/two"]


def test_two_recipes_are_compared_of_any_model(scripted_model: Any, compared: Any) -> None:
    model = scripted_model(TOKYO, KYOTO)
    shown = compared(model).see("/compare a b 首都は？")
    assert [(question, config.recipe) for _, question, config in model.asked] == [("首都は？", "a"), ("首都は？", "b")]
    head = next(line for line in shown.splitlines() if "│" in line)
    assert [title.strip() for title in head.split("│")] == ["recipe a", "recipe b"]


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("/compare", "! /compare: nothing was asked yet"),
        ("/compare a", "! /compare: name two recipes, as in /compare a b"),
        ("/compare a a 首都は？", "! /compare: name two recipes, as in /compare a b"),
        ("/compare runs/none 首都は？", "! /compare: runs/none: no such folder; give one that `train` wrote"),
        ("/compare save", "! /compare save: needs a file name, as in /compare save compared.jsonl"),
        ("/compare save x.jsonl", "! /compare save: nothing was compared yet"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_sentence(variants: Any, compared: Any, line: str, refusal: str) -> None:
    assert compared(variants([], [], [])).see(line) == refusal


def test_a_model_without_variants_is_compared_in_recipes_alone(scripted_model: Any, compared: Any) -> None:
    wanted = "! /compare: scripted has no base and no adapters; /compare a b compares recipes"
    assert compared(scripted_model()).see("/compare 首都は？") == wanted


def test_a_fraction_is_a_question_and_no_folder(variants: Any, compared: Any) -> None:
    model = variants([TOKYO], [TOKYO], [])
    compared(model).see("/compare 1/2 + 1/3 は？")
    assert [question for _, question, _ in model.asked] == ["1/2 + 1/3 は？"]


def pressing_ctrl_c(times: int) -> Iterator[str]:
    yield "\nThe answer is"
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
    yield " the answer is"
    yield "来ない"


def test_ctrl_c_ends_a_reply_and_the_comparison_goes_on(variants: Any, compared: Any) -> None:
    shown = compared(variants([pressing_ctrl_c(1)], [TOKYO], [])).see("/compare 首都は？")
    assert "[interrupted; no answer came; 2 tokens" in shown
    assert "東京です。" in shown


def test_a_second_ctrl_c_ends_the_comparison(variants: Any, compared: Any) -> None:
    talk = compared(variants([pressing_ctrl_c(2)], [TOKYO], []))
    assert talk.see("/compare 首都は？") == "asking phi-2 ...\nstopped at once; there is no comparison"
    assert talk.comparison is None


def test_a_text_of_a_model_comes_out_inert(variants: Any, compared: Any) -> None:
    shown = compared(variants([["\n[/bold]\x1b[2J\n\n### Answer:\na\rb"]], [TOKYO], [])).see("/compare \x07?")
    assert "[/bold]^[[2J" in shown and "a^Mb" in shown and "^G?" in shown


def test_comparisons_are_saved_line_by_line_for_other_tools(variants: Any, compared: Any, tmp_path: Path) -> None:
    path = tmp_path / "compared.jsonl"
    talk = compared(variants([CHINESE, TOKYO], [TOKYO, TOKYO], []))
    talk.see("/compare 首都は？")
    assert talk.see(f"/compare save {path}") == f"saved the comparison to {path}"
    talk.see("/compare 二つめ")
    assert talk.see(f"/compare save {path}") == f"added the comparison to {path}"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(line["side"], line["question"], line["flagged"]) for line in lines] == [
        ("phi-2", "首都は？", True),
        ("phi-2 + runs/one", "首都は？", False),
        ("phi-2", "二つめ", False),
        ("phi-2 + runs/one", "二つめ", False),
    ]
    assert lines[0]["answer_spans"][0]["text"] == "这里"
    assert lines[0]["config"]["temperature"] == 0.0
    assert "日本の首都は这里です。" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content", ["five years of work", '{"instruction": "?"}\n', '["side"]', "[]\n", '["side"]\n', '{"side": 1}']
)
def test_a_file_of_something_else_is_not_written_to(variants: Any, compared: Any, tmp_path: Path, content: str) -> None:
    path = tmp_path / "thesis.txt"
    path.write_text(content)
    talk = compared(variants([TOKYO], [TOKYO], []))
    talk.see("/compare 首都は？")
    wanted = f"! {path}: is not a file of comparisons; give another file name"
    assert talk.see(f"/compare save {path}") == wanted
    assert path.read_text() == content


@pytest.mark.parametrize("length", range(24, 36))
def test_a_title_is_shown_to_its_end_also_where_a_joiner_in_it_joins_nothing(
    length: int, variants: Any, compared: Any
) -> None:
    model = variants([CHINESE], [TOKYO], [])
    model.name = "a" * length + " 👩\u200d\U000cd268$"
    assert "$" in compared(model, 78).see("/compare 首都は？").partition("├")[0].partition("greedy")[2]
