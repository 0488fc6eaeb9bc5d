"""What several tests share: an environment without network or colours, a tiny Phi, and a model that follows a script."""

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from hypothesis import settings

from curation.errors import UserError
from phi2chat.chatting.chat import Conversation
from phi2chat.chatting.slash import follow
from phi2chat.chatting.talk import Talk
from phi2chat.config import ChatConfig
from phi2chat.inference.guard import GuardReport
from phi2chat.inference.prompt import Example, PromptStyle
from phi2chat.inference.recipes import StopReason
from phi2chat.terminal.screen import SafeConsole, Screen

# Before anything of Hugging Face is imported.
os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive", "TOKENIZERS_PARALLELISM": "false"}
for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
    os.environ.pop(name, None)

settings.register_profile("no clock", deadline=None)  # how long a test takes says nothing about the product
settings.load_profile("no clock")

REPOSITORY = Path(__file__).parents[1]
JA_BASICS = REPOSITORY / "datasets" / "ja-basics.jsonl"


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """An empty folder in which fsync waits for no disk, where there is such a place."""
    in_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else None) as folder:
        yield Path(folder).resolve()


@pytest.fixture(scope="session")
def ja_basics() -> Path:
    """The shipped records."""
    return JA_BASICS


@pytest.fixture(scope="session")
def tiny_phi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder: Phi's architecture with 2 layers and random weights, and a byte-level BPE of 1000 tokens."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PhiConfig, PhiForCausalLM, PreTrainedTokenizerFast

    end = "<|endoftext|>"
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=[end],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(JA_BASICS.read_text(encoding="utf-8").splitlines(), trainer)
    torch.manual_seed(0)
    config = PhiConfig(
        vocab_size=1024,
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.4},
        max_position_embeddings=2048,
        initializer_range=0.1,  # with the usual 0.02 no training of adapters alone could make it sure of a token
        bos_token_id=0,
        eos_token_id=0,
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-phi"
    PhiForCausalLM(config).save_pretrained(folder)
    # As Phi-2's own: one token is begin, end and unknown, there is no pad, and the model has spare rows.
    PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=end, bos_token=end, unk_token=end).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_phi: Path) -> Any:
    """The tokenizer of the tiny Phi."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_phi)


class Silent:
    """Hears what a training run reports, and does nothing."""

    def status(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def training_progress(self, progress: object) -> None:
        pass


@pytest.fixture(scope="session")
def answering_adapter(tiny_phi: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An adapter of the tiny Phi that knows six records by heart, and the file of these records."""
    from phi2chat.config import TrainConfig
    from phi2chat.training.trainer import train

    folder = tmp_path_factory.mktemp("answering")
    lines = JA_BASICS.read_bytes().splitlines(keepends=True)
    known = [line for line in lines if b'"language": "ja"' in line and b'"input"' not in line][:6]
    (folder / "known.jsonl").write_bytes(b"".join(known))
    (folder / "eval.jsonl").write_bytes(b"".join(lines[-4:]))
    config = TrainConfig(
        base=str(tiny_phi),
        output_dir=folder / "run",
        eval_file=folder / "eval.jsonl",
        device="cpu",
        batch_size=6,
        max_steps=200,
        eval_steps=200,
        learning_rate=1e-2,
        lora_rank=64,
        lora_alpha=64,
        lora_dropout=0.0,
    )
    train(folder / "known.jsonl", config, Silent())
    return folder / "run", folder / "known.jsonl"


class ScriptedStream:
    """Pieces of a reply as written down; every piece is a token and takes half a second."""

    def __init__(self, pieces: Iterable[str], stop: StopReason, guard: GuardReport) -> None:
        self._pieces, self.stop, self.guard = pieces, stop, guard
        self.unit: Literal["tokens", "pieces"] = "tokens"
        self.notes: tuple[str, ...] = ()
        self.tokens, self.seconds = 0, 0.0

    def __iter__(self) -> Iterator[str]:
        for piece in self._pieces:
            self.tokens += 1
            self.seconds += 0.5
            yield piece


class ScriptedModel:
    """A chat.Model with a queue of replies. It writes down what it was asked, as (history, question, config)."""

    name = "scripted"
    style = PromptStyle()

    def __init__(self, *replies: Iterable[str] | UserError, stop: StopReason = StopReason.END_OF_TEXT) -> None:
        self.replies, self.stop = list(replies), stop
        self.asked: list[tuple[list[Example], str, ChatConfig]] = []

    def stream(self, history: Sequence[Example], question: str, config: ChatConfig) -> ScriptedStream:
        self.asked.append((list(history), question, config))
        reply = self.replies.pop(0)
        if isinstance(reply, UserError):
            raise reply
        return ScriptedStream(reply, self.stop, GuardReport(config.guard))


@pytest.fixture
def scripted_model() -> type[ScriptedModel]:
    """Make one with `scripted_model(["a piece", "another"], ["pieces", "of", "a", "second", "reply"])`."""
    return ScriptedModel


class ScriptedTalk(Talk):
    """A talk on a screen without colours; `enter` gives what is shown. Replies are asked for and not shown.

    What it is asked yes or no is in `questions`; it says `yes`.
    """

    def __init__(self, model: Any, config: ChatConfig | None = None, width: int = 200, yes: bool = False) -> None:
        self.shown = io.StringIO()
        console = SafeConsole(file=self.shown, width=width)
        self.questions: list[str] = []
        self.yes = yes
        super().__init__(Conversation(model, config or ChatConfig()), Screen(console, console), self._answer)

    def _answer(self, question: str) -> bool:
        self.questions.append(question)
        return self.yes

    def reply(self, question: str, **changes: Any) -> None:
        for _ in self.conversation.ask(question, **changes):
            pass

    def enter(self, *lines: str) -> list[str]:
        """What is shown after each line; a refusal begins with "! "."""
        said = []
        for line in lines:
            before = len(self.shown.getvalue())
            try:
                follow(self, line)
            except UserError as error:
                said.append(f"! {error}")
                continue
            said.append(self.shown.getvalue()[before:].removesuffix("\n"))
        return said


@pytest.fixture
def scripted_talk() -> type[ScriptedTalk]:
    """Make one with `scripted_talk(scripted_model(["a reply"]))`."""
    return ScriptedTalk


class ScriptedLogits:
    """A causal language model that wants the given ids one after the other; `read` has what it was fed, call by call.

    An item that is a list of ids wants the first of them most, then the second, and so on.
    """

    def __init__(self, ids: Sequence[int | list[int]], rows: int = 1024, eos_token_id: object = 0) -> None:
        import torch
        from transformers import PhiConfig

        self._ids, self._rows = list(ids), rows
        self.device = torch.device("cpu")
        self.config = PhiConfig(num_hidden_layers=1, max_position_embeddings=2048)
        self.generation_config = SimpleNamespace(eos_token_id=eos_token_id)
        self.read: list[list[int]] = []

    def __call__(self, input_ids: Any, **_: object) -> Any:
        import torch

        self.read.append(input_ids[0].tolist())
        wanted = self._ids[min(len(self.read), len(self._ids)) - 1]
        logits = torch.zeros(1, 1, self._rows)  # (batch, last position, rows)
        for rank, token in enumerate([wanted] if isinstance(wanted, int) else wanted):
            logits[0, 0, token] = 100.0 - rank
        return SimpleNamespace(logits=logits)


@pytest.fixture
def scripted_logits() -> type[ScriptedLogits]:
    """Make one with `scripted_logits([5, 6, 0])`."""
    return ScriptedLogits


Phi2Chat = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def phi2chat(tmp_path: Path) -> Phi2Chat:
    """Run the command line as a subprocess in the test's folder, with no terminal."""

    def run(*arguments: object, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "phi2chat", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=tmp_path,
            env={**subprocess_environment(tmp_path), **environment},
            timeout=110,
        )

    return run


def subprocess_environment(state_dir: Path) -> dict[str, str]:
    """Ours, with the sources on the path and the history elsewhere than at home."""
    paths = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": paths, "XDG_STATE_HOME": str(state_dir / "state")}


@pytest.fixture
def clean_environment(tmp_path: Path) -> dict[str, str]:
    """The environment for a subprocess that a test starts by itself."""
    return subprocess_environment(tmp_path)
