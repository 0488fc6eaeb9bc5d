"""Generation: phi2chat's engine beside transformers' plain generate, in one process.

    python benchmarks/generate.py --output generate.json

On a GPU the model is Phi-2's architecture at full size with random weights in bf16, on a CPU the embedded model in
float32. Speeds are those of one greedy conversation; waiting is counted from the moment that the weights are in memory.
Triton's cache is empty then, and its kernels are compiled while replies are written one after the other; `graphs` are
the steps until then. The floor is how often a second the weights could be read at the measured copy bandwidth. The
batch answers 256 questions; one by one, some of them are timed. In float32 (8 layers) every token is compared with
plain generate's, before and after the change over.
"""

import argparse
import dataclasses
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from train import DATA, make_phi2, make_tokenizer

from phi2chat.config import ChatConfig, ModelConfig
from phi2chat.inference.chooser import Chooser
from phi2chat.inference.engine import FIRST_LENGTH
from phi2chat.inference.prompt import PromptStyle
from phi2chat.inference.step_graphs import StepGraphs
from phi2chat.inference.steps import Steps
from phi2chat.weights.models import LoadedModel, load

ON_GPU = torch.cuda.is_available()
NEW_TOKENS = 200 if ON_GPU else 60
PLAIN_TOKENS = 60
PROMPT = [5 + 37 * number % 1900 for number in range(64)]
LONGEST_WAIT = 60.0  # seconds for the compiler
POSITIONS = (100, 800, 1900)


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


def alike(ours: Sequence[int], theirs: Sequence[int]) -> int:
    """How many tokens are the same from the beginning."""
    pairs = enumerate(zip(ours, theirs, strict=True))
    return next((number for number, (a, b) in pairs if a != b), len(theirs))


def is_fused(loaded: LoadedModel) -> bool:
    return bool(getattr(loaded.reader, "is_fused", False))


def measure_one(loaded: LoadedModel, weights_read: float) -> dict[str, Any]:
    """`weights_read` is when the weights were in memory, by time.perf_counter."""
    rows: dict[str, Any] = {"reader": type(loaded.reader).__name__, "ready_after_s": since(weights_read)}
    if ON_GPU:
        rows |= measure_change_over(loaded, weights_read)
        for position in POSITIONS:
            rows[f"tokens_per_s_at_{position}"] = speed_at(loaded, position)
        weights = sum(weight.nbytes for weight in loaded.model.parameters())
        rows["floor_tokens_per_s"] = round(copy_bandwidth() / weights, 1)
        return rows
    _, seconds, first = write(loaded, PROMPT, NEW_TOKENS)
    rows["first_reply"] = {"first_token_s": round(first, 3), "tokens_per_s": round(NEW_TOKENS / seconds, 1)}
    rows["tokens_per_s"] = median(NEW_TOKENS / write(loaded, PROMPT, NEW_TOKENS)[1] for _ in range(5))
    return rows


def since(start: float) -> float:
    return round(time.perf_counter() - start, 2)


def measure_change_over(loaded: LoadedModel, weights_read: float) -> dict[str, Any]:
    """The first replies, token by token, until the kernels are compiled."""
    choose, start = Chooser(ChatConfig(temperature=0.0), loaded.model.device), time.perf_counter()
    first_token, changed, before, replies = 0.0, None, list[float](), 0
    while changed is None and since(start) < LONGEST_WAIT:
        replies += 1
        for _ in loaded.reader.write(PROMPT, choose, NEW_TOKENS):
            before.append(time.perf_counter())
            first_token = first_token or before[-1] - start
            if is_fused(loaded):
                changed = since(weights_read)
                break
    pauses = [later - earlier for earlier, later in pairwise(before)]
    return {
        "first_token_s": round(first_token, 3),
        "changed_over_after_s": changed,
        "tokens_before": len(before),
        "replies_before": replies,
        "tokens_per_s_before": round(len(pauses) / sum(pauses), 1) if pauses else None,
        "longest_pause_s": round(max(pauses), 3) if pauses else None,
    }


def speed_at(loaded: LoadedModel, position: int) -> float:
    """Tokens a second around a position, of a prompt that is read already."""
    prompt, new = [*PROMPT * 30][: position - 50], 100
    write(loaded, prompt, new)
    return median(new / write(loaded, prompt, new)[1] for _ in range(5))


def measure_graphs(loaded: LoadedModel) -> dict[str, Any]:
    """The steps of a model that no kernels are made for, and of any before they are compiled."""
    model, known = loaded.model, len(loaded.tokenizer)
    loaded.reader.read(PROMPT)  # makes the buffers
    start = time.perf_counter()
    steps, speeds, first_step = Steps(StepGraphs(model, 1, FIRST_LENGTH, FIRST_LENGTH), None, known), {}, 0.0
    with torch.inference_mode():
        token = torch.tensor(PROMPT[-1], device=model.device)
        for position in POSITIONS:
            for number in range(110):
                token = steps.step(position - 55 + number, token)[:known].argmax()
                if number == 0:
                    int(token)
                    first_step = first_step or since(start)
                if number == 9:  # a graph is captured by then
                    torch.cuda.synchronize()
                    start = time.perf_counter()
            torch.cuda.synchronize()
            speeds[f"tokens_per_s_at_{position}"] = round(100 / (time.perf_counter() - start), 1)
    loaded.reader.forget()
    return {"first_step_s": first_step, **speeds}


def measure_plain(model: Any) -> float:
    """Tokens a second of transformers' generate."""
    generate(model, PROMPT, 8)

    def speed() -> float:
        start = time.perf_counter()
        generate(model, PROMPT, PLAIN_TOKENS)
        return PLAIN_TOKENS / (time.perf_counter() - start)

    return median(speed() for _ in range(3))


def median(numbers: Iterable[float]) -> float:
    return round(statistics.median(numbers), 1)


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
    together, taken = list[list[int]](), list[float]()
    for _ in range(3):  # the first one compiles a kernel, as the first questions alone did
        start = time.perf_counter()
        together, _ = replies(loaded.stream_all(questions, config))
        taken.append(time.perf_counter() - start)
    batch_seconds = statistics.median(taken)
    return {
        "questions": len(questions),
        "tokens": sum(map(len, together)),
        "first_batch_s": round(taken[0], 2),
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
    found: dict[str, Any] = {"before": alike(write(loaded, PROMPT, NEW_TOKENS)[0], wanted)}
    begin = time.perf_counter()
    while not is_fused(loaded) and since(begin) < LONGEST_WAIT:
        write(loaded, PROMPT, NEW_TOKENS)
    found["is_fused"] = is_fused(loaded)
    found["after"] = alike(write(loaded, PROMPT, NEW_TOKENS)[0], wanted)
    return {**found, "batch": measure_batch(loaded, 64, 64)["the_same"], "tokens": NEW_TOKENS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("generate.json"))
    options = parser.parse_args()
    packages = ("torch", "transformers", *(["triton"] if ON_GPU else []))
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name(0) if ON_GPU else f"{os.cpu_count()} CPU cores",
        "versions": {name: version(name) for name in packages},
    }

    def keep(name: str, rows: dict[str, Any]) -> None:
        result[name] = rows
        options.output.write_text(json.dumps(result, indent=1) + "\n")
        print(name, json.dumps(rows), flush=True)

    with tempfile.TemporaryDirectory() as cache:
        os.environ["TRITON_CACHE_DIR"] = cache  # so that nothing is compiled already
        measure(keep)


def measure(keep: Callable[[str, dict[str, Any]], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = "smollm2-135m"
        if ON_GPU:
            base = folder
            make_phi2("cuda", torch.bfloat16).save_pretrained(folder)
            make_tokenizer().save_pretrained(folder)
        read_at: dict[str, float] = {}
        config = ModelConfig(base=base)
        loaded = load(config, lambda text: read_at.update({text: time.perf_counter()}), stays=True)
    weights_read = read_at.get("preparing to reply", time.perf_counter())
    keep("one", measure_one(loaded, weights_read))
    cached = dataclasses.replace(loaded, reading="plain")
    with_cache = write(cached, PROMPT, PLAIN_TOKENS)[1] and PLAIN_TOKENS / write(cached, PROMPT[1:], PLAIN_TOKENS)[1]
    keep("plain", {"generate_tokens_per_s": measure_plain(loaded.model), "cache_tokens_per_s": round(with_cache, 1)})
    if ON_GPU:
        keep("graphs", measure_graphs(loaded))
    keep("batch", measure_batch(loaded, 256 if ON_GPU else 8, 32 if ON_GPU else 8))
    if ON_GPU:
        del loaded, cached
        torch.cuda.empty_cache()
        keep("float32", compare_float32())


if __name__ == "__main__":
    main()
