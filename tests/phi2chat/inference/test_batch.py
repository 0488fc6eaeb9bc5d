"""Questions that are answered side by side get the replies that they get alone."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

from curation.errors import UserError
from phi2chat.chatting.chat import Conversation
from phi2chat.config import ChatConfig, ModelConfig
from phi2chat.inference.engine import Engine
from phi2chat.inference.kept_attention import has_kept
from phi2chat.inference.recipes import StopReason
from phi2chat.weights.models import LoadedModel, load

QUESTIONS = [
    "日本の首都は？",
    "What is 12 + 30?",
    "🗼",
    "フランスの首都はどこですか。理由も一文で書いてください。",
    "首都" * 40,
]


@pytest.fixture(scope="module")
def tiny(tiny_phi: Path) -> LoadedModel:
    loaded = load(ModelConfig(base=str(tiny_phi), device="cpu"), print)
    assert isinstance(loaded.reader, Engine)
    return loaded


def replies(streams: object) -> list[tuple[str, StopReason, list[int]]]:
    return [("".join(stream), stream.stop, stream.ids) for stream in streams]  # type: ignore[attr-defined]


@pytest.mark.parametrize("settings", [{"max_new_tokens": 40}, {"max_new_tokens": 3}, {"recipe": "b"}])
def test_replies_are_the_same_as_one_by_one(tiny: LoadedModel, settings: dict[str, object]) -> None:
    config = ChatConfig(temperature=0.0, **settings)  # type: ignore[arg-type]
    alone = replies(tiny.stream([], question, config) for question in QUESTIONS)
    assert replies(tiny.stream_all(QUESTIONS, config)) == alone
    assert len({len(ids) for _, _, ids in alone}) > 1 or settings == {"max_new_tokens": 3}


def test_replies_that_have_come_to_their_end_are_not_read_on(tiny: LoadedModel) -> None:
    config = ChatConfig(temperature=0.0, recipe="b")
    questions = ["首都" * number for number in (2, 45, 35, 50, 40)]  # the shortest one has the longest reply
    alone = replies(tiny.stream([], question, config) for question in questions)
    read: list[int] = []
    count = tiny.model.get_input_embeddings().register_forward_hook(lambda module, given, _: read.append(len(given[0])))
    with count:
        assert replies(tiny.stream_all(questions, config)) == alone
    assert read[0] == 5 and read[-1] == 1 and read == sorted(read, reverse=True)


def test_samples_have_their_budget_and_the_seed_gives_them_again(tiny: LoadedModel) -> None:
    config = ChatConfig(temperature=1.0, seed=3, max_new_tokens=12)
    first, second = (replies(tiny.stream_all(QUESTIONS, config)) for _ in range(2))
    assert first == second
    assert all(len(ids) <= 12 for _, _, ids in first)
    assert replies(tiny.stream_all(QUESTIONS, ChatConfig(temperature=1.0, seed=4, max_new_tokens=12))) != first


def test_the_memory_of_a_batch_is_given_back_and_the_conversation_goes_on(tiny: LoadedModel) -> None:
    config = ChatConfig(temperature=0.0, max_new_tokens=10)
    before = replies([tiny.stream([], QUESTIONS[0], config)])
    replies(tiny.stream_all(QUESTIONS, config))
    assert not has_kept(tiny.model)
    assert replies([tiny.stream([], QUESTIONS[0], config)]) == before


def test_who_watches_hears_how_many_are_not_done_and_can_end_it(tiny: LoadedModel) -> None:
    config, heard = ChatConfig(temperature=0.0, max_new_tokens=40), list[int]()
    tiny.stream_all(QUESTIONS, config, heard.append)
    assert heard == sorted(heard, reverse=True) and set(heard) <= set(range(len(QUESTIONS) + 1)) and heard
    before = replies([tiny.stream([], QUESTIONS[0], config)])

    def stop(unfinished: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.stream_all(QUESTIONS, config, stop)
    assert not has_kept(tiny.model)
    assert replies([tiny.stream([], QUESTIONS[0], config)]) == before


def test_where_the_memory_is_full_half_as_many_are_written_at_once(tiny: LoadedModel) -> None:
    config, read = ChatConfig(temperature=0.0, max_new_tokens=12), list[int]()

    def full(module: object, given: tuple[torch.Tensor], output: object) -> None:
        read.append(len(given[0]))
        if read[-1] > room and len(read) % 3 == 0:  # in the middle of a reply
            raise torch.OutOfMemoryError

    room, alone = 2, replies(tiny.stream([], question, config) for question in QUESTIONS)
    with tiny.model.get_input_embeddings().register_forward_hook(full):
        assert replies(tiny.stream_all(QUESTIONS, config)) == alone
        assert max(read) == len(QUESTIONS) and read[-1] <= room
        room = 0
        with pytest.raises(
            UserError, match="the GPU's memory is full at [0-9]+ tokens; take a smaller --max-new-tokens"
        ):
            tiny.stream_all(QUESTIONS, config)
    assert not has_kept(tiny.model)


def test_memory_that_was_short_once_does_not_keep_later_batches_small(tiny: LoadedModel) -> None:
    read = list[int]()

    def full_at_first(module: object, given: tuple[torch.Tensor], output: object) -> None:
        read.append(len(given[0]))
        if len(read) == 1:  # as where another program holds it
            raise torch.OutOfMemoryError

    with tiny.model.get_input_embeddings().register_forward_hook(full_at_first):
        tiny.stream_all(QUESTIONS, ChatConfig(temperature=0.0, max_new_tokens=4))
    assert read[1] == len(QUESTIONS) // 2 < len(QUESTIONS) - len(QUESTIONS) // 2 in read[2:]


def test_memory_that_stays_short_is_not_asked_for_again_and_again(tiny: LoadedModel) -> None:
    refused = list[int]()

    def full(module: object, given: tuple[torch.Tensor], output: object) -> None:
        if len(given[0]) > 1:
            refused.append(len(given[0]))
            raise torch.OutOfMemoryError

    questions = (list(QUESTIONS) * 16)[:16]
    with tiny.model.get_input_embeddings().register_forward_hook(full):
        tiny.stream_all(questions, ChatConfig(temperature=0.0, max_new_tokens=2))
    assert refused == [16, 8, 4, 2, 2]  # the last after eight batches of one


def test_where_the_guard_leads_each_reply_is_led_alone(tiny: LoadedModel) -> None:
    config = ChatConfig(temperature=0.0, max_new_tokens=8, guard="enforce")
    streams = tiny.stream_all(QUESTIONS[:2], config)
    assert replies(streams) == replies(tiny.stream([], question, config) for question in QUESTIONS[:2])
    assert [stream.guard.mode for stream in streams] == ["enforce", "enforce"]


def test_ask_answers_side_by_side_in_the_order_of_the_questions(
    tiny: LoadedModel, tiny_phi: Path, phi2chat: Callable[..., CompletedProcess[str]]
) -> None:
    arguments = ["ask", "--base", tiny_phi, "--device", "cpu", "--json", "--max-new-tokens", "12", "--batch-size", "2"]
    done = phi2chat(*arguments, stdin="\n".join(QUESTIONS[:3]))
    conversation = Conversation(tiny, ChatConfig(max_new_tokens=12))
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == 3
    for question, reply in zip(QUESTIONS, said, strict=False):
        conversation.turns.clear()
        for _ in conversation.ask(question):
            pass
        (turn,) = conversation.turns
        assert (reply["question"], reply["reasoning"], reply["answer"]) == (question, turn.reasoning, turn.answer)
        assert (reply["stop"], reply["tokens"]) == (turn.stop.name.lower(), turn.tokens)
