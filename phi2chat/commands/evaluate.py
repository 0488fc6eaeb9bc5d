"""`phi2chat evaluate`: probes x models x recipes; every reply kept, judged, counted, and shown on one page."""

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from curation.errors import UserError
from phi2chat.config import (
    ChatConfig,
    DeviceConfig,
    EndpointConfig,
    EvaluateConfig,
    build,
    from_json,
    to_json,
    with_options,
)
from phi2chat.terminal.safe_text import json_line

if TYPE_CHECKING:
    from phi2chat.evaluation.contenders import Status
    from phi2chat.evaluation.results import Evaluation, ModelRow
    from phi2chat.terminal.screen import Screen

RECIPES = get_args(ChatConfig.__dataclass_fields__["recipe"].type)
OF_EACH_PROBE = ("recipe", "lang", "reasoning_lang")  # settings of a reply that are no settings of the whole
PATH = click.Path(path_type=Path)


@click.command("evaluate")
@click.argument("probes", nargs=-1, type=PATH)
@click.option("--base", metavar="BASE", help="Base of the adapters [default: their own], or what to ask by itself.")
@click.option("--adapter", "adapters", multiple=True, type=PATH, help="A trained run or checkpoint; may be repeated.")
@click.option("--with-base", is_flag=True, help="Ask the base without an adapter too; others are compared with it.")
@click.option("--recipe", "recipes", multiple=True, type=click.Choice(RECIPES), help="May be repeated [default: chat].")
@with_options(EvaluateConfig)
@with_options(ChatConfig, without=OF_EACH_PROBE)
@with_options(DeviceConfig)
@click.option("--model", "served", multiple=True, metavar="NAME", help="The server's name of a model; may be repeated.")
@with_options(EndpointConfig, without=("model",))
@click.option("--resume", type=PATH, metavar="DIR", help="Go on with an evaluation that was cut short.")
@click.option("--lm-eval", metavar="TASKS", help="Tasks of lm-evaluation-harness to run too; probes may be left out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout instead of the tables.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    probes: tuple[Path, ...],
    resume: Path | None,
    lm_eval: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Ask models the probes of JSONL files, judge the answers, and say which model is better, if that can be told.

    A probe is a question with what its answer has to say; records, and .txt with a question a line, will do.
    Of a record without `expect`, the answer says what is right: its number, its word or name, yes or no, in any
    sentence. A translation, a sentence or a paragraph is neither right nor wrong, and measured by its likeness.
    Every reply is kept in results.jsonl, and report.html shows all of them. Exit code 1 with --fail-under.

    \b
    phi2chat evaluate datasets/probes/ja-basics.jsonl --adapter runs/demo --with-base
    """
    from phi2chat.evaluation.results import read_evaluation, writing_alone
    from phi2chat.evaluation.score_table import seen_sentences
    from phi2chat.terminal.screen import Screen

    screen = Screen()
    config = build(EvaluateConfig, flags)
    if lm_eval and resume is None:
        from phi2chat.evaluation.harness import require_harness

        require_harness(_name_models(flags))
        if not probes:
            _run_harness(_new_folder(config.output, datetime.now(UTC)), lm_eval, flags, as_json, screen)
            return
    if resume is None:
        if not probes:
            raise click.UsageError("There are no probes: name a file, such as datasets/probes/ja-basics.jsonl.")
        folder, evaluation = _begin(probes, config, flags)
        screen.note(f"{evaluation.wanted:,} replies go to {folder}")
        for sentence in seen_sentences(evaluation):
            screen.note(sentence, "warning")
    else:
        _require_no_other_options(ctx)
        folder, evaluation = resume, read_evaluation(resume)
    with writing_alone(folder):
        if ctx.get_parameter_source("batch_size") is click.core.ParameterSource.COMMANDLINE and resume is not None:
            _change_batch_size(folder, config.batch_size)
        _carry_out(folder, read_evaluation(folder), flags, as_json, screen)
    if lm_eval:
        _run_harness(folder, lm_eval, flags, as_json, screen)
    evaluation = read_evaluation(folder)
    fail_under = config.fail_under if resume is None else evaluation.settings.get("fail_under")
    if fail_under is not None:
        _require_score(evaluation, float(fail_under))


def _carry_out(
    folder: Path, evaluation: "Evaluation", flags: Mapping[str, Any], as_json: bool, screen: "Screen"
) -> None:
    """Ask what is missing, and show what there is; raises UserError where replies broke off."""
    from phi2chat.evaluation.report_page import write_report
    from phi2chat.evaluation.results import read_evaluation
    from phi2chat.terminal.interrupts import ending_as_interrupt
    from phi2chat.training_rounds.moved_page import moved_sections

    try:
        with ending_as_interrupt():
            broken_off = run(folder, evaluation, build(DeviceConfig, flags), screen.status)
    except (KeyboardInterrupt, UserError):
        screen.end_progress()
        so_far = read_evaluation(folder)
        write_report(so_far, folder)
        done = f"{len(so_far.cells):,} of {so_far.wanted:,} replies are in {folder}"
        screen.note(f"{done}; go on with: phi2chat evaluate --resume {folder}")
        raise
    screen.end_progress()
    evaluation = read_evaluation(folder)
    page = write_report(evaluation, folder, moved_sections(evaluation, folder))
    _show(evaluation, page, as_json, screen)
    if broken_off:
        raise UserError(f"{broken_off} replies broke off; ask for them with: phi2chat evaluate --resume {folder}")


def run(folder: Path, evaluation: "Evaluation", device: DeviceConfig, progress: "Status") -> int:
    """Ask for the replies that are missing, write each as it comes, and the totals at the end; how many broke off.

    Raises UserError where a model cannot be had or an adapter has changed; what was written stays.
    """
    from curation.records import Record
    from phi2chat.evaluation.asking import Way, ask_probes
    from phi2chat.evaluation.contenders import open_models, require_unchanged
    from phi2chat.evaluation.results import append_cells, read_evaluation
    from phi2chat.evaluation.scores import compare, summarize

    require_unchanged(evaluation.models)
    settings = evaluation.settings
    chat, asked = (_take(kind, settings) for kind in (ChatConfig, EvaluateConfig))
    endpoint = _take(EndpointConfig, settings)
    probes = {name: Record(data) for name, data in evaluation.probes.items()}
    ways = [
        Way.of(recipe, sample, chat, asked.equal_budget)
        for recipe in evaluation.recipes
        for sample in range(asked.samples)
    ]
    done = {cell.key for cell in evaluation.cells}
    missing = [
        row
        for row in evaluation.models
        if any((name, row.label, way.recipe, way.sample) not in done for name in probes for way in ways)
    ]
    wanted, count, said = evaluation.wanted, len(done), ""

    def watch(written: int) -> None:  # only the bar moves within a batch: a log gets no line for each step
        progress(said, min(count + written, wanted), wanted)

    for row, model in open_models(missing, device, endpoint, progress):
        evaluation = _with_device(evaluation, model, folder)
        for way in ways:
            progress(said := f"{count:,}/{wanted:,} {row.label}, recipe {way.recipe}", count, wanted)
            for cells in ask_probes(model, row, probes, way, asked.batch_size, done, watch):
                append_cells(folder, cells)
                count += len(cells)
                progress(said := f"{count:,}/{wanted:,} {row.label}, recipe {way.recipe}", count, wanted)
        del model  # its weights make room before those of the next one come
    whole = read_evaluation(folder)
    totals = {
        "summaries": [dataclasses.asdict(one) for one in summarize(whole)],
        "differences": [dataclasses.asdict(one) for one in compare(whole)],
    }
    finished = datetime.now(UTC).isoformat(timespec="seconds") if count == whole.wanted else None
    status: Literal["running", "done"] = "done" if finished else "running"
    dataclasses.replace(whole, status=status, finished=finished, totals=totals).save(folder)
    return whole.wanted - count


def _begin(probes: Sequence[Path], config: EvaluateConfig, flags: Mapping[str, Any]) -> tuple[Path, "Evaluation"]:
    from importlib.metadata import version

    from phi2chat import __version__
    from phi2chat.evaluation.asking import read_probe_files
    from phi2chat.evaluation.results import Evaluation
    from phi2chat.evaluation.seen import count_choosing, count_seen_by_run

    chat, endpoint = build(ChatConfig, flags), build(EndpointConfig, flags)
    if endpoint.endpoint is None and (endpoint != EndpointConfig() or flags["served"]):
        raise click.UsageError("--model, --style and --raw are for a server; name it with --endpoint URL.")
    if config.samples > 1 and chat.temperature == 0:
        raise click.UsageError("--samples: give a --temperature above 0 too; greedy replies are all the same.")
    files, read = read_probe_files(probes)
    probes_by_id = {name: dict(record.data) for name, record in read.items()}
    rows = [
        dataclasses.replace(
            row,
            seen=count_seen_by_run(probes_by_id, Path(row.run)),
            chosen_by=count_choosing(probes_by_id, Path(row.run), row.adapter_sha256),
        )
        if row.run
        else row
        for row in _name_models(flags)
    ]
    settings = {**to_json(endpoint), **to_json(chat), **to_json(config)}
    now = datetime.now(UTC)
    evaluation = Evaluation(
        probe_files=tuple(files),
        probes=probes_by_id,
        models=tuple(rows),
        recipes=tuple(dict.fromkeys(flags["recipes"])) or ("chat",),
        settings={name: value for name, value in settings.items() if name not in (*OF_EACH_PROBE, "model", "output")},
        versions={
            "phi2chat": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers", "peft")},
        },
        device="",
        made=now.isoformat(timespec="seconds"),
    )
    folder = _new_folder(config.output, now)
    evaluation.save(folder)
    return folder, evaluation


def _name_models(flags: Mapping[str, Any]) -> "list[ModelRow]":
    from phi2chat.evaluation.contenders import name_models

    endpoint = build(EndpointConfig, flags).endpoint
    return name_models(flags["base"], flags["adapters"], flags["with_base"], endpoint, flags["served"])


def _run_harness(folder: Path, tasks: str, flags: Mapping[str, Any], as_json: bool, screen: "Screen") -> None:
    from phi2chat.evaluation.harness import run_harness

    rows, device = _name_models(flags), build(DeviceConfig, flags)
    batch_size = build(EvaluateConfig, flags).batch_size
    scores = run_harness(rows, tasks, folder, device, batch_size, screen.status)
    screen.end_progress()
    if as_json:
        print(json_line([dataclasses.asdict(score) for score in scores]))
        return
    screen.table(
        ["task", "metric", "model", "value", "± standard error"],
        [[one.task, one.metric, one.model, f"{one.value:.4f}", "" if one.error is None else f"{one.error:.4f}"]
         for one in scores],
    )  # fmt: skip
    screen.note(f"what the harness wrote: {folder / 'lm-eval'}")


def _new_folder(wanted: Path | None, now: datetime) -> Path:
    if wanted is not None:
        if wanted.exists() and (not wanted.is_dir() or any(wanted.iterdir())):
            raise UserError(f"{wanted}: is there already; give another folder, or go on with --resume {wanted}")
        wanted.mkdir(parents=True, exist_ok=True)
        return wanted
    name = now.astimezone().strftime("%Y-%m-%d-%H%M%S")
    for number in range(1, 1000):
        folder = Path("evaluations") / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise UserError(f"evaluations/{name}: is there already; give another folder with --output")


def _take(kind: type[Any], settings: Mapping[str, Any]) -> Any:
    own = {field.name for field in dataclasses.fields(kind)}
    given = {name: value for name, value in settings.items() if name in own}
    return from_json(kind, given, "evaluation.json")


def _require_no_other_options(ctx: click.Context) -> None:
    allowed = {"resume", "as_json", "batch_size", *(field.name for field in dataclasses.fields(DeviceConfig))}
    given = [name for name in ctx.params if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE]
    if others := [name for name in given if name not in allowed]:
        shown = ", ".join(others)
        raise click.UsageError(f"--resume goes on with what was asked for; leave out {shown}.")


def _change_batch_size(folder: Path, batch_size: int) -> None:
    """Go on with another batch size, as where memory was full. Raises UsageError where replies depend on it."""
    from phi2chat.evaluation.results import read_evaluation

    evaluation = read_evaluation(folder)
    if evaluation.settings.get("temperature"):
        raise click.UsageError("--batch-size: samples depend on what they are written beside; begin anew with it.")
    dataclasses.replace(evaluation, settings={**evaluation.settings, "batch_size": batch_size}).save(folder)


def _with_device(evaluation: "Evaluation", model: object, folder: Path) -> "Evaluation":
    """The evaluation with the place where its models run, once one is there."""
    from phi2chat.evaluation.contenders import describe_place

    place = describe_place(model)
    if evaluation.device or not place:
        return evaluation
    placed = dataclasses.replace(evaluation, device=place)
    placed.save(folder)
    return placed


def _show(evaluation: "Evaluation", page: Path, as_json: bool, screen: "Screen") -> None:
    if as_json:
        print(json_line({name: value for name, value in dataclasses.asdict(evaluation).items() if name != "cells"}))
        return
    from phi2chat.evaluation.score_table import show_scores

    show_scores(evaluation, screen)
    screen.note(f"every reply: {page}")


def _require_score(evaluation: "Evaluation", least: float) -> None:
    """Raise UserError where a model that was trained or served, or a base that is alone, scores less."""
    from phi2chat.evaluation.scores import summarize

    tested = {row.label for row in evaluation.models if row.kind != "base"} or {row.label for row in evaluation.models}
    for summary in summarize(evaluation):
        if summary.model in tested and (summary.score is None or summary.score.share < least):
            share = (
                "nothing was judged" if summary.score is None else f"{summary.score.share:.3f} of the answers are right"
            )
            raise UserError(f"{summary.model}, recipe {summary.recipe}: {share}, less than --fail-under {least:g}")
