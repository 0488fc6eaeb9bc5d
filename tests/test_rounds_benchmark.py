"""The table of benchmarks/rounds.py: which trainings a row is made of."""

import dataclasses
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from made_cells import cell, evaluation

from phi2chat.evaluation.results import ModelRow

PATH = Path(__file__).parents[1] / "benchmarks" / "rounds.py"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PATH.with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its dataclass looks for itself, and the other file for this one
    spec.loader.exec_module(module)
    return module


tables, benchmark = load("rounds_tables"), load("rounds")


def rows(*adapters: str | None) -> list[ModelRow]:
    return [ModelRow(str(place), "adapter" if path else "base", "b", path) for place, path in enumerate(adapters)]


def named(*adapters: str | None) -> list[tuple[str, str]]:
    return [(what, model.label) for what, model in tables.named(rows(*adapters))]


def test_a_run_that_ended_with_its_best_step_counts_among_the_last_steps() -> None:
    found = named(None, "runs/all-42", "runs/all-43", "runs/all-42/checkpoints/checkpoint-335")
    assert found == [("base", "0"), ("all", "1"), ("all", "2"), ("last step", "3"), ("last step", "2")]


def test_where_no_last_step_is_asked_there_is_none() -> None:
    found = named("runs/all-42", "runs/answer-only-42", "runs/250-43")
    assert found == [("all", "0"), ("answer only", "1"), ("250", "2")]


def test_a_choice_has_a_last_step_of_its_own() -> None:
    found = named("runs/no-Chinese-42", "runs/no-Chinese-43", "runs/no-Chinese-43/checkpoints/checkpoint-335")
    assert found == [
        ("no Chinese", "0"),
        ("no Chinese", "1"),
        ("no Chinese, last step", "2"),
        ("no Chinese, last step", "0"),
    ]


def test_a_last_step_is_compared_with_a_last_step() -> None:
    right = {"0": 20, "1": 10, "2": 15, "3": 5}  # all-42, no-Chinese-42, and of both the last step
    folders = ("runs/all-42", "runs/no-Chinese-42")
    models = rows(*folders, *(f"{folder}/checkpoints/checkpoint-9" for folder in folders))
    cells = [cell(label, number, number < count) for label, count in right.items() for number in range(20)]
    found = tables.differences([dataclasses.replace(evaluation(*cells), models=tuple(models))])
    scores = {row["what"]: row["mean"] for row in found if row["measure"] == "score"}
    assert scores == {"no Chinese": -0.5, "last step": -0.25, "no Chinese, last step": -0.5}


def test_a_row_is_the_mean_over_seeds_with_the_lowest_and_the_highest() -> None:
    models = [
        dataclasses.replace(row, eval_loss=loss)
        for row, loss in zip(rows("runs/all-42", "runs/all-43"), (1, 2), strict=True)
    ]
    cells = [cell("0", number, number < 3, answer="", reasoning="東京") for number in range(4)]
    cells += [cell("1", number, number < 1, language_ok=number < 2) for number in range(4)]
    cells.append(dataclasses.replace(cells[0], probe="p9", verdict="unjudged", answer="", reasoning=""))
    (row,) = tables.summarize([dataclasses.replace(evaluation(*cells), models=tuple(models))])
    assert (row["what"], row["seeds"], row["eval loss"]) == ("all", 2, [1.5, 1, 2])
    assert row["right"] == [50, 25, 75]
    assert row["script"] == [65, 50, 80]  # as in an evaluation: one that says nothing is in no script
    assert row["probes right"] is None


def test_a_choice_is_compared_with_all_by_the_seeds_that_both_have() -> None:
    right = {"0": range(20), "1": range(0), "2": range(10)}  # all-42, all-43, answer-only-42
    cells = {label: [cell(label, number, number in those) for number in range(20)] for label, those in right.items()}
    both = dataclasses.replace(evaluation(*cells["0"], *cells["1"]), models=tuple(rows("runs/all-42", "runs/all-43")))
    label = dataclasses.replace(rows("runs/answer-only-42")[0], label="2")
    found = tables.differences([both, dataclasses.replace(evaluation(*cells["2"]), models=(label,))])
    (score,) = (row for row in found if row["measure"] == "score")
    assert (score["what"], score["mean"], score["opinion"]) == ("answer only", -0.5, "worse")
    assert (score["up"], score["down"], score["probes"]) == (0, 10, 20)


def test_a_training_that_was_not_asked_yet_is_in_no_table() -> None:
    models = rows("runs/all-42", "runs/250-42", "runs/250-43")
    cells = [cell(label, number, number < count) for label, count in (("0", 20), ("1", 10)) for number in range(20)]
    asked = [dataclasses.replace(evaluation(*cells), models=tuple(models))]
    assert [(row["what"], row["seeds"], row["right"]) for row in tables.summarize(asked)] == [
        ("all", 1, [100, 100, 100]),
        ("250", 1, [50, 50, 50]),
    ]
    (score,) = (row for row in tables.differences(asked) if row["measure"] == "score")
    assert (score["what"], score["mean"], score["up"], score["down"]) == ("250", -0.5, 0, 10)


def test_a_part_is_of_whole_families_and_the_same_for_a_seed() -> None:
    lines = [f'{{"id": "{number}", "family": "{number // 4}"}}\n' for number in range(100)]
    part = benchmark.draw(lines, 30, 1)
    assert 30 <= len(part) < 34 and part == benchmark.draw(lines, 30, 1) != benchmark.draw(lines, 30, 2)
    assert all(len([line for line in part if line in lines[start : start + 4]]) in (0, 4) for start in range(0, 100, 4))
    assert part == [line for line in lines if line in part]


def test_libraries_that_read_the_environment_are_not_imported_before_it_is_set() -> None:
    code = f"import runpy, sys; sys.path.insert(0, {str(PATH.parent)!r})"
    code += f"; runpy.run_path({str(PATH)!r}, run_name='looked_at')"
    code += "; print(sorted({'torch', 'transformers', 'huggingface_hub', 'tokenizers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
