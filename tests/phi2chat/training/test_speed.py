"""The fast path computes what the plain one computes: the same losses and gradients, no record seen by its neighbour."""

import copy
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy
from transformers import (
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    TrainerCallback,
)
from transformers.activations import NewGELUActivation
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from datasets import Dataset, concatenate_datasets
from phi2chat.config import TrainConfig
from phi2chat.inference.examples import IGNORED, TokenizedSide
from phi2chat.inference.prompt import PromptStyle
from phi2chat.training.batches import fill_up, lay_end_to_end
from phi2chat.training.lora import use_fused_lora
from phi2chat.training.prepare import Prepared
from phi2chat.training.sft import TokenMeanTrainer, make_trainer
from phi2chat.training.speed import compile_layers, is_of_the_compiler, leave_padding_out, use_fused_gelu
from phi2chat.weights.bases import Base
from phi2chat.weights.models import load_base
from phi2chat.weights.run import Run

VOCABULARY = 320
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def phi() -> Any:
    return PhiForCausalLM(PhiConfig(**SHAPE, resid_pdrop=0.0, hidden_act="gelu_new"))


def llama() -> Any:
    """With two heads of queries to one of keys."""
    return LlamaForCausalLM(LlamaConfig(**SHAPE, num_key_value_heads=2))


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    torch.manual_seed(0)
    yield


def examples(count: int, seed: int = 0) -> list[dict[str, list[int]]]:
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        length = rng.randrange(8, 60)
        ids = [rng.randrange(3, VOCABULARY) for _ in range(length)]
        made.append({"input_ids": ids, "labels": [IGNORED] * (length // 3) + ids[length // 3 :]})
    return made


def put_lora_on(model: Any, dropout: float = 0.0) -> Any:
    config = LoraConfig(r=4, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM")
    with warnings.catch_warnings(action="ignore"):  # PEFT asks transformers for something by its old name
        return get_peft_model(model, config)


def with_lora(model: Any, dtype: torch.dtype = torch.float32) -> Any:
    model = put_lora_on(model.to(dtype))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # zero at first, which would leave the gradient of A zero too
            torch.nn.init.normal_(parameter, std=0.05)
    return model.train()


def gradients(model: Any, nats: torch.Tensor) -> torch.Tensor:
    model.zero_grad()
    nats.backward()
    return torch.cat([p.grad.flatten().float() for p in model.parameters() if p.grad is not None])


def nats_one_by_one(model: Any, rows: list[dict[str, list[int]]]) -> torch.Tensor:
    """Each record in a batch of its own, by the plain call of transformers."""
    total = torch.zeros(())
    for row in rows:
        logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0, :-1]
        total = total + cross_entropy(logits.float(), torch.tensor(row["labels"])[1:], reduction="sum")
    return total


def nats_end_to_end(model: Any, rows: list[dict[str, list[int]]]) -> torch.Tensor:
    batch = lay_end_to_end(rows)
    targets = batch.pop("targets")
    del batch["labels"]
    return cross_entropy(model(**batch, use_cache=False).logits[0].float(), targets, reduction="sum")


@pytest.mark.parametrize("make", [phi, llama])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_loss_and_gradients_are_those_of_the_records_one_by_one(
    make: Any, dtype: torch.dtype, tolerance: float
) -> None:
    rows, model = examples(7), with_lora(make(), dtype)
    nats = nats_one_by_one(model, rows)
    expected, expected_gradients = nats.detach(), gradients(model, nats)

    base = model.get_base_model()
    use_fused_gelu(base)
    assert leave_padding_out(base, rows) is None
    use_fused_lora(base)
    nats = nats_end_to_end(model, rows)
    fast_gradients = gradients(model, nats)

    assert float(abs(nats.detach() - expected) / expected) < tolerance
    assert float((fast_gradients - expected_gradients).norm() / expected_gradients.norm()) < tolerance


def test_no_record_sees_its_neighbour() -> None:
    model = phi()
    rows = examples(4)
    assert leave_padding_out(model, rows) is None
    other = [{**row, "input_ids": list(reversed(row["input_ids"]))} if i != 2 else row for i, row in enumerate(rows)]

    def logits_of_the_third(batch: list[dict[str, list[int]]]) -> torch.Tensor:
        laid = lay_end_to_end(batch)
        start, end = laid["cu_seq_lens_q"][2:4].tolist()
        given = {name: laid[name] for name in laid if name not in ("labels", "targets", "logits_to_keep")}
        with torch.no_grad():
            return model(**given, use_cache=False).logits[0, start:end]

    assert torch.equal(logits_of_the_third(rows), logits_of_the_third(other))


def test_logits_are_made_for_tokens_with_a_loss_alone() -> None:
    rows = examples(5)
    batch = lay_end_to_end(rows)
    wanted = [token for row in rows for token in row["labels"] if token != IGNORED]
    assert batch["targets"].tolist() == wanted
    assert batch["input_ids"][0, batch["logits_to_keep"] + 1].tolist() == wanted
    assert sum(len(row["input_ids"]) for row in rows) == batch["input_ids"].numel() == batch["cu_seq_lens_q"][-1]


def test_a_record_that_is_all_completion_is_not_asked_to_follow_from_the_record_before() -> None:
    whole = {"input_ids": [5, 6, 7], "labels": [5, 6, 7]}
    batch = lay_end_to_end([whole, whole])
    assert batch["targets"].tolist() == [6, 7, 6, 7]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1, 2]]


def test_a_model_with_a_sliding_window_is_left_as_it_was_and_the_reason_given() -> None:
    model = MistralForCausalLM(MistralConfig(**SHAPE, num_key_value_heads=2, sliding_window=16))
    before = model.config._attn_implementation
    assert leave_padding_out(model, examples(4)) == "attention with sliding_window"
    assert model.config._attn_implementation == before
    model.eval()
    model(input_ids=torch.tensor([[5, 6, 7]]))


class Forgetful(PhiForCausalLM):
    """An architecture that does not hand on where records begin."""

    def forward(self, *args: Any, cu_seq_lens_q: Any = None, **kwargs: Any) -> Any:
        return super().forward(*args, **kwargs)


def test_a_model_that_mixes_records_up_is_found_out_by_a_single_one() -> None:
    model = Forgetful(PhiConfig(**SHAPE, initializer_range=0.3))
    assert leave_padding_out(model, examples(1)) == "it does not keep them apart"


def test_a_model_without_a_choice_of_attention_is_named_by_us_alone(capfd: pytest.CaptureFixture[str]) -> None:
    from transformers import BloomConfig, BloomForCausalLM

    model = BloomForCausalLM(BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=2))
    assert leave_padding_out(model, examples(2))
    assert capfd.readouterr() == ("", "")


def test_a_model_that_mixes_records_up_is_found_out() -> None:
    model = Forgetful(PhiConfig(**SHAPE, initializer_range=0.3))
    assert leave_padding_out(model, examples(4)) == "it does not keep them apart"


def test_a_neighbour_that_rounding_could_hide_is_found_out() -> None:
    """Its short convolutions go over the boundary: in bf16 the difference is that of rounding, but it is one."""
    shape = {**SHAPE, "num_key_value_heads": 2, "layer_types": ["conv", "full_attention"]}
    model = Lfm2ForCausalLM(Lfm2Config(**shape)).to(torch.bfloat16)
    assert leave_padding_out(model, examples(4)) == "it does not keep them apart"
    assert leave_padding_out(model, examples(1)) == "it does not keep them apart"  # others may stand on the eval side


def test_fused_lora_is_peft_s_to_the_last_digits_and_leaves_other_layers_alone() -> None:
    plain = with_lora(phi())
    fused = copy.deepcopy(plain)
    use_fused_lora(fused)
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    losses = [model(input_ids=ids, labels=ids).loss for model in (plain, fused)]
    assert torch.allclose(losses[0], losses[1], rtol=1e-6)
    assert torch.allclose(gradients(plain, losses[0]), gradients(fused, losses[1]), rtol=1e-4, atol=1e-7)
    with fused.disable_adapter(), plain.disable_adapter():
        assert torch.equal(fused(input_ids=ids).logits, plain(input_ids=ids).logits)

    dropping = put_lora_on(phi(), dropout=0.1)
    use_fused_lora(dropping)
    assert not any("forward" in vars(module) for module in dropping.modules())


def test_the_eager_gelu_is_replaced_by_the_same_formula() -> None:
    model = phi()
    x = torch.linspace(-6, 6, 1001)
    eager = model.model.layers[0].mlp.activation_fn
    use_fused_gelu(model)
    assert not any(isinstance(module, NewGELUActivation) for module in model.modules())
    assert torch.allclose(model.model.layers[0].mlp.activation_fn(x), eager(x), atol=1e-6)


class Noting:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def status(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)

    def training_progress(self, progress: object) -> None:
        pass


def trainer_of(tiny_phi: Path, folder: Path, rows: list[dict[str, list[int]]], noting: Noting) -> TokenMeanTrainer:
    base = Base("tiny", "tiny", tiny_phi)
    model, tokenizer = load_base(base, torch.device("cpu"), torch.float32)
    config = TrainConfig(batch_size=4, max_steps=100, learning_rate=1e-2, device="cpu", eval_steps=100)
    run = Run("tiny", "rows", {}, {}, precision="float32")
    train_side, eval_side = (TokenizedSide(side, [], [], []) for side in (rows, rows[:4]))
    prepared = Prepared(base, model, tokenizer, PromptStyle(), train_side, eval_side, [], 0.0)
    return make_trainer(folder, run, config, prepared, False, noting)


def losses(trainer: TokenMeanTrainer) -> list[float]:
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_over_100_steps_the_loss_is_that_of_padded_batches_and_of_trl_s_own_loss(
    tiny_phi: Path, tmp_path: Path
) -> None:
    rows = examples(40)
    fast = trainer_of(tiny_phi, tmp_path / "fast", rows, Noting())
    assert fast.data_collator is lay_end_to_end

    stock = trainer_of(tiny_phi, tmp_path / "stock", rows, Noting())
    stock.data_collator = DataCollatorForLanguageModeling(pad_token_id=0)
    stock.model.get_base_model().set_attn_implementation("sdpa")

    expected, seen = losses(stock), losses(fast)
    assert len(seen) == 100 and expected[-1] < expected[0] * 0.8
    assert seen == pytest.approx(expected, rel=2e-3)
    assert fast.evaluate()["eval_loss"] == pytest.approx(stock.evaluate()["eval_loss"], rel=2e-3)


@pytest.mark.parametrize("padded", [False, True])
def test_a_batch_of_blank_records_changes_no_eval_loss(tiny_phi: Path, tmp_path: Path, padded: bool) -> None:
    trainer = trainer_of(tiny_phi, tmp_path, examples(4), Noting())
    if padded:
        trainer.data_collator = DataCollatorForLanguageModeling(pad_token_id=0)
        trainer.model.get_base_model().set_attn_implementation("sdpa")
    expected = trainer.evaluate()["eval_loss"]
    blanks = Dataset.from_list(fill_up(examples(4), 8)[4:])
    trainer.eval_dataset = concatenate_datasets([trainer.eval_dataset, blanks])
    assert trainer.evaluate()["eval_loss"] == expected


def test_where_layers_cannot_be_compiled_training_goes_on_and_says_so(tiny_phi: Path, tmp_path: Path) -> None:
    rows, noting = examples(12), Noting()
    plain = trainer_of(tiny_phi, tmp_path / "plain", rows, Noting())
    failing = trainer_of(tiny_phi, tmp_path / "failing", rows, noting)
    for trainer in (plain, failing):
        trainer.args.max_steps = 3
    base = failing.model.get_base_model()
    compile_layers(base)
    for layer in base.model.layers:
        layer.compile(backend=no_compiler)
    assert losses(failing) == losses(plain)
    assert [note for note in noting.notes if "uncompiled" in note and "no C compiler here" in note]


class BreakTheCompiler(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Compilers that fail in the second batch of the first step."""

    def __init__(self, layers: Any) -> None:
        self._layers = layers

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        for layer in self._layers if state.global_step == 0 else []:
            layer.compile(backend=no_compiler)


def test_a_compiler_that_fails_within_a_step_loses_no_gradient_unnoticed(tiny_phi: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_phi, tmp_path, examples(12), Noting())
    trainer.args.gradient_accumulation_steps, trainer.args.max_steps = 2, 2
    trainer.add_callback(BreakTheCompiler(trainer.model.get_base_model().model.layers))
    with pytest.raises(Exception, match="no C compiler here") as raised:
        trainer.train()
    assert is_of_the_compiler(raised.value)


def no_compiler(graph: Any, inputs: Any) -> Any:
    raise RuntimeError("no C compiler here")


def test_an_error_of_the_model_is_none_of_the_compiler() -> None:
    assert not is_of_the_compiler(RuntimeError("shapes do not fit"))
