"""`phi2chat export`: a run -> a model for other programs, as safetensors, GGUF or for Ollama."""

import dataclasses
import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from curation.errors import UserError
from phi2chat.config import DeviceConfig
from phi2chat.inference.prompt import load_style
from phi2chat.training.checkpoints import complete_checkpoints
from phi2chat.units import gib
from phi2chat.weights.llama_cpp import GUIDE, OUTTYPES, convert, convert_command, find_converter, gguf_name, write_guide
from phi2chat.weights.model_card import CARD, Subject, write_card
from phi2chat.weights.run import ADAPTER_FILE, CHECKPOINTS, RUN_FILE, read_run
from phi2chat.weights.templates import modelfile, require_modelfile
from phi2chat.whole_folder import written_whole

if TYPE_CHECKING:
    from phi2chat.terminal.screen import Screen
    from phi2chat.weights.merge import Merged, Plan
    from phi2chat.weights.run import Run

MODELFILE = "Modelfile"
# What Ollama itself reads safetensors of, see https://docs.ollama.com/import; Phi-2 is not among them.
OLLAMA_READS = {"LlamaForCausalLM", "MistralForCausalLM", "GemmaForCausalLM", "Gemma2ForCausalLM", "Phi3ForCausalLM"}


@click.command("export")
@click.argument("run_dir", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--merged", is_flag=True, help="Base and adapter as one model, in safetensors.")
@click.option("--gguf", is_flag=True, help="The merged model and, with llama.cpp's converter, its GGUF file.")
@click.option("--ollama", is_flag=True, help="The merged model with an Ollama Modelfile.")
@click.option("--output-dir", type=click.Path(path_type=Path), help="New folder to write [default: RUN-merged].")
@click.option("--base", "base_name", help="Base model, where RUN is an adapter that somebody else made.")
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bf16", "float16"]),
    default="auto",
    help="How weights are stored; auto is as those of the base [default: auto].",
)
@click.option("--outtype", type=click.Choice(OUTTYPES), default="f16", help="Numbers of the GGUF file [default: f16].")
@click.option(
    "--llama-cpp",
    "llama_cpp_dir",
    type=click.Path(path_type=Path),
    help="Folder of llama.cpp's sources, where its converter is not on the PATH.",
)
@click.option(
    "--device",
    "device_name",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    help="Where to merge and ask [default: auto].",
)
def command(
    run_dir: Path,
    merged: bool,
    gguf: bool,
    ollama: bool,
    output_dir: Path | None,
    base_name: str | None,
    dtype: str,
    outtype: str,
    llama_cpp_dir: Path | None,
    device_name: Literal["auto", "cpu", "cuda"],
) -> None:
    """Make a model for other programs of RUN, the folder of a run or of one of its checkpoints.

    \b
    phi2chat export runs/my-phi-2 --merged
    phi2chat export runs/my-phi-2 --gguf --llama-cpp ~/llama.cpp
    phi2chat export runs/my-phi-2 --gguf --ollama --output-dir my-model
    """
    if not (merged or gguf or ollama):
        raise click.UsageError("Say what to make: --merged, --gguf or --ollama, or several of them.")
    _require_adapter_of_run(run_dir)
    target = output_dir or _default_target(run_dir)
    if os.path.lexists(target):
        raise UserError(f"{target}: already exists; give another folder with --output-dir")
    converter, style = find_converter(llama_cpp_dir) if gguf else None, load_style(run_dir)

    from phi2chat.terminal.screen import Screen
    from phi2chat.weights.adapters import base_of

    base_name = base_name or base_of(run_dir)  # what is refused is refused before torch is imported

    from phi2chat.weights.bases import find_base
    from phi2chat.weights.merge import merge, plan_merge
    from phi2chat.weights.models import place

    screen = Screen()
    device = place(DeviceConfig(device=device_name))[0]
    if ollama:
        require_modelfile(style, target.name)
    base = find_base(base_name, screen.status)
    plan = plan_merge(base, dtype)
    _check_room(target, plan, screen, copies=2 if converter else 1)
    with written_whole(target) as staging:
        model = merge(run_dir, base, style, plan, device, staging, screen.status)
        failure = None
        if converter:
            screen.status("converting to GGUF")
            failure = convert(converter, staging, gguf_name(target), outtype)
        has_gguf = (staging / gguf_name(target)).is_file()
        reads_folder = model.architecture in OLLAMA_READS and not gguf
        if not has_gguf and (gguf or (ollama and not reads_folder)):
            write_guide(staging, target, outtype)
        if ollama:
            source = "." if reads_folder else f"./{gguf_name(target)}"
            content = modelfile(style, source, model.context_tokens, model.eos_token)
            (staging / MODELFILE).write_text(content, encoding="utf-8")
        run, name = _run_and_name(run_dir, target)
        subject = Subject("merged", name, base.name, base.source, base.folder, style, run, plan.dtype)
        (staging / CARD).write_text(write_card(subject), encoding="utf-8")
    report(target, plan, model, outtype, screen)
    if failure:
        raise UserError(f"{target}: holds the merged model, but the converter failed ({failure}); see {GUIDE} there")


def _require_adapter_of_run(folder: Path) -> None:
    """Raise UserError where there is no run, or one that has no adapter yet."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder of a run")
    if (folder / RUN_FILE).is_file() and not (folder / ADAPTER_FILE).is_file():
        run, checkpoints = read_run(folder), complete_checkpoints(folder)
        way_out = f", or export what there is: {checkpoints[-1]}" if checkpoints else ""
        raise UserError(
            f"{folder}: this run has not finished ({run.status});"
            f" go on with `phi2chat train --resume {shlex.quote(str(folder))}`{way_out}"
        )


def _default_target(run_dir: Path) -> Path:
    run_dir = run_dir if run_dir.name not in ("", "..") else run_dir.resolve()
    if run_dir.parent.name == CHECKPOINTS:
        run_dir, step = run_dir.parent.parent, run_dir.name
        return run_dir.with_name(f"{run_dir.resolve().name}-{step}-merged")
    return run_dir.with_name(f"{run_dir.name}-merged")


def _run_and_name(run_dir: Path, target: Path) -> tuple["Run | None", str]:
    """The run that made these weights, as it was when it made them, and what to call what becomes of them."""
    run_dir = run_dir.resolve()
    if (run_dir / RUN_FILE).is_file():
        return read_run(run_dir), target.name
    of_checkpoint = run_dir.parent.parent
    if run_dir.parent.name == CHECKPOINTS and (of_checkpoint / RUN_FILE).is_file():
        step = int(run_dir.name.rpartition("-")[2])
        run = read_run(of_checkpoint)
        losses = [point for point in run.losses if point[0] <= step]
        return dataclasses.replace(run, losses=losses, steps=step, best_step=None), target.name
    return None, target.name


def _check_room(target: Path, plan: "Plan", screen: "Screen", copies: int) -> None:
    """Say what it takes. Raises UserError where the disk has no room for it."""
    screen.note(
        f"{plan.parameters:,} parameters: {gib(plan.memory_bytes)} of memory to merge,"
        f" {gib(plan.disk_bytes * copies)} on the disk as {plan.dtype}"
    )
    existing = next(folder for folder in target.absolute().parents if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < plan.disk_bytes * copies:
        raise UserError(
            f"{target}: needs {gib(plan.disk_bytes * copies)} on the disk, and {gib(free)} are free;"
            " make room, or give a folder on another disk with --output-dir"
        )


def report(target: Path, plan: "Plan", model: "Merged", outtype: str, screen: "Screen") -> None:
    """What was written, whether it answers as the adapter does, and what to do with it."""
    files = {file.name for file in target.iterdir()}
    same = model.asked - len(model.different)
    rows = [
        ["model", str(target)],
        ["weights", f"{plan.parameters:,} as {plan.dtype}"],
        ["answers", f"as the adapter does: {same} of {model.asked} prompts"],
    ]
    if gguf_name(target) in files:
        rows.append(["GGUF", str(target / gguf_name(target))])
    if MODELFILE in files:
        rows.append(["Ollama", str(target / MODELFILE)])
    screen.table(["", ""], rows)
    for prompt in model.different:
        screen.note(f"answers otherwise than the adapter: {prompt}", "warning")
    if model.different and plan.dtype != "float32":
        screen.note(
            f"weights rounded to {plan.dtype} may do that; with --dtype float32 they are not rounded", "warning"
        )
    if GUIDE in files:
        screen.note(f"there is no GGUF file yet; {target / GUIDE} says how llama.cpp makes it, in short:", "warning")
        screen.say(f"  {convert_command(target, outtype)}", wrap=False)
    if MODELFILE in files:
        create = shlex.join(["ollama", "create", target.name, "-f", str(target / MODELFILE)])
        screen.say(f"then: {create}", "note", wrap=False)
    screen.say(f"chat with it: phi2chat repl --base {shlex.quote(str(target))}", "note", wrap=False)
