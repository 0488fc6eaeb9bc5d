"""Generation: phi2chat's engine beside transformers' plain generate, in one process.

    python benchmarks/generate.py --output generate.json

On a GPU the model is Phi-2's architecture at full size with random weights in bf16, on a CPU the embedded model in
float32. Speeds are those of one greedy conversation; waiting is counted from the loaded model. The floor is how often a
second the weights could be read at the measured copy bandwidth. The batch answers 256 questions; one by one, some of
them are timed. In float32 (8 layers) every token is compared with plain generate's, before and after compiling.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from train import DATA, make_phi2, make_tokenizer

from phi2chat.config import ChatConfig, ModelConfig
from phi2chat.generate import CachedReader, Chooser
from phi2chat.models import LoadedModel, load
from phi2chat.prompt import PromptStyle

ON_GPU = torch.cuda.is_available()
NEW_TOKENS = 200 if ON_GPU else 60
PLAIN_TOKENS = 60
PROMPT = [5 + 37 * number % 1900 for number in range(64)]
LONGEST_WAIT = 60.0  # seconds for the compiler


def copy_bandwidth() -> float:
    """Bytes read and written a second."""
    source = torch.empty(2**30, device="cuda")
    target = torch.empty_like(source)
    for _ in range(3):
        target.copy_(source)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        target.copy_(source)
    torch.cuda.synchronize()
    return 10 * 2 * source.nbytes / (time.perf_counter() - start)


def generate(model: Any, prompt: Sequence[int], new_tokens: int) -> list[int]:
    ids = torch.tensor([prompt], device=model.device)
    length = {"max_new_tokens": new_tokens, "min_new_tokens": new_tokens}
    with torch.inference_mode():
        output = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, **length)
    return list(output[0, len(prompt) :].tolist())


def write(loaded: LoadedModel, prompt: Sequence[int], new_tokens: int) -> tuple[list[int], float, float]:
    """The tokens, the seconds they took, and those before the first."""
    choose, first = Chooser(ChatConfig(temperature=0.0), loaded.model.device), 0.0
    ids: list[int] = []
    start = time.perf_counter()
    for token in loaded.reader.write(prompt, choose, new_tokens):
        ids.append(token)
        first = first or time.perf_counter() - start
    return ids, time.perf_counter() - start, first


def is_compiled(loaded: LoadedModel) -> bool:
    graphs = getattr(loaded.reader, "_graphs", None)
    return graphs is not None and graphs.is_compiled


def alike(ours: Sequence[int], theirs: Sequence[int]) -> int:
    """How many tokens are the same from the beginning."""
    pairs = enumerate(zip(ours, theirs, strict=True))
    return next((number for number, (a, b) in pairs if a != b), len(theirs))


def measure_one(loaded: LoadedModel) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    plain: list[float] = []
    generate(loaded.model, PROMPT, 8)
    for _ in range(3):
        start = time.perf_counter()
        generate(loaded.model, PROMPT, PLAIN_TOKENS)
        plain.append(PLAIN_TOKENS / (time.perf_counter() - start))
    rows["plain_generate_tokens_per_s"] = round(sorted(plain)[1], 1)
    begin = time.perf_counter()
    _, seconds, _ = write(loaded, PROMPT, NEW_TOKENS)
    rows["reader"] = type(loaded.reader).__name__
    rows["first_reply"] = {
        "first_token_after_s": round(time.perf_counter() - begin - seconds + write(loaded, PROMPT, 1)[2], 2),
        "whole_reply_after_s": round(time.perf_counter() - begin, 2),
    }
    speeds = []
    while ON_GPU and not is_compiled(loaded) and time.perf_counter() - begin < LONGEST_WAIT:
        speeds.append(NEW_TOKENS / write(loaded, PROMPT, NEW_TOKENS)[1])
    rows["while_compiling_tokens_per_s"] = [round(speed, 1) for speed in speeds]
    rows["compiled_after_s"] = round(time.perf_counter() - begin, 1) if is_compiled(loaded) else None
    write(loaded, PROMPT, NEW_TOKENS)
    ours = sorted(NEW_TOKENS / write(loaded, PROMPT, NEW_TOKENS)[1] for _ in range(5))
    rows["tokens_per_s"] = round(ours[2], 1)
    if ON_GPU:
        long = write(loaded, PROMPT * 12, NEW_TOKENS)[1]
        rows["after_768_tokens_per_s"] = round(NEW_TOKENS / long, 1)
        weights = sum(weight.nbytes for weight in loaded.model.parameters())
        rows["floor_tokens_per_s"] = round(copy_bandwidth() / weights, 1)
    return rows


def measure_batch(loaded: LoadedModel, count: int, one_by_one: int) -> dict[str, Any]:
    records = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    questions = [record["instruction"] for record in records][:count]
    config = ChatConfig(max_new_tokens=128, temperature=0.0)

    def replies(streams: Any) -> tuple[list[list[int]], float]:
        start, ids = time.perf_counter(), []
        for stream in streams:
            for _ in stream:
                pass
            ids.append(list(stream.ids))
        return ids, time.perf_counter() - start

    replies(loaded.stream([], question, config) for question in questions[:2])
    alone, seconds = replies(loaded.stream([], question, config) for question in questions[:one_by_one])
    start = time.perf_counter()
    together, _ = replies(loaded.stream_all(questions, config))
    batch_seconds = time.perf_counter() - start
    return {
        "questions": len(questions),
        "tokens": sum(map(len, together)),
        "batch_s": round(batch_seconds, 2),
        "one_by_one_s_each": round(seconds / one_by_one, 3),
        "times_faster": round(seconds / one_by_one * len(questions) / batch_seconds, 1),
        "the_same": sum(a == b for a, b in zip(alone, together[:one_by_one], strict=True)) / one_by_one,
    }


def compare_float32() -> dict[str, Any]:
    model = make_phi2("cuda", torch.float32, num_hidden_layers=8)
    wanted = generate(model, PROMPT, NEW_TOKENS)
    loaded = LoadedModel("float32", model, make_tokenizer(), PromptStyle())
    loaded.reader.known = model.config.vocab_size
    found = {"graph": alike(write(loaded, PROMPT, NEW_TOKENS)[0], wanted)}
    begin = time.perf_counter()
    while not is_compiled(loaded) and time.perf_counter() - begin < LONGEST_WAIT:
        write(loaded, PROMPT, NEW_TOKENS)
    found["compiled"] = alike(write(loaded, PROMPT, NEW_TOKENS)[0], wanted)
    return {**found, "batch": measure_batch(loaded, 64, 64)["the_same"], "tokens": NEW_TOKENS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("generate.json"))
    options = parser.parse_args()
    packages = ("torch", "transformers")
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name(0) if ON_GPU else f"{os.cpu_count()} CPU cores",
        "versions": {name: version(name) for name in packages},
    }

    def keep(name: str, rows: dict[str, Any]) -> None:
        result[name] = rows
        options.output.write_text(json.dumps(result, indent=1) + "\n")
        print(name, json.dumps(rows), flush=True)

    if ON_GPU:
        loaded = LoadedModel("phi-2's shape", make_phi2("cuda", torch.bfloat16), make_tokenizer(), PromptStyle())
    else:
        loaded = load(ModelConfig(base="smollm2-135m", device="cpu"), lambda text: None)
    keep("one", measure_one(loaded))
    if not ON_GPU:
        cached = LoadedModel(loaded.name, loaded.model, loaded.tokenizer, loaded.style)
        cached.__dict__["reader"] = CachedReader(loaded.model, len(loaded.tokenizer))
        keep("one_with_the_plain_cache", measure_one(cached))
    keep("batch", measure_batch(loaded, 256 if ON_GPU else 8, 32 if ON_GPU else 8))
    if ON_GPU:
        del loaded
        torch.cuda.empty_cache()
        keep("float32", compare_float32())


if __name__ == "__main__":
    main()
