"""Training speed on Phi-2's architecture at full size: `phi2chat train` beside the stock SFTTrainer call.

    python benchmarks/train_gpu.py --output results.json

Makes a Phi-2 with random weights (2.78 B parameters, bf16) and Japanese records whose lengths are lognormal (median
300 tokens, sigma 0.6, at most 2048) in a temporary folder, trains on them by the command line as a user would, then by
TRL as a notebook does (padding, gradient checkpointing, prompt/completion columns), and prints JSON and a table.
Random weights learn nothing worth having; what is measured is speed and memory.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

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
}
DATA = Path(__file__).parents[1] / "datasets" / "ja-basics.jsonl"


def make_model(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PhiConfig, PhiForCausalLM, PreTrainedTokenizerFast

    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet)
    byte_level.train_from_iterator(DATA.read_text(encoding="utf-8").splitlines(), trainer)
    eos = {"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, **eos)
    tokenizer.save_pretrained(folder)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = PhiForCausalLM(PhiConfig(**PHI2, bos_token_id=0, eos_token_id=0))
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)


def make_records(path: Path, tokenizer_folder: Path, count: int, seed: int = 0) -> None:
    """Records of real sentences, strung together until each has the length that was drawn for it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    sentences = [json.loads(line)["reasoning"] for line in DATA.read_text(encoding="utf-8").splitlines()]
    lengths = {text: len(tokenizer(text)["input_ids"]) for text in sentences}
    rng = random.Random(seed)

    def text_of(tokens: int) -> str:
        parts: list[str] = []
        while not parts or (tokens := tokens - lengths[parts[-1]]) > 0:
            parts.append(rng.choice(sentences))
        return "".join(parts)

    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            total = min(1900, max(64, rng.lognormvariate(math.log(300), 0.6)))
            record = {
                "id": f"r{number}",
                "instruction": text_of(int(total * 0.3)),
                "reasoning": text_of(int(total * 0.6)),
                "answer": text_of(int(total * 0.1)),
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def run_ours(model: Path, data: Path, folder: Path, steps: int, batch: int, checkpointing: bool) -> dict:
    command = ["phi2chat", "train", str(data), "--base", str(model), "--output-dir", str(folder)]
    command += ["--max-steps", str(steps), "--batch-size", str(batch), "--eval-percent", "2"]
    command += ["--gradient-checkpointing"] * checkpointing
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", *command], check=True)
    run = json.loads((folder / "run.json").read_text())
    return {
        "side": " ".join(["phi2chat train", *command[7:]]),
        "steps": run["steps"],
        "tokens_per_s": round(run["tokens_per_second"]),
        "peak_gib": run["peak_memory_gib"],
        "eval_loss": [round(loss, 3) for _, loss in run["eval_losses"]],
        "whole_command_s": round(time.perf_counter() - start, 1),
    }


def run_stock(model: Path, data: Path, folder: Path, steps: int, batch: int) -> dict:
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from datasets import load_dataset

    class Clock(TrainerCallback):
        seconds = 0.0
        steps = 0

        def on_step_begin(self, *args, **kwargs):
            torch.cuda.synchronize()
            self.start = time.perf_counter()

        def on_step_end(self, *args, **kwargs):
            torch.cuda.synchronize()
            self.steps += 1
            if self.steps > 1:  # the first step warms up, on both sides
                self.seconds += time.perf_counter() - self.start

    def columns(row):
        prompt = f"### Instruction:\n{row['instruction']}\n\n### Reasoning:"
        return {"prompt": prompt, "completion": f"\n{row['reasoning']}\n\n### Answer:\n{row['answer']}"}

    rows = load_dataset("json", data_files=str(data), split="train")
    rows = rows.map(columns, remove_columns=rows.column_names)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    arguments = SFTConfig(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=batch,
        max_length=2048,
        packing=False,
        gradient_checkpointing=True,
        bf16=True,
        learning_rate=2e-4,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    targets = ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"]
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, task_type="CAUSAL_LM", target_modules=targets)
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).cuda()
    torch.cuda.reset_peak_memory_stats()
    trainer = SFTTrainer(model=loaded, args=arguments, train_dataset=rows, processing_class=tokenizer, peft_config=lora)
    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    counted = [log["num_tokens"] for log in trainer.state.log_history if "num_tokens" in log]
    return {
        "side": f"stock SFTTrainer, padding, batch {batch}, gradient checkpointing",
        "steps": steps,
        "tokens_per_s": round((counted[-1] - counted[0]) / clock.seconds),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--output", type=Path, default=Path("train_gpu.json"))
    options = parser.parse_args()
    import torch

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        model, data = work / "phi-2-random", work / "records.jsonl"
        make_model(model)
        make_records(data, model, count=options.steps * options.batch + 200)
        torch.cuda.empty_cache()
        rows = [
            run_ours(model, data, work / "ours", options.steps, options.batch, False),
            run_ours(model, data, work / "ours-checkpointing", options.steps, options.batch, True),
            run_stock(model, data, work / "stock", options.steps, options.batch),
        ]
    names = ("torch", "transformers", "trl", "peft", "datasets")
    result = {
        "device": torch.cuda.get_device_name(0),
        "versions": {name: version(name) for name in names},
        "parameters": "Phi-2's architecture, 2.78 B, random weights, bf16, LoRA r=16 on six modules",
        "rows": rows,
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    print(f"\n{'tokens/s':>9}  {'peak GiB':>8}  {'steps':>5}  side")
    for row in rows:
        print(f"{row['tokens_per_s']:>9,}  {row['peak_gib']:>8}  {row['steps']:>5}  {row['side']}")


if __name__ == "__main__":
    main()
