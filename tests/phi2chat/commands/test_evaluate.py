"""`phi2chat evaluate`: what is asked, kept, shown, and gone on with, with a tiny model and its adapter."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest
from loopback import delta, serving, stream

from curation.errors import UserError
from curation.records import Record, read_dataset
from phi2chat.commands.evaluate import command
from phi2chat.evaluation.contenders import name_models
from phi2chat.evaluation.results import EVALUATION_FILE, Cell, read_evaluation, writing_alone
from phi2chat.evaluation.scores import compare

SETTINGS = ["--device", "cpu", "--max-new-tokens", "60"]


def evaluate(*words: object) -> None:
    command.main([str(word) for word in words], prog_name="evaluate", standalone_mode=False)


@pytest.fixture(scope="module")
def known(answering_adapter: tuple[Path, Path]) -> list[Record]:
    return [record for _, record in read_dataset(answering_adapter[1]).records()]


@pytest.fixture(scope="module")
def probes(known: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three questions that the adapter knows, one of which expects something else, and one to be read only."""
    path = tmp_path_factory.mktemp("probes") / "probes.jsonl"
    lines: list[dict[str, Any]] = [
        {"id": f"known-{n}", "instruction": one.instruction, "category": "known", "expect": one.answer}
        for n, one in enumerate(known[:3])
    ]
    lines[2] |= {"expect": "まったく違うこと", "category": "other"}
    lines.append({"id": "read", "instruction": known[3].instruction, "judge": "none"})
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(answering_adapter: tuple[Path, Path], probes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of the base and the adapter by two recipes."""
    folder = tmp_path_factory.mktemp("evaluations") / "first"
    words = [probes, "--adapter", answering_adapter[0], "--with-base", "--recipe", "chat", "--recipe", "b", *SETTINGS]
    evaluate(*words, "--batch-size", 3, "--output", folder)
    return folder


def cells_of(folder: Path, model: str, recipe: str) -> list[Cell]:
    return [cell for cell in read_evaluation(folder).cells if (cell.model, cell.recipe) == (model, recipe)]


def test_every_model_is_asked_every_probe_by_every_recipe(folder: Path, answering_adapter: tuple[Path, Path]) -> None:
    evaluation = read_evaluation(folder)
    base, adapter = evaluation.models
    assert (base.kind, adapter.kind, adapter.label) == ("base", "adapter", answering_adapter[0].name)
    assert [cell.key for cell in evaluation.cells] == [
        (probe, model.label, recipe, 0)
        for model in (base, adapter)
        for recipe in ("chat", "b")
        for probe in ("known-0", "known-1", "known-2", "read")
    ]
    assert evaluation.status == "done" and evaluation.wanted == 16
    assert evaluation.device == "cpu, float32"
    assert {"phi2chat", "torch", "transformers"} <= evaluation.versions.keys()


def test_the_adapter_knows_what_it_was_taught_and_the_base_does_not(folder: Path, known: list[Record]) -> None:
    cells = cells_of(folder, "run", "chat")
    assert [cell.answer for cell in cells] == [record.answer for record in known[:4]]
    assert [cell.reasoning for cell in cells] == [record.reasoning for record in known[:4]]
    assert [cell.verdict for cell in cells] == ["right", "right", "wrong", "unjudged"]
    assert all(cell.form and cell.language_ok and cell.adapter_sha256 for cell in cells)
    base = read_evaluation(folder).models[0].label
    assert {cell.verdict for cell in cells_of(folder, base, "chat")} == {"wrong", "unjudged"}


def test_what_was_decided_and_what_came_of_it_is_kept(folder: Path, probes: Path) -> None:
    kept = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    assert kept["probe_files"][0]["path"] == str(probes) and len(kept["probe_files"][0]["sha256"]) == 64
    assert kept["probes"]["known-0"]["category"] == "known"
    assert (kept["settings"]["max_new_tokens"], kept["settings"]["batch_size"]) == (60, 3)
    assert [(one["model"], one["recipe"]) for one in kept["totals"]["summaries"]][2:] == [("run", "chat"), ("run", "b")]
    assert {one["opinion"] for one in kept["totals"]["differences"]} == {"cannot tell"}
    assert isinstance(kept["models"][1]["eval_loss"], float)
    assert "known-0" in (folder / "report.html").read_text(encoding="utf-8")


def test_an_evaluation_that_was_cut_short_goes_on_where_it_was(folder: Path, capsys: Any) -> None:
    before = read_evaluation(folder).cells
    results = folder / "results.jsonl"
    lines = results.read_bytes().splitlines(keepends=True)
    results.write_bytes(b"".join(lines[:9]) + lines[9][:50])
    evaluate("--resume", folder, "--device", "cpu")
    after = read_evaluation(folder).cells
    assert [cell.key for cell in after] == [cell.key for cell in before]
    assert [(cell.answer, cell.verdict) for cell in after] == [(cell.answer, cell.verdict) for cell in before]
    out = capsys.readouterr().out
    assert "│ known " in out and "2 of 3 " in out and " [21-94] " in out


def test_an_evaluation_goes_on_with_smaller_batches_unless_its_samples_depend_on_them(folder: Path) -> None:
    before = read_evaluation(folder).cells
    results = folder / "results.jsonl"
    results.write_bytes(b"".join(results.read_bytes().splitlines(keepends=True)[:5]))
    evaluate("--resume", folder, "--batch-size", 1, "--device", "cpu")
    found = read_evaluation(folder)
    assert [(cell.key, cell.answer) for cell in found.cells] == [(cell.key, cell.answer) for cell in before]
    assert (found.status, found.settings["batch_size"]) == ("done", 1)
    dataclasses.replace(found, settings={**found.settings, "temperature": 0.7}).save(folder)
    with pytest.raises(click.UsageError, match="samples depend on what they are written beside"):
        evaluate("--resume", folder, "--batch-size", 2)
    found.save(folder)


def test_another_batch_size_is_not_written_into_an_evaluation_that_goes_on_elsewhere(folder: Path) -> None:
    before = (folder / EVALUATION_FILE).read_bytes()
    with writing_alone(folder), pytest.raises(UserError, match="another evaluation is writing there"):
        evaluate("--resume", folder, "--batch-size", 2)
    assert (folder / EVALUATION_FILE).read_bytes() == before


def test_what_is_there_already_is_not_written_over(folder: Path, probes: Path) -> None:
    with pytest.raises(UserError, match=r"is there already; give another folder, or go on with --resume"):
        evaluate(probes, "--output", folder)


@pytest.mark.parametrize(("least", "fails"), [(0.6, False), (0.7, True)])
def test_a_score_that_is_too_low_ends_with_1_and_the_base_may_be_as_low_as_it_is(
    folder: Path, least: float, fails: bool
) -> None:
    path = folder / "evaluation.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    kept["settings"]["fail_under"] = least
    path.write_text(json.dumps(kept), encoding="utf-8")
    if fails:
        sentence = r"^run, recipe chat: 0\.667 of the answers are right, less than --fail-under 0\.7$"
        with pytest.raises(UserError, match=sentence):
            evaluate("--resume", folder)
    else:
        evaluate("--resume", folder)


def test_json_is_one_object_on_stdout(folder: Path, capsys: Any) -> None:
    kept = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    kept["settings"]["fail_under"] = None
    (folder / "evaluation.json").write_text(json.dumps(kept), encoding="utf-8")
    evaluate("--resume", folder, "--json")
    assert json.loads(capsys.readouterr().out)["totals"] == kept["totals"]


def test_an_adapter_that_was_trained_on_meanwhile_is_not_gone_on_with(folder: Path) -> None:
    path = folder / "evaluation.json"
    content = path.read_bytes()
    kept = json.loads(content)
    kept["models"][1]["adapter_sha256"] = "0" * 64
    path.write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(UserError, match="has changed since the evaluation began; evaluate it anew"):
        evaluate("--resume", folder)
    path.write_bytes(content)


def test_samples_differ_and_come_out_the_same_again(
    answering_adapter: tuple[Path, Path], probes: Path, tmp_path: Path
) -> None:
    words = [probes, "--adapter", answering_adapter[0], "--samples", 2, "--temperature", 3, *SETTINGS]
    replies = []
    for name in ("first", "second"):
        evaluate(*words, "--output", tmp_path / name)
        replies.append([(cell.sample, cell.reasoning) for cell in read_evaluation(tmp_path / name).cells])
    assert replies[0] == replies[1]
    assert {text for sample, text in replies[0] if sample == 0} != {text for sample, text in replies[0] if sample == 1}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "There are no probes: name a file, such as datasets/probes/ja-basics.jsonl."),
        (
            ["p.jsonl", "--samples", "3"],
            "--samples: give a --temperature above 0 too; greedy replies are all the same.",
        ),
        (["p.jsonl", "--model", "x"], "--model, --style and --raw are for a server; name it with --endpoint URL."),
        (["--resume", "x", "--seed", "3"], "--resume goes on with what was asked for; leave out seed."),
    ],
)
def test_wrong_usage_is_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(click.UsageError) as error:
        evaluate(*words)
    assert error.value.message == sentence


def test_a_missing_adapter_or_probe_file_is_said_before_a_model_is_loaded(probes: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder; give one that `train` wrote"):
        evaluate(probes, "--adapter", tmp_path / "none", "--output", tmp_path / "out")
    with pytest.raises(UserError, match="no such file; check the path"):
        evaluate(tmp_path / "none.jsonl", "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_models_have_the_shortest_names_that_tell_them_apart(answering_adapter: tuple[Path, Path]) -> None:
    run = answering_adapter[0]
    checkpoint = next((run / "checkpoints").iterdir())
    rows = name_models("org/base", [run, checkpoint], True, None, [])
    assert [row.label for row in rows] == ["base", "run", checkpoint.name]
    assert [row.base for row in rows] == ["org/base"] * 3
    assert rows[1].run == rows[2].run == str(run)
    served = name_models(None, [], False, "http://localhost:8000", ["one", "two"])
    assert [(row.kind, row.server) for row in served] == [("endpoint", "one"), ("endpoint", "two")]
    assert [row.label for row in name_models(None, [], False, None, [])] == ["phi-2"]
    with pytest.raises(UserError, match="is named twice"):
        name_models("base", [run, run], False, None, [])


def test_a_model_of_a_server_stands_beside_an_adapter_in_every_recipe(
    answering_adapter: tuple[Path, Path], probes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving({"talk": stream(delta("知りません。"), delta(reason="stop"))}) as server:
        models = ["--adapter", answering_adapter[0], "--endpoint", server.url("talk"), "--model", "far"]
        words = ["--recipe", "b", "--recipe", "chat", "--equal-budget", *SETTINGS, "--output", tmp_path / "out"]
        evaluate(probes, *models, *words)
        budgets = {asked.body["max_tokens"] for asked in server.asked if asked.body}
    found = read_evaluation(tmp_path / "out")
    assert (found.status, len(found.cells), budgets) == ("done", 2 * 2 * 4, {60})
    far = [cell for cell in found.cells if cell.model.startswith("far at ")]
    assert {(cell.answer, cell.recipe) for cell in far} == {("知りません。", "b"), ("知りません。", "chat")}
    assert [one.verdict for one in far].count("wrong") == 6
    worse = [one for one in compare(found) if one.measure == "score" and one.against_model == found.models[0].label]
    assert any(one.difference < 0 and one.opinion == "cannot tell" for one in worse)  # of three probes


@pytest.mark.slow
def test_the_embedded_model_is_evaluated_from_the_command_line(phi2chat: Any, ja_basics: Path, tmp_path: Path) -> None:
    probes = ja_basics.parent / "probes" / "ja-basics.jsonl"
    lines = probes.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "few.jsonl").write_text("".join(lines[::70]), encoding="utf-8")
    done = phi2chat("evaluate", "few.jsonl", "--base", "smollm2-135m", "--max-new-tokens", 24, "--device", "cpu")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    (folder,) = (tmp_path / "evaluations").iterdir()
    evaluation = read_evaluation(folder)
    assert (len(evaluation.cells), evaluation.status) == (2, "done")
    assert all(cell.tokens for cell in evaluation.cells)
    assert "smollm2" in done.stdout and f"every reply: evaluations/{folder.name}/report.html" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda signum: signum.name)
def test_whatever_stops_an_evaluation_its_replies_stay_and_it_goes_on(
    answering_adapter: tuple[Path, Path],
    ja_basics: Path,
    phi2chat: Any,
    clean_environment: dict[str, str],
    tmp_path: Path,
    signum: signal.Signals,
) -> None:
    lines = (ja_basics.parent / "probes" / "ja-basics.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "p.jsonl").write_text("".join(lines[:40]), encoding="utf-8")
    words = ["evaluate", "p.jsonl", "--adapter", str(answering_adapter[0]), *SETTINGS, "--batch-size", "2"]
    results = tmp_path / "out" / "results.jsonl"
    command = [sys.executable, "-m", "phi2chat", *words, "--output", "out"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=clean_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as going:
        while going.poll() is None and not (results.exists() and results.stat().st_size):
            time.sleep(0.05)
        going.send_signal(signum)
        _, told = going.communicate(timeout=100)
    before = read_evaluation(tmp_path / "out").cells
    assert 0 < len(before) < 40
    if signum != signal.SIGKILL:
        assert going.returncode == 130
        note = f"{len(before)} of 40 replies are in out; go on with: phi2chat evaluate --resume out"
        assert note in told.decode()
        assert (tmp_path / "out" / "report.html").exists()
    assert phi2chat("evaluate", "--resume", "out", "--device", "cpu").returncode == 0
    after = read_evaluation(tmp_path / "out")
    assert after.cells[: len(before)] == before
    assert (len(after.cells), after.status) == (40, "done")


def test_a_score_that_is_too_low_ends_the_command_with_1(
    phi2chat: Any, answering_adapter: tuple[Path, Path], probes: Path
) -> None:
    done = phi2chat("evaluate", probes, "--adapter", answering_adapter[0], *SETTINGS, "--fail-under", 0.9)
    assert done.returncode == 1
    sentence = "phi2chat: run, recipe chat: 0.667 of the answers are right, less than --fail-under 0.9"
    assert done.stderr.splitlines()[-1] == sentence
