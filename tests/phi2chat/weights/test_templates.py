"""What other programs are given to prompt alike: the chat template and the Modelfile, rendered and compared with ours."""

import re
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from curation.errors import UserError
from phi2chat.inference.prompt import Example, PromptStyle, encode_prompt, render_completion, render_prompt
from phi2chat.weights.templates import chat_template, modelfile

STYLE = PromptStyle()
STYLES = [STYLE, PromptStyle("【指示】", "【入力】", "【理由】", "【答え】"), PromptStyle("it's \\ Q", "I", "R%}", "A"),
          PromptStyle(reasoning="")]  # fmt: skip
QUESTIONS = [
    "日本の首都はどこですか？",
    'He said "no", and it\'s {{ .Prompt }} or {% if x %} \\ \\n "" ``` end',
    "二行の\n質問です。\n\n\t改行と「引用」。",
    "𠮷野家の😀",
]


@pytest.fixture
def tokenizer(tiny_phi: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_phi)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_chat_template_renders_the_prompt_of_training(tokenizer: Any, style: PromptStyle, question: str) -> None:
    tokenizer.chat_template = chat_template(style, begins_with_bos=False)
    messages = [{"role": "user", "content": f" {question}\n"}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert rendered == render_prompt(style, question)


def test_the_chat_template_renders_a_conversation_token_for_token(tokenizer: Any) -> None:
    tokenizer.chat_template = chat_template(STYLE, begins_with_bos=False)
    first, completion, second = QUESTIONS[0], render_completion(STYLE, "首都は東京です。", "東京です。"), QUESTIONS[2]
    contents = [completion, completion.strip()]  # as the model wrote it, and as clients hand it back
    for content in contents:
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": first},
            {"role": "assistant", "content": content},
            {"role": "user", "content": second},
        ]
        ids = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=True)["input_ids"]
        turn = Example(render_prompt(STYLE, first), completion)
        assert tokenizer.decode(ids) == tokenizer.decode(encode_prompt(tokenizer, [turn], render_prompt(STYLE, second)))


def test_a_tokenizer_that_begins_with_a_token_has_it_in_the_template(tokenizer: Any) -> None:
    tokenizer.chat_template = chat_template(STYLE, begins_with_bos=True)
    rendered = tokenizer.apply_chat_template([{"role": "user", "content": "Q"}], tokenize=False)
    assert rendered == tokenizer.bos_token + render_prompt(STYLE, "Q")


# Ollama


def parse_modelfile(text: str) -> list[tuple[str, str]]:
    """The commands and their values, read as Ollama's parser does: triple quotes, double quotes, or a bare line."""
    pattern = re.compile(r'([A-Z]+) (?:"""(.*?)"""|"([^"\n]*)"|([^\n]*))\n', re.DOTALL)
    commands, position = [], 0
    while position < len(text):
        found = pattern.match(text, position)
        assert found, text[position:]
        commands.append((found[1], next(value for value in found.groups()[1:] if value is not None)))
        position = found.end()
    return commands


def parameters(text: str) -> list[str]:
    """The lines of the Modelfile that set parameters."""
    return [line for line in text.splitlines() if line.startswith("PARAMETER ")]


def execute(template: str, prompt: str, response: str | None) -> str:
    """Go's text/template for the fields that stand alone. Without a response all from .Response on is cut, as in Ollama."""
    rendered = ""
    for literal, field in re.findall(r"(.*?)(?:\{\{ \.(\w+) \}\}|$)", template, re.DOTALL):
        rendered += literal
        if field == "Response" and response is None:
            return rendered
        rendered += {"Prompt": prompt, "Response": response or "", "": ""}[field]
    return rendered


@pytest.mark.parametrize("style", [*STYLES[:2], STYLES[3]])
@pytest.mark.parametrize("question", QUESTIONS)
def test_ollama_renders_the_prompt_of_training(style: PromptStyle, question: str) -> None:
    template = dict(parse_modelfile(modelfile(style, ".", 2048, "<|end|>")))["TEMPLATE"]
    assert execute(template, question, None) == render_prompt(style, question)


def test_ollama_closes_each_turn_as_training_does() -> None:
    template = dict(parse_modelfile(modelfile(STYLE, ".", 2048, "<|end|>")))["TEMPLATE"]
    completion = render_completion(STYLE, "理由。", "答え。")
    rendered = execute(template, "問い", completion) + execute(template, "次", None)
    assert rendered == render_prompt(STYLE, "問い") + completion + "<|end|>" + render_prompt(STYLE, "次")


def test_ollama_stops_where_ours_does_and_is_greedy() -> None:
    text = modelfile(STYLE, "./m.gguf", 2048, "<|end|>")
    assert text.startswith("FROM ./m.gguf\n")
    assert parameters(text) == [
        'PARAMETER stop "### Instruction:"',
        'PARAMETER stop "### Input:"',
        'PARAMETER stop "### Reasoning:"',
        'PARAMETER stop "<|end|>"',
        "PARAMETER num_ctx 2048",
        "PARAMETER num_predict 512",
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
    ]


@pytest.mark.parametrize("marker", ['say "x"', "{{ .System }}", "two\nlines", "a\x1b[31m"])
def test_a_marker_that_a_modelfile_cannot_hold_is_refused(marker: str) -> None:
    with pytest.raises(UserError, match="cannot stand in a Modelfile; leave out --ollama"):
        modelfile(PromptStyle(instruction=marker), ".", 2048, "<|end|>")


def test_a_name_that_would_be_an_instruction_to_ollama_is_refused() -> None:
    with pytest.raises(UserError, match="cannot stand in a Modelfile; give another --output-dir"):
        modelfile(PromptStyle(), "./m\nADAPTER /etc/passwd\n.gguf", 2048, "<|end|>")
