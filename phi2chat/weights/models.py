"""A base with or without its adapter, ready to use."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
import transformers

from curation.errors import UserError, first_line
from phi2chat.config import DEFAULT_BASE, ChatConfig, DeviceConfig, ModelConfig
from phi2chat.files import sha256_of
from phi2chat.inference.batch import Watch, write_together
from phi2chat.inference.chooser import Chooser
from phi2chat.inference.engine import Engine, make_engine
from phi2chat.inference.generate import CachedReader, Reader, TokenStream, context_tokens
from phi2chat.inference.prompt import PROMPT_FILE, Example, PromptStyle, encode_prompt, load_style, render_prompt
from phi2chat.quiet import quiet_transformers
from phi2chat.weights.adapters import base_of, merged, recorded_base_of, with_adapter
from phi2chat.weights.bases import WAYS_OUT, Base, Progress, find_base
from phi2chat.weights.embedded import EMBEDDED_NAME
from phi2chat.weights.run import ADAPTER_FILE

Reading = Literal["plain", "engine"]


@dataclass(frozen=True)
class LoadedModel:
    """A model that replies, with the format it was trained in.

    `base` is what it was made from, and `adapter` what was put on that; with `base` it has variants. `reading`
    is how it is run: the `plain` way leaves it as it is, the `engine` changes its attention. `adapter_sha256` is of the
    adapter's weights as they were when they were read.
    """

    name: str
    model: Any
    tokenizer: Any
    style: PromptStyle
    base: "LoadedBase | None" = None
    adapter: Path | None = None
    reading: Reading = "engine"
    adapter_sha256: str = ""

    @property
    def parts(self) -> dict[str, str]:
        """What it is made of: `base`, and with an adapter that one's folder and the SHA-256 of its weights."""
        base = {"base": self.base.files.name} if self.base else {}
        return base | ({"adapter": str(self.adapter), "adapter_sha256": self.adapter_sha256} if self.adapter else {})

    @property
    def context_tokens(self) -> int:
        """How many tokens prompt and reply may have together."""
        return context_tokens(self.model)

    def stream(self, history: Sequence[Example], question: str, config: ChatConfig) -> TokenStream:
        """A reply to a question after the earlier turns. Raises UserError where the prompt leaves no room."""
        ids = encode_prompt(self.tokenizer, history, render_prompt(self.style, question))
        return TokenStream(
            self.model, self.tokenizer, ids, config, self.context_tokens, self.style, question, self.reader
        )

    @cached_property
    def reader(self) -> Reader:
        """What reads the conversations with this model; it remembers the last one."""
        known = len(self.tokenizer)
        engine = None if self.reading == "plain" else make_engine(self.model, known)
        return engine or CachedReader(self.model, known)

    def stream_all(self, questions: Sequence[str], config: ChatConfig, watch: Watch | None = None) -> list[TokenStream]:
        """The replies to questions that each stand for themselves, written side by side where the model can.

        At temperature 0 they are those of `stream`, but for ties; samples depend on what stands beside them. What
        `watch` raises ends the writing.
        Raises UserError where a prompt leaves no room for a reply.
        """
        streams = [self.stream([], question, config) for question in questions]
        if config.guard != "enforce" and isinstance(self.reader, Engine):  # a guard leads one reply at a time
            write_together(streams, self.reader, Chooser(config, self.model.device), watch)
        return streams

    def count_tokens(self, history: Sequence[Example]) -> int:
        """How many tokens the earlier turns take before a question is asked."""
        return len(encode_prompt(self.tokenizer, history, ""))

    def without_adapter(self) -> "LoadedModel":
        """The base alone, of the same weights in memory. Raises UserError where there is no adapter to leave out."""
        return self._alone

    @cached_property
    def _alone(self) -> "LoadedModel":
        # One however often it is asked for: its reader keeps what it has read beside the weights, and so would another.
        if self.base is None or self.adapter is None:
            raise UserError(f"{self.name}: there is no adapter to leave out; give one with --adapter")
        files, model = self.base.files, self.base.model
        style = load_style(files.folder) if (files.folder / PROMPT_FILE).exists() else self.style
        return LoadedModel(files.name, model, self.tokenizer, style, self.base)

    def with_adapter(self, adapter: Path) -> "LoadedModel":
        """Another adapter on the same base, of the same weights in memory.

        Raises UserError where the adapter is missing or damaged, or was trained on another base.
        """
        if self.base is None:
            raise UserError(f"{self.name}: no adapter can be put on it; load its base with --base")
        trained_on = recorded_base_of(adapter)
        # The base may have been named by its folder, and an adapter in use is one that the user says fits.
        known = {self.base.files.name, recorded_base_of(self.adapter) if self.adapter else None, None}
        if trained_on not in known:
            here = self.base.files.name
            raise UserError(f"{adapter}: was trained on {trained_on}, and this is {here}; give an adapter of this one")
        return self.base.adapted(adapter, self.tokenizer)


@dataclass(frozen=True)
class LoadedBase:
    """A base in memory; its weights are those of every model that is made from it."""

    files: Base
    model: Any

    def adapted(self, adapter: Path, tokenizer: Any) -> LoadedModel:
        """The base with an adapter on it. Raises UserError where that is missing or damaged, or does not fit."""
        model = merged(with_adapter(self.model, adapter).eval())
        return LoadedModel(
            f"{self.files.name} + {adapter}",
            model,
            tokenizer,
            load_style(adapter),
            self,
            adapter,
            adapter_sha256=sha256_of(adapter / ADAPTER_FILE),
        )


def load(config: ModelConfig, progress: Progress, stays: bool = False) -> LoadedModel:
    """The model of the settings, ready to reply. Raises UserError where a part of it is missing or broken."""
    adapter = config.adapter
    base = find_base(config.base or (base_of(adapter) if adapter else DEFAULT_BASE), progress)
    if adapter:
        load_style(adapter)  # before the weights are read, which takes a while
    device, dtype = place(config)
    progress(f"loading {base.name} ({spell_dtype(dtype)}, {device})")
    model, tokenizer = load_base(base, device, dtype, config.quantize)
    in_memory = LoadedBase(base, model.eval())
    if adapter:
        loaded = in_memory.adapted(adapter, tokenizer)
    else:  # a merged model was trained with a style too
        style = load_style(base.folder) if (base.folder / PROMPT_FILE).exists() else PromptStyle()
        loaded = LoadedModel(base.name, model, tokenizer, style, in_memory)
    if stays and device.type == "cuda":
        progress("preparing to reply")
        loaded.reader  # noqa: B018  # its kernels are compiled while the user types
    return loaded


def place(config: DeviceConfig) -> tuple[torch.device, torch.dtype]:
    """The device and the numbers to use there."""
    has_gpu = torch.cuda.is_available()
    if config.device == "cuda" and not has_gpu:
        raise UserError("--device cuda: torch sees no GPU; `phi2chat doctor` says why, or use --device cpu")
    device = torch.device("cuda" if has_gpu and config.device != "cpu" else "cpu")
    wants_bf16 = config.precision == "bf16" or (
        config.precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()
    )
    return device, torch.bfloat16 if wants_bf16 else torch.float32


def spell_dtype(dtype: torch.dtype) -> str:
    """The name of a number format as the options have it."""
    return "bf16" if dtype == torch.bfloat16 else "float32"


def spell_device(device: torch.device) -> str:
    """The name of a GPU, or cpu."""
    return str(torch.cuda.get_device_name(device)) if device.type == "cuda" else "cpu"


def load_base(base: Base, device: torch.device, dtype: torch.dtype, quantize: str = "none") -> tuple[Any, Any]:
    """Model and tokenizer of a base; the tokenizer's pad token is never its end-of-text token.

    With `quantize` "nf4" its linear layers are kept in 4 bits and computed with in `dtype` (QLoRA,
    https://arxiv.org/abs/2305.14314).
    """
    in_4_bits = {}
    if quantize == "nf4":
        if not transformers.utils.is_bitsandbytes_available():
            raise UserError("--quantize nf4: needs bitsandbytes; `pip install '.[nf4]'` in phi2chat's sources")
        in_4_bits = {
            "quantization_config": transformers.BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=dtype,
            ),
            "device_map": {"": device.index or 0 if device.type == "cuda" else device.type},
        }
    tokenizer = load_tokenizer(base)
    with _readable_failures(base, device, dtype), quiet_transformers():
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            base.folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **in_4_bits,
        )
        if not in_4_bits:  # those were placed as they were read
            model = model.to(device)
        for module in model.modules():
            if hasattr(module, "support_avx512bf16_for_cpu"):
                # On a CPU bitsandbytes packs weights for evaluation, and training cannot read them any more.
                module.support_avx512bf16_for_cpu = False
    if missing := sorted(report["missing_keys"]):
        raise UserError(f"{base.name}: lacks weights ({len(missing)}, such as {missing[0]}); {WAYS_OUT}")
    with _readable_failures(base, device, dtype):
        set_pad_token(model, tokenizer)
    return model, tokenizer


def load_outline(base: Base, dtype: torch.dtype) -> tuple[Any, Any]:
    """The model of a base without its weights, on torch's meta device, and its tokenizer: enough to look ahead."""
    tokenizer, meta = load_tokenizer(base), torch.device("meta")
    with _readable_failures(base, meta, dtype), quiet_transformers(), meta:
        config = transformers.AutoConfig.from_pretrained(base.folder, trust_remote_code=False)
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
        set_pad_token(model, tokenizer)
    return model, tokenizer


def load_tokenizer(base: Base) -> Any:
    """The tokenizer of a base. Raises UserError where it is damaged, or lacks what training and chat need."""
    cpu, dtype = torch.device("cpu"), torch.float32
    with _readable_failures(base, cpu, dtype), quiet_transformers():
        tokenizer = transformers.AutoTokenizer.from_pretrained(base.folder, trust_remote_code=False)
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise UserError(f"{base.name}: its tokenizer has no tokenizer.json, which streaming needs; {WAYS_OUT}")
    if not isinstance(tokenizer.eos_token_id, int):
        raise UserError(f"{base.name}: its tokenizer has no end-of-text token, so no reply would end; {WAYS_OUT}")
    with _readable_failures(base, cpu, dtype):
        tokenizer("?", add_special_tokens=True, split_special_tokens=True)  # a damaged one fails here, not in a reply
    return tokenizer


@contextlib.contextmanager
def _readable_failures(base: Base, device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise UserError(
            f"{base.name}: does not fit into the memory of {device} as {spell_dtype(dtype)};"
            f" `phi2chat doctor` says what fits, or try --base {EMBEDDED_NAME}"
        ) from None
    except Exception as error:
        # All of it is libraries reading files that are not ours; a damaged one comes out as almost any exception.
        raise UserError(f"{base.name}: cannot be loaded ({first_line(error)}); {WAYS_OUT}") from error


def set_pad_token(model: Any, tokenizer: Any) -> None:
    """Make padding a token that is not end-of-text: its own, the unknown token, or a new one in a spare row.

    A model that pads with its end-of-text token is taught by some collators to ignore it, and never stops.
    """
    rows = model.get_input_embeddings().num_embeddings
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        if tokenizer.unk_token_id not in (None, tokenizer.eos_token_id):
            tokenizer.pad_token = tokenizer.unk_token
        elif len(tokenizer) < rows:
            tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
        else:  # padding is masked wherever it is read, so any token but end-of-text will do
            tokenizer.pad_token = tokenizer.convert_ids_to_tokens(int(tokenizer.eos_token_id == 0))
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
