"""On a GPU the engine writes what plain generate writes, before and after its kernels are compiled."""

import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from made_models import random_model
from transformers import PhiForCausalLM

from curation.errors import UserError
from phi2chat.config import ChatConfig, ModelConfig
from phi2chat.inference.chooser import Chooser
from phi2chat.inference.engine import FIRST_LENGTH, Engine, make_engine
from phi2chat.inference.prompt import PromptStyle, save_style
from phi2chat.quiet import quiet_transformers
from phi2chat.weights.bases import Base
from phi2chat.weights.models import LoadedBase, LoadedModel, load

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

VOCABULARY, LONGEST_WAIT = 1000, 60.0
SHAPE = {"vocab_size": VOCABULARY, "hidden_size": 256, "num_hidden_layers": 3, "num_attention_heads": 8}
WIDE = {**SHAPE, "intermediate_size": 704, "initializer_range": 0.08, "max_position_embeddings": 4096}
GROUPED = {**WIDE, "num_key_value_heads": 2}
FUSED = {
    "phi": lambda: random_model("phi", **WIDE),
    "llama": lambda: random_model("llama", **GROUPED),
    "llama with heads of 80": lambda: random_model("llama", **GROUPED, head_dim=80, tie_word_embeddings=True),
    "mistral": lambda: random_model("mistral", **GROUPED, sliding_window=None),
    "qwen2": lambda: random_model("qwen2", **GROUPED),
}
OTHERS = {
    "gpt 2": lambda: random_model("gpt2", vocab_size=VOCABULARY, n_embd=64, n_layer=2, n_head=4),
    "opt": lambda: random_model("opt", **SHAPE, ffn_dim=512, word_embed_proj_dim=256),
    "gemma 2": lambda: random_model("gemma2", **GROUPED, head_dim=32),
    "qwen3": lambda: random_model("qwen3", **GROUPED, head_dim=32),
}
PROMPT = [5 + 37 * number % 900 for number in range(40)]


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    torch.manual_seed(0)
    yield


def on_gpu(make: Any, dtype: torch.dtype = torch.float32) -> Any:
    model = make().eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:  # norms and biases that a kernel could leave out unnoticed
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model.to("cuda", dtype)


def generate(model: Any, ids: list[int], new: int) -> list[int]:
    prompt = torch.tensor([ids], device="cuda")
    length = {"max_new_tokens": new, "min_new_tokens": new}
    output = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, **length)
    return list(output[0, len(ids) :].tolist())


def write(engine: Any, ids: list[int], new: int) -> list[int]:
    return list(engine.write(ids, Chooser(ChatConfig(temperature=0.0), torch.device("cuda")), new))


def changed_over(engine: Any, wait: float = LONGEST_WAIT) -> bool:
    end = time.monotonic() + wait
    while not engine.is_fused and time.monotonic() < end:
        write(engine, PROMPT, 4)
    return bool(engine.is_fused)


def engine_of(model: Any) -> Engine:
    engine = make_engine(model, VOCABULARY)
    assert engine is not None
    return engine


@pytest.mark.parametrize("kind", FUSED)
def test_every_token_is_that_of_generate_before_and_after_the_kernels_are_compiled(kind: str) -> None:
    model = on_gpu(FUSED[kind])
    wanted = generate(model, PROMPT, 120)
    engine = engine_of(model)
    assert write(engine, PROMPT, 120) == wanted
    assert changed_over(engine)
    assert write(engine, PROMPT, 120) == wanted
    assert write(engine, [*PROMPT[:7], 9], 20) == generate(model, [*PROMPT[:7], 9], 20)


def test_nothing_is_left_to_compile_when_the_threads_are_done() -> None:
    triton = pytest.importorskip("triton")
    compiled_in: list[str] = []
    with triton.knobs.runtime.scope():
        triton.knobs.runtime.jit_post_compile_hook = lambda **_: compiled_in.append(threading.current_thread().name)
        engine = engine_of(on_gpu(lambda: random_model("llama", **{**GROUPED, "intermediate_size": 736})))
        assert changed_over(engine)
    assert compiled_in and all(name.startswith("kernels") for name in compiled_in)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", FUSED)
def test_in_half_precision_only_ties_are_decided_otherwise(kind: str, dtype: torch.dtype) -> None:
    model = on_gpu(FUSED[kind], dtype)
    tokens = generate(model, PROMPT, 60)
    engine = engine_of(model)
    assert changed_over(engine)
    engine.read(PROMPT)
    for number, token in enumerate(tokens):
        logits = engine.read([*PROMPT, *tokens[:number]]).float()
        assert float(logits.max() - logits[token]) < 0.1 * float(logits.std())
    assert engine.is_fused


def test_a_long_conversation_changes_over_anew() -> None:
    model = on_gpu(FUSED["phi"])
    ids = [5 + 37 * number % 900 for number in range(FIRST_LENGTH - 20)]
    wanted = generate(model, ids, 80)
    engine = engine_of(model)
    assert changed_over(engine)
    assert write(engine, ids, 80) == wanted
    assert changed_over(engine)
    assert write(engine, ids, 80) == wanted
    assert write(engine, PROMPT, 10) == generate(model, PROMPT, 10)


def test_a_reply_that_is_broken_off_spoils_none() -> None:
    model = on_gpu(FUSED["llama"])
    wanted = generate(model, PROMPT, 40)
    engine = engine_of(model)
    assert changed_over(engine)
    writing = engine.write([*PROMPT, 5], Chooser(ChatConfig(temperature=0.0), torch.device("cuda")), 30)
    next(writing), next(writing)
    writing.close()
    assert write(engine, PROMPT, 40) == wanted


def test_engines_of_one_model_do_not_mix_up_what_they_have_read() -> None:
    model = on_gpu(FUSED["phi"])
    wanted, other_wanted = generate(model, PROMPT, 20), generate(model, PROMPT[5:], 20)
    one, other = engine_of(model), engine_of(model)
    assert changed_over(one) and changed_over(other)
    for _ in range(2):
        assert write(one, PROMPT, 20) == wanted
        assert write(other, PROMPT[5:], 20) == other_wanted


@pytest.mark.parametrize("kind", OTHERS)
def test_a_model_of_another_kind_is_read_without_these_kernels(kind: str) -> None:
    model = on_gpu(OTHERS[kind])
    wanted = generate(model, PROMPT, 30)
    engine = make_engine(model, VOCABULARY)
    if engine is None:
        assert kind == "gemma 2"
        return
    for _ in range(2):
        assert write(engine, PROMPT, 30) == wanted
    assert not changed_over(engine, 0.0)


def adapter_of(base: Path, folder: Path, seed: int) -> Path:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    lora = LoraConfig(r=4, target_modules=["fc1", "q_proj"], task_type="CAUSAL_LM")
    with quiet_transformers():
        model = get_peft_model(PhiForCausalLM.from_pretrained(base), lora)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter.data)
    model.save_pretrained(folder)
    save_style(PromptStyle(), folder)
    (folder / "run.json").write_text(json.dumps({"base": str(base)}))
    return folder


def test_the_base_and_two_adapters_each_write_their_own(tiny_phi: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    one, two = adapter_of(tiny_phi, tmp_path / "one", 1), adapter_of(tiny_phi, tmp_path / "two", 2)
    config = ModelConfig(base=str(tiny_phi), device="cuda", precision="float32")
    models = [load(dataclasses.replace(config, adapter=adapter), lambda text: None) for adapter in (None, one, two)]
    alone = [generate(loaded.model, PROMPT, 30) for loaded in models]
    assert len({tuple(tokens) for tokens in alone}) == 3
    first = load(dataclasses.replace(config, adapter=one), lambda text: None)
    variants = [first.without_adapter(), first, first.with_adapter(two)]
    for _ in range(2):
        assert [write(loaded.reader, PROMPT, 30) for loaded in variants] == alone
        assert all(changed_over(loaded.reader) for loaded in variants)
    assert [write(loaded.reader, PROMPT, 30) for loaded in variants] == alone


@pytest.mark.parametrize("kind", ["phi", "qwen2"])
def test_questions_side_by_side_are_answered_as_one_by_one(tiny_phi: Path, tiny_tokenizer: Any, kind: str) -> None:
    model = on_gpu(FUSED[kind])
    files = Base("tiny", str(tiny_phi), tiny_phi)
    loaded = LoadedModel("tiny", model, tiny_tokenizer, PromptStyle(), LoadedBase(files, model))
    config = ChatConfig(max_new_tokens=24, temperature=0.0)
    questions = ["日本の首都は？", "水は何度で沸騰しますか。", "3足す4は？"]

    def one_by_one() -> list[str]:
        return ["".join(loaded.stream([], question, config)) for question in questions]

    before = one_by_one()
    assert changed_over(loaded.reader)
    assert ["".join(stream) for stream in loaded.stream_all(questions, config)] == before == one_by_one()
    assert changed_over(loaded.reader)
    assert one_by_one() == before


def test_among_many_questions_those_that_are_answered_are_not_read_on(tiny_phi: Path, tiny_tokenizer: Any) -> None:
    model = on_gpu(FUSED["phi"])
    loaded = LoadedModel("tiny", model, tiny_tokenizer, PromptStyle(), LoadedBase(Base("", "", tiny_phi), model))
    config = ChatConfig(recipe="b", temperature=0.0)
    questions = ["首都" * (1 + 37 * number % 50) for number in range(80)]  # of many lengths, and so their replies
    alone = ["".join(loaded.stream([], question, config)) for question in questions]
    read: list[int] = []
    count = model.get_input_embeddings().register_forward_hook(lambda module, given, _: read.append(len(given[0])))
    with count:
        assert ["".join(stream) for stream in loaded.stream_all(questions, config)] == alone
    assert read[0] == 80 and read[-1] <= 40


def test_a_full_memory_is_told_and_a_short_conversation_goes_on() -> None:
    model = on_gpu(FUSED["phi"])
    engine = engine_of(model)
    assert changed_over(engine)
    wanted = generate(model, PROMPT, 10)

    def fill(*given: Any) -> None:
        raise torch.OutOfMemoryError

    with (
        model.model.layers[1].register_forward_pre_hook(fill),
        pytest.raises(UserError, match="the GPU's memory is full at"),
    ):
        engine.read([5] * (FIRST_LENGTH + 1))
    assert write(engine, PROMPT, 10) == wanted
    assert changed_over(engine)
    assert write(engine, PROMPT, 10) == wanted
