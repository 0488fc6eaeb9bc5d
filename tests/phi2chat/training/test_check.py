"""`train --check`, whole: the report on a terminal, in a pipe and as JSON; its exit code; and that nothing is done."""

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from phi2chat.config import TrainConfig
from phi2chat.terminal.screen import SafeConsole, Screen
from phi2chat.training.check import check
from phi2chat.weights.run import Run

RECORDS = [
    ("東京は", "日本の首都です。", "はい。"),
    ("ソウルは", "韓国の首都です。", "いいえ、違います。"),
]


def write(path: Path, records: list[tuple[str, str, str]]) -> Path:
    names = ("instruction", "reasoning", "answer")
    lines = [{"id": f"{path.stem}{i}", **dict(zip(names, one, strict=True))} for i, one in enumerate(records)]
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines), "utf-8")
    return path


@pytest.fixture
def base(tiny_phi: Path, tmp_path: Path) -> Path:
    """The folder of a tiny Phi without any weights."""
    return Path(shutil.copytree(tiny_phi, tmp_path / "phi", ignore=shutil.ignore_patterns("*.safetensors")))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "eval.jsonl", [(f"{word}は動物ですか。", "考えます。", "はい。") for word in "犬猫鳥馬牛魚虫蛇"])
    return write(tmp_path / "train.jsonl", RECORDS)


def flags(base: Path) -> list[str]:
    return ["--base", str(base), "--device", "cpu", "--eval-file", "eval.jsonl"]


def shown(data: Path, base: Path, width: int, terminal: bool = False, **config: Any) -> tuple[int, str]:
    console = SafeConsole(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system="standard" if terminal else None
    )
    settings = TrainConfig(base=str(base), device="cpu", eval_file=data.parent / "eval.jsonl", **config)
    code = check(data, settings, Screen(console, SafeConsole(file=io.StringIO())), as_json=False)
    return code, console.file.getvalue()  # type: ignore[attr-defined]


def as_json(data: Path, base: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    settings = TrainConfig(base=str(base), device="cpu", eval_file=data.parent / "eval.jsonl")
    code = check(data, settings, Screen(), as_json=True)
    return code, json.loads(capsys.readouterr().out)


TRANSCRIPT = """\
│ records     │ 2 train, 8 eval, 0 too long                                    │
│ tokens      │ N train (N of them trained on), N eval │
│ longest     │ N of 2,048 tokens │
│ budget      │ 2048 tokens are about N characters of your Japanese        │
│ steps       │ 3 of 8 records, 3 epochs                                       │
│ LoRA on     │ dense, fc1, fc2, k_proj, q_proj, v_proj (36,864 parameters     │
│             │ beside 231,936)                                                │
│ end of text │ <|endoftext|>, learned at the end of each record               │
│ time        │ unknown until the first steps, for no run of this base and     │
│             │ device is here to measure by                                   │
│ memory      │ about N GiB at most, give or take a third: weights N GiB,      │
│             │ adapter and optimizer N GiB, activations N GiB, libraries      │
│             │ N GiB, kept by malloc N GiB                                    │
│ free        │ N GiB on cpu                                                   │
└─────────────┴────────────────────────────────────────────────────────────────┘

trained on: ⟦ ... ⟧; median length, train.jsonl:2 ──────────────────────────────
### Instruction:
ソウルは

### Reasoning:⟦
韓国の首都です。

### Answer:
いいえ、違います。<|endoftext|>⟧
nothing found that would make this training wrong, nothing doubtful
"""


def test_the_report_at_80_columns(data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, text = shown(Path("train.jsonl"), base, 80)
    assert code == 0
    assert text.startswith("\ncheck: train.jsonl ──")
    report = text[text.index("│ records") :]
    assert [squeezed(line) for line in report.splitlines()] == [squeezed(line) for line in TRANSCRIPT.splitlines()]


def squeezed(line: str) -> str:
    """The line with the numbers that tokenizer and machine decide as N, whatever their width."""
    line = re.sub(r"\d+\.\d GiB", "N GiB", line)
    if re.match("│ (tokens|longest|budget)", line):
        line = re.sub(r"(?<!\d)(?!2,?048)[\d,]*\d", "N", line)
    return " ".join(line.split())


@pytest.mark.parametrize("width", [40, 80])
def test_no_line_of_the_table_is_wider_than_the_screen(data: Path, base: Path, width: int) -> None:
    from rich.cells import cell_len

    table = [line for line in shown(data, base, width)[1].splitlines() if line and line[0] in "┌│└"]
    assert table
    assert {cell_len(line) for line in table} == {width}


def test_what_is_trained_on_is_coloured_on_a_terminal_and_marked_everywhere(data: Path, base: Path) -> None:
    _, text = shown(data, base, 80, terminal=True)
    trained = re.findall(r"\x1b\[1;32m(.*?)\x1b\[0m", text, flags=re.DOTALL)
    assert trained == ["⟦", "韓国の首都です。", "### Answer:", "いいえ、違います。<|endoftext|>", "⟧"]
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert "⟦\n韓国の首都です。\n\n### Answer:\nいいえ、違います。<|endoftext|>⟧" in plain


def test_text_of_a_record_cannot_steer_the_terminal(data: Path, base: Path) -> None:
    write(data, [("[bold]は\x1b]0;x\x07", "\x1b[31m赤です。", "はい。")])
    _, text = shown(data, base, 80)
    assert "\x1b" not in text
    assert "[bold]は^[]0;x^G" in text


def test_a_long_example_loses_its_middle(data: Path, base: Path) -> None:
    write(data, [("短く", "東京です。" * 300, "はい。")])
    _, text = shown(data, base, 80)
    assert re.search(r" \.\.\. \(\d+ characters\) \.\.\. .*東京です。\n", text)
    assert text.count("<|endoftext|>⟧") == 1


@pytest.mark.parametrize(("terminal", "lines"), [(True, 20), (False, 30)])
def test_a_long_list_is_short_on_a_terminal_and_whole_in_a_pipe(
    data: Path, base: Path, terminal: bool, lines: int
) -> None:
    write(data, [*RECORDS, *((f"{number}は", "数です。", "### Answer:") for number in range(30))])
    code, text = shown(data, base, 200, terminal=terminal)
    assert (code, text.count("[marker]")) == (1, lines)
    assert ("... and 10 more" in text) == terminal
    assert "30 found that would make this training wrong, nothing doubtful; it would not begin" in text


def test_the_time_is_that_of_an_earlier_run_or_unknown(data: Path, base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "old"
    folder.mkdir(parents=True)
    config = {"gradient_checkpointing": False}
    name = str(base.resolve())
    Run(name, "x", config, {}, device="cpu", precision="float32", tokens_per_second=10.0).save(folder)
    _, text = shown(data, base, 300, output_dir=tmp_path / "runs" / "new")
    tokens = int(re.search(r"(\d+) train \(", text)[1])  # type: ignore[index]
    assert f"about {3 * tokens / 10:.0f} s and the evaluations, at 10 tokens/s, see {folder}" in text
    _, text = shown(data, base, 300, output_dir=tmp_path / "elsewhere" / "new")
    assert "unknown until the first steps" in text


# The command


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and "state" not in path.parts}


def test_a_check_writes_nothing_reads_no_weights_and_leaves_in_peace(
    data: Path, base: Path, phi2chat: Any, tmp_path: Path
) -> None:
    before = files_below(tmp_path)
    done = phi2chat("train", "train.jsonl", *flags(base), "--check")
    assert (done.returncode, done.stderr) == (0, "checking 10 records ...\n")
    assert done.stdout.endswith("nothing found that would make this training wrong, nothing doubtful\n")
    assert "\x1b" not in done.stdout
    assert files_below(tmp_path) == before


def test_json_holds_every_finding_and_what_a_training_takes(
    data: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(data, [*RECORDS, *((f"{number}は", "数です。这是中文。", "### Answer:") for number in range(30))])
    code, report = as_json(data, base, capsys)
    assert code == 1
    assert (report["errors"], len(report["findings"])) == (30, 60)
    assert report["findings"][0] == {
        "path": str(data), "line": 3, "column": 1, "end_column": None, "field": "answer",
        "message": 'holds "### Answer:", which marks a part of a prompt; reword it', "rule": "marker", "severity": "error",
    }  # fmt: skip
    assert report["records"] == {"train": 32, "eval": 8}
    assert (report["steps"], report["seconds"], report["parameters"]) == (12, None, 231936)
    assert set(report["memory_bytes"]) == {
        "weights",
        "adapter and optimizer",
        "activations",
        "libraries",
        "kept by malloc",
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["x.jsonl", "--json"], "Error: --json is the form of a --check; give both."),
        (["--check"], "Error: Give the DATA to train on, or --resume DIR."),
        (["--resume", "runs/x", "--check"], "Error: --resume goes on with the data and settings the run began with; give nothing else."),
    ],
)  # fmt: skip
def test_the_command_refuses(phi2chat: Any, arguments: list[str], sentence: str) -> None:
    done = phi2chat("train", *arguments)
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (2, "", sentence)


def test_a_training_names_all_that_is_wrong_and_does_not_begin(
    data: Path, base: Path, phi2chat: Any, tmp_path: Path
) -> None:
    write(data, [*RECORDS, *((f"{number}は", "数です。这是中文。", "### Answer:") for number in range(2))])
    done = phi2chat("train", "train.jsonl", *flags(base), "--output-dir", "run")
    assert (done.returncode, done.stdout) == (1, "")
    marker = 'answer: holds "### Answer:", which marks a part of a prompt; reword it [marker]'
    script = 'reasoning: "这是中文" is Simplified Chinese where reasoning_language is ja [wrong-script]'
    assert [re.sub(r"jsonl:(\d):\d+", r"jsonl:\1", line) for line in done.stderr.splitlines()] == [
        "checking 12 records ...",
        f"train.jsonl:3: {marker}",
        f"train.jsonl:4: {marker}",
        f"train.jsonl:3: {script}",
        f"train.jsonl:4: {script}",
        f"phi2chat: train.jsonl:3: {marker} (and 1 more); the same command with --check shows all",
    ]
    assert not (tmp_path / "run").exists()


def test_the_tokens_that_are_told_are_those_of_the_records(
    data: Path, base: Path, tiny_tokenizer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from curation.records import read_dataset
    from phi2chat.inference.prompt import PromptStyle, encode, render_record

    _, report = as_json(data, base, capsys)
    encoded = [encode(tiny_tokenizer, render_record(PromptStyle(), one)) for _, one in read_dataset(data).records()]
    assert report["tokens"]["train"] == sum(len(one.input_ids) for one in encoded)
    assert report["trained_tokens"]["train"] == sum(sum(one.completion_mask) for one in encoded)
    assert report["longest"]["train"] == max(len(one.input_ids) for one in encoded)
