"""The prompt format for other programs: a Jinja chat template (transformers, vLLM) and an Ollama Modelfile."""

import json

from curation.errors import UserError
from phi2chat.config import ChatConfig
from phi2chat.inference.prompt import PromptStyle


def chat_template(style: PromptStyle, begins_with_bos: bool) -> str:
    """The Jinja template whose prompt of a conversation is the one of training and chat.

    The model was trained without a system prompt, so one that is sent is left out. A template stands for all of a
    prompt: where the tokenizer begins a text with a token of its own, that has to be in it.
    """
    user = (
        f"{_quote(style.instruction + chr(10))} + (message['content'] | trim) + {_quote(2 * chr(10) + style.opening)}"
    )
    reply = f"{_quote(chr(10))} + (message['content'] | trim) + eos_token"
    return (
        ("{{- bos_token -}}" if begins_with_bos else "")
        + "{%- for message in messages -%}"
        + "{%- if message['role'] == 'user' -%}{{- " + user + " -}}"
        + "{%- elif message['role'] == 'assistant' -%}{{- " + reply + " -}}{%- endif -%}"
        + "{%- endfor -%}\n"
    )  # fmt: skip


def modelfile(style: PromptStyle, source: str, context_tokens: int, eos_token: str) -> str:
    """An Ollama Modelfile for the model in `source`, a path beside it: greedy, and with the prompt of training.

    Raises UserError for a marker that it cannot hold. The marker of the answer stands in every reply and stops none.
    """
    require_modelfile(style, source, eos_token)
    stops = filter(None, (style.instruction, style.input, style.reasoning, eos_token))
    chat = ChatConfig()
    stop_lines = "".join(f'PARAMETER stop "{text}"\n' for text in stops)
    return f'''\
FROM {source}
TEMPLATE """{style.instruction}
{{{{ .Prompt }}}}

{style.opening}{{{{ .Response }}}}{eos_token}"""
{stop_lines}PARAMETER num_ctx {context_tokens}
PARAMETER num_predict {chat.max_new_tokens}
PARAMETER temperature {chat.temperature:g}
PARAMETER repeat_penalty 1
'''


def require_modelfile(style: PromptStyle, source: str, eos_token: str = "") -> None:
    """Raise UserError for a marker or a name of the model's file that a Modelfile cannot hold."""
    if not source.isprintable():  # what comes after a newline would be an instruction to Ollama
        raise UserError(f"the name {source!r} cannot stand in a Modelfile; give another --output-dir")
    for text in (style.instruction, style.input, style.opening, eos_token):
        if not text.isprintable() or '"' in text or "{{" in text:
            raise UserError(f"the marker {text!r} cannot stand in a Modelfile; leave out --ollama")


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # whose escapes Jinja reads as JSON does
