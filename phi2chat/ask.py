"""`phi2chat ask`: one question, or one a line on stdin; the answer on stdout, all else on stderr."""

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

import click

from phi2chat.config import ChatConfig, ModelConfig, build, with_options
from phi2chat.safe_text import json_line

if TYPE_CHECKING:
    from phi2chat.chat import Conversation
    from phi2chat.screen import Screen


@click.command("ask")
@click.argument("question", required=False)
@with_options(ModelConfig)
@with_options(ChatConfig)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a reply on stdout: parts, spans, stop reason.")
def command(question: str | None, as_json: bool, **flags: Any) -> None:
    """Ask one question, or one a line on stdin.

    \b
    phi2chat ask "日本の首都はどこですか？" --adapter runs/ja-basics-phi-2
    phi2chat ask --json < questions.txt > replies.jsonl
    """
    from phi2chat.chat import Conversation
    from phi2chat.models import load
    from phi2chat.screen import Screen

    questions = [question] if question is not None else _questions_on_stdin()
    questions = [line for line in questions if line.strip()]
    if not questions:
        raise click.UsageError('There is no question: give one as in `phi2chat ask "..."`, or one a line on stdin.')
    screen = Screen()
    config = build(ChatConfig, flags)
    model = load(build(ModelConfig, flags), screen.status)
    screen.end_progress()
    for line in questions:
        # Every question stands for itself; a conversation is what the REPL is for.
        answer(Conversation(model, config), line, as_json, screen)


def answer(conversation: "Conversation", question: str, as_json: bool, screen: "Screen") -> None:
    """Ask and print one reply."""
    try:
        for piece in conversation.ask(question):
            if not as_json:
                to_stdout = piece.part == "answer"  # and nothing else, so that it can be piped
                screen.piece(piece, screen.out if to_stdout else screen.err, label=not to_stdout)
    finally:  # whatever ends a reply, the terminal gets its own style back
        screen.end_progress()
    turn = conversation.turns[-1]
    if as_json:
        spans = {"reasoning_spans": turn.reasoning_spans, "answer_spans": turn.answer_spans}
        found = {name: [dataclasses.asdict(span) for span in runs] for name, runs in spans.items()}
        verdict = {"flagged": any(found.values())}
        print(json_line({**turn.to_json(), **verdict, **found}), flush=True)
        return
    screen.end_reply(turn, screen.err)


def _questions_on_stdin() -> list[str]:
    if sys.stdin is None or sys.stdin.isatty():
        return []
    return sys.stdin.buffer.read().decode("utf-8", errors="replace").splitlines()
