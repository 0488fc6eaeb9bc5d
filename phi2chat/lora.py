"""Where the LoRA matrices are put; one rule for training and for the estimate before it."""

from peft import LoraConfig

from phi2chat.config import TrainConfig

PHI_TARGETS = ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"]


def lora_config(config: TrainConfig, model_type: str) -> LoraConfig:
    """PEFT's settings: the six linear layers of Phi, all linear layers of another architecture but its head."""
    return LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=PHI_TARGETS if model_type == "phi" else "all-linear",
        task_type="CAUSAL_LM",
    )
