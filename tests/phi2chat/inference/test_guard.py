"""`--guard enforce`: nothing in a wrong script, nothing shown that is taken back, and always an end."""

import random
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from curation.script import allowed_characters, check
from phi2chat.chatting.chat import Conversation, Turn
from phi2chat.config import ChatConfig, ModelConfig
from phi2chat.inference.generate import TokenStream
from phi2chat.inference.guard import NOT_POSSIBLE, STEP_BACKS, GuardReport
from phi2chat.inference.prompt import PromptStyle
from phi2chat.inference.recipes import StopReason
from phi2chat.weights.models import LoadedModel, load

PROMPT = [5, 6, 7]
END = 0
CHINESE = "日本的首都是北京。"  # every character of it is Japanese, too
JAPANESE = "首都は東京です。"


class Wishing:
    """A causal language model that reads its cache, and wants what `wish` makes of the ids after the prompt.

    The keys in the cache are the ids themselves, so that a cache that is cut wrongly leads to wrong wishes.
    """

    def __init__(self, wish: Callable[[list[int]], Sequence[int]], prompt: Sequence[int] = PROMPT, **config: Any):
        import torch
        from transformers import PhiConfig

        self._wish, self._prompt = wish, list(prompt)
        self.device = torch.device("cpu")
        self.config = PhiConfig(num_hidden_layers=1, max_position_embeddings=2048, **config)
        self.generation_config = SimpleNamespace(eos_token_id=END)
        self.calls = 0

    def __call__(self, input_ids: Any, past_key_values: Any, **_: object) -> Any:
        import torch

        self.calls += 1
        new = input_ids[:, None, :, None].float()  # (batch, heads, new, width)
        keys, _values = past_key_values.update(new, new, 0)
        held = keys[0, 0, :, 0].long().tolist()
        assert held[: len(self._prompt)] == self._prompt
        logits = torch.zeros(1, 1, 1024)  # (batch, last position, rows)
        for rank, token in enumerate(self._wish(held[len(self._prompt) :])):
            logits[0, 0, token] = 1000.0 - 20 * rank
        return SimpleNamespace(logits=logits)


def wants(tokenizer: Any, *replies: str) -> Callable[[list[int]], list[int]]:
    """Wants the first reply that goes on from what is there, then the next one, and the end last."""
    spelled = [[*tokenizer(reply)["input_ids"], END] for reply in replies]

    def wish(ids: list[int]) -> list[int]:
        wanted = [reply[len(ids)] for reply in spelled if reply[: len(ids)] == ids and len(ids) < len(reply)]
        return list(dict.fromkeys([*wanted, END]))

    return wish


def stream_of(tokenizer: Any, model: Any, **settings: Any) -> TokenStream:
    return TokenStream(model, tokenizer, PROMPT, ChatConfig(**{"guard": "enforce", **settings}), 2048)


def write(tokenizer: Any, *replies: str, **settings: Any) -> tuple[str, TokenStream]:
    stream = stream_of(tokenizer, Wishing(wants(tokenizer, *replies)), **settings)
    return "".join(stream), stream


@pytest.fixture(scope="module")
def tiny(tiny_phi: Any) -> LoadedModel:
    return load(ModelConfig(base=str(tiny_phi), device="cpu"), print)


# Characters


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_wrong_character_is_never_written(tiny_tokenizer: Any, temperature: float) -> None:
    assert len(tiny_tokenizer("这")["input_ids"]) == len(tiny_tokenizer("鬱")["input_ids"]) == 3
    text, stream = write(tiny_tokenizer, "首都这", "首都鬱", temperature=temperature)
    assert text == "首都鬱"
    assert stream.guard == GuardReport("enforce", changed_steps=1)
    assert stream.stop is StopReason.END_OF_TEXT


def test_a_character_that_cannot_be_finished_as_wanted_makes_room_for_another(tiny_tokenizer: Any) -> None:
    # 迎 begins with the two bytes of 这; it is not what the model wanted.
    assert "迎".encode()[:2] == "这".encode()[:2]
    assert write(tiny_tokenizer, "这", "の")[0] == "の"
    assert write(tiny_tokenizer, "这")[0] == ""


def test_in_the_end_a_character_is_finished_with_what_is_left(tiny_tokenizer: Any) -> None:
    # A model that begins nothing but Chinese characters, each with another first byte.
    ways = [*"这你吧她", "这"]

    def wish(ids: list[int]) -> list[int]:
        return [token for token in wants(tiny_tokenizer, *ways)(ids) if ids or token != END]

    text = "".join(stream_of(tiny_tokenizer, Wishing(wish), max_new_tokens=3))
    assert len(text) == 1 and set(text) <= (allowed_characters("ja") or set())


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("top_p", [1.0, 0.9])
@pytest.mark.parametrize("language", ["ja", "en", "zh-Hant"])
def test_a_model_that_wants_nothing_but_wrong_characters_gets_none_through(
    tiny_tokenizer: Any, temperature: float, top_p: float, language: str
) -> None:
    wrong = {"ja": "们这你说", "en": "日本の京", "zh-Hant": "们这国あ"}[language].encode()
    wrong_ids = [*map(tiny_tokenizer.convert_tokens_to_ids, tiny_tokenizer.tokenize(wrong.decode()))]
    chooser = random.Random(0)

    def wish(ids: list[int]) -> list[int]:
        return [*chooser.sample(wrong_ids, len(wrong_ids)), *chooser.sample(range(1, 1000), 400)]

    allowed = allowed_characters(language)
    assert allowed is not None
    for seed in range(6):
        stream = stream_of(
            tiny_tokenizer, Wishing(wish), temperature=temperature, top_p=top_p, lang=language, max_new_tokens=40, seed=seed
        )  # fmt: skip
        text = "".join(stream)
        assert set(text) <= allowed
        assert stream.guard.changed_steps > 0


def test_the_end_does_not_come_within_a_character(tiny_tokenizer: Any) -> None:
    ids = tiny_tokenizer("鬱")["input_ids"]
    stream = stream_of(tiny_tokenizer, Wishing(lambda held: [END] if held else [*ids[:1], END]))
    assert list(stream) == ["", "", ""]  # begun, taken back, ended
    assert (stream.stop, stream.guard.changed_steps) == (StopReason.END_OF_TEXT, 1)


def test_a_language_that_is_not_known_may_be_written_in_anything_that_is_utf8(tiny_tokenizer: Any) -> None:
    assert write(tiny_tokenizer, "这한Ж", lang="tlh")[0] == "这한Ж"
    stray = tiny_tokenizer.convert_tokens_to_ids("æ")  # the byte 0xE6 alone
    text = "".join(stream_of(tiny_tokenizer, Wishing(lambda held: [stray]), lang="tlh", max_new_tokens=30))
    assert "\ufffd" not in text


def test_with_a_tokenizer_of_another_kind_it_is_said_that_replies_are_flagged(tiny_tokenizer: Any) -> None:
    from tokenizers import decoders

    backend = tiny_tokenizer.backend_tokenizer
    byte_level = backend.decoder
    backend.decoder = decoders.WordPiece()
    try:
        from phi2chat.inference.automaton import automaton_of, spell_tokens

        spell_tokens.cache_clear(), automaton_of.cache_clear()
        stream = stream_of(tiny_tokenizer, Wishing(lambda held: [END]))
    finally:
        backend.decoder = byte_level
        spell_tokens.cache_clear(), automaton_of.cache_clear()
    assert stream.guard == GuardReport("flag", note=NOT_POSSIBLE)
    assert list(stream) == []


# Steps back


def test_a_run_of_shared_characters_is_left_for_another_way_on(tiny_tokenizer: Any) -> None:
    assert check(CHINESE).flagged and set(CHINESE) <= (allowed_characters("ja") or set())
    text, stream = write(tiny_tokenizer, CHINESE, JAPANESE)
    assert text == JAPANESE
    assert stream.guard == GuardReport("enforce", step_backs=1)
    assert stream.ids == tiny_tokenizer(JAPANESE)["input_ids"]


def test_the_way_on_begins_where_the_run_began(tiny_tokenizer: Any) -> None:
    start = "東京はどこですか。"
    text, stream = write(tiny_tokenizer, start + CHINESE, start + JAPANESE)
    assert (text, stream.guard.step_backs) == (start + JAPANESE, 1)


def test_bans_of_one_place_add_up(tiny_tokenizer: Any) -> None:
    ways = ["日本的首都是北京。", "中国的首都是北京。", "我的首都是北京。", JAPANESE]
    text, stream = write(tiny_tokenizer, *ways)
    assert text == JAPANESE
    assert 2 <= stream.guard.step_backs <= 3


def test_a_run_that_is_found_at_the_end_only_is_left_too(tiny_tokenizer: Any) -> None:
    assert check("日本的首都是").flagged
    text, stream = write(tiny_tokenizer, "日本的首都是", JAPANESE)
    assert (text, stream.stop) == (JAPANESE, StopReason.END_OF_TEXT)
    text, stream = write(
        tiny_tokenizer, "日本的首都是", JAPANESE, max_new_tokens=len(tiny_tokenizer("日本的首都是")["input_ids"])
    )
    assert not check(text).flagged and stream.stop is StopReason.BUDGET


def test_when_the_steps_back_are_spent_the_text_goes_on_flagged(tiny_tokenizer: Any) -> None:
    kanji = "京東北中我他日本国首都大学人心水火"
    ways = [f"{first}的首都是北京。" for first in kanji]

    def wish(ids: list[int]) -> list[int]:
        return wants(tiny_tokenizer, *ways)(ids)[:-1] or [END]

    stream = stream_of(tiny_tokenizer, Wishing(wish))
    text = "".join(stream)
    assert stream.guard.spent and stream.guard.step_backs == STEP_BACKS
    assert check(text).flagged and text in ways
    assert stream.stop is StopReason.END_OF_TEXT


def test_what_comes_after_the_last_step_back_is_in_allowed_characters(tiny_tokenizer: Any) -> None:
    ways = [f"{first}的首都是北京这你吧她们。" for first in "京東北中我他日本国首都大学人心水火"]
    model = Wishing(wants(tiny_tokenizer, *ways))
    stream = stream_of(tiny_tokenizer, model, max_new_tokens=60)
    text = "".join(stream)
    assert stream.guard.spent or stream.stop is StopReason.END_OF_TEXT
    assert set(text) <= (allowed_characters("ja") or set())
    assert model.calls < 300

    # After the end of what it was given, it wants Chinese characters for ever.
    wrong = [tiny_tokenizer(char)["input_ids"] for char in "这你吧她们"]

    def wish(ids: list[int]) -> list[int]:
        begun = wants(tiny_tokenizer, *ways)(ids)[:-1]
        beginnings = [
            char[len(part) :][:1]
            for char in wrong
            for part in (char[:2], char[:1], [])
            if ids[len(ids) - len(part) :] == part
        ]
        return list(dict.fromkeys([*begun, *(token for tokens in beginnings for token in tokens)]))

    model = Wishing(wish)
    text = "".join(stream_of(tiny_tokenizer, model, max_new_tokens=60))
    assert set(text) <= (allowed_characters("ja") or set())
    assert model.calls < 2000


def test_a_reply_of_nothing_but_wrong_runs_ends(tiny_tokenizer: Any) -> None:
    model = Wishing(wants(tiny_tokenizer, *[CHINESE * 20]))
    stream = stream_of(tiny_tokenizer, model, max_new_tokens=200)
    "".join(stream)
    assert model.calls <= (STEP_BACKS + 1) * 201


@pytest.mark.parametrize("replies", [(CHINESE, JAPANESE), (JAPANESE + CHINESE, JAPANESE * 2), ("はい。" + CHINESE,)])
def test_nothing_that_was_shown_is_taken_back(tiny_tokenizer: Any, replies: tuple[str, ...]) -> None:
    stream = stream_of(tiny_tokenizer, Wishing(wants(tiny_tokenizer, *replies)))
    shown = ""
    for piece in stream:
        shown += piece
        assert not check(shown).flagged
    assert shown == tiny_tokenizer.decode(stream.ids)


def test_a_cache_that_cannot_be_cut_is_read_again(tiny_tokenizer: Any) -> None:
    window = Wishing(wants(tiny_tokenizer, CHINESE, JAPANESE), sliding_window=4, layer_types=["sliding_attention"])
    whole = [*PROMPT]

    class Remembering(Wishing):
        """What a window keeps is less than the text, so the ids are kept beside it."""

        def __call__(self, input_ids: Any, past_key_values: Any, **_: object) -> Any:
            nonlocal whole
            import torch

            new = input_ids[0].tolist()
            whole = whole[: past_key_values.get_seq_length()] + new
            past_key_values.update(*[input_ids[:, None, :, None].float()] * 2, 0)
            logits = torch.zeros(1, 1, 1024)  # (batch, last position, rows)
            for rank, token in enumerate(self._wish(whole[len(PROMPT) :])):
                logits[0, 0, token] = 1000.0 - 20 * rank
            return SimpleNamespace(logits=logits)

    model = Remembering(window._wish)
    model.config = window.config
    stream = stream_of(tiny_tokenizer, model)
    assert "".join(stream) == JAPANESE
    assert stream.guard.step_backs == 1


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_reader_that_has_chosen_the_next_token_already_writes_the_same(tiny: LoadedModel, temperature: float) -> None:
    """As on a GPU, where that choice is under way while the guard looks at the one before it."""
    from phi2chat.inference.chooser import Chooser
    from phi2chat.inference.generate import CachedReader

    class LooksAhead(CachedReader):
        def write(self, ids: Sequence[int], choose: Chooser, budget: int) -> Iterator[int]:
            written = [int(choose(self.read(ids)))]
            for _ in range(budget - 1):
                following = int(choose(self.read([*ids, *written])))
                yield written[-1]
                written.append(following)
            yield written[-1]

    def reply_of(reader: CachedReader, seed: int) -> TokenStream:
        config = ChatConfig(guard="enforce", temperature=temperature, seed=seed, max_new_tokens=40)
        stream = TokenStream(tiny.model, tiny.tokenizer, [5, 9, 300, 7], config, 200, reader=reader)
        list(stream)
        return stream

    refused = 0
    for seed in range(6):
        ahead, after = (reply_of(kind(tiny.model, 1000), seed) for kind in (LooksAhead, CachedReader))
        assert ahead.ids == after.ids
        assert ahead.guard == after.guard
        refused += after.guard.changed_steps + after.guard.step_backs
    assert refused


def test_a_real_cache_is_cut_to_where_the_reply_goes_on(tiny: LoadedModel) -> None:
    import torch

    from phi2chat.inference.generate import CachedReader

    ids = [5, 9, 300, 7, 8, 41, 52]
    with torch.inference_mode():
        reader = CachedReader(tiny.model, 1000)
        fresh = CachedReader(tiny.model, 1000).read([*ids[:4], 77, 78])
        reader.read(ids[:3])
        for length in range(4, 8):
            reader.read(ids[:length])
        assert torch.allclose(reader.read([*ids[:4], 77, 78]), fresh, atol=1e-4)


# Parts


def reply(reasoning: str, answer: str) -> str:
    return f"\n{reasoning}\n\n### Answer:\n{answer}"


@pytest.mark.parametrize(
    ("reasoning_lang", "lang", "wanted", "got"),
    [
        ("en", "ja", reply("In Tokyo.", "東京です。"), reply("In Tokyo.", "東京です。")),
        ("ja", "en", reply("東京です。", "It is Tokyo."), reply("東京です。", "It is Tokyo.")),
        ("en", "ja", reply("In 東京.", "東京です。"), "\nIn "),
        ("ja", "en", reply("東京です。", "It is 東京."), reply("東京です。", "It is ")),
        ("ja", "zh-Hans", reply("東京です。", "东京。"), reply("東京です。", "东京。")),
        ("ja", "zh-Hans", reply("東京です。", "東京です。"), reply("東京です。", "")),
        ("ja", "xx", reply("東京です。", "这Ж"), reply("東京です。", "这Ж")),
    ],
)
def test_the_characters_change_with_the_part(
    tiny_tokenizer: Any, reasoning_lang: str, lang: str, wanted: str, got: str
) -> None:
    text, stream = write(tiny_tokenizer, wanted, reasoning_lang=reasoning_lang, lang=lang)
    assert text == got
    assert stream.guard.step_backs == 0


def test_a_token_that_reaches_from_the_marker_into_the_answer_is_read_by_both(tiny_phi: Any) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_phi)
    tokenizer.add_tokens([":です", ":\n"])
    across, apart = tokenizer.convert_tokens_to_ids([":です", ":\n"])
    marker = tokenizer("\n### Answer")["input_ids"]

    def wish(ids: list[int]) -> list[int]:
        return [marker[len(ids)]] if len(ids) < len(marker) else ([across, apart] if len(ids) == len(marker) else [END])

    for lang, token in (("en", apart), ("ja", across)):
        stream = TokenStream(
            Wishing(wish), tokenizer, PROMPT, ChatConfig(guard="enforce", lang=lang, reasoning_lang="ja"), 2048
        )
        "".join(stream)
        assert stream.ids == [*marker, token]


def test_each_part_is_led_by_its_own_language(tiny_tokenizer: Any) -> None:
    # Chinese without a character of its own is right in the reasoning and wrong in the answer.
    wrong, right = reply(CHINESE, CHINESE), reply(CHINESE, JAPANESE)
    text, stream = write(tiny_tokenizer, wrong, right, reasoning_lang="zh-Hans", lang="ja")
    assert (text, stream.guard.step_backs) == (right, 1)


def test_an_answer_alone_is_led_in_its_own_language(tiny_tokenizer: Any) -> None:
    config = ChatConfig(guard="enforce", reasoning_lang="zh-Hans", lang="ja")
    model = Wishing(wants(tiny_tokenizer, f"\n{CHINESE}", f"\n{JAPANESE}"))
    stream = TokenStream(model, tiny_tokenizer, PROMPT, config, 2048, PromptStyle(reasoning=""))
    assert ("".join(stream), stream.guard.step_backs) == (f"\n{JAPANESE}", 1)


def test_a_run_at_the_end_of_the_reasoning_is_left_before_the_answer_is_shown(tiny_tokenizer: Any) -> None:
    wrong, right = reply("日本的首都是", JAPANESE), reply("首都です。", JAPANESE)
    text, stream = write(tiny_tokenizer, wrong, right)
    assert (text, stream.guard.step_backs) == (right, 1)


def test_markers_of_another_language_can_be_written(tiny_tokenizer: Any) -> None:
    style = PromptStyle(answer="### 回答:")
    wanted = "\nIn Tokyo.\n\n### 回答:\nTokyo."
    config = ChatConfig(guard="enforce", lang="en")
    stream = TokenStream(Wishing(wants(tiny_tokenizer, wanted)), tiny_tokenizer, PROMPT, config, 2048, style)
    assert "".join(stream) == wanted


# The whole


class OneReply:
    """A chat.Model around a TokenStream."""

    name, style = "one reply", PromptStyle()

    def __init__(self, tokenizer: Any, *replies: str) -> None:
        self._tokenizer, self._replies = tokenizer, replies

    def stream(self, history: object, question: str, config: ChatConfig) -> TokenStream:
        return TokenStream(Wishing(wants(self._tokenizer, *self._replies)), self._tokenizer, PROMPT, config, 2048)


def ask(model: Any, **settings: Any) -> Turn:
    conversation = Conversation(model, ChatConfig(**settings))
    pieces = list(conversation.ask("首都は？"))
    (turn,) = conversation.turns
    assert "".join(piece.text for piece in pieces) == turn.reasoning + turn.answer
    return turn


def test_a_conversation_shows_the_led_reply_and_what_it_took(tiny_tokenizer: Any) -> None:
    model = OneReply(tiny_tokenizer, reply("国会がある。", CHINESE), reply("国会がある。", JAPANESE))
    turn = ask(model, guard="enforce")
    assert (turn.reasoning, turn.answer, turn.answer_spans) == ("国会がある。", JAPANESE, ())
    assert turn.guard == GuardReport("enforce", step_backs=1)
    assert ask(model).answer == CHINESE
    assert ask(model).answer_spans
    off = ask(model, guard="off")
    assert (off.answer, off.answer_spans, off.guard) == (CHINESE, (), GuardReport("off"))


def test_a_question_of_its_own_ends_a_led_reply(tiny_tokenizer: Any) -> None:
    wanted = reply("国会がある。", JAPANESE) + "\n\n### Instruction:\n次は"
    turn = ask(OneReply(tiny_tokenizer, wanted), guard="enforce")
    assert (turn.answer, turn.stop) == (JAPANESE, StopReason.NEXT_QUESTION)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("top_p", [1.0, 0.8])
def test_a_reply_that_is_right_is_the_same_with_and_without(
    tiny_tokenizer: Any, temperature: float, top_p: float
) -> None:
    wanted = reply("国会がある都市です。Tokyo 🗼 鬱。", JAPANESE)
    texts, ids = set(), set()
    for guard in ("flag", "enforce", "off"):
        text, stream = write(tiny_tokenizer, wanted, guard=guard, temperature=temperature, top_p=top_p)
        texts.add(text)
        ids.add(tuple(stream.ids))
    assert texts == {wanted}
    assert len(ids) == 1


@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_up_to_the_first_step_that_changed_a_sample_is_the_same(tiny: LoadedModel, top_p: float) -> None:
    def sample(guard: str, seed: int) -> TokenStream:
        config = ChatConfig(guard=guard, temperature=1.0, top_p=top_p, seed=seed, max_new_tokens=40)
        stream = tiny.stream([], "首都は？", config)
        list(stream)
        return stream

    changed = 0
    for seed in range(8):
        free, led = sample("flag", seed), sample("enforce", seed)
        assert led.ids == sample("enforce", seed).ids
        assert "\ufffd" not in tiny.tokenizer.decode(led.ids).rstrip("\ufffd")
        if led.guard.changed_steps == led.guard.step_backs == 0 and top_p == 1:
            assert free.ids == led.ids
        changed += free.ids != led.ids
    assert changed  # random weights want stray bytes


def test_a_masked_sample_is_drawn_from_what_is_left(tiny_tokenizer: Any) -> None:
    """Three tokens, one of them wrong: the other two keep their ratio."""
    import torch

    from phi2chat.inference.chooser import Chooser
    from phi2chat.inference.guard import make_guard

    wrong, often, seldom = (tiny_tokenizer.convert_tokens_to_ids(token) for token in ("æ", "a", "b"))
    stray = tiny_tokenizer.convert_tokens_to_ids("Ġ") if wrong is None else wrong
    logits = torch.full((1000,), -torch.inf)
    logits[[stray, often, seldom]] = torch.tensor([0.6, 0.3, 0.1]).log()
    counts = {stray: 0, often: 0, seldom: 0}
    guard = make_guard(tiny_tokenizer, PromptStyle(), ChatConfig(guard="enforce", lang="en"), frozenset({END}))
    assert guard is not None and not guard.passes(stray)
    choose = Chooser(ChatConfig(temperature=1.0), torch.device("cpu"))
    refused = 0
    for made in range(2000):
        token: int | None = int(choose(logits))
        if token == stray:
            refused += 1
            choose.go_back_to(made)
            token = choose.guarded(logits, guard)
        assert token is not None
        counts[token] += 1
    assert counts[stray] == 0
    assert 0.70 < counts[often] / 2000 < 0.80
    assert 0.55 < refused / 2000 < 0.65
