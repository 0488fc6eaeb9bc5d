"""The front door is light: the data side needs no torch, and help comes without any library of Hugging Face."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
HEAVY = {"torch", "transformers", "trl", "peft", "datasets"}
SLOW_TO_LOAD = HEAVY | {
    "rich",
    "prompt_toolkit",
    "jsonschema",
    "matplotlib",
    "yaml",
    "tokenizers",
    "huggingface_hub",
    "httpx2",
    "openpyxl",
    "pyarrow",
}
CURATION = sorted((REPOSITORY / "curation").rglob("*.py"))

RECORDS = (
    '{"id": "a", "instruction": "日本の首都は？", "reasoning": "国会があります。", "answer": "東京です。"}\n'
    '{"id": "b", "instruction": "1+1は？", "reasoning": "1の次は2です。", "answer": "2です。"}\n'
)


def modules_after(code: str, env: dict[str, str], folder: Path) -> set[str]:
    """The top-level modules that stand in sys.modules when the code has run, or has left by sys.exit."""
    script = (
        f"import sys\ntry:\n    {code}\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines())


def run_cli(*argv: str) -> str:
    return f"sys.argv = {['phi2chat', *argv]!r}; from phi2chat.cli import main; main()"


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["--version"],
        ["curate", "--help"],
        ["curate", "add", "--help"],
        ["curate", "import", "--help"],
        ["script", "--help"],
        ["completion", "bash"],
    ],
    ids=" ".join,
)
def test_help_is_given_without_a_library_that_is_slow_to_load(
    argv: list[str], clean_environment: dict[str, str], tmp_path: Path
) -> None:
    assert modules_after(run_cli(*argv), clean_environment, tmp_path) & SLOW_TO_LOAD == set()


@pytest.mark.parametrize(
    "argv",
    [
        ["train", "--help"],
        ["repl", "--help"],
        ["ask", "--help"],
        ["curate", "validate", "x.jsonl"],
        ["curate", "list", "x.jsonl"],
        ["curate", "show", "x.jsonl", "a"],
        ["curate", "add", "x.jsonl", "--instruction", "問い", "--reasoning", "考えます。", "--answer", "答えです。"],
        ["curate", "edit", "x.jsonl", "a"],
        ["curate", "rm", "x.jsonl", "a", "--yes"],
        ["curate", "split", "x.jsonl", "--eval", "50%"],
        ["curate", "import", "y.csv", "--into", "x.jsonl"],
        ["curate", "export", "x.jsonl", "y.parquet", "--format", "parquet"],
        ["curate", "stats", "x.jsonl"],
        ["curate", "check-split", "x.jsonl", "z.jsonl"],
        ["script", "check", "x.jsonl"],
    ],
    ids=lambda argv: " ".join(argv[:2]),
)
def test_no_command_on_data_imports_the_libraries_of_the_model(
    argv: list[str], clean_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "x.jsonl").write_text(RECORDS, encoding="utf-8")
    (tmp_path / "y.csv").write_text("instruction,output,reasoning\n2+2は？,4です。,足します。\n", encoding="utf-8")
    (tmp_path / "z.jsonl").write_text('{"instruction": "2+2は？", "answer": "4です。"}\n', encoding="utf-8")
    assert modules_after(run_cli(*argv), {**clean_environment, "EDITOR": "true"}, tmp_path) & HEAVY == set()


def test_the_data_side_loads_without_the_rest(clean_environment: dict[str, str], tmp_path: Path) -> None:
    names = [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__") for path in CURATION
    ]
    loaded = modules_after(f"import {', '.join(names)}", clean_environment, tmp_path)
    assert "curation" in loaded
    assert loaded & (HEAVY | {"phi2chat", "rich", "prompt_toolkit", "click"}) == set()
