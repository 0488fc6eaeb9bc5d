"""`phi2chat train --check`: what a training would do and what is wrong with its records, on the screen or as JSON."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.records import Finding
from curation.script.languages import display_name
from phi2chat.config import TrainConfig
from phi2chat.inference.examples import IGNORED, read_sides, style_of
from phi2chat.terminal.safe_text import json_line
from phi2chat.training.estimate import (
    Estimate,
    count_steps,
    describe_shortage,
    estimate,
    free_bytes,
    measured_speed,
)
from phi2chat.training.preflight import SHOWN_FINDINGS, Preflight, characters_per_token, inspect, typical_example
from phi2chat.units import gib
from phi2chat.weights.bases import find_base
from phi2chat.weights.models import load_outline, place, spell_device, spell_dtype

if TYPE_CHECKING:
    from phi2chat.terminal.screen import Screen

SHOWN_CHARS = 1200  # of either part of the example; what is longer loses its middle


@dataclass(frozen=True)
class Report:
    """All that `--check` tells."""

    data: Path
    base: str
    device: str
    config: TrainConfig
    preflight: Preflight
    estimate: Estimate | None  # None where a side is empty
    free_bytes: int
    steps: int
    speed: tuple[Path, float] | None  # a run, and its tokens/s
    characters_per_token: dict[str, float]
    end_token: str
    example: tuple[str, str, str] | None  # where it stands, what is read, what is trained on

    @property
    def seconds(self) -> float | None:
        """How long the steps take at the speed of an earlier run; evaluations come on top."""
        if not self.speed:
            return None
        side = self.preflight.train
        records = self.steps * self.config.batch_size * self.config.accumulation_steps
        if not self.config.max_steps:
            records = math.ceil(len(side.examples) * self.config.epochs)
        return records * side.tokens / max(len(side.examples), 1) / self.speed[1]

    @property
    def shortage(self) -> str:
        return describe_shortage(self.estimate, self.free_bytes, self.config) if self.estimate else ""


def check(data: Path, config: TrainConfig, screen: "Screen", as_json: bool) -> int:
    """Print the report of a training that does not take place; 1 if something would make it wrong, else 0."""
    report = _look(data, config, screen)
    if as_json:
        screen.end_progress()
        print(json_line(_to_json(report)))
    else:
        _show(report, screen)
    return 1 if report.preflight.errors else 0


def _look(data: Path, config: TrainConfig, screen: "Screen") -> Report:
    sides = read_sides(data, config)
    base = find_base(config.base, screen.status, with_weights=False)
    device, dtype = place(config)
    screen.status(f"checking {len(sides.train) + len(sides.eval)} records")
    outline, tokenizer = load_outline(base, dtype)
    preflight = inspect(sides, outline, tokenizer, config, style_of(config))
    has_both = bool(preflight.train.examples and preflight.eval.examples)
    runs_dir = config.output_dir.parent if config.output_dir else Path("runs")
    return Report(
        data=data,
        base=base.name,
        device=spell_device(device),
        config=config,
        preflight=preflight,
        estimate=estimate(outline, base.name, config, device, preflight) if has_both else None,
        free_bytes=free_bytes(device),
        steps=count_steps(len(preflight.train.examples), config),
        speed=measured_speed(runs_dir, base.name, spell_device(device), spell_dtype(dtype), config),
        characters_per_token=characters_per_token(sides.train, tokenizer),
        end_token=str(tokenizer.eos_token),
        example=_decode_example(preflight, tokenizer) if preflight.train.examples else None,
    )


def _decode_example(preflight: Preflight, tokenizer: Any) -> tuple[str, str, str]:
    row, example = typical_example(preflight.train)
    ids, labels = example["input_ids"], example["labels"]
    begin = next((place for place, label in enumerate(labels) if label != IGNORED), len(labels))
    read, trained = (tokenizer.decode(part, clean_up_tokenization_spaces=False) for part in (ids[:begin], ids[begin:]))
    return f"{row.path}:{row.line}", read, trained


def _show(report: Report, screen: "Screen") -> None:
    screen.heading(f"check: {report.data}")
    screen.table(["", ""], list(_rows(report)))
    if report.example:
        place, read, trained = report.example
        screen.heading(f"trained on: ⟦ ... ⟧; median length, {place}")
        screen.example(_without_middle(read), _without_middle(trained))
    found = report.preflight.all_found
    shown = SHOWN_FINDINGS if screen.out.is_terminal else len(found)
    if found or report.shortage:
        screen.heading("found")
    for one in found[:shown]:
        if isinstance(one, Finding):
            screen.findings([one])
        else:
            screen.say(str(one), "error" if one.severity == "error" else "warning")
    if len(found) > shown:
        screen.say(f"... and {len(found) - shown} more; all of them with `--check | less` or --json", "note")
    if report.shortage:
        screen.say(report.shortage, "warning")
    errors = report.preflight.errors
    warnings = len(found) - errors + bool(report.shortage)
    doubtful = f"{warnings} doubtful" if warnings else "nothing doubtful"
    if errors:
        screen.say(f"{errors} found that would make this training wrong, {doubtful}; it would not begin", "error")
    else:
        screen.say(f"nothing found that would make this training wrong, {doubtful}", "good")


def _rows(report: Report) -> Iterator[tuple[str, str]]:
    train, eval_ = report.preflight.train, report.preflight.eval
    left_out = len(train.dropped) + len(eval_.dropped)
    longest = max(train.longest, eval_.longest)
    yield "base", report.base
    yield "records", f"{len(train.examples)} train, {len(eval_.examples)} eval, {left_out} too long"
    yield "tokens", f"{train.tokens:,} train ({train.trained_tokens:,} of them trained on), {eval_.tokens:,} eval"
    yield "longest", f"{longest:,} of {report.preflight.max_length:,} tokens"
    budget = [
        f"{characters * report.preflight.max_length:,.0f} characters of your {display_name(language)}"
        for language, characters in report.characters_per_token.items()
    ]
    yield "budget", f"{report.preflight.max_length} tokens are about {', or '.join(budget)}"
    yield "steps", f"{report.steps:,} of {_describe_step(report)}"
    if report.estimate:
        trained, whole = report.estimate.trainable_parameters, report.estimate.parameters
        yield "LoRA on", f"{', '.join(report.estimate.lora_modules)} ({trained:,} parameters beside {whole:,})"
    yield "end of text", f"{report.end_token}, learned at the end of each record"
    if report.speed and report.seconds is not None:
        folder, speed = report.speed
        yield (
            "time",
            f"about {_spell_time(report.seconds)} and the evaluations, at {speed:,.0f} tokens/s, see {folder}",
        )
    else:
        yield "time", "unknown until the first steps, for no run of this base and device is here to measure by"
    if report.estimate:
        parts = ", ".join(f"{name} {gib(size)}" for name, size in report.estimate.memory.items())
        if "activations" in report.estimate.memory:
            yield "memory", f"about {gib(report.estimate.memory_bytes)} at most, give or take a third: {parts}"
        else:
            yield (
                "memory",
                f"more than {gib(report.estimate.memory_bytes)}: {parts}, and activations, which are unknown",
            )
        yield "free", f"{gib(report.free_bytes)} on {report.device}"


def _describe_step(report: Report) -> str:
    size = report.config.batch_size
    records = f"{size} record{'s' * (size > 1)}"
    if report.config.accumulation_steps > 1:
        records = f"{report.config.accumulation_steps} batches of {records}"
    return records if report.config.max_steps else f"{records}, {report.config.epochs:g} epochs"


def _spell_time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _without_middle(text: str) -> str:
    if len(text) <= SHOWN_CHARS:
        return text
    half = SHOWN_CHARS // 2
    return f"{text[:half]} ... ({len(text) - 2 * half:,} characters) ... {text[-half:]}"


def _to_json(report: Report) -> dict[str, Any]:
    preflight = report.preflight
    sides = {"train": preflight.train, "eval": preflight.eval}
    return {
        "data": str(report.data),
        "base": report.base,
        "device": report.device,
        "records": {name: len(side.examples) for name, side in sides.items()},
        "tokens": {name: side.tokens for name, side in sides.items()},
        "trained_tokens": {name: side.trained_tokens for name, side in sides.items()},
        "longest": {name: side.longest for name, side in sides.items()},
        "max_length": preflight.max_length,
        "characters_per_token": {name: round(value, 3) for name, value in report.characters_per_token.items()},
        "steps": report.steps,
        "seconds": None if report.seconds is None else round(report.seconds, 1),
        "lora_modules": report.estimate.lora_modules if report.estimate else [],
        "parameters": report.estimate.parameters if report.estimate else None,
        "trainable_parameters": report.estimate.trainable_parameters if report.estimate else None,
        "memory_bytes": report.estimate.memory if report.estimate else None,
        "free_bytes": report.free_bytes,
        "errors": preflight.errors,
        "findings": [
            {
                "path": str(one.path),
                "line": one.line,
                "column": one.column,
                "end_column": one.end_column,
                "field": one.field,
                "message": one.message,
                "rule": one.rule,
                "severity": one.severity,
            }
            if isinstance(one, Finding)
            else {"message": one.message, "rule": one.rule, "severity": one.severity}
            for one in preflight.all_found
        ],
    }
