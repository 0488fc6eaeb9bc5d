"""What a reply came from: which model, on which adapter, and how it was sampled."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from curation.lines import is_utf8
from phi2chat.config import ChatConfig

_NUMBERS = ("temperature", "top_p", "seed")


@runtime_checkable
class KnowsParts(Protocol):
    """A model that can say what it is made of."""

    @property
    def parts(self) -> Mapping[str, str]:
        """Some of `base`, `adapter` (a folder) and `adapter_sha256`."""


@dataclass(frozen=True)
class Origin:
    """What made a reply; what is not known is None.

    It is written down with the reply, for a conversation goes on with other models and settings. `adapter` is a folder,
    and `adapter_sha256` tells which weights stood in it: a folder is trained into again.
    """

    model: str = ""
    base: str | None = None
    adapter: str | None = None
    adapter_sha256: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None

    def sampling(self) -> dict[str, float | int]:
        """How the reply was sampled, as far as it is known."""
        return {name: getattr(self, name) for name in _NUMBERS if getattr(self, name) is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Origin":
        """The origin that `dataclasses.asdict` made. Raises ValueError or TypeError for anything else."""
        origin = cls(**values)
        for field in dataclasses.fields(cls):
            value = getattr(origin, field.name)
            if isinstance(value, str) and field.name not in _NUMBERS and is_utf8(value):
                continue
            is_number = type(value) in (int, float) and math.isfinite(value) and field.name in _NUMBERS
            if not is_number and (value is not None or field.name == "model"):
                raise ValueError(f"{field.name} is none")
        return origin


def origin_of(model: object, name: str, config: ChatConfig) -> Origin:
    """What a reply of a model with these settings comes from."""
    parts = {"model": name, **(model.parts if isinstance(model, KnowsParts) else {})}
    # A folder's name may be no UTF-8, and it is written to files that are.
    spelled: dict[str, Any] = {key: text.encode("utf-8", "backslashreplace").decode() for key, text in parts.items()}
    return Origin(**spelled, **{key: getattr(config, key) for key in _NUMBERS})
