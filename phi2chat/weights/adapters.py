"""An adapter's folder: the base it was trained on, and its weights on that base, with nothing else that it asks for."""

import copy
import itertools
import json
import warnings
from pathlib import Path
from typing import Any

from curation.errors import UserError, first_line
from curation.records import read_bytes
from phi2chat.quiet import quiet_transformers
from phi2chat.weights.run import ADAPTER_FILE, RUN_FILE, run_dir_of

PEFT_CONFIG = "adapter_config.json"
# Of PEFT's settings of a LoRA: what says how its weights are applied,
LORA_SHAPE = {
    "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern",
    "rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "fan_in_fan_out", "bias", "lora_bias",
    "modules_to_save",
}  # fmt: skip
# and what says where it came from, or would matter only beside a setting that is refused.
LORA_WITHOUT_EFFECT = {
    "peft_type", "task_type", "peft_version", "base_model_name_or_path", "revision", "inference_mode", "auto_mapping",
    "megatron_core", "qalora_group_size", "runtime_config",
}  # fmt: skip
_ROOM_FOR_MERGED = 0.7  # of what is free; what is left is for conversations
HARMLESS_INIT = (True, False, "gaussian", "orthogonal", "eva")  # which leave the weights of the base alone


def base_of(adapter: Path) -> str:
    """The base that a run of ours, or a checkpoint in it, was trained on, as the user named it then.

    An adapter of somebody else says in its adapter_config.json which model to load, and could name any: what it claims
    is shown in the UserError, and the user decides with --base.
    """
    base = recorded_base_of(adapter)
    if base is not None:
        return base
    claimed = _read_peft_config(adapter).get("base_model_name_or_path")
    claim = f'its {PEFT_CONFIG} claims "{claimed}"' if claimed else "it names none"
    raise UserError(f"{adapter}: has no {RUN_FILE} that says its base ({claim}); name the base with --base")


def recorded_base_of(adapter: Path) -> str | None:
    """The base as in `base_of`; None for an adapter of somebody else, which is believed nothing."""
    _require_adapter(adapter)
    folder = run_dir_of(adapter)
    if folder is None:
        return None
    path = folder / RUN_FILE
    try:
        return str(json.loads(read_bytes(path))["base"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{path}: is damaged; restore it, or name the base with --base") from None


def add_adapter(model: Any, adapter: Path) -> Any:
    """The model with an adapter on it. Raises UserError where it is damaged, or wants more than a LoRA does.

    PEFT is handed settings that were read here, so that a stranger's adapter_config.json can neither have other
    modules imported nor other files loaded; and without the safetensors file it would look for a pickle.
    """
    from peft import PeftModel

    _require_adapter(adapter)
    if not (adapter / ADAPTER_FILE).is_file():
        raise UserError(f"{adapter}: has no {ADAPTER_FILE}; give the folder that `train` wrote")
    try:
        with quiet_transformers():
            # PEFT would go on without these weights, and the adapter would do nothing there.
            warnings.filterwarnings("error", "Found missing adapter keys")
            return PeftModel.from_pretrained(model, str(adapter), config=_lora_config(adapter))
    except UserError:
        raise
    except Exception as error:  # a library reads files that are not ours
        raise UserError(
            f"{adapter}: does not fit its base or is damaged ({first_line(error)}); train it again"
        ) from error


def with_adapter(model: Any, adapter: Path) -> Any:
    """A model with an adapter on it, made of the tensors of this one, which stays as it is; faults as `add_adapter`.

    Its modules are its own. So are the tensors that the adapter brings along, which would be written over.
    """
    brought = _tensor_names(adapter / ADAPTER_FILE)
    named = itertools.chain(model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False))
    own, shared = set(), {}
    for name, tensor in named:
        shared[id(tensor)] = tensor
        if name in brought:
            own.add(id(tensor))
    return add_adapter(copy.deepcopy(model, {key: tensor for key, tensor in shared.items() if key not in own}), adapter)


def merged(model: Any, room: int | None = None) -> Any:
    """A model with its adapter added to weights of its own, where there is `room` for them; else as it is.

    The room in bytes is by default what a GPU has free, and nothing on a CPU. The base's weights stay as they are. An
    adapter of anything but plain linear layers stays beside them: 4 bits would be rounded anew, and PEFT adds what
    belongs to an embedding in place.
    """
    import torch
    from peft.tuners.lora import Linear, LoraLayer

    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    room = _free_memory(model.device) if room is None else room
    if not all(isinstance(layer, Linear) and type(layer.base_layer.weight) is torch.nn.Parameter for layer in layers):
        return model
    tensors = [[*layer.base_layer.named_parameters(recurse=False)] for layer in layers]  # weight, and bias where it is
    if sum(tensor.nbytes for named in tensors for _, tensor in named) > room * _ROOM_FOR_MERGED:
        return model
    for layer, named in zip(layers, tensors, strict=True):
        for name, tensor in named:
            setattr(layer.base_layer, name, torch.nn.Parameter(tensor.detach().clone(), requires_grad=False))
    with quiet_transformers():
        return model.merge_and_unload()


def _free_memory(device: Any) -> int:
    import torch

    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 0


def _tensor_names(file: Path) -> set[str]:
    """The tensors of an adapter's file by the names that its base has for them; none where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as content:
            names = " ".join(content.keys())
    except (OSError, SafetensorError):  # `add_adapter` says what is wrong
        return set()
    for added_by_peft in ("base_model.model.", ".base_layer", ".original_module"):
        names = names.replace(added_by_peft, "")
    return set(names.split())


def _require_adapter(adapter: Path) -> None:
    if not adapter.exists():
        raise UserError(f"{adapter}: no such folder; give one that `train` wrote")
    if not (adapter / PEFT_CONFIG).is_file():
        raise UserError(f"{adapter}: is no adapter, it has no {PEFT_CONFIG}; give the folder that `train` wrote")


def _lora_config(adapter: Path) -> Any:
    """PEFT's settings of a LoRA adapter: those that shape its weights are taken, those of its training left out."""
    from peft import LoraConfig

    given = _read_peft_config(adapter)
    kind = given.get("peft_type")
    if kind != "LORA":
        raise UserError(f"{adapter}: is of the kind {kind}, and only LORA can be loaded; give another adapter")
    for name, value in given.items():
        if name == "init_lora_weights" and value in HARMLESS_INIT:
            continue
        if name not in LORA_SHAPE | LORA_WITHOUT_EFFECT and value not in (None, False, {}, []):
            raise UserError(f"{adapter}: sets {name}, which is not taken from an adapter; give a plain LoRA")
    shape = {name: value for name, value in given.items() if name in LORA_SHAPE}
    return LoraConfig(**shape, task_type="CAUSAL_LM", inference_mode=True)


def _read_peft_config(adapter: Path) -> dict[str, Any]:
    path = adapter / PEFT_CONFIG
    try:
        settings = json.loads(read_bytes(path))
        if not isinstance(settings, dict) or not settings:
            raise ValueError
    except (ValueError, RecursionError):
        raise UserError(f"{path}: is damaged; restore it") from None
    return settings
