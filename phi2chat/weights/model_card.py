"""The model card: what a run or a merged model is, how it was made, how to use it, and what nobody knows about it."""

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from phi2chat.inference.prompt import PromptStyle, render_completion, render_prompt
from phi2chat.terminal.safe_text import safe
from phi2chat.weights.embedded import EMBEDDED_HUB_NAME, EMBEDDED_NAME, SMOLLM2
from phi2chat.weights.run import Run

CARD = "README.md"
LARGEST_README = 1_000_000  # bytes; a base's own README is read for its licence alone
QUESTION = "日本の首都はどこですか？"
_EXAMPLE = ("「首都」は国の政府がある都市のことです。日本の政府は東京にあります。", "東京です。")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Subject:
    """What a card is about.

    `base` is how the user named the base, `source` its hub name or path, `base_dir` the folder of its files. `run` is
    None for an adapter that somebody else made; `dtype` is that of merged weights.
    """

    kind: Literal["adapter", "merged"]
    name: str
    base: str
    source: str
    base_dir: Path
    style: PromptStyle
    run: Run | None
    dtype: str = ""


def write_card(subject: Subject) -> str:
    """The card as Markdown with the YAML front matter of the Hugging Face hub."""
    licence = licence_of(subject.base, subject.base_dir)
    sections = [
        f"# {_plain(subject.name)}",
        _summary(subject),
        *_usage(subject),
        *_prompt(subject.style),
        *(_training(subject.run) if subject.run else []),
        *_unknown(subject, licence),
    ]
    return f"---\n{_front_matter(subject, licence)}\n---\n\n" + "\n\n".join(sections) + "\n"


def licence_of(base: str, base_dir: Path) -> str | None:
    """The licence that the base's own files name, as the hub spells it, or None where they name none."""
    from huggingface_hub import ModelCard

    if base == EMBEDDED_NAME:
        return SMOLLM2.licence.lower()
    readme = base_dir / CARD
    try:
        if readme.stat().st_size > LARGEST_README:
            return None
        named = ModelCard.load(readme, ignore_metadata_errors=True).data.license
    except Exception:  # a file that is not ours, read by a library; a card can do without it
        return None
    return named.lower() if isinstance(named, str) and re.fullmatch(r"[\w.-]{1,60}", named, re.ASCII) else None


def _front_matter(subject: Subject, licence: str | None) -> str:
    from huggingface_hub import ModelCardData

    on_hub = _HUB_NAME.fullmatch(subject.source) is not None  # a path of this machine would name nothing there
    languages = sorted({tag.partition("-")[0].lower() for tag in subject.run.languages}) if subject.run else []
    merged = subject.kind == "merged"
    data = ModelCardData(
        base_model=subject.source if on_hub else None,
        base_model_relation=("finetune" if merged else "adapter") if on_hub else None,
        language=languages or None,
        library_name="transformers" if merged else "peft",
        license=licence,
        pipeline_tag="text-generation",
        tags=["phi2chat", "lora", "sft", "reasoning", "trl"],
    )
    return data.to_yaml()


def _summary(subject: Subject) -> str:
    what = "A LoRA adapter for" if subject.kind == "adapter" else "A LoRA adapter merged into"
    stored = f", stored as {subject.dtype}" if subject.dtype else ""
    text = f"{what} {_code(subject.source)}{stored}. It is asked an instruction, reasons, and answers."
    if subject.base == EMBEDDED_NAME:
        text += (
            f" It was trained on `{EMBEDDED_NAME}`, a 4-bit rounding of {EMBEDDED_HUB_NAME}; on the original it may"
            " answer a little differently."
        )
    return text


def _usage(subject: Subject) -> Iterable[str]:
    merged = subject.kind == "merged"
    flags = "--base ." if merged else f"--adapter . --base {_verbatim(shlex.quote(subject.base))}"
    prompt = json.dumps(render_prompt(subject.style, QUESTION), ensure_ascii=False)
    base = json.dumps("." if merged else subject.source, ensure_ascii=False)
    yield "## Use"
    yield f"With phi2chat, in this folder:\n\n```sh\nphi2chat repl {flags}\n```"
    imports = "" if merged else "from peft import PeftModel\n"
    adapter = "" if merged else 'model = PeftModel.from_pretrained(model, ".")\n'
    yield f"""With transformers{"" if merged else " and PEFT"}:

```python
{imports}from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({base})
model = AutoModelForCausalLM.from_pretrained({base})
{adapter}inputs = tokenizer({prompt}, return_tensors="pt")
reply = model.generate(**inputs, max_new_tokens=512, do_sample=False)
print(tokenizer.decode(reply[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
```"""


def _prompt(style: PromptStyle) -> Iterable[str]:
    yield "## Prompt"
    example = render_prompt(style, QUESTION) + render_completion(style, *_EXAMPLE)
    yield (
        f"A prompt ends with the marker of the {style.opens}, without a newline. The model goes on from there and"
        " ends with its end-of-text token. There is no system prompt. The markers are in `prompt.json`."
    )
    yield f"````text\n{example}\n````"


def _training(run: Run) -> Iterable[str]:
    config = run.config
    lora = f"rank {config.get('lora_rank')}, alpha {config.get('lora_alpha')}, dropout {config.get('lora_dropout')}"
    batch = f"{config.get('batch_size')} x {config.get('accumulation_steps')} records"
    learned = "question and completion" if config.get("loss_on") == "sequence" else "completion only"
    yield "## Training"
    rows = {
        "made with": f"phi2chat {run.phi2chat}, "
        + ", ".join(f"{name} {number}" for name, number in run.versions.items()),
        "records": " and ".join(f"{count:,} {side}" for side, count in run.records.items())
        + (f", {len(run.dropped)} left out as too long" if run.dropped else ""),
        "tokens": " and ".join(f"{count:,} {side}" for side, count in run.tokens.items()),
        "languages": ", ".join(run.languages) or "not recorded",
        "LoRA": f"{lora}, on {', '.join(run.lora_modules)} ({run.trainable_parameters:,} parameters)",
        "optimization": f"{run.steps} steps of {batch}, peak learning rate {config.get('learning_rate')}, cosine,"
        f" seed {config.get('seed')}",
        "ran on": f"{run.device} in {run.precision}",
        "loss": f"{learned}; eval loss is the mean over completion tokens, in nats",
        **_losses(run),
    }
    yield _table(["", ""], [[name, _plain(str(text))] for name, text in rows.items()])
    yield _table(
        ["data", "SHA-256"],
        [[_code(Path(path).name), _code(str(digest))] for path, digest in sorted(run.sha256.items())],
    )


def _losses(run: Run) -> dict[str, str]:
    rows = {}
    if run.losses:
        rows["train loss"] = f"{run.losses[0][1]:.4f} → {run.losses[-1][1]:.4f}"
    by_step = dict(run.eval_losses)
    if run.eval_losses and run.best_step in by_step:
        first, best = run.eval_losses[0][1], by_step[run.best_step]
        rows["eval loss"] = (
            f"{first:.4f} → {best:.4f} ({run.chosen_as}, at step {run.best_step} of {run.steps}; these weights)"
        )
    return rows


def _unknown(subject: Subject, licence: str | None) -> Iterable[str]:
    yield "## What is not known"
    facts = [
        "Whether its answers are right: the eval loss says how likely the answers of the eval records are to it, and"
        " nothing else was measured here.",
        "How it behaves in languages, on subjects and with instructions that its records do not hold, and what it has"
        " kept of the faults and biases of its base.",
        "The licence of the records, and so of what may be done with the weights made from them."
        + (
            f" Of the base, its own files say {licence}."
            if licence
            else " The base's own files name no licence either."
        ),
    ]
    if subject.run is None:
        facts.insert(0, "What it was trained on and how: the adapter came without a run.json.")
    yield "\n".join(f"- {fact}" for fact in facts)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _plain(text: Any) -> str:
    """Text that is not ours on one line of Markdown, with what would be read as markup escaped."""
    return re.sub(r"([\\`*<>\[\]])", r"\\\1", safe(" ".join(str(text).split())))


def _code(text: str) -> str:
    return f"`{_verbatim(text)}`"


def _verbatim(text: str) -> str:
    """Text that is not ours for a place where Markdown reads no markup, and only backticks would end it."""
    return safe(" ".join(text.split())).replace("`", "'")
