"""`phi2chat rounds`: which trainings there were, and whether a change made the model better. Imports no torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curation.errors import UserError
from phi2chat.command_group import CommandGroup
from phi2chat.training_rounds.ablate import command as ablate

if TYPE_CHECKING:
    from phi2chat.training_rounds.past_rounds import Round

ROUND = click.argument("round_", metavar="ROUND")
BY = ("probe-score", "script-pass", "eval-loss")


def _with_places(function: Any) -> Any:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="JSON instead."),
        click.option("--recipe", help="Of evaluations by several recipes, this one [default: the first]."),
        click.option(
            "--evaluations", type=click.Path(path_type=Path), default=Path("evaluations"), show_default=True,
            help="Folder of the evaluations.",
        ),
        click.option(
            "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
            help="Folder of the runs.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


@click.group("rounds", cls=CommandGroup)
def command() -> None:
    """Compare trainings: what was changed, what got better, what got worse, and which records did it.

    A round is a training in the folder of the runs, numbered by age; `phi2chat evaluate` says what it can.

    \b
    phi2chat rounds list
    phi2chat rounds diff 3 4
    phi2chat repl --adapter "$(phi2chat rounds best)"
    """


@command.command("list")
@_with_places
def list_(runs: Path, evaluations: Path, recipe: str | None, as_json: bool) -> None:
    """List the rounds: data, eval loss, probe score, script pass rate, and what changed since the round before."""
    from phi2chat.terminal.safe_text import json_line
    from phi2chat.terminal.screen import Screen
    from phi2chat.training_rounds.round_report import describe, show_list

    rounds = _read(runs, evaluations, recipe)
    if as_json:
        for one, before in zip(rounds, [None, *rounds], strict=False):
            print(json_line(describe(one, before)))
    else:
        show_list(rounds, Screen())


@command.command()
@ROUND
@_with_places
def show(round_: str, runs: Path, evaluations: Path, recipe: str | None, as_json: bool) -> None:
    """Show a round: its settings, its data, and its score of each evaluation by category.

    ROUND is a number or name of `phi2chat rounds list`, or the folder of a run.
    """
    from phi2chat.terminal.safe_text import json_line
    from phi2chat.terminal.screen import Screen
    from phi2chat.training_rounds.past_rounds import find_round
    from phi2chat.training_rounds.round_report import describe, show_round

    rounds = _read(runs, evaluations, recipe)
    found = find_round(rounds, round_)
    before = _before(rounds, found)
    if as_json:
        print(json_line(describe(found, before)))
    else:
        show_round(found, before, Screen())


@command.command()
@click.argument("earlier", metavar="ROUND")
@click.argument("later", metavar="[ROUND]", required=False)
@click.option("--all", "show_all", is_flag=True, help="Every probe and record, not the first of each kind.")
@_with_places
def diff(
    earlier: str, later: str | None, show_all: bool, runs: Path, evaluations: Path, recipe: str | None, as_json: bool
) -> None:
    """Compare two rounds; without the second, a round with the one before it.

    ROUND is a number or name of `phi2chat rounds list`, or the folder of a run.

    Says which probes were fixed and which were broken, with the training records nearest to them, which records were
    added, edited or removed between the two, and whether the difference is more than chance.
    """
    from phi2chat.terminal.safe_text import json_line
    from phi2chat.terminal.screen import Screen
    from phi2chat.training_rounds.past_rounds import find_round
    from phi2chat.training_rounds.round_diff import compare_rounds
    from phi2chat.training_rounds.round_report import diff_as_json, show_diff

    rounds = _read(runs, evaluations, recipe)
    first = find_round(rounds, earlier)
    second = find_round(rounds, later) if later is not None else first
    if later is None:
        before = _before(rounds, first)
        if before is None:
            raise UserError(f"round {first.number} ({first.name}): is the first; give the one to compare it with")
        first = before
    compared = compare_rounds(first, second)
    if as_json:
        print(json_line(diff_as_json(first, second, compared)))
    else:
        show_diff(first, second, compared, Screen(), show_all)


@command.command()
@click.option("--by", type=click.Choice(BY), default=BY[0], show_default=True, help="What to go by.")
@_with_places
def best(by: str, runs: Path, evaluations: Path, recipe: str | None, as_json: bool) -> None:
    """Print the folder of the best round, for a script; on stderr, which rounds cannot be told apart from it."""
    from phi2chat.terminal.safe_text import json_line
    from phi2chat.terminal.screen import Screen
    from phi2chat.training_rounds.best_round import choose_best

    screen = Screen()
    found = choose_best(_read(runs, evaluations, recipe), by)
    if as_json:
        alike = [one.number for one in found.alike]
        print(json_line({"round": found.round.number, "folder": str(found.round.folder), "by": by,
                         "value": found.value, "cannot_tell_from": alike}))  # fmt: skip
        return
    for line in found.remarks:
        screen.note(line)
    screen.say(str(found.round.folder), wrap=False)


command.add_command(ablate)


def _read(runs: Path, evaluations: Path, recipe: str | None) -> "list[Round]":
    """The rounds that can be read; what cannot is named on stderr."""
    from phi2chat.terminal.screen import Screen
    from phi2chat.training_rounds.past_rounds import read_rounds

    screen = Screen()
    return read_rounds(runs, evaluations, recipe, lambda error: screen.note(f"left out: {error}", "warning"))


def _before(rounds: "list[Round]", one: "Round") -> "Round | None":
    place = rounds.index(one)
    return rounds[place - 1] if place else None
