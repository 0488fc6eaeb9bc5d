"""The guard of replies: what `--guard enforce` costs, and what is left that is wrong.

    python benchmarks/guard.py --output guard.json
    python benchmarks/guard.py --speed-only --phi2-size --output guard-gpu.json
    python benchmarks/guard.py --replies-only --workers 8 --seconds 500 --output guard.json

Speed: the model writes a given Japanese text (its logits are led there after it has been run), with the guard on flag
and on enforce in turn; median of several runs. With --phi2-size it is Phi-2's architecture at full size with random
bf16 weights, on a GPU. Replies: each question is asked with each seed at temperature 1, with flag and with enforce, by
a model that slips into Chinese; every reply is a line in OUTPUT.replies.*.jsonl as soon as it came, and what stands
there already is not made again, so that a run can be stopped and gone on with.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from curation.script import allowed_characters  # noqa: E402
from phi2chat.chatting.chat import Conversation  # noqa: E402
from phi2chat.config import ChatConfig, ModelConfig  # noqa: E402

DATA = ROOT / "datasets" / "ja-basics.jsonl"
LANGUAGE = "ja"
MODES = ("flag", "enforce")
LONGEST_WAIT = 60.0  # seconds for the kernels of a GPU
QUESTIONS = (
    "日本の首都はどこですか。",
    "请用中文介绍一下日本的首都。",
    "中国の首都について、中国語で説明してください。",
    "「你好，我们是朋友」を日本語に訳してください。",
    "为什么天空是蓝色的？",
    "東京和北京有什么不同？",
    "春夏秋冬について書いてください。",
    "請說明台灣的歷史。",
    "水はなぜ凍るのですか。理由を書いてください。",
    "中文：早上好。日本語：",
)


class Led:
    """A reader whose model is run as it is, and whose logits then want the next token of a given reply."""

    def __init__(self, reader, prompt_tokens: int, wanted: list[int]) -> None:
        self._reader, self._prompt_tokens, self._wanted = reader, prompt_tokens, wanted

    def read(self, ids):
        return self._lead(self._reader.read(ids), len(ids))

    def write(self, ids, choose, budget: int):
        read = count(len(ids))
        return self._reader.write(ids, lambda logits: choose(self._lead(logits, next(read))), budget)

    def _lead(self, logits, read: int):
        led = logits.clone()
        led[self._wanted[read - self._prompt_tokens]] += 1e4
        return led


def measure_speed(loaded, runs: int, tokens: int, temperature: float) -> dict:
    from phi2chat.inference.chooser import Chooser
    from phi2chat.inference.generate import TokenStream

    records = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    text = "\n".join(record["reasoning"] for record in records[:40] if record.get("language", LANGUAGE) == LANGUAGE)
    tokenizer = loaded.tokenizer
    prompt, wanted = tokenizer("日本の首都はどこですか。")["input_ids"], tokenizer(text)["input_ids"][:tokens]
    reader = Led(loaded.reader, len(prompt), wanted)
    until = time.monotonic() + LONGEST_WAIT
    while loaded.model.device.type == "cuda" and not loaded.reader.is_fused and time.monotonic() < until:
        list(reader.write(prompt, Chooser(ChatConfig(), loaded.model.device), tokens))
    speeds: dict[str, list[float]] = {mode: [] for mode in MODES}
    seen: dict[str, list[int]] = {}
    for run in range(runs + 1):
        for mode in MODES if run % 2 else MODES[::-1]:
            config = ChatConfig(guard=mode, max_new_tokens=tokens, temperature=temperature, lang=LANGUAGE)
            stream = TokenStream(loaded.model, tokenizer, prompt, config, 2048, reader=reader)
            start = time.perf_counter()
            for _ in stream:
                pass
            seconds = time.perf_counter() - start
            seen[mode] = list(stream.ids)
            if run:  # the first pair warms up, and makes the automaton
                speeds[mode].append(stream.tokens / seconds)
    if seen["flag"] != seen["enforce"]:
        raise SystemExit("the two sides did not write the same text, so their times cannot be compared")
    ratios = [one / other for one, other in zip(speeds["enforce"], speeds["flag"], strict=True)]
    return {
        "temperature": temperature,
        "tokens": len(seen["flag"]),
        "runs": runs,
        **{f"{mode}_tokens_per_s": round(statistics.median(speeds[mode]), 2) for mode in MODES},
        "cost_percent": round(100 * (1 - statistics.median(ratios)), 2),
        "cost_percent_of_each_pair": [round(100 * (1 - ratio), 2) for ratio in ratios],
    }


def first_use(tokenizer) -> dict:
    """Seconds that the automaton takes when it is made, and the slowest of its masks."""
    from phi2chat.inference.automaton import automaton_of, spell_tokens

    spell_tokens.cache_clear()
    automaton_of.cache_clear()
    allowed_characters.cache_clear()
    start = time.perf_counter()
    automaton = automaton_of(tokenizer, LANGUAGE, frozenset({tokenizer.eos_token_id}))
    made = time.perf_counter()
    automaton.mask(b"")
    masked = time.perf_counter()
    return {"vocabulary": len(tokenizer), "automaton_s": round(made - start, 3), "mask_s": round(masked - made, 3)}


def write_replies(model, replies: range, new_tokens: int, shard: tuple[int, int], output: Path, until: float) -> None:
    """Ask what has not been asked yet, with both modes, until the time is over."""
    index, shards = shard
    done = {(row["question"], row["seed"], row["mode"]) for row in read_replies(output)}
    allowed = allowed_characters(LANGUAGE)
    with output.with_suffix(f".replies.{index}.jsonl").open("a", encoding="utf-8") as log:
        for number in replies[index::shards]:
            question, seed = QUESTIONS[number % len(QUESTIONS)], number // len(QUESTIONS)
            for mode in MODES:
                if (question, seed, mode) in done:
                    continue
                if time.monotonic() > until:
                    return
                config = ChatConfig(guard=mode, temperature=1.0, seed=seed, max_new_tokens=new_tokens, lang=LANGUAGE)
                conversation = Conversation(model, config)
                for _ in conversation.ask(question):
                    pass
                turn = conversation.turns[-1]
                text = turn.reasoning + turn.answer
                row = {
                    "question": question,
                    "seed": seed,
                    "mode": mode,
                    "reasoning": turn.reasoning,
                    "answer": turn.answer,
                    "tokens": turn.tokens,
                    "seconds": round(turn.seconds, 3),
                    "stop": turn.stop.name.lower(),
                    "wrong_characters": sum(char not in allowed and char != "\ufffd" for char in text),
                    "invalid_utf8": text.count("\ufffd"),
                    "flagged": bool(turn.reasoning_spans or turn.answer_spans),
                    "step_backs": turn.guard.step_backs,
                    "changed_steps": turn.guard.changed_steps,
                    "spent": turn.guard.spent,
                }
                log.write(json.dumps(row, ensure_ascii=False) + "\n")
                log.flush()


def read_replies(output: Path) -> Iterator[dict]:
    for path in sorted(output.parent.glob(f"{output.stem}.replies.*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.endswith("}"):  # the last one may have been cut
                yield json.loads(line)


def summarize(output: Path) -> dict:
    rows = {(row["question"], row["seed"], row["mode"]): row for row in read_replies(output)}
    pairs = [
        tuple(rows[question, seed, mode] for mode in MODES)
        for question, seed, first in rows
        if first == "flag" and (question, seed, "enforce") in rows
    ]
    if not pairs:
        return {"replies": 0}
    sides = {}
    for place, mode in enumerate(MODES):
        side = [pair[place] for pair in pairs]
        sides[mode] = {
            "with_wrong_characters": sum(row["wrong_characters"] > 0 for row in side),
            "wrong_characters": sum(row["wrong_characters"] for row in side),
            "with_invalid_utf8": sum(row["invalid_utf8"] > 0 for row in side),
            "flagged": sum(row["flagged"] for row in side),
            "tokens_per_s": round(sum(row["tokens"] for row in side) / sum(row["seconds"] for row in side), 2),
        }
    enforced = [pair[1] for pair in pairs]
    changed = sum((one["reasoning"], one["answer"]) != (two["reasoning"], two["answer"]) for one, two in pairs)
    return {
        "replies": len(pairs),
        "changed_percent": round(100 * changed / len(pairs), 1),
        "with_changed_steps": sum(row["changed_steps"] > 0 for row in enforced),
        "changed_steps": sum(row["changed_steps"] for row in enforced),
        "with_step_backs": sum(row["step_backs"] > 0 for row in enforced),
        "step_backs": sum(row["step_backs"] for row in enforced),
        "with_no_step_back_left": sum(row["spent"] for row in enforced),
        **sides,
    }


def load_model(options: argparse.Namespace, folder: Path):
    from phi2chat.weights.models import load

    base = options.base
    if options.phi2_size:
        import torch
        from train import make_phi2, make_tokenizer

        base = str(folder / "phi-2-random")
        make_phi2("cuda", torch.bfloat16).save_pretrained(base)
        make_tokenizer().save_pretrained(base)
    elif options.gguf:
        from phi2chat.weights.embedded import convert_gguf

        (folder / "converted").mkdir()
        convert_gguf(options.gguf, folder / "converted")
        base = str(folder / "converted")
    return load(ModelConfig(base=base, device=options.device), lambda text: print(text, file=sys.stderr), stays=True)


def run_workers(options: argparse.Namespace) -> None:
    """The replies, dealt out to processes of their own."""
    command = [sys.executable, __file__, "--replies-only", "--output", str(options.output), "--device", options.device]
    command += ["--first", str(options.first), "--replies", str(options.replies)]
    command += ["--new-tokens", str(options.new_tokens)]
    command += ["--seconds", str(options.seconds), "--threads", str(options.threads)]
    command += ["--gguf", str(options.gguf)] if options.gguf else ["--base", options.base]
    shards = [f"{index}/{options.workers}" for index in range(options.workers)]
    processes = [subprocess.Popen([*command, "--shard", shard], stdout=subprocess.DEVNULL) for shard in shards]
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit("a worker failed; its message stands above")


def print_table(result: dict) -> None:
    for row in result.get("speed", []):
        print(f"\ntokens/s at temperature {row['temperature']:g}: flag {row['flag_tokens_per_s']:,},", end=" ")
        print(f"enforce {row['enforce_tokens_per_s']:,}; cost {row['cost_percent']} %")
    replies = result.get("replies", {"replies": 0})
    if replies["replies"]:
        print(f"\n{'flag':>8}  {'enforce':>8}  of {replies['replies']} replies at temperature 1")
        for key in replies["flag"]:
            print(f"{replies['flag'][key]:>8}  {replies['enforce'][key]:>8}  {key.replace('_', ' ')}")
        print(f"{replies['changed_percent']} % of the replies changed; {replies['step_backs']} step-backs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="smollm2-135m", help="as in phi2chat repl")
    parser.add_argument("--gguf", type=Path, help="file of the embedded model, where its package is not installed")
    parser.add_argument("--phi2-size", action="store_true", help="random bf16 weights of Phi-2's size, on a GPU")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch on the CPU; 0 leaves it to PyTorch")
    parser.add_argument("--speed-only", action="store_true")
    parser.add_argument("--replies-only", action="store_true")
    parser.add_argument("--runs", type=int, default=7, help="pairs of replies of the speed")
    parser.add_argument("--speed-tokens", type=int, default=128)
    parser.add_argument("--replies", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first reply; ten of them share a seed")
    parser.add_argument("--new-tokens", type=int, default=48)
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no reply after so long")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the replies")
    parser.add_argument("--shard", default="0/1", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=Path("guard.json"))
    options = parser.parse_args()
    until = time.monotonic() + options.seconds
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    result: dict = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(0)
        if torch.cuda.is_available()
        else f"CPU, {torch.get_num_threads()} threads",
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
    }
    with tempfile.TemporaryDirectory() as name:
        if options.workers == 1 or not options.replies_only:
            model = load_model(options, Path(name))
            result["model"] = "Phi-2's architecture, 2.78 B, random weights" if options.phi2_size else model.name
        if not options.replies_only:
            result["first_use"] = first_use(model.tokenizer)
            result["speed"] = [
                measure_speed(model, options.runs, options.speed_tokens, temperature) for temperature in (0.0, 1.0)
            ]
        if not options.speed_only:
            if options.workers > 1:
                run_workers(options)
            else:
                index, shards = map(int, options.shard.split("/"))
                numbers = range(options.first, options.first + options.replies)
                write_replies(model, numbers, options.new_tokens, (index, shards), options.output, until)
            result["replies"] = summarize(options.output)
    if options.shard == "0/1":
        options.output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(json.dumps(result, indent=2, ensure_ascii=False))
        print_table(result)


if __name__ == "__main__":
    main()
