"""Training: `phi2chat train` beside the stock SFTTrainer call, each side a process of its own.

    python benchmarks/train.py --output results.json              # the rows of this machine: a GPU's or the CPU's
    python benchmarks/train.py --rows ours,stock --steps 20       # some of them
    python benchmarks/train.py --list

On a GPU the model is Phi-2's architecture at full size with random weights (2.78 B parameters, bf16), and the records
are Japanese sentences with lognormal lengths: median 300 tokens, sigma 0.6, clipped to 32..2048, prompt 30 %. On a CPU
it is the embedded model in float32 and the median is 100. Random weights learn nothing worth having; what is measured
is speed, memory, and whether both sides have the same loss curve. Tokens are real ones, padding not counted, and both
clocks wait for the GPU at the end of each step and leave the first step out.
"""

import argparse
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

DATA = Path(__file__).parents[1] / "datasets" / "ja-basics.jsonl"
PHI2 = {
    "vocab_size": 51200,
    "hidden_size": 2560,
    "intermediate_size": 10240,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "partial_rotary_factor": 0.4,
    "max_position_embeddings": 2048,
    "hidden_act": "gelu_new",
    "resid_pdrop": 0.1,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
# Of both sides where their losses are compared: no dropout, the same schedule, the same batches.
SAME = {"learning_rate": 2e-4, "warmup_ratio": 0.05, "batch": 4, "steps": 100}


@dataclass(frozen=True)
class Row:
    """One measured training: our options, or those of the stock call."""

    what: str
    where: str  # cuda, cuda2 or cpu
    ours: list[str] | None = None
    stock: dict[str, Any] = field(default_factory=dict)
    data: str = "records"
    same_curve_as: str | None = None


def rows(steps: int) -> dict[str, Row]:
    fast = ["--batch-size", "48", "--max-steps", str(steps)]
    split = ["--batch-size", "24", "--max-steps", str(steps), "--gpus", "2"]
    curve = ["--batch-size", str(SAME["batch"]), "--max-steps", str(SAME["steps"])]
    nf4 = ["--quantize", "nf4", "--gradient-checkpointing", "--batch-size", "1", "--accumulation-steps", "8"]
    small = ["--batch-size", "8", "--max-steps", str(steps)]
    plain = {"batch": 8, "gradient_checkpointing": False}
    return {
        "ours": Row("48 records a step", "cuda", fast),
        "ours-checkpointing": Row("the same, recomputing", "cuda", [*fast, "--gradient-checkpointing"]),
        "stock": Row("padding, batch 4, checkpointing", "cuda", stock={"batch": 4}),
        "stock-packing": Row("packing, batch 8, checkpointing", "cuda", stock={"batch": 8, "packing": True}),
        "curve-ours": Row("4 records a step, no dropout", "cuda", curve, data="curve", same_curve_as="curve-stock"),
        "curve-stock": Row("the same by the stock trainer", "cuda", stock={"same": True}, data="curve"),
        "nf4": Row("4 bits, records of 2,000 tokens", "cuda", [*nf4, "--max-steps", "4"], data="long"),
        "one-gpu": Row("96 records a step, 48 at a time", "cuda2", [*fast, "--accumulation-steps", "2"]),
        "two-gpus": Row("the same, 48 on each of two", "cuda2", [*fast, "--gpus", "2"], same_curve_as="one-gpu"),
        "one-gpu-48": Row("48 records a step", "cuda2", fast),
        "two-gpus-48": Row("the same, 24 on each of two", "cuda2", split, same_curve_as="one-gpu-48"),
        "cpu-ours": Row("8 records a step", "cpu", small),
        "cpu-stock": Row("padding, batch 8, checkpointing", "cpu", stock={"batch": 8}),
        "cpu-stock-plain": Row("padding, batch 8, no checkpointing", "cpu", stock=plain),
    }


def make_work(work: Path, on_gpu: bool, records: int) -> None:
    """The base and the records of all rows, in a folder."""
    import torch
    from transformers import AutoTokenizer

    if on_gpu:
        base = work / "base"
        _make_phi2(base, torch.device("cuda"))
        without_dropout = work / "base-without-dropout"  # the same weights
        shutil.copytree(base, without_dropout, copy_function=os.link)
        config = json.loads((base / "config.json").read_text())
        (without_dropout / "config.json").unlink()
        (without_dropout / "config.json").write_text(json.dumps({**config, "resid_pdrop": 0.0}))
        torch.cuda.empty_cache()
    else:
        from phi2chat.weights.embedded import prepare

        base = prepare(lambda text: None)
        (work / "base").symlink_to(base)
    tokenizer = AutoTokenizer.from_pretrained(work / "base")
    median = 300 if on_gpu else 100
    _make_records(work / "records.jsonl", tokenizer, records, median, 32)
    _make_records(work / "curve.jsonl", tokenizer, SAME["batch"] * SAME["steps"], median, 32)
    _make_records(work / "long.jsonl", tokenizer, 40, 2000, 1990)
    _make_records(work / "eval.jsonl", tokenizer, 8, median, 32, seed=1)


def _make_phi2(folder: Path, device: Any) -> None:
    import torch

    make_tokenizer().save_pretrained(folder)
    make_phi2(device, torch.bfloat16).save_pretrained(folder)


def make_tokenizer() -> Any:
    """A byte-level BPE of 2,000 tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet)
    byte_level.train_from_iterator(DATA.read_text(encoding="utf-8").splitlines(), trainer)
    eos = {"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=byte_level, **eos)


def make_phi2(device: Any, dtype: Any, **changes: Any) -> Any:
    """Phi-2's architecture with random weights."""
    import torch
    from transformers import PhiConfig, PhiForCausalLM

    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    with torch.device(device):
        model = PhiForCausalLM(PhiConfig(**{**PHI2, **changes}))
    torch.set_default_dtype(torch.float32)
    return model.eval()


def _make_records(path: Path, tokenizer: Any, count: int, median: int, shortest: int, seed: int = 0) -> None:
    """Records of real sentences, strung together until each has about the length that was drawn for it."""
    sentences = [json.loads(line)["reasoning"] for line in DATA.read_text(encoding="utf-8").splitlines()]
    lengths = {text: len(tokenizer(text)["input_ids"]) for text in sentences}
    rng = random.Random(seed)

    def text_of(tokens: float) -> str:
        parts = [rng.choice(sentences)]
        while (tokens := tokens - lengths[parts[-1]]) > lengths[sentences[0]] / 2:
            parts.append(rng.choice(sentences))
        return "".join(parts)

    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            total = min(1960, max(shortest, rng.lognormvariate(math.log(median), 0.6))) - 16  # what the prompt adds
            record = {
                "id": f"{seed}-{number}",
                "instruction": text_of(total * 0.3),
                "reasoning": text_of(total * 0.6),
                "answer": text_of(total * 0.1),
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def run_ours(work: Path, row: Row, folder: Path) -> dict[str, Any]:
    base = work / ("base-without-dropout" if row.data == "curve" or row.where == "cuda2" else "base")
    command = ["train", str(work / f"{row.data}.jsonl"), "--base", str(base), "--output-dir", str(folder)]
    command += ["--eval-file", str(work / "eval.jsonl"), "--max-length", "2048", *row.ours]
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "phi2chat", *command], check=True, stdout=sys.stderr)
    run = json.loads((folder / "run.json").read_text())
    return {
        "command": " ".join(["phi2chat train", *row.ours]),
        "tokens_per_s": run["tokens_per_second"],
        "peak_gib": run["peak_memory_gib"],
        "first_step_s": run["first_step_seconds"],
        "whole_command_s": round(time.perf_counter() - started, 1),
        "losses": [loss for _, loss in run["losses"]],
    }


def run_stock(work: Path, row: Row, steps: int) -> dict[str, Any]:
    """As a notebook calls it: prompt and completion columns, and what TRL does with them."""
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from datasets import load_dataset

    on_gpu, same = row.where != "cpu", row.stock.get("same", False)
    batch, packing = row.stock.get("batch", SAME["batch"]), row.stock.get("packing", False)
    wait = torch.cuda.synchronize if on_gpu else lambda: None

    class Clock(TrainerCallback):
        seconds: list[float] = []

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            wait()
            self.start = time.perf_counter()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            wait()
            self.seconds.append(time.perf_counter() - self.start)

    def columns(record: dict[str, str]) -> dict[str, str]:
        prompt = f"### Instruction:\n{record['instruction']}\n\n### Reasoning:"
        return {"prompt": prompt, "completion": f"\n{record['reasoning']}\n\n### Answer:\n{record['answer']}"}

    data = load_dataset("json", data_files=str(work / f"{row.data}.jsonl"), split="train")
    data = data.map(columns, remove_columns=data.column_names)
    base = work / ("base-without-dropout" if same else "base")
    tokenizer = AutoTokenizer.from_pretrained(base)
    if tokenizer.pad_token in (None, tokenizer.eos_token):
        tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    schedule = {"lr_scheduler_type": "cosine", "warmup_steps": SAME["warmup_ratio"]} if same else {}
    arguments = SFTConfig(
        output_dir=str(work / "stock"),
        max_steps=SAME["steps"] if same else steps,
        per_device_train_batch_size=batch,
        max_length=2048,
        packing=packing,
        gradient_checkpointing=row.stock.get("gradient_checkpointing", True),
        bf16=on_gpu,
        use_cpu=not on_gpu,
        learning_rate=SAME["learning_rate"],
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **schedule,
    )
    modules = ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"] if on_gpu else "all-linear"
    dropout = 0.0 if same else 0.05
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=dropout, task_type="CAUSAL_LM", target_modules=modules)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16 if on_gpu else torch.float32)
    model = model.to("cuda" if on_gpu else "cpu")
    loaded = time.perf_counter()
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer, peft_config=lora)
    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    counted = [log["num_tokens"] for log in trainer.state.log_history if "num_tokens" in log]
    return {
        "command": f"SFTTrainer, {row.what}",
        "tokens_per_s": (counted[-1] - counted[0]) / sum(clock.seconds[1:]),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if on_gpu else None,
        "first_step_s": round(clock.start + clock.seconds[-1] - loaded - sum(clock.seconds[1:]), 1),
        "losses": [log["loss"] for log in trainer.state.log_history if "loss" in log],
    }


def measure(work: Path, name: str, steps: int) -> dict[str, Any]:
    row = rows(steps)[name]
    if row.ours is not None:
        folder = Path(tempfile.mkdtemp(dir=work))
        return run_ours(work, row, folder / "run")
    part = work / f"{name}.json"
    command = [sys.executable, __file__, "--stock", name, "--work", str(work), "--steps", str(steps)]
    subprocess.run([*command, "--output", str(part)], check=True, stdout=sys.stderr)
    return dict(json.loads(part.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("train.json"))
    parser.add_argument("--rows", help="names of rows, with commas; all of this machine's by default")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--steps", type=int, default=None, help="steps of the rows of speed [20 on a GPU, 6 on a CPU]")
    parser.add_argument("--repeats", type=int, default=1, help="times to go through the rows, one after the other")
    parser.add_argument("--stock", metavar="ROW", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list:
        for name, row in rows(20).items():
            print(f"{name:20} {row.where:6} {row.what}")
        return
    if options.stock:
        options.output.write_text(
            json.dumps(run_stock(options.work, rows(options.steps)[options.stock], options.steps))
        )
        return
    import torch

    gpus = torch.cuda.device_count()
    steps = options.steps or (20 if gpus else 6)
    places = {"cpu"} if not gpus else {"cuda"} if gpus == 1 else {"cuda2"}
    names = options.rows.split(",") if options.rows else [n for n, row in rows(steps).items() if row.where in places]
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        make_work(Path(folder), gpus > 0, records=steps * (96 if gpus > 1 else 48 if gpus else 8))
        for _ in range(options.repeats):
            for name in names:
                try:
                    measured[name].append(measure(Path(folder), name, steps))
                except subprocess.CalledProcessError as error:  # the rows that went well are worth keeping
                    print(f"{name}: ended with {error.returncode}", file=sys.stderr)
                _write(options.output, measured, steps)
    print(options.output.read_text())
    print(_table(json.loads(options.output.read_text())["rows"]))


def _write(path: Path, measured: dict[str, list[dict[str, Any]]], steps: int) -> None:
    import torch

    result = {
        "device": torch.cuda.get_device_name(0) if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores",
        "versions": {name: version(name) for name in ("torch", "transformers", "trl", "peft", "datasets")},
        "rows": {},
    }
    for name, runs in measured.items():
        if runs:
            speeds = [run["tokens_per_s"] for run in runs]
            result["rows"][name] = {**runs[-1], "tokens_per_s": round(statistics.median(speeds), 1), "runs": speeds}
    for name, row in rows(steps).items():
        if row.same_curve_as in result["rows"] and name in result["rows"]:
            pairs = zip(result["rows"][name]["losses"], result["rows"][row.same_curve_as]["losses"], strict=True)
            result["rows"][name]["largest_loss_difference"] = max(abs(a - b) / b for a, b in pairs)
    path.write_text(json.dumps(result, indent=1) + "\n")


def _table(measured: dict[str, Any]) -> str:
    lines = [f"{'tokens/s':>10}  {'peak GiB':>8}  {'first step':>10}  row"]
    for name, row in measured.items():
        first = f"{row['first_step_s']} s"
        lines.append(
            f"{row['tokens_per_s']:>10,.0f}  {row['peak_gib'] or '':>8}  {first:>10}  {name}: {row['command']}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
