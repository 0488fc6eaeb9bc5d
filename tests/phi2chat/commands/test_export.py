"""Export, whole: a run in, a model for other programs out that answers alike; nothing half-written, all faults said."""

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors import SafetensorError

from curation.errors import UserError
from curation.records import read_dataset
from phi2chat.commands.export import report
from phi2chat.config import ModelConfig, TrainConfig
from phi2chat.inference.prompt import PromptStyle, load_style, render_prompt
from phi2chat.terminal.screen import SafeConsole, Screen
from phi2chat.training.trainer import train
from phi2chat.weights.bases import find_base
from phi2chat.weights.embedded import EMBEDDED_NAME
from phi2chat.weights.llama_cpp import convert_command
from phi2chat.weights.merge import PROBES, Merged, Plan, merge, plan_merge
from phi2chat.weights.models import load
from phi2chat.whole_folder import written_whole

SETTINGS = {"device": "cpu", "batch_size": 4, "learning_rate": 1e-2, "max_steps": 8, "eval_steps": 4}


class Silent:
    """Hears what a run reports."""

    def status(self, text: str) -> None: ...

    note = status

    def training_progress(self, progress: object) -> None: ...


@pytest.fixture
def run_dir(answering_adapter: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of a finished run, to work on."""
    return Path(shutil.copytree(answering_adapter[0], tmp_path / "runs" / "known"))


def greedy(model: Any, tokenizer: Any, prompt: str, tokens: int = 200) -> list[int]:
    """What transformers' own generate answers."""
    inputs = tokenizer(prompt, return_tensors="pt")
    with torch.inference_mode():
        reply = model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
    return [int(token) for token in reply[0, inputs["input_ids"].shape[1] :]]


def load_folder(folder: Path) -> tuple[Any, Any]:
    """A model folder as any program of transformers loads it."""
    return (
        transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        transformers.AutoTokenizer.from_pretrained(folder),
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_merged_model_answers_in_transformers_what_the_adapter_was_taught(
    run_dir: Path, answering_adapter: tuple[Path, Path], phi2chat: Any, tmp_path: Path
) -> None:
    done = phi2chat("export", "runs/known", "--merged")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "known-merged"
    assert names(folder) == {
        "README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors",
        "prompt.json", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert f"as the adapter does: {len(PROBES)} of {len(PROBES)} prompts" in done.stdout
    assert done.stdout.endswith("chat with it: phi2chat repl --base runs/known-merged\n")
    assert names(tmp_path / "runs") == {"known", "known-merged"}

    model, tokenizer = load_folder(folder)
    adapted = load(ModelConfig(adapter=run_dir, device="cpu"), print)
    for _, record in read_dataset(answering_adapter[1]).records():
        prompt = tokenizer.apply_chat_template([{"role": "user", "content": record.instruction}], tokenize=False)
        reply = greedy(model, tokenizer, prompt)
        assert tokenizer.decode(reply, skip_special_tokens=True).endswith(record.answer)
        assert reply == greedy(adapted.model, adapted.tokenizer, prompt)


def test_the_merged_model_is_talked_to_with_its_own_prompt(run_dir: Path, phi2chat: Any, tmp_path: Path) -> None:
    style = {"instruction": "Q:", "input": "I:", "reasoning": "R:", "answer": "A:"}
    (run_dir / "prompt.json").write_text(json.dumps(style))
    assert phi2chat("export", run_dir, "--merged", "--output-dir", "m").returncode == 0
    assert load(ModelConfig(base=str(tmp_path / "m"), device="cpu"), print).style == PromptStyle(**style)
    assert json.loads((tmp_path / "m" / "prompt.json").read_bytes()) == style
    assert '"Q:\\n"' in (tmp_path / "m" / "chat_template.jinja").read_text()


@pytest.mark.parametrize(
    ("stored", "asked", "written"),
    [
        (torch.bfloat16, "auto", torch.bfloat16),
        (torch.float16, "auto", torch.float16),
        (torch.bfloat16, "float32", torch.float32),
        (torch.float32, "bf16", torch.bfloat16),
    ],
)
def test_weights_are_merged_in_float32_and_stored_as_those_of_the_base(
    run_dir: Path, tiny_phi: Path, tmp_path: Path, stored: torch.dtype, asked: str, written: torch.dtype
) -> None:
    from safetensors.torch import load_file

    base_dir = Path(shutil.copytree(tiny_phi, tmp_path / "base"))
    small = transformers.AutoModelForCausalLM.from_pretrained(base_dir, dtype=stored)
    small.save_pretrained(base_dir)
    (tmp_path / "out").mkdir()
    base = find_base(str(base_dir), print)
    plan = plan_merge(base, asked)
    merge(run_dir, base, load_style(run_dir), plan, torch.device("cpu"), tmp_path / "out", print)
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {written}
    assert sum(weight.numel() for weight in weights.values()) == plan.parameters
    exact = load(ModelConfig(base=str(base_dir), adapter=run_dir, device="cpu", precision="float32"), print).model
    wanted = exact.merge_and_unload().state_dict()
    assert all(torch.equal(weight, wanted[name].to(written)) for name, weight in weights.items())


def test_a_merge_that_answers_otherwise_is_said(tmp_path: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    screen = Screen(SafeConsole(file=out, width=100), SafeConsole(file=err, width=100))
    report(tmp_path, Plan(7, "bf16", 1, 1), Merged("Phi", 2048, "end", 4, ("日本の首都は？",)), "f16", screen)
    assert "as the adapter does: 3 of 4 prompts" in out.getvalue()
    assert err.getvalue().splitlines() == [
        "answers otherwise than the adapter: 日本の首都は？",
        "weights rounded to bf16 may do that; with --dtype float32 they are not rounded",
    ]


def test_what_a_merged_model_answers_otherwise_is_found(run_dir: Path, tiny_phi: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    base = find_base(str(tiny_phi), print)
    plan = plan_merge(base, "bf16")
    done = merge(run_dir, base, load_style(run_dir), plan, torch.device("cpu"), tmp_path / "out", print)
    adapted, style = load(ModelConfig(adapter=run_dir, device="cpu"), print), load_style(run_dir)
    model, tokenizer = load_folder(tmp_path / "out")
    different = [
        probe
        for probe in PROBES
        if greedy(model, tokenizer, render_prompt(style, probe), 64)
        != greedy(adapted.model, tokenizer, render_prompt(style, probe), 64)
    ]
    assert list(done.different) == different


def test_large_weights_come_in_shards(run_dir: Path, tiny_phi: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    base = find_base(str(tiny_phi), print)
    plan = plan_merge(base, "auto")
    done = merge(
        run_dir, base, load_style(run_dir), plan, torch.device("cpu"), tmp_path / "out", print, largest_shard="300KB"
    )
    assert done.different == ()
    assert len(list((tmp_path / "out").glob("model-*-of-*.safetensors"))) > 2


@pytest.mark.slow
def test_a_licence_of_the_base_goes_with_the_model(
    run_dir: Path, tiny_phi: Path, phi2chat: Any, tmp_path: Path
) -> None:
    base = Path(shutil.copytree(tiny_phi, tmp_path / "base"))
    (base / "LICENSE").write_text("as is")
    (base / "README.md").write_text("---\nlicense: mit\n---\n# base\n")
    assert phi2chat("export", run_dir, "--merged", "--base", base, "--output-dir", "m").returncode == 0
    assert (tmp_path / "m" / "LICENSE").read_text() == "as is"
    assert "\nlicense: mit\n" in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")


# GGUF and Ollama

CONVERTER = """
import pathlib, sys
model, _, outfile, *rest = sys.argv[1:]
assert (pathlib.Path(model) / "model.safetensors").is_file()
print("an escape: \\x1b[31m and the end")
if "FAIL" in pathlib.Path(__file__).parent.name:
    sys.exit(3)
pathlib.Path(outfile).write_text("GGUF " + " ".join(rest))
"""


def llama_cpp(folder: Path) -> Path:
    """A llama.cpp folder whose converter notes what it was called with."""
    folder.mkdir()
    (folder / "convert_hf_to_gguf.py").write_text(CONVERTER)
    return folder


def test_llama_cpps_converter_makes_the_gguf_that_ollama_is_given(run_dir: Path, phi2chat: Any, tmp_path: Path) -> None:
    there = llama_cpp(tmp_path / "llama.cpp")
    done = phi2chat("export", run_dir, "--gguf", "--ollama", "--llama-cpp", there, "--outtype", "q8_0")
    folder = tmp_path / "runs" / "known-merged"
    assert done.returncode == 0, done.stderr
    assert (folder / "known-merged.gguf").read_text() == "GGUF --outtype q8_0 --model-name known-merged"
    assert (folder / "Modelfile").read_text(encoding="utf-8").startswith("FROM ./known-merged.gguf\n")
    assert "CONVERT.md" not in names(folder)


@pytest.mark.slow
def test_without_a_converter_the_command_to_run_stands_beside_the_model(
    run_dir: Path, phi2chat: Any, tmp_path: Path
) -> None:
    done = phi2chat("export", run_dir, "--gguf", "--ollama", PATH="/nowhere")
    folder = tmp_path / "runs" / "known-merged"
    assert done.returncode == 0, done.stderr
    command = convert_command(folder, "f16")
    assert command in (folder / "CONVERT.md").read_text(encoding="utf-8")
    assert f"  {command}\n" in done.stdout
    assert (folder / "Modelfile").read_text(encoding="utf-8").startswith("FROM ./known-merged.gguf\n")


@pytest.mark.slow
def test_a_converter_that_fails_leaves_the_merged_model_and_says_why(
    run_dir: Path, phi2chat: Any, tmp_path: Path
) -> None:
    done = phi2chat("export", run_dir, "--gguf", "--llama-cpp", llama_cpp(tmp_path / "FAIL"))
    folder = tmp_path / "runs" / "known-merged"
    assert (done.returncode, "\x1b" in done.stderr) == (1, False)
    wanted = "but the converter failed (an escape: ^[[31m and the end); see CONVERT.md there"
    assert done.stderr.splitlines()[-1].endswith(wanted)
    assert {"CONVERT.md", "model.safetensors"} < names(folder)
    assert not list(folder.glob("*.gguf"))


# What is refused, and leaves nothing


def fault(done: Any, tmp_path: Path) -> str:
    assert (done.returncode, done.stdout) == (1, "")
    assert not [path for path in tmp_path.rglob("*") if "merged" in path.name or path.name.endswith(".partial")]
    return str(done.stderr.splitlines()[-1])


def test_no_run_is_said(phi2chat: Any, tmp_path: Path) -> None:
    wanted = "phi2chat: runs/none: no such folder; give the folder of a run"
    assert fault(phi2chat("export", "runs/none", "--merged"), tmp_path) == wanted
    (tmp_path / "empty").mkdir()
    wanted = "phi2chat: empty/prompt.json: no such file; check the path"
    assert fault(phi2chat("export", "empty", "--merged"), tmp_path) == wanted


def test_nothing_asked_for_is_a_usage_error(run_dir: Path, phi2chat: Any) -> None:
    done = phi2chat("export", run_dir)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "Error: Say what to make: --merged, --gguf or --ollama, or several of them."


def test_a_run_that_has_not_finished_says_how_to_go_on(run_dir: Path, phi2chat: Any, tmp_path: Path) -> None:
    (run_dir / "adapter_model.safetensors").unlink()
    text = (run_dir / "run.json").read_text(encoding="utf-8").replace('"finished"', '"interrupted"')
    (run_dir / "run.json").write_text(text, encoding="utf-8")
    wanted = (
        "phi2chat: runs/known: this run has not finished (interrupted); go on with `phi2chat train --resume runs/known`,"
        " or export what there is: runs/known/checkpoints/checkpoint-200"
    )
    assert fault(phi2chat("export", "runs/known", "--merged"), tmp_path) == wanted


@pytest.mark.slow
def test_a_checkpoint_is_exported_as_what_it_is(tiny_phi: Path, ja_basics: Path, phi2chat: Any, tmp_path: Path) -> None:
    data = tmp_path / "some.jsonl"
    data.write_bytes(b"".join(ja_basics.read_bytes().splitlines(True)[:30]))
    train(data, TrainConfig(base=str(tiny_phi), output_dir=tmp_path / "run", **SETTINGS), Silent())
    done = phi2chat("export", "run/checkpoints/checkpoint-4", "--merged")
    assert done.returncode == 0, done.stderr
    card = (tmp_path / "run-checkpoint-4-merged" / "README.md").read_text(encoding="utf-8")
    assert "| optimization | 4 steps of 4 x 1 records" in card
    assert "these weights" not in card


def test_a_base_that_is_gone_is_said(run_dir: Path, phi2chat: Any, tmp_path: Path) -> None:
    done = phi2chat("export", run_dir, "--merged", "--base", tmp_path / "gone")
    assert fault(done, tmp_path).startswith(f"phi2chat: {tmp_path / 'gone'}: is no model folder;")


def test_the_base_of_a_stranger_is_not_loaded(run_dir: Path, phi2chat: Any, tmp_path: Path) -> None:
    (run_dir / "run.json").unlink()
    settings = json.loads((run_dir / "adapter_config.json").read_bytes())
    claim = json.dumps({**settings, "base_model_name_or_path": "evil/\x1b[2Jmodel"})
    (run_dir / "adapter_config.json").write_text(claim)
    assert fault(phi2chat("export", run_dir, "--merged"), tmp_path) == (
        f'phi2chat: {run_dir}: has no run.json that says its base (its adapter_config.json claims "evil/^[[2Jmodel");'
        " name the base with --base"
    )


def test_a_folder_that_exists_is_left_alone(run_dir: Path, phi2chat: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    done = phi2chat("export", run_dir, "--merged", "--output-dir", "mine")
    assert fault(done, tmp_path) == "phi2chat: mine: already exists; give another folder with --output-dir"
    assert names(tmp_path / "mine") == set()


def test_a_place_that_cannot_be_written_is_said(run_dir: Path, phi2chat: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = phi2chat("export", run_dir, "--merged", "--output-dir", "file/m")
    assert fault(done, tmp_path).startswith("phi2chat: file/m: cannot be written (")
    if os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        done = phi2chat("export", run_dir, "--merged", "--output-dir", "closed/m")
        assert (
            fault(done, tmp_path)
            == "phi2chat: closed/m: cannot be written (Permission denied); give another --output-dir"
        )


def test_a_folder_that_is_no_llama_cpp_is_said(run_dir: Path, phi2chat: Any, tmp_path: Path) -> None:
    done = phi2chat("export", run_dir, "--gguf", "--llama-cpp", tmp_path)
    wanted = f"phi2chat: {tmp_path}: has no convert_hf_to_gguf.py; give the folder of llama.cpp's sources"
    assert fault(done, tmp_path) == wanted


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(UserError) as raised, written_whole(tmp_path / "m") as staging:
        (staging / "half").write_text("half")
        raise error
    assert str(raised.value) == f"{tmp_path / 'm'}: the disk is full; nothing was written, make room first"
    assert names(tmp_path) == set()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_is_half_written_is_removed_when_the_system_asks_to_end(tmp_path: Path, signum: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "m") as staging:
        (staging / "half").write_text("half")
        os.kill(os.getpid(), signum)
    assert names(tmp_path) == set()


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(run_dir: Path, tmp_path: Path, clean_environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "phi2chat", "export", run_dir, "--merged"],
        env=clean_environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr
    for line in process.stderr:
        if line.startswith("asking the adapter"):
            assert [path for path in (tmp_path / "runs").iterdir() if path.name.endswith(".partial")]
            process.send_signal(signal.SIGINT)
            break
    rest = process.communicate(timeout=100)[1]
    assert (process.returncode, rest.splitlines()[-1]) == (130, "phi2chat: interrupted")
    assert names(tmp_path / "runs") == {"known"}


@pytest.mark.slow
def test_the_embedded_model_answers_merged_as_with_its_adapter(ja_basics: Path, phi2chat: Any, tmp_path: Path) -> None:
    data = tmp_path / "few.jsonl"
    data.write_bytes(b"".join(ja_basics.read_bytes().splitlines(True)[:24]))
    settings = {**SETTINGS, "learning_rate": 2e-3, "max_steps": 3, "eval_steps": 3, "batch_size": 2}
    train(data, TrainConfig(base=EMBEDDED_NAME, output_dir=tmp_path / "run", **settings), Silent())
    done = phi2chat("export", "run", "--ollama")
    assert done.returncode == 0, done.stderr
    assert f"as the adapter does: {len(PROBES)} of {len(PROBES)} prompts" in done.stdout
    assert (tmp_path / "run-merged" / "Modelfile").read_text(encoding="utf-8").startswith("FROM .\n")
    assert "Apache License" in (tmp_path / "run-merged" / "LICENSE").read_text(encoding="utf-8")
    merged, tokenizer = load_folder(tmp_path / "run-merged")
    adapted = load(ModelConfig(adapter=tmp_path / "run", device="cpu"), print)
    prompt = render_prompt(adapted.style, PROBES[0])
    assert greedy(merged, tokenizer, prompt, 48) == greedy(adapted.model, adapted.tokenizer, prompt, 48)
