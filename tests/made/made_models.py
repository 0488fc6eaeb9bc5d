"""Small models of any architecture that transformers knows, with random weights."""

from typing import Any

from transformers import AutoConfig, AutoModelForCausalLM


def random_model(architecture: str, **settings: Any) -> Any:
    """By transformers' name of the architecture (`phi`, `gpt2`); the settings are those of its configuration."""
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, **settings))
