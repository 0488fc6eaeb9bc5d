"""The model card: what the hub reads of it, that its code runs, and that nobody's text breaks out of its place."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from phi2chat.inference.prompt import PromptStyle
from phi2chat.weights.embedded import EMBEDDED_HUB_NAME, EMBEDDED_NAME
from phi2chat.weights.model_card import Subject, licence_of, write_card
from phi2chat.weights.run import Run, read_run

RUN = Run(
    base="microsoft/phi-2",
    data="my.jsonl",
    config={"lora_rank": 16, "lora_alpha": 32, "lora_dropout": 0.05, "batch_size": 8, "accumulation_steps": 2},
    sha256={"/home/me/my.jsonl": "ab" * 32},
    languages=["en", "ja", "zh-Hans"],
    records={"train": 1200, "eval": 80},
    tokens={"train": 90_000, "eval": 6_000},
    losses=[(1, 3.0), (9, 1.5)],
    eval_losses=[(0, 2.5), (6, 1.25), (9, 1.5)],
    best_step=6,
    steps=9,
)


def card(base_dir: Path, **changes: Any) -> str:
    subject = {"kind": "adapter", "name": "my", "base": "microsoft/phi-2", "source": "microsoft/phi-2", "run": RUN}
    subject["style"] = PromptStyle()
    return write_card(Subject(base_dir=base_dir, **{**subject, **changes}))  # type: ignore[arg-type]


def test_the_hub_reads_what_the_card_is_about(tmp_path: Path) -> None:
    data = ModelCard(card(tmp_path)).data.to_dict()
    assert data == {
        "base_model": "microsoft/phi-2",
        "base_model_relation": "adapter",
        "language": ["en", "ja", "zh"],
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["phi2chat", "lora", "sft", "reasoning", "trl"],
    }
    merged = ModelCard(card(tmp_path, kind="merged", dtype="float16")).data.to_dict()
    assert (merged["library_name"], merged["base_model_relation"]) == ("transformers", "finetune")


def test_a_base_that_is_a_folder_is_no_model_of_the_hub(tmp_path: Path) -> None:
    data = ModelCard(card(tmp_path, base="/models/x", source="/models/x")).data.to_dict()
    assert "base_model" not in data and "base_model_relation" not in data


def test_the_card_says_how_the_checkpoint_was_chosen_and_what_the_loss_is_of(tmp_path: Path) -> None:
    config = {**RUN.config, "select_by": "probe-score", "loss_on": "sequence"}
    text = card(tmp_path, run=dataclasses.replace(RUN, config=config), style=PromptStyle(reasoning=""))
    assert "1.2500 (best by probe-score, at step 6 of 9; these weights)" in text
    assert "| loss | question and completion; " in text
    assert "A prompt ends with the marker of the answer, without a newline." in text
    assert "### Reasoning:" not in text


def test_the_card_says_what_the_run_says(tmp_path: Path) -> None:
    text = card(tmp_path)
    for fact in (
        "| records | 1,200 train and 80 eval |",
        "| tokens | 90,000 train and 6,000 eval |",
        "| LoRA | rank 16, alpha 32, dropout 0.05, on ",
        "| train loss | 3.0000 → 1.5000 |",
        "| eval loss | 2.5000 → 1.2500 (best, at step 6 of 9; these weights) |",
        f"| `my.jsonl` | `{'ab' * 32}` |",
        "The base's own files name no licence either.",
    ):
        assert fact in text
    assert "/home/me" not in text


def test_an_adapter_without_a_run_says_so(tmp_path: Path) -> None:
    text = card(tmp_path, run=None)
    assert "What it was trained on and how: the adapter came without a run.json." in text
    assert "## Training" not in text


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        ("---\nlicense: MIT\n---\n", "mit"),
        ("---\nlicense: [a, b]\n---\n", None),
        ("---\nlicense: 'x\n\nevil: yes'\n---\n", None),
        ("---\n{{{\n---\n", None),
        ("no front matter", None),
    ],
)
def test_the_licence_is_what_the_base_says_itself(tmp_path: Path, readme: str, licence: str | None) -> None:
    (tmp_path / "README.md").write_text(readme)
    assert licence_of("microsoft/phi-2", tmp_path) == licence
    assert ModelCard(card(tmp_path)).data.license == licence


def test_the_embedded_model_has_a_licence_and_is_called_what_it_is(tmp_path: Path) -> None:
    text = card(tmp_path, base=EMBEDDED_NAME, source=EMBEDDED_HUB_NAME)
    assert "\nlicense: apache-2.0\n" in text
    assert f"It was trained on `{EMBEDDED_NAME}`, a 4-bit rounding of {EMBEDDED_HUB_NAME}" in text


def test_no_name_breaks_out_of_its_place(tmp_path: Path) -> None:
    evil = "x`\n---\nlicense: mit\n---\n# <script>\x1b[2J|[a](b)"
    run = Run(**{**vars(RUN), "sha256": {evil: "0"}, "lora_modules": [evil]})
    text = card(tmp_path, name=evil, base=evil, source=evil, run=run)
    prose = re.sub(r"^(`{3,})\w*\n.*?^\1$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "\x1b" not in text and "script" in prose and not re.search(r"(?<!\\)[<|]script|(?<!\\)<", prose)
    assert ModelCard(text).data.license is None
    assert sum(line.startswith("# ") for line in text.splitlines()) == 1


def test_the_code_of_the_card_runs_and_answers(
    answering_adapter: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = answering_adapter
    monkeypatch.chdir(folder)
    text = (folder / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    from phi2chat.quiet import quiet_transformers

    with quiet_transformers():
        exec(code.replace("max_new_tokens=512", "max_new_tokens=8"), {})
    assert capsys.readouterr().out.strip()
    assert read_run(folder).languages == ["ja"]
