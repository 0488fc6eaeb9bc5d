"""Options declared once: a dataclass field gives the flag, its default, its help, and the key in YAML and run.json."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from curation.errors import UserError
from phi2chat.option_types import TRACKERS, FiniteRange, LanguageTag, LanguageTags, SaneIntRange, TrackerNames

Config = TypeVar("Config")

DEFAULT_BASE = "microsoft/phi-2"
LARGEST_SEED = 2**32 - 1  # of numpy, which Trainer seeds too


def option(
    default: Any,
    help: str,
    minimum: float | None = None,
    maximum: float | None = None,
    type: click.ParamType[Any] | None = None,
) -> Any:
    """A dataclass field that is also a command-line option and a YAML key; its type is the field's unless given."""
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "type": type}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class DeviceConfig:
    """Where a model runs, and in which numbers."""

    device: Literal["auto", "cpu", "cuda"] = option("auto", "Where to run; auto takes a GPU that is there.")
    precision: Literal["auto", "float32", "bf16"] = option("auto", "auto is bf16 on a GPU and float32 on a CPU.")
    quantize: Literal["none", "nf4"] = option(
        "none", "nf4: keep the base in 4 bits, a third of the memory of bf16; needs bitsandbytes."
    )


@dataclass(frozen=True)
class ModelConfig(DeviceConfig):
    """The model to talk to."""

    base: str | None = option(
        None, f"Base model: a hub name, a folder or smollm2-135m [default: the adapter's, or {DEFAULT_BASE}]."
    )
    adapter: Path | None = option(None, "Folder of a trained run, or of one of its checkpoints.")


@dataclass(frozen=True)
class EndpointConfig:
    """A server to talk to instead of a local model."""

    endpoint: str | None = option(
        None, "Talk to an OpenAI-compatible server at this URL instead; its key is taken from OPENAI_API_KEY."
    )
    model: str | None = option(None, "The server's name of the model [default: its only one].")
    style: Path | None = option(
        None, "Run whose prompt style the server's model was trained in; its replies begin with the reasoning."
    )
    raw: bool = option(False, "Send the server our prompt, as in training, and not messages.")


@dataclass(frozen=True)
class TrainConfig(DeviceConfig):
    """Everything that decides a training run."""

    base: str = option(DEFAULT_BASE, "Base model: a hub name, a local folder, or smollm2-135m (embedded).")
    output_dir: Path | None = option(None, "Folder of the run; by default runs/DATA-BASE.")
    eval_file: Path | None = option(None, "Eval records; by default a part of DATA is held out.")
    eval_percent: float = option(10.0, "Part of the families held out where there is no eval file.", 0.1, 90)
    seed: int = option(42, "Seed of the split, the LoRA weights, the order and the dropout.", 0, LARGEST_SEED)
    max_length: int = option(2048, "Longest record, in tokens, prompt and answer together.", 16)
    overlong: Literal["stop", "drop"] = option("stop", "What to do with a longer record; it is never cut.")
    epochs: float = option(3.0, "Times to go through the train records.", 0.01, 100_000)
    max_steps: int | None = option(None, "Stop after this many steps, whatever --epochs says.", 1)
    batch_size: int = option(8, "Records a step on each device.", 1, 65536)
    accumulation_steps: int = option(1, "Batches gathered before each optimizer step.", 1)
    gpus: int | None = option(
        None,
        "GPUs to train on, a process each, every one with its --batch-size; with --device cpu, processes.",
        1,
        1024,
    )
    accelerate_config: Path | None = option(None, "Accelerate's own YAML file, for FSDP or DeepSpeed.")
    learning_rate: float = option(2e-4, "Peak learning rate, reached after the warm-up; then a cosine.", 0, 1)
    warmup_ratio: float = option(0.05, "Part of the steps spent warming up.", 0, 0.9)
    lora_rank: int = option(16, "Rank of the LoRA matrices.", 1, 4096)
    lora_alpha: int = option(32, "Scale of the LoRA matrices; alpha/rank multiplies them.", 1)
    lora_dropout: float = option(0.0, "Dropout before the LoRA matrices; any makes a step slower.", 0, 0.9)
    eval_steps: int | None = option(None, "Evaluate and save every so many steps; by default once an epoch.", 1)
    gradient_checkpointing: bool = option(False, "Recompute activations to save memory.")
    compile: bool = option(True, "Compile the layers on a GPU: half a minute first, then faster steps.")
    loss_on: Literal["completion", "sequence"] = option(
        "completion", "What is learned: reasoning and answer, or the question as well."
    )
    reasoning: bool = option(True, "Train the reasoning before the answer, or the answer alone.")
    leave_out: str | None = option(
        None,
        "Train on no record of these languages (zh: in all its scripts; several with commas).",
        type=LanguageTags(),
    )
    probes: Path | None = option(None, "Probes to ask at every evaluation: what they score, and in which script.")
    select_by: Literal["eval-loss", "probe-score", "script-pass", "last"] = option(
        "eval-loss", "Which checkpoint becomes the adapter: the best by its eval loss or by --probes, or the last one."
    )
    report_to: str | None = option(
        None, f"Also send the curves to {', '.join(TRACKERS)} (one, or several with commas).", type=TrackerNames()
    )
    sample_every: int | None = option(None, "Ask a few probes every so many steps; see samples.jsonl.", 1)
    sample_file: Path | None = option(
        None, "The probes: records, or .txt with one instruction a line; by default of the eval side."
    )


@dataclass(frozen=True)
class ChatConfig:
    """Everything that decides how a reply is made and shown."""

    recipe: Literal["a", "b", "chat"] = option(
        "chat", "a: 300 tokens in all, b: 200 tokens in all, chat: with history and --max-new-tokens."
    )
    lang: str = option(
        "ja", "Language replies should be in (ja, en, zh-Hans, ko ...); other scripts are flagged.", type=LanguageTag()
    )
    reasoning_lang: str | None = option(
        None, "Language the reasoning should be in, where it is another.", type=LanguageTag()
    )
    max_new_tokens: int = option(512, "Longest reply of the recipe chat, in tokens.", 1)
    temperature: float = option(0.0, "0 is greedy; higher is more varied.", 0, 5)
    top_p: float = option(1.0, "Sample from the likeliest tokens of this total probability.", 0.01, 1)
    seed: int = option(0, "Seed of the sampling.", 0, LARGEST_SEED)
    guard: Literal["flag", "enforce", "off"] = option(
        "flag", "flag: mark what is in a wrong script; enforce: write nothing in one; off: neither."
    )


@dataclass(frozen=True)
class EvaluateConfig:
    """What an evaluation asks beside the settings of a reply, and what it makes of it."""

    samples: int = option(1, "Replies to each probe by each recipe; more than one needs --temperature.", 1, 1000)
    equal_budget: bool = option(False, "Give every recipe --max-new-tokens, so that none is cut off before another.")
    batch_size: int = option(16, "Probes that a model on this machine is asked side by side.", 1, 65536)
    output: Path | None = option(None, "Folder of the evaluation; by default evaluations/DATE-TIME.")
    fail_under: float | None = option(
        None, "Exit code 1 where an adapter or a server's model (or the base, where it is alone) scores less.", 0, 1
    )


def with_options(config: type, without: Container[str] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of a config class to a click command, which gets those that were given as keywords.

    Fields in `without` get no option: the command has another way to set them.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for field in reversed([one for one in dataclasses.fields(config) if one.name not in without]):
            flag = "--" + field.name.replace("_", "-")
            shown = "" if field.default is None else f" [default: {_spell(field.default)}]"
            declared = f"{flag}/--no-{flag[2:]}" if field.type is bool else flag
            kind = None if field.type is bool else option_type(field)
            function = click.option(declared, field.name, type=kind, default=None, help=field.metadata["help"] + shown)(
                function
            )
        return function

    return decorate


def option_type(field: dataclasses.Field[Any]) -> click.ParamType[Any]:
    """The click type that converts and checks a value of this field, from a flag or from YAML."""
    if field.metadata["type"]:
        return typing.cast(click.ParamType[Any], field.metadata["type"])
    kind = _without_none(field.type)
    minimum, maximum = field.metadata["minimum"], field.metadata["maximum"]
    if typing.get_origin(kind) is Literal:
        return click.Choice(typing.get_args(kind))
    if kind is int:
        return SaneIntRange(minimum, maximum)
    if kind is float:
        return FiniteRange(minimum, maximum)
    if kind is Path:
        return click.Path(path_type=Path)
    return click.BOOL if kind is bool else click.STRING


def build(config: type[Config], flags: Mapping[str, Any], yaml_file: Path | None = None) -> Config:
    """A config from its defaults, the YAML file over them, and those of the given flags that are its own over both."""
    own = {field.name for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    given = {name: value for name, value in flags.items() if name in own and value is not None}
    return config(**{**(_read_yaml(config, yaml_file) if yaml_file else {}), **given})


def change(config: Config, key: str, value: str, where: str = "/set") -> Config:
    """The config with one field set from text; `none` takes a value back where there may be none.

    Raises UserError for an unknown key or a value out of range.
    """
    unset = value.lower() == "none" and any(f.name == key and f.default is None for f in dataclasses.fields(config))  # type: ignore[arg-type]
    given = _convert(type(config), key, None if unset else value, where)
    return dataclasses.replace(config, **{key: given})  # type: ignore[type-var]


def to_json(config: Any) -> dict[str, Any]:
    """The fields as plain JSON values, as run.json keeps them."""
    values = dataclasses.asdict(config)
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def from_json(config: type[Config], values: Mapping[str, Any], where: str) -> Config:
    """The config that `to_json` wrote."""
    return config(**{key: _convert(config, key, value, where) for key, value in values.items()})


def _read_yaml(config: type, path: Path) -> dict[str, Any]:
    import yaml

    from curation.records import read_bytes

    try:
        values = yaml.safe_load(read_bytes(path))
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise UserError(f"{path}{place}: is not YAML ({getattr(error, 'problem', None) or error}); mend it") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold one `key: value` a line, such as `epochs: 3`")
    return {str(key): _convert(config, str(key), value, where=str(path)) for key, value in values.items()}


def _convert(config: type, key: str, value: Any, where: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(config)}
    if key not in fields:
        near = difflib.get_close_matches(key, fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(fields)}"
        raise UserError(f"{where}: {key} is not a setting; {hint}")
    if value is None and fields[key].default is None:
        return None
    if isinstance(value, str) and not value.isprintable():
        raise UserError(f"{where}: {key}: {value!r} does not fit")
    try:
        return option_type(fields[key]).convert(value, None, None)
    except (click.BadParameter, TypeError, ValueError, OverflowError) as error:
        reason = error.message if isinstance(error, click.BadParameter) else f"{value!r} does not fit"
        raise UserError(f"{where}: {key}: {reason.rstrip('.')}") from None


def _without_none(kind: Any) -> Any:
    if isinstance(kind, types.UnionType):
        return next(part for part in typing.get_args(kind) if part is not type(None))
    return kind


def _spell(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
