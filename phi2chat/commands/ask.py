"""`phi2chat ask`: one question, or one a line on stdin; the answer on stdout, all else on stderr."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.config import ChatConfig, EndpointConfig, ModelConfig, build, with_options
from phi2chat.terminal.safe_text import json_line

if TYPE_CHECKING:
    from phi2chat.chatting.chat import Conversation, Model, Turn
    from phi2chat.terminal.screen import Screen


@click.command("ask")
@click.argument("question", required=False)
@with_options(ModelConfig)
@with_options(EndpointConfig)
@with_options(ChatConfig)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a reply on stdout: parts, spans, stop reason.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Questions on stdin that are answered side by side; on a GPU many take hardly longer than one.",
)
def command(question: str | None, as_json: bool, batch_size: int, **flags: Any) -> None:
    """Ask one question, or one a line on stdin.

    \b
    phi2chat ask "日本の首都はどこですか？" --adapter runs/ja-basics-phi-2
    phi2chat ask --json --batch-size 64 < questions.txt > replies.jsonl
    """
    from phi2chat.chatting.chat import Conversation
    from phi2chat.chatting.opening import open_model
    from phi2chat.terminal.screen import Screen

    questions = [question] if question is not None else _questions_on_stdin()
    questions = [line for line in questions if line.strip()]
    if not questions:
        raise click.UsageError('There is no question: give one as in `phi2chat ask "..."`, or one a line on stdin.')
    screen = Screen()
    config = build(ChatConfig, flags)
    model = open_model(flags, screen.status)
    screen.end_progress()
    cut = 0
    for start in range(0, len(questions), batch_size):
        # Every question stands for itself; a conversation is what the REPL is for.
        batch = questions[start : start + batch_size]
        models = _written_ahead(model, batch, config) if batch_size > 1 else [model] * len(batch)
        for line, one in zip(batch, models, strict=True):
            cut += answer(Conversation(one, config), line, as_json, screen).stop.is_cut
    if cut:
        raise UserError(f"{cut} of {len(questions)} replies broke off and are not whole; see the notes, and ask again")


def _written_ahead(model: "Model", questions: Sequence[str], config: ChatConfig) -> "list[Model]":
    from phi2chat.chatting.together import write_ahead
    from phi2chat.weights.models import LoadedModel

    if not isinstance(model, LoadedModel):
        raise click.UsageError("--batch-size goes with a model on this machine; leave it out for an endpoint.")
    return write_ahead(model, questions, config)


def answer(conversation: "Conversation", question: str, as_json: bool, screen: "Screen") -> "Turn":
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
        print(json_line(turn.report()), flush=True)
        return turn
    screen.end_reply(turn, screen.err)
    return turn


def _questions_on_stdin() -> list[str]:
    if sys.stdin is None or sys.stdin.isatty():
        return []
    return sys.stdin.buffer.read().decode("utf-8", errors="replace").splitlines()
