"""What the trainer is given: TRL's arguments, the LoRA adapter, and an eval loss that is a mean over tokens."""

import dataclasses
from pathlib import Path
from typing import Any

import transformers
from trl import SFTConfig, SFTTrainer

from curation.errors import UserError
from datasets import Dataset
from phi2chat.config import TrainConfig
from phi2chat.examples import IGNORED, TokenizedSide
from phi2chat.lora import lora_config
from phi2chat.quiet import quiet_transformers
from phi2chat.run import CHECKPOINTS, Run

# transformers renamed the option after 5.17, the oldest version that we run on.
_CHECKPOINTING = (
    "activation_checkpointing"
    if any(option.name == "activation_checkpointing" for option in dataclasses.fields(SFTConfig))
    else "gradient_checkpointing"
)


def make_trainer(
    folder: Path,
    run: Run,
    config: TrainConfig,
    model: Any,
    tokenizer: Any,
    train_side: TokenizedSide,
    eval_side: TokenizedSide,
    is_new: bool,
) -> "TokenMeanTrainer":
    """SFTTrainer with a fresh LoRA adapter on `model`, ready to train. Raises UserError where LoRA finds no layer."""
    strategy = "steps" if config.eval_steps else "epoch"
    on_cpu = model.device.type == "cpu"
    with quiet_transformers():  # TRL and PEFT warn about choices that are made on purpose here
        arguments = SFTConfig(
            output_dir=str(folder / CHECKPOINTS),
            num_train_epochs=config.epochs,
            max_steps=config.max_steps or -1,
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=config.batch_size,
            gradient_accumulation_steps=config.accumulation_steps,
            learning_rate=config.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=config.warmup_ratio,  # below 1 it is a part of all steps
            seed=config.seed,
            bf16=run.precision == "bf16",
            use_cpu=on_cpu,
            # The examples come tokenized and with labels; TRL would tokenize, cut and filter them without a word.
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
            completion_only_loss=True,
            eval_strategy=strategy,
            eval_steps=config.eval_steps,
            eval_on_start=is_new,
            save_strategy=strategy,
            save_steps=config.eval_steps or 500,
            save_total_limit=2,  # the best and the last: with 1, the one of Ctrl-C would be removed
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            logging_steps=1,
            logging_nan_inf_filter=False,  # it would show the mean of the other steps for a NaN
            dataloader_pin_memory=not on_cpu,
            disable_tqdm=True,
            report_to=[],
            **{_CHECKPOINTING: config.gradient_checkpointing},
        )
        arguments._n_gpu = 1  # with several, Trainer would fall back to DataParallel and multiply the batch
        try:
            trainer = TokenMeanTrainer(
                model=model,
                args=arguments,
                train_dataset=Dataset.from_list(train_side.examples),
                eval_dataset=Dataset.from_list(eval_side.examples),
                processing_class=tokenizer,
                peft_config=lora_config(config, model.config.model_type),
            )
        except ValueError as error:
            if "target modules" not in str(error).lower():
                raise
            raise UserError(f"{run.base}: has no layer that LoRA could be put on; take another base") from error
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


class TokenMeanTrainer(SFTTrainer):  # type: ignore[misc]  # trl ships no types
    """SFTTrainer whose eval loss is a mean over tokens; Trainer's own is a mean over batches of unequal size."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: run.json says what was trained, and no README of the trainer's stands in the run."""

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        self._eval_nats, self._eval_tokens = 0.0, 0
        output = super().evaluation_loop(*args, **kwargs)
        output.metrics["eval_loss"] = self._eval_nats / self._eval_tokens
        return output

    def prediction_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        tokens = int((inputs["labels"][:, 1:] != IGNORED).sum())
        loss, logits, labels = super().prediction_step(model, inputs, *args, **kwargs)
        self._eval_nats += float(loss) * tokens
        self._eval_tokens += tokens
        return loss, logits, labels
