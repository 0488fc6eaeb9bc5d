"""Whatever way is taken through the automaton, what comes out is UTF-8 in allowed characters, and it always goes on."""

import copy
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.script import allowed_characters
from phi2chat.inference.automaton import Automaton, automaton_of, spell_tokens

LANGUAGES = ["ja", "en", "zh-Hant", "xx"]
END = 0


@pytest.fixture(scope="module")
def sentencepiece() -> Any:
    """A tokenizer in SentencePiece's way: ▁ for a blank, and a token for each byte."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    words = ["</s>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "▁日本", "の", "です", "这", "▁the"]
    vocabulary = {word: index for index, word in enumerate(words)}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>")


@pytest.fixture(scope="module", params=["byte-level", "sentencepiece"])
def tokenizer(request: pytest.FixtureRequest, tiny_tokenizer: Any, sentencepiece: Any) -> Any:
    return tiny_tokenizer if request.param == "byte-level" else sentencepiece


def automaton(tokenizer: Any, language: str = "ja") -> Automaton:
    made = automaton_of(tokenizer, language, frozenset({END}))
    assert made is not None
    return made


def spell(made: Automaton, tokens: list[int]) -> bytes:
    return b"".join(made.spelling[token] or b"" for token in tokens)


def walk(made: Automaton, tokens: list[int]) -> bytes | None:
    """The state after some tokens, None where one of them may not come."""
    state: bytes | None = b""
    for token in tokens:
        state = made.step(state, token) if state is not None else None
    return state


def byte_tokens(made: Automaton, content: bytes) -> list[int]:
    return [made.spelling.index(bytes([byte])) for byte in content]


# The bytes of a token


def test_a_byte_level_gguf_whose_decoder_begins_as_sentencepiece_is_spelled_too(tiny_tokenizer: Any) -> None:
    from tokenizers import decoders

    alone = spell_tokens(tiny_tokenizer)
    tokenizer = copy.deepcopy(tiny_tokenizer)
    before = [decoders.ByteFallback(), decoders.Fuse(), decoders.Replace("▁", " ")]
    tokenizer.backend_tokenizer.decoder = decoders.Sequence([*before, decoders.ByteLevel()])
    assert spell_tokens(tokenizer) == alone is not None
    assert tokenizer.decode(tiny_tokenizer.encode("日本 です。")) == tiny_tokenizer.decode(
        tiny_tokenizer.encode("日本 です。")
    )


def test_the_bytes_of_tokens_are_what_the_tokenizer_decodes(tokenizer: Any) -> None:
    spelling = spell_tokens(tokenizer)
    assert spelling is not None and len(spelling) == len(tokenizer)
    chooser = random.Random(0)
    texts = [token for token, piece in enumerate(spelling) if piece]
    for _ in range(300):
        tokens = chooser.choices(texts, k=6)
        written = b"".join(spelling[token] or b"" for token in tokens)
        try:
            expected = written.decode()
        except UnicodeDecodeError:
            continue
        decoded = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert decoded == expected


def test_an_added_token_is_written_as_it_is(tiny_phi: Any) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_phi)
    tokenizer.add_tokens(["     ", "\t\t"])
    tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    spelling = spell_tokens(tokenizer)
    assert spelling is not None
    assert spelling[-3:] == [b"     ", b"\t\t", None]


def test_a_special_token_is_never_written(tokenizer: Any) -> None:
    made = automaton(tokenizer)
    for token in tokenizer.all_special_ids:
        assert made.spelling[token] is None
        assert (made.step(b"", token) is not None) == (token == END)


def test_a_tokenizer_of_another_kind_has_no_automaton() -> None:
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    for decoder in (None, decoders.WordPiece(), decoders.BPEDecoder(), decoders.CTC()):
        backend = Tokenizer(models.WordLevel({"</s>": 0, "東": 1}, "</s>"))
        if decoder is not None:
            backend.decoder = decoder
        other = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")
        assert automaton_of(other, "ja", frozenset({0})) is None


def test_an_id_without_a_token_never_passes() -> None:
    made = Automaton([b"a", None, b""], allowed_characters("ja"), frozenset({1}))
    assert [made.step(b"", token) for token in range(5)] == [b"", b"", None, None, None]
    assert list(made.mask(b"")) == [1, 1, 0]


# States


@pytest.mark.parametrize(
    ("text", "passes"), [("東京", True), ("のを", True), ("🗼", True), ("这", False), ("你", False), ("한", False)]
)
def test_a_character_spread_over_bytes_passes_if_it_is_allowed(tokenizer: Any, text: str, passes: bool) -> None:
    made = automaton(tokenizer)
    assert (walk(made, byte_tokens(made, text.encode())) == b"") is passes


def test_a_beginning_that_no_allowed_character_has_is_refused_at_once(tokenizer: Any) -> None:
    for language, text, passes in (("en", "…", True), ("en", "東", False), ("ja", "東", True), ("ja", "한", False)):
        made = automaton(tokenizer, language)
        assert (walk(made, byte_tokens(made, text.encode()[:1])) is not None) is passes


def test_the_end_passes_between_characters_only(tokenizer: Any) -> None:
    made = automaton(tokenizer)
    assert made.step(b"", END) == b""
    assert made.step("東".encode()[:2], END) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_invalid_utf8_never_passes(tokenizer: Any, language: str) -> None:
    made = automaton(tokenizer, language)
    for content in (b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80", b"\xe6a", b"\xf0\x9f\x97a", b"\xff", b"\xc1"):
        assert walk(made, byte_tokens(made, content)) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_state_is_a_dead_end(tokenizer: Any, language: str) -> None:
    made = automaton(tokenizer, language)
    reached, waiting = {b""}, [b""]
    while waiting:
        state = waiting.pop()
        passing = [token for token, passes in enumerate(made.mask(state)) if passes]
        assert passing and len(passing) == made.count(state)
        after = {made.step(state, token) for token in passing}
        assert None not in after
        new = {found for found in after if found is not None} - reached
        reached |= new
        waiting += new
        if len(reached) > 300:  # where all is allowed there are 17,000, all alike
            break
    assert max(map(len, reached)) >= 2


def test_where_bytes_are_missing_only_what_can_be_finished_is_begun() -> None:
    first, second, last = (bytes([byte]) for byte in "東".encode())
    whole = Automaton([first, second, last], frozenset("東"), frozenset())
    assert walk(whole, [0, 1]) == "東".encode()[:2]
    broken = Automaton([first, second, b"a"], frozenset("東a"), frozenset())
    assert walk(broken, [0]) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mask_is_what_the_steps_say(tokenizer: Any, language: str) -> None:
    made = automaton(tokenizer, language)
    for state in (b"", "東".encode()[:1], "東".encode()[:2], "…".encode()[:2], "🗼".encode()[:3]):
        assert list(made.mask(state)) == [
            int(made.step(state, token) is not None) for token in range(len(made.spelling))
        ]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), language=st.sampled_from(LANGUAGES), length=st.integers(1, 60))
def test_any_walk_is_text_in_allowed_characters(tokenizer: Any, seed: int, language: str, length: int) -> None:
    made, allowed = automaton(tokenizer, language), allowed_characters(language)
    chooser, state, tokens = random.Random(seed), b"", []
    for _ in range(length):
        passing = [token for token, passes in enumerate(made.mask(state)) if passes]
        # Few tokens leave a character unfinished, and those matter.
        unfinished = [token for token in passing if made.step(state, token)]
        token = chooser.choice(unfinished if unfinished and chooser.random() < 0.7 else passing)
        after = made.step(state, token)
        assert after is not None
        tokens.append(token)
        state = after
    written = spell(made, tokens)
    text = written[: len(written) - len(state)].decode()
    assert allowed is None or set(text) <= allowed


def test_an_automaton_is_made_once(tokenizer: Any) -> None:
    assert automaton(tokenizer) is automaton(tokenizer)
    assert automaton(tokenizer) is not automaton(tokenizer, "en")


def test_the_markers_of_the_format_are_allowed_in_every_language(tiny_tokenizer: Any) -> None:
    made = automaton_of(tiny_tokenizer, "en", frozenset({END}), "### 回答:")
    assert made is not None
    assert made.read(b"", "### 回答:".encode()) == b""
    assert made.read(b"", "東".encode()) is None


@pytest.mark.slow
def test_the_embedded_model_has_an_automaton_without_dead_ends() -> None:
    import time

    from transformers import AutoTokenizer

    from phi2chat.weights.embedded import prepare

    tokenizer = AutoTokenizer.from_pretrained(prepare(print))
    start = time.perf_counter()
    made = automaton_of(tokenizer, "ja", frozenset({tokenizer.eos_token_id}))
    assert made is not None
    made.mask(b"")
    assert time.perf_counter() - start < 1
    kanji = tokenizer("鬱")["input_ids"]
    assert len(kanji) == 3 and walk(made, kanji) == b""
    assert walk(made, tokenizer("东京")["input_ids"]) is None
    assert all(made.count(state) for state in ({b""} | {made.step(b"", token) or b"" for token in range(49152)}))
