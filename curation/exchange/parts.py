"""Reasoning and answer in one text, in the ways in which models and data sets mark them."""

import re

_HEADS = {
    "instruction": "instruction|指示",
    "input": "input|入力",
    "reasoning": "reasoning|thinking|thought|推論|思考",
    "answer": "answer|response|回答|応答|答え",
}


def _head(field: str) -> str:
    return rf"###[ \t]*(?:{_HEADS[field]})[ \t]*[:：]"


def _heading(field: str) -> str:
    return rf"#{{2,4}}[ \t]*(?:{_HEADS[field]})[ \t]*[:：]?[ \t]*\n"


# Each is for a text without blanks at its ends: a run of blanks and then any text would take the square of the run.
_IN_ONE_TEXT = [
    re.compile(form, re.DOTALL | re.IGNORECASE)
    for form in (
        r"<(think|thinking|thought|reasoning)>(?P<reasoning>.*?)</\1>(?P<answer>.*)",
        r"(?P<reasoning>(?:(?!<think>).)*?)</think>(?P<answer>.*)",  # the prompt ended with the opening tag
        r"<\|begin_of_thought\|>(?P<reasoning>.*?)<\|end_of_thought\|>\s*(?:<\|begin_of_solution\|>)?"
        r"(?P<answer>.*?)(?:<\|end_of_solution\|>)?",
        r"(?:<\|reasoning\|>)?(?P<reasoning>.*?)<\|(?:response|answer)\|>(?P<answer>.*?)(?:<\|endoftext\|>)?",
        rf"(?:{_head('reasoning')})?(?P<reasoning>.*?)(?:^|\n)[ \t]*{_head('answer')}(?P<answer>.*)",
        # Without colons both have to be there: an answer may have headings of its own.
        rf"{_heading('reasoning')}(?P<reasoning>.*?)\n[ \t]*{_heading('answer')}(?P<answer>.*)",
        r"<\|reasoning\|>(?P<reasoning>.*?)\n\s*\n(?P<answer>.*)",
    )
]
_ANSWER_TAG = re.compile(r"<answer>(.*)</answer>", re.DOTALL | re.IGNORECASE)
_PROMPT = re.compile(
    rf"{_head('instruction')}(?P<instruction>.*?)(?:\n[ \t]*{_head('input')}(?P<input>.*?))?"
    rf"(?:\n[ \t]*{_head('reasoning')}|\n[ \t]*{_head('answer')})?",
    re.DOTALL | re.IGNORECASE,
)


def take_apart(text: str) -> tuple[str, str]:
    """The reasoning and the answer of a text that marks both; without marks the reasoning is "", the text whole."""
    stripped = text.strip()
    for form in _IN_ONE_TEXT:
        if found := form.fullmatch(stripped):
            answer = found["answer"].strip()
            tag = _ANSWER_TAG.fullmatch(answer)
            return found["reasoning"].strip(), tag[1].strip() if tag else answer
    return _by_last_line(stripped) or ("", text)


def _by_last_line(text: str) -> tuple[str, str] | None:
    """As GSM8K has it: #### and the answer. Where such lines stand elsewhere too, they are headings."""
    before, _, last = text.rpartition("\n")
    is_marked = last.startswith("#### ") and before.strip() and "\n####" not in f"\n{before}"
    return (before.strip(), last.removeprefix("####").strip()) if is_marked else None


def take_question_apart(prompt: str) -> tuple[str, str]:
    """The instruction and the input of a prompt that marks them; without marks the prompt is the instruction."""
    found = _PROMPT.fullmatch(prompt.strip())
    return (found["instruction"].strip(), (found["input"] or "").strip()) if found else (prompt, "")


def put_together(reasoning: str, answer: str) -> str:
    """Both in one text, the reasoning in the tags that most programs know."""
    return f"<think>\n{reasoning}\n</think>\n\n{answer}"
