"""What the trainer is given: TRL's arguments, the LoRA adapter, and an eval loss that is a mean over tokens."""

import dataclasses
import importlib.util
import math
import sys
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import transformers
from torch.nn.functional import cross_entropy
from trl import SFTConfig, SFTTrainer

from curation.errors import UserError, first_line
from datasets import Dataset
from phi2chat.config import TrainConfig
from phi2chat.inference.examples import IGNORED
from phi2chat.quiet import quiet_transformers
from phi2chat.training.batches import WholeSteps, blank_like, fill_up, lay_end_to_end
from phi2chat.training.behaviour import LOSS_WEIGHT, MEASURED, Examiner
from phi2chat.training.lora import lora_config, use_fused_lora
from phi2chat.training.prepare import Prepared
from phi2chat.training.processes import add_up, average_gradients, begin_alike, count, is_main
from phi2chat.training.speed import (
    compile_layers,
    is_of_the_compiler,
    leave_padding_out,
    run_uncompiled,
    uncompiled,
    use_fused_gelu,
)
from phi2chat.training.walks import spare_walks
from phi2chat.training.watcher import Reporter
from phi2chat.weights.run import CHECKPOINTS, Run

BY = "eval_selected_by"  # the metric that a checkpoint is chosen by; lower is better
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
    prepared: Prepared,
    is_new: bool,
    reporter: Reporter,
) -> "TokenMeanTrainer":
    """SFTTrainer with a fresh LoRA adapter on the model, ready to train. Raises UserError where LoRA finds no layer."""
    model, train_examples, eval_examples = prepared.model, prepared.train.examples, prepared.eval.examples
    use_fused_gelu(model)
    if padded := leave_padding_out(model, train_examples):
        reporter.note(f"batches are padded, which is slower: {run.base} cannot read records end to end ({padded})")
    # Several processes need whole steps; one takes what is there.
    if (together := count()) > 1:
        train_examples = [*train_examples, blank_like(train_examples[0])]
        eval_examples = fill_up(eval_examples, config.batch_size * together)
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
            # Trainer would remove old checkpoints before the new one is sealed, and look for the best one at the path
            # that its folder had; checkpoints.py does both.
            metric_for_best_model=None if config.select_by == "last" else BY,
            greater_is_better=None if config.select_by == "last" else False,
            logging_steps=1,
            logging_nan_inf_filter=False,  # it would show the mean of the other steps for a NaN
            dataloader_pin_memory=not on_cpu,
            disable_tqdm=True,
            report_to=[name for name in trackers_of(config) if name != "tensorboard"],
            run_name=folder.resolve().name,
            project="phi2chat",
            trackio_space_id=None,  # on this machine, and on no hub
            **{_CHECKPOINTING: config.gradient_checkpointing},
        )
        arguments._n_gpu = 1  # with several, Trainer would fall back to DataParallel and multiply the batch
        try:
            trainer = TokenMeanTrainer(
                model=model,
                args=arguments,
                # As arrays, for a batch is made while the GPU waits.
                train_dataset=Dataset.from_list(train_examples).with_format("numpy"),
                eval_dataset=Dataset.from_list(eval_examples).with_format("numpy"),
                processing_class=prepared.tokenizer,
                data_collator=None if padded else lay_end_to_end,
                peft_config=lora_config(config, model.config.model_type),
                callbacks=_tensorboard(folder) if "tensorboard" in trackers_of(config) and is_main() else None,
            )
        except ValueError as error:
            if "target modules" not in str(error).lower():
                raise
            raise UserError(f"{run.base}: has no layer that LoRA could be put on; take another base") from error
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.reporter = reporter
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return trainer  # they gather the weights of a module when it is called as it was written, and only then
    if together > 1:
        begin_alike(trainer.trained_weights)
        # Without DistributedDataParallel: what it does, `average_gradients` does in less time.
        trainer.accelerator.prepare_model = partial(trainer.accelerator.prepare_model, evaluation_mode=True)
        trainer.exchanges_gradients = True
    base = trainer.model.get_base_model()
    use_fused_lora(base)
    if config.compile and not on_cpu and not padded and config.quantize == "none":
        compile_layers(base)
    spare_walks(trainer.model)
    return trainer


def trackers_of(config: TrainConfig) -> list[str]:
    """Where the curves are sent besides the terminal."""
    return config.report_to.split(",") if config.report_to else []


def require_trackers(config: TrainConfig) -> None:
    """Raise UserError where the package of a tracker is missing, which Trainer would say after the model is loaded."""
    for name in trackers_of(config):
        if importlib.util.find_spec(name) is None:
            raise UserError(
                f"--report-to {name}: the package {name} is not installed; run {sys.executable} -m pip install {name}"
            )


def _tensorboard(folder: Path) -> list[transformers.TrainerCallback]:
    """TensorBoard's callback with one place for a run; its own makes another one when a run is resumed."""
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    return [TensorBoardCallback(SummaryWriter(str(folder / "tensorboard")))]


class TokenMeanTrainer(SFTTrainer):  # type: ignore[misc]  # trl ships no types
    """SFTTrainer whose eval loss is a mean over tokens; Trainer's own is a mean over batches of unequal size.

    Batches of `lay_end_to_end` get a loss that makes logits for completions alone and never waits for the GPU. Where
    layers cannot be compiled, training goes on without, and says so.
    """

    reporter: Reporter
    examiner: Examiner | None = None
    select_by = "eval-loss"
    exchanges_gradients = False  # itself, with the other processes

    @cached_property
    def trained_weights(self) -> list[Any]:
        """The weights of the adapter; to look for them in the model at every step would take time."""
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: run.json says what was trained, and no README of the trainer's stands in the run."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if count() == 1:
            return super()._get_train_sampler(train_dataset)
        lengths = [len(ids) for ids in self.train_dataset["input_ids"]][:-1]  # the last one is blank
        batch_size, seed = self.args.per_device_train_batch_size, self.args.seed
        return WholeSteps(lengths, count(), batch_size, seed, lambda: int(self.state.epoch or 0))

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        batches, loss_tokens = super().get_batch_samples(*args, **kwargs)
        if batches and "targets" in batches[0]:
            self._total_train_tokens += int(add_up(sum(batch["input_ids"].numel() for batch in batches)))
        return batches, loss_tokens

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        # What an error leaves half added to gradients of earlier batches could not be taken out again.
        can_begin_again = all(weight.grad is None for weight in self.trained_weights)
        try:
            loss = super().training_step(*args, **kwargs)
        except Exception as error:
            if not is_of_the_compiler(error) or not can_begin_again:
                raise
            run_uncompiled(self.accelerator.unwrap_model(self.model).get_base_model())
            reason = first_line(getattr(error, "inner_exception", error))
            self.reporter.note(f"layers run uncompiled, which is slower: torch cannot compile them here ({reason})")
            self.optimizer.zero_grad()
            loss = super().training_step(*args, **kwargs)
        if self.exchanges_gradients and self.accelerator.sync_gradients:  # the last batch of the step
            average_gradients(self.trained_weights)
        return loss

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if "targets" not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        given = {name: value for name, value in inputs.items() if name not in ("labels", "targets")}
        logits = model(**given, use_cache=False).logits[0]  # (targets, vocabulary)
        loss = cross_entropy(logits.float(), inputs["targets"], reduction="sum")
        if num_items_in_batch is None:
            loss = loss / max(len(inputs["targets"]), 1)
        else:  # it counts the tokens of all processes, over which gradients are averaged
            loss = loss * (self.accelerator.num_processes / num_items_in_batch)
        self._metrics["train" if model.training else "eval"]["num_tokens"] = [self._total_train_tokens]
        return loss

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        self._eval_nats, self._eval_tokens = 0.0, 0
        with uncompiled(self.accelerator.unwrap_model(self.model).get_base_model()):
            output = super().evaluation_loop(*args, **kwargs)
        output.metrics["eval_loss"] = output.metrics[BY] = add_up(self._eval_nats) / add_up(self._eval_tokens)
        if self.examiner is not None:
            self._examine(output.metrics)
        return output

    def _examine(self, metrics: dict[str, float]) -> None:
        assert self.examiner is not None
        found = self.examiner.examine(self.accelerator.unwrap_model(self.model))
        if found is not None:
            metrics |= {"eval_probe_score": found.probe_score, "eval_script_pass": found.script_pass}
        if self.select_by in MEASURED:
            share = None if found is None else getattr(found, self.select_by.replace("-", "_"))
            metrics[BY] = math.inf if share is None else LOSS_WEIGHT * metrics["eval_loss"] - share

    def prediction_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        tokens = int((inputs["labels"][:, 1:] != IGNORED).sum())
        loss, logits, labels = super().prediction_step(model, inputs, *args, **kwargs)
        self._eval_nats += float(loss) * tokens
        self._eval_tokens += tokens
        return loss, logits, labels
